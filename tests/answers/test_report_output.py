"""Test the end of the output in a report."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_server.answers.report.output import Output


def stdout(project, text: str, size: int | None = None) -> str:
    project.trace(stdout_tail=text, stdout_bytes=len(text.encode()) if size is None else size)
    return build_report(project.con, "shop", trace_id=None).stdout_tail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\ntwo\n", "one\ntwo"),
        ("loading\n\r  1%|  \r 50%|# \r100%|##\ndone\r\n", "loading\n100%|##\ndone"),
        ("é" * 100, "é" * 100),
    ],
)
def test_the_output_is_shown_as_a_terminal_leaves_it(project, text, shown) -> None:
    assert stdout(project, text) == shown


def test_the_characters_before_the_end_are_counted_with_those_that_are_not_stored(project) -> None:
    text = "first\n[... about 9,980,000 bytes left out ...]\n" + "".join(f"line {n:04}\n" for n in range(1_400))
    assert stdout(project, text, 10_000_000).startswith("(about 9,999,921 characters before)\nline 1392\n")
    assert stdout(project, text[50:]).startswith("(13,")


def test_output_that_is_no_text_is_named_by_its_size(project) -> None:
    image = bytes(range(256)) * 40
    assert stdout(project, image.decode("utf-8", "replace").replace("\x00", "\\x00"), len(image)) == (
        "(10,240 bytes that are not text)"
    )


def test_a_running_program_shows_the_output_that_its_server_knows_until_it_has_ended(project) -> None:
    output = Output("listening\n", "warning\n", 10, 8)
    trace = project.trace(status="running", exit_code=None, duration_ms=None)
    ended = project.trace(stdout_tail="bye\n", stdout_bytes=4)
    known = {trace.trace_id: output, ended.trace_id: output}
    report = build_report(project.con, "shop", trace_id=trace.trace_id, running=known)
    assert (report.stdout_tail, report.stderr_tail) == ("listening", "warning")
    report = build_report(project.con, "shop", trace_id=ended.trace_id, running=known)
    assert (report.stdout_tail, report.stderr_tail) == ("bye", "")


def test_what_a_running_program_raised_so_far_is_proposed_before_waiting(project) -> None:
    trace = project.trace(status="running", exit_code=None, duration_ms=None)
    trace.process(ended=False)
    trace.call(trace.function("serve", "shop.app", 40), ms=None)
    handler = trace.call(trace.function("show", "shop.views"), ms=3, raises=1)
    wait = f'wait_for_run(project="shop", trace_id="{trace.trace_id}", wait_seconds=45)'
    stop = f'stop_run(project="shop", trace_id="{trace.trace_id}")'

    trace.exception("ValueError", "no", call_id=handler, handled=True, handled_by="shop.app:serve:5")
    assert build_report(project.con, "shop", trace_id=None).next == [
        f'find_exceptions(project="shop", trace_id="{trace.trace_id}")', wait, stop,
    ]  # fmt: skip

    trace.exception("KeyError", "'rate'", call_id=handler, handled=True, handled_by="flask.app:Flask.wsgi_app:9")
    report = build_report(project.con, "shop", trace_id=None)
    assert [each.type for each in report.exceptions] == ["KeyError"]
    assert report.next[0].endswith(f"around_call_id={handler})")
    assert report.next[1:] == [wait, stop]
