from __future__ import annotations

import sys

import anyio
import pytest

from breadcrumb_server.runs import process_group

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

PYTHON = sys.executable


async def run(session, *command: str, **arguments):
    """Run a command in the project; return its report."""
    return await session.ok("run", project="shop", command=list(command), **{"timeout_seconds": 60, **arguments})


@pytest.mark.parametrize(
    ("code", "status", "exit_code", "signal"),
    [
        ("print('done')", "completed", 0, None),
        ("raise SystemExit(3)", "failed", 3, None),
        ("{}['gone']", "failed", 1, None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed", None, "SIGSEGV"),
    ],
)
async def test_the_report_says_how_the_command_ended(shop, code, status, exit_code, signal) -> None:
    report = await run(shop, PYTHON, "-c", code)
    assert (report["status"], report["exit_code"], report["signal"]) == (status, exit_code, signal)
    whole = await shop.ok("get_trace", project="shop", trace_id=report["trace_id"])
    assert (whole["status"], whole["exit_code"], whole["signal"]) == (status, exit_code, signal)


async def test_the_report_of_a_key_error_in_nested_packages_has_the_values(shop, write) -> None:
    for package in ("shop", "shop/orders", "shop/orders/tax"):
        write(f"{package}/__init__.py")
    write("shop/orders/tax/rates.py", "RATES = {'FR': 20}\ndef rate(region):\n    return RATES[region]\n")
    write(
        "shop/orders/lines.py", "from .tax.rates import rate\ndef line(net, region):\n    return net * rate(region)\n"
    )
    write(
        "shop/bill.py",
        "from .orders.lines import line\ndef bill(nets, region):\n    return [line(n, region) for n in nets]\n",
    )
    write("main.py", "from shop.bill import bill\ndef main():\n    bill([5], 'XX')\nmain()\n")
    await shop.ok("edit_config", project="shop", add_include=["shop.*"])
    report = await run(shop, PYTHON, "main.py")
    exception = report["exceptions"][0]
    assert (exception["type"], exception["message"]) == ("KeyError", "'XX'")
    assert exception["raised_at"] == "shop/orders/tax/rates.py:3 rate"
    chain = "\n".join(exception["calls"])
    for text in ("main()", "bill(nets=[5], region='XX')", "line(net=5, region='XX')", "rate(region='XX')"):
        assert text in chain


async def test_the_command_gets_its_input_environment_and_folder(shop, workspace) -> None:
    (workspace / "sub").mkdir()
    code = "import os, sys; print(sys.stdin.read(), os.environ['COLOUR'], os.getcwd()); print('bad', file=sys.stderr)"
    report = await run(shop, PYTHON, "-c", code, stdin="text in", env={"COLOUR": "blue"}, cwd="sub", label="a label")
    assert report["stdout_tail"].strip() == f"text in blue {workspace / 'sub'}"
    assert report["stderr_tail"].strip() == "bad"
    assert report["label"] == "a label"


async def test_a_command_need_not_read_its_input(shop) -> None:
    report = await run(shop, PYTHON, "-c", "pass", stdin="x" * 1_000_000)
    assert report["status"] == "completed"


async def test_without_stdin_the_input_is_empty(shop) -> None:
    assert (await run(shop, PYTHON, "-c", "print(repr(input()))"))["exit_code"] == 1


async def test_secrets_are_redacted_in_command_output_and_label(shop, home) -> None:
    secret = "s3cr3t-v4lue-0001"
    report = await run(
        shop,
        PYTHON,
        "-c",
        "import os; print('value', os.environ['MY_API_KEY'], flush=True); print(os.environ['MY_API_KEY'][::-1])",
        f"--password={secret}",
        env={"MY_API_KEY": secret},
        label=f"with {secret}",
    )
    assert report["stdout_tail"].splitlines()[0] == "value [REDACTED]"
    assert secret not in str(report)
    for file in home.folder.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


async def test_a_secret_learned_in_the_program_is_redacted_in_its_output(shop, write) -> None:
    write(
        "main.py",
        "def login(password):\n    return len(password)\n"
        "word = 'open-' + 'sesame-77'\nlogin(word)\nprint('logging in with', word)\n",
    )
    report = await run(shop, PYTHON, "main.py")
    assert report["stdout_tail"].strip() == "logging in with [REDACTED]"


async def test_a_long_command_can_be_queried_awaited_and_stopped(shop, hanging, gate) -> None:
    report = await run(shop, *hanging, wait_seconds=0)
    assert report["status"] == "running"
    await gate.message()
    again = await shop.ok("wait_for_run", project="shop", trace_id=report["trace_id"][-4:], wait_seconds=0)
    assert again["status"] == "running"
    calls = await shop.ok("get_calls", project="shop", function="wait")
    assert [row[calls["columns"].index("outcome")] for row in calls["rows"]] == ["unfinished"]
    stopped = await shop.ok("stop_run", project="shop", trace_id=report["trace_id"])
    assert (stopped["status"], stopped["signal"]) == ("stopped", "SIGTERM")
    assert "It was stopped by stop_run." in stopped["warnings"]


async def reports_so_far(shop, *command: str) -> list[dict]:
    """Run a command that goes on; return what each tool reports of it once it has paused."""
    first = await run(shop, *command, wait_seconds=0)
    about = {"project": "shop", "trace_id": first["trace_id"]}
    with anyio.fail_after(60):
        while "pause" not in (report := await shop.ok("get_trace", **about)).get("stderr_tail", ""):
            pass
    return [report, await shop.ok("wait_for_run", **about, wait_seconds=0)]


async def test_the_output_of_a_running_program_is_in_every_report_on_it(shop, write, home) -> None:
    write(
        "serve.py",
        "import signal, sys\n"
        "print('Listening on', 8000, flush=True)\n"
        "sys.stdout.write('ready')\nsys.stdout.flush()\n"
        "print('pause', file=sys.stderr, flush=True)\nsignal.pause()\n",
    )
    for report in await reports_so_far(shop, PYTHON, "serve.py"):
        assert report["status"] == "running"
        assert (report["stdout_tail"], report["stderr_tail"]) == ("Listening on 8000\nready", "pause")
    # A secret in it may be learned only later: nothing of it is on the disk yet.
    assert not [file for file in home.folder.rglob("*") if file.is_file() and b"Listening on" in file.read_bytes()]
    stopped = await shop.ok("stop_run", project="shop", trace_id=report["trace_id"])
    assert (stopped["stdout_tail"], stopped["stderr_tail"]) == ("Listening on 8000\nready", "pause")


@pytest.mark.parametrize("written", [5, 9, 16], ids=["cut", "cut later", "whole"])
async def test_a_secret_learned_in_a_running_program_is_not_shown_even_in_part(shop, write, written) -> None:
    write(
        "main.py",
        "import signal, sys\ndef login(password):\n    return len(password)\n"
        "word = 'open-' + 'sesame 7711'\nlogin(word)\n"
        f"sys.stdout.write('logging in with ' + word[:{written}])\nsys.stdout.flush()\n"
        "print('pause', file=sys.stderr, flush=True)\nsignal.pause()\n",
    )
    for report in await reports_so_far(shop, PYTHON, "main.py"):
        assert "logging in with" in report["stdout_tail"]
        assert "open" not in report["stdout_tail"] and "same" not in report["stdout_tail"]


SERVER = """
import http.server, sys, threading, urllib.error, urllib.request

PRICES = {"apple": 3}

def price(name):
    return PRICES[name]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            body = str(price(self.path.strip("/")))
        except Exception:
            self.send_error(500)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass

def ask(server):
    for name in ("apple", "pear"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{name}").read()
        except urllib.error.HTTPError as error:
            print("pause after", error.code, file=sys.stderr, flush=True)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=ask, args=(server,), daemon=True).start()
server.serve_forever()
"""


async def test_what_made_a_running_server_answer_with_a_500_is_in_the_report(shop, write) -> None:
    write("serve.py", SERVER)
    for report in await reports_so_far(shop, PYTHON, "serve.py"):
        assert report["stderr_tail"] == "pause after 500"
        rows = report["handled_exceptions"]["rows"]
        assert ["KeyError", "serve.py:7 price", 1, "'pear'", "__main__:Handler.do_GET:13"] in rows
        assert report["next"][0].startswith("find_exceptions(")
    found = await shop.ok("find_exceptions", project="shop", trace_id=report["trace_id"], type="KeyError")
    assert "price(name='pear')" in str(found)


async def test_waiting_reports_increasing_progress(shop, hanging, gate) -> None:
    await run(shop, *hanging, wait_seconds=2.5)
    assert len(shop.progress) >= 2
    assert shop.progress == sorted(set(shop.progress))


async def test_stopping_an_ended_run_changes_nothing(shop) -> None:
    report = await run(shop, PYTHON, "-c", "pass")
    again = await shop.ok("stop_run", project="shop", trace_id=report["trace_id"])
    assert again["status"] == "completed"
    assert "nothing to stop" in again["report"]


async def test_a_timeout_ends_the_command_and_its_children(shop, write, gate) -> None:
    write("child.py", f"import os, time\nopen({str(gate.path)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    script = write("parent.py", "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'])\n")
    child: list[str] = []

    async def note_child() -> None:
        child.append(await gate.message())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note_child)
        report = await run(shop, PYTHON, str(script), timeout_seconds=2)
    assert report["status"] == "timeout"
    assert process_group.start_time(int(child[0])) is None


async def test_a_command_that_ignores_sigterm_is_killed(shop, write, gate) -> None:
    script = write(
        "deaf.py",
        f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen({str(gate.path)!r}, 'w').close()\n"
        "while True:\n    signal.pause()\n",
    )
    report = await run(shop, PYTHON, str(script), wait_seconds=0)
    await gate.message()
    stopped = await shop.ok("stop_run", project="shop", trace_id=report["trace_id"])
    assert (stopped["status"], stopped["signal"]) == ("stopped", "SIGKILL")


async def test_processes_that_outlive_the_command_are_ended_and_reported(shop, write, gate) -> None:
    write("child.py", f"import os, time\nopen({str(gate.path)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    script = write(
        "parent.py",
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, 'child.py'], start_new_session=True)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n",
    )
    child: list[str] = []

    async def note_child() -> None:
        child.append(await gate.message())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note_child)
        report = await run(shop, PYTHON, str(script))
    assert report["status"] == "completed"
    assert "outlived it" in str(report["warnings"])
    assert process_group.start_time(int(child[0])) is None


