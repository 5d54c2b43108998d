from timer import Timer, shown


def test_a_short_pause_is_shown_in_seconds():
    assert shown(Timer(2_000)) == "2 s"


def test_a_long_pause_is_shown_in_minutes():
    assert shown(Timer(12_000, per_second=100)) == "2 min"
