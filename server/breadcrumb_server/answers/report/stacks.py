"""Render the stacks of threads and waiting tasks, recorded when a run was ended or a process crashed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.budget import items_that_fit
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import counted, cut, one_line
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.rendering.layout import MIN_SHARE_CHARS, cut_value, pairs_text
from breadcrumb_server.answers.rendering.notation import ValueTree, named_values
from breadcrumb_server.answers.report.locks import Hold, LockWaits, Wait
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.stacks import Stack, StackFrame, list_stacks, stack_locals, task_creators
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import ProcessRow

# Groups of equal stacks.
MAX_GROUPS = 12
# Characters of a place, and of the line with the threads.
MAX_PLACE_CHARS = 160
# Names of threads in a group.
MAX_NAMES = 2
# Characters of the name of a thread beside a value.
MAX_NAME_CHARS = 30
# Stacks of a group whose values are compared, and different values of a variable that are shown.
MAX_COMPARED = 50
MAX_VALUES = 4
# Lines that say who waits for a lock, in a group.
MAX_WAITS = 4
# Functions, modules and classes in local variables say nothing about the state of a call.
_DEFINITIONS = ("'<function ", "'<module ", "'<class ")


@dataclass(frozen=True, slots=True)
class _Group:
    """Threads or tasks with equal stacks, shown once with the values in which they differ."""

    stacks: Sequence[Stack]
    in_own_code: bool

    @property
    def first(self) -> Stack:
        return self.stacks[0]


@dataclass(frozen=True, slots=True)
class StackLimits:
    """Maximum sizes of the stacks in a report."""

    chars: int  # all stacks together; the first one may exceed it
    frames: int  # frames of the user's code in a stack
    local_chars: int  # the variables of a frame; twice as many of the innermost one


class ThreadStacks:
    """The stacks of a trace, grouped if equal, with all that is needed to render them."""

    def __init__(
        self,
        reader: TraceReader,
        places: Places,
        processes: Sequence[ProcessRow],
        traced: Iterable[FunctionTime],
    ) -> None:
        stacks, self._total = list_stacks(reader)
        self._trace_id = reader.trace_id
        self._places = places
        self._traced = {(each.module, each.name) for each in traced}
        self._processes = {each.process_id: each for each in processes}
        has_tasks = any(stack.task_name is not None for stack in stacks)
        self._creators = task_creators(reader) if has_tasks else {}
        # Of the source, nothing is shown but the names of locks.
        self._locks = LockWaits(stacks, SourceText(reader, Redactor()).whole)
        self._groups = self._group(stacks)
        shown = [stack for group in self._groups[:MAX_GROUPS] for stack in group.stacks[:MAX_COMPARED]]
        self._locals: Mapping[tuple[int, int, int], str] = stack_locals(reader, shown)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def lines(self, detail: StackLimits) -> list[str]:
        """One line a frame, the innermost first, below one that says whose they are."""
        blocks = (
            (
                group,
                [
                    f"{self._whose(group)}:",
                    *(f"  {line}" for line in self._waits(group)),
                    *(f"  {line}" for line in self._frames(group, detail)),
                ],
            )
            for group in self._groups[:MAX_GROUPS]
        )
        chosen = items_that_fit(blocks, detail.chars, size=lambda block: sum(map(len, block[1])), least=1)
        lines = [self._deadlock(circle) for circle in self._locks.deadlocks()[:MAX_GROUPS]]
        lines += [line for _, block in chosen for line in block]
        shown = sum(len(group.stacks) for group, _ in chosen)
        if self._total > shown:
            lines.append(
                f"… {self._total - shown:,} more: SELECT * FROM stacks WHERE trace_id = '{self._trace_id}' "
                "ORDER BY process_id, stack_id, depth"
            )
        return lines

    def _group(self, stacks: Sequence[Stack]) -> list[_Group]:
        """Group equal stacks: those of crashes, those of the user's code (which wait for a lock first), the others."""
        equal: dict[object, list[Stack]] = {}
        for stack in stacks:
            places = tuple((frame.file, frame.line, frame.function) for frame in stack.frames)
            equal.setdefault((stack.crashed, stack.task_name is None, places), []).append(stack)
        groups = [_Group(each, any(self._is_own(f) for f in each[0].frames)) for each in equal.values()]
        return sorted(
            groups,
            key=lambda group: (
                not group.first.crashed,
                not group.in_own_code,
                not any(self._locks.of(stack) for stack in group.stacks),
            ),
        )

    def _is_own(self, frame: StackFrame) -> bool:
        """Return whether a frame is of the user's code, or of a traced function."""
        return (frame.module, frame.function) in self._traced or self._places.origin(frame.file, frame.module) == "own"

    def _whose(self, group: _Group) -> str:
        stack = group.first
        names = list(dict.fromkeys(_name(each) for each in group.stacks))
        name = ", ".join(names[:MAX_NAMES])
        more = len(group.stacks) - len(names[:MAX_NAMES])
        if more > 0:
            name += f" and {more:,} more at the same place"
        created = {self._creation(each): None for each in group.stacks}
        if len(created) <= MAX_NAMES and "" not in created:
            name += f", created by {' and '.join(created)}"
        process = self._processes.get(stack.process_id)
        if len(self._processes) > 1 and process is not None:
            name = f"process {process.process_id} (pid {process.pid}), {name}"
        return one_line(f"{name}, {stack.reason}" if stack.crashed else name, MAX_PLACE_CHARS)

    def _creation(self, stack: Stack) -> str:
        """Say where a task was created; empty if that is not known."""
        creator = self._creators.get((stack.process_id, stack.task_name or ""))
        if creator is None:
            return ""
        return f"{self._places.path(creator.file)}:{creator.line or '?'} {creator.function}"

    def _deadlock(self, circle: Sequence[Stack]) -> str:
        names = [self._label(stack) for stack in circle]
        if len(names) == 1:
            return one_line(f"deadlock: {names[0]} waits for a lock that it holds itself", MAX_PLACE_CHARS)
        waits = ", ".join(f"{one} for {other}" for one, other in zip(names, [*names[1:], names[0]], strict=True))
        return one_line(f"deadlock, each waits for a lock of the next: {waits}", 2 * MAX_PLACE_CHARS)

    def _waits(self, group: _Group) -> Iterator[str]:
        """Say which locks the threads of a group wait for; equal answers are said once."""
        said: dict[str, list[Stack]] = {}
        for stack in group.stacks:
            if (wait := self._locks.of(stack)) is not None:
                said.setdefault(self._wait_text(stack, wait), []).append(stack)
        for text, stacks in list(said.items())[:MAX_WAITS]:
            whose = "" if len(stacks) == len(group.stacks) else f"{self._names(stacks)}: "
            yield one_line(f"{whose}waits for {text}", 2 * MAX_PLACE_CHARS)

    def _wait_text(self, stack: Stack, wait: Wait) -> str:
        holders = [self._holder(stack, wait, hold) for hold in wait.holds[:MAX_NAMES]]
        if not holders:
            return f"{wait.name}, which no code on these stacks holds"
        if len(wait.holds) > 1:
            return f"{wait.name}, held by one of: {'; '.join(holders)}"
        return f"{wait.name}, held by {holders[0]}"

    def _holder(self, stack: Stack, wait: Wait, hold: Hold) -> str:
        itself = (hold.stack.process_id, hold.stack.stack_id) == (stack.process_id, stack.stack_id)
        name = "itself" if itself else self._label(hold.stack)
        if hold.frame is None:
            return name
        alias = f" as {hold.name}" if hold.name != wait.name else ""
        return f"{name}{alias} since {self._places.path(hold.frame.file)}:{hold.line} {hold.frame.function}"

    def _frames(self, group: _Group, detail: StackLimits) -> Iterator[str]:
        frames = group.first.frames
        own = [position for position, frame in enumerate(frames) if self._is_own(frame)]
        if not own:
            yield self._place(frames[0])
            if len(frames) > 1:
                yield f"… {counted(len(frames) - 1, 'frame')}, none of your code"
            return
        # Of the frames inside the user's code: the innermost one, and the first that the user's code called.
        chosen = sorted({0, own[0] - 1, *self._without_repeats(frames, own)[: detail.frames]} - {-1})
        before = -1
        for position in chosen:
            if (left_out := frames[position].depth - before - 1) > 0:
                yield f"… {counted(left_out, 'frame')}"
            yield self._line(group, frames[position], detail, innermost=position == own[0])
            before = frames[position].depth
        if (left_out := frames[own[-1]].depth - before) > 0:
            yield f"… {counted(left_out, 'frame')} further out"

    def _without_repeats(self, frames: Sequence[StackFrame], positions: Sequence[int]) -> list[int]:
        """Drop the frames within a recursion: of successive ones at the same line, keep the first and the last."""
        lines = [(frames[position].file, frames[position].line) for position in positions]
        return [
            position
            for index, position in enumerate(positions)
            if not (0 < index < len(lines) - 1 and lines[index - 1] == lines[index] == lines[index + 1])
        ]

    def _line(self, group: _Group, frame: StackFrame, detail: StackLimits, *, innermost: bool) -> str:
        place = self._place(frame)
        if not self._is_own(frame):
            return place
        # The variables of the innermost frame are the ones that are looked for.
        room = detail.local_chars * (2 if innermost else 1) * (2 if len(group.stacks) > 1 else 1)
        values = pairs_text(self._values(group, frame.depth, room), room)
        return f"{place}: {values}" if values else place

    def _values(self, group: _Group, depth: int, room: int) -> list[tuple[str, ValueTree]]:
        """Return the variables of a group's frames: first those that differ, their values with the threads."""
        by_name: dict[str, dict[str, tuple[ValueTree, list[Stack]]]] = {}
        compared = group.stacks[:MAX_COMPARED]
        for stack in compared:
            stored = self._locals.get((stack.process_id, stack.stack_id, depth))
            for name, value in named_values(stored):
                if not str(value).startswith(_DEFINITIONS):
                    by_name.setdefault(name, {}).setdefault(str(value), (value, []))[1].append(stack)
        differing: list[tuple[str, ValueTree]] = []
        equal: list[tuple[str, ValueTree]] = []
        for name, values in by_name.items():
            ((first, stacks), *others) = values.values()
            if not others and len(stacks) == len(compared):
                equal.append((name, first))
                continue
            shown = list(values.values())[:MAX_VALUES]
            share = max(room // len(shown) - MAX_NAME_CHARS, MIN_SHARE_CHARS)
            text = ", ".join(f"{cut_value(value, share)} ({self._names(stacks)})" for value, stacks in shown)
            more = len(values) - len(shown)
            differing.append((name, f"{text}, {more} more" if more else text))
        return differing + equal

    def _names(self, stacks: Sequence[Stack]) -> str:
        """Name the first of some threads or tasks, and count the others."""
        more = f" and {len(stacks) - 1:,} more" if len(stacks) > 1 else ""
        return cut(self._label(stacks[0]), MAX_NAME_CHARS) + more

    def _label(self, stack: Stack) -> str:
        name = _short_name(stack)
        return f"{name} of process {stack.process_id}" if len(self._processes) > 1 else name

    def _place(self, frame: StackFrame) -> str:
        return one_line(f"{self._places.path(frame.file)}:{frame.line or '?'} {frame.function}", MAX_PLACE_CHARS)


def _name(stack: Stack) -> str:
    return f"task {stack.task_name} (waiting)" if stack.task_name is not None else _short_name(stack)


def _short_name(stack: Stack) -> str:
    return stack.task_name or stack.thread_name or "a thread without a name"
