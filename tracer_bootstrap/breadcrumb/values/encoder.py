"""Encode values as JSON text without running any code of the program.

Nothing here calls ``repr``, ``str``, ``len``, ``==`` or ``hash`` on a value whose type is not built in, or reads an
attribute the ordinary way: that could run a property, a ``__getattr__`` or a ``__class__`` of the program (a MagicMock
counts the call, a lazy ORM object queries its database). Types are compared by identity; fields are read from
``__dict__`` and slots by the C descriptors.

None, bool, int, float, str, list and dict become plain JSON. Other values become objects with a marked key:
``{"$tuple": [...]}``, ``{"$set": [...]}``, ``{"$type": "Cart", field: ...}``. Functions, classes and the like become a
description: ``"<function shop.total>"``. A cut is marked with the number left out: ``"abc…(+970 chars)"``,
``"…(+42 items)"``. Memory addresses are never written, so that two runs compare equal.
"""

from __future__ import annotations

from ..json_text import float_text, quote, utf8
from ..record_format import DEFAULT_MAX_DEPTH, DEFAULT_MAX_ITEMS, DEFAULT_MAX_VALUE_CHARS
from ..redaction.redactor import Redactor
from ..redaction.secret_names import JUDGED_NAME, NAME_PART, part_of_pair
from ..runtime.interruptions import raised_by_program
from ..runtime.late_modules import import_late_modules, load_late_module
from ..value_format import CHARS_CUT, CUT_MARK, CUT_OPENING, KEY_MARK, REDACTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Type

    from ..runtime.object_numbers import ObjectNumbers
    from .hidden_values import HiddenValues
    from .type_plan import TypePlan
    from .walk import Walk

# Secrets are searched for this far beyond the limit, so that one across the cut is found and a text of a gigabyte is
# not read.
REDACTION_MARGIN_CHARS = 4096

# Limit of texts that are not values, such as a command line or a stack of forty frames.
_MAX_TEXT_CHARS = 20_000

# Payment card numbers have 13 to 19 digits.
MIN_CARD, CARD_LIMIT = 10**12, 10**19

# Texts of at most this length are kept in memory with their redacted, quoted form.
MEMO_MAX_CHARS = 200
_MEMO_SIZE = 4096
# Number of long texts, and of bytes, that are kept in memory with their redacted form.
_LONG_MEMO_SIZE = 128
# The searched part of a long text grows in steps of this many characters.
_WINDOW_STEP_CHARS = 1024

_MAX_KEY_CHARS = 200
_MAX_KNOWN_TYPES = 5000

_MARK = '"%s"' % REDACTED

# Raised for values that another thread changes meanwhile, and by C extensions with unusual objects.
UNREADABLE = (RuntimeError, TypeError, ValueError, AttributeError, UnicodeError, OverflowError)

# Precedes the address in the default repr of an object, which differs from run to run.
_ADDRESS = " at 0x"
_MIN_ADDRESS_DIGITS = 6
_REPLACED_ADDRESS = _ADDRESS + "..."

# The text of a key that holds one of these may be that of another key too, which was redacted, cut or rid of an
# address. Such keys are numbered, the known ones are not: no known key may be among them.
_SHARED_BY_KEYS = (REDACTED, CUT_OPENING, _REPLACED_ADDRESS)

# Larger integers are written by their size: the conversion to text is quadratic, and Python refuses it beyond 4,300
# digits.
_MAX_INT_BITS = 1024


def _clear_if_full(memo: Dict[Any, Any]) -> None:
    if len(memo) >= _LONG_MEMO_SIZE:
        memo.clear()