async def test_the_spool_is_removed_after_the_run(shop, home) -> None:
    await run(shop, PYTHON, "-c", "pass")
    assert list(home.spool_folder("shop").iterdir()) == []


async def test_concurrent_runs_do_not_mix(shop) -> None:
    reports: list[dict] = []

    async def one(number: int) -> None:
        reports.append(await run(shop, PYTHON, "-c", f"print({number})"))

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(one, number)
    assert sorted(report["stdout_tail"].strip() for report in reports) == ["0", "1", "2", "3"]
    assert len({report["trace_id"] for report in reports}) == 4


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", "The command is empty"),
        ([], "The command is empty"),
        (["no-such-program-here"], "There is no program 'no-such-program-here' on PATH"),
        (["./gone.py"], "There is no program './gone.py' in"),
        (["./plain.txt"], "is not executable"),
        (["./bad_interpreter"], "does not exist: '#!/no/such/python'"),
        (["./no_interpreter"], "neither a program nor a script"),
        (["/"], "is not executable (or is a folder)"),
        ("ls|wc", 'command=["bash", "-c", "set -o pipefail; ls|wc"]'),
    ],
)
async def test_a_command_that_cannot_start_says_why_and_leaves_no_trace(shop, write, home, command, expected) -> None:
    write("plain.txt", "x")
    write("bad_interpreter", "#!/no/such/python\n").chmod(0o755)
    write("no_interpreter", "x = 1\n").chmod(0o755)
    assert expected in await shop.error("run", project="shop", command=command, timeout_seconds=5)
    assert (await shop.ok("list_traces", project="shop"))["rows"] == []
    spools = home.spool_folder("shop")
    assert not spools.exists() or list(spools.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"timeout_seconds": 0}, "timeout_seconds = 0"),
        ({"timeout_seconds": -3}, "timeout_seconds = -3"),
        ({"timeout_seconds": "NaN"}, "timeout_seconds"),
        ({"timeout_seconds": 1e15}, "a week"),
        ({"wait_seconds": -1}, "wait_seconds = -1"),
        ({"cwd": "/nowhere/at/all"}, "cwd does not exist: /nowhere/at/all"),
        ({"env": {"A=B": "x"}}, "a variable named 'A=B'"),
        ({"capture": {"mode": "never"}}, "must be one of 'adaptive' or 'full'"),
        ({"label": "x" * 201}, "at most 200"),
    ],
)
async def test_an_invalid_argument_is_refused(shop, arguments, expected) -> None:
    given = {"command": ["true"], "timeout_seconds": 5, **arguments}
    assert expected in await shop.error("run", project="shop", **given)
    assert (await shop.ok("list_traces", project="shop"))["rows"] == []


