"""Test that each call has its true parent, end and active time although greenlets switch stacks within calls."""

from __future__ import annotations

import re

import pytest

from breadcrumb import record_format
from pythons import EQUIPPED_VERSIONS
from spool_reader import TARGETS, Spool, Trace, equipped_interpreter, program


@pytest.fixture(params=EQUIPPED_VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    return equipped_interpreter(request.param, "greenlet")


def owner_of(spool: Spool, call: int, process: str) -> str:
    (found,) = (c for c in spool.calls if (c.call, c.process) == (call, process))
    return f"{found.function}({found.args.get('owner', '')})"


def test_calls_in_greenlets_have_their_own_parents_ends_and_times(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "greenlets_at_work.py")])
    assert (spool.exit_code, spool.stderr) == (0, "")
    assert spool.of("notice") == []
    main, _child = sorted({c.process for c in spool.calls}, key=lambda key: key != spool.one("main").process)
    calls = [c for c in spool.calls if c.process == main]
    parents: dict[str, set[str]] = {}
    for call in calls:
        if call.function in ("outer", "inner", "leaf", "generate", "consume", "fail"):
            parents.setdefault(f"{call.function}({call.args['owner']})", set()).add(owner_of(spool, call.parent, main))
    steps = {f"outer({o})": {"interleave()"} for o in "abe"} | {f"inner({o})": {f"outer({o})"} for o in "abeh"}
    assert parents == {
        **steps,
        "outer(h)": {"main()"},
        **{f"leaf({o})": {f"inner({o})"} for o in "abeh"},
        **{f"consume({o})": {"interleave()"} for o in "cf"},
        **{f"generate({o})": {f"consume({o})"} for o in "cf"},
        **{f"leaf({o})": {f"generate({o})"} for o in "cf"},
        "fail(d)": {"interleave()"}, "leaf(d)": {"fail(d)"}, "fail(g)": {"main()"}, "leaf(g)": {"fail(g)"},
        "leaf(main)": {"interleave()", "main()"},
    }  # fmt: skip
    assert {c.args["owner"]: c.outcome for c in calls if c.function == "fail"} == {
        "d": record_format.OUTCOME_RAISED, "g": record_format.OUTCOME_CANCELLED,
    }  # fmt: skip
    others = [c.function for c in calls if c.outcome != record_format.OUTCOME_RETURNED]
    assert sorted(others) == ["fail", "fail", "pause"]  # where g was when it was dropped
    # A result that was paired with another call would name another owner.
    assert all(c.value == [c.args["owner"], c.args["number"]] for c in calls if c.function in ("leaf", "inner"))
    assert all(c.value == c.args["owner"] for c in calls if c.function == "outer")
    for call in (c for c in calls if c.function in ("inner", "outer", "consume") and c.args["owner"] != "h"):
        assert call.ended_ns is not None
        # It did little but wait, while others slept a millisecond at each step.
        assert 1_000_000 <= call.suspended_ns < call.ended_ns - call.started_ns
    compute, busy = spool.one("compute"), spool.one("busy")
    assert (busy.parent, compute.suspended_ns, busy.suspended_ns) == (compute.call, 0, 0)
    of_owner = {c.args["owner"]: c.task for c in calls if "owner" in c.args and c.args["owner"] != "main"}
    assert of_owner.pop("i") is not None and len(set(of_owner.values())) == len(of_owner) == 8
    assert all(task is not None and task.startswith("greenlet-") for task in of_owner.values())
    assert {c.task for c in calls if c.function in ("main", "interleave")} == {None}


def test_a_forked_child_goes_on_in_greenlets_of_its_parent(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "greenlets_at_work.py")])
    parent = spool.one("main").process
    in_child = [c for c in spool.calls if c.process != parent]
    assert [(c.function, c.value, c.parent) for c in in_child] == [("leaf", ["h", 100], 0), ("leaf", ["child", 0], 0)]


