"""Prices with tax, in cents."""

from .taxes import tax_on


def line_total(region: str, quantity: int, price: int) -> int:
    net = quantity * price
    return net + tax_on(net, region)


def discount(goods: int, coupon: str) -> int:
    try:
        percent = int(coupon)
    except ValueError:  # no coupon, or one that we do not know
        percent = 0
    return goods * percent // 100
