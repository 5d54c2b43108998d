import pytest
from shop.pricing import total


@pytest.mark.parametrize(("pieces", "expected"), [(1, 7), (9, 63), (10, 63), (20, 126)])
def test_total(pieces, expected):
    assert total(7, pieces) == expected
