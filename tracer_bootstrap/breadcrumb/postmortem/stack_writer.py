"""Write the stack of each thread and each waiting task, with variables."""

from __future__ import annotations

from _thread import get_ident
from os import O_CREAT, O_WRONLY
from sys import _current_frames as current_frames
from types import FrameType

from .. import record_format
from ..json_text import quote, utf8
from ..runtime.interruptions import OWN_FOLDER
from ..runtime.late_modules import import_late_modules, load_late_module
from ..runtime.system import system
from ..session.functions import module_of
from ..session.patterns import is_own
from ..session.threads import thread_name
from ..values.encoder import Encoder
from ..values.frame_locals import encoded_locals
from .asyncio_stacks import suspended_tasks
from .stacks import StackReporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, List, Optional, Tuple

    from .locks import LockFinder

# Frames written of one stack: the innermost show what it is doing, the outermost how it started.
_INNERMOST_FRAMES = 24
_OUTERMOST_FRAMES = 6
# Innermost frames that get their variables even if they are not traced. Further out, untraced frames are seldom the
# user's.
_INNERMOST_WITH_LOCALS = 3
# Stacks written; a notice gives the number of those left out.
_MAX_THREADS = 100
_MAX_TASKS = 100

# Nanoseconds for encoding variables, as the server waits for about a second. Later frames are written without them.
_LOCALS_TIME_NS = 400_000_000
# Limits of a value, below the usual ones: the values of many frames are written at once.
_MAX_VALUE_CHARS = 500
_MAX_ITEMS = 20
_MAX_DEPTH = 3

# The injected sitecustomize.py imports code of the program, whose frames must not be taken for the tracer's.
_INJECT_FOLDER = OWN_FOLDER + "_inject/"


class StackWriter(StackReporter):
    """The handler of the signal once it has to answer."""

    def write_stacks(self, interrupted: Optional[FrameType]) -> None:
        """Write one EVENT_STACK for each thread and each waiting task or greenlet.

        Args:
            interrupted: The frame of the main thread that the signal has interrupted.
        """
        at_ns = system.now_ns()
        frames = current_frames()
        main = get_ident()
        frames.pop(main, None)  # which runs this function
        threads = [(main, interrupted), *reversed(frames.items())]
        tasks = [
            *suspended_tasks(),
            *((name, _frames_outwards(frame)) for name, frame in self._greenlets.waiting()),
        ]
        import_late_modules()
        load_late_module("postmortem.locks")
        from .locks import LockFinder

        # From here on: the imports take as long as that where their bytecode is not cached.
        locals_until_ns = system.now_ns() + _LOCALS_TIME_NS
        locks = LockFinder(self._session.clears_locals)
        encoder = self._new_encoder()
        stacks: List[Tuple[Any, Any, Any, Iterable[FrameType]]] = [
            (ident, thread_name(ident, "thread", self._session.main_thread), None, _frames_outwards(frame))
            for ident, frame in threads[:_MAX_THREADS]
        ]
        stacks += [(None, None, name, frames) for name, frames in tasks[:_MAX_TASKS]]
        for number, (ident, name, task, chain) in enumerate(stacks):
            self._session.event(
                record_format.EVENT_STACK,
                id=number,
                at_ns=at_ns,
                ident=ident,
                name=name,
                task_name=task,
                frames=self._frames(list(chain), encoder, locals_until_ns, locks),
            )
        if len(threads) > _MAX_THREADS or len(tasks) > _MAX_TASKS:
            self._session.notice(
                record_format.NOTICE_STACKS_LEFT_OUT,
                "stacks of at most %d threads and %d waiting tasks are recorded, of %d and %d"
                % (_MAX_THREADS, _MAX_TASKS, len(threads), len(tasks)),
            )
        self._mark_complete()

    def _new_encoder(self) -> Encoder:
        session, usual = self._session, self._session.encoder
        return Encoder(
            session.redactor,
            min(usual.max_chars, _MAX_VALUE_CHARS),
            min(usual.max_items, _MAX_ITEMS),
            min(usual.max_depth, _MAX_DEPTH),
            usual.numbers,
            usual.native,
        )

    def _frames(self, frames: List[FrameType], encoder: Encoder, locals_until_ns: int, locks: LockFinder) -> bytes:
        """Return the JSON list of a stack's frames, the innermost first, without the middle of a deep stack."""
        functions = self._session.functions
        pieces: List[bytes] = []
        for depth, frame in enumerate(frames):
            if _INNERMOST_FRAMES <= depth < len(frames) - _OUTERMOST_FRAMES:
                continue
            wanted = depth < _INNERMOST_WITH_LOCALS or id(frame.f_code) in functions
            in_time = system.now_ns() < locals_until_ns
            with_locals = wanted and in_time and self._session.locals_on_exception
            pieces.append(self._frame(depth, frame, encoder if with_locals else None, locks if in_time else None))
        return b"[" + b", ".join(pieces) + b"]"

    def _frame(self, depth: int, frame: FrameType, encoder: Optional[Encoder], locks: Optional[LockFinder]) -> bytes:
        session = self._session
        encode = session.encoder.encode_text
        code = frame.f_code
        variables = b"null"
        if encoder is not None:
            encoded = encoded_locals(frame, encoder, session.clears_locals)
            variables = utf8(quote(encoded.decode("utf-8", "replace")))
        named = [] if locks is None else locks.locked_in(frame)
        return b'{"depth": %d, "function": %b, "module": %b, "file": %b, "line": %d, "locals": %b, "locks": %b}' % (
            depth,
            encode(session.names.qualified_name(code, frame)),
            encode(module_of(frame)),
            encode(session.include.absolute(code.co_filename)),
            frame.f_lineno or code.co_firstlineno,
            variables,
            utf8(quote(_locks_json(named))) if named else b"null",
        )

    def _mark_complete(self) -> None:
        """Create the file that shows the server that the answer is complete."""
        spool = self._session.spool
        if spool.failure is None:
            path = "%s/%s" % (spool.folder, spool.process_key + record_format.STACKS_SUFFIX)
            system.close(system.open(path, O_CREAT | O_WRONLY, 0o600))


def _locks_json(named: List[Tuple[str, int, int]]) -> str:
    """Return the JSON of the locks by the expression that names them: ``{"self.lock": [1, 0]}``."""
    return "{%s}" % ", ".join("%s: [%d, %d]" % (quote(name), number, owner) for name, number, owner in named)


def _frames_outwards(frame: Optional[FrameType]) -> List[FrameType]:
    """Return the frames from *frame* outwards, without those of the tracer and of what it was calling."""
    frames: List[FrameType] = []
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_own(filename) and not filename.startswith(_INJECT_FOLDER):
            frames.clear()
        else:
            frames.append(frame)
        frame = frame.f_back
    return frames
