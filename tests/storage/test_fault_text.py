"""Texts of faulthandler, whose format differs slightly between Python 3.8, 3.11 and 3.14."""

from __future__ import annotations

from breadcrumb_storage.ingest.fault_text import Fault, FaultFrame, FaultStack, parse_fault

CRASH = r"""Fatal Python error: Segmentation fault

Thread 0x00007f20d2f2c6c0 (most recent call first):
  File "/home/me/caf\xe9.py", line 13 in pr\u0113t
  File "/usr/lib/python3.8/threading.py", line 890 in _bootstrap

Current thread 0x00007f20d37e6b80 (most recent call first):
  Garbage-collecting
  File "shop.py", line 9 in total
  File "shop.py", line ??? in <module>
  ...

Thread 0x00007f20d37e6b81 (most recent call first):
  <no Python frame>

Extension modules: numpy._core._multiarray_umath, numpy.linalg._umath_linalg (total: 2)
"""
NEWER = """Fatal Python error: Aborted

<Cannot show all threads while the GIL is disabled>
Current thread 0x00007f20d37e6b80 [python] (most recent call first):
  File "shop.py", line 9 in Cart.total

Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python", at _Py_DumpStack+0x52 [0x55]
  <truncated rest of calls>
"""
REQUESTED = """Thread 0x0000000000000002 (most recent call first):
  File "shop.py", line 1 in waits

Current thread 0x0000000000000001 (most recent call first):
  File "shop.py", line 2 in main
"""


def test_the_crashed_thread_comes_first() -> None:
    assert parse_fault(CRASH) == Fault(
        "Fatal Python error: Segmentation fault",
        [
            FaultStack(0x7F20D37E6B80, [FaultFrame("shop.py", 9, "total"), FaultFrame("shop.py", None, "<module>")]),
            FaultStack(
                0x7F20D2F2C6C0,
                [
                    FaultFrame("/home/me/café.py", 13, "prēt"),
                    FaultFrame("/usr/lib/python3.8/threading.py", 890, "_bootstrap"),
                ],
            ),
        ],
    )


def test_lines_added_by_newer_versions_are_skipped() -> None:
    assert parse_fault(NEWER) == Fault(
        "Fatal Python error: Aborted", [FaultStack(0x7F20D37E6B80, [FaultFrame("shop.py", 9, "Cart.total")])]
    )


def test_requested_stacks_start_with_the_main_thread_and_only_the_last_dump_counts() -> None:
    later = REQUESTED.replace("line 2", "line 3")
    main, waits = FaultFrame("shop.py", 3, "main"), FaultFrame("shop.py", 1, "waits")
    assert parse_fault(REQUESTED + later) == Fault(None, [FaultStack(1, [main]), FaultStack(2, [waits])])


def test_a_crash_replaces_stacks_requested_before() -> None:
    fault = parse_fault(REQUESTED + CRASH)
    assert fault is not None
    assert [stack.thread_ident for stack in fault.stacks] == [0x7F20D37E6B80, 0x7F20D2F2C6C0]


def test_a_fatal_error_is_found_in_the_output_of_a_program() -> None:
    printed = f"starting\nTraceback (most recent call last):\n  nothing of note\n{CRASH}bye\n"
    assert parse_fault(printed) == parse_fault(CRASH)


def test_a_text_without_stacks_has_at_most_an_error() -> None:
    assert parse_fault("") is None
    assert parse_fault('  File "shop.py", line 9 in total\n') is None
    assert parse_fault("Fatal Python error: init failed.\n") == Fault("Fatal Python error: init failed", [])
