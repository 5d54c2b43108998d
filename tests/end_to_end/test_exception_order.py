"""The report and find_exceptions show the exception that matters first, whoever handled the others."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from spool_reader import interpreter

pytestmark = pytest.mark.anyio

FRAMEWORK = """
    class HTTPError(Exception): pass
    def serve(handler, requests):
        for request in requests:
            try: print(200, handler(request))
            except HTTPError as error: print(422, error)
            except Exception as error: print(500, type(error).__name__)
"""
APPLICATION = """
    import logging, sys
    sys.path.insert(0, {library!r})
    import framework
    PRICES = {{"a": 1}}
    class Lazy:
        def __getattr__(self, name): raise AttributeError(name)
    def price(sku): return PRICES[sku]
    def handler(request):
        hasattr(Lazy(), request)
        if request == "refused": raise framework.HTTPError("not found")
        return price(request)
    def work(job):
        try: return 1 / job
        except ZeroDivisionError: logging.exception("job failed")
    def tried(number):
        try: return int("x%d" % number)
        except ValueError: return number
    work(0)
    for number in range(50): tried(number)
    framework.serve(handler, ["a", "zz", "refused"])
"""


@pytest.fixture(params=["3.8", "3.12", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


async def test_a_bug_that_a_framework_answered_comes_first_and_its_refusals_last(
    session, workspace: Path, tmp_path: Path, python
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "framework.py").write_text(textwrap.dedent(FRAMEWORK))
    (workspace / "main.py").write_text(textwrap.dedent(APPLICATION).format(library=str(library)))
    await session.project(workspace, ["__main__"])

    report = await session.run(python, "main.py")

    assert [each["type"] for each in report["exceptions"]] == ["KeyError", "ZeroDivisionError"]
    calls = [each.partition("  | ")[0] for each in report["exceptions"][0]["calls"]]
    assert calls[-2:] == ["main.py:12 handler(request='zz')", "main.py:8 price(sku='zz')"]
    assert report["notes"] == ["expected by the code that caught them: framework.HTTPError (1): find_exceptions"]
    [tried, *lookups] = report["handled_exceptions"]["rows"]
    shared = "50 different: invalid literal for int() with base 10: '{x0, x1, x2, …}'"
    assert tried[:4] == ["ValueError", "main.py:17 tried", 50, shared]
    assert lookups == []
    found = await session.ok("find_exceptions", project="p", limit=30)
    assert [each["type"] for each in found["exceptions"]][:3] == ["KeyError", "ZeroDivisionError", "ValueError"]
    found = await session.ok("find_exceptions", project="p", cursor=found["next_cursor"], limit=30)
    assert [each["type"] for each in found["exceptions"]][-4:] == ["framework.HTTPError"] + ["AttributeError"] * 3
