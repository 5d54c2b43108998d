"""Hide values under secret names, learn the secrets in them, and find such names in data without keys."""

from __future__ import annotations

from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from ..redaction.learned_secrets import looks_random
from ..redaction.redactor import Redactor
from ..redaction.secret_names import is_credential
from ..runtime.classes import derives, is_enum
from ..value_format import REDACTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence, Set, Tuple

    from .type_plan import TypePlan

# Limits of the search for secrets in a hidden value: levels; containers and objects in all (which may refer to each
# other as the nodes of a graph do); items of each; characters of bytes; bits of an integer.
_MAX_DEPTH = 6
_MAX_ENTERED = 100
_MAX_ITEMS = 200
_MAX_CHARS = 1 << 16
_MAX_INT_BITS = 128

_SEQUENCES = (list, tuple, set, frozenset)


class HiddenValues:
    """The rules for hiding values under secret names, in containers and in sequences.

    Args:
        redactor: Has the rules for names, and learns.
        plan_of: Returns the plan by which instances of a class are read.
    """

    def __init__(self, redactor: Redactor, plan_of: Callable[[type], TypePlan]) -> None:
        self._redactor = redactor
        self._plan_of = plan_of

    def is_hidden(self, value: Any, name: str) -> bool:
        """Return whether a value under a secret name is hidden, and learn the secrets in it.

        Not hidden are None, booleans and empty texts (no secrets, and often the bug), functions, classes, modules,
        members of enumerations, and, under a weak name (a session), objects.
        """
        kind = type(value)
        if value is None or kind is bool or _is_code(kind) or is_enum(kind):
            return False
        text = _text_of(value)
        if self._redactor.is_judged_name(name):
            self._learn_from(value, name, 0, set())
            return text is not None and is_credential(text)
        if text is not None:
            if text:
                self._redactor.learn(text, name)
            return bool(text)
        if self._redactor.is_weak_name(name) and not _holds_texts_only(value):
            return False
        self._learn_from(value, name, 0, set())
        return True

    def learn(self, value: Any, name: str) -> None:
        """Learn the secrets in a value under a secret name, without hiding the value as a whole."""
        if _text_of(value) is not None or not self._redactor.is_weak_name(name):
            self._learn_from(value, name, 0, set())

    def _learn_from(self, value: Any, name: str, depth: int, entered: Set[Tuple[int, str]]) -> None:
        text = _text_of(value)
        if text is not None:
            self._redactor.learn(text, name)
        elif depth < _MAX_DEPTH and len(entered) < _MAX_ENTERED and (id(value), name) not in entered:
            entered.add((id(value), name))
            items = _items_of(value)
            if items is None:
                self._learn_from_fields(value, name, depth + 1, entered)
                return
            if len(items) == 2 and _holds_texts_only(value) and not looks_random(_text_of(items[0]) or ""):
                items = items[1:]  # (user, password)
            for item in items:
                self._learn_from(item, name, depth + 1, entered)

    def _learn_from_fields(self, value: Any, name: str, depth: int, entered: Set[Tuple[int, str]]) -> None:
        if derives(type(value), dict):
            fields: List[Tuple[Any, Any]] = list(islice(dict.items(value), _MAX_ITEMS))
        else:
            fields = self._plan_of(type(value)).fields(value, _MAX_ITEMS)[0]
        for key, item in fields:
            field = key if type(key) is str else ""
            if self._redactor.may_be_secret(field):
                self._learn_from(item, field, depth, entered)
            elif len(fields) == 1 or _text_of(item) is None or looks_random(_text_of(item) or ""):
                self._learn_from(item, name, depth, entered)
            # Other fields, such as a user name or a host, are redacted here but not elsewhere.

    def redact_items(self, items: Sequence[Any]) -> Sequence[Any]:
        """Redact the items of a sequence that follow a secret name.

        Such names are in the words of a command line (``["--password", "x"]``), in a pair (``("password", "x")``), and
        in a list of pairs.
        """
        if _is_text(items[0]):
            if _has_option(items):
                words = self._redactor.redact_command([item if type(item) is str else "" for item in items])
                return [word if type(item) is str else item for item, word in zip(items, words)]
            # ("password", "email") may be the names of two fields.
            if len(items) == 2 and _is_text(items[1]) and not items[1].isalpha():
                return list(self._redact_pair(items))
        elif all(_is_pair(item) for item in items):
            return [self._redact_pair(item) for item in items]
        return items

    def _redact_pair(self, pair: Any) -> Any:
        name = self.name_of(pair[0])
        if self._redactor.is_secret_name(name) and self.is_hidden(pair[1], name):
            return type(pair)((pair[0], REDACTED))
        return pair

    def name_of(self, key: Any) -> str:
        """Return the name in a key of a mapping; empty if there is none."""
        kind = type(key)
        if kind is tuple:  # ("headers", "Authorization")
            return " ".join([self.name_of(part) for part in key[:4]])
        if is_enum(kind):
            fields = self._plan_of(kind).own_fields(key)
            value, name = fields.get("_value_"), fields.get("_name_")
            return value if type(value) is str else name if type(name) is str else ""
        text = _text_of(key)
        return "" if text is None or kind is int else text


def _has_option(items: Sequence[Any]) -> bool:
    for item in items:
        if type(item) is str and item[:1] == "-":
            return True
    return False


def _is_text(value: Any) -> bool:
    kind = type(value)  # not `in`: a metaclass may define __eq__
    return kind is str or kind is bytes


def _is_pair(item: Any) -> bool:
    kind = type(item)
    return (kind is tuple or kind is list) and len(item) == 2 and _is_text(item[0])


def _holds_texts_only(value: Any) -> bool:
    """Return whether a value is a sequence of texts: (user, password), or the values of a form field."""
    items = _items_of(value)
    return bool(items) and all(_text_of(item) is not None for item in items or ())


def _text_of(value: Any) -> Optional[str]:
    """Return a text, bytes or an integer as text; None for anything else."""
    kind = type(value)
    if derives(kind, str):
        return str.__str__(value)
    if derives(kind, bytes):
        return bytes.__getitem__(value, slice(_MAX_CHARS)).decode("utf-8", "surrogateescape")
    if derives(kind, bytearray):
        return bytes(bytearray.__getitem__(value, slice(_MAX_CHARS))).decode("utf-8", "surrogateescape")
    if kind is int and value.bit_length() <= _MAX_INT_BITS:
        return "%d" % value
    return None


def _items_of(value: Any) -> Optional[List[Any]]:
    for base in _SEQUENCES:
        if derives(type(value), base):
            return list(islice(base.__iter__(value), _MAX_ITEMS))
    return None


def _is_code(kind: type) -> bool:
    return (
        kind is FunctionType
        or kind is MethodType
        or kind is BuiltinFunctionType
        or kind is ModuleType
        or derives(kind, type)
    )
