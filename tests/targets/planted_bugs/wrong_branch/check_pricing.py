from pricing import Order


def order(*lines):
    made = Order()
    for cents, pieces in lines:
        made.add(cents, pieces)
    return made


def test_an_empty_order_costs_nothing():
    assert order().total() == 0


def test_a_small_order_has_the_full_price():
    assert order((100, 2), (50, 1)).total() == 250


def test_a_large_order_is_cheaper():
    assert order((100, 10), (50, 1)).total() == 950
