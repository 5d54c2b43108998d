"""One value on its way into JSON text: goes down into it within the limits, and never asks it anything."""

from __future__ import annotations

from itertools import islice

from ..json_text import float_text, quote
from ..runtime.classes import class_name
from ..runtime.interruptions import is_of_the_program
from ..value_format import CUT_MARK, ENTRIES_CUT, ITEMS_CUT, REDACTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Sequence, Tuple

    from .encoder import Encoder

# Integers with more digits than this are written by their size: turning them into text is quadratic, and
# Python itself refuses beyond 4,300 digits.
_MAX_INT_BITS = 1024

# The smallest number of 13 digits: payment cards begin there.
MIN_CARD = 10**12

# Names of types and the like fit also where the room is used up.
_MIN_LEAF_CHARS = 60

# So much is kept free for each field behind one, up to half of the room: a large one is not to hide that one is None.
_FIELD_CHARS = 40

# In less room there is of an item of a set nothing but its type.
_MIN_SHARE_CHARS = 8

_MARK = '"%s"' % REDACTED
_ITEMS_CUT = '"%s"' % ITEMS_CUT
_ENTRIES_CUT = '"%s": "%s"' % (CUT_MARK, ENTRIES_CUT)

# Changed by another thread meanwhile, or built by a C extension in a way unknown here.
_UNREADABLE = (RuntimeError, TypeError, ValueError, AttributeError, UnicodeError, OverflowError)


