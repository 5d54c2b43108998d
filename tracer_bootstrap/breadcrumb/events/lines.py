"""Record the executed lines of the functions that ``capture.lines`` names, and the variables each line changed.

Imported only if it names functions.

A record is written when a line starts, with the changes of the line before: a process that is killed within a line
leaves that line as the last. Variables are compared as encoded text, so that a list that grew counts as a change, and
no ``__eq__`` of the program runs.
"""

from __future__ import annotations

from types import CodeType, FrameType

from ..globs import matches_function
from ..json_text import DELETED, quote, utf8
from ..record_format import NOTICE_LINES_LEFT_OUT
from ..runtime.interruptions import raised_by_program
from ..runtime.late_modules import load_late_module
from ..runtime.system import system
from ..session.threads import write_record
from ..values.encoder import Encoder
from ..values.frame_locals import is_synthetic, variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence, Set, Tuple, Type

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState

# Lines of a call that are recorded in full; later ones only at doubling distances. To compare the variables takes some
# twenty times as long as the line itself, and nobody reads more.
MAX_LINES_PER_CALL = 2000

# Last lines of a longer call, written when it ends, without their changes: these would take too long to find.
LAST_LINES = 20

# Limits of a value, below the usual ones: it is encoded at each line, whether it has changed or not.
_MAX_VALUE_CHARS = 500
_MAX_ITEMS = 20

# Variables of a frame that are compared: no function has more, but a module may.
MAX_VARIABLES = 200


def _is_written(module: str, file: str) -> bool:
    """Return whether a user wrote code that is in no file: a program given with -c, or a cell of a notebook."""
    return module == "__main__" and (file == "<string>" or file.startswith(("<stdin", "<ipython-input", "<ipykernel")))


class LineLog:
    """The functions whose lines are recorded, and the notices about lines that are not.

    Args:
        session: Writes the notices.
        patterns: Names of functions, as ``globs.matches_function`` takes them.
    """

    def __init__(self, session: Session, patterns: Sequence[str]) -> None:
        self.session = session
        wide = session.encoder
        self.encoder = Encoder(
            session.redactor,
            min(wide.max_chars, _MAX_VALUE_CHARS),
            min(wide.max_items, _MAX_ITEMS),
            wide.max_depth,
            wide.numbers,
            wide.native,
        )
        self._patterns = patterns
        # By the id of code, which its function keeps alive: what the core in C knows of it; None: it cannot do it.
        self._effects: Dict[int, Any] = {}
        self._for_c: Any = None  # the module, kept: a program may empty sys.modules
        if self.encoder.native is not None:
            load_late_module("runtime.line_effects")
            from ..runtime import line_effects  # for new Pythons only

            self._for_c = line_effects
        self._noticed: Set[Tuple[int, str]] = set()

    def clear(self) -> None:
        """Forget which notices are written, in a forked child, and the functions, which are registered anew."""
        self._noticed.clear()
        self._effects.clear()

    def wants(self, function: Function) -> bool:
        """Return whether the lines of a function are recorded: never those of code that the program generated."""
        module, name, file = function.module, function.name, function.file
        if file.startswith("<") and ("__create_fn__" in name or not _is_written(module, file)):
            return False
        return any(matches_function(module, name, pattern) for pattern in self._patterns)

    def new_call(self, function: Function) -> Optional[CallLines]:
        """Return the lines of a call that begins."""
        native = self.encoder.native
        lines: CallLines = self._new_lines(function, CallLines, None if native is None else native.CallLines)
        return lines

    def _new_lines(self, function: Function, pure: Type[CallLines], compiled: Any) -> Any:
        """Return the lines of a call, by the class of the core that can record them.

        Args:
            function: The function that is called.
            pure: The class in Python.
            compiled: The class in C, or None.
        """
        if compiled is None:
            return pure(self, function)
        key = id(function.code)
        try:
            effects = self._effects[key]
        except KeyError:
            effects = self._effects[key] = self._compiled_effects(function.code)
        return pure(self, function) if effects is None else compiled(self, function, effects, write_record)

    def _compiled_effects(self, code: CodeType) -> Any:
        """Return what the lines of a function do, for the core in C; None if it cannot record them."""
        found = self._for_c.single_variables_of(code, MAX_VARIABLES)
        if found is None:
            return None
        quoted = tuple([utf8(quote(name)) + b": " for name in found.names])
        synthetic = sum([1 << at for at, name in enumerate(found.names) if is_synthetic(name)])
        variables = (found.names, quoted, found.shared, found.around, found.begin_unbound, synthetic)
        encoder = self.encoder
        try:
            return encoder.native.LineEffects(encoder.compiled, code, *variables, self._for_c.INSTRUCTIONS)
        except (NotImplementedError, ValueError) as error:  # a Python without PyFrame_GetVar, or an odd function
            if raised_by_program(error):
                raise
            return None

    def many_lines(self, function: Function) -> None:
        """Note that a call executed so many lines that few later ones are recorded."""
        self.notice_once(
            function, "a call executed more than %d lines: few later ones are recorded" % MAX_LINES_PER_CALL
        )

    def notice_once(self, function: Function, message: str) -> None:
        """Write a notice about lines of a function that are not recorded, unless it is written already."""
        if (function.function_id, message) not in self._noticed:
            self._noticed.add((function.function_id, message))
            self.session.notice(NOTICE_LINES_LEFT_OUT, "%s.%s: %s" % (function.module, function.name, message))


