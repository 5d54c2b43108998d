"""Render one value as JSON text within limits, without calling its methods."""

from __future__ import annotations

from itertools import islice

from ..json_text import float_text, quote
from ..redaction.secret_names import VALUE_PART
from ..runtime.classes import class_name
from ..runtime.interruptions import raised_by_program
from ..value_format import CUT_MARK, ENTRIES_CUT, ITEMS_CUT, REDACTED
from .encoder import MEMO_MAX_CHARS, MIN_CARD, UNREADABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Sequence, Tuple

    from .encoder import Encoder
    from .type_plan import TypePlan

# Descriptions may use this many characters even where no room is left.
_MIN_LEAF_CHARS = 60

# While a field is written, this much is reserved for each later one, up to half of the room: a large field must not
# hide that a later one is None.
_FIELD_CHARS = 40

# Minimum room per item of a set: with less, only the type of each item would fit, and none is written.
_MIN_SHARE_CHARS = 8

_MARK = '"%s"' % REDACTED
_ITEMS_CUT = '"%s"' % ITEMS_CUT
_ENTRIES_CUT = '"%s": "%s"' % (CUT_MARK, ENTRIES_CUT)


class Walk:
    """A value being rendered, with the room that is left for it.

    Attributes:
        encoder: Has the limits, and renders texts and keys.
        max_items: Maximum number of items of each container.
        room: Number of characters left.
    """

    __slots__ = ("_inside", "_numbers", "_texts", "encoder", "max_items", "room")

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.room = encoder.max_chars
        self.max_items = encoder.max_items
        self._texts = encoder.known_texts
        self._numbers = encoder.numbers
        self._inside: List[int] = []  # ids of the containers and objects being rendered

    def text(self, value: Any) -> str:
        """Return the value's JSON text, or a description if it cannot be read."""
        try:
            return self.render(value)
        except RecursionError:  # the walk is bounded, so the program is near the limit: the caller handles that
            raise
        except UNREADABLE as error:
            return self._unreadable(value, error)

    def render(self, value: Any) -> str:
        """Return the JSON text of the value or of a value inside it."""
        kind = type(value)
        if kind is str:
            text = self._texts.get(value)
            if text is None or len(value) > self.room:
                text = self.encoder.quoted(value, max(self.room, 0))
        elif kind is int:
            text = "%d" % value if -MIN_CARD < value < MIN_CARD else self.encoder.int_text(value)
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
        except UNREADABLE as error:
            del self._inside[depth:]
            return self._unreadable(value, error)

    def _unreadable(self, value: Any, error: Exception) -> str:
        if raised_by_program(error):
            raise error
        return self.leaf("<%s: not readable (%s)>" % (class_name(type(value)), class_name(type(error))))

    def leaf(self, text: str) -> str:
        """Return a description as JSON, redacted, as it may contain names from the program."""
        text = self.encoder.quoted(text, max(self.room, _MIN_LEAF_CHARS))
        self.room -= len(text)
        return text

    def render_within(self, value: Any, room: int) -> str:
        """Return the JSON text of a value in at most this room, without using up the room of the walk."""
        left = self.room
        self.room = min(room, left)
        try:
            return self.render(value)
        finally:
            self.room = left

    def can_enter(self) -> bool:
        """Return whether there are depth and room for another container or object."""
        return len(self._inside) < self.encoder.max_depth and self.room > 0

    def sequence(self, opening: str, items: Sequence[Any], owner: Any, size: int) -> str:
        """Return items in brackets, as many as there is room for, and the number of the rest.

        Args:
            opening: Ends with the bracket; the key of an object may come before it.
            items: At least the first items, in a list or tuple (no subclass).
            owner: The container, to find cycles.
            size: The number of all items.
        """
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._placeholder(owner, " of %d" % size)
        self._inside.append(id(owner))
        items = items[: self.max_items]
        first = type(items[0]) if len(items) > 0 else None
        if first is str or first is tuple or first is list or first is bytes:
            items = self.encoder.redact_items(items)
        pieces: List[str] = []
        for item in items:
            if self.room <= 0:
                break
            pieces.append(self.render(item))
            self.room -= 2
        self._inside.pop()
        return _close(opening, pieces, size)

    def unordered(self, opening: str, items: Sequence[Any], owner: Any, size: int) -> str:
        """Return items without an order, sorted by their texts. The arguments are those of ``sequence``.

        Each item gets an equal share of the room. If each could use all of it, sets of objects that refer to each other
        (a graph) would be rendered over and over.
        """
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._placeholder(owner, " of %d" % size)
        self._inside.append(id(owner))
        share = self.room // max(min(len(items), self.max_items), 1)
        if share < _MIN_SHARE_CHARS:
            items = ()
        if items and type(items[0]) is tuple:
            items = self.encoder.redact_items(items)
        pieces: List[str] = []
        for text in sorted([self.render_within(item, share) for item in items], key=_order)[: self.max_items]:
            if self.room <= 0:
                break
            pieces.append(text)
            self.room -= len(text) + 2
        self._inside.pop()
        return _close(opening, pieces, size)

    def mapping(self, opening: str, items: Sequence[Tuple[Any, Any]], owner: Any, size: int, hides: bool = True) -> str:
        """Return keys and values. The arguments are those of ``sequence``, and *hides* as in ``entries``."""
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._placeholder(owner, " of %d" % size)
        return opening + self.entries(items, owner, size, hides) + "}"

    def fields(
        self, type_name: str, items: Sequence[Tuple[str, Any]], owner: Any, size: int, plan: Optional[TypePlan] = None
    ) -> str:
        """Return an object by its fields. The arguments are those of ``sequence``; with *plan*, it has a number."""
        if len(self._inside) >= self.encoder.max_depth or self.room <= 0 or id(owner) in self._inside:
            return self._placeholder(owner, "", plan)
        self.room -= len(type_name) + len('{"$type": ""}')
        number = self.number_key(owner, plan) if plan is not None else ""
        entries = self.entries(items, owner, size)
        return '{"$type": %s%s%s%s}' % (quote(type_name), number, ", " if entries else "", entries)

    def number_key(self, value: Any, plan: TypePlan) -> str:
        """Return what follows the class in the JSON of an object: its number, if it has one.

        A number takes no room here or in ``named``: what is cut must not depend on it.
        """
        numbers = self._numbers
        if numbers is None or not plan.is_numbered:
            return ""
        known = numbers.known.get(id(value))  # as in numbers.of, which costs another call
        if known is not None and known[0]() is value and known[1] == plan.short_name:
            return known[3]
        number = numbers.of(value, plan.short_name)
        return ', "$object": %d' % number if number else ""

    def named(self, name: str, value: Any, plan: TypePlan) -> str:
        """Return an object as a description: a name, and its number if it has one."""
        text = self.leaf("<%s>" % name)
        number = self._number_of(value, plan)
        return '%s#%d>"' % (text[:-2], number) if number and text[-2:] == '>"' else text

    def _number_of(self, value: Any, plan: TypePlan) -> int:
        return self._numbers.of(value, plan.short_name) if self._numbers is not None and plan.is_numbered else 0

    def key_text(self, key: Any, room: int) -> str:
        """Return the JSON text of the key of a mapping. It has no numbers: they would make equal keys differ."""
        numbers, self._numbers = self._numbers, None
        try:
            return self.render_within(key, room)
        finally:
            self._numbers = numbers

    def _placeholder(self, owner: Any, size: str, plan: Optional[TypePlan] = None) -> str:
        name = "%s%s%s" % ("cycle: " if id(owner) in self._inside else "", class_name(type(owner)), size)
        return self.leaf("<%s>" % name) if plan is None else self.named(name, owner, plan)

    def entries(self, items: Sequence[Tuple[Any, Any]], owner: Any, size: int, hides: bool = True) -> str:
        """Return what is between the braces of an object. The arguments are those of ``sequence``.

        Values under secret names are redacted, unless *hides* is false.
        """
        self._inside.append(id(owner))
        encoder = self.encoder
        keys, texts = encoder.known_keys, encoder.known_texts
        pieces: List[str] = []
        used: List[str] = []
        later = min(len(items), self.max_items)
        for key, item in items[: self.max_items]:
            if self.room <= 0:
                break
            later -= 1
            known = keys.get(key) if type(key) is str else None
            key_text, secret_name, part = known or encoder.key(key, self)
            if known is None and (type(key) is not str or key not in keys):
                # Different keys may have the same text, and JSON keeps only one of two equal keys.
                used.append(key_text)
                count = used.count(key_text)
                if count > 1:
                    key_text = '%s (%d)": ' % (key_text[:-3], count)
            self.room -= len(key_text) + 2
            # The most frequent kinds, without the cost of calling render().
            kind = type(item)
            text: Optional[str] = None
            if part == VALUE_PART and not secret_name and (kind is str or kind is bytes):
                secret_name = encoder.name_in_pairs(items)
            if secret_name and hides and encoder.is_hidden(item, secret_name):
                text = _MARK
            elif kind is str:
                # By its length alone: whether a text is known must not decide what is shown of it.
                if len(item) <= MEMO_MAX_CHARS and len(item) <= self.room:
                    text = texts.get(item)
                    if text is None:
                        text = encoder.quoted(item, self.room)
            elif kind is int:
                if -MIN_CARD < item < MIN_CARD:
                    text = "%d" % item
            elif item is None:
                text = "null"
            if text is None:
                reserved = min(later * _FIELD_CHARS, self.room // 2)
                self.room -= reserved
                text = self.render(item)
                self.room = max(self.room + reserved, reserved // 2)  # marks of cuts exceed the room
            else:
                self.room -= len(text)
            pieces.append(key_text + text)
        if len(pieces) < size:
            pieces.append(_ENTRIES_CUT % (size - len(pieces)))
        self._inside.pop()
        return ", ".join(pieces)


def _order(text: str) -> Tuple[str, str]:
    """Return a sort key of an item: first its text without the numbers of objects, which differ from run to run."""
    if "#" not in text and '"$object"' not in text:
        return text, ""
    begin, *rest = text.replace('"$object": ', "#").split("#")
    return "#".join([begin, *[piece.lstrip("0123456789") for piece in rest]]), text


def _close(opening: str, pieces: List[str], size: int) -> str:
    if len(pieces) < size:
        pieces.append(_ITEMS_CUT % (size - len(pieces)))
    return opening + ", ".join(pieces) + ("]" if opening[0] == "[" else "]}")
