import asyncio


class Stock:
    def __init__(self, left):
        self.left = left

    async def take(self, pieces):
        left = self.left
        if left < pieces:
            return False
        await self.note(pieces)
        self.left = left - pieces
        return True

    async def note(self, pieces):
        await asyncio.sleep(0)


async def sell(stock, orders):
    done = await asyncio.gather(*(stock.take(pieces) for pieces in orders))
    return sum(pieces for pieces, sold in zip(orders, done) if sold)
