from events import Events


def test_listeners_are_called_in_the_order_of_priority():
    events = Events()
    events.on(lambda: "low")
    events.on(lambda: "high", priority=5)
    assert events.emit() == ["high", "low"]


def test_a_late_listener_with_priority_is_called_first():
    events = Events()
    events.on(lambda: "low")
    events.emit()
    events.on(lambda: "high", priority=5)
    assert events.emit() == ["high", "low"]
