"""``show`` needs no setting: what was asked for without lines has them after the next run."""

from __future__ import annotations

import sys

import pytest

from breadcrumb_server.projects.wanted_lines import MAX_FUNCTIONS, want_lines, wanted_lines

pytestmark = pytest.mark.anyio

SCRIPT = """\
def discounted(amount, rate=None):
    rate = rate or 0.1
    if amount > 100:
        amount = round(amount * (1 - rate))
    return amount

print(discounted(126))
"""


@pytest.mark.processes
async def test_lines_that_were_not_recorded_come_with_the_next_run_and_only_those_asked_for(shop, write) -> None:
    write("main.py", SCRIPT)

    async def run() -> None:
        await shop.ok("run", project="shop", command=[sys.executable, "main.py"], timeout_seconds=60)

    await run()
    first = await shop.ok("show", project="shop", what="discounted")
    assert first["notes"] == ["lines of discounted were not recorded: the next run records them"]
    assert "4   amount = round(amount * (1 - rate))\n" in first["text"]
    await run()
    second = await shop.ok("show", project="shop", what=["discounted"])
    assert "notes" not in second
    assert "4   amount = round(amount * (1 - rate))  # amount=113\n" in second["text"]
    report = await shop.ok("get_trace", project="shop", trace_id="latest")
    assert "capture" not in str(report.get("next", "")) and "warnings" not in report
    with_lines = await shop.ok("query_traces", project="shop", sql="SELECT count(DISTINCT call_id) FROM lines")
    assert with_lines["rows"] == [[1]]


@pytest.mark.processes
async def test_source_that_is_edited_after_the_run_is_shown_as_it_ran_and_without_secrets(shop, write) -> None:
    secret = 'PASSWORD = "hunter2"\n'
    script = write("main.py", secret + SCRIPT)
    report = await shop.ok("run", project="shop", command=[sys.executable, "main.py"], timeout_seconds=60)
    script.write_text("# rewritten\n\n" + SCRIPT.replace("100", "1_000"))

    shown = await shop.ok("show", project="shop", what=["discounted", "__main__:<module>"], trace_id=report["trace_id"])

    assert "4  if amount > 100:" in shown["text"] and "1_000" not in shown["text"]
    assert "hunter2" not in shown["text"] and '1 PASSWORD = "[REDACTED]"' in shown["text"]
    assert "main.py changed since the run: shown as it was then" in shown["notes"]

    script.unlink()
    shown = await shop.ok("show", project="shop", what=["discounted"], trace_id=report["trace_id"])
    assert "4  if amount > 100:" in shown["text"]


async def test_the_last_functions_asked_for_are_remembered_once_each(home, shop) -> None:
    for number in range(MAX_FUNCTIONS + 5):
        want_lines(home, "shop", [f"shop:f{number}"])
    want_lines(home, "shop", ["shop:f10", "shop:f10"])
    remembered = wanted_lines(home, "shop")
    assert len(remembered) == MAX_FUNCTIONS and remembered[-1] == "shop:f10" and remembered.count("shop:f10") == 1
    assert "shop:f0" not in remembered


@pytest.mark.parametrize("damage", ["", "[1, 2]", '{"a": 1}', "[" * 10_000, '["shop:f"'])
async def test_a_damaged_list_is_as_good_as_none(home, shop, damage) -> None:
    home.wanted_lines_file("shop").write_text(damage)
    assert wanted_lines(home, "shop") == []
    want_lines(home, "shop", ["shop:f"])
    assert wanted_lines(home, "shop") == ["shop:f"]


async def test_a_deleted_project_leaves_no_list_behind(home, shop) -> None:
    want_lines(home, "shop", ["shop:f"])
    await shop.ok("delete_traces", project="shop", whole_project=True)
    assert not home.wanted_lines_file("shop").exists()
