"""Start a command under the tracer: make its spool folder, environment and pipes."""

import errno
import importlib.util
import marshal
import os
import secrets
import shlex
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from breadcrumb.record_format import CONFIG_FILE, ENV_TRACE, FORMAT_VERSION, SECRETS_FIFO
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.value_format import REDACTED
from breadcrumb_server import restrictions
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.home import FILE_MODE, FOLDER_MODE, make_private_folder
from breadcrumb_server.runs import reaper
from breadcrumb_server.runs.output import OutputCapture
from breadcrumb_server.runs.request import RunRequest
from breadcrumb_server.runs.secrets_pipe import SecretsPipe
from breadcrumb_server.system_errors import hint_for
from breadcrumb_storage.errors import BreadcrumbError

_READ_BYTES = 64 * 1024  # the default capacity of a pipe on Linux
# Characters of the input that are searched for secrets before the start, which waits for it.
_MAX_SEARCHED_STDIN_CHARS = 64 * 1024
# Characters of an input that is kept to run the command again.
MAX_KEPT_STDIN_CHARS = 200
# Secrets, from all processes of a run together; one process alone may send as many as it can remember.
_MAX_LEARNED = 50_000


class TracedCommand:
    """A started command, whose output is captured while :meth:`pump` runs."""

    def __init__(self, process: reaper.CommandProcess, spool: Path, redactor: Redactor, pipes: tuple[int, int]) -> None:
        self.process = process
        self.spool = spool
        self.redactor = redactor
        self.stdout = OutputCapture()
        self.stderr = OutputCapture()
        self.output_ended = anyio.Event()
        self.secrets = SecretsPipe(spool / SECRETS_FIFO, redactor)
        self._pipes = pipes

    @property
    def pid(self) -> int:
        """Return the pid of the command's own process, which is also its session and process group."""
        return self.process.pid

    async def pump(self, stdin: str | None) -> None:
        """Feed the input and read output and learned secrets, until both outputs end or the call is cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.secrets.read)
            if stdin is not None:
                tasks.start_soon(self._feed, stdin)
            async with anyio.create_task_group() as readers:
                readers.start_soon(_drain, self._pipes[0], self.stdout)
                readers.start_soon(_drain, self._pipes[1], self.stderr)
            self.output_ended.set()

    async def aclose(self) -> None:
        """Let no process be left, read the rest of the pipes and close them. Call it after :meth:`pump` has ended."""
        await self.process.aclose()
        for pipe, capture in zip(self._pipes, (self.stdout, self.stderr), strict=True):
            _drain_now(pipe, capture)
            os.close(pipe)
        self.secrets.read_now()
        self.secrets.close()

    async def _feed(self, text: str) -> None:
        stream = self.process.stdin
        if stream is None:
            return
        try:
            await stream.send(text.encode("utf-8", errors="surrogateescape"))
            await stream.aclose()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            return  # a command need not read all of its input


def new_trace_id() -> str:
    """Return a new id ``YYYYMMDD-HHMMSS-xxxx`` (UTC), which sorts by time and is short enough to type."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make_redactor(config: ProjectConfig, request: RunRequest) -> Redactor:
    """Return a redactor that knows the secrets in the command's environment and input."""
    redactor = Redactor(config.redact, max_learned=_MAX_LEARNED)
    redactor.learn_environment({**os.environ, **request.env})
    if request.stdin:
        redactor.redact_text(request.stdin[:_MAX_SEARCHED_STDIN_CHARS])  # for the secrets that it learns
    return redactor


def redacted_cwd(request: RunRequest, redactor: Redactor) -> str:
    """Return the folder of a command as its trace has it."""
    # A folder name may hold bytes that are not UTF-8, which the database cannot store.
    return redactor.redact_text(os.fsencode(request.cwd).decode("utf-8", errors="replace"))


