"""Plan how to read the fields of a class's instances, once per class and without calling into it."""

from __future__ import annotations

from _weakref import ref
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType

from ..runtime.classes import class_module, class_name, is_heap_type, mro, namespace
from ..runtime.features import DICT_ENDS_INLINE_FIELDS
from ..runtime.interruptions import raised_by_program
from ..runtime.object_numbers import takes_weak_references
from .inline_fields import InlineFields
from .objects import write_name, write_object, write_short_name
from .writers import OPAQUE_PACKAGES, choose_writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Set, Tuple

    from .walk import Walk

# SQLAlchemy's own field in a mapped object.
_SQLALCHEMY_FIELD = "_sa_instance_state"

# unittest's own fields in a test case.
_TEST_CASE_FIELDS = {
    "_outcome", "_testMethodDoc", "_cleanups", "_subtest", "_type_equality_funcs", "_asyncioRunner", "_asyncioTestLoop",
    "_asyncioTestContext", "_asyncioCallsQueue",
}  # fmt: skip

# Pydantic keeps these dicts of fields in slots, outside of the instance's __dict__.
_PYDANTIC_FIELDS = {"__pydantic_extra__", "__pydantic_private__"}

_UNSET = object()

_get: Callable[[Any, str], Any] = object.__getattribute__


