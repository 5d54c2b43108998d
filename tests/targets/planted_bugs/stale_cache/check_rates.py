from rates import Rates, convert


def test_a_rate_is_read():
    assert convert(Rates(), 10, "fr", "eur") == 10


def test_a_rate_is_read_twice():
    rates = Rates()
    assert convert(rates, 10, "fr", "eur") == convert(rates, 10, "fr", "eur")


def test_two_currencies_have_two_rates():
    rates = Rates()
    assert convert(rates, 10, "de", "eur") == 10
    assert convert(rates, 10, "de", "usd") == 11
