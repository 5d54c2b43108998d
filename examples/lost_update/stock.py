"""Three customers order at the same time; the shop has ten lamps."""

import asyncio


class Stock:
    def __init__(self, lamps: int) -> None:
        self.lamps = lamps

    async def available(self) -> int:
        await asyncio.sleep(0)  # asks the warehouse
        return self.lamps

    async def set_available(self, lamps: int) -> None:
        await asyncio.sleep(0)  # tells the warehouse
        self.lamps = lamps


async def reserve(stock: Stock, customer: str, lamps: int) -> bool:
    available = await stock.available()
    if available < lamps:
        return False
    await stock.set_available(available - lamps)
    return True


async def main() -> None:
    stock = Stock(10)
    orders = {"Ada": 4, "Ben": 5, "Cleo": 3}
    done = await asyncio.gather(*(reserve(stock, customer, lamps) for customer, lamps in orders.items()))
    sold = sum(lamps for lamps, reserved in zip(orders.values(), done, strict=True) if reserved)
    assert sold + stock.lamps == 10, f"{sold} sold and {stock.lamps} left, of 10"


if __name__ == "__main__":
    asyncio.run(main())
