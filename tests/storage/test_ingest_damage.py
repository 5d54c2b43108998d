"""Test what one damaged byte, record or file of a spool costs: that record or file, and nothing else."""

from __future__ import annotations

import json

import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import SpoolUnreadable
from breadcrumb_storage.ingest import ingest
from breadcrumb_storage.ingest.events import insert_events
from breadcrumb_storage.ingest.ingest import ingest_trace

pytestmark = pytest.mark.slow

CALLS = 40
# The damaged one, in the middle.
ODD = 17
CALLS_FILE = "0-0.calls"
EVENTS_FILE = "0.events"


def write_calls(process, count: int = CALLS) -> None:
    process.start()
    for number in range(1, count + 1):
        process.call(number, 10 * number, args=f'{{"n": {number}}}')
        process.end(number, 10 * number + 5, value="1234567")


def overwrite(process, name: str, before: bytes, after: bytes) -> None:
    """Replace bytes of a segment by as many others."""
    path = process.segment(name).path
    data = path.read_bytes()
    assert data.count(before) == 1 and len(before) == len(after)
    path.write_bytes(data.replace(before, after))


def calls_without(*numbers: int) -> list[tuple[object, ...]]:
    return [(number,) for number in range(1, CALLS + 1) if number not in numbers]


@pytest.mark.parametrize("byte", [b"\r", b"\0", b"\xff", b"\n", b"\t"])
@pytest.mark.parametrize("place", ["number", "value", "first", "last"])
def test_a_stray_byte_costs_the_record_that_it_is_in(trace, byte, place) -> None:
    process = trace.process()
    write_calls(process)
    begin = b"C\t%d\t" % ODD
    after = {
        "number": b"C\t1" + byte + b"\t",
        "value": begin,
        "first": byte + begin[1:],
        "last": begin,
    }[place]
    overwrite(process, CALLS_FILE, begin, after)
    if place == "value":
        overwrite(process, CALLS_FILE, b'{"n": %d}' % ODD, b'{"n": 1' + byte + b"}")
    if place == "last":
        overwrite(process, CALLS_FILE, b'{"n": %d}\t0\t1\n' % ODD, b'{"n": %d}\t0\t' % ODD + byte + b"\n")
    trace.ingest()
    trace.ingest(final=True)
    # A tab moves columns: the record may be read as another one of the same kind, with a value cut short.
    read = trace.ask("SELECT call_id FROM calls ORDER BY call_id")
    assert [row for row in read if row != (ODD,)] == calls_without(ODD)
    assert (ODD,) in read or trace.ask("SELECT DISTINCT code FROM notices") == [("spool_damaged",)]
    assert trace.ask("SELECT count(*) FROM calls WHERE outcome = 'unfinished'") == [(0,)]


def test_a_carriage_return_before_a_newline_is_damage_too(trace) -> None:
    process = trace.process()
    write_calls(process)
    overwrite(process, CALLS_FILE, b'{"n": %d}\t0\t1\n' % ODD, b'{"n": %d}\t0\t\r\n' % ODD)
    assert trace.ingest().unreadable == 1
    assert trace.ask("SELECT call_id FROM calls ORDER BY call_id") == calls_without(ODD)


def test_damage_in_one_of_several_segments_of_a_stream_is_told_of_that_segment_alone(trace) -> None:
    process = trace.process()
    process.start()
    for number in range(1, CALLS + 1):
        segment = number // 10
        process.call(number, 10 * number, args=f'{{"n": {number}}}', segment=segment)
        process.end(number, 10 * number + 5, segment=segment)
    overwrite(process, "0-1.calls", b"C\t%d\t" % ODD, b"C\tx7\t")
    stats = trace.ingest(final=True)
    assert (stats.calls, stats.unreadable, stats.segments) == (CALLS - 1, 1, 6)
    assert trace.ask("SELECT call_id FROM calls ORDER BY call_id") == calls_without(ODD)
    messages = [message for (message,) in trace.ask("SELECT message FROM notices ORDER BY message")]
    assert messages == [
        f"1 of 20 records in a part of {process.key}-0-1.calls could not be read.",
        "The beginnings of 1 ended calls could not be read.",
    ]


def test_records_after_a_hole_of_nul_bytes_are_read_at_the_end(trace) -> None:
    process = trace.process()
    write_calls(process)
    path = process.segment(CALLS_FILE).path
    data = path.read_bytes()
    begin, end = data.index(b"C\t10\t"), data.index(b"C\t20\t") - 3
    path.write_bytes(data[:begin] + bytes(end - begin) + data[end:])
    trace.ingest()
    assert trace.ask("SELECT count(*) FROM calls") == [(9,)]
    trace.ingest(final=True)
    assert trace.ask("SELECT call_id FROM calls ORDER BY call_id") == calls_without(*range(10, 20))
    ((message,),) = trace.ask("SELECT message FROM notices")
    assert "could not be read" in message


