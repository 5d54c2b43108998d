"""Programs whose code or values have names that are no paths and no valid text, and exceptions that they keep."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from spool_reader import interpreter

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["3.8", "3.12", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


async def test_code_whose_file_name_is_the_text_of_a_template_is_reported(session, workspace: Path, python) -> None:
    (workspace / "main.py").write_text(
        textwrap.dedent(r"""
            TEMPLATE = "\n<b>{{title}}</b>\n{% for animal in animals %}\n* |,\"'\t{{animal}} \udce9 </a>\n"
            code = "def root(title):\n    raise LookupError(title)\n"
            names = {"__name__": "template"}
            exec(compile(code, TEMPLATE.replace("\udce9", "e"), "exec"), names)
            def show(text): return text
            show("caf\udce9")
            names["root"]("caf\udce9\0")
        """)
    )
    await session.project(workspace, ["__main__", "template"])

    report = await session.run(python, "main.py")

    assert report["exit_code"] == 1
    (failure,) = report["exceptions"]
    assert (failure["type"], failure["outcome"]) == ("LookupError", "uncaught")
    assert failure["raised_at"].startswith("<b>{{title}}</b> {% for animal") and failure["raised_at"].endswith(
        ":2 root"
    )
    assert "title='caf\ufffd\\x00'" in failure["calls"][-1]  # the database has no lone surrogates


async def test_an_exception_that_the_program_keeps_is_reported_with_the_calls_of_its_last_raise(
    session, workspace: Path, python
) -> None:
    (workspace / "main.py").write_text(
        textwrap.dedent("""
            class Port:
                broken = None
                def lose(self):
                    try: raise OSError("link lost")
                    except OSError as error: self.broken = error
                def check(self):
                    if self.broken: raise self.broken
                def write(self, data): self.check()
            port = Port()
            port.lose()
            for number in range(300):
                try: port.write(number)
                except OSError: pass
            port.write("last")
        """)
    )
    await session.project(workspace, ["__main__"])

    report = await session.run(python, "main.py")

    (failure,) = report["exceptions"]
    assert (failure["raised_at"], failure["outcome"]) == ("main.py:8 Port.check", "uncaught")
    assert [call.partition("  | ")[0].partition("(")[0] for call in failure["calls"]] == [
        "main.py:15 <module>",
        "main.py:9 Port.write",
        "main.py:8 Port.check",
    ]
    assert "data='last'" in failure["calls"][1]