class Encoder:
    """An encoder of values as redacted JSON text within limits.

    Args:
        redactor: Knows the secrets, and learns those found under secret names.
        max_chars: Approximate limit of a value's JSON text, in characters.
        max_items: Maximum number of items of a container and of fields of an object.
        max_depth: Maximum number of nested containers and objects.
        numbers: Numbers the objects; None: they are written without numbers.
        native: The module of the core in C, whose methods take the place of those here; None: all is done here.
    """

    def __init__(
        self,
        redactor: Redactor,
        max_chars: int = DEFAULT_MAX_VALUE_CHARS,
        max_items: int = DEFAULT_MAX_ITEMS,
        max_depth: int = DEFAULT_MAX_DEPTH,
        numbers: Optional[ObjectNumbers] = None,
        native: Any = None,
    ) -> None:
        self._redactor = redactor
        # Kept here once imported, as a program may empty sys.modules.
        self._hidden_values: Optional[HiddenValues] = None
        self._plan_of: Optional[Callable[..., TypePlan]] = None
        self._walk_type: Optional[Type[Walk]] = None
        # Whether to read fields without making an instance's __dict__: takes a third longer, and spares the program.
        self.spares_dicts = False
        self._is_card_number: Callable[[int], bool] = redactor.is_secret_number
        self.max_chars = max_chars
        self.max_items = max_items
        self.max_depth = max_depth
        self.numbers = numbers
        # The JSON of short texts: as values, inside values, and as keys (with the name if it is secret).
        self._memo: Dict[str, bytes] = {}
        self.known_texts: Dict[str, str] = {}
        self.known_keys: Dict[str, Tuple[str, str, int]] = {}
        # Long texts with their redacted form, and bytes with their text. Searching takes a thousand times as long as a
        # look-up, and a large field of an object comes again with each call of a method.
        self._known_long: Dict[str, str] = {}
        self._known_bytes: Dict[bytes, Optional[str]] = {}
        self._generation = redactor.generation
        self._plans: Dict[int, TypePlan] = {}
        self.native = native
        self.compiled: Any = None  # the encoder in C
        if native is not None:
            compiled = self.compiled = native.ValueEncoder(self, _new_walk)
            self.encode = compiled.encode  # type: ignore[method-assign]
            self.encode_fields_hidden = compiled.encode_fields_hidden  # type: ignore[method-assign]

    def encode(self, value: Any) -> bytes:
        """Return a value's JSON text, one line of UTF-8.

        Never fails because of the value. What the program raises meanwhile, as in a signal handler, passes through.

        Raises:
            RecursionError: The program is close to the recursion limit.
        """
        kind = type(value)
        if kind is int:
            if -MIN_CARD < value < MIN_CARD:
                return b"%d" % value
            return self.int_text(value).encode()
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
            self.forget_outdated()
        text = (self._walk_type or self.walk_type())(self).text(value)
        if generation != self._redactor.generation:
            # A secret learned from the value may occur in it before its name too.
            self.forget_outdated()
            text = (self._walk_type or self.walk_type())(self).text(value)
        return utf8(text)

    def walk_type(self) -> Type[Walk]:
        """Return what renders the values that are not plain, which the core in C seldom needs."""
        if self._walk_type is None:
            load_late_module("values.walk")
            from .walk import Walk

            self._walk_type = Walk
        return self._walk_type

    def forget_outdated(self) -> None:
        """Forget all texts if a secret was learned, or if there are too many.

        Called after whatever may teach a secret, within one value too: the room that a text takes, and with it what is
        shown of the others, must not depend on whether the text was known.
        """
        if self._generation != self._redactor.generation or len(self.known_texts) >= _MEMO_SIZE:
            self._generation = self._redactor.generation
            self._memo.clear()
            self.known_texts.clear()
            self.known_keys.clear()
            self._known_long.clear()
            self._known_bytes.clear()

    def int_text(self, value: int) -> str:
        """Return an integer as JSON, a huge one by its size, and a payment card number as a mark."""
        if MIN_CARD <= value < CARD_LIMIT:  # nearly all large ones: times in nanoseconds, ids
            return _MARK if self._is_card_number(value) else "%d" % value
        if value.bit_length() > _MAX_INT_BITS:
            return '"<int of %d bits>"' % value.bit_length()
        return "%d" % value

    def is_secret_name(self, name: str) -> bool:
        """Return whether values of this name (of a parameter, variable, field, function) may be redacted."""
        return self._redactor.may_be_secret(name)

    def is_setting_name(self, name: str) -> bool:
        """Return whether the value of a setting of this name is redacted."""
        return self._redactor.is_setting_name(name)

    def encode_fields_hidden(self, value: Any) -> bytes:
        """Encode an object by its type and number alone: ``self`` in ``__init__`` is half-built."""
        plan = self.plan(type(value))
        return utf8('{"$type": %s%s}' % (quote(plan.name), self.walk_type()(self).number_key(value, plan)))

    def encode_named(self, name: str, value: Any) -> bytes:
        """Encode the value of a parameter, variable or field, redacted if the name is secret."""
        if self._redactor.may_be_secret(name) and self._hidden.is_hidden(value, name):
            return _MARK.encode()
        return self.encode(value)

    def encode_result(self, name: str, value: Any) -> bytes:
        """Encode the result of a function with a secret name, learning the secrets in it first.

        Args:
            name: The last part of the function's name.
            value: The result.
        """
        self._hidden.learn(value, name)
        return self.encode(value)

    def generation(self) -> int:
        """Return a number that changes whenever something is learned to be secret."""
        return self._redactor.generation

    def encode_fields(self, fields: Sequence[Tuple[str, Any]]) -> bytes:
        """Encode named values as a JSON object, each within the limits of a value.

        A secret that is learned from one of them is redacted in those before it too.
        """
        generation = self._redactor.generation
        encoded = self._encode_fields(fields)
        return encoded if generation == self._redactor.generation else self._encode_fields(fields)

    def _encode_fields(self, fields: Sequence[Tuple[str, Any]]) -> bytes:
        pieces = [utf8(quote(name)) + b": " + self.encode_named(name, value) for name, value in fields]
        return b"{" + b", ".join(pieces) + b"}"

    def encode_text(self, text: str) -> bytes:
        """Encode a text that is not a value (a name, a stack), redacted and cut after 20,000 characters."""
        return utf8(self.quoted(text, _MAX_TEXT_CHARS))

    def _encode_str(self, value: str) -> bytes:
        generation = self._redactor.generation
        encoded = utf8(self.quoted(value, self.max_chars))
        if len(value) <= MEMO_MAX_CHARS and len(value) <= self.max_chars and generation == self._redactor.generation:
            self._memo[value] = encoded
        return encoded

    def quoted(self, value: str, limit: int) -> str:
        """Return a text as JSON, first redacted, then cut to *limit* characters."""
        size = len(value)
        if size <= MEMO_MAX_CHARS and size <= limit:
            self.forget_outdated()
            known = self.known_texts.get(value)
            if known is None:
                generation = self._generation
                known = quote(self._redacted(value))
                if generation == self._redactor.generation:
                    self.known_texts[value] = known
            return known
        if size <= limit:
            return quote(self._redacted(value))
        text, is_cut = self._cut(value[: self.window(limit)], size, limit)
        return quote(text + CHARS_CUT % (size - len(text)) if is_cut else text)

    def quoted_bytes(self, head: bytes, size: int, limit: int) -> Tuple[str, bool]:
        r"""Return bytes as the JSON of a text, with ``\xNN`` where they are no text, and whether it is cut.

        Args:
            head: The first bytes, as many as ``window`` returns.
            size: The number of all bytes.
            limit: Maximum number of characters.
        """
        escaped = self._escaped(head)
        if escaped is None:
            return _MARK, False
        window = self.window(limit)
        if len(escaped) > window:  # bytes that are no text become four times as long
            escaped, size = escaped[:window], max(size, window + 1)
        text, is_cut = self._cut(escaped, size, limit)
        return quote(text + CUT_MARK if is_cut else text), is_cut

    def window(self, limit: int) -> int:
        """Return how many characters to search for secrets if *limit* characters are written.

        The number is rounded up: with limits that differ a little from call to call, the text to search stays the same.
        """
        return (limit + REDACTION_MARGIN_CHARS) // _WINDOW_STEP_CHARS * _WINDOW_STEP_CHARS + _WINDOW_STEP_CHARS

    def _cut(self, head: str, size: int, limit: int) -> Tuple[str, bool]:
        """Return the redacted beginning of a text, and whether that is not all of it."""
        text = self._redacted(head)
        if len(head) >= size:
            return text[:limit], len(text) > limit
        # A secret that the window cuts in two is not recognized, and marks shorter than their secrets move it forward:
        # leave out the margin.
        return text[: max(min(limit, len(text) - REDACTION_MARGIN_CHARS), 0)], True

    def _redacted(self, text: str) -> str:
        if len(text) <= MEMO_MAX_CHARS:
            return self._search_and_redact(text)
        self.forget_outdated()
        known = self._known_long.get(text)
        if known is None:
            generation = self._generation
            known = self._search_and_redact(text)
            if generation == self._redactor.generation:  # nothing was learned from it
                _clear_if_full(self._known_long)
                self._known_long[text] = known
        return known

    def _search_and_redact(self, text: str) -> str:
        redacted = self._redactor.redact_text(without_addresses(text) if _ADDRESS in text else text)
        self.forget_outdated()
        return redacted

    def _escaped(self, head: bytes) -> Optional[str]:
        """Decode bytes up to the largest window; None if they hold a secret in wide characters."""
        self.forget_outdated()
        if head in self._known_bytes:
            return self._known_bytes[head]
        is_secret = False
        generation = self._generation
        if b"\0" in head:
            import_late_modules()
            from ..redaction.encoded_texts import holds_wide

            is_secret = holds_wide(head, self._redactor.redact_text)
        most = self.window(self.max_chars) + 1
        escaped = None if is_secret else head.decode("utf-8", "backslashreplace")[:most]
        if generation == self._redactor.generation:
            _clear_if_full(self._known_bytes)
            self._known_bytes[head] = escaped
        else:
            self.forget_outdated()
        return escaped

    def key(self, key: Any, walk: Walk) -> Tuple[str, str, int]:
        """Return the JSON of a key with its colon, its name if that is secret, and ``part_of_pair``.

        Added to the last is JUDGED_NAME if only what looks like a credential is secret under the name.
        """
        name = key if type(key) is str else self._hidden.name_of(key)
        text = self.quoted(key, _MAX_KEY_CHARS) if type(key) is str else walk.key_text(key, _MAX_KEY_CHARS)
        if type(key) is not str or key.startswith(KEY_MARK):
            text = quote(KEY_MARK + text)
        secret_name = name if name and self._redactor.may_be_secret(name) else ""
        part = part_of_pair(key) if type(key) is str else 0
        if secret_name and self._redactor.is_judged_name(secret_name):
            part |= JUDGED_NAME
        known = (text + ": ", secret_name, part)
        if type(key) is str and text == quote(key) and not any(mark in key for mark in _SHARED_BY_KEYS):
            self.known_keys[key] = known
        return known

    def encode_in_python(self, value: Any) -> bytes:
        """Encode a value as ``encode`` does, without the core in C: it calls this for what it could not read."""
        return Encoder.encode(self, value)

    def rescues(self, error: BaseException) -> bool:
        """Return whether an error that the core in C met says no more than that a value cannot be read."""
        if isinstance(error, RecursionError) or not isinstance(error, UNREADABLE):
            return False
        return not raised_by_program(error)

    def outline(
        self, cls: type
    ) -> Tuple[TypePlan, Any, str, Optional[str], Tuple[str, ...], bool, bool, bool, bool, Optional[str]]:
        """Return what the core in C knows of a class: its plan, and ``TypePlan.outline``."""
        plan = self.plan(cls)
        return (plan, *plan.outline())

    def part_of_pair(self, key: str) -> int:
        """Return which part of a setting a key is: `secret_names.part_of_pair`, for the core in C."""
        return part_of_pair(key)

    def name_in_pairs(self, items: Sequence[Tuple[Any, Any]]) -> str:
        """Return the secret name in the entries of a setting, such as ``{"name": "DB_PASSWORD", ...}``, else "".

        Args:
            items: The keys and values.
        """
        for key, item in items:
            if type(item) is str and type(key) is str and part_of_pair(key) == NAME_PART:
                if self._redactor.is_setting_name(item):
                    return item
        return ""

    def is_hidden(self, value: Any, name: str) -> bool:
        """Return whether to redact a value under a secret name."""
        hidden = self._hidden.is_hidden(value, name)
        self.forget_outdated()
        return hidden

    def redact_items(self, items: Sequence[Any]) -> Sequence[Any]:
        """Redact the items of a sequence that follow a secret name in it."""
        redacted = self._hidden.redact_items(items)
        self.forget_outdated()
        return redacted

    def plan(self, cls: type) -> TypePlan:
        """Return the plan by which instances of a class are encoded."""
        plan = self._plans.get(id(cls))
        if plan is None or plan.ref() is not cls:
            if len(self._plans) >= _MAX_KNOWN_TYPES:
                self._plans.clear()
            if self._plan_of is None:
                import_late_modules()
                from .type_plan import TypePlan

                self._plan_of = TypePlan
            plan = self._plans[id(cls)] = self._plan_of(cls, spares_dicts=self.spares_dicts)
        return plan

    @property
    def _hidden(self) -> HiddenValues:
        if self._hidden_values is None:
            import_late_modules()
            from .hidden_values import HiddenValues

            self._hidden_values = HiddenValues(self._redactor, self.plan)
        return self._hidden_values


def _new_walk(encoder: Encoder) -> Walk:
    """Return what writes a value that the core in C leaves to the one in Python. Called by the former."""
    return encoder.walk_type()(encoder)


def without_addresses(text: str) -> str:
    """Replace memory addresses: ``<Cart object at 0x7f21c0>`` becomes ``<Cart object at 0x...>``."""
    pieces = text.split(_ADDRESS)
    for position in range(1, len(pieces)):
        piece = pieces[position]
        end = 0
        while end < len(piece) and piece[end] in "0123456789abcdefABCDEF":
            end += 1
        pieces[position] = "..." + piece[end:] if end >= _MIN_ADDRESS_DIGITS else piece
    return _ADDRESS.join(pieces)
