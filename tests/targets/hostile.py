"""Values whose every special method ends the program; only code that asks nothing of them survives."""

import sys


def bomb(*args, **kwargs):
    print("user code ran", file=sys.stderr)
    raise SystemExit(99)


class Hostile:
    __slots__ = ("__dict__", "slot")
    __repr__ = __str__ = __len__ = __bool__ = __iter__ = __eq__ = __hash__ = bomb
    __getattr__ = __format__ = __bytes__ = __int__ = __float__ = __index__ = __contains__ = bomb
    __class__ = property(bomb)
    lazy = property(bomb)

    def __init__(self):
        object.__setattr__(self, "visible", 1)
        object.__setattr__(self, "slot", 2)


class DictProperty:
    __slots__ = ()
    __dict__ = property(bomb)


class HostileList(list):
    __iter__ = __len__ = __getitem__ = __repr__ = bomb


class HostileDict(dict):
    __iter__ = __len__ = __getitem__ = items = keys = values = __repr__ = bomb


class HostileStr(str):
    __str__ = __len__ = __repr__ = __eq__ = __hash__ = bomb


class HostileInt(int):
    __repr__ = __str__ = __int__ = __index__ = __eq__ = __hash__ = bomb


class Meta(type):
    __repr__ = __str__ = __hash__ = __eq__ = __instancecheck__ = bomb
    __name__ = property(bomb)
    __module__ = property(bomb)


Made = Meta("Made", (), {})


def take(value):
    return value


def main():
    for value in (
        Hostile(), DictProperty(), HostileList([1]), HostileDict(a=1), HostileStr("text"), HostileInt(5), Made(), Made,
        [Hostile(), {"key": Hostile()}],
    ):  # fmt: skip
        take(value)
    print("survived")


main()
