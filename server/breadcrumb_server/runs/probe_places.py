"""Parse the probes of a run: places of the program, each with a condition and with expressions to evaluate there.

A place is a line (``shop.pricing:31``, ``shop/pricing.py:31``), or the start or the end of a function
(``Rates.of entry``, ``Rates.of return``); `` if CONDITION`` may follow. What can be judged without the program is
refused before it runs; whether the place exists, its own answer says.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.record_format import PROBE_ENTRY, PROBE_LINE, PROBE_RETURN
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_storage.errors import BreadcrumbError

# More would not fit into an answer.
MAX_PLACES = 20
MAX_EXPRESSIONS = 20
MAX_CHARS = 1_000

_LINE = re.compile(r"(?P<where>\S(?:.*\S)?):(?P<line>\d+)")
_FUNCTION = re.compile(r"(?P<function>[^\s()]+)(?:\(\))? (?P<kind>\S+)")
_CONDITION = re.compile(r"\s+if\s+")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_QUALIFIED = re.compile(r"[^\W\d]\w*(?:[.:](?:[^\W\d]\w*|<locals>|<lambda>))*|<lambda>")

_SHAPES = (
    'A place is a line ("shop.pricing:31" or "shop/pricing.py:31") or the start or end of a function '
    '("Rates.of entry", "Rates.of return"), and may have a condition: "shop.pricing:31 if amount > 100".'
)


@dataclass(frozen=True)
class Probe:
    """A checked probe. Of ``module``, ``file`` and ``function`` one is given."""

    place: str
    kind: str
    expressions: tuple[str, ...]
    condition: str = ""
    module: str = ""
    file: str = ""
    line: int = 0
    function: str = ""

    def settings(self) -> dict[str, object]:
        """Return what the tracer needs of it."""
        return {
            "place": self.place,
            "kind": self.kind,
            "module": self.module,
            "file": self.file,
            "line": self.line,
            "function": self.function,
            "condition": self.condition,
            "expressions": list(self.expressions),
        }

    def shown(self, redactor: Redactor) -> dict[str, object]:
        """Return what is kept of it with the trace, redacted."""
        return {
            name: redactor.redact_text(value) if isinstance(value, str) else value
            for name, value in self.settings().items()
            if value and name != "expressions"
        } | {"expressions": [redactor.redact_text(each) for each in self.expressions]}


def parse_probes(given: Mapping[str, Sequence[str]] | None) -> tuple[Probe, ...]:
    """Check the probes of a run.

    Args:
        given: Expressions by place, such as ``{"shop.pricing:31 if amount > 100": ["amount", "rate"]}``.

    Raises:
        BreadcrumbError: A place, a condition or an expression cannot be understood; says which, and what is right.
    """
    if not given:
        return ()
    if len(given) > MAX_PLACES:
        raise BreadcrumbError(f"probes has {len(given)} places; at most {MAX_PLACES} are evaluated in a run.")
    return tuple(_parse(place, expressions) for place, expressions in given.items())


def _parse(text: str, given: Sequence[str]) -> Probe:
    target, *rest = _CONDITION.split(text.strip(), maxsplit=1)
    condition = rest[0].strip() if rest else ""
    expressions = tuple(dict.fromkeys(each.strip() for each in given))
    if len(expressions) > MAX_EXPRESSIONS:
        raise BreadcrumbError(
            f"The probe {target!r} has {len(expressions)} expressions; at most {MAX_EXPRESSIONS} are evaluated there."
        )
    for each in expressions:
        _check(each, f"An expression of the probe {target!r}")
    if condition:
        _check(condition, f"The condition of the probe {target!r}")
    at_line = _LINE.fullmatch(target)
    if at_line is not None:
        where, line = at_line["where"], int(at_line["line"])
        if line < 1:
            raise BreadcrumbError(f"The probe {text!r} is at line {line}.", why="Lines count from 1.")
        if "/" in where or where.endswith(".py"):
            file = where.removeprefix("./")
            return Probe(f"{file}:{line}", PROBE_LINE, expressions, condition, file=file, line=line)
        if not _MODULE.fullmatch(where):
            raise _unclear(text, f"{where!r} is neither a module nor a file that ends in .py.")
        return Probe(f"{where}:{line}", PROBE_LINE, expressions, condition, module=where, line=line)
    at_end = _FUNCTION.fullmatch(" ".join(target.split()))
    if at_end is None:
        raise _unclear(text, f'It has neither a line (":31") nor "{PROBE_ENTRY}" or "{PROBE_RETURN}" after a function.')
    function, kind = at_end["function"], at_end["kind"]
    if kind not in (PROBE_ENTRY, PROBE_RETURN):
        raise _unclear(text, f'{kind!r} is neither "{PROBE_ENTRY}" nor "{PROBE_RETURN}".')
    if not _QUALIFIED.fullmatch(function):
        raise _unclear(text, f"{function!r} is no name of a function.")
    return Probe(f"{function} {kind}", kind, expressions, condition, function=function)


def _unclear(text: str, why: str) -> BreadcrumbError:
    return BreadcrumbError(f"The probe {text!r} cannot be understood.", why=why, hint=_SHAPES)


def _check(text: str, what: str) -> None:
    """Compile an expression without running it."""
    if len(text) > MAX_CHARS:
        raise BreadcrumbError(f"{what} has {len(text):,} characters; at most {MAX_CHARS:,} are allowed.")
    if not text:
        raise BreadcrumbError(f"{what} is empty.", hint='Give Python expressions: ["amount", "len(self.items)"].')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<probe>", "eval", 0, True)
    except SyntaxError as error:
        hint = "Give Python expressions, each a text of its own; what is no expression cannot be evaluated."
        if _is_statement(text):
            hint = "It is a statement. A probe evaluates expressions and changes no variable: to compare, write ==."
        at = max((error.offset or 1) - 1, 0)
        line = (text.splitlines() or [""])[min((error.lineno or 1), len(text.splitlines()) or 1) - 1]
        raise BreadcrumbError(
            f"{what} has a syntax error: {error.msg}.", why=f"  {line}\n  {' ' * at}^", hint=hint
        ) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise BreadcrumbError(f"{what} cannot be compiled: {error or type(error).__name__}.") from None


def _is_statement(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<probe>", "exec", 0, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True