class TypePlan:
    """The way to read and write the instances of one class.

    A plan does not keep its class alive: programs make any number of classes, and may check that they are collected.
    Descriptors refer to their class, so a plan keeps only the position of their owner in the MRO.

    Attributes:
        is_numbered: Whether instances take the weak references that a number needs.
        module: The module of the class.
        name: The qualified name of the class.
        short_name: The last part of it, by which instances are counted.
        positions: Where C descriptors were found: positions in the MRO by name, -1 for none.
        ref: A weak reference to the class.
        write: Writes an instance; takes the walk, the instance and this plan.
    """

    __slots__ = (
        "_dict_at",
        "_extra",
        "_inline",
        "_shadowed",
        "_skipped",
        "_skips_private",
        "_slots",
        "is_numbered",
        "module",
        "name",
        "positions",
        "ref",
        "short_name",
        "write",
    )

    def __init__(self, cls: type, *, spares_dicts: bool = False) -> None:
        self.ref = ref(cls)
        self.name = class_name(cls)
        self.short_name = self.name.rpartition(".")[2]
        self.is_numbered = takes_weak_references(cls)
        self.module = class_module(cls)
        self.positions: Dict[str, int] = {}
        self._dict_at = -1  # position in the MRO of the class with the descriptor of __dict__
        self._slots: List[str] = []
        self._shadowed: List[Tuple[str, int]] = []  # slots that another attribute hides, with their position in the MRO
        self._extra: List[Tuple[str, int]] = []  # slots that hold dicts of fields
        bases = mro(cls)
        # Private fields of such a base (in a thread, the address that identifies it) say nothing about the program.
        self._skips_private = any(class_module(base).partition(".")[0] in OPAQUE_PACKAGES for base in bases)
        is_test_case = any(class_module(base) == "unittest.case" for base in bases)
        self._skipped = _TEST_CASE_FIELDS if is_test_case else {_SQLALCHEMY_FIELD}
        self._find_fields(bases)
        has_only_fields = all(is_heap_type(base) for base in bases[:-1])  # and no items, as those of a list
        self._inline: Optional[InlineFields] = None
        if (
            spares_dicts
            and DICT_ENDS_INLINE_FIELDS
            and has_only_fields
            and not (self._slots or self._shadowed or self._extra)
        ):
            self._inline = InlineFields(cls)
        self.write: Callable[[Walk, Any, TypePlan], str] = choose_writer(cls, bases)

    def _find_fields(self, bases: Tuple[type, ...]) -> None:
        seen: Set[str] = set()
        for position, base in enumerate(bases):
            names = [name for name in list(namespace(base)) if type(name) is str]
            for name in names:
                member = namespace(base).get(name)
                kind = type(member)
                if name == "__dict__":
                    # A class before it in the MRO may have a property of this name.
                    if name not in seen and (kind is GetSetDescriptorType or kind is MemberDescriptorType):
                        self._dict_at = position
                elif kind is MemberDescriptorType and is_heap_type(base):
                    if name in _PYDANTIC_FIELDS:
                        self._extra.append((name, position))
                    elif name not in seen and not _is_special(name):
                        self._slots.append(name)
                    elif name not in self._slots and not _is_special(name):
                        self._shadowed.append((name, position))
            seen.update(names)

    def full_name(self) -> str:
        """Return the name of the class with its module, unless it is built in."""
        return self.name if self.module in ("", "builtins") else "%s.%s" % (self.module, self.name)

    def outline(self) -> Tuple[Any, str, Optional[str], Tuple[str, ...], bool, bool, bool, bool, Optional[str]]:
        """Return what the core in C needs to read and write instances by itself.

        Returns:
            The reference to the class, its name, the name by which instances are numbered (None: they are not), the
            slots, whether instances are written by their fields, whether they have a ``__dict__``, whether
            ``own_fields`` has to be asked for what it holds, whether ``fields`` has to be asked for all fields, and the
            text that stands for an instance (None: it is written by its fields, or by its writer).
        """
        asks = bool(self._shadowed or self._extra or self._skips_private or self._skipped is _TEST_CASE_FIELDS)
        number_name = self.short_name if self.is_numbered else None
        is_object = self.write is write_object
        has_dict, spares_dict = self._dict_at >= 0, self._inline is not None
        said = None
        if self.write is write_name or (is_object and not self.has_fields()):
            said = "<%s>" % self.full_name()
        elif self.write is write_short_name:
            said = "<%s>" % self.name
        return self.ref, self.name, number_name, tuple(self._slots), is_object, has_dict, spares_dict, asks, said

    def has_fields(self) -> bool:
        """Return whether instances can have fields."""
        return self._dict_at >= 0 or bool(self._slots)

    def own_fields(self, value: Any) -> Dict[Any, Any]:
        """Return the ``__dict__`` of an instance, which must not be changed; empty if there is none.

        Args:
            value: An instance of the class.
        """
        if self._dict_at < 0:
            return {}
        inline = self._inline
        if inline is not None:
            found = inline.read(value)
            if found is not None:
                return found
        own = _get(value, "__dict__")
        if type(own) is not dict:
            return {}
        if inline is not None:
            inline.missed(value, own)
        return own

    def fields(self, value: Any, limit: int) -> Tuple[List[Tuple[str, Any]], int]:
        """Return names and values of an instance's first fields, and the number of all its fields.

        Args:
            value: An instance of the class.
            limit: The number of fields wanted; some more may be returned.
        """
        found: List[Tuple[str, Any]] = []
        for name in self._slots:
            try:
                found.append((name, _get(value, name)))
            except AttributeError as error:  # not set (yet)
                if raised_by_program(error):
                    raise
        for name, position in self._shadowed:
            item = _slot_of(value, name, position)
            if item is not _UNSET:
                found.append((name, item))
        size = len(found)
        own = self.own_fields(value)
        if own:
            size += len(own)
            # SQLAlchemy sets the columns of a row in the order of a set, which differs from run to run.
            order = sorted(key for key in own if type(key) is str) if own.get(_SQLALCHEMY_FIELD) is not None else own
            for name, item in [
                (name, own.get(name) if type(name) is str else None) for name in islice(order, limit + 1)
            ]:
                # A key that is not str may have a __hash__ of the program.
                if type(name) is not str or name in self._skipped or (self._skips_private and name[:1] == "_"):
                    size -= 1
                else:
                    found.append((name, item))
        for name, position in self._extra:
            more = _slot_of(value, name, position)
            if type(more) is dict:
                size += len(more)
                found.extend((name, item) for name, item in list(islice(more.items(), limit)) if type(name) is str)
        return found, size


def _slot_of(value: Any, name: str, position: int) -> Any:
    """Return the value of a slot of the class at a position in the MRO."""
    try:
        return namespace(mro(type(value))[position])[name].__get__(value)
    except AttributeError as error:
        if raised_by_program(error):
            raise
        return _UNSET


def _is_special(name: str) -> bool:
    return name[:2] == "__" == name[-2:]
