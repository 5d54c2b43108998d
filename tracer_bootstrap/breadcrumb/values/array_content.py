"""Read what is in arrays of NumPy: the smallest and largest number, the NaNs, and the first items.

Arrays of a subclass are read through a view of the base class, by functions of NumPy that are written in C. Of a large
array a sample is read, so that recording a call takes a bounded time.
"""

from __future__ import annotations

from ..runtime.classes import class_name, derives, imported_class, namespace
from ..value_format import FIRST_FIELD, SAMPLED_FIELD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

# Items that are read: all of a smaller array, of a larger one every n-th.
MAX_READ_ITEMS = 256
# Items that are shown.
FIRST_ITEMS = 5

# Kinds of dtypes (numpy.dtype.kind): numbers that have an order; dates, whose items NumPy would convert to numbers; and
# those whose items are shown. Of records only the dtype is.
_ORDERED, _DATES, _SHOWN = "iuf", "mM", "biufcmMOSU"

# Significant digits of floats by their bytes: more would show the conversion to a Python float, which has 8 bytes.
_DIGITS = {2: 4, 4: 7}


def content_of(array: Any) -> List[Tuple[str, Any]]:
    """Return the content of an array as fields: ``min`` and ``max``, ``nan``, ``first``.

    Args:
        array: An array of NumPy, or an instance of a subclass.
    """
    flat = _Flat.of(array)
    if flat is None or flat.size == 0 or flat.kind not in _SHOWN:
        return []
    fields: List[Tuple[str, Any]] = []
    if flat.kind in _ORDERED:
        items = flat.sample()
        numbers = items
        if flat.kind == "f" and _may_hold_nan(items):
            numbers = [item for item in items if item == item]
        if numbers:
            fields += [("min", min(numbers)), ("max", max(numbers))]
        if len(numbers) < len(items):
            fields.append(("nan", len(items) - len(numbers)))
        if len(items) < flat.size:
            fields.append((SAMPLED_FIELD, len(items)))
    fields.append((FIRST_FIELD, flat.items(0, FIRST_ITEMS)))
    return fields


def items_of(array: Any, start: int, stop: int) -> Optional[List[Any]]:
    """Return a range of the items of an array in row-major order; None if they cannot be shown.

    Args:
        array: An array of NumPy, or an instance of a subclass.
        start: Position of the first item.
        stop: Position after the last one; there may be fewer.
    """
    flat = _Flat.of(array)
    return flat.items(start, stop) if flat is not None and flat.kind in _SHOWN else None


class _Flat:
    """The items of an array in row-major order, whatever its shape, strides and byte order."""

    __slots__ = ("_base", "_iterator", "_row", "digits", "kind", "size")

    def __init__(self, base: Any, array: Any) -> None:
        members = namespace(base)
        dtype = members["dtype"].__get__(array)
        numpy_dtype = namespace(imported_class("numpy", "dtype"))
        self._base = base
        self._iterator = members["flat"].__get__(array)
        shape = members["shape"].__get__(array)
        self._row = shape[-1] if shape else 1
        self.size: int = members["size"].__get__(array)
        self.kind: str = numpy_dtype["kind"].__get__(dtype)
        self.digits = _DIGITS.get(numpy_dtype["itemsize"].__get__(dtype), 0) if self.kind == "f" else 0

    @classmethod
    def of(cls, array: Any) -> Optional[_Flat]:
        base = imported_class("numpy", "ndarray")
        if base is None or not derives(type(array), base) or imported_class("numpy", "dtype") is None:
            return None
        # Masked items do not count, and reading a file may take long.
        for hiding in (
            ("numpy.ma", "MaskedArray"),
            ("numpy", "memmap"),
        ):
            known = imported_class(*hiding)
            if known is not None and derives(type(array), known):
                return None
        return cls(base, array if type(array) is base else namespace(base)["view"](array, base))

    def items(self, start: int, stop: int) -> List[Any]:
        if self.kind in _DATES:
            return [_text(self._iterator[at]) for at in range(start, min(stop, self.size))]
        return self._listed(self._iterator[start:stop])

    def sample(self) -> List[Any]:
        step = -(-self.size // MAX_READ_ITEMS)
        while step > 1 and _have_common_factor(step, self._row):  # or the sample might be of some columns only
            step += 1
        return self._listed(self._iterator[::step])

    def _listed(self, items: Any) -> List[Any]:
        found: List[Any] = namespace(self._base)["tolist"](items)
        if self.digits:
            return [float("%.*g" % (self.digits, item)) for item in found]
        return found


def _have_common_factor(one: int, other: int) -> bool:
    while other:
        one, other = other, one % other
    return one > 1


def _may_hold_nan(items: List[Any]) -> bool:
    total = sum(items)
    return bool(total != total)


def _text(item: Any) -> str:
    """Return a date or duration of NumPy as text; its class cannot be changed, and ``str`` calls C alone."""
    if class_name(type(item)) not in ("datetime64", "timedelta64"):
        return "?"
    text = str(item)
    return text.rstrip("0").rstrip(".") if "." in text else text
