"""Test that a run with probes answers with what they found, and explains those that found nothing."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

PRICING = """\
class Rates:
    def __init__(self):
        self.cached = {"eu": 0.1}

    def of(self, key):
        return self.cached[key]


def discounted(amount, rate):
    if amount > 100:

        amount = amount * (1 - rate)
    return amount


def refund(amount):
    return -amount
"""
MAIN = """\
from shop.pricing import Rates, discounted

rates = Rates()
for amount in (50, 120, 160):
    discounted(amount, rates.of("eu"))
rates.of("us")
"""


async def ask(session: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that answers with a text; return the lines about probes and the others apart."""
    result = await session.client.call_tool(tool, {"project": "shop", **arguments})
    assert not result.is_error, result.content
    answer = dict(result.structured_content)
    lines = answer.pop("report").split("\n")
    for name, mark in (("notes", "note: "), ("next", "next: "), ("not_traced", "NOT TRACED: ")):
        answer[name] = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    others = [line for line in lines if not line.startswith(("note: ", "next: ", "NOT TRACED: "))]
    return {**answer, "probes": "\n".join(others)}


async def run_probed(session: Any, probes: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    command = [sys.executable, "main.py"]
    return await ask(session, "run", **{"command": command, "timeout_seconds": 60, "probes": probes, **arguments})


@pytest.fixture
async def pricing(shop, write):
    """Return a function that runs the shop with probes, and returns the answer."""
    write("shop/__init__.py")
    write("shop/pricing.py", PRICING)
    write("main.py", MAIN)
    await shop.ok("edit_config", project="shop", add_include=["shop.*"])

    async def run(probes: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        return await run_probed(shop, probes, **arguments)

    return run


async def test_the_answer_is_the_table_of_the_probes_and_how_the_command_ended(pricing) -> None:
    answer = await pricing({
        "shop/pricing.py:13": ["amount", "rate"],
        "shop.pricing:10 if amount > 100": ["amount"],
        "Rates.of return": ["key"],
    })  # fmt: skip
    trace_id = answer.pop("trace_id")
    text = answer.pop("probes")
    ended = ["uncaught at shop/pricing.py:6: KeyError: 'us'"]
    assert answer.pop("duration_ms") > 0 and trace_id
    assert answer == {
        "status": "failed", "exit_code": 1, "signal": None, "notes": ended, "next": [], "not_traced": []
    }  # fmt: skip
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[:5] == [
        "shop/pricing.py:13 in discounted: 3 hits",
        "  all: rate=0.1",
        "  #7 amount=50",
        "  #9 amount=108.0",
        "  #11 amount=144.0",
    ]
    assert lines[5:8] == [
        "shop.pricing:10 if amount > 100 in discounted: 3 hits, condition held 2 times",
        "  #9 amount=120",
        "  #11 amount=160",
    ]
    assert lines[8:] == [
        "Rates.of return shop/pricing.py:5: 4 hits",
        "  #6 to #10 (3 times) key='eu'  -> 0.1",
        "  #12 key='us'  !! KeyError: 'us'",
    ]


async def test_the_report_of_the_trace_has_the_same_table(pricing, shop) -> None:
    answer = await pricing({"shop.pricing:13": ["amount"]})
    report = await shop.ok("get_trace", project="shop", trace_id=answer["trace_id"])
    assert report["probes"] == answer["probes"]
    assert report["exceptions"][0]["type"] == "KeyError"
    assert await ask(shop, "wait_for_run", trace_id=answer["trace_id"], wait_seconds=0) == answer
    asked = await shop.ok(
        "query_traces", project="shop", sql="SELECT expressions->>'amount' AS amount FROM probe_values ORDER BY 1"
    )
    assert asked["rows"] == [["108.0"], ["144.0"], ["50"]]


async def test_one_expression_need_not_be_in_a_list(pricing) -> None:
    answer = await pricing({"shop.pricing:10 if amount > 150": "amount"})
    assert answer["probes"].splitlines()[1] == "  #11 amount=160"


async def test_a_run_without_probes_answers_with_the_report(pricing, shop) -> None:
    answer = await pricing({})
    assert "KeyError: 'us'" in answer["probes"]
    report = await shop.ok("get_trace", project="shop", trace_id=answer["trace_id"])
    assert "probes" not in report and report["exceptions"]


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("shop/pricing.py:11", "hit no line: lines of discounted are 10, 12-13"),
        ("shop.pricing:15", "hit no line: lines of refund are 17; lines of the module's body are 1, 9, 16"),
        ("shop.pricing:17", "not hit: refund (shop/pricing.py:16) did not run"),
        ("shop.pricing:12 if amount > 1000", "reached 2 times, and the condition never held"),
        ("shop.prices:12", "not hit: no module shop.prices was loaded; near it: shop.pricing"),
        ("store/pricing.py:12", "not hit: no file store/pricing.py was loaded; near it: shop/pricing.py"),
        ("shop.pricing.discounted:12", "is a function: lines are given by module or file, as shop.pricing:12"),
        ("Rate.of entry", "not hit: no function Rate.of ran; near it: shop.pricing:Rates.of"),
        ("discount return", "not hit: no function discount ran; near it: shop.pricing:discounted"),
    ],
)
async def test_a_probe_that_was_never_evaluated_is_explained(pricing, place, why) -> None:
    answer = await pricing({place: ["amount"]})
    assert answer["probes"].startswith(f"{place}: ") and why in answer["probes"]
    assert answer["probes"].count("\n") == 0
    assert len(answer["notes"]) == 1


