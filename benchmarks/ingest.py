"""Measure the ingest of a spool into the database: `python -m benchmarks.ingest [calls]`.

It writes the spool of a process with a million calls in 4 MiB segments, as the tracer would, ingests it three times,
each time into a new database, and prints the best rate in calls per second, in wall and in processor time: the latter
is that of one core, and depends less on what else the machine does. Exits with 1 where the first is below the minimum.

It does the same with as many calls as a run may have between two ingests, and prints how long the end of such a run
takes: ingest, checkpoint, and the first question of another connection.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest.ingest import ingest_trace
from breadcrumb_storage.trace_rows import TraceStart, insert_trace

CALLS = 1_000_000
MIN_CALLS_PER_SECOND = 300_000
SEGMENT_BYTES = 4 * 1024 * 1024
REPEATS = 3
END_CALLS = 200_000
TRACE_ID = "20250101-000000-bec4"
PROCESS = "4242-ctvwzvwcm9s0"

MODULE, HANDLE, PRICE, TAX = 1, 2, 3, 4  # function ids: <module> calls handle, which calls price, which calls tax


def events() -> Iterator[dict[str, object]]:
    yield {
        "k": "process", "pid": 4242, "ppid": 1, "python": "3.12.1", "executable": "/usr/bin/python3",
        "command": ["python", "shop.py"], "cwd": "/", "backend": "monitoring", "mode": "full",
        "started_at_ns": 1_735_689_600_000_000_000, "clock_origin_ns": 12_345, "parent": None,
    }  # fmt: skip
    yield {"k": "thread", "thread": 0, "ident": 1, "name": "MainThread"}
    for function_id, name in ((MODULE, "<module>"), (HANDLE, "handle"), (PRICE, "Cart.price"), (TAX, "tax")):
        yield {
            "k": "function", "id": function_id, "name": name, "module": "shop", "file": "/shop.py",
            "line": function_id, "kind": "function", "slot": None,
        }  # fmt: skip


def call_lines(calls: int) -> Iterator[str]:
    """Yield the lines of a module's call that repeats handle(order) -> price(order, quantity) -> tax(amount)."""
    yield "C\t1\t1000\t\t0\t1\n"
    clock, call = 1000, 1
    while call + 3 <= calls:
        handle, price, tax = call + 1, call + 2, call + 3
        call = tax
        yield f'C\t{handle}\t{clock + 900}\t{{"order": {{"id": {call}, "who": "alice"}}}}\t1\t2\t17\n'
        yield f'C\t{price}\t{clock + 2100}\t{{"order": {call}, "quantity": {call % 7}}}\t{handle}\t3\t8\n'
        yield f'C\t{tax}\t{clock + 3300}\t{{"amount": {call % 997}.25}}\t{price}\t4\t12\n'
        yield f"R\t{tax}\t{clock + 4100}\t{call % 97}.5\n"
        yield f"R\t{price}\t{clock + 5200}\t{call % 9973}.75\n"
        yield f'R\t{handle}\t{clock + 6100}\t{{"total": {call % 9973}.75}}\n'
        clock += 6500
    yield f"R\t1\t{clock}\tnull\n"


def write_spool(folder: Path, calls: int) -> None:
    folder.mkdir(mode=0o700)
    folder.joinpath(f"{PROCESS}-0.events").write_text("".join(json.dumps(event) + "\n" for event in events()))
    segment, written = 0, SEGMENT_BYTES + 1
    file = None
    for line in call_lines(calls):
        if written + len(line) > SEGMENT_BYTES:
            if file:
                file.truncate(SEGMENT_BYTES)
                file.close()
            file = folder.joinpath(f"{PROCESS}-0-{segment}.calls").open("w")
            segment, written = segment + 1, 0
        written += file.write(line) if file else 0
    if file:
        file.truncate(SEGMENT_BYTES)
        file.close()


def ingest_once(spool: Path, database: Path) -> tuple[int, float, float]:
    """Return the number of ingested calls, and the seconds of wall and processor time taken.

    They include opening and closing the database with its checkpoint.
    """
    start = TraceStart(trace_id=TRACE_ID, started_at=datetime.now(UTC), command="python shop.py")
    with Database(database).write() as con:
        insert_trace(con, start)
    began, cpu_began = time.perf_counter(), time.process_time()
    with Database(database).write() as con:
        stats = ingest_trace(con, spool, TRACE_ID, final=True)
    return stats.calls, time.perf_counter() - began, time.process_time() - cpu_began


def milliseconds_to_answer(spool: Path, database: Path) -> float:
    """Return how long it takes from the end of a run until its calls are ingested and can be asked for."""
    _, seconds, _ = ingest_once(spool, database)
    began = time.perf_counter()
    with Database(database).read() as con:
        con.execute("SELECT max(call_id) FROM calls WHERE trace_id = ?", [TRACE_ID]).fetchall()
    return (seconds + time.perf_counter() - began) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=int, nargs="?", default=CALLS, help="calls of the process (default: %(default)s)")
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as scratch:
        spool = Path(scratch, "spool")
        write_spool(spool, calls)
        segments = list(spool.glob("*.calls"))
        print(f"spool: {calls:,} calls in {len(segments)} segments of {SEGMENT_BYTES >> 20} MiB")
        rates: list[float] = []
        for repeat in range(REPEATS):
            database = Path(scratch, f"{repeat}.duckdb")
            ingested, seconds, cpu_seconds = ingest_once(spool, database)
            rates.append(ingested / seconds)
            print(
                f"  {ingested:,} calls in {seconds:.2f} s: {rates[-1]:,.0f} calls/s, "
                f"{ingested / cpu_seconds:,.0f} per second of a processor, "
                f"{database.stat().st_size / ingested:.0f} bytes a call on disk"
            )
        end = Path(scratch, "end")
        write_spool(end, END_CALLS)
        ends = [milliseconds_to_answer(end, Path(scratch, f"end-{repeat}.duckdb")) for repeat in range(REPEATS)]
        print(f"the end of a run with {END_CALLS:,} calls that can be asked for: {min(ends):,.0f} ms")
    print(f"best of {REPEATS}: {max(rates):,.0f} calls/s (minimum {MIN_CALLS_PER_SECOND:,})")
    return 0 if max(rates) >= MIN_CALLS_PER_SECOND else 1


if __name__ == "__main__":
    sys.exit(main())
