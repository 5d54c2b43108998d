"""Values as JSON text, taken without running a line of the user's code.

Nothing here calls ``repr``, ``str``, ``len``, ``==`` or ``hash`` on a value of a type that is not built in, and nothing
reads an attribute the ordinary way: a property, a ``__getattr__`` or a ``__class__`` of the user's would run
(peers do: a MagicMock counts the call, a lazy ORM object queries its database). Types are told apart
by identity, fields are read from ``__dict__`` and slots by the C descriptors.

What is written: JSON as it stands for None, bool, int, float, str, list and dict; ``{"$tuple": [...]}``,
``{"$set": [...]}``, ``{"$type": "Cart", field: ...}`` for the rest, ``"<function shop.total>"`` for what has no value
worth the room. A cut is marked with the true size: ``"abc…(+970 chars)"``, ``"…(+42 items)"``. No memory addresses:
two runs compare equal.
"""

from __future__ import annotations

from itertools import islice

from ..classes import derives
from ..record_format import REDACTED
from .json_text import quote, utf8
from .secret_redactor import Redactor
from .type_plan import TypePlan
from .walk import MIN_CARD, REDACTION_MARGIN_CHARS, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence, Tuple

# Texts that are not values of the program: a stack of forty frames, a command line.
_MAX_TEXT_CHARS = 20_000

# Texts of up to this many characters are remembered with their redacted, quoted form.
_MEMO_MAX_CHARS = 200
_MEMO_SIZE = 4096

_MAX_KNOWN_TYPES = 5000


class Encoder:
    """Turns values into JSON text within limits, secrets taken out.

    max_chars: per value; max_items: per container; max_depth: levels of containers and objects.
    """

    def __init__(self, redactor: Redactor, max_chars: int = 2000, max_items: int = 50, max_depth: int = 4) -> None:
        self._redactor = redactor
        self.max_chars = max_chars
        self.max_items = max_items
        self.max_depth = max_depth
        self._memo: Dict[str, bytes] = {}  # what encode made of short texts
        self._quoted: Dict[str, str] = {}  # the same as text, for those inside of something
        self._generation = redactor.generation
        self._plans: Dict[int, TypePlan] = {}

    def encode(self, value: Any) -> bytes:
        """The JSON text of a value, as UTF-8. Raises nothing but what a signal handler raises."""
        kind = type(value)
        if kind is int:
            if -MIN_CARD < value < MIN_CARD:
                return b"%d" % value
        elif kind is str:
            if self._generation == self._redactor.generation:
                known = self._memo.get(value)
                if known is not None:
                    return known
            return self._encode_str(value)
        elif value is None:
            return b"null"
        elif kind is bool:
            return b"true" if value else b"false"
        return utf8(Walk(self).text(value))

    def is_secret_number(self, number: int) -> bool:
        """Whether an integer is redacted: a payment card's."""
        return number >= MIN_CARD and self._redactor.is_secret_number(number)

    def is_secret_name(self, name: str) -> bool:
        """Whether what stands under *name* is redacted."""
        return self._redactor.is_secret_name(name)

    def encode_fields_hidden(self, value: Any) -> bytes:
        """A half-built object (``self`` in ``__init__``) by its type alone."""
        return utf8('{"$type": %s}' % quote(self.plan(type(value)).name))

    def encode_named(self, name: str, value: Any) -> bytes:
        """A value that stands under *name*: the mark instead, if the name is secret."""
        if self._redactor.is_secret_name(name):
            hidden = self.hide(value, name)
            if hidden is not None:
                return utf8(hidden)
        return self.encode(value)

    def encode_fields(self, fields: Sequence[Tuple[str, Any]]) -> bytes:
        """A JSON object of named values, each within the limits of a value.

        A secret that is learned from one of them is redacted in those before it too.
        """
        generation = self._redactor.generation
        encoded = self._encode_fields(fields)
        return encoded if generation == self._redactor.generation else self._encode_fields(fields)

    def _encode_fields(self, fields: Sequence[Tuple[str, Any]]) -> bytes:
        pieces = [utf8(quote(name)) + b": " + self.encode_named(name, value) for name, value in fields]
        return b"{" + b", ".join(pieces) + b"}"

    def encode_text(self, text: str) -> bytes:
        """A text that is not a value (a name, a stack), redacted, as JSON."""
        return utf8(self.quoted(text, _MAX_TEXT_CHARS))

    def _encode_str(self, value: str) -> bytes:
        encoded = utf8(self.quoted(value, self.max_chars))
        if len(value) <= _MEMO_MAX_CHARS:
            self._memo[value] = encoded
        return encoded

    def quoted(self, value: str, limit: int) -> str:
        """A text as JSON: redacted first, then cut to *limit* characters, the cut marked."""
        size = len(value)
        if size <= _MEMO_MAX_CHARS and size <= limit:
            if self._generation != self._redactor.generation or len(self._quoted) >= _MEMO_SIZE:
                self._generation = self._redactor.generation
                self._memo.clear()
                self._quoted.clear()
            known = self._quoted.get(value)
            if known is None:
                known = self._quoted[value] = quote(self._redactor.redact_text(value))
            return known
        if size > limit:
            text = self._redactor.redact_text(value[: limit + REDACTION_MARGIN_CHARS])
            if len(text) > limit or size > limit + REDACTION_MARGIN_CHARS:
                text = "%s…(+%d chars)" % (text[:limit], size - limit)
        else:
            text = self._redactor.redact_text(value)
        return quote(text)

    def hide(self, value: Any, name: str, depth: int = 0) -> Optional[str]:
        """What is written for a value under a secret name; None where there is nothing to hide.

        That a password is None, False or empty is no secret, and often the bug.
        """
        kind = type(value)
        if value is None or kind is bool:
            return None
        if kind is str or derives(kind, str):  # SecretStr and the like derive from it
            text = str.__str__(value)
            if not text:
                return None
            self._redactor.learn(text, name)
        elif kind is bytes or kind is bytearray:
            self._redactor.learn(bytes(value[:REDACTION_MARGIN_CHARS]).decode("utf-8", "replace"), name)
        elif self._redactor.is_weak_name(name) and kind is not int:
            return None  # a session object is looked into as any other
        elif depth < self.max_depth and (kind is list or kind is tuple or kind is set or kind is frozenset):
            for item in islice(list(value), self.max_items):
                self.hide(item, name, depth + 1)
        elif depth < self.max_depth and kind is dict:
            for item in islice(list(value.values()), self.max_items):
                self.hide(item, name, depth + 1)
        return '"%s"' % REDACTED

    def plan(self, cls: type) -> TypePlan:
        """How values of this class are read."""
        plan = self._plans.get(id(cls))
        if plan is None or plan.ref() is not cls:
            if len(self._plans) >= _MAX_KNOWN_TYPES:
                self._plans.clear()
            plan = self._plans[id(cls)] = TypePlan(cls)
        return plan
