"""What an order costs."""

from ..pricing import discount, line_total
from .book import Order


def bill(order: Order) -> int:
    goods = sum(line_total(order.region, quantity, price) for _, quantity, price in order.items)
    return goods - discount(goods, order.coupon)