async def test_without_a_traced_process_one_line_says_why(pricing) -> None:
    answer = await pricing({"shop.pricing:12": ["amount"]}, command=["true"])
    assert answer["probes"] == "shop.pricing:12: not hit: no module shop.pricing was loaded"
    assert len(answer["notes"]) == 1 and "NOTHING WAS TRACED" in answer["notes"][0].upper()


async def test_failing_tests_are_told_in_one_line(shop, write) -> None:
    write(
        "test_it.py",
        "def price(n):\n    return n * 2\ndef test_a():\n    assert price(1) == 2\ndef test_b():\n    assert price(2) == 3\n",
    )
    answer = await run_probed(
        shop,
        {"price return": ["n"], "test_it:6": []},
        command=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
    )
    assert answer["notes"][0].startswith("1 failed, 1 passed; test_it.py::test_b: AssertionError: ")
    assert "n=1  -> 2" in answer["probes"] and "n=2  -> 4" in answer["probes"]
    assert "test_it:6 in test_b: 1 hit" in answer["probes"]


async def test_a_place_or_expression_that_cannot_be_understood_runs_nothing(pricing, shop, workspace) -> None:
    marker = workspace / "ran"
    command = [sys.executable, "-c", f"open({str(marker)!r}, 'w')"]
    for probes, message in (
        ({"discounted": ["amount"]}, 'A place is a line ("shop.pricing:31"'),
        ({"shop.pricing:12": ["amount ="]}, "has a syntax error"),
    ):
        refused = await shop.error("run", project="shop", command=command, timeout_seconds=60, probes=probes)
        assert message in refused
    assert not marker.exists()


async def test_many_and_long_rows_fit_into_the_answer(shop, write) -> None:
    write("main.py", "def step(n):\n    text = f'{n} ' * 300\n    return text\nfor n in range(3000):\n    step(n)\n")
    answer = await run_probed(
        shop,
        {"main.py:3": ["n", "text"], "step entry": ["n", "n % 1"], "step return": []},
        command=[sys.executable, "main.py"],
    )
    text = answer["probes"]
    assert len(text) <= 2_250
    assert "main.py:3 in step: 3,000 hits" in text and "all: n % 1=0" in text
    first, last = text.index("n=0"), text.index("n=2999")
    assert first < text.index(" more rows") < last


async def test_values_of_all_processes_and_threads_are_told_apart(shop, write) -> None:
    write(
        "main.py",
        "import os, threading\ndef work(n):\n    return n\nwork(0)\n"
        "thread = threading.Thread(target=work, args=(1,), name='worker')\nthread.start()\nthread.join()\n"
        "child = os.fork()\nif not child:\n    work(2)\n    os._exit(0)\nos.waitpid(child, 0)\n",
    )
    answer = await run_probed(shop, {"work entry": ["n"]})
    assert answer["probes"].splitlines()[0].startswith("work entry main.py:2: >=3 hits")
    assert "[process 0 MainThread] n=0" in answer["probes"]
    assert "[process 0 worker] n=1" in answer["probes"]
    assert "[process 1 MainThread] n=2" in answer["probes"]


async def test_secrets_in_probes_and_their_values_are_redacted(shop, write, home) -> None:
    write("main.py", "def login(password):\n    return len(password)\nlogin('correct-horse-battery')\n")
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    answer = await run_probed(
        shop,
        {f"login entry if password != '{token}'": ["password", "[password]", f"password == '{token}'"]},
        command=[sys.executable, "main.py"],
    )
    text = answer["probes"]
    assert "password=[REDACTED]" in text and "=False" in text
    assert "correct-horse" not in text and token not in text
    stored = b"".join(file.read_bytes() for file in home.folder.rglob("*") if file.is_file())
    assert token.encode() not in stored and b"correct-horse" not in stored


async def test_while_the_command_runs_the_values_so_far_are_told(shop, write, gate) -> None:
    write(
        "main.py",
        f"import signal\ndef wait(n):\n    open({str(gate.path)!r}, 'w').write('x')\n    signal.pause()\nwait(7)\n",
    )
    started = await run_probed(shop, {"wait entry": ["n"], "wait return": []}, wait_seconds=0)
    assert started["status"] == "running" and "wait_for_run" in started["next"][0]
    await gate.message()
    running = await ask(shop, "wait_for_run", trace_id=started["trace_id"], wait_seconds=0)
    assert "n=7" in running["probes"] and "wait return: not hit so far" in running["probes"]
    stopped = await ask(shop, "stop_run", trace_id=started["trace_id"])
    assert stopped["status"] == "stopped" and "n=7" in stopped["probes"]
