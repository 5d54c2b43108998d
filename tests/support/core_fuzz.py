"""Compare the core in C with the one in Python: a program for Python 3.12 and newer.

    python3.12 tests/support/core_fuzz.py [--seeds 20000] [--start 0] [--library FILE]

It encodes the same random values with both, each twice (cold and warm), and prints how many there were and which differ.
``--leaks`` counts references and memory instead, ``--threads`` encodes what other threads change meanwhile. ``--library``
names a core compiled in another way (docs/core.md has the command for AddressSanitizer).
"""

from __future__ import annotations

import argparse
import gc
import random
import site
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tracer_bootstrap")]

from breadcrumb import core  # noqa: E402
from breadcrumb.redaction.redactor import Redactor  # noqa: E402
from breadcrumb.redaction.secret_names import SecretNames  # noqa: E402
from breadcrumb.redaction.suspicion import possible_kinds  # noqa: E402
from breadcrumb.runtime.object_numbers import ObjectNumbers  # noqa: E402
from breadcrumb.values.encoder import Encoder, without_addresses  # noqa: E402
from breadcrumb.values.walk import Walk  # noqa: E402
from odd_values import Maker, random_limits  # noqa: E402

VALUES_PER_SEED = 8
TEXTS_PER_SEED = 40


def encoder(native: Any, limits: dict[str, Any], *, numbered: bool, taught: bool) -> Encoder:
    redactor = Redactor(["internal_*"] if taught else [])
    if taught:
        redactor.learn("hunter2hunter2", "password")
        redactor.learn("w w w w1", "token")
    return Encoder(redactor, **limits, numbers=ObjectNumbers() if numbered else None, native=native)


def differences(native: Any, seed: int) -> Iterator[str]:
    """Yield where the two cores differ in the values of a seed."""
    choices = random.Random(seed)
    maker, limits = Maker(choices), random_limits(choices)
    kinds = {"numbered": choices.random() < 0.7, "taught": choices.random() < 0.4}
    pure, other = encoder(None, limits, **kinds), encoder(native, limits, **kinds)
    values = [maker.value() for _ in range(VALUES_PER_SEED)]
    for position, value in enumerate([*values, *values]):
        expected, written = (both.encode(value) + b" " + both.encode_fields_hidden(value) for both in (pure, other))
        if written != expected or pure.generation() != other.generation():
            at = next((at for at, (a, b) in enumerate(zip(expected, written, strict=False)) if a != b), 0)
            begin = max(0, at - 60)
            yield f"seed {seed}, value {position}: {expected[begin : at + 60]!r} in Python, {written[begin : at + 60]!r} in C"
            return


def missed_texts(native: Any, seed: int) -> Iterator[str]:
    """Yield texts in which Python would search for a secret, and C sees none: near misses are as wrong as secrets."""
    maker = Maker(random.Random(seed))
    other = encoder(native, {}, numbered=False, taught=True)
    scan, redactor, names = native.ValueEncoder(other, Walk).is_suspicious, other._redactor, SecretNames(["internal_*"])
    for _ in range(TEXTS_PER_SEED):
        text = maker.text()
        if scan(text):
            continue
        kinds = possible_kinds(text, names) if len(text) >= 8 else 0
        if kinds or without_addresses(text) != text or redactor.redact_text(text) != text:
            yield f"seed {seed}: {text!r} is not searched (kinds {kinds})"


def leaks(native: Any, seeds: range) -> Iterator[str]:
    """Yield the objects of the values that have more references after encoding, and the memory that stays taken."""
    references = getattr(sys, "gettotalrefcount", lambda: 0)  # of a debug build
    taken: list[int] = []
    counted: list[int] = []
    for _round in range(4):
        for seed in seeds:
            choices = random.Random(seed)
            maker, limits = Maker(choices), random_limits(choices)
            value = [maker.value() for _ in range(VALUES_PER_SEED)]
            held = [item for item in value if type(item) not in (type, int, str, bytes, bool, float, type(None))]
            before = [sys.getrefcount(item) for item in held]
            other = encoder(native, limits, numbered=True, taught=True)
            for item in (value, *value):
                other.encode(item)
                other.encode(item)
            del other, item
            gc.collect()
            for item, count in zip(held, before, strict=True):
                if sys.getrefcount(item) - 1 > count:
                    yield f"seed {seed}: {type(item).__name__} has {sys.getrefcount(item) - 1 - count} references more"
            del value, held, maker, item
        gc.collect()
        taken.append(sys.getallocatedblocks())
        counted.append(references())
    if counted[3] - counted[1] > len(seeds):
        yield f"references after each round: {counted}"
    if taken[3] - taken[1] > len(seeds) // 4:
        yield f"blocks of memory after each round: {taken}"


def under_threads(native: Any, rounds: int) -> None:
    """Encode containers that other threads change all the time: no answer is checked, as there is no right one."""
    sys.setswitchinterval(1e-6)
    choices = random.Random(0)
    maker = Maker(choices)
    shared: list[Any] = [maker.value() for _ in range(40)]
    table: dict[Any, Any] = {key: maker.value() for key in range(40)}
    thing = type("Thing", (), {})()
    is_over = threading.Event()

    def change() -> None:
        own = random.Random(1)
        while not is_over.is_set():
            shared[own.randrange(5) :] = [maker.value() for _ in range(own.randrange(40))]
            table.clear()
            table.update({own.choice("abcdefgh") * own.randrange(9): b"x" for _ in range(own.randrange(40))})
            vars(thing)[own.choice("abcdefgh")] = [own.random(), "password=hunter2hunter2"]
            if own.random() < 0.2:
                vars(thing).clear()

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    other = encoder(native, {}, numbered=True, taught=True)

    def encode() -> None:
        for number in range(rounds):
            other.encode([shared, table, thing, {"password": f"secret{number % 50}x9"}])

    encoders = [threading.Thread(target=encode) for _ in range(2)]
    for thread in encoders:
        thread.start()
    for thread in encoders:
        thread.join()
    is_over.set()
    for thread in threads:
        thread.join()


def _installed() -> str:
    """Return the file of the core in the installed package: this program has its Python code from the checkout."""
    (folder,) = [folder for folder in site.getsitepackages() if Path(folder, "breadcrumb", "core").is_dir()]
    return str(Path(folder, "breadcrumb", "core", core.FILE_NAME))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--library", default=str(Path(core.__file__).parent / core.FILE_NAME))
    parser.add_argument("--installed", action="store_true", help="take the core of the installed package")
    parser.add_argument("--leaks", action="store_true")
    parser.add_argument("--threads", action="store_true")
    options = parser.parse_args()
    native = core.load(_installed() if options.installed else options.library)
    seeds = range(options.start, options.start + options.seeds)
    if options.threads:
        under_threads(native, options.seeds)
        found: list[str] = []
    elif options.leaks:
        found = list(leaks(native, seeds))
    else:
        found = [wrong for seed in seeds for check in (differences, missed_texts) for wrong in check(native, seed)]
    print(*found[:10], sep="\n", end="\n" if found else "")
    print(f"{len(seeds) * VALUES_PER_SEED} values of {len(seeds)} seeds, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
