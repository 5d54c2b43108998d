"""Record each exception that is raised in traced code or passes through it: once, with the state of that moment."""

from __future__ import annotations

from _weakref import ref
from types import CodeType, FrameType, TracebackType

from .. import record_format
from ..json_text import quote, utf8
from ..runtime.classes import class_name, derives
from ..runtime.system import system
from ..session.functions import module_of
from ..values.frame_locals import encoded_locals
from .exception_state import BASE_GROUP, ExceptionState, is_control_flow, is_group, traceback_of
from .exception_text import StackText, frames_of, message_of, raised_anew, raised_at, type_name
from .expected import is_server_error, names_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    from ..session.threads import ThreadState
    from .exception_state import Place

# Raises of one type at one place that are written in detail; later ones are only counted.
DETAILED_PER_PLACE = 200

# Of these, the variables of the first ones are written whole, even if the budget of the tracer is tight.
_WHOLE_PER_PLACE = 8

# Exceptions whose ids are remembered.
_MAX_KNOWN = 2000

# Counted exceptions whose propagation is tracked: each task that waits may have one.
_MAX_UNWINDING = 200

# (module, function) in which the standard library catches and prints what nobody caught.
_LAST_RESORTS = {
    ("threading", "_bootstrap_inner"),
    ("threading", "_bootstrap"),
    ("multiprocessing.process", "_bootstrap"),
}

# Flags of the code of coroutines and async generators.
_CO_ASYNC = 0x80 | 0x200

# Parts and prefix of the paths of code that is not the user's.
_PACKAGE_PATHS = ("/site-packages/", "/dist-packages/", "<frozen ")
_STANDARD_LIBRARY = system.standard_library + "/"

_exceptions_in: Any = BASE_GROUP.__dict__["exceptions"].__get__ if BASE_GROUP is not None else None

# Exceptions of a group that are compared with those of another.
_MAX_LEAVES = 1000

# Bypass the exception's class, which may define a property of the same name.
_cause_of: Any = BaseException.__dict__["__cause__"].__get__
_context_of: Any = BaseException.__dict__["__context__"].__get__


class RaisesAtPlace:
    """The raises of one type at one place."""

    __slots__ = ("count", "left", "name", "slot")

    def __init__(self, name: str) -> None:
        self.name = name  # of the type, as another type may get the address of a dead one
        self.count = 0
        self.left = 0  # number of counted raises that then left the traced code
        self.slot = -1  # of the counter of raises; -1 while all are written


