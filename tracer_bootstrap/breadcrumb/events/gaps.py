"""Count the calls of gaps: functions that traced code calls but that are not traced themselves."""

from __future__ import annotations

from types import CodeType, FrameType

from .. import record_format
from ..runtime.late_modules import load_late_module
from ..runtime.system import system
from ..session.functions import SUSPENDS, is_annotations, is_observed, module_of
from ..session.patterns import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ..session.functions import Function
    from ..session.session import Session
    from .budget import Budget
    from .wrappers import Candidate


# Calls of a wrapper in which the wrapped function is looked up, and wrapped functions written for each of its callers:
# the code of one wrapper may wrap all functions of a library.
_MAX_LOOKS = 64
_MAX_WRAPPED = 8
# Functions of which it is awaited whether a wrapper calls them, and calls of each after which it no longer is: one in a
# closure may be called by everyone but the wrapper.
_MAX_AWAITED = 2_000
_MAX_RUNS = 64
# Frames between a wrapper and a function that it runs through these modules of the standard library.
_MAX_BETWEEN = 16
# Calls of a gap from one look at the budget to the next, and what each costs: as much as some counted calls.
_SEEN_BETWEEN_LOOKS = 64
_COST_IN_COUNTED_CALLS = 3
# Events of calls that traced code did not make, for each call of it that is counted: untraced code calls some gaps all
# the time.
_STRAYS_PER_CALL = 10
_GO_BETWEENS = frozenset(("asyncio", "concurrent", "contextlib", "contextvars", "functools"))


class Gap:
    """A function that is not traced, with a counter for each traced function that calls it."""

    __slots__ = (
        "awaits",
        "code",
        "exact",
        "file",
        "kind",
        "line",
        "looks_left",
        "module",
        "name",
        "seen",
        "slots",
        "strays",
        "wraps",
    )

    def __init__(self, code: Any, name: str, module: str, file: str, line: int, kind: str) -> None:
        self.code = code  # kept: the gap is found by its id
        self.name = name
        self.module = module
        self.file = file
        self.line = line
        self.kind = kind
        self.slots: Dict[int, int] = {}  # counter slot by the caller's function id
        self.wraps: Dict[int, List[Tuple[str, str, str]]] = {}  # module, function, file, by the caller's function id
        self.awaits: List[_Awaited] = []  # the functions that it may wrap
        self.looks_left = _MAX_LOOKS if code is not None and _may_wrap(code) else 0
        self.seen = 0
        self.strays = 0  # events of calls that traced code did not make
        self.exact = True


def _may_wrap(code: CodeType) -> bool:
    """Return whether code can be a wrapper's: it has a closure or a keyword-only argument, or is a ``__call__``."""
    return bool(code.co_freevars or code.co_kwonlyargcount or code.co_name == "__call__")


class _Awaited:
    """A function that a wrapper may call: it is named as wrapped once it has run below the wrapper."""

    __slots__ = ("candidate", "gap", "runs_left")

    def __init__(self, gap: Gap, candidate: Candidate) -> None:
        self.gap = gap
        self.candidate = candidate
        self.runs_left = _MAX_RUNS


