"""The orders that wait to be billed."""

from dataclasses import dataclass


@dataclass
class Order:
    number: str
    region: str
    items: list[tuple[str, int, int]]  # name, quantity, price in cents
    coupon: str = ""


def open_orders() -> list[Order]:
    return [
        Order("A-1", "FR", [("tea", 2, 450), ("cup", 1, 900)]),
        Order("A-2", "NL", [("kettle", 1, 3900)], coupon="ten"),
        Order("A-3", "DE-BY", [("tea", 5, 450), ("pot", 1, 2500)]),
    ]
