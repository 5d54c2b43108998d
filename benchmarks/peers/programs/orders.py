"""Price as many orders as the command line says, each an object with five items: 14 calls for one order.

It has no comprehension, generator or generated method: tools count these differently.
"""

import sys


class Item:
    def __init__(self, name, price, quantity):
        self.name = name
        self.price = price
        self.quantity = quantity

    def total(self):
        return self.price * self.quantity


class Order:
    def __init__(self, number, items):
        self.number = number
        self.items = items
        self.tags = {"key": number, "sizes": [1, 2, 3]}

    def total(self):
        total = 0.0
        for item in self.items:
            total += item.total()
        return total

    def discount(self, rate):
        return self.total() * (1 - rate)


def price(order, rates):
    return order.discount(rates.get(order.number % 7, 0.1))


def main(count):
    rates = {number: number / 100 for number in range(5)}
    for number in range(count):
        items = []
        for index in range(5):
            items.append(Item("a" + str(index), 1.5 * index, index))
        price(Order(number, items), rates)


main(int(sys.argv[1]))
