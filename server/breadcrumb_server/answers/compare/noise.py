"""What differs between two recorded values beyond what differs in any two runs of the same program.

Noise are times of day, durations as clocks measure them, uuids, memory addresses, pids, ports and names of temporary
files. A value that is shown is always shown as it was; only the comparison looks past the noise.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import TYPE_KEY
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.rendering.notation import notation

# Levels of containers in which the differing part is looked for: deeper, the whole says it as well.
MAX_DEPTH = 5

# What the noise in a text is replaced by before it is compared.
_NOISE = "\N{BULLET}"
_TEXTS = re.compile(
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
# What mkdtemp and mkstemp make of a prefix: eight letters that differ in most places from those of another run.
_TEMPORARY = re.compile(r"""(?<=/tmp/)([^\s/"'<>(),:;]*?)([a-z0-9_]{8})(?=[\s/."'<>(),:;]|$)""")
_MIN_RANDOM = 5
# A number is noise by the name that it stands under: what the system gives out ...
_GIVEN_OUT = re.compile(r"_?(?:pid|ppid|tid|port|fd|ident|thread_id|native_id|inode|mtime|address)|.*_(?:pid|port|fd)")
# ... or, where it has more digits than people write, what a clock measured.
_MEASURED = re.compile(
    r".*(?:elapsed|duration|latency|took|runtime|perf_counter|monotonic|uptime|timing).*"
    r"|_?(?:t\d?|ts|now|time|start|end|begin|stop|started|ended|finished|timestamp|deadline|when|seconds)"
    r"|.*_(?:at|time|ts|timestamp|seconds|secs|ms|ns|us)"
)
_LONG_FRACTION = re.compile(r"-?\d+\.\d{4,}(?:e-?\d+)?|-?\d(?:\.\d+)?e-\d+")
# Seconds, ms, us or ns since 1970, as a number.
_MOMENT = re.compile(r"1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?")


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of two values; a side that lacks it has the text ``-``."""

    path: str  # order.items[2].price
    base: str
    this: str


def same_text(base: str, this: str) -> bool:
    """Whether two texts (messages, say) are the same but for noise."""
    if base == this:
        return True
    settled = without_noise(base), without_noise(this)
    if settled[0] == settled[1]:
        return True
    if _TEMPORARY.sub(rf"\1{_NOISE}", settled[0]) != _TEMPORARY.sub(rf"\1{_NOISE}", settled[1]):
        return False
    names = [[found[2] for found in _TEMPORARY.finditer(text)] for text in settled]
    return all(
        one == other or sum(map(operator.ne, one, other)) >= _MIN_RANDOM for one, other in zip(*names, strict=True)
    )


def without_noise(text: str) -> str:
    return _TEXTS.sub(_NOISE, text)


def same_value(base: str | None, this: str | None) -> bool:
    """Whether two values, as they are recorded, are the same but for noise."""
    if base == this:
        return True
    if base is None or this is None:
        return False
    return _same(_parsed(base), _parsed(this))


def argument_differences(base: str | None, this: str | None) -> list[Difference]:
    """The differing parts of two calls' arguments."""
    before, after = _parsed(base or "{}"), _parsed(this or "{}")
    if is_object(before) and is_object(after):
        return [part for name in _keys(before, after) for part in _of_key(name, name, before, after, MAX_DEPTH)]
    return [Difference("arguments", str(before), str(after))]


def value_differences(path: str, base: str | None, this: str | None) -> list[Difference]:
    """The differing parts of two values."""
    return list(_parts(path, _parsed(base or "null"), _parsed(this or "null"), MAX_DEPTH))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not written by the tracer
        return text


def _same(base: object, this: object, name: str = "") -> bool:
    """Whether two values that stand under this name are the same but for noise."""
    if isinstance(base, str) and isinstance(this, str):
        return same_text(base, this)
    if is_object(base) and is_object(this):
        return len(base) == len(this) and all(
            same_text(one, other) and _same(base[one], this[other], one) for one, other in zip(base, this, strict=True)
        )
    if is_array(base) and is_array(this):
        return len(base) == len(this) and all(_same(one, other, name) for one, other in zip(base, this, strict=True))
    # True equals 1, and 1 equals 1.0: in a program that goes wrong, this may be why.
    if type(base) is type(this) and base == this:
        return True
    return all(_is_noise(each, name.lower()) for each in (base, this))


def _is_noise(value: object, name: str) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    number = repr(value)
    if _MOMENT.fullmatch(number):
        return True
    if _GIVEN_OUT.fullmatch(name):
        return True
    return bool(_LONG_FRACTION.fullmatch(number) and _MEASURED.fullmatch(name))


def _keys(base: Mapping[str, object], this: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys((*base, *this)))


def _of_key(
    path: str, key: str, base: Mapping[str, object], this: Mapping[str, object], depth: int
) -> Iterator[Difference]:
    if key not in base:
        yield Difference(path, "-", notation(this[key]))
    elif key not in this:
        yield Difference(path, notation(base[key]), "-")
    else:
        yield from _parts(path, base[key], this[key], depth, key)


def _parts(path: str, base: object, this: object, depth: int, name: str = "") -> Iterator[Difference]:
    if _same(base, this, name):
        return
    if depth > 0 and is_object(base) and is_object(this) and base.get(TYPE_KEY) == this.get(TYPE_KEY):
        for key in _keys(base, this):
            inner = f"{path}.{key}" if TYPE_KEY in base else path if key.startswith("$") else f"{path}[{key!r}]"
            yield from _of_key(inner, key, base, this, depth - 1)
    elif depth > 0 and is_array(base) and is_array(this):
        yield from _of_items(path, base, this, depth)
    else:
        yield Difference(path, notation(base), notation(this))


def _of_items(path: str, base: Sequence[object], this: Sequence[object], depth: int) -> Iterator[Difference]:
    if len(base) == len(this):
        for index, (before, after) in enumerate(zip(base, this, strict=True)):
            yield from _parts(f"{path}[{index}]", before, after, depth - 1)
        return
    yield Difference(f"len({path})", str(len(base)), str(len(this)))
    pairs = enumerate(zip(base, this, strict=False))
    first = next((index for index, pair in pairs if not _same(*pair)), min(len(base), len(this)))
    shown = [notation(side[first]) if first < len(side) else "-" for side in (base, this)]
    yield Difference(f"{path}[{first}]", shown[0], shown[1])
