"""Bills the orders of the day. The last one fails, and the traceback does not say why."""

import sys
from pathlib import Path

# The price library lives outside of this code base, as an installed package would.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from shop.orders.book import open_orders
from shop.orders.invoice import bill


def main() -> None:
    for order in open_orders():
        print(f"{order.number}: {bill(order)} cents")


if __name__ == "__main__":
    main()
