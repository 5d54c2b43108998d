"""How values of a class are read: found out once per class, without asking it."""

from __future__ import annotations

from _weakref import ref
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType

from ..runtime.classes import class_module, class_name, is_heap_type, mro, namespace
from ..runtime.interruptions import is_of_the_program
from .writers import OPAQUE_PACKAGES, choose_writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Set, Tuple

    from .walk import Walk

# What SQLAlchemy keeps beside the fields of a mapped object.
_UNTOLD_FIELD = "_sa_instance_state"

# What unittest keeps beside the fields of a test case: how the tests went so far.
_OF_TEST_CASE = {
    "_outcome", "_testMethodDoc", "_cleanups", "_subtest", "_type_equality_funcs", "_asyncioRunner", "_asyncioTestLoop",
    "_asyncioTestContext", "_asyncioCallsQueue",
}  # fmt: skip

# Pydantic keeps these outside of the instance's __dict__, in slots.
_FURTHER_FIELDS = {"__pydantic_extra__", "__pydantic_private__"}


_UNSET = object()

_get: Callable[[Any, str], Any] = object.__getattribute__


class TypePlan:
    """How one class's instances are written. ``write`` takes the walk, the value and this plan.

    It does not keep the class alive: programs make classes without end, and look whether they die. (Descriptors know
    their class, so they are not kept either, only where in the class's MRO they stand.)
    """

    __slots__ = (
        "_dict_at",
        "_further",
        "_is_public",
        "_shadowed",
        "_slots",
        "_untold",
        "module",
        "name",
        "ref",
        "write",
    )

    def __init__(self, cls: type) -> None:
        self.ref = ref(cls)
        self.name = class_name(cls)
        self.module = class_module(cls)
        self._dict_at = -1  # where in the MRO the descriptor of __dict__ stands
        self._slots: List[str] = []
        self._shadowed: List[Tuple[str, int]] = []  # slots behind something else of that name, and where they stand
        self._further: List[Tuple[str, int]] = []  # slots that hold dicts of fields
        bases = mro(cls)
        # What a base of these has of its own (a thread: the address that identifies it) says nothing of the program.
        self._is_public = any(class_module(base).partition(".")[0] in OPAQUE_PACKAGES for base in bases)
        is_test_case = any(class_module(base) == "unittest.case" for base in bases)
        self._untold = _OF_TEST_CASE if is_test_case else {_UNTOLD_FIELD}
        self._find_fields(bases)
        self.write: Callable[[Walk, Any, TypePlan], str] = choose_writer(cls, bases)

    def _find_fields(self, bases: Tuple[type, ...]) -> None:
        seen: Set[str] = set()
        for position, base in enumerate(bases):
            names = [name for name in list(namespace(base)) if type(name) is str]
            for name in names:
                member = namespace(base).get(name)
                kind = type(member)
                if name == "__dict__":
                    # (A class may put a property of its own in front.)
                    if name not in seen and (kind is GetSetDescriptorType or kind is MemberDescriptorType):
                        self._dict_at = position
                elif kind is MemberDescriptorType and is_heap_type(base):
                    if name in _FURTHER_FIELDS:
                        self._further.append((name, position))
                    elif name not in seen and not _is_special(name):
                        self._slots.append(name)
                    elif name not in self._slots and not _is_special(name):
                        self._shadowed.append((name, position))
            seen.update(names)

    def full_name(self) -> str:
        """With the module, unless it is a built-in class."""
        return self.name if self.module in ("", "builtins") else "%s.%s" % (self.module, self.name)

    def has_fields(self) -> bool:
        """Whether instances can have fields at all."""
        return self._dict_at >= 0 or bool(self._slots)

    def own_fields(self, value: Any) -> Dict[Any, Any]:
        """The ``__dict__`` of an instance (which must not be changed); empty where there is none."""
        own = _get(value, "__dict__") if self._dict_at >= 0 else None
        return own if type(own) is dict else {}

    def fields(self, value: Any, limit: int) -> Tuple[List[Tuple[str, Any]], int]:
        """Names and values of the first fields of an instance, and how many it has."""
        found: List[Tuple[str, Any]] = []
        for name in self._slots:
            try:
                found.append((name, _get(value, name)))
            except AttributeError as error:  # not set (yet)
                if is_of_the_program(error):
                    raise
        for name, position in self._shadowed:
            item = _slot_of(value, name, position)
            if item is not _UNSET:
                found.append((name, item))
        size = len(found)
        own = self.own_fields(value)
        if own:
            size += len(own)
            # SQLAlchemy loads the columns of a row in the order of a set.
            order = sorted(key for key in own if type(key) is str) if own.get(_UNTOLD_FIELD) is not None else own
            for name, item in [(name, own.get(name)) for name in islice(order, limit + 1)]:
                # A key that is no text may have a hash of the user's.
                if type(name) is not str or name in self._untold or (self._is_public and name[:1] == "_"):
                    size -= 1
                else:
                    found.append((name, item))
        for name, position in self._further:
            more = _slot_of(value, name, position)
            if type(more) is dict:
                size += len(more)
                found.extend((name, item) for name, item in list(islice(more.items(), limit)) if type(name) is str)
        return found, size


def _slot_of(value: Any, name: str, position: int) -> Any:
    """What a slot of the class at that position of the MRO holds."""
    try:
        return namespace(mro(type(value))[position])[name].__get__(value)
    except AttributeError as error:
        if is_of_the_program(error):
            raise
        return _UNSET


def _is_special(name: str) -> bool:
    return name[:2] == "__" == name[-2:]
