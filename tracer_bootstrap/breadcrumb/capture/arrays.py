"""Arrays, tensors and data frames: by type, shape and dtype. Their content is never touched.

What is asked is code of these libraries, and only of classes of their own; a subclass of the user's is not asked.
"""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType

from ..classes import ARRAY_PACKAGES, class_name, derives, imported_class, mro, namespace, package_of
from .json_text import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

    from .type_plan import TypePlan
    from .walk import Walk

    Writer = Callable[[Walk, Any, TypePlan], str]

_MAX_DTYPES = 8


def array_writer(cls: type, bases: Tuple[type, ...]) -> Optional[Writer]:
    """How instances are written, if the class or one of its bases is of such a library."""
    owner = next((base for base in bases if package_of(base) in ARRAY_PACKAGES), None)
    if owner is None:
        return None
    scalar = imported_class("numpy", "generic")
    if scalar is not None and derives(cls, scalar):
        return _write_scalar
    if class_name(owner) in ("Timestamp", "Timedelta"):
        return None  # dates of the standard library in the first place
    if owner is not cls or package_of(cls) != "pandas":
        return _write_array
    return _write_pandas


def _write_array(walk: Walk, value: Any, plan: TypePlan) -> str:
    shape, dtype, device = (_read(value, name) for name in ("shape", "dtype", "device"))
    parts = ["shape=%s" % _shape_text(shape) if derives(type(shape), tuple) else ""]
    parts.append("dtype=%s" % dtype if package_of(type(dtype)) in ARRAY_PACKAGES else "")
    parts.append("device=%s" % device if package_of(type(device)) == "torch" else "")
    return walk.leaf("<%s>" % " ".join([plan.full_name(), *filter(None, parts)]))


def _write_scalar(walk: Walk, value: Any, plan: TypePlan) -> str:
    """A number of NumPy's as the Python object that stands for it."""
    for base in mro(type(value)):
        item = namespace(base).get("item")
        if type(item) is MethodDescriptorType:
            plain = item(value)
            if type(plain) is not type(value):  # a long double has none that is as exact
                return '{"$type": %s, "value": %s}' % (quote(plan.name), walk.any(plain))
            break
    return walk.leaf("<%s>" % plan.full_name())


def _write_pandas(walk: Walk, value: Any, plan: TypePlan) -> str:
    fields = plan.own_fields(value)
    manager = fields.get("_mgr")
    data = fields.get("_data", fields.get("_range"))
    lengths: List[int] = []
    dtypes: List[str] = []
    if manager is not None:
        # Of a frame these are C descriptors, of a series fields.
        own = walk.encoder.plan(type(manager)).own_fields(manager)
        lengths = [_length(axis, walk) for axis in reversed(own.get("axes") or _read(manager, "axes") or ())]
        for block in own.get("blocks") or _read(manager, "blocks") or ():
            dtypes.append(_dtype_text(_read(block, "values")))
    elif data is not None:
        lengths = [_length(value, walk)]
        dtypes = ["int64" if type(data) is range else _dtype_text(data)]
    parts = [plan.full_name()]
    if lengths and min(lengths) >= 0:
        parts.append("shape=%s" % _shape_text(tuple(lengths)))
    if dtypes:
        more = ["..."] if len(dtypes) > _MAX_DTYPES else []
        parts.append("dtype=%s" % ",".join(sorted(set(dtypes))[:_MAX_DTYPES] + more))
    return walk.leaf("<%s>" % " ".join(parts))


def _length(index: Any, walk: Walk) -> int:
    """Of an index of pandas, or -1 where that would ask a class of the user's."""
    data = walk.encoder.plan(type(index)).own_fields(index).get("_data")
    if package_of(type(index)) != "pandas" or (data is not None and package_of(type(data)) not in ARRAY_PACKAGES):
        return -1
    return len(index)


def _dtype_text(values: Any) -> str:
    """NumPy's name of a dtype; of an array of another kind its class."""
    dtype = _read(values, "dtype")
    return str(dtype) if package_of(type(dtype)) == "numpy" else class_name(type(values))


def _shape_text(shape: Any) -> str:
    sizes = ["%s" % size for size in tuple.__iter__(shape)]
    return "(%s,)" % sizes[0] if len(sizes) == 1 else "(%s)" % ", ".join(sizes)


def _read(value: Any, name: str) -> Any:
    """An attribute that is a C descriptor of the value's class; None for anything else."""
    for base in mro(type(value)):
        member = namespace(base).get(name)
        if member is not None:
            kind = type(member)
            return member.__get__(value) if kind is GetSetDescriptorType or kind is MemberDescriptorType else None
    return None