@pytest.mark.parametrize("tool", ["wait_for_run", "stop_run", "get_trace"])
async def test_an_unknown_or_ambiguous_trace_id_is_refused(shop, tool) -> None:
    first = (await run(shop, "true"))["trace_id"]
    await run(shop, "true")
    extra = {"wait_seconds": 0} if tool == "wait_for_run" else {}
    unknown = await shop.error(tool, project="shop", trace_id="20000101-000000-dead", **extra)
    assert first in unknown
    ambiguous = await shop.error(tool, project="shop", trace_id="20", **extra)
    assert first in ambiguous


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM tracez", "traces"),
        ("SELEC 1", "syntax error"),
        ("DROP TABLE traces", ""),
        ("SELECT 1; SELECT 2", ""),
        ("COPY traces TO '/tmp/x.csv'", ""),
        ("SELECT * FROM read_text('/etc/passwd')", ""),
    ],
)
async def test_sql_that_is_invalid_or_does_not_only_read_is_refused(shop, sql, expected) -> None:
    error = await shop.error("query_traces", project="shop", sql=sql)
    assert expected in error and len(error) > 40


async def test_the_report_says_why_the_command_was_not_traced(shop) -> None:
    report = await run(shop, PYTHON, "-I", "-c", "pass")
    assert "started with -I" in str(report["not_traced"])
    assert "not a Python program" in str((await run(shop, "true"))["not_traced"])