class Walk:
    """What room is left for a value, and what the walk is inside of.

    room: characters; max_items: of each container.
    """

    __slots__ = ("_inside", "_texts", "encoder", "max_items", "room")

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.room = encoder.max_chars
        self.max_items = encoder.max_items
        self._texts = encoder.known_texts
        self._inside: List[int] = []  # addresses of the containers and objects around

    def text(self, value: Any) -> str:
        """Its JSON text; a description in its place where it cannot be read."""
        try:
            return self.any(value)
        except RecursionError:  # the walk is bounded: it is the program that is near the limit, and so it is told there
            raise
        except _UNREADABLE as error:
            return self._unreadable(value, error)

    def any(self, value: Any) -> str:
        """The JSON text of the value or of something in it."""
        kind = type(value)
        if kind is str:
            text = self._texts.get(value)
            if text is None or len(value) > self.room:
                text = self.encoder.quoted(value, max(self.room, 0))
        elif kind is int:
            text = self.int_text(value)
        elif value is None:
            text = "null"
        elif kind is bool:
            text = "true" if value else "false"
        elif kind is float:
            text = float_text(value)
        elif kind is dict:
            return self.mapping("{", list(islice(value.items(), self.max_items)), value, len(value))
        elif kind is list:
            return self.sequence("[", value, value, len(value))
        elif kind is tuple:
            return self.sequence('{"$tuple": [', value, value, len(value))
        else:
            return self._instance(value, kind)
        self.room -= len(text)
        return text

    def _instance(self, value: Any, kind: type) -> str:
        plan = self.encoder.plan(kind)
        depth = len(self._inside)
        try:
            return plan.write(self, value, plan)
        except RecursionError:
            raise
        except _UNREADABLE as error:
            del self._inside[depth:]
            return self._unreadable(value, error)

    def _unreadable(self, value: Any, error: Exception) -> str:
        if is_of_the_program(error):
            raise error
        return self.leaf("<%s: not readable (%s)>" % (class_name(type(value)), class_name(type(error))))

    def int_text(self, value: int) -> str:
        """An integer; its size in place of a huge one."""
        if -MIN_CARD < value < MIN_CARD:
            return "%d" % value
        if value.bit_length() > _MAX_INT_BITS:
            return '"<int of %d bits>"' % value.bit_length()
        if self.encoder.is_secret_number(value):
            return _MARK
        return "%d" % value

    def leaf(self, text: str) -> str:
        """A description. Its parts may be names from the program, so it is redacted as any text."""
        text = self.encoder.quoted(text, max(self.room, _MIN_LEAF_CHARS))
        self.room -= len(text)
        return text

    def apart(self, value: Any, room: int) -> str:
        """The text of something in at most that room, or what there is; it is not taken out of the room here."""
        left = self.room
        self.room = min(room, left)
        try:
            return self.any(value)
        finally:
            self.room = left

    def sequence(self, opening: str, items: Sequence[Any], owner: Any, size: int) -> str:
        """Items side by side; as many as there is room for, and how many more there are.

        opening: ends with the bracket, and may begin an object before it; items: a list or tuple (no subclass) of at
        least the first ones; owner: what is written, to find cycles; size: of all.
        """
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._not_entered(owner, " of %d" % size)
        self._inside.append(id(owner))
        items = items[: self.max_items]
        first = type(items[0]) if len(items) > 0 else None
        if first is str or first is tuple or first is list or first is bytes:
            items = self.encoder.without_named(items)
        pieces: List[str] = []
        for item in items:
            if self.room <= 0:
                break
            pieces.append(self.any(item))
            self.room -= 2
        self._inside.pop()
        return _closed(opening, pieces, size)

    def unordered(self, opening: str, items: Sequence[Any], owner: Any, size: int) -> str:
        """Items that have no order, in that of their texts. The arguments are those of ``sequence``.

        Each gets a share of the room: with all of it for every one, sets of objects that know each other in sets (a
        graph) would be written over and over.
        """
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._not_entered(owner, " of %d" % size)
        self._inside.append(id(owner))
        share = self.room // max(min(len(items), self.max_items), 1)
        if share < _MIN_SHARE_CHARS:
            items = ()
        if items and type(items[0]) is tuple:
            items = self.encoder.without_named(items)
        pieces: List[str] = []
        for text in sorted([self.apart(item, share) for item in items])[: self.max_items]:
            if self.room <= 0:
                break
            pieces.append(text)
            self.room -= len(text) + 2
        self._inside.pop()
        return _closed(opening, pieces, size)

    def mapping(self, opening: str, items: Sequence[Tuple[Any, Any]], owner: Any, size: int) -> str:
        """Keys and values; what stands under a secret name is hidden. The arguments are those of ``sequence``."""
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._not_entered(owner, " of %d" % size)
        return opening + self.entries(items, owner, size) + "}"

    def fields(self, type_name: str, items: Sequence[Tuple[str, Any]], owner: Any, size: int) -> str:
        """An object by its fields."""
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._not_entered(owner, "")
        self.room -= len(type_name) + len('{"$type": ""}')
        entries = self.entries(items, owner, size)
        return '{"$type": %s%s%s}' % (quote(type_name), ", " if entries else "", entries)

    def _not_entered(self, owner: Any, size: str) -> str:
        cycle = "cycle: " if id(owner) in self._inside else ""
        return self.leaf("<%s%s%s>" % (cycle, class_name(type(owner)), size))

    def entries(self, items: Sequence[Tuple[Any, Any]], owner: Any, size: int) -> str:
        """What stands between the braces of an object."""
        self._inside.append(id(owner))
        encoder = self.encoder
        keys, texts = encoder.known_keys, encoder.known_texts
        pieces: List[str] = []
        used: List[str] = []
        behind = min(len(items), self.max_items)
        for key, item in items[: self.max_items]:
            if self.room <= 0:
                break
            behind -= 1
            known = keys.get(key) if type(key) is str else None
            key_text, secret_name = known or encoder.key(key, self)
            if known is None:
                # Two objects may be written alike; of two equal keys JSON has only one.
                used.append(key_text)
                count = used.count(key_text)
                if count > 1:
                    key_text = '%s (%d)": ' % (key_text[:-3], count)
            self.room -= len(key_text) + 2
            # What any() does, for what is most often met.
            kind = type(item)
            text: Optional[str] = None
            if secret_name and encoder.is_hidden(item, secret_name):
                text = _MARK
            elif kind is str:
                if len(item) <= self.room:
                    text = texts.get(item)
            elif kind is int:
                if -MIN_CARD < item < MIN_CARD:
                    text = "%d" % item
            elif item is None:
                text = "null"
            if text is None:
                kept = min(behind * _FIELD_CHARS, self.room // 2)
                self.room -= kept
                text = self.any(item)
                self.room = max(self.room + kept, kept // 2)  # the marks of cuts go beyond the room
            else:
                self.room -= len(text)
            pieces.append(key_text + text)
        if len(pieces) < size:
            pieces.append(_ENTRIES_CUT % (size - len(pieces)))
        self._inside.pop()
        return ", ".join(pieces)


def _closed(opening: str, pieces: List[str], size: int) -> str:
    if len(pieces) < size:
        pieces.append(_ITEMS_CUT % (size - len(pieces)))
    return opening + ", ".join(pieces) + ("]" if opening[0] == "[" else "]}")
