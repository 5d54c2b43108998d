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

from ..json_text import float_text, quote, utf8
from ..record_format import DEFAULT_MAX_DEPTH, DEFAULT_MAX_ITEMS, DEFAULT_MAX_VALUE_CHARS
from ..redaction.redactor import Redactor
from ..runtime.late_modules import import_late_modules
from ..value_format import CHARS_CUT, CUT_MARK, KEY_MARK, REDACTED
from .walk import MIN_CARD, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

    from .hidden_values import HiddenValues
    from .type_plan import TypePlan

# Only this much beyond the limit is looked through for secrets: one that straddles the cut is found, a
# text of a gigabyte is not read.
REDACTION_MARGIN_CHARS = 4096

# Texts that are not values of the program: a stack of forty frames, a command line.
_MAX_TEXT_CHARS = 20_000

# Texts of up to this many characters are remembered with their redacted, quoted form.
_MEMO_MAX_CHARS = 200
_MEMO_SIZE = 4096
# Long texts of which is known what was found in them, and the step in which as much as is searched of one grows.
_LONG_MEMO_SIZE = 128
_WINDOW_STEP_CHARS = 1024

_MAX_KEY_CHARS = 200
_MAX_KNOWN_TYPES = 5000

_MARK = '"%s"' % REDACTED

# In the text of an object that has none of its own. It is another one in each run.
_ADDRESS = " at 0x"
_MIN_ADDRESS_DIGITS = 6


def _make_room(memo: Dict[Any, Any]) -> None:
    if len(memo) >= _LONG_MEMO_SIZE:
        memo.clear()


