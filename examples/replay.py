"""Make the calls of a written session, and check that the answers contain the lines quoted there.

    python -m examples.replay examples/*/README.md
    python -m examples.replay docs/sessions/*.md      (takes packages from the index)
    python -m examples.replay DOCUMENT --show         (prints the full answers, to quote from)

A session is a Markdown document with three kinds of code blocks:

- ``sh``: commands that set it up
- a language and a path: a file
- ``console``: calls, each after ``> ``, with the size of its answer and lines of the answer in their order

In a quoted line, ``…`` matches any text. An earlier answer must propose a call with the comment ``# proposed``.
``~/work`` is a temporary folder. Trace ids, call ids and durations differ between runs and are not compared.

Exits with 1 if an answer lacks a quoted line, or its size differs by more than a tenth.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from breadcrumb_server.demo.transcript import Transcript

ROOT = Path(__file__).parent.parent
WORK = "~/work"
SERVER_COMMAND = (sys.executable, "-m", "breadcrumb_server")

# Share of the size. Durations have more or fewer digits in each run, which changes no answer by a tenth.
SIZE_TOLERANCE = 0.1

_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SIZE = re.compile(r"\(([\d,]+) characters\)")
_TRACE_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?: ?- ?\d+(?:\.\d+)?)? ?(?:ms|µs|s)\b")

_CALL_ID = re.compile(r"(?<=call_id': )\d+|(?<=call_id\": )\d+|(?<=call_id=)\d+|(?<=call_id: )\d+|(?<=#)\d+")


class Differs(Exception):
    """An answer is not as written in the session."""


@dataclass(slots=True)
class Step:
    """A call, and the quoted lines of its answer."""

    tool: str
    arguments: dict[str, Any]
    proposed: bool
    quoted: list[str] = field(default_factory=list[str])
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A session as written in a document."""

    set_up: list[str]
    files: dict[str, str]  # by path
    steps: list[Step]


def read(text: str) -> Document:
    """Parse the Markdown of a session.

    Raises:
        SyntaxError: A text after ``> `` is not a call.
    """
    set_up: list[str] = []
    files: dict[str, str] = {}
    steps: list[Step] = []
    for language, path, block in _FENCE.findall(text):
        if path:
            files[path] = block
        elif language == "sh":
            set_up.append(block)
        elif language == "console":
            steps += _steps(iter(block.splitlines()))
    return Document(set_up, files, steps)


def _steps(lines: Iterator[str]) -> Iterator[Step]:
    step: Step | None = None
    for line in lines:
        if line.startswith("> "):
            if step:
                yield step
            step = _step(line[2:], lines)
        elif step and (size := _SIZE.fullmatch(line.strip())):
            step.size = int(size[1].replace(",", ""))
        elif step and line.strip(" .…"):
            step.quoted.append(line)
    if step:
        yield step


def _step(text: str, following: Iterator[str]) -> Step:
    """Parse the call that begins on a line, and may continue on the following ones."""
    while True:
        try:
            call = ast.parse(text, mode="eval").body
            break
        except SyntaxError:
            further = next(following, None)
            if further is None:
                raise
            text = f"{text}\n{further}"
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        raise SyntaxError(f"no call of a tool: {text}")
    arguments = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    return Step(call.func.id, arguments, proposed=text.rstrip().endswith("# proposed"))


