"""The rows do not depend on when ingest reads the spool of a running program."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = """
SELECT call_id, parent_call_id, duration_ns, suspended_ns, child_ns, outcome
FROM call_records JOIN traces USING (trace_no) WHERE trace_id = '{}' ORDER BY call_id
"""
TRACE_NUMBERS = itertools.count()


@dataclass
class Call:
    call: int
    parent: int | None
    started: int
    ended: int | None = None
    suspended: int = 0
    outcome: int | None = None

    def time_within(self, parent: Call) -> int:
        if self.ended is None:
            return 0
        active = self.ended - self.started - self.suspended
        return active if parent.ended is None else min(active, parent.ended - self.started)


@dataclass
class Program:
    calls: list[Call]
    records: bytes

    def rows(self) -> list[tuple[object, ...]]:
        return [
            (
                call.call,
                call.parent,
                None if call.ended is None else call.ended - call.started,
                call.suspended,
                sum(child.time_within(call) for child in self.calls if child.parent == call.call),
                call.outcome,
            )
            for call in self.calls
        ]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw one thread: nested calls, generators that pause and may outlive their caller, calls that never end."""
    calls: list[Call] = []
    stack: list[Call] = []
    paused: list[tuple[Call, int]] = []
    records: list[str] = []
    clock = 0
    for action in draw(st.lists(st.sampled_from(["call", "call", "end", "end", "pause", "finish"]), max_size=60)):
        clock += draw(st.integers(1, 20))
        if action == "call":
            call = Call(len(calls) + 1, stack[-1].call if stack else None, clock)
            calls.append(call)
            stack.append(call)
            records.append(f"C\t{call.call}\t{clock}\t{{}}\t{call.parent or 0}\t1")
        elif action == "pause" and stack:
            paused.append((stack.pop(), clock))
        elif (action == "end" and stack) or (action == "finish" and paused):
            call, since = (stack.pop(), clock) if action == "end" else paused.pop(draw(st.integers(0, len(paused) - 1)))
            call.ended, call.suspended, call.outcome = clock, clock - since, draw(st.integers(0, 2))
            records.append(f"R\t{call.call}\t{clock}\tnull\t{call.outcome or ''}\t{call.suspended or ''}")
    return Program(calls, "".join(f"{record}\n" for record in records).encode())


@pytest.fixture(scope="module")
def shared_home(new_trace):
    return new_trace()


@pytest.mark.slow
@given(program=programs(), data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_spool_read_in_parts_gives_the_rows_of_the_program(shared_home, program: Program, data: st.DataObject):
    trace = shared_home.another(f"trace-{next(TRACE_NUMBERS)}")
    process = trace.process()
    process.start()
    cuts = data.draw(st.lists(st.integers(0, len(program.records)), max_size=3))
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(program.records)]):
        process.raw_calls(program.records[begin:end])
        trace.ingest()
    assert trace.ask(ROWS.format(trace.trace_id)) == program.rows()
