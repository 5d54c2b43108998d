"""One bill of three hundred items; three of them have a voucher."""

from shop.pricing import Item, total

items = [Item(f"item{number}", 2.5) for number in range(300)]
vouchers = {"item40": 0.1, "item217": 15, "item250": 0.2}
print(f"{total(items, vouchers):.2f} to pay")