class Encoder:
    """Turns values into JSON text within limits, secrets taken out.

    max_chars: per value; max_items: per container; max_depth: levels of containers and objects.
    """

    def __init__(
        self,
        redactor: Redactor,
        max_chars: int = DEFAULT_MAX_VALUE_CHARS,
        max_items: int = DEFAULT_MAX_ITEMS,
        max_depth: int = DEFAULT_MAX_DEPTH,
    ) -> None:
        self._redactor = redactor
        # Kept from late_modules, as a program may take away what stands in sys.modules.
        self._hidden_values: Optional[HiddenValues] = None
        self._plan_of: Optional[Callable[[type], TypePlan]] = None
        self.max_chars = max_chars
        self.max_items = max_items
        self.max_depth = max_depth
        # What was made of short texts: as values, inside of values, and as keys, with their names if these are secret.
        self._memo: Dict[str, bytes] = {}
        self.known_texts: Dict[str, str] = {}
        self.known_keys: Dict[str, Tuple[str, str]] = {}
        # Long texts with what was left of them, and bytes with their text. To search takes a thousand times as long as
        # to look it up, and an object's large field is met again at each call of a method.
        self._known_long: Dict[str, str] = {}
        self._known_bytes: Dict[bytes, Optional[str]] = {}
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
        elif kind is float:
            return float_text(value).encode()
        generation = self._redactor.generation
        if generation != self._generation:
            self._forget_outdated()
        text = Walk(self).text(value)
        if generation != self._redactor.generation:
            # A secret that was learned from the value may stand in it before its name as well.
            self._forget_outdated()
            text = Walk(self).text(value)
        return utf8(text)

    def _forget_outdated(self) -> None:
        if self._generation != self._redactor.generation or len(self.known_texts) >= _MEMO_SIZE:
            self._generation = self._redactor.generation
            self._memo.clear()
            self.known_texts.clear()
            self.known_keys.clear()
            self._known_long.clear()
            self._known_bytes.clear()

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
        if self._redactor.is_secret_name(name) and self._hidden.is_hidden(value, name):
            return _MARK.encode()
        return self.encode(value)

    def encode_result(self, name: str, value: Any) -> bytes:
        """What a function with a secret name returns: the secrets in it are learned first."""
        self._hidden.teach(value, name)
        return self.encode(value)

    def generation(self) -> int:
        """Changes whenever something becomes known to be secret."""
        return self._redactor.generation

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
            self._forget_outdated()
            known = self.known_texts.get(value)
            if known is None:
                known = self.known_texts[value] = quote(self._redacted(value))
            return known
        if size <= limit:
            return quote(self._redacted(value))
        text, is_cut = self._cut(value[: self.window(limit)], size, limit)
        return quote(text + CHARS_CUT % (size - len(text)) if is_cut else text)

    def quoted_bytes(self, head: bytes, size: int, limit: int) -> Tuple[str, bool]:
        """Bytes as the JSON of the text that they are (``\\xNN`` for what is none), and whether it is cut.

        head: the first of *size* bytes, as many as ``window`` says.
        """
        escaped = self._escaped(head)
        if escaped is None:
            return _MARK, False
        window = self.window(limit)
        if len(escaped) > window:  # four times as long, where it is no text
            escaped, size = escaped[:window], max(size, window + 1)
        text, is_cut = self._cut(escaped, size, limit)
        return quote(text + CUT_MARK if is_cut else text), is_cut

    def window(self, limit: int) -> int:
        """How much of a text is looked through for secrets if *limit* characters of it are written.

        Rounded up: what is left of a value's limit differs a little from call to call, and the window is to be known.
        """
        return (limit + REDACTION_MARGIN_CHARS) // _WINDOW_STEP_CHARS * _WINDOW_STEP_CHARS + _WINDOW_STEP_CHARS

    def _cut(self, head: str, size: int, limit: int) -> Tuple[str, bool]:
        """The redacted beginning of a text, and whether it is less than all of it."""
        text = self._redacted(head)
        if len(head) >= size:
            return text[:limit], len(text) > limit
        # What the window cuts in two is not known for what it is, and marks move it up if they are shorter.
        return text[: max(min(limit, len(text) - REDACTION_MARGIN_CHARS), 0)], True

    def _redacted(self, text: str) -> str:
        if len(text) <= _MEMO_MAX_CHARS:
            return self._searched(text)
        self._forget_outdated()
        known = self._known_long.get(text)
        if known is None:
            known = self._searched(text)
            if self._generation == self._redactor.generation:  # nothing was learned from it
                _make_room(self._known_long)
                self._known_long[text] = known
        return known

    def _searched(self, text: str) -> str:
        return self._redactor.redact_text(without_addresses(text) if _ADDRESS in text else text)

    def _escaped(self, head: bytes) -> Optional[str]:
        """Bytes as text, as much of them as can be wanted; None if they hold a secret in wide characters."""
        self._forget_outdated()
        if head in self._known_bytes:
            return self._known_bytes[head]
        is_secret = False
        if b"\0" in head:
            import_late_modules()
            from ..redaction.encoded_texts import holds_wide

            is_secret = holds_wide(head, self._redactor.redact_text)
        most = self.window(self.max_chars) + 1
        escaped = None if is_secret else head.decode("utf-8", "backslashreplace")[:most]
        if self._generation == self._redactor.generation:
            _make_room(self._known_bytes)
            self._known_bytes[head] = escaped
        return escaped

    def key(self, key: Any, walk: Walk) -> Tuple[str, str]:
        """The text of a key with its colon, and its name if that is secret."""
        name = key if type(key) is str else self._hidden.name_of(key)
        text = self.quoted(key, _MAX_KEY_CHARS) if type(key) is str else walk.apart(key, _MAX_KEY_CHARS)
        if type(key) is not str or key.startswith(KEY_MARK):
            text = quote(KEY_MARK + text)
        known = (text + ": ", name if name and self._redactor.is_secret_name(name) else "")
        if type(key) is str and len(key) <= _MAX_KEY_CHARS:
            self.known_keys[key] = known
        return known

    def is_hidden(self, value: Any, name: str) -> bool:
        """Whether the mark is written in the place of a value under a secret name."""
        return self._hidden.is_hidden(value, name)

    def without_named(self, items: Sequence[Any]) -> Sequence[Any]:
        """The items of a sequence without those that stand behind a secret name in it."""
        return self._hidden.without_named(items)

    def plan(self, cls: type) -> TypePlan:
        """How values of this class are read."""
        plan = self._plans.get(id(cls))
        if plan is None or plan.ref() is not cls:
            if len(self._plans) >= _MAX_KNOWN_TYPES:
                self._plans.clear()
            if self._plan_of is None:
                import_late_modules()
                from .type_plan import TypePlan

                self._plan_of = TypePlan
            plan = self._plans[id(cls)] = self._plan_of(cls)
        return plan

    @property
    def _hidden(self) -> HiddenValues:
        if self._hidden_values is None:
            import_late_modules()
            from .hidden_values import HiddenValues

            self._hidden_values = HiddenValues(self._redactor, self.plan)
        return self._hidden_values


def without_addresses(text: str) -> str:
    """``<Cart object at 0x7f21c0>`` as ``<Cart object at 0x...>``."""
    pieces = text.split(_ADDRESS)
    for position in range(1, len(pieces)):
        piece = pieces[position]
        end = 0
        while end < len(piece) and piece[end] in "0123456789abcdefABCDEF":
            end += 1
        pieces[position] = "..." + piece[end:] if end >= _MIN_ADDRESS_DIGITS else piece
    return _ADDRESS.join(pieces)
