from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float


def total(items, vouchers):
    subtotal = 0.0
    for item in items:
        if item.name in vouchers:
            discount = vouchers[item.name]
            if discount > 1:
                discount = discount / 10
            subtotal -= item.price * discount
        subtotal += item.price
    return round(subtotal, 2)