def test_an_exception_that_ends_a_greenlet_is_handled_by_its_parent_unless_expected(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "greenlets_at_work.py")])
    verdicts: dict[int, str | None] = {}
    for event in spool.events:
        if event["k"] in ("handled", "uncaught"):
            verdicts[event["id"]] = "uncaught" if event["k"] == "uncaught" else event["function"]
    by_type = {e["type"]: verdicts.get(e["id"]) for e in spool.of("exception")}
    assert by_type["ValueError"] == "interleave"
    assert by_type["greenlet.GreenletExit"] is None


def test_a_program_that_sets_its_own_greenlet_trace_function_gets_a_notice(python: str, trace: Trace) -> None:
    spool = trace(python, [str(TARGETS / "greenlets_at_work.py"), "--own"])
    assert spool.exit_code == 0
    assert {n["code"] for n in spool.of("notice")} == {"greenlets"}


def test_a_program_without_greenlets_gets_no_notice(python: str, trace: Trace) -> None:
    spool = trace(python, "def f(): pass\nimport sys\nf()\nassert 'greenlet' not in sys.modules\n")
    assert spool.exit_code == 0 and spool.of("notice") == []


@pytest.mark.parametrize("version", EQUIPPED_VERSIONS)
def test_gevents_workers_keep_their_calls_apart(trace: Trace, version: str) -> None:
    python = equipped_interpreter(version, "gevent")
    text = """
from gevent import monkey
monkey.patch_all()
import gevent, threading, time
def leaf(owner): return owner
def work(owner):
    for _ in range(4):
        leaf(owner)
        time.sleep(0.001)
    return owner
gevent.joinall([gevent.spawn(work, n) for n in range(4)])
thread = threading.Thread(target=work, args=(4,))  # a greenlet, too
thread.start()
thread.join()
"""
    spool = trace(python, text)
    assert (spool.exit_code, spool.stderr) == (0, "")
    assert spool.of("notice") == []
    workers = {c.call: c for c in spool.named("work")}
    assert sorted(c.value for c in workers.values()) == list(range(5))
    assert [c.args["owner"] for c in spool.named("leaf")] == [c.value for c in spool.named("leaf")]
    assert all(workers[c.parent].args["owner"] == c.args["owner"] for c in spool.named("leaf"))
    assert len(spool.named("leaf")) == 20


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.12", "3.13"])
def test_greenlets_of_gevent_are_tasks_with_the_name_or_the_function_that_the_program_gave_them(
    trace: Trace, version: str
) -> None:
    python = equipped_interpreter(version, "gevent")
    text = """
from gevent import monkey
monkey.patch_all()
import gevent, threading, time
def work(owner): time.sleep(0.001)
class Shop:
    def open(self, owner): work(owner)
class Worker(gevent.Greenlet):
    def _run(self): work("class")
named = gevent.Greenlet(work, "named")
named.name = "night shift"
worker = Worker()
thread = threading.Thread(target=work, args=("thread",), name="day shift")
jobs = [gevent.spawn(work, "function"), gevent.spawn(Shop().open, "method"), named, worker]
named.start(), worker.start(), thread.start()
gevent.joinall(jobs)
thread.join()
work("main")
"""
    spool = trace(python, text)
    assert (spool.exit_code, spool.stderr, spool.of("notice")) == (0, "", [])
    names = {call.args["owner"]: call.task or "" for call in spool.named("work")}
    assert {owner: re.sub(r"-\d+", "-#", name) for owner, name in names.items()} == {
        "function": "Greenlet-# (work)", "method": "Greenlet-# (Shop.open)", "class": "Worker-#",
        "named": "night shift", "thread": "day shift", "main": "",
    }  # fmt: skip
    assert {call.task for call in spool.named("Shop.open")} == {names["method"]}
    assert len(set(names.values())) == len(names)


def test_a_greenlet_that_has_ended_is_freed_as_soon_as_untraced(python: str, trace: Trace) -> None:
    text = program("""
        import gc, weakref
        import greenlet

        def ended():
            inner = greenlet.greenlet(lambda: None)
            inner.switch()
            return inner

        def main():
            reference = weakref.ref(ended())
            gc.collect()
            print(reference())

        main()
    """)
    assert trace(python, text).stdout == "None\n"
