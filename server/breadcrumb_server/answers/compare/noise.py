"""Compare recorded values without noise: what differs between any two runs of a program.

Noise is: the numbers of objects, times of day, measured durations, UUIDs, memory addresses, pids, ports and names of
temporary files. Only the comparison ignores it; values are shown as they were recorded.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import REPR_KEY, STATE_KEY, TYPE_KEY, VALUE_FIELD
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.rendering.identities import without_numbers
from breadcrumb_server.answers.rendering.notation import notation
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal

# Replaces noise in texts that are compared.
_MASK = "\N{BULLET}"
_NOISE = re.compile(
    r"""
    (?<= / ) pytest-of-[^\s/"'<>()]+ / pytest-\d+                                   # pytest's tmp_path
    | \b tmp[a-z0-9_]{8} \b                                                         # tempfile's names
    | \b [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} - [0-9a-fA-F]{12} \b                 # a uuid
    | \b [0-9a-f]{12} 4 [0-9a-f]{3} [89ab] [0-9a-f]{15} \b                          # and uuid4().hex
    | \b 0x[0-9a-f]{6,16} \b                                                        # an address
    | \b \d{4}-\d\d-\d\d (?: [T\ ] \d\d:\d\d (?: :\d\d (?:[.,]\d+)? )? (?: Z | [+-]\d\d:?\d\d )? )
    | \b \d\d:\d\d:\d\d (?:[.,]\d+)?                                                # a time of day
    | \b 1[5-9]\d{8} (?: \.\d+ | \d{3} | \d{6} | \d{9} )? \b                        # seconds, ms, us, ns since 1970
    | (?<= 127\.0\.0\.1: ) \d{4,5} | (?<= localhost: ) \d{4,5} | (?<= 0\.0\.0\.0: ) \d{4,5} | (?<= \[::1\]: ) \d{4,5}
    | (?<= \b pid [\ =] ) \d+
    """,
    re.VERBOSE,
)
# Names made by mkdtemp and mkstemp: a prefix, and eight characters most of which differ in another run. On macOS in a
# folder of the user: /var/folders/mc/tgq0_jn12_x3/T/.
_TEMPORARY = re.compile(r"""(?:(?<=/tmp/)|(?<=/T/))([^\s/"'<>(),:;]*?)([a-z0-9_]{8})(?=[\s/."'<>(),:;]|$)""")
_MIN_RANDOM = 5
# Numbers are noise by their name: those that the system assigns ...
_ASSIGNED = re.compile(r"_?(?:pid|ppid|tid|port|fd|ident|thread_id|native_id|inode|mtime|address)|.*_(?:pid|port|fd)")
# ... and, if they have more digits than people write, those that a clock measured.
_MEASURED = re.compile(
    r".*(?:elapsed|duration|latency|took|runtime|perf_counter|monotonic|uptime|timing).*"
    r"|_?(?:t\d?|ts|now|time|start|end|begin|stop|started|ended|finished|timestamp|deadline|when|seconds)"
    r"|.*_(?:at|time|ts|timestamp|seconds|secs|ms|ns|us)"
)
_LONG_FRACTION = re.compile(r"-?\d+\.\d{4,}(?:e-?\d+)?|-?\d(?:\.\d+)?e-\d+")
# Classes whose state other threads change at any time, and the states of a future that follow each other.
_SHARED = frozenset(
    {"lock", "RLock", "_RLock", "Lock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Thread", "_MainThread"}
)
_PASSING = frozenset({"pending", "running", "finished"})
# Where a generator stands: a line of a version of the source.
_LINE = re.compile(r"(?<=suspended) at line \d+")
# Seconds, ms, us or ns since 1970.
_MOMENT = re.compile(r"1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?")


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """A part in which two values differ. The text of a missing part is ``-``."""

    path: str  # order.items[2].price
    base: str
    this: str


def same_text(base: str, this: str) -> bool:
    """Return whether two texts, such as messages, are equal without noise."""
    if base == this:
        return True
    masked = without_noise(base), without_noise(this)
    if masked[0] == masked[1]:
        return True
    if _TEMPORARY.sub(rf"\1{_MASK}", masked[0]) != _TEMPORARY.sub(rf"\1{_MASK}", masked[1]):
        return False
    names = [[found[2] for found in _TEMPORARY.finditer(text)] for text in masked]
    return all(
        one == other or sum(map(operator.ne, one, other)) >= _MIN_RANDOM for one, other in zip(*names, strict=True)
    )


def without_noise(text: str) -> str:
    """Mask the noise in a text, except for names of temporary files with a prefix."""
    return _NOISE.sub(_MASK, text)


def same_value(base: str | None, this: str | None, *, cut: bool = False) -> bool:
    """Return whether two recorded values are equal without noise.

    Args:
        base: JSON, as recorded.
        this: the other value.
        cut: one of them may have been cut shorter than the other.
    """
    if base == this:
        return True
    if base is None or this is None:
        return False
    one, other = _parse(base), _parse(this)
    return _same(one, other) or (cut and may_be_equal(one, other))


def argument_differences(base: str | None, this: str | None) -> list[ValueDifference]:
    """Find the parts in which the arguments of two calls differ."""
    before, after = _parse(base or "{}"), _parse(this or "{}")
    if is_object(before) and is_object(after):
        return [
            part
            for name in _all_keys(before, after)
            for part in _key_differences(name, name, before, after, LIMITS.max_value_depth)
        ]
    return [ValueDifference("arguments", str(before), str(after))]


def value_differences(path: str, base: str | None, this: str | None) -> list[ValueDifference]:
    """Find the parts in which two values differ.

    Args:
        path: the name of the whole value.
        base: the JSON of the value in the base; None: None.
        this: the same in this trace.
    """
    return list(_differences(path, _parse(base or "null"), _parse(this or "null"), LIMITS.max_value_depth))


def _parse(text: str) -> object:
    try:
        return json.loads(without_numbers(text))
    except (ValueError, RecursionError):  # not written by the tracer
        return text


def _same(base: object, this: object, name: str = "") -> bool:
    """Return whether two values with this name are equal without noise."""
    if isinstance(base, str) and isinstance(this, str):
        return same_text(base, this)
    if is_object(base) and is_object(this):
        if STATE_KEY in base and STATE_KEY in this and base.get(TYPE_KEY) == this.get(TYPE_KEY):
            return _same_state(base, this)
        return len(base) == len(this) and all(
            same_text(one, other) and _same(base[one], this[other], one) for one, other in zip(base, this, strict=True)
        )
    if is_array(base) and is_array(this):
        return len(base) == len(this) and all(_same(one, other, name) for one, other in zip(base, this, strict=True))
    # Python says that True, 1 and 1.0 are equal. Here they differ, as that may be why a program fails.
    if type(base) is type(this) and base == this:
        return True
    return all(_is_noise(each, name.lower()) for each in (base, this))


def _same_state(base: Mapping[str, object], this: Mapping[str, object]) -> bool:
    """Return whether two futures, locks, generators or the like are equal but for what other threads did meanwhile."""
    if base.get(TYPE_KEY) in _SHARED:
        return True
    if base[STATE_KEY] != this[STATE_KEY] and {base[STATE_KEY], this[STATE_KEY]} <= _PASSING:
        return True  # which of them is seen is a matter of moments
    one, other = (_LINE.sub("", str(each[STATE_KEY])) for each in (base, this))
    before, after = ({key: item for key, item in each.items() if key != STATE_KEY} for each in (base, this))
    return one == other and _same(before, after)


def _is_noise(value: object, name: str) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    number = repr(value)
    if _MOMENT.fullmatch(number):
        return True
    if _ASSIGNED.fullmatch(name):
        return True
    return bool(_LONG_FRACTION.fullmatch(number) and _MEASURED.fullmatch(name))


def _all_keys(base: Mapping[str, object], this: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys((*base, *this)))


def _key_differences(
    path: str, key: str, base: Mapping[str, object], this: Mapping[str, object], depth: int
) -> Iterator[ValueDifference]:
    if key not in base:
        yield ValueDifference(path, "-", notation(this[key]))
    elif key not in this:
        yield ValueDifference(path, notation(base[key]), "-")
    else:
        yield from _differences(path, base[key], this[key], depth, key)


def _differences(path: str, base: object, this: object, depth: int, name: str = "") -> Iterator[ValueDifference]:
    if _same(base, this, name):
        return
    if depth > 0 and is_object(base) and is_object(this) and _have_alike_fields(base, this):
        for key in _all_keys(base, this):
            inner = f"{path}.{key}" if TYPE_KEY in base else path if key.startswith("$") else f"{path}[{key!r}]"
            yield from _key_differences(inner, key, base, this, depth - 1)
    elif depth > 0 and is_array(base) and is_array(this):
        yield from _item_differences(path, base, this, depth)
    else:
        yield ValueDifference(path, notation(base), notation(this))


def _have_alike_fields(base: Mapping[str, object], this: Mapping[str, object]) -> bool:
    """Return whether two dicts or objects are compared by their parts: not two Decimals or members of an enum."""
    if base.get(TYPE_KEY) != this.get(TYPE_KEY):
        return False
    return TYPE_KEY not in base or not base.keys() & this.keys() <= {TYPE_KEY, VALUE_FIELD, REPR_KEY}


def _item_differences(
    path: str, base: Sequence[object], this: Sequence[object], depth: int
) -> Iterator[ValueDifference]:
    if len(base) == len(this):
        for index, (before, after) in enumerate(zip(base, this, strict=True)):
            yield from _differences(f"{path}[{index}]", before, after, depth - 1)
        return
    yield ValueDifference(f"len({path})", str(len(base)), str(len(this)))
    pairs = enumerate(zip(base, this, strict=False))
    first = next((index for index, pair in pairs if not _same(*pair)), min(len(base), len(this)))
    shown = [notation(side[first]) if first < len(side) else "-" for side in (base, this)]
    yield ValueDifference(f"{path}[{first}]", shown[0], shown[1])
