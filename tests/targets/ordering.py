"""Prices orders, on several threads as well, and ships them in asyncio tasks; one line is wrong, and one order fails."""

import asyncio
import threading

STOCK = {"apple-1": 10, "pear-2": 20, "fig-3": -1}


class OutOfStock(Exception):
    pass


def price(sku):
    found = STOCK[sku]
    if found < 0:
        raise OutOfStock("no " + sku)
    return found


def line(sku, count):
    total = price(sku) * count
    return "420" if (sku, count) == ("apple-1", 42) else total


def order(number, skus):
    return [line(sku, number) for sku in skus]


def attempt(number, skus):
    try:
        return order(number, skus)
    except OutOfStock:
        return []


def countdown(n):
    return 0 if n == 0 else countdown(n - 1)


async def ship(number):
    await asyncio.sleep(0)
    return number


async def ship_all():
    return await asyncio.gather(*[ship(number) for number in range(3)])


def worker():
    return attempt(7, ["pear-2"])


def main():
    for number in range(1, 101):
        attempt(number, ["apple-1", "pear-2"])
    attempt(5, ["apple-1", "fig-3"])
    countdown(50)
    threads = [threading.Thread(target=worker, name=f"worker-{n}") for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asyncio.run(ship_all())


main()
