"""Line detail: each executed line of the functions that were asked for, and the variables that it changed.

What a person would see who steps through a call. Imported only where ``capture.lines`` names functions.

A record is written when a line starts, with what the line before it has changed: a process that is killed in the middle
of a line leaves it as the last one. What a variable holds is compared as text, so that a list which grew is
a change, and nothing of the user's is asked whether it is equal.
"""

from __future__ import annotations

from time import perf_counter_ns
from types import FrameType

from ..globs import matches_function
from ..json_text import DELETED, quote, utf8
from ..record_format import NOTICE_LINES_LEFT_OUT
from ..session.threads import write_record
from ..values.encoder import Encoder
from ..values.frame_locals import variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Set, Tuple

    from ..session.functions import Function
    from ..session.session import Session
    from ..session.threads import ThreadState

# Lines of a call that are written one after the other; then those at doubling distances. Looking at the variables costs
# some twenty times what the line does, and nobody reads more.
MAX_LINES_PER_CALL = 2000

# The last lines of a longer call, written when it ends: without their changes, which would cost too much to look for.
LAST_LINES = 20

# Limits of a value here: it is taken again at each line, whether it has changed or not.
_MAX_VALUE_CHARS = 500
_MAX_ITEMS = 20

# Variables of a frame that are looked at: no function has more, but a module may.
MAX_VARIABLES = 200


class LineLog:
    """Which functions' lines are recorded, and what has been said about them.

    patterns: as ``globs.matches_function`` takes them.
    """

    def __init__(self, session: Session, patterns: Sequence[str]) -> None:
        self.session = session
        wide = session.encoder
        self.encoder = Encoder(
            session.redactor, min(wide.max_chars, _MAX_VALUE_CHARS), min(wide.max_items, _MAX_ITEMS), wide.max_depth
        )
        self._patterns = patterns
        self._noticed: Set[Tuple[int, str]] = set()

    def clear(self) -> None:
        """Forget what was said: a forked child says it for itself."""
        self._noticed.clear()

    def wants(self, module: str, name: str) -> bool:
        """Whether the lines of this function are to be recorded."""
        return any(matches_function(module, name, pattern) for pattern in self._patterns)

    def new_call(self, function: Function) -> Optional[CallLines]:
        """What is kept of a call that begins, if its lines are recorded."""
        return CallLines(self, function) if function.lines else None

    def notice_once(self, function: Function, message: str) -> None:
        """Tell the reader of the report what is not recorded of a function's lines."""
        if (function.function_id, message) not in self._noticed:
            self._noticed.add((function.function_id, message))
            self.session.notice(NOTICE_LINES_LEFT_OUT, "%s.%s: %s" % (function.module, function.name, message))


class CallLines:
    """Writes the lines of one call, from its begin to its end."""

    __slots__ = ("_count", "_function", "_known", "_last", "_log", "_next_sample")

    def __init__(self, log: LineLog, function: Function) -> None:
        self._log = log
        self._function = function
        self._count = 0
        self._next_sample = 2 * MAX_LINES_PER_CALL
        self._known: Optional[Dict[str, bytes]] = None  # the JSON text of each variable at the last look
        self._last: Dict[int, Tuple[int, int, int]] = {}  # position, at_ns, line; a ring of LAST_LINES

    def starts(self, thread: ThreadState, frame: FrameType, line: int) -> None:
        """A line of *frame*, the frame of the thread's innermost call, starts."""
        at_ns = perf_counter_ns()
        position = self._count
        self._count = position + 1
        if position >= MAX_LINES_PER_CALL:
            if position == MAX_LINES_PER_CALL:
                self._log.notice_once(
                    self._function,
                    "a call executed more than %d lines: few of those beyond are recorded" % MAX_LINES_PER_CALL,
                )
            if position < self._next_sample:
                self._last[position % LAST_LINES] = (position, at_ns, line)
                return
            self._next_sample = 2 * position
        changes = self._changes(frame)
        write_record(thread, b"L\t%d\t%d\t%b\t%d\t%d\n" % (thread.top[0], at_ns, changes, line, position))

    def ends(self, thread: ThreadState, call: int, frame: FrameType, at_ns: int) -> None:
        """The call is over: what its last line has changed."""
        for position, started_ns, line in sorted(self._last.values()):
            write_record(thread, b"L\t%d\t%d\t\t%d\t%d\n" % (call, started_ns, line, position))
        write_record(thread, b"L\t%d\t%d\t%b\t\t%d\n" % (call, at_ns, self._changes(frame), self._count))

    def _changes(self, frame: FrameType) -> bytes:
        """The variables that are not what they were at the last look, as a JSON object.

        The first look tells of those from around the function only: its arguments stand in the call's own record.
        """
        encode = self._log.encoder.encode_named
        variables = variables_of(frame, MAX_VARIABLES, self._log.session.clears_locals)
        if len(variables) == MAX_VARIABLES:
            self._log.notice_once(self._function, "only the first %d variables are looked at" % MAX_VARIABLES)
        generation = self._log.encoder.generation()
        now = {name: encode(name, value) for name, value in variables}
        if (
            generation != self._log.encoder.generation()
        ):  # one taught a secret that may stand in those before it as well
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