async def test_a_disabled_project_runs_commands_without_the_tracer(shop) -> None:
    await shop.ok("edit_config", project="shop", set={"enabled": False})
    report = await run(shop, PYTHON, "-c", "import os; print('BREADCRUMB_TRACE' in os.environ)")
    assert report["stdout_tail"].strip() == "False"
    assert "switched off" in str(report["not_traced"])


async def test_capture_settings_of_a_run_leave_the_config_unchanged(shop, write) -> None:
    write("main.py", "def f(x):\n    return x\nfor i in range(5):\n    f(i)\n")
    await run(shop, PYTHON, "main.py", capture={"mode": "full", "max_value_chars": 100})
    assert (await shop.ok("get_config", project="shop"))["config"]["capture"]["mode"] == "adaptive"


async def test_an_inherited_python_path_is_kept_and_an_empty_one_adds_nothing(shop, workspace, monkeypatch) -> None:
    code = "import sys, os; print(os.environ['PYTHONPATH'].count(os.pathsep), '' in sys.path[1:])"
    monkeypatch.setenv("PYTHONPATH", "")
    assert (await run(shop, PYTHON, "-c", code))["stdout_tail"].strip() == "0 False"
    kept = await run(shop, PYTHON, "-c", "import sys; print(sys.path)", env={"PYTHONPATH": str(workspace / "lib")})
    assert str(workspace / "lib") in kept["stdout_tail"]


async def test_cancelling_the_call_stops_the_command(shop, hanging, gate) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def start() -> None:
                await run(shop, *hanging)

            tasks.start_soon(start)
            pid = int(await gate.message())
            scope.cancel()
    while process_group.start_time(pid) is not None:
        await anyio.lowlevel.checkpoint()
    listed = await shop.ok("list_traces", project="shop")
    trace_id = listed["rows"][0][listed["columns"].index("trace_id")]
    report = await shop.ok("wait_for_run", project="shop", trace_id=trace_id, wait_seconds=30)
    assert report["status"] == "stopped"
    assert "the call that started it was cancelled" in str(report["warnings"])


async def test_runs_end_when_the_client_disconnects(server, workspace, hanging, gate) -> None:
    from mcp import Client

    async with Client(server, mode="legacy") as client:
        await client.call_tool("init_project", {"project": "shop", "workspace": str(workspace)})
        command = {"project": "shop", "command": hanging, "timeout_seconds": 60, "wait_seconds": 0}
        started = (await client.call_tool("run", command)).structured_content
        assert started is not None
        trace_id = started["trace_id"]
        pid = int(await gate.message())
    assert process_group.start_time(pid) is None
    async with Client(server, mode="legacy") as client:
        result = await client.call_tool("get_trace", {"project": "shop", "trace_id": trace_id})
        report = result.structured_content
        assert report is not None and report["status"] == "stopped"
        assert "its server was shut down while it ran" in str(report["warnings"])
        assert any(line.startswith("  hang.py:") and line.endswith(" wait") for line in report["stacks"])
