"""Bills the orders of a day, and compares the sum with what was paid."""

from __future__ import annotations

from dataclasses import dataclass

COUPONS = {"SPRING": "10%", "FRIENDS": "25%", "STAFF": "12.5%"}
GIVEN = [None, "SPRING", None, None, "FRIENDS", None, "STAFF", None]
PAID = 1_731_750


@dataclass
class Order:
    number: str
    cents: int
    coupon: str | None = None


def rate_of(coupon: str | None) -> int:
    """Return the rate of a coupon, in thousandths."""
    if coupon is None:
        return 0
    whole, _, part = COUPONS[coupon].rstrip("%").partition(".")
    return int(whole) * 10 + int(part or 0) * 10


def discounted(cents: int, rate: int) -> int:
    return cents - cents * rate // 1000


def total(order: Order) -> int:
    return discounted(order.cents, rate_of(order.coupon))


def day_total(orders: list[Order]) -> int:
    return sum(map(total, orders))


def main() -> None:
    orders = []
    for number in range(1, 61):
        orders.append(Order(f"A-{number}", 1000 * number, GIVEN[number % 8]))
    billed = day_total(orders)
    assert billed == PAID, f"{billed} billed, {PAID} paid"


if __name__ == "__main__":
    main()
