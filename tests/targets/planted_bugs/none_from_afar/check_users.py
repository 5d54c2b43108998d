from users import Directory, greeting

ROWS = [{"id": 1, "name": "ann"}, {"id": 2, "legacy": True, "name": "bob", "full_name": "bob b"}]


def test_a_name_is_known():
    assert Directory(ROWS[:1]).name(1) == "ann"


def test_a_user_is_greeted():
    assert greeting(Directory(ROWS[:1]), 1) == "Hello ANN"


def test_the_owner_is_greeted_in_capitals():
    assert greeting(Directory(ROWS), 2) == "Hello BOB B"
