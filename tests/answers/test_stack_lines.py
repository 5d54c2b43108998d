"""Test the stacks in a report."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.common.budget import size_of
from breadcrumb_server.answers.report.answer import build_report

STDLIB = "/usr/lib/python3.12"
MAIN = [
    (f"{STDLIB}/threading.py", 1167, "Thread._wait_for_tstate_lock", {"lock": "<_thread.lock>"}),
    (f"{STDLIB}/threading.py", 1147, "Thread.join", {"timeout": None}),
    ("shop/cart.py", 12, "Cart.close", {"self": {"$type": "Cart", "token": "[REDACTED]"}, "retries": 3}),
    ("main.py", 40, "<module>", {}),
]
IDLE = [
    (f"{STDLIB}/queue.py", 171, "Queue.get", {"block": True}),
    (f"{STDLIB}/threading.py", 1010, "Thread.run", None),
]


@pytest.fixture
def stopped(project):
    trace = project.trace(status="timeout", exit_code=None, signal="SIGTERM")
    trace.process(ended=False)
    return trace


def lines(project) -> list[str]:
    return build_report(project.con, "shop", trace_id=None).stacks


def test_frames_of_own_code_have_variables_and_frames_below_only_places(project, stopped) -> None:
    stopped.stack(0, MAIN, thread_name="MainThread")
    assert lines(project) == [
        "MainThread:",
        "  threading.py:1167 Thread._wait_for_tstate_lock",
        "  threading.py:1147 Thread.join",
        "  shop/cart.py:12 Cart.close: self=Cart(token=[REDACTED]), retries=3",
        "  main.py:40 <module>",
    ]


def test_threads_at_the_same_place_are_shown_once_and_idle_ones_last(project, stopped) -> None:
    for number in (0, 1, 2):
        stopped.stack(number, IDLE)
    for number in (3, 4, 5, 6):
        stopped.stack(number, [("shop/jobs.py", 7, "work", {"number": number})])
    stopped.stack(7, [("shop/jobs.py", 9, "poll", {})], thread_name=None, thread_ident=None, task_name="Task-1")
    assert lines(project) == [
        "thread-3, thread-4 and 2 more at the same place:",
        "  shop/jobs.py:7 work: number=3 (thread-3), 4 (thread-4), 5 (thread-5), 6 (thread-6)",
        "task Task-1 (waiting):",
        "  shop/jobs.py:9 poll",
        "thread-0, thread-1 and 1 more at the same place:",
        "  queue.py:171 Queue.get",
        "  … 1 frame, none of your code",
    ]


def test_values_in_which_threads_at_the_same_place_differ_come_first_with_their_threads(project, stopped) -> None:
    for number in range(9):
        job = {"id": number, "to": "x" * 300} if number < 2 else "idle"
        values = {"queue": [1, 2], "job": job, "size": 10}
        stopped.stack(number, [("shop/jobs.py", 7, "work", values if number else {**values, "late": True})])
    [header, line] = lines(project)
    assert header == "thread-0, thread-1 and 7 more at the same place:"
    assert line.startswith("  shop/jobs.py:7 work: job={'id': 0, ")
    assert "{'id': 1, " in line and "'idle' (thread-2 and 6 more)" in line
    assert line.endswith("late=True (thread-0), queue=[1, 2], size=10")


def test_more_different_values_than_are_shown_are_counted(project, stopped) -> None:
    for number in range(8):
        stopped.stack(number, [("shop/jobs.py", 7, "work", {"number": number})])
    assert lines(project)[1] == (
        "  shop/jobs.py:7 work: number=0 (thread-0), 1 (thread-1), 2 (thread-2), 3 (thread-3), 4 more"
    )


def test_equal_places_in_several_processes_are_told_apart(project) -> None:
    trace = project.trace(status="timeout", exit_code=None, signal="SIGTERM")
    for number in (0, 1):
        trace.process(number, ended=False)
        frames = [("shop/jobs.py", 7, "work", {"number": number})]
        trace.stack(0, frames, process_id=number, thread_name="MainThread")
    assert lines(project)[1] == (
        "  shop/jobs.py:7 work: number=0 (MainThread of process 0), 1 (MainThread of process 1)"
    )


def test_tasks_have_the_places_that_created_them(project, stopped) -> None:
    serve = stopped.call(stopped.function("serve", "shop.app"), ms=None)
    stopped.task(1, "Task-1", created_by=serve, created_line=41)
    stopped.task(2, "Task-2", created_by=serve, created_line=47)
    stopped.task(3, "twice", created_by=serve, created_line=41)
    stopped.task(4, "twice", created_by=serve, created_line=47)
    thread = {"thread_name": None, "thread_ident": None}
    for number, (name, line) in enumerate([("Task-1", 7), ("Task-2", 7), ("twice", 8), ("unknown", 9)]):
        stopped.stack(number, [("shop/jobs.py", line, "work", {})], task_name=name, **thread)
    assert lines(project)[::2] == [
        "task Task-1 (waiting), task Task-2 (waiting), created by shop/app.py:41 serve and shop/app.py:47 serve:",
        "task twice (waiting):",
        "task unknown (waiting):",
    ]


def test_a_recursion_is_shown_by_its_ends(project, stopped) -> None:
    deep = [("shop/tree.py", 5, "walk", {"depth": depth}) for depth in range(30, 0, -1)]
    stopped.stack(0, [*MAIN[:2], *deep, ("main.py", 40, "<module>", {})])
    assert lines(project)[3:] == [
        "  shop/tree.py:5 walk: depth=30",
        "  … 28 frames",
        "  shop/tree.py:5 walk: depth=1",
        "  main.py:40 <module>",
    ]


def test_frames_that_are_left_out_of_a_deep_stack_are_counted(project, stopped) -> None:
    frames: list[tuple[str, int, str, dict[str, object]]] = [
        (f"shop/m{number}.py", 1, f"f{number}", {}) for number in range(20)
    ]
    stopped.stack(0, frames)
    project.con.execute("UPDATE stacks SET depth = depth + 500 WHERE depth >= 10")
    assert lines(project)[-2:] == ["  shop/m5.py:1 f5", "  … 514 frames further out"]


def test_functions_modules_and_classes_in_variables_are_left_out(project, stopped) -> None:
    variables = {"load": "<function shop.load>", "json": "<module json>", "Cart": "<class shop.Cart>", "size": 3}
    stopped.stack(0, [("shop/a.py", 1, "f", variables)])
    assert lines(project)[1] == "  shop/a.py:1 f: size=3"


def test_the_thread_that_crashed_comes_first_with_its_process_and_the_reason(project) -> None:
    trace = project.trace(status="failed", exit_code=1)
    trace.process(0)
    trace.process(1, ended=False)
    trace.stack(0, IDLE, process_id=1, source="fault", reason="Fatal Python error: Aborted", thread_name=None)
    trace.stack(1, MAIN, process_id=1, source="fault", reason="Fatal Python error: Aborted")
    stacks = lines(project)
    assert stacks[0] == "process 1 (pid 101), a thread without a name, Fatal Python error: Aborted:"
    assert stacks[3] == "process 1 (pid 101), thread-1:"


def test_many_stacks_with_many_values_are_cut_with_a_query_for_the_rest(project, stopped) -> None:
    values = {f"value_{number}": "x" * 500 for number in range(40)}
    for number in range(60):
        stopped.stack(number, [(f"shop/m{number}.py", row, "f" * 50, values) for row in range(20)])
    report = build_report(project.con, "shop", trace_id=None)
    assert size_of(report) < 3_500
    assert report.stacks[0] == "thread-0:"
    assert "value_0=" in report.stacks[1] and "…(+" in report.stacks[1]
    more = report.stacks[-1]
    assert more.startswith("… 5") and f"SELECT * FROM stacks WHERE trace_id = '{stopped.trace_id}'" in more
    sql = more.partition(": ")[2]
    assert len(project.con.execute(sql).fetchall()) == 1200
