from shop.pricing import discount


def test_a_coupon_of_ten_percent_takes_a_tenth_off():
    assert discount(3900, "10") == 390
