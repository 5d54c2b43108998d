"""Write arrays, tensors and related objects by type, shape and dtype, and arrays of NumPy by their content too.

What is in a tensor is not read: it may be on another device, or not be computed yet. Attributes are read by the C
descriptors of these libraries, from instances of the program's subclasses too, whose own attributes of the same names
are skipped.
"""

from __future__ import annotations

from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType

from ..json_text import quote
from ..runtime.classes import ARRAY_PACKAGES, class_name, derives, imported_class, mro, namespace, package_of
from ..runtime.interruptions import raised_by_program
from .array_content import content_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

# Written as text, since their item() makes nanoseconds a number without a unit.
_SCALARS_BY_TEXT = ("datetime64", "timedelta64")

# Objects written in C whose str is complete. These classes cannot be subclassed.
# Packages whose arrays may not be computed yet.
_LAZY_PACKAGES = ("dask", "jax", "jaxlib")

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
    array = imported_class("numpy", "ndarray")
    if array is not None and derives(cls, array):
        return _write_numpy_array
    if package_of(owner) == "torch":
        return _tensor_writer(bases, owner)
    return _write_lazy if package_of(owner) in _LAZY_PACKAGES else _write_array


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
    """Write an array or tensor by its shape, dtype and device; one that has none of them by the name of its type."""
    function = read_attribute(value, "__name__") or plan.own_fields(value).get("__name__")
    if type(function) is str:  # NumPy's functions that are objects (ufuncs)
        return walk.leaf("<%s %s>" % (plan.full_name(), function))
    shape, device = read_attribute(value, "shape"), read_attribute(value, "device")
    dtype = dtype_text(read_attribute(value, "dtype"))
    device = str(device) if _is_one_of(type(device), (("torch", "device"),)) else ""
    known = tuple(tuple.__iter__(shape)) if derives(type(shape), tuple) else None
    return write_described(walk, value, plan, known, {"dtype": dtype, "device": device})


def _write_lazy(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an array of dask or jax by the shape and dtype that it stores; nothing is computed for this."""
    chunks = read_attribute(value, "_Array__chunks")
    if type(chunks) is tuple and all(type(sizes) is tuple for sizes in chunks):  # dask: the sizes along each axis
        shape = tuple([sum(sizes) if all(type(size) is int for size in sizes) else None for sizes in chunks])
        dtype = dtype_text(read_attribute(read_attribute(value, "_meta"), "dtype"))
        return write_described(walk, value, plan, shape, {"dtype": dtype})
    aval = _field(walk, value, "aval")  # jax: a slot of a tracer, and of an array a property that is written in C++
    if aval is None:
        aval = _native_property(value, "aval")
    shape = _field(walk, aval, "shape")
    known = shape if type(shape) is tuple else None
    return write_described(walk, value, plan, known, {"dtype": dtype_text(_field(walk, aval, "dtype"))})


def _field(walk: Walk, value: Any, name: str) -> Any:
    found = walk.encoder.plan(type(value)).own_fields(value).get(name)
    return read_attribute(value, name) if found is None else found


def _native_property(value: Any, name: str) -> Any:
    """Return a property whose function is not written in Python; None if there is none in an array package."""
    for base in mro(type(value)):
        member = namespace(base).get(name)
        if type(member) is property and package_of(base) in ARRAY_PACKAGES:
            return member.fget(value) if member.fget is not None and type(member.fget) is not FunctionType else None
    return None


def _write_numpy_array(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write an array of NumPy by its shape and dtype, and its content as far as there is room."""
    shape = read_attribute(value, "shape", ("numpy",))
    dtype = dtype_text(read_attribute(value, "dtype", ("numpy",)))
    return write_described(walk, value, plan, shape, {"dtype": dtype}, content_of)


def write_described(
    walk: Walk,
    value: Any,
    plan: TypePlan,
    shape: Optional[Tuple[Any, ...]],
    texts: Dict[str, str],
    content: Optional[Callable[[Any], List[Tuple[str, Any]]]] = None,
) -> str:
    """Write an array or a table as an object with its shape, or where it is too deep for that as a short text.

    Args:
        walk: Has the room.
        value: The array or table.
        plan: The plan of its class.
        shape: Its sizes; None if they are not known.
        texts: Further facts, such as its dtype; empty ones are left out.
        content: Returns more fields.
    """
    texts = {name: text for name, text in texts.items() if text}
    if shape is not None:
        shape = tuple(size if type(size) is int else "?" for size in shape)
    if shape is None and not texts:
        return walk.leaf("<%s>" % plan.full_name())
    if not walk.can_enter():
        facts = ["shape=%s" % shape_text(shape)] if shape is not None else []
        facts += ["%s=%s" % pair for pair in texts.items()]
        return walk.leaf("<%s>" % " ".join([plan.full_name(), *facts]))
    fields: List[Tuple[str, Any]] = [("shape", shape)] if shape is not None else []
    fields += texts.items()
    if content is not None:
        fields += content(value)
    return walk.fields(plan.name, fields, value, len(fields))


def _write_scalar(walk: Walk, value: Any, plan: TypePlan) -> str:
    """Write a NumPy scalar as the Python object with the same value."""
    for base in mro(type(value)):
        item, as_text = namespace(base).get("item"), namespace(base).get("__str__")
        if class_name(base) in _SCALARS_BY_TEXT and type(as_text) is WrapperDescriptorType:
            return '{"$type": %s, "value": %s}' % (quote(plan.name), walk.leaf(as_text(value)))
        if type(item) is MethodDescriptorType:
            plain = item(value)
            if type(plain) is not type(value):  # for a long double, no Python number is as exact
                text = walk.leaf(complex.__repr__(plain)) if type(plain) is complex else walk.render(plain)
                return '{"$type": %s, "value": %s}' % (quote(plan.name), text)
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
    position = position_of(type(value), name, packages)
    return None if position < 0 else read_at(value, name, position)


def position_of(cls: type, name: str, packages: Collection[str] = ARRAY_PACKAGES) -> int:
    """Return the position in the MRO of the class in these packages with a C descriptor of this name; -1 if none."""
    for position, base in enumerate(mro(cls)):
        kind = type(namespace(base).get(name))
        if (kind is GetSetDescriptorType or kind is MemberDescriptorType) and package_of(base) in packages:
            return position
    return -1


def read_at(value: Any, name: str, position: int) -> Any:
    """Return an attribute by the descriptor of the class at a position in the MRO; None if it has no value."""
    try:
        return namespace(mro(type(value))[position])[name].__get__(value)
    # A nested tensor has no one shape; the bases of a class may have been changed.
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if raised_by_program(error):
            raise
        return None
