from report import mean, report


def test_the_mean_of_a_list():
    assert mean([1.0, 3.0]) == 2.0


def test_the_mean_of_nothing():
    assert report([""]) == "mean: 0.0"


def test_the_mean_is_that_of_all_rows():
    assert report(["1", "", "3"]) == "mean: 2.0"