def given_to_command(request: RunRequest, redactor: Redactor) -> dict[str, Any]:
    """Return the variables, the input and the probes of a command, redacted, as far as it was given any."""
    given: dict[str, Any] = {}
    if request.env:
        words = [redactor.redact_command([f"{name}={value}"])[0] for name, value in request.env.items()]
        given["env"] = {
            name: word.removeprefix(f"{name}=") if word.startswith(f"{name}=") else REDACTED
            for name, word in zip(request.env, words, strict=True)
        }
    if request.stdin is not None:
        # A longer text is no part of a call that is proposed; that there was one must be known.
        is_short = len(request.stdin) <= MAX_KEPT_STDIN_CHARS
        given["stdin"] = redactor.redact_text(request.stdin) if is_short else None
    if request.probes:
        given["probes"] = [each.shown(redactor) for each in request.probes]
    return given


def make_spool(parent: Path) -> tuple[str, Path]:
    """Make a spool folder under a new trace id; return both.

    Raises:
        BreadcrumbError: The folder cannot be made.
    """
    make_private_folder(parent, hint=f"{parent} is to be a folder: move what is in its way away.")
    while True:
        trace_id = new_trace_id()
        try:
            (parent / trace_id).mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            continue
        except OSError as error:
            hint = hint_for(error, "Look at the rights of that folder.")
            raise BreadcrumbError(f"Cannot make a folder in {parent}.", why=str(error), hint=hint) from error
        return trace_id, parent / trace_id


def write_tracer_config(
    spool: Path,
    trace_id: str,
    config: ProjectConfig,
    request: RunRequest,
    *,
    only_lines: bool = False,
    program_lines: bool = False,
    passed_lines: Mapping[str, Collection[int]] | None = None,
) -> None:
    """Write the settings for the tracer into the spool folder, and make the pipe for secrets beside them.

    Args:
        spool: The spool folder.
        trace_id: The id of the trace.
        config: The settings of the project.
        request: The checked command.
        only_lines: Whether nothing but the executed lines of tests is recorded.
        program_lines: Whether the executed lines of a program without tests are recorded.
        passed_lines: By file, the lines that passing tests executed in a first pass.
    """
    settings: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "trace_id": trace_id,
        "project": config.project,
        "workspace": str(config.workspace_folder()) if config.workspace else None,
        "include": list(config.include),
        "exclude": list(config.exclude),
        "capture": request.capture.model_dump() | {"lines": [*request.capture.lines, *request.further_lines]},
        "redact": list(config.redact),
        "backend": config.backend,
        "probes": [each.settings() for each in request.probes],
        "suspects": request.suspects,
        "only_lines": only_lines,
        "program_lines": program_lines,
        "passed_lines": {file: sorted(lines) for file, lines in (passed_lines or {}).items()},
    }
    file = spool / CONFIG_FILE
    file.touch(FILE_MODE)
    file.write_bytes(marshal.dumps(settings, 2))
    os.mkfifo(spool / SECRETS_FIFO, FILE_MODE)


