from pages import titles


def test_nothing_has_no_pages():
    assert titles([], 2) == []


def test_the_last_page_is_kept():
    assert titles([1, 2, 3, 4], 2) == ["1 to 2", "3 to 4"]