class ExceptionLog(ExceptionState):
    """The ids of exceptions, and the events from their raise to their handler.

    An exception is identified by its address, and not kept alive. A new exception may have the address of a dead one;
    it is recognized by its traceback, which has no entry of a traced callee yet. That fails if raises passed unseen,
    near the recursion limit: all ids are then dropped.

    ``exception_log`` makes one.
    """

    def seen(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> int:
        """Write an exception that is raised in the traced *frame* or arrives there, unless it is known.

        Args:
            exception: The exception.
            traceback: The way from *frame*, or from further out, to the raise. Trace functions are handed it: before
                3.12 the exception's own ``__traceback__`` is not set yet at that moment.
            frame: The frame that the exception has reached.
            thread: The current thread.

        Returns:
            The id of the exception; 0 if it was only counted.
        """
        known = self._session.exception_ids
        exception_id = known.get(id(exception))
        if exception_id is not None and (
            raised_anew(traceback, frame)
            or not (self._passed_traced_code(traceback, frame) or self._was_thrown(exception, traceback, frame))
            or (is_group(exception) and not self._is_known_group(exception))
        ):
            exception_id = None
        if exception_id is None:
            for callback in self.when_raised:
                callback(id(exception))
            exception_id = self._write(exception, traceback, frame, thread)
            known = self._session.exception_ids  # another dict, if writing came near the recursion limit
            if len(known) >= _MAX_KNOWN:
                _drop_oldest(known)
            known[id(exception)] = exception_id
        return exception_id

    def group_handled(self, exception: BaseException, frame: FrameType) -> None:
        """Remember a group that a handler in the traced *frame* has caught: ``except*`` may let another one go on."""
        if is_group(exception):
            if len(self._groups_handled) >= _MAX_UNWINDING:
                _drop_oldest(self._groups_handled)
            self._groups_handled[id(frame)] = id(exception), _leaves_of(exception)

    def _is_known_group(self, group: BaseException) -> bool:
        """Return whether the id at its address is the group's: ``except*`` makes new ones where dead ones were."""
        if id(group) not in self._session.exception_ids or id(group) not in self._groups:
            return False
        reference, leaves = self._groups[id(group)]
        return reference() is group if reference is not None else leaves == _leaves_of(group)

    def has_caught_group(self, frame: FrameType) -> bool:
        """Return whether ``group_handled`` has seen this frame."""
        return id(frame) in self._groups_handled

    def left_over(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> None:
        """Write the group that ``except*`` in the traced *frame* lets go on: a new object, which nothing has raised.

        If it holds all that the caught group held, it is the same exception to the reader.
        """
        handled = self._groups_handled.pop(id(frame), None)
        if handled is None or not is_group(exception) or handled[0] == id(exception):
            return
        known = self._session.exception_ids
        if handled[0] in known and handled[1] == _leaves_of(exception):
            known[id(exception)] = known[handled[0]]
            self._remember_group(exception, handled[1])
            self._calls.unwound[id(exception)] = self._calls.unwound.get(handled[0], {})
        else:
            known[id(exception)] = self._write(exception, traceback, frame, thread)

    def _passed_traced_code(self, traceback: Optional[TracebackType], frame: FrameType) -> bool:
        """Return whether the exception was in traced code before, further in or earlier in this frame.

        Otherwise a known id at its address is a dead exception's.
        """
        functions = self._session.functions
        while traceback is not None and traceback.tb_frame is not frame:
            traceback = traceback.tb_next
        while traceback is not None:
            traceback = traceback.tb_next
            if traceback is not None and id(traceback.tb_frame.f_code) in functions:
                return True
        return False

    def _is_from_traced_code(self, traceback: Optional[TracebackType]) -> bool:
        """Return whether the exception was in traced code, also if a wrapper of a plugin has raised it once more."""
        functions = self._session.functions
        while traceback is not None:
            if id(traceback.tb_frame.f_code) in functions:
                return True
            traceback = traceback.tb_next
        return False

    def _was_thrown(self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType) -> bool:
        """Return whether the exception is one that was thrown into a generator, which is not in its traceback any more.

        The exceptions of a loop may have the same address one after another. Each is thrown anew, which only a backend
        that sees their raises can tell from one exception that is thrown into several generators.
        """
        place = self._thrown.get(id(exception))
        if place is None or place != _place_of(exception, traceback, frame):
            return False
        return self._sees_all_code or not frames_of(traceback, frame)[1]

    def handled(self, address: int, code: CodeType, frame: FrameType, line: Optional[int] = None) -> None:
        """Write that a handler in *frame* has caught the exception; it may be a ``finally`` that passes it on.

        Args:
            address: The id() of the exception.
            code: The code of the frame.
            frame: The frame whose handler runs.
            line: The line of the handler; None if the frame is there already.
        """
        exception_id = self._session.exception_ids.get(address)
        if not exception_id:
            return
        module = module_of(frame)
        if (module, code.co_name) in _LAST_RESORTS:
            self.uncaught(address)
            return
        session = self._session
        session.event(
            record_format.EVENT_HANDLED,
            id=exception_id,
            at_ns=system.now_ns(),
            function=session.names.qualified_name(code, frame),
            module=module,
            file=session.include.absolute(code.co_filename),
            line=line or frame.f_lineno,
            expected=id(code) not in session.functions and self._is_expected_by(exception_id, frame),
        )

    def raised_again(self, address: int) -> None:
        """Write that the exception at *address* goes on from the handler that caught it."""
        exception_id = self._session.exception_ids.get(address)
        if exception_id:
            self._goes_on(exception_id, expected=False)

    def leaves_frame(self, address: int, frame: FrameType) -> None:
        """Write that the exception at *address* leaves a traced frame, if nothing but that shows who takes it.

        If the caller is traced and gets it, more events follow. Otherwise it was swallowed by a built-in function that
        the caller called: hasattr, getattr with a default, the iteration over a sequence.

        Args:
            address: The id() of the exception.
            frame: The frame that it leaves.
        """
        exception_id = self._session.exception_ids.get(address)
        if not exception_id:
            return
        back = frame.f_back
        to_traced = back is not None and id(back.f_code) in self._session.functions
        if to_traced:
            expected = self._may_be_probe(exception_id, frame)
            if self._sees_all_code and not expected:
                return
        else:
            if self._sees_all_code and exception_id != self._last_probe:
                return
            expected = not self._sees_all_code and self._is_expected_further_out(exception_id, back)
        self._goes_on(exception_id, expected=expected)
        self._last_probe = exception_id if to_traced and expected else 0

    def _goes_on(self, exception_id: int, *, expected: bool) -> None:
        if exception_id == self._last_uncaught:  # the last resort was a ``finally`` that passed it on
            self._last_uncaught = 0
        self._session.event(
            record_format.EVENT_HANDLED,
            id=exception_id,
            at_ns=system.now_ns(),
            function=None,
            module=None,
            file=None,
            line=None,
            expected=expected,
        )

    def _class_of(self, exception_id: int) -> Optional[type]:
        known = self._classes.get(exception_id)
        return known() if known is not None else None

    def _may_be_probe(self, exception_id: int, frame: FrameType) -> bool:
        """Return whether built-in functions swallow exceptions of this class when they call this frame."""
        cls = self._class_of(exception_id)
        if cls is None or frame.f_code.co_flags & _CO_ASYNC or frame.f_code.co_name == "__del__":
            return False
        return derives(cls, AttributeError) or derives(cls, IndexError)

    def _is_expected_by(self, exception_id: int, frame: FrameType) -> bool:
        cls = self._class_of(exception_id)
        return cls is not None and exception_id not in self._server_errors and names_class(frame, cls)

    def _is_expected_further_out(self, exception_id: int, frame: Optional[FrameType]) -> bool:
        """Return whether code between *frame* and the next traced frame expects the exception."""
        functions = self._session.functions
        while frame is not None and id(frame.f_code) not in functions:
            if self._is_expected_by(exception_id, frame):
                return True
            frame = frame.f_back
        return False

    def ends_program(self, exception: BaseException, traceback: TracebackType, thread: ThreadState) -> None:
        """Write that the exception has ended the main thread, and write it if no event has shown it.

        Args:
            exception: The exception, which the interpreter has printed.
            traceback: The way from the outermost frame to the raise.
            thread: The current thread.
        """
        if is_group(exception) and not self._is_known_group(exception):
            self._session.exception_ids.pop(id(exception), None)
            self.seen(exception, traceback, traceback.tb_frame, thread)
        self.leaves(exception, traceback, traceback.tb_frame, thread, uncaught=True)
        self.uncaught(id(exception))

    def uncaught(self, address: int) -> None:
        """Write that the exception at *address* left its thread's last frame or was printed (``sys.last_value``)."""
        exception_id = self._session.exception_ids.get(address)
        if exception_id and exception_id != self._last_uncaught:
            self._last_uncaught = exception_id
            self._session.event(
                record_format.EVENT_UNCAUGHT,
                id=exception_id,
                at_ns=system.now_ns(),
                thread=self._session.thread().number,
            )

    def _write(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType, thread: ThreadState
    ) -> int:
        """Write an exception or count it; return its id, 0 if it was counted."""
        raises = self._raises_at_place(exception, traceback, frame)
        raises.count += 1
        self._is_repeated = raises.count > _WHOLE_PER_PLACE
        if raises.count > DETAILED_PER_PLACE:
            self._count(raises, exception, raised_at(traceback, frame)[0])
            self._follow(exception)
            return 0
        frames, thrown = frames_of(traceback, frame)
        if thrown:
            if len(self._thrown) >= _MAX_KNOWN:
                _drop_oldest(self._thrown)
            self._thrown[id(exception)] = _place_of(exception, traceback, frame)
            return self._write_details(exception, frames, thread, _open_call_around(thread, frames[0][0]), None)
        calls = self._adaptive.record_chain(thread, frame) if self._adaptive is not None else None
        if is_group(exception):
            # What ``except*`` lets go on has the traceback of the group that it caught, and passed through its calls.
            ended = [call for each, _ in frames if each is not thread.top[2] for call in self._ended_calls(each)]
            if ended:
                calls = [*_open_calls(thread), *ended]
            self._follow(exception)
        return self._write_details(exception, frames, thread, thread.top[0], calls)

    def _follow(self, exception: BaseException) -> None:
        """Keep the ids of the calls that the exception ends from now on."""
        unwound = self._calls.unwound
        unwound.pop(id(exception), None)
        if len(unwound) >= _MAX_UNWINDING:
            _drop_oldest(unwound)
        unwound[id(exception)] = {}
        if is_group(exception):
            self._remember_group(exception, _leaves_of(exception))

    def _remember_group(self, group: BaseException, leaves: List[int]) -> None:
        if len(self._groups) >= _MAX_KNOWN:
            self._groups.clear()
        try:
            reference: Optional[ref[BaseException]] = ref(group)
        except TypeError:  # BaseExceptionGroup itself has no weak references, ExceptionGroup has
            reference = None
        self._groups[id(group)] = reference, leaves

    def _ended_calls(self, frame: FrameType) -> List[int]:
        """Return the id of the call of *frame*, if an exception that is followed has ended it."""
        return [ended[id(frame)] for ended in self._calls.unwound.values() if id(frame) in ended][-1:]

    def leaves(
        self,
        exception: BaseException,
        traceback: TracebackType,
        frame: FrameType,
        thread: ThreadState,
        *,
        uncaught: bool,
    ) -> None:
        """Write an exception that leaves the traced code, if it was only counted before.

        A count is enough for exceptions that traced code handles. An exception that nobody handles is the failure of
        the run, and whoever catches it further out (a test runner, a thread pool) takes it as a result.

        Args:
            exception: The exception.
            traceback: The way from *frame*, or from further out, to the raise.
            frame: The outermost traced frame that it leaves.
            thread: The current thread.
            uncaught: Whether nobody can handle it any more; it is then written however many there were like it.
        """
        if self._session.exception_ids.get(id(exception)) != 0:
            return
        raises = self._raises_at_place(exception, traceback, frame)
        raises.left += 1
        self._is_repeated = raises.left > _WHOLE_PER_PLACE and not uncaught
        if raises.left > DETAILED_PER_PLACE and not uncaught:
            return
        frames, thrown = frames_of(traceback, frame)
        calls = self._calls_of(frames, exception, thread, thrown)
        if raises.slot >= 0 and self._session.spool.counters is not None:
            self._session.spool.counters[2 * raises.slot] -= 1
        exception_id = self._write_details(exception, frames, thread, calls[-1] if calls else 0, calls)
        self._session.exception_ids[id(exception)] = exception_id

    def caught_by_runner(self, exception: BaseException, thread: ThreadState) -> int:
        """Return the id of an exception that failed a test, and write it if it never was in traced code.

        Most often it is an assertion of the test itself, which need not be traced. The id is 0 if the exception was
        only counted or has no traceback.
        """
        traceback = traceback_of(exception)
        if traceback is None:
            return 0
        exception_id = self._session.exception_ids.get(id(exception))
        if exception_id is not None and self._is_from_traced_code(traceback):
            return exception_id
        frames, _ = frames_of(traceback, traceback.tb_frame)
        raises = self._raises_at_place(exception, traceback, traceback.tb_frame)
        raises.count += 1
        self._is_repeated = False
        if raises.count > DETAILED_PER_PLACE:
            self._count(raises, exception, frames[-1][0])
            return 0
        exception_id = self._write_details(exception, frames, thread, 0, None, _user_frame(frames))
        self._session.exception_ids[id(exception)] = exception_id
        return exception_id

    def _raises_at_place(
        self, exception: BaseException, traceback: Optional[TracebackType], frame: FrameType
    ) -> RaisesAtPlace:
        cls = type(exception)
        place = _place_of(exception, traceback, frame)
        raises = self._places.get(place)
        if raises is None or raises.name != class_name(cls):
            raises = self._places[place] = RaisesAtPlace(class_name(cls))
        return raises

    def _calls_of(
        self, frames: List[Tuple[FrameType, int]], exception: BaseException, thread: ThreadState, thrown: bool
    ) -> List[int]:
        """Return the ids of the calls that an exception has passed through, the outermost first; most have ended.

        Counted calls are recorded now, with the values that their frames still hold. Not if the exception was *thrown*
        into a generator: the innermost open calls are then no callers.
        """
        session = self._session
        adaptive = None if thrown else self._adaptive
        if adaptive is not None:
            adaptive.record_chain(thread, frames[0][0])
        calls = _open_calls(thread, _frames_around(frames[0][0]) if thrown else None)
        unwound = self._calls.unwound.pop(id(exception), {})
        late = 0
        for frame, _ in frames:
            function = session.functions.get(id(frame.f_code))
            if function is None or thread.top[2] is frame:
                continue
            call = unwound.get(id(frame), 0)
            if not call and adaptive is not None:
                self._calls.begin(function, frame, system.now_ns())
                call = thread.top[0]
                late += 1
            if call:
                calls.append(call)
        for _ in range(late):
            self._calls.end(thread, system.now_ns(), b"", record_format.OUTCOME_RAISED, self._last_id + 1)
        return calls

    def _write_details(
        self,
        exception: BaseException,
        frames: List[Tuple[FrameType, int]],
        thread: ThreadState,
        call: int,
        calls: Optional[List[int]],
        shown: Optional[FrameType] = None,
    ) -> int:
        """Write an exception with the variables of *shown*, or of the innermost traced frame; return its id."""
        session = self._session
        stacks = self._stacks
        if stacks is None:
            stacks = self._stacks = StackText(session.include, session.encoder)
        self._last_id += 1
        exception_id = self._last_id
        raising, line = frames[-1]
        code = raising.f_code
        traced = [frame for frame, _ in frames if id(frame.f_code) in session.functions]
        # First, as the redactor learns from the variables what is secret in the message.
        variables = self._locals(shown or (traced[-1] if traced else None))
        self._remember(exception_id, exception)
        session.event(
            record_format.EVENT_EXCEPTION,
            id=exception_id,
            at_ns=system.now_ns(),
            thread=thread.number,
            call=call,
            calls=b"[%b]" % b", ".join(b"%d" % each for each in calls) if calls else None,
            type=type_name(type(exception)),
            message=session.encoder.encode(message_of(exception, session.encoder)),
            function=session.names.qualified_name(code, raising),
            module=module_of(raising),
            file=session.include.absolute(code.co_filename),
            line=line,
            stack=stacks.encoded(frames),
            locals=variables,
            cause=session.exception_ids.get(id(_cause_of(exception))) or None,
            context=session.exception_ids.get(id(_context_of(exception))) or None,
            control_flow=is_control_flow(exception),
        )
        return exception_id

    def _count(self, raises: RaisesAtPlace, exception: BaseException, raising: FrameType) -> None:
        """Count a raise in the frame *raising*, of a type that was written often enough at that place."""
        session = self._session
        if session.forks_under_way and session.is_forking():  # parent and child share the counters
            return
        if raises.slot < 0:
            slot = session.new_slot()
            if slot < 0:
                return
            raises.slot = slot
            session.event(
                record_format.EVENT_RAISES,
                slot=slot,
                type=type_name(type(exception)),
                function=session.names.qualified_name(raising.f_code, raising),
                module=module_of(raising),
                file=session.include.absolute(raising.f_code.co_filename),
                line=raising.f_lineno,
            )
        counters = session.spool.counters
        if counters is not None:
            counters[2 * raises.slot] += 1

    def _remember(self, exception_id: int, exception: BaseException) -> None:
        """Remember what decides whether a handler expects the exception."""
        for known in (self._classes, self._server_errors):
            if len(known) >= _MAX_KNOWN:
                _drop_oldest(known)
        self._classes[exception_id] = ref(type(exception))
        if is_server_error(exception):
            self._server_errors[exception_id] = None

    def _locals(self, frame: Optional[FrameType]) -> Optional[bytes]:
        """Return the frame's variables: a JSON string that contains the text of a JSON object."""
        if frame is None or not self._session.locals_on_exception:
            return None
        session, adaptive = self._session, self._adaptive
        begun_ns = system.now_ns()
        is_short = self._is_repeated and adaptive is not None and adaptive.is_tight()
        encoder = session.short_encoder if is_short else session.encoder
        encoded = encoded_locals(frame, encoder, session.clears_locals)
        if adaptive is not None:
            adaptive.spend(system.now_ns() - begun_ns)
        return utf8(quote(encoded.decode("utf-8", "replace")))


def _drop_oldest(known: Dict[int, Any]) -> None:
    """Remove the first item of a dict, unless another thread has just changed it: that one removes its own."""
    try:
        del known[next(iter(known))]
    except (KeyError, RuntimeError, StopIteration):
        pass


def _leaves_of(group: BaseException) -> List[int]:
    """Return the addresses of the exceptions in a group and in the groups within it, without these groups."""
    leaves: List[int] = []
    within = [group]
    while within and len(leaves) < _MAX_LEAVES:
        exception = within.pop()
        if is_group(exception):
            within.extend(_exceptions_in(exception))
        else:
            leaves.append(id(exception))
    return sorted(leaves)


def _open_calls(thread: ThreadState, around: Optional[Set[int]] = None) -> List[int]:
    """Return the ids of the thread's open calls, the outermost first; only of frames in *around*, if it is given."""
    calls: List[int] = []
    top = thread.top
    while top[1] is not None:
        if around is None or id(top[2]) in around:
            calls.insert(0, top[0])
        top = top[1]
    return calls


def _place_of(exception: BaseException, traceback: Optional[TracebackType], frame: FrameType) -> Place:
    raising, instruction = raised_at(traceback, frame)
    return id(raising.f_code), instruction, id(type(exception))


def _user_frame(frames: List[Tuple[FrameType, int]]) -> FrameType:
    """Return the innermost frame that is neither in an installed package nor in the standard library."""
    for frame, _ in reversed(frames):
        file = frame.f_code.co_filename
        if not any(part in file for part in _PACKAGE_PATHS) and not file.startswith(_STANDARD_LIBRARY):
            return frame
    return frames[-1][0]


def _frames_around(frame: Optional[FrameType]) -> Set[int]:
    """Return the ids of a frame and its callers."""
    found: Set[int] = set()
    while frame is not None:
        found.add(id(frame))
        frame = frame.f_back
    return found


def _open_call_around(thread: ThreadState, frame: FrameType) -> int:
    """Return the id of the innermost open call whose frame is *frame* or one of its callers; 0 if there is none."""
    around = _frames_around(frame)
    top = thread.top
    while top[1] is not None:
        if id(top[2]) in around:
            return top[0]
        top = top[1]
    return 0
