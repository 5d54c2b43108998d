from __future__ import annotations

import stat
from pathlib import Path

from breadcrumb_storage.ingest import spool_files
from breadcrumb_storage.ingest.spool_files import batches, copy_records, list_spool, unread_chunks


def test_files_are_sorted_by_process_start_then_stream_then_segment(tmp_path: Path):
    in_order = [
        "9-a.counters",
        "9-a-0.events",
        "9-a-2.events",
        "9-a-10.events",
        "1-b-0-9.calls",
        "1-b-0-10.calls",
        "1-b-1-0.calls",
    ]
    for name in [*reversed(in_order), "tracer.config", "run.json", "1-b-0.calls", "1-b-0-0.events.bak"]:
        tmp_path.joinpath(name).touch()
    found = [file.name for file in list_spool(tmp_path)]
    assert sorted(found) == sorted(in_order)
    for suffix in (".events", ".calls"):
        assert [name for name in found if name.endswith(suffix)] == [n for n in in_order if n.endswith(suffix)]


def test_a_chunk_ends_at_the_first_nul(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spool_files, "SCAN_BLOCK_BYTES", 8)
    path = tmp_path / "1-a-0-0.calls"
    for length in (0, 1, 7, 8, 9, 16, 20):
        path.write_bytes(b"x" * length + bytes(20 - length))
        for start in (0, 5, 8):
            chunks = unread_chunks(list_spool(tmp_path), {path.name: start})
            assert [(chunk.start, chunk.end) for chunk in chunks] == ([(start, length)] if length > start else [])


def test_a_copy_is_private_and_holds_complete_records_with_their_chunks_position(tmp_path: Path):
    for name, data in (("0-0.calls", b"one\ntwo\nthree"), ("1-0.calls", b"half"), ("2-0.calls", b"four\n\nfive\n")):
        tmp_path.joinpath(f"1-a-{name}").write_bytes(data + bytes(10))
    copy = tmp_path / "copy"
    chunks = copy_records(unread_chunks(list_spool(tmp_path), {"1-a-0-0.calls": 4}), copy)
    assert copy.read_bytes() == b"0\ttwo\n1\tfour\n1\t\n1\tfive\n"
    assert [(chunk.file.stream, chunk.read_to, chunk.records) for chunk in chunks] == [(0, 8, 1), (2, 11, 3)]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_copy_of_one_stream_may_leave_the_positions_out(tmp_path: Path):
    for segment, data in enumerate((b"one\nbroken\r\ntwo\n", b"three\nhalf")):
        tmp_path.joinpath(f"1-a-0-{segment}.calls").write_bytes(data + bytes(10))
    copy = tmp_path / "copy"
    chunks = copy_records(unread_chunks(list_spool(tmp_path), {}), copy, with_positions=False)
    assert copy.read_bytes() == b"one\ntwo\nthree\n"
    assert [(chunk.read_to, chunk.records) for chunk in chunks] == [(16, 3), (6, 1)]


def test_the_position_is_the_first_key_of_an_event(tmp_path: Path):
    for pid, data in ((1, b'{"k": "a", "b": [{}]}\n'), (2, b'damaged\n{"k": "c\\n{"}\n')):
        tmp_path.joinpath(f"{pid}-a-0.events").write_bytes(data)
    copy = tmp_path / "copy"
    copy_records(unread_chunks(list_spool(tmp_path), {}), copy)
    assert copy.read_text().splitlines() == [
        '{"_source": 0, "k": "a", "b": [{}]}',
        "damaged",
        '{"_source": 1, "k": "c\\n{"}',
    ]


def test_batches_hold_every_chunk_once_in_order_and_are_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spool_files, "BATCH_BYTES", 10)
    for segment, size in enumerate([4, 4, 4, 30, 1]):
        tmp_path.joinpath(f"1-a-0-{segment}.calls").write_bytes(b"x" * size)
    groups = list(batches(unread_chunks(list_spool(tmp_path), {})))
    assert [[chunk.size for chunk in group] for group in groups] == [[4, 4], [4], [30], [1]]
    assert list(batches([])) == []
