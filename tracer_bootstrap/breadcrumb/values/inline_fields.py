"""Read the fields of an instance without making its ``__dict__``, which would slow the program down.

Python 3.11 and 3.12 keep the fields of most instances without a dict, until something asks for it; from then on each
access to a field or method of that instance takes longer, for the rest of its life. The names of the fields are those
that the methods of its class assign. Their values have to be exactly what the instance refers to, which the garbage
collector tells without making the dict: if they are not, the dict is read after all.
"""

from __future__ import annotations

from gc import get_referents
from opcode import EXTENDED_ARG, opmap
from types import CodeType, FunctionType

from ..runtime.classes import mro, namespace
from ..runtime.interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

# An instance with more fields has a dict anyway.
_MAX_NAMES = 30

# Instances whose dict had to be read, after which a class is given up: looking in vain takes time, too.
_MAX_MISSES = 8

# Attributes of a class of these types may be hidden by a field; another one may be a property, which would be run.
_PLAIN = (type(None), bool, int, float, str, tuple, list, dict)

_STORE_ATTR = opmap["STORE_ATTR"]

_get: Callable[[Any, str], Any] = object.__getattribute__
_code: Callable[[Any], CodeType] = FunctionType.__dict__["__code__"].__get__


class InlineFields:
    """The names of the fields that instances of one class may have.

    Args:
        cls: The class. Its instances refer to nothing but their fields and their class.
    """

    __slots__ = ("_misses", "_names", "_sizes", "_usual")

    def __init__(self, cls: type) -> None:
        self._names: List[str] = []
        self._usual: List[str] = []  # those of the last instance, in the order in which it keeps them
        self._misses = 0
        bases = mro(cls)[:-1]
        self._sizes = [len(namespace(base)) for base in bases]
        for base in reversed(bases):
            for member in list(namespace(base).values()):
                if type(member) is FunctionType:
                    self._add(cls, _assigned_names(_code(member)))

    def _add(self, cls: type, names: List[str]) -> None:
        new = [name for name in names if name not in self._names]
        namespaces = [namespace(base) for base in mro(cls)] if new else []
        for name in new:
            hidden = [names_of[name] for names_of in namespaces if name in names_of]
            if name not in self._names and all([type(each) in _PLAIN for each in hidden]):
                self._names.append(name)
        if len(self._names) > _MAX_NAMES:
            self._misses = _MAX_MISSES

    def read(self, value: Any) -> Optional[Dict[Any, Any]]:
        """Return the fields of an instance, or None if its ``__dict__`` has to be read."""
        if self._misses >= _MAX_MISSES:
            return None
        # With an attribute that the class got since, a name may be that of a property.
        for size, base in zip(self._sizes, mro(type(value))):
            if len(namespace(base)) != size:
                self._misses = _MAX_MISSES
                return None
        referents = get_referents(value)
        found = self._read_usual(value, referents)
        if found is not None:
            return found
        names = [name for name in self._names if _has(value, name)]
        values = [_get(value, name) for name in names]
        if len(referents) != len(names) + 1:
            return None
        # In the order in which the instance keeps them: names of one value are told apart by another instance.
        by_value: Dict[int, List[str]] = {}
        for name, item in zip(names, values):
            by_value.setdefault(id(item), []).append(name)
        found = {}
        for referent in referents[:-1]:
            left = by_value.get(id(referent))
            if not left:
                return None
            found[left.pop(0)] = referent
        self._usual = list(found)
        return found

    def _read_usual(self, value: Any, referents: List[Any]) -> Optional[Dict[str, Any]]:
        """Return the fields if they are those of an earlier instance, in the same order."""
        names = self._usual
        if len(referents) != len(names) + 1:
            return None
        found = {}
        try:
            for name, referent in zip(names, referents):
                found[name] = item = _get(value, name)
                if item is not referent:
                    return None
        except AttributeError as error:
            if raised_by_program(error):
                raise
            return None
        return found

    def missed(self, value: Any, own: Dict[Any, Any]) -> None:
        """Learn names from the ``__dict__`` of an instance that had to be read."""
        self._misses += 1
        if all(type(name) is str for name in own):
            self._add(type(value), list(own))


def _has(value: Any, name: str) -> bool:
    try:
        _get(value, name)
    except AttributeError as error:
        if raised_by_program(error):
            raise
        return False
    return True


def _assigned_names(code: CodeType) -> List[str]:
    """Return the names of the attributes that code assigns, of whatever object, in their order."""
    found: List[str] = []
    instructions = code.co_code
    opcodes = instructions[::2]
    at = opcodes.find(_STORE_ATTR)  # by bytes.find, as most code assigns none
    while at >= 0:
        argument, shift, before = instructions[2 * at + 1], 8, at - 1
        while before >= 0 and opcodes[before] == EXTENDED_ARG:
            argument |= instructions[2 * before + 1] << shift
            shift, before = shift + 8, before - 1
        if argument < len(code.co_names):
            found.append(code.co_names[argument])
        at = opcodes.find(_STORE_ATTR, at + 1)
    return found
