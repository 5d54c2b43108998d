from settings import Settings, address


def test_a_port_is_read():
    assert address(Settings(["host=here", "port=80"])) == "here:80"


def test_a_port_with_spaces_is_read():
    assert address(Settings(["host=here", "port= 80"])) == "here:80"