def child_environment(request: RunRequest, spool: Path | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the command, with the tracer switched on if there is a spool folder."""
    environment = {**inherited, **request.env}
    environment.pop(ENV_TRACE, None)  # set if the server itself is traced, into another spool
    if spool is not None:
        environment[ENV_TRACE] = str(spool)
        # An empty part would put the current folder on the program's sys.path.
        parts = [str(inject_folder()), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(part for part in parts if part)
    return environment


def inject_folder() -> Path:
    """Return the folder with the tracer's ``sitecustomize``, without importing the tracer.

    Raises:
        BreadcrumbError: The tracer is not installed beside the server.
    """
    spec = importlib.util.find_spec("breadcrumb")
    folder = Path(spec.origin).parent / "_inject" if spec and spec.origin else None
    if folder is None or not (folder / "sitecustomize.py").is_file():
        raise BreadcrumbError(
            "The tracer is not installed beside the server.",
            why=f"No sitecustomize.py in {folder}." if folder else "The package 'breadcrumb' cannot be found.",
            hint="Reinstall the package: pip install --force-reinstall breadcrumb-mcp",
        )
    return folder


def check_allowed(request: RunRequest) -> None:
    """Refuse a command that this server does not allow.

    Raises:
        NotAllowed: Says what is allowed instead.
    """
    allowed = restrictions.current()
    allowed.check_command(request.command, request.env, request.cwd, has_probes=bool(request.probes))


async def launch(request: RunRequest, environment: dict[str, str], spool: Path, redactor: Redactor) -> TracedCommand:
    """Start the command in a new session, so that it and its children can be signalled together.

    Raises:
        BreadcrumbError: The command cannot be started: not found, not executable, a bad interpreter line; or this
            server does not allow it.
    """
    check_allowed(request)
    # With asyncio's own pipes, wait() would not return while a grandchild holds one open
    # (gh-119710, Python 3.11 and early 3.12).
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    try:
        process = await reaper.start(
            request.command,
            has_input=request.stdin is not None,
            outputs=(out_write, err_write),
            cwd=request.cwd,
            environment=environment,
        )
    except (OSError, ValueError) as error:
        os.close(out_read)
        os.close(err_read)
        raise _start_error(request, environment, redactor, error) from error
    finally:
        os.close(out_write)
        os.close(err_write)
    for pipe in (out_read, err_read):
        os.set_blocking(pipe, False)
    return TracedCommand(process, spool, redactor, (out_read, err_read))


def _start_error(
    request: RunRequest, environment: Mapping[str, str], redactor: Redactor, error: Exception
) -> BreadcrumbError:
    words = redactor.redact_command(request.command)
    what = f"The command could not be started: {shlex.join(words)[:500]}"
    path = request.cwd / request.command[0] if "/" in request.command[0] else None
    program = words[0]
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENOENT and path is not None and path.exists():
        with path.open("rb") as stream:
            first_line = stream.readline(200).decode("utf-8", errors="replace").strip()
        return BreadcrumbError(
            what,
            why=f"The interpreter in its first line does not exist: {first_line!r}.",
            hint=f'Name the interpreter yourself: ["python", "{program}"].',
        )
    if code == errno.ENOENT:
        searched = f"in {path}" if path else f"on PATH ({environment.get('PATH', 'not set')[:300]})"
        hint = 'Give the path of the program, or an interpreter: ["python3", "script.py"].'
        if any(mark in program for mark in "|&;<>$") or " " in program:
            hint = 'No shell runs the command. For shell syntax use ["sh", "-c", "..."].'
        return BreadcrumbError(what, why=f"There is no program {program!r} {searched}.", hint=hint)
    if code == errno.EACCES:
        return BreadcrumbError(
            what,
            why=f"{program!r} is not executable (or is a folder).",
            hint=f'For a Python script: ["python", "{program}"]. Otherwise chmod +x it.',
        )
    if code == errno.ENOEXEC:
        return BreadcrumbError(
            what,
            why=f"{program!r} is neither a program nor a script with an interpreter line (#!).",
            hint=f'Name the interpreter: ["python", "{program}"].',
        )
    if code == errno.E2BIG:
        return BreadcrumbError(
            what, why="Command and environment together are too long for the system.", hint="Pass large data by stdin."
        )
    return BreadcrumbError(what, why=str(error))


async def _drain(pipe: int, capture: OutputCapture) -> None:
    while True:
        await anyio.wait_readable(pipe)
        try:
            data = os.read(pipe, _READ_BYTES)
        except BlockingIOError:
            continue
        if not data:
            return
        capture.feed(data)


def _drain_now(pipe: int, capture: OutputCapture) -> None:
    try:
        while data := os.read(pipe, _READ_BYTES):
            capture.feed(data)
    except BlockingIOError:
        return
