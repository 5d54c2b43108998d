class Price:
    def __init__(self, cents, pieces):
        self.cents = cents
        self.pieces = pieces

    def rate(self):
        if self.pieces > 10:
            return 0.9
        return 1.0

    def total(self):
        return round(self.cents * self.pieces * self.rate())


class Order:
    def __init__(self):
        self.prices = []

    def add(self, cents, pieces):
        self.prices.append(Price(cents, pieces))

    def total(self):
        return sum(price.total() for price in self.prices)