class Replay:
    """Makes the calls of a session one after the other."""

    def __init__(self, client: Client, work: Path, *, show: bool) -> None:
        self._client = client
        self._work = str(work)
        self._show = show
        self._proposed: list[Step] = []
        # Trace ids of this replay, by the trace ids in the document.
        self._trace_ids: dict[str, str] = {}

    async def make(self, step: Step) -> None:
        """Make a call, and compare its answer.

        Raises:
            Differs: The answer is not as written.
        """
        arguments = self._for_this_replay(step.arguments)
        if step.proposed:
            arguments = self._as_proposed(step.tool, arguments)
        result = await self._client.call_tool(step.tool, arguments)
        text = "".join(getattr(block, "text", "") for block in result.content)
        if result.is_error or result.structured_content is None:
            raise Differs(f"the answer is an error: {text}")
        for proposal in [*result.structured_content.get("next", []), *_proposed_in(result.structured_content)]:
            with contextlib.suppress(SyntaxError, ValueError):  # some have a placeholder
                self._proposed += _steps(iter([f"> {proposal}"]))
        answer = self._rendered(result.structured_content)
        size = len(text.replace(self._work, WORK))
        if self._show:
            print(f"\n> {_call(step.tool, step.arguments)}\n  ({size:,} characters)\n{answer}", flush=True)
        self._compare(step, answer.splitlines(), size)

    def _as_proposed(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with this replay's call ids, which depend on how threads interleave."""
        proposed_calls = [_call(each.tool, each.arguments) for each in self._proposed]
        if _call(tool, arguments) in proposed_calls:
            return arguments
        written = _CALL_ID.sub("", _call(tool, arguments))
        for proposal in reversed(self._proposed):
            if _CALL_ID.sub("", _call(proposal.tool, proposal.arguments)) == written:
                return proposal.arguments
        raise Differs("no earlier answer proposes it, but\n" + "\n".join(proposed_calls))

    def _compare(self, step: Step, lines: list[str], size: int) -> None:
        position = 0
        for quoted in step.quoted:
            pattern = re.compile(".*?".join(map(re.escape, _comparable(quoted).split("…"))))
            for number in range(position, len(lines)):
                if pattern.search(_comparable(lines[number])):
                    self._learn_trace_ids(quoted, lines[number])
                    position = number + 1
                    break
            else:
                raise Differs(f"the answer lacks, or has in another order: {quoted.strip()}\n" + "\n".join(lines))
        if step.size is not None and abs(size - step.size) > SIZE_TOLERANCE * step.size:
            raise Differs(f"the answer has {size:,} characters, not {step.size:,}")

    def _learn_trace_ids(self, quoted: str, line: str) -> None:
        for written, actual in zip(_TRACE_ID.findall(quoted), _TRACE_ID.findall(line), strict=False):
            self._trace_ids.setdefault(written, actual)

    def _for_this_replay(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with the folder and the trace ids of this replay."""
        text = json.dumps(arguments).replace(WORK, self._work)
        return json.loads(_TRACE_ID.sub(lambda found: self._trace_ids.get(found[0], found[0]), text))

    def _rendered(self, content: dict[str, Any]) -> str:
        """Render an answer as in a document."""
        stream = io.StringIO()
        Transcript(stream, width=10_000).answer(content, 0)
        lines = stream.getvalue().replace(self._work, WORK).splitlines()
        return "\n".join(lines[:-1])  # the last one is the size


def _proposed_in(content: dict[str, Any]) -> list[str]:
    """Return the call that the text of a run report proposes in its last line."""
    last = str(content.get("report", "")).rpartition("\n")[2]
    return [last.removeprefix("next: ")] if last.startswith("next: ") else []


def _call(tool: str, arguments: dict[str, Any]) -> str:
    return f"{tool}({', '.join(f'{name}={value!r}' for name, value in sorted(arguments.items()))})"


def _comparable(line: str) -> str:
    """Return the line without what differs between runs."""
    return " ".join(_CALL_ID.sub("", _DURATION.sub("#", _TRACE_ID.sub("<trace>", line))).split())


def set_up(document: Document, work: Path) -> None:
    """Write the files of a session, and run its commands.

    Raises:
        subprocess.CalledProcessError: A command failed.
    """
    for name, text in document.files.items():
        path = Path(name.replace(WORK, str(work)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(WORK, str(work)))
    for commands in document.set_up:
        subprocess.run(["bash", "-ec", commands.replace(WORK, str(work))], cwd=ROOT, stdout=sys.stderr, check=True)


async def replay(document: Document, work: Path, *, show: bool, server_command: Sequence[str]) -> None:
    """Make the calls of a session that is set up.

    Raises:
        Differs: An answer is not as written.
    """
    # `python` is the interpreter that runs this, unless a session names another.
    path_variable = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    server = StdioServerParameters(
        command=server_command[0],
        args=list(server_command[1:]),
        env={**os.environ, "PATH": path_variable, "BREADCRUMB_HOME": str(work / ".breadcrumb")},
    )
    async with Client(stdio_client(server)) as client:
        session = Replay(client, work, show=show)
        for step in document.steps:
            try:
                await session.make(step)
            except Differs as error:
                raise Differs(f"{_call(step.tool, step.arguments)}: {error}") from error


def main(arguments: Sequence[str] | None = None, *, server_command: Sequence[str] = SERVER_COMMAND) -> int:
    """Replay documents, and print a line for each.

    Args:
        arguments: The words of the command line; None means those of this process.
        server_command: Starts the server.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", type=Path, nargs="+")
    parser.add_argument("--show", action="store_true", help="print the full answers")
    options = parser.parse_args(arguments)
    failed = False
    for path in options.documents:
        try:
            document = read(path.read_text())
            with tempfile.TemporaryDirectory(prefix="breadcrumb-session-") as folder:
                work = Path(folder).resolve()
                set_up(document, work)
                anyio.run(functools.partial(replay, document, work, show=options.show, server_command=server_command))
            sizes = sum(step.size or 0 for step in document.steps)
            print(f"{path}: as written, {len(document.steps)} calls, {sizes:,} characters")
        except* (Differs, subprocess.CalledProcessError) as errors:
            failed = True
            for error in _leaf_exceptions(errors):
                print(f"{path}: {error}")
    return 1 if failed else 0


def _leaf_exceptions(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaf_exceptions(inner)
    else:
        yield error


if __name__ == "__main__":
    sys.exit(main())
