TABLE = {("de", "eur"): 1.0, ("de", "usd"): 1.1, ("fr", "eur"): 1.0}


class Rates:
    def __init__(self):
        self.cached = {}

    def of(self, country, currency):
        if country not in self.cached:
            self.cached[country] = self.read(country, currency)
        return self.cached[country]

    def read(self, country, currency):
        return TABLE[country, currency]


def convert(rates, amount, country, currency):
    return amount * rates.of(country, currency)
