from __future__ import annotations

import stat
from pathlib import Path

from breadcrumb_storage import spool_files
from breadcrumb_storage.spool_files import batches, list_spool, unread_chunks


def test_files_come_by_process_start_then_thread_then_segment(tmp_path: Path):
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


def test_a_chunk_ends_at_the_first_nul_wherever_it_stands(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spool_files, "SCAN_BLOCK_BYTES", 8)
    path = tmp_path / "1-a-0-0.calls"
    for length in (0, 1, 7, 8, 9, 16, 20):
        path.write_bytes(b"x" * length + bytes(20 - length))
        for start in (0, 5, 8):
            chunks = unread_chunks(list_spool(tmp_path), {path.name: start})
            assert [(chunk.start, chunk.end) for chunk in chunks] == ([(start, length)] if length > start else [])


def test_a_copy_holds_the_whole_records_and_is_its_owners_alone(tmp_path: Path):
    path = tmp_path / "1-a-0-0.calls"
    path.write_bytes(b"one\ntwo\nthree" + bytes(10))
    (chunk,) = unread_chunks(list_spool(tmp_path), {path.name: 4})
    copy = chunk.copy_to(tmp_path / "0")
    assert copy.path.read_bytes() == b"two\n"
    assert (copy.read_to, copy.records) == (8, 1)
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600


def test_batches_hold_every_chunk_once_in_order_and_are_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spool_files, "BATCH_BYTES", 10)
    for segment, size in enumerate([4, 4, 4, 30, 1]):
        tmp_path.joinpath(f"1-a-0-{segment}.calls").write_bytes(b"x" * size)
    groups = list(batches(unread_chunks(list_spool(tmp_path), {})))
    assert [[chunk.size for chunk in group] for group in groups] == [[4, 4], [4], [30], [1]]
    assert list(batches([])) == []