class GapLog:
    """The gaps of this process. Their calls are counted by caller, in counters that survive the process's death.

    Args:
        session: Holds the traced functions and the counters.
        budget: What the tracer may cost; None if that is not limited.
    """

    def __init__(self, session: Session, budget: Optional[Budget]) -> None:
        self._session = session
        self._budget = budget
        self.gaps: Dict[int, Gap] = {}
        self._by_name: Dict[Tuple[str, str, str, int], Gap] = {}
        # The module, kept: a program may replace what imports use.
        self._wrappers: Any = None
        # By the id of their code, which each has.
        self.awaited: Dict[int, List[_Awaited]] = {}
        # Called with code whose returns are to be reported to ``end``, and with True, or with False to stop it.
        self.watch: Callable[[CodeType, bool], None] = lambda code, wanted: None
        # Counter slot, start and code, by frame id. The code is compared: the end of a call may pass unseen, when its
        # function is no longer observed, and its frame's id be used again.
        self._open: Dict[int, Tuple[int, int, CodeType]] = {}

    def parts_in_c(self) -> Dict[str, Any]:
        """Return what the core in C needs of this log; the tables stay the same ones."""
        return {"gaps": self.gaps, "open_gaps": self._open, "awaited": self.awaited}

    def clear(self) -> None:
        """Forget all gaps, in a forked child."""
        self.gaps.clear()
        self._by_name.clear()
        self._open.clear()
        self.awaited.clear()

    def add_python(self, code: CodeType, module: str, frame: Any = None) -> Gap:
        """Return the gap of a Python function, made at first sight.

        Args:
            code: The function's code.
            module: The name of its module.
            frame: The frame of one of its calls, which gives the name before 3.11; None if there is none.
        """
        gap = self.gaps.get(id(code))
        if gap is None:
            session = self._session
            name = session.names.qualified_name(code, frame)
            file = session.include.absolute(code.co_filename)
            key = (file, module, name, code.co_firstlineno)
            # Code that is compiled again and again (exec, eval) is one gap, known by the latest code object.
            gap = self._by_name.get(key)
            if gap is None:
                gap = self._by_name[key] = Gap(code, name, module, file, code.co_firstlineno, "python")
            else:
                self.gaps.pop(id(gap.code), None)
                gap.code = code
            self.gaps[id(code)] = gap
        return gap

    def discover(self, code: CodeType, frame: FrameType) -> Optional[Gap]:
        """Begin the first call of untraced *code* and return its gap; None if traced code did not make the call."""
        back = frame.f_back
        if back is None or id(back.f_code) not in self._session.functions:
            return None
        if is_own(code.co_filename) or is_annotations(code):
            return None
        gap = self.add_python(code, module_of(frame), frame)
        self.begin(gap, frame)
        return gap

    def add_c(self, name: str, module: str) -> Gap:
        """Return the gap of a function written in C, which no pattern can include."""
        key = ("", module, name, 0)
        gap = self._by_name.get(key)
        if gap is None:
            gap = self._by_name[key] = Gap(None, name, module, "", 0, "c")
        return gap

    def count(self, gap: Gap, caller: Function) -> int:
        """Count a call of *gap* from *caller*; return the counter slot, or -1 if it cannot be counted."""
        session = self._session
        if session.forks_under_way and session.is_forking():  # parent and child might both count it
            return -1
        slot = gap.slots.get(caller.function_id)
        if slot is None:
            slot = gap.slots[caller.function_id] = self._session.new_slot()
            self._write(gap, caller.function_id, slot)
        gap.seen += 1
        counters = self._session.spool.counters
        if slot >= 0 and counters is not None:
            counters[2 * slot] += 1
        return slot

    def begin(self, gap: Gap, frame: FrameType) -> bool:
        """Count and time a call of *gap* that starts in *frame*; return False if traced code did not make it."""
        back = frame.f_back
        if back is None:
            return False
        caller = self._session.functions.get(id(back.f_code))
        if caller is None:
            gap.strays += 1
            return False
        if gap.looks_left:
            self.find_wrapped(gap, frame, caller)
        slot = self.count(gap, caller)
        if slot >= 0:
            self._open[id(frame)] = (slot, system.now_ns(), frame.f_code)
        return True

    def find_wrapped(self, gap: Gap, frame: FrameType, caller: Function) -> None:
        """Find the functions that *gap* may wrap in the call in *frame*, which *caller* made."""
        gap.looks_left -= 1
        session = self._session
        for candidate in self._load_wrappers().candidates_in(frame, session.encoder, session.clears_locals):
            if candidate.is_itself or session.include.is_included(candidate.module, candidate.file):
                self._add_wrapped(gap, candidate, caller.function_id)
            else:
                self._await(gap, candidate)

    def will_call(self, gap: Gap, wrapper: Any) -> None:
        """Find the functions that *gap* may wrap before its function *wrapper* is called: its start may go unseen."""
        for candidate in self._load_wrappers().candidates_of(wrapper):
            if not candidate.is_itself:
                self._await(gap, candidate)

    def _load_wrappers(self) -> Any:
        if self._wrappers is None:
            load_late_module("events.wrappers")
            from . import wrappers

            self._wrappers = wrappers
        return self._wrappers

    def _await(self, gap: Gap, candidate: Candidate) -> None:
        """Wait for a call of a candidate below a call of the gap."""
        code = candidate.code
        if is_own(code.co_filename) or is_observed(code) or len(self.awaited) >= _MAX_AWAITED:
            return
        waiting = self.awaited.get(id(code))
        if waiting is None:
            waiting = self.awaited[id(code)] = []
            self.watch(code, True)
        if all(each.gap is not gap for each in waiting):
            awaited = _Awaited(gap, candidate)
            waiting.append(awaited)
            gap.awaits.append(awaited)

    def ran(self, frame: FrameType) -> None:
        """Name the function that runs in *frame* as wrapped, if it is awaited and the wrapper is running it."""
        waiting = self.awaited.get(id(frame.f_code))
        if waiting is None or waiting[0].candidate.code is not frame.f_code:
            return
        for each in waiting:
            if each.runs_left > 0:
                each.runs_left -= 1
                self._ran_below(each, frame)
        if all(each.runs_left == 0 for each in waiting):
            self.watch(frame.f_code, False)  # it stays in the table, so that it is not awaited again

    def _ran_below(self, each: _Awaited, frame: FrameType) -> None:
        wrapper, functions = each.gap.code, self._session.functions
        back = frame.f_back
        for _ in range(_MAX_BETWEEN):
            if back is None:
                return
            code = back.f_code
            if code is wrapper:
                caller = functions.get(id(back.f_back.f_code)) if back.f_back is not None else None
                if caller is not None:
                    self._add_wrapped(each.gap, each.candidate, caller.function_id)
                    return
            elif id(code) not in each.candidate.layers and module_of(back).partition(".")[0] not in _GO_BETWEENS:
                return
            back = back.f_back

    def _returned(self, frame: FrameType, value: Any) -> None:
        """Name what the wrapper in *frame* wraps, if it returns a generator or coroutine of it, which runs later."""
        gap = self.gaps.get(id(frame.f_code))
        back = frame.f_back
        if gap is None or back is None:
            return
        caller = self._session.functions.get(id(back.f_code))
        if caller is None:
            return
        for each in gap.awaits:
            code = each.candidate.code
            if code.co_flags & SUSPENDS and each.runs_left > 0:
                each.runs_left -= 1
                if self._load_wrappers().returns_call_of(code, value, self._session.encoder):
                    self._add_wrapped(gap, each.candidate, caller.function_id)

    def _add_wrapped(self, gap: Gap, candidate: Candidate, caller_id: int) -> None:
        file = self._session.include.absolute(candidate.file) if candidate.file else ""
        parts = (candidate.module, candidate.name, file)
        known = gap.wraps.setdefault(caller_id, [])
        if parts not in known and len(known) < _MAX_WRAPPED:
            known.append(parts)
            slot = gap.slots.get(caller_id)
            if slot is not None:
                self._write(gap, caller_id, slot)

    def end(self, frame: FrameType, at_ns: int, value: Any = None) -> bool:
        """Add the time of the call that ends in *frame* with *value*; return False if ``begin`` has not seen it."""
        begun = self._open.pop(id(frame), None)
        if self.awaited:
            self.ran(frame)
            if value is not None:
                self._returned(frame, value)
        if begun is None or begun[2] is not frame.f_code:
            return False
        slot, started_ns, _ = begun
        counters = self._session.spool.counters
        if counters is not None:
            counters[2 * slot + 1] += at_ns - started_ns
        return True

    def is_seen_enough(self, gap: Gap) -> bool:
        """Return whether a gap need not be observed any more; asked after each of its calls and strays."""
        most = self._session.calls_per_function
        return gap.seen > most or gap.strays > most * _STRAYS_PER_CALL or self.is_too_dear(gap)

    def is_too_dear(self, gap: Gap) -> bool:
        """Return whether counting a gap's calls is to stop as the budget is tight; asked after each of them."""
        budget = self._budget
        if budget is None or (gap.seen + gap.strays) % _SEEN_BETWEEN_LOOKS:
            return False
        budget.spend(_SEEN_BETWEEN_LOOKS * _COST_IN_COUNTED_CALLS * budget.event_ns)
        return budget.is_tight()

    def stop_counting(self, gap: Gap) -> None:
        """Mark the gap's counts as lower bounds, as its later calls are not all counted."""
        if gap.exact:
            gap.exact = False
            for caller_id, slot in list(gap.slots.items()):  # another thread may add one
                self._write(gap, caller_id, slot)

    def caller_switched_off(self, caller_id: int) -> None:
        """Mark the counts of what a traced function calls as lower bounds, as it is no longer observed."""
        for gap in list(self._by_name.values()):
            if caller_id in gap.slots:
                self.stop_counting(gap)

    def _write(self, gap: Gap, caller_id: int, slot: int) -> None:
        if slot >= 0:
            self._session.event(
                record_format.EVENT_GAP,
                slot=slot,
                function=gap.name,
                module=gap.module,
                file=gap.file,
                line=gap.line,
                kind=gap.kind,
                caller=caller_id,
                exact=gap.exact,
                wraps=b"[%b]" % b", ".join(self._wrapped_text(*parts) for parts in gap.wraps.get(caller_id, ())),
            )

    def _wrapped_text(self, module: str, name: str, file: str) -> bytes:
        """Return ``module:function:file`` as JSON text.

        Each part is redacted alone: in one text ``session:use`` looks like a secret. A colon in a name becomes a dot,
        as the first two colons separate the parts.
        """
        encode = self._session.encoder.encode_text
        parts = (encode(module.replace(":", ".")), encode(name.replace(":", ".")), encode(file))
        return b'"%b"' % b":".join(part[1:-1] for part in parts)
