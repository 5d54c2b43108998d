"""How each tool is told to record a program, and how the calls that it recorded are counted."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common.launched import launched
from benchmarks.common.traced import core_in
from benchmarks.common.usage import Failed
from benchmarks.ingest import ingest_once
from benchmarks.peers.counts import hunter_calls, last_part, viztracer_calls

from breadcrumb import record_format
from breadcrumb_server.projects.config import CaptureConfig, ProjectConfig
from breadcrumb_storage.database import Database

HERE = Path(__file__).parent


class Tool:
    """A way to run a program; this one records nothing.

    Attributes:
        key: What it is called on the command line.
        name: What it is called in the table.
        requirement: What pip installs for it; None: nothing.
        objects: What it writes of an object of the program.
        needs_server: Whether another process stores what was recorded.
    """

    key = name = "untraced"
    requirement: str | None = None
    objects = ""
    needs_server = False

    @contextmanager
    def variables(self, python: str, folder: Path, inherited: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Prepare a run in a folder, and yield the variables of its command."""
        yield dict(inherited)

    def command(self, python: str, program: list[str], folder: Path) -> list[str]:
        """Return the command for a program with its arguments."""
        return [python, *program]

    def store(self, folder: Path) -> None:
        """Do outside of the program what is still missing until questions are answered."""

    def files(self, folder: Path) -> list[Path]:
        """Return the files that stay."""
        return [file for file in folder.rglob("*") if file.is_file()]

    def calls(self, python: str, folder: Path) -> Counter[str] | None:
        """Count what was recorded by the name of the function; None: this tool records no calls."""
        return None


class Breadcrumb(Tool):
    """This Breadcrumb, with the settings and variables of its `run`, without the server.

    What the tracer wrote is then read into a database, as the server does it. The server reads while the program runs,
    so the time of both together is the longest that it can take until questions are answered. The database alone stays.
    Its calls are counted in SQL.
    """

    objects = "its fields"
    needs_server = True

    def __init__(self, key: str, name: str, capture: dict[str, str], core: str) -> None:
        self.key = key
        self.name = name
        self._config = ProjectConfig(project="peers", capture=CaptureConfig.model_validate(capture))
        self._core = core

    @contextmanager
    def variables(self, python: str, folder: Path, inherited: Mapping[str, str]) -> Iterator[dict[str, str]]:
        config = self._config.model_copy(update={"workspace": str(HERE / "programs")})
        with launched(config, python, folder / "spool", inherited) as (spool, variables):
            yield {**variables, record_format.ENV_CORE: self._core}
            if core_in(spool) != self._core:
                raise Failed(f"another core than {self._core} recorded: is there a compiled one for {python}?")

    def store(self, folder: Path) -> None:
        (spool,) = (folder / "spool").iterdir()
        ingest_once(spool, folder / "peers.duckdb")

    def files(self, folder: Path) -> list[Path]:
        return [folder / "peers.duckdb"]

    def calls(self, python: str, folder: Path) -> Counter[str]:
        with Database(folder / "peers.duckdb").read() as connection:
            rows = connection.execute("SELECT function_name, count(*) FROM calls GROUP BY ALL").fetchall()
        counted = Counter[str]()
        for name, count in rows:
            counted[last_part(name)] += count
        return counted


class VizTracer(Tool):
    """VizTracer, with `--log_func_args` and `--log_func_retval`, which are off by default.

    Calls of functions in C are switched off, because the others do not record them, and the buffer holds all calls of
    the largest program (a full one loses the oldest). It writes JSON at the end, in which each call is an event.
    """

    key = name = "viztracer"
    requirement = "viztracer"
    objects = "its repr"

    def command(self, python: str, program: list[str], folder: Path) -> list[str]:
        options = (
            "--quiet",
            "--log_func_args",
            "--log_func_retval",
            "--ignore_c_function",
            "--tracer_entries",
            "1000000",
        )
        return [python, "-m", "viztracer", *options, "--output_file", str(folder / "trace.json"), *program]

    def calls(self, python: str, folder: Path) -> Counter[str]:
        return viztracer_calls(json.loads((folder / "trace.json").read_text()))


