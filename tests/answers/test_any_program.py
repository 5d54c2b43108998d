"""Flow, search and performance answers stay within their size, whatever the program did."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.find.answer import find
from breadcrumb_server.answers.flow.answer import FlowView, get_flow
from breadcrumb_server.answers.performance.answer import analyze_performance
from breadcrumb_server.answers.search import search_values

# The range of call ids i, and for each call its thread, parent, function, duration in ns (NULL: unfinished) and arguments.
PROGRAMS = {
    "a_hundred_thousand_siblings": ("range(1, 100001)", "0", "CASE WHEN i > 1 THEN 1 END", "1 + i % 3", "i % 97", "'{}'"),
    "ten_thousand_deep": ("range(1, 10001)", "0", "CASE WHEN i > 1 THEN i - 1 END", "1", "NULL", "'{\"n\": ' || i || '}'"),
    "two_that_call_each_other": ("range(1, 10001)", "0", "CASE WHEN i > 1 THEN i - 1 END", "1 + i % 2", "9", "'{}'"),
    "a_thousand_threads": ("range(1, 20001)", "i // 20", "CASE WHEN i % 20 > 0 THEN i - 1 END", "1 + i % 7", "i", "'{}'"),
    "a_bush": ("range(1, 30001)", "0", "CASE WHEN i > 1 THEN i // 3 + 1 END", "1 + hash(i) % 40", "i", "'{}'"),
    "large_values": ("range(1, 200)", "0", "CASE WHEN i > 1 THEN 1 END", "i % 40 + 1", "i", "'[\"' || repeat('needle ', 20000) || '\"]'"),
}  # fmt: skip


@pytest.fixture(params=PROGRAMS)
def con(project, request):
    calls, thread, parent, function, duration, arguments = PROGRAMS[request.param]
    trace = project.trace()
    trace.process()
    for number in range(1, 50):
        trace.function(f"a_function_with_a_name_that_is_not_short_{number}", f"shop.module_{number % 5}")
    project.con.execute(
        f"""
        INSERT INTO call_records (trace_no, process_id, thread_id, call_id, parent_call_id, function_id, started_ns,
                                  duration_ns, child_ns, outcome, args, return_value)
        SELECT {trace.trace_no}, 0, {thread}, i, {parent}, {function}, 1736510400000000000 + i * 1000, {duration}, 0,
               CASE WHEN {duration} IS NOT NULL THEN 0 END, {arguments}, '"needle ' || i || '"'
        FROM {calls} t(i)
        """
    )
    return project.con


@pytest.mark.slow
def test_answers_stay_within_their_size(con) -> None:
    (total,) = con.execute("SELECT count(*) FROM call_records").fetchone()
    flow = get_flow(con, "shop")
    assert flow.recorded == total
    assert flow.calls == total or any(line.endswith("…") for line in flow.lines)
    one = flow.lines[0].rpartition("#")[2].split("..")[0].strip(" …")
    answers = [
        flow,
        get_flow(con, "shop", max_depth=2),
        get_flow(con, "shop", max_depth=50),
        get_flow(con, "shop", view=FlowView(around_call_id=total // 2)),
        get_flow(con, "shop", view=FlowView(at_ms=total / 2_000)),
        get_flow(con, "shop", view=FlowView(function="name_that_is_not_short_1")),
        get_flow(con, "shop", view=FlowView(root_call_id=int(one) if one.isdigit() else 1)),
        search_values(con, "shop", text="needle", limit=200),
        search_values(con, "shop", text=137),
        find(con, "shop", value="needle", limit=200)[0],
        find(con, "shop", value=137)[0],
        find(con, "shop", name="n", limit=200)[0],
        find(con, "shop", name="a_function_with", of="shop.module_1")[0],
        find(con, "shop", exception="*")[0],
        analyze_performance(con, "shop", limit=100),
        analyze_performance(con, "shop", function="name_that_is_not_short_1"),
    ]
    assert [size_of(answer) for answer in answers if size_of(answer) > MAX_ANSWER_CHARS] == []
    assert all(answer.lines for answer in answers[:7] if hasattr(answer, "lines"))
