"""Evaluate probes and write what they found, within limits.

The interpreter sends no events of a thread in which it calls the tracer: what an expression calls is neither recorded
nor probed. An expression cannot be interrupted, so that its time is measured, and one that took long is not used again.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
from types import FrameType

from ..events.exception_text import message_of, type_name
from ..json_text import quote, utf8
from ..record_format import EVENT_PROBE, EVENT_PROBE_VALUES, PROBE_RESULT, PROBE_RETURN
from ..runtime.system import system
from ..session.functions import callable_code
from ..value_format import REDACTED
from .finder import ProbeFinder
from .namespace import names_of, read_again
from .probe import Probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

    from ..session.session import Session
    from .probe import CodeProbes, Expression

    Names = Tuple[Dict[str, Any], Dict[str, Any]]  # globals and local variables

# Rows of a place that are written at once, and their bytes: a process that is killed leaves them. Of later ones the
# last are kept, and written when the process ends.
FIRST_ROWS = 1_000
_FIRST_BYTES = 1 << 20
LAST_ROWS = 20

# An expression that took longer is not evaluated again, and no probe after all of them took so long in a process.
SLOW_NS = 1_000_000_000
ALL_NS = 20_000_000_000

_MAX_ERROR_CHARS = 500
_MAX_NOTES = 5


class ProbeLog:
    """The probes of a run in this process.

    Args:
        session: Has the encoder and writes the records.
        settings: Each probe, as ``Probe`` takes it.
        writes_locals_back: Whether the interpreter writes the variables of a frame back after each event.
    """

    def __init__(self, session: Session, settings: Sequence[Dict[str, Any]], writes_locals_back: bool) -> None:
        self._session = session
        self._writes_locals_back = writes_locals_back
        self.probes = [Probe(number, each) for number, each in enumerate(settings)]
        self.finder = ProbeFinder(session, self.probes, self._write_probe)
        self.has_returns = any(probe.kind == PROBE_RETURN for probe in self.probes)
        self._spent_ns = 0
        session.when_secret_erased.append(self._erase)
        session.when_stacks_are_wanted.append(self.write_last)

    def clear(self) -> None:
        """Forget what was counted, in a forked child."""
        self._spent_ns = 0
        for probe in self.probes:
            probe.clear()

    def line(self, found: CodeProbes, frame: FrameType, line: int) -> None:
        """Evaluate the probes at a line that is about to run."""
        for probe in found.lines.get(line, ()):
            self._reached(probe, frame, line, {}, {})

    def entry(self, found: CodeProbes, frame: FrameType) -> None:
        """Evaluate the probes at the start of a function, whose arguments are bound."""
        for probe in found.entry:
            self._reached(probe, frame, frame.f_code.co_firstlineno, {}, {})

    def returned(self, found: CodeProbes, frame: FrameType, value: Any) -> None:
        """Evaluate the probes at the end of a function that returns a value."""
        if found.returns:
            encoder = self._session.encoder
            name = frame.f_code.co_name
            encoded = encoder.encode_result(name, value) if encoder.is_secret_name(name) else encoder.encode(value)
            for probe in found.returns:
                self._reached(probe, frame, frame.f_lineno, {PROBE_RESULT: value}, {"result": b"[%b]" % encoded})

    def raised(self, found: CodeProbes, frame: FrameType, exception: Optional[BaseException]) -> None:
        """Evaluate the probes at the end of a function that an exception leaves."""
        if found.returns:
            text = self._error_text(exception) if exception is not None else "an exception"
            for probe in found.returns:
                self._reached(probe, frame, frame.f_lineno, {PROBE_RESULT: None}, {"raised": text})

    def leave_out(self, found: CodeProbes, why: str) -> None:
        """Note that code with probes cannot be observed."""
        for probe in found.all():
            self._note(probe, why)

    def write_last(self) -> None:
        """Write the last rows and the counts, at the end of the process or before the server ends it."""
        for probe in self.probes:
            rows, probe.last = probe.last, []
            for row in rows:
                self._session.event(EVENT_PROBE_VALUES, **row)
            if probe.codes or probe.nearest or probe.notes:
                self._write_probe(probe, is_final=True)

    def _reached(
        self, probe: Probe, frame: FrameType, line: int, further_names: Dict[str, Any], end: Dict[str, Any]
    ) -> None:
        probe.hits = probe.next_hit()
        if probe.hits >= probe.count_at:
            probe.count_at = 2 * probe.hits
            self._write_probe(probe)
        if self._spent_ns > ALL_NS:
            return
        at_ns = system.now_ns()
        try:
            names, variables = names_of(frame, self._session.clears_locals)
            names.update(further_names)
            variables.update(further_names)
            self._evaluate(probe, frame, line, at_ns, (names, variables), end)
        finally:
            if self._writes_locals_back:
                read_again(frame)
            self._spent_ns += system.now_ns() - at_ns
            if self._spent_ns > ALL_NS:
                self._stop()

    def _evaluate(
        self, probe: Probe, frame: FrameType, line: int, at_ns: int, names: Names, end: Dict[str, Any]
    ) -> None:
        errors: List[Tuple[str, str]] = []
        condition = probe.condition
        if condition is not None:
            is_met, error = self._value(probe, condition, names)
            if error:
                errors.append(("if " + condition.text, error))
            elif not is_met:
                return
        probe.met = probe.next_met()
        values: List[Tuple[Expression, Any]] = []
        if not errors:
            for expression in probe.expressions:
                value, error = self._value(probe, expression, names)
                if error:
                    errors.append((expression.text, error))
                else:
                    values.append((expression, value))
        thread = self._session.thread()
        row: Dict[str, Any] = {
            "probe": probe.number,
            "n": probe.met,
            "at_ns": at_ns,
            "thread": thread.number,
            "task": thread.task,
            "call": _call_of(thread, frame),
            "line": line,
            "values": self._encoded(values),
            **end,
        }
        if errors:
            row["errors"] = self._object([(text, self._session.encoder.encode_text(error)) for text, error in errors])
        self._write_row(probe, row)

    def _value(self, probe: Probe, expression: Expression, names: Names) -> Tuple[Any, str]:
        """Evaluate an expression. Returns its value and an empty text, or None and why there is none."""
        if expression.code is None:
            return None, expression.error
        if expression.is_stopped:
            return None, "not evaluated again, since it took longer than %d s" % (SLOW_NS // 10**9)
        before_ns = system.now_ns()
        try:
            return eval(expression.code, *names), ""  # what the user asked for
        except RecursionError:  # perhaps of a program near its limit: there is no room for more than this text
            return None, "RecursionError: maximum recursion depth exceeded"
        except BaseException as error:
            if _is_interruption(error):
                raise
            return None, self._error_text(error)
        finally:
            took_ns = system.now_ns() - before_ns
            if took_ns > SLOW_NS:
                expression.is_stopped = True
                self._note(probe, "%s took %.1f s: it was not evaluated again" % (expression.text, took_ns / 1e9))

    def _error_text(self, error: BaseException) -> str:
        message = message_of(error, self._session.encoder)
        name = type_name(type(error))
        return ("%s: %s" % (name, message) if message else name)[:_MAX_ERROR_CHARS]

    def _encoded(self, values: Sequence[Tuple[Expression, Any]]) -> bytes:
        encoder = self._session.encoder
        generation = encoder.generation()
        encoded = [(each.text, self._encode(each, value)) for each, value in values]
        if generation != encoder.generation():  # a value taught a secret, which the earlier ones may hold
            encoded = [(each.text, self._encode(each, value)) for each, value in values]
        return self._object(encoded)

    def _encode(self, expression: Expression, value: Any) -> bytes:
        """Encode a value; hide it if the expression names a secret, as in ``password[:3]``."""
        encoder = self._session.encoder
        secret = [name for name in expression.names if encoder.is_secret_name(name)]
        if not secret or value is None or type(value) is bool:
            return encoder.encode(value)
        for name in secret:
            if expression.text.endswith((name, "%s']" % name, '%s"]' % name)):  # the secret itself
                return encoder.encode_named(name, value)
        if expression.text.startswith("len(") and type(value) is int:
            return encoder.encode(value)
        return utf8(quote(REDACTED))

    def _object(self, fields: Sequence[Tuple[str, bytes]]) -> bytes:
        encode = self._session.encoder.encode_text
        return b"{" + b", ".join([encode(name) + b": " + text for name, text in fields]) + b"}"

    def _write_row(self, probe: Probe, row: Dict[str, Any]) -> None:
        if probe.rows_written < FIRST_ROWS and probe.bytes_written < _FIRST_BYTES:
            probe.rows_written += 1
            probe.bytes_written += len(row["values"]) + len(row.get("result", b""))
            self._session.event(EVENT_PROBE_VALUES, **row)
        else:
            probe.last.append(row)
            del probe.last[:-LAST_ROWS]

    def _erase(self, secret: bytes) -> None:
        """Replace a secret, learned just now, in the rows that are not written yet."""
        for probe in self.probes:
            for row in list(probe.last):
                for name, text in row.items():
                    if type(text) is bytes and secret in text:
                        row[name] = text.replace(secret, REDACTED.encode())

    def _write_probe(self, probe: Probe, is_final: bool = False) -> None:
        self._session.event(
            EVENT_PROBE,
            probe=probe.number,
            name=probe.place,
            hits=probe.hits,
            met=probe.met,
            started=b"true" if probe.started else b"false",
            final=b"true" if is_final else b"false",
            codes=self._descriptions(probe.codes),
            nearest=self._descriptions(probe.nearest),
            message="; ".join(probe.notes),
        )

    def _descriptions(self, codes: Sequence[Dict[str, Any]]) -> bytes:
        encode = self._session.encoder.encode_text
        return b"[%b]" % b", ".join(
            [
                b'{"function": %b, "module": %b, "file": %b, "line": %d, "lines": [%b]}'
                % (
                    encode(code["function"]),
                    encode(code["module"]),
                    encode(code["file"]),
                    code["line"],
                    b", ".join([b"%d" % line for line in code["lines"]]),
                )
                for code in codes
            ]
        )

    def _note(self, probe: Probe, text: str) -> None:
        if len(probe.notes) < _MAX_NOTES and text not in probe.notes:
            probe.notes.append(text)
            self._write_probe(probe)

    def _stop(self) -> None:
        for probe in self.probes:
            if probe.codes:
                self._note(probe, "stopped, since all probes took longer than %d s in a process" % (ALL_NS // 10**9))


def _call_of(thread: Any, frame: FrameType) -> Optional[int]:
    """Return the id of the recorded call that runs in a frame; None if it is not traced, or only counted."""
    top = thread.top
    while top[1] is not None:
        if top[2] is frame:
            call: int = top[0]
            return call
        top = top[1]
    return None


def _is_interruption(error: BaseException) -> bool:
    """Return whether an exception is not the expression's: Ctrl-C, or raised by a signal handler of the program."""
    if isinstance(error, KeyboardInterrupt):
        return True
    handlers: Set[int] = set()
    for number in range(1, _signal.NSIG):
        handler = _signal.getsignal(number)
        found = callable_code(handler) if callable(handler) else None
        if found is not None:
            handlers.add(id(found[0]))
    traceback = error.__traceback__
    while traceback is not None and handlers:
        if id(traceback.tb_frame.f_code) in handlers:
            return True
        traceback = traceback.tb_next
    return False
