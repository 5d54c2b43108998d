import asyncio

from stock import Stock, sell


def test_one_order_is_sold():
    assert asyncio.run(sell(Stock(5), [3])) == 3


def test_no_more_is_sold_than_there_is():
    assert asyncio.run(sell(Stock(5), [3, 4])) == 3
