"""Each record is inserted exactly once, also when ingest is killed or runs in several processes at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from breadcrumb_storage.ingest.ingest import ingest_trace
from killed_ingest import KILLED_INGEST

pytestmark = pytest.mark.slow

ALL_ROWS = """
SELECT columns(* EXCLUDE trace_no) FROM call_records ORDER BY call_id;
SELECT columns(* EXCLUDE trace_no) FROM line_records ORDER BY call_id, position;
SELECT columns(* EXCLUDE trace_no) FROM yield_records ORDER BY call_id, position;
SELECT * FROM processes ORDER BY process_id;
SELECT * FROM functions ORDER BY process_id, function_id;
SELECT * FROM exceptions ORDER BY exception_id;
SELECT * FROM gap_records ORDER BY process_id, slot;
SELECT * FROM notices ORDER BY message;
SELECT * FROM segments ORDER BY name
"""


def all_rows(trace) -> list[list[tuple[object, ...]]]:
    return [trace.ask(sql) for sql in ALL_ROWS.split(";")]


def write_large_spool(trace) -> None:
    """Write two processes of two threads, whose records span segments and, at 500 bytes a batch, many batches."""
    for pid in (100, 101):
        process = trace.process(pid, started_after_ns=pid)
        process.start(ppid=100)
        process.function(4, "hot", slot=0)
        process.call(1, 10)
        process.call(1000, 10, thread=1)
        for number in range(2, 40):
            segment = number // 10
            for thread in (0, 1):
                call = thread * 999 + number
                process.call(call, number * 100, parent=thread * 999 + 1, function=2, thread=thread, segment=segment)
                process.line(call, 0, number, thread=thread, segment=segment)
                if number % 3:  # the others end two segments later, or never
                    process.end(call, number * 100 + 50, value=str(number), thread=thread, segment=segment)
                elif number >= 24:
                    earlier = thread * 999 + number - 21
                    process.end(earlier, number * 100 + 60, suspended=7, thread=thread, segment=segment)
            process.event("exception", segment=segment, id=number, at_ns=number, thread=0, call=number, type="E")
            process.event("handled", segment=segment, id=number, at_ns=number, function="f", line=1)
            process.event("notice", segment=segment, code="n", message=f"{pid} {number}")
        process.event("gap", slot=1, function="g", module="m", kind="c", caller=4, exact=True)
        process.end(1, 9000, segment=3)
        process.counters((40, 0), (80, 5))


def test_an_ingest_killed_at_any_statement_inserts_each_record_once(new_trace, start_python):
    undisturbed, trace = new_trace(), new_trace()
    for each in (undisturbed, trace):
        write_large_spool(each)
    undisturbed.ingest(final=True)

    killed = 0
    for statements in (2, 5, 9, 12, 14, 17, 21, 23, 26, 29, 33, 38, 44, 51):  # each attempt continues the one before
        process = start_python(KILLED_INGEST, trace.database.path, trace.spool, trace.trace_id, statements, 500)
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 10
    trace.ingest(final=True)

    assert all_rows(trace) == all_rows(undisturbed)
    assert trace.ingest(final=True).segments == 0
    assert [file for file in trace.spool.iterdir() if file.is_dir()] == []


PLACES = 12


def cut_off(path: Path, part: int) -> None:
    """Leave some of twelve parts of a file, as a power cut may."""
    os.truncate(path, path.stat().st_size * part // PLACES)


def test_a_log_cut_off_anywhere_is_completed_from_the_spool_with_each_record_once(new_trace):
    undisturbed, trace = new_trace(), new_trace()
    for each in (undisturbed, trace):
        write_large_spool(each)
    undisturbed.ingest(final=True)
    with trace.database.write() as con:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
        ingest_trace(con, trace.spool, trace.trace_id)
    log = Path(f"{trace.database.path}.wal")
    whole = {path: path.read_bytes() for path in (trace.database.path, log)}
    assert len(whole[log]) > 10_000
    for part in range(PLACES):
        for path, data in whole.items():
            path.write_bytes(data)
        cut_off(log, part)
        trace.ingest(final=True)
        assert all_rows(trace) == all_rows(undisturbed), part


def test_of_a_file_of_a_spool_cut_off_anywhere_each_record_before_the_cut_is_stored_once(new_trace):
    original = new_trace()
    write_large_spool(original)
    for part in range(PLACES):
        trace = new_trace()
        shutil.copytree(original.spool, trace.spool, dirs_exist_ok=True)
        expected = 0
        for file in trace.spool.glob("*.calls"):
            cut_off(file, part)
            expected += sum(line.startswith(b"C\t") for line in file.read_bytes().split(b"\n")[:-1])
        trace.ingest()
        trace.ingest(final=True)
        assert trace.ask("SELECT count(*), count(DISTINCT call_id) FROM call_records") == [(expected, expected)]


REPEATED_INGEST = """
import json, sys
from pathlib import Path
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest.ingest import ingest_trace

path, spool, trace_id = sys.argv[1:]
database = Database(Path(path), lock_timeout_seconds=60)
seen = []
print("ready", flush=True)
for line in sys.stdin:
    with database.write() as con:
        ingest_trace(con, Path(spool), trace_id)
    with database.read() as con:
        seen.append(con.execute("SELECT count(*) FROM calls").fetchall()[0][0])
print(json.dumps(seen))
"""


def test_two_processes_that_ingest_and_query_during_a_run_lose_nothing(new_trace, start_python):
    undisturbed, trace = new_trace(), new_trace()
    ingesters = [start_python(REPEATED_INGEST, trace.database.path, trace.spool, trace.trace_id) for _ in range(2)]
    for ingester in ingesters:
        assert ingester.stdout.readline() == "ready\n"
    programs = [each.process() for each in (undisturbed, trace)]
    for program in programs:
        program.start()
        program.call(1, 1)
    for number in range(2, 12):
        for program in programs:
            program.call(number, number * 10, parent=1, function=2)
            if number > 4:
                program.end(number - 3, number * 10 + 5)
        for ingester in ingesters:
            ingester.stdin.write("again\n")
            ingester.stdin.flush()
    for ingester in ingesters:
        output, errors = ingester.communicate()
        assert ingester.returncode == 0, errors
        seen = json.loads(output)
        assert seen == sorted(seen)
    for each in (undisturbed, trace):
        each.ingest(final=True)
    assert all_rows(trace) == all_rows(undisturbed)