class CallLines:
    """The lines of one call, written from its begin to its end."""

    __slots__ = ("_count", "_function", "_known", "_last", "_log", "_next_sample")

    def __init__(self, log: LineLog, function: Function) -> None:
        self._log = log
        self._function = function
        self._count = 0
        self._next_sample = 2 * MAX_LINES_PER_CALL
        self._known: Optional[Dict[str, bytes]] = None  # the JSON text of each variable at the last comparison
        self._last: Dict[int, Tuple[int, int, int]] = {}  # a ring of LAST_LINES: position, at_ns, line

    def starts(self, thread: ThreadState, frame: FrameType, line: int) -> None:
        """Record that a line starts in *frame*, the frame of the thread's innermost call."""
        at_ns = system.now_ns()
        position = self._count
        self._count = position + 1
        if position >= MAX_LINES_PER_CALL:
            if position == MAX_LINES_PER_CALL:
                self._log.many_lines(self._function)
            if position < self._next_sample:
                self._last[position % LAST_LINES] = (position, at_ns, line)
                return
            self._next_sample = 2 * position
        changes = self._changes(frame)
        self._put(thread, b"L\t%d\t%d\t%b\t%d\t%d\n" % (thread.top[0], at_ns, changes, line, position))

    def ends(self, thread: ThreadState, call: int, frame: FrameType, at_ns: int) -> None:
        """Write the last lines of a call that has ended at *at_ns*, and the changes of the very last."""
        for position, started_ns, line in sorted(self._last.values()):
            self._put(thread, b"L\t%d\t%d\t\t%d\t%d\n" % (call, started_ns, line, position))
        self._put(thread, b"L\t%d\t%d\t%b\t\t%d\n" % (call, at_ns, self._changes(frame), self._count))

    def encoded_bytes(self) -> int:
        """Return the size of the variables as text, at the last comparison."""
        return sum(map(len, self._known.values())) if self._known is not None else 0

    def _put(self, thread: ThreadState, record: bytes) -> None:
        write_record(thread, record)

    def _changes(self, frame: FrameType) -> bytes:
        """Return the variables that have changed since the last comparison, as a JSON object.

        The first comparison returns those of enclosing functions only: the arguments are in the call's own record.
        """
        encode = self._log.encoder.encode_named
        variables = variables_of(frame, MAX_VARIABLES, self._log.session.clears_locals)
        if len(variables) == MAX_VARIABLES:
            self._log.notice_once(self._function, "only the first %d variables are compared" % MAX_VARIABLES)
        generation = self._log.encoder.generation()
        now = {name: encode(name, value) for name, value in variables}
        if generation != self._log.encoder.generation():  # a secret was learned, which earlier values may contain
            now = {name: encode(name, value) for name, value in variables}
        known = self._known
        self._known = now
        if known is None:
            from_around = frame.f_code.co_freevars
            changed = [(name, text) for name, text in now.items() if name in from_around]
        else:
            changed = [(name, text) for name, text in now.items() if known.get(name) != text]
            changed += [(name, DELETED) for name in known if name not in now]
        return b"{" + b", ".join([utf8(quote(name)) + b": " + text for name, text in changed]) + b"}"
