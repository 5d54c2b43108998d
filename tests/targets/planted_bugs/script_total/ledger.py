def fee(amount):
    return amount // 100 * 3


class Ledger:
    def __init__(self):
        self.balance = 0
        self.fees = 0

    def book(self, amount):
        charged = fee(amount)
        self.fees += charged
        self.balance += amount - charged


def main():
    ledger = Ledger()
    for amount in (1_000, 250, 2_000):
        ledger.book(amount)
    assert ledger.fees == 97, f"{ledger.fees} in fees"


main()
