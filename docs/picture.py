"""Draw docs/images/session.svg, the picture of a session in the README: ``python docs/picture.py [FILE]``.

A real client makes the calls to a real server, on a copy of the demo's program. The picture shows parts of the answers.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from breadcrumb_server.demo.transcript import Transcript
from breadcrumb_server.demo.walk import SAMPLE
from breadcrumb_server.projects.home import ENV_HOME

PICTURE = Path(__file__).with_name("images") / "session.svg"

COLUMNS = 98
FONT_SIZE = 14
LINE_HEIGHT = 20
MARGIN = 22
TITLE_BAR = 38
# Width of a character relative to the font size: the widest of the usual monospaced fonts.
CHARACTER_WIDTH = 0.605
# No font is loaded; macOS, Windows and Linux each have one of these.
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

# Patterns of coloured text in an answer, by style; the first that matches is used.
STYLES = {
    "key": r"^ +[a-z_]+:(?= |$)",
    "error": r"\bKeyError\b|\bfailed\b",
    "found": r"'BY'|'DE-BY'",
    "text": r'"[^"]*"|\'[^\']*\'',
    "tool": r"\b(?:edit_config|run|show)(?=\()",
    "dim": r"^    \||#\d+|…",
}
STYLE_SHEET = """\
    text { font-family: %s; font-size: %dpx; white-space: pre; fill: #d1d7e0; }
    .title, .dim { fill: #8b949e; }
    .title { font-size: 13px; }
    .comment { fill: #9aa4af; font-style: italic; }
    .conclusion { fill: #56d364; font-weight: bold; }
    .prompt { fill: #56d364; font-weight: bold; }
    .tool { fill: #79c0ff; font-weight: bold; }
    .key { fill: #9ecbff; }
    .text { fill: #a5d6a7; }
    .error { fill: #ff7b72; font-weight: bold; }
    .found { fill: #f2cc60; font-weight: bold; }"""


@dataclass(frozen=True)
class Comment:
    """A conclusion that the agent draws from the answer before."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call, and the fields of its answer to show."""

    tool: str
    arguments: dict[str, Any]
    shown: tuple[str, ...] = ()


PROJECT = {"project": "shop"}
RUN = Call(
    "run",
    {**PROJECT, "command": ["python", "checkout.py"], "timeout_seconds": 60},
    ("status", "report"),
)
SESSION = (
    Comment("A shop bills its orders, and the last one fails. The agent runs it under the tracer."),
    RUN,
    Comment("The error comes out of a library that was not traced. Trace it too, and run again."),
    Call("edit_config", {**PROJECT, "add_include": ["ratebook.lookup"]}),
    Call(RUN.tool, RUN.arguments),
    Call("show", {**PROJECT, "what": ["country_code"]}, ("text",)),
    Comment("Found: country_code('DE-BY') returns 'BY', the part after the dash. The code was not changed."),
)
# Lines of a text that are left out; they would distract.
LINES_LEFT_OUT = (
    r"<module>|<genexpr>|calls not shown|bill\(order=|^ *$|^[67] |^11 |^shop/|^also:|^stdout:|^  A-\d|^\d+ calls"
)


async def play(folder: Path) -> list[str]:
    """Make the calls of the session on a copy of the sample program, and return the lines to show."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "breadcrumb_server"],
        env={**os.environ, ENV_HOME: str(folder / "home"), "PATH": path},
    )
    lines: list[str] = []
    async with Client(stdio_client(server)) as client:
        await client.call_tool("init_project", {**PROJECT, "workspace": str(folder / "shop_app")})
        for step in SESSION:
            if isinstance(step, Comment):
                lines += ["", f"# {step.text}", ""]
                continue
            result = await client.call_tool(step.tool, step.arguments)
            if result.is_error or result.structured_content is None:
                raise RuntimeError(f"{step.tool} answered with an error: {result.content}")
            content = {name: _part(result.structured_content[name], folder) for name in step.shown}
            lines += _rendered(step, content)
    return lines[1:]


def _part(value: str, folder: Path) -> str:
    """Return the lines of a field to show."""
    lines = value.replace(f"{folder}/lib/", "…/").splitlines()
    return "\n".join(line for line in lines if not re.search(LINES_LEFT_OUT, line))


def _rendered(step: Call, content: dict[str, str]) -> list[str]:
    stream = io.StringIO()
    transcript = Transcript(stream, width=10_000)
    transcript.call(step.tool, step.arguments)
    transcript.answer(content, 0)
    return [_cut(line) for line in stream.getvalue().splitlines()[1:-1]]  # an empty line, and the size


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


def draw(lines: list[str]) -> str:
    """Return the SVG of a terminal with these lines."""
    width = round(COLUMNS * FONT_SIZE * CHARACTER_WIDTH) + 2 * MARGIN
    height = TITLE_BAR + len(lines) * LINE_HEIGHT + MARGIN - 8
    first = TITLE_BAR + 16
    texts = "\n".join(
        f'  <text x="{MARGIN}" y="{first + number * LINE_HEIGHT}" xml:space="preserve">{_coloured(line)}</text>'
        for number, line in enumerate(lines)
        if line
    )
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 20 * number}" cy="19" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" \
role="img" aria-labelledby="title">
  <title id="title">An agent finds a bug with the tools of Breadcrumb</title>
  <style>
{STYLE_SHEET % (FONTS, FONT_SIZE)}
  </style>
  <rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="9" fill="#161b22" stroke="#3d444d"/>
  {dots}
  <text class="title" x="{width / 2:g}" y="24" text-anchor="middle">an agent, with the tools of Breadcrumb</text>
{texts}
</svg>
"""


def _coloured(line: str) -> str:
    if line.startswith("# "):
        kind = "conclusion" if line.startswith("# Found") else "comment"
        return f'<tspan class="{kind}">{escape(line, quote=False)}</tspan>'
    if line.startswith("> "):
        return f'<tspan class="prompt">&gt; </tspan>{"".join(_spans(line[2:]))}'
    return "".join(_spans(line))


def _spans(line: str) -> Iterator[str]:
    pattern = "|".join(f"(?P<{name}>{each})" for name, each in STYLES.items())
    end = 0
    for found in re.finditer(pattern, line):
        yield escape(line[end : found.start()], quote=False)
        yield f'<tspan class="{found.lastgroup}">{escape(found[0], quote=False)}</tspan>'
        end = found.end()
    yield escape(line[end:], quote=False)


def session_picture() -> str:
    """Play the session, and draw it."""
    with tempfile.TemporaryDirectory(prefix="breadcrumb-picture-") as folder:
        return draw(anyio.run(play, Path(folder)))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    target.write_text(session_picture())
