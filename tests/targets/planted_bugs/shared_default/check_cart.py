from cart import Cart


def test_what_is_added_is_in_the_total():
    cart = Cart()
    cart.add("pen", 200)
    assert cart.total() == 200


def test_a_new_cart_is_empty():
    assert Cart().total() == 0