def test_a_file_that_was_cut_off_keeps_what_is_before_the_cut(trace) -> None:
    process = trace.process()
    write_calls(process)
    path = process.segment(CALLS_FILE).path
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"C\t20\t") + 3])
    trace.ingest(final=True)
    assert trace.ask("SELECT count(*) FROM calls") == [(19,)]


@pytest.mark.parametrize(
    "odd",
    [
        {"k": "exception", "id": 7, "type": "E", "at_ns": 2**63 - 1},
        {"k": "exception", "id": 2**31 - 1, "type": "E", "at_ns": 1, "cause": 2**63 - 1},
        {"k": "end", "at_ns": -(2**63)},
        {"k": "process", "pid": 1, "started_at_ns": 2**63 - 1, "clock_origin_ns": -(2**63)},
        {"k": "test", "id": 1, "name": "t", "first_call": 2**63 - 1, "at_ns": 1},
        {"k": "stack", "id": 1, "at_ns": 2**63 - 1, "frames": [{"depth": 0}]},
        {"k": "thread", "thread": 2, "first_call": 2**63 - 1},
        {"k": "task", "task": 3, "name": ["not", "a", "name"]},
        {"k": "notice", "code": "x", "message": {"not": "text"}},
    ],
    ids=lambda odd: odd["k"],
)
def test_an_event_that_the_database_refuses_costs_no_other_record(trace, odd) -> None:
    process = trace.process()
    write_calls(process)
    for number in range(30):
        process.event("task", task=number, name=f"task {number}")
        if number == 15:
            process.raw_events(json.dumps(odd).encode() + b"\n")
    trace.ingest()
    trace.ingest(final=True)
    assert trace.ask("SELECT count(*) FROM tasks") == [(30,)]
    assert trace.ask("SELECT count(*) FROM calls") == [(CALLS,)]


def test_what_the_database_refuses_is_told_once_for_each_file_and_read_past(trace) -> None:
    process = trace.process()
    process.start()
    for number in range(3):
        process.event("exception", id=number, type="E", at_ns=2**63 - 1)
        process.event("task", task=number, name="between")
    assert trace.ingest().unreadable == 3
    assert trace.ask("SELECT count(*) FROM tasks") == [(3,)]
    ((message,),) = trace.ask("SELECT message FROM notices WHERE code = 'spool_damaged'")
    assert message.startswith(f"3 records of {process.key}-{EVENTS_FILE}")
    assert trace.ingest().unreadable == 0


def test_a_file_of_refused_records_alone_is_given_up_after_a_number_of_attempts(trace, monkeypatch) -> None:
    attempts = []

    def count_attempts(con, batch):
        attempts.append(batch)
        return insert_events(con, batch)

    monkeypatch.setattr(ingest, "insert_events", count_attempts)
    monkeypatch.setattr(ingest, "MAX_REFUSALS", 5)
    process = trace.process()
    process.start()
    for number in range(200):
        process.event("exception", id=number, type="E", at_ns=2**63 - 1)
    assert trace.ingest().unreadable >= 200
    assert len(attempts) < 20
    ((message,),) = trace.ask("SELECT message FROM notices WHERE code = 'spool_damaged'")
    assert "could not be read" in message


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(trace) -> None:
    process = trace.process()
    write_calls(process)
    (trace.spool / f"{process.key}-1-0.calls").mkdir()
    (trace.spool / f"{process.key}.counters").mkdir()
    assert trace.ingest().calls == CALLS
    assert trace.ask("SELECT * FROM notices") == []
    trace.ingest(final=True)
    messages = [message for (message,) in trace.ask("SELECT message FROM notices ORDER BY message")]
    assert [message.partition(" could not be read")[0] for message in messages] == [
        f"{process.key}-1-0.calls",
        f"{process.key}.counters",
    ]


def test_a_spool_folder_that_is_gone_or_a_file_is_no_passing_error(trace) -> None:
    file = trace.spool / "file"
    file.touch()
    with trace.database.write() as con:
        for spool in (trace.spool / "gone", file):
            with pytest.raises(SpoolUnreadable, match=f"folder is gone: {spool}"):
                ingest_trace(con, spool, trace.trace_id)


def test_a_damaged_spool_leaves_the_database_usable(trace) -> None:
    process = trace.process()
    process.start()
    process.event("exception", id=1, type="E", at_ns=2**63 - 1)
    trace.ingest()
    with Database(trace.database.path).write() as con:
        assert con.execute("SELECT count(*) FROM traces").fetchall() == [(1,)]