class Kolo(Tool):
    """kolo, with `KOLO=1`: arguments, local variables and return values, in its own store, written at the end.

    The text files that another process makes of each trace afterwards (`auto_emit`) are switched off: that process
    would run beside the next measurement. Counted are the frames of the event `call`, read by kolo itself.
    """

    key = name = "kolo"
    requirement = "kolo"
    objects = "its repr"

    @contextmanager
    def variables(self, python: str, folder: Path, inherited: Mapping[str, str]) -> Iterator[dict[str, str]]:
        (folder / ".kolo").mkdir()
        (folder / ".kolo" / "config.toml").write_text("auto_emit = false\n")
        yield {**inherited, "KOLO": "1"}

    def calls(self, python: str, folder: Path) -> Counter[str]:
        return _counted_by(python, "kolo_calls.py", folder)


class Hunter(Tool):
    """hunter, with a CallPrinter into a file for the calls and returns of the program: arguments and return values.

    Counted are the lines that begin a call.
    """

    key = name = "hunter"
    requirement = "hunter"
    objects = "its class and address"

    @contextmanager
    def variables(self, python: str, folder: Path, inherited: Mapping[str, str]) -> Iterator[dict[str, str]]:
        printer = f"CallPrinter(stream=open({str(folder / 'calls.txt')!r}, 'w'))"
        query = f"module='__main__', kind_in=('call', 'return'), action={printer}"
        yield {**inherited, "PYTHONHUNTER": query}

    def calls(self, python: str, folder: Path) -> Counter[str]:
        with (folder / "calls.txt").open() as lines:
            return hunter_calls(lines)


class Coverage(Tool):
    """coverage: which lines ran, without calls and values. It is here as what people are used to pay."""

    key = "coverage"
    name = "coverage, lines only"
    requirement = "coverage"
    objects = "nothing"

    def command(self, python: str, program: list[str], folder: Path) -> list[str]:
        return [python, "-m", "coverage", "run", f"--data-file={folder / 'coverage.sqlite'}", *program]


class OlderBreadcrumb(Tool):
    """The older Breadcrumb, with the script that its `breadcrumb run` writes: its command line is not measured.

    It records the first 100 calls of each function within ten seconds. Counted are the events `call` in its database.
    """

    key = "older-breadcrumb"
    name = "older Breadcrumb 0.2.14"
    requirement = "breadcrumb==0.2.14"
    objects = "its repr"

    def command(self, python: str, program: list[str], folder: Path) -> list[str]:
        return [python, str(HERE / "older_breadcrumb_run.py"), str(folder / "older.duckdb"), *program]

    def calls(self, python: str, folder: Path) -> Counter[str]:
        return _counted_by(python, "older_breadcrumb_calls.py", folder / "older.duckdb")


def _counted_by(python: str, script: str, recorded: Path) -> Counter[str]:
    """Count with a script that runs in the environment of the tool."""
    command = [python, str(HERE / "counting" / script), str(recorded)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"its calls cannot be counted: {done.stderr.strip()[-500:]}")
    return Counter(json.loads(done.stdout))


UNTRACED = Tool()
TOOLS: tuple[Tool, ...] = (
    Breadcrumb("breadcrumb", "Breadcrumb, default mode", {}, record_format.CORE_C),
    Breadcrumb("breadcrumb-full", "Breadcrumb, full", {"mode": "full"}, record_format.CORE_C),
    Breadcrumb("breadcrumb-pure", "Breadcrumb, full, core in Python", {"mode": "full"}, record_format.CORE_PURE),
    VizTracer(),
    Kolo(),
    Hunter(),
    OlderBreadcrumb(),
    Coverage(),
)
