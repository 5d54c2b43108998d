"""Write arrays, tensors and related objects by type, shape and dtype, without reading their content.

Attributes are read by the C descriptors of these libraries, from instances of the program's subclasses too, whose own
attributes of the same names are skipped.
"""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType

from ..json_text import quote
from ..runtime.classes import ARRAY_PACKAGES, class_name, derives, imported_class, mro, namespace, package_of
from ..runtime.interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Written as text, since their item() makes nanoseconds a number without a unit.
_SCALARS_BY_TEXT = ("datetime64", "timedelta64")

# Objects written in C whose str is complete. These classes cannot be subclassed.
_DTYPES = (("numpy", "dtype"), ("torch", "dtype"))
_TEXTS = (*_DTYPES, ("torch", "device"))


def array_writer(cls: type, bases: Tuple[type, ...], owner: type) -> Writer:
    """Choose the writer for a class that derives from a class of ARRAY_PACKAGES.

    Args:
        cls: The class.
        bases: The MRO of the class.
        owner: The first of the bases that is in such a package.
    """
    scalar = imported_class("numpy", "generic")
    if scalar is not None and derives(cls, scalar):
        return _write_scalar
    if _is_one_of(cls, _TEXTS):
        return _write_text
    return _tensor_writer(bases, owner) if package_of(owner) == "torch" else _write_array


def _tensor_writer(bases: Tuple[type, ...], owner: type) -> Writer:
    """Return a writer that keeps a tensor's getters from calling ``__torch_function__`` of its class or of modes."""
    without_functions = imported_class("torch._C", "DisableTorchFunction")
    users = bases[: next(at for at, base in enumerate(bases) if base is owner)]
    if without_functions is None or any(namespace(base).get("__torch_dispatch__") is not None for base in users):
        return _write_name

    def write(walk: Walk, value: Any, plan: TypePlan) -> str:
        with without_functions():
            return _write_array(walk, value, plan)

    return write


def _write_name(walk: Walk, value: Any, plan: TypePlan) -> str:
    return walk.leaf("<%s>" % plan.full_name())


def _write_array(walk: Walk, value: Any, plan: TypePlan) -> str:
    function = read_attribute(value, "__name__") or plan.own_fields(value).get("__name__")
    if type(function) is str:  # NumPy's functions that are objects (ufuncs)
        return walk.leaf("<%s %s>" % (plan.full_name(), function))
    shape, device = read_attribute(value, "shape"), read_attribute(value, "device")
    parts = {
        "shape": shape_text(shape) if derives(type(shape), tuple) else "",
        "dtype": dtype_text(read_attribute(value, "dtype")),
        "device": str(device) if _is_one_of(type(device), (("torch", "device"),)) else "",
    }
    texts = ["%s=%s" % (name, text) for name, text in parts.items() if text]
    return walk.leaf("<%s>" % " ".join([plan.full_name(), *texts]))


def _write_scalar(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a NumPy scalar as the Python object with the same value."""
    for base in mro(type(value)):
        item, text = namespace(base).get("item"), namespace(base).get("__str__")
        if class_name(base) in _SCALARS_BY_TEXT and type(text) is WrapperDescriptorType:
            return '{"$type": %s, "value": %s}' % (quote(plan.name), walk.leaf(text(value)))
        if type(item) is MethodDescriptorType:
            plain = item(value)
            if type(plain) is not type(value):  # for a long double, no Python number is as exact
                return '{"$type": %s, "value": %s}' % (quote(plan.name), walk.render(plain))
            break
    return _write_name(walk, value, plan)


def _write_text(walk: Walk, value: Any, plan: TypePlan) -> str:
    kind = "dtype" if dtype_text(value) else "device"
    return walk.leaf("<%s.%s %s>" % (package_of(type(value)), kind, value))


def dtype_text(dtype: Any) -> str:
    """Return the name of a dtype of NumPy or torch; empty for anything else."""
    return str(dtype) if _is_one_of(type(dtype), _DTYPES) else ""


def _is_one_of(cls: type, names: Tuple[Tuple[str, str], ...]) -> bool:
    """Return whether a class derives from one of these, given by module and name, which any class can claim."""
    classes = [imported_class(module, name) for module, name in names]
    return any(known is not None and derives(cls, known) for known in classes)


def shape_text(shape: Any) -> str:
    """Return a tuple of sizes in Python's notation."""
    sizes = ["%d" % size if type(size) is int else "?" for size in tuple.__iter__(shape)]
    return "(%s,)" % sizes[0] if len(sizes) == 1 else "(%s)" % ", ".join(sizes)


def read_attribute(value: Any, name: str, packages: Collection[str] = ARRAY_PACKAGES) -> Any:
    """Return an attribute by the C descriptor of a class in these packages; None if it has none or no value."""
    for base in mro(type(value)):
        member = namespace(base).get(name)
        is_of_c = type(member) is GetSetDescriptorType or type(member) is MemberDescriptorType
        if is_of_c and package_of(base) in packages:
            try:
                return member.__get__(value)
            except (AttributeError, RuntimeError, TypeError, ValueError) as error:  # a nested tensor has no one shape
                if raised_by_program(error):
                    raise
                return None
    return None
