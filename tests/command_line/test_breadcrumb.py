"""Test the shell command `breadcrumb`: its commands, formats, errors and exit codes."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest

from gates import Gate


def test_a_project_is_made_of_the_code_in_this_folder(breadcrumb, shop, home) -> None:
    answer = breadcrumb("init", "myproject").answer
    assert answer["created"] and answer["config"]["workspace"] == str(shop)
    assert "*.py" in answer["config"]["include"]
    assert (home / "myproject.yaml").exists()


def test_a_run_is_reported_and_asked(recorded) -> None:
    (row,) = recorded("list", "-c", "myproject", "--limit", "10").answer["rows"]
    trace_id = row[0]
    assert recorded("get", "-c", "myproject", trace_id).answer["status"] == "completed"
    assert recorded("exceptions", "-c", "myproject", "--since", "1h").answer["exceptions"][0]["type"] == "TypeError"
    assert recorded("performance", "-c", "myproject", "total").answer["functions"]["rows"][0][0].endswith(":total")
    assert recorded("query", "-c", "myproject", "--call", "half").answer["total"] == 3
    assert "total" in recorded("query", "-c", "myproject", "--flow").out
    assert "half" in recorded("query", "-c", "myproject", "--flow", "--module", "__main__").out
    assert recorded("query", "-c", "myproject", "--gaps").answer["project"] == "myproject"
    assert recorded("query", "-c", "myproject", "--value", "0.5").answer["total"] == 1
    counted = recorded("query", "-c", "myproject", "--sql", "SELECT count(*) AS runs FROM traces").answer
    assert (counted["columns"], counted["rows"]) == (["runs"], [[1]])


def test_the_source_of_a_function_is_shown_and_its_lines_come_with_the_next_run(recorded, breadcrumb) -> None:
    first = recorded("show", "-c", "myproject", "half", "--where", '{"outcome": "raised"}').answer
    assert "!! TypeError" in first["text"] and "the next run records them" in first["notes"][0]
    breadcrumb("run", "-c", "myproject", "--timeout", "60", sys.executable, "script.py")
    second = breadcrumb("show", "-c", "myproject", "half").answer
    assert "notes" not in second and "#" in second["text"].partition("\n")[2]


def test_the_history_of_a_name_a_value_and_an_exception_is_told(recorded, breadcrumb) -> None:
    first = recorded("find", "-c", "myproject", "found").answer
    assert (
        "total script.py: set or changed at 8, 11" in first["text"] and "the next run records them" in first["notes"][0]
    )
    breadcrumb("run", "-c", "myproject", "--timeout", "60", sys.executable, "script.py")
    second = breadcrumb("find", "-c", "myproject", "found", "--of", "total")
    assert "found += half(number)  # found=0.5 | 1.5" in second.answer["text"]
    assert "returned 0.5" in breadcrumb("find", "-c", "myproject", "--value", "0.5").answer["text"]
    assert (
        "handled by total script.py:12" in breadcrumb("find", "-c", "myproject", "--exception", "Type*").answer["text"]
    )
    refused = breadcrumb("find", "-c", "myproject", "found", "--value", "1")
    assert refused.code == 2 and "exactly one of NAME, --value and --exception, not NAME and --value" in refused.err


def test_probes_are_given_by_place_and_expression(breadcrumb, processes) -> None:
    breadcrumb("init", "myproject")
    probes = [("half entry", "number"), ("half entry", "dict(a=number, b=1)"), ("half return", "")]
    words = [word for probe in probes for word in ("--probe", *probe)]
    answer = breadcrumb("run", "-c", "myproject", *words, "python", "script.py").answer
    assert "probes" in answer and "traced" not in answer
    entry, _, ends = answer["probes"].partition("half return")
    assert "number=" in entry and "dict(a=number, b=1)={'a': " in entry and "->" in ends and "!! TypeError" in ends
    refused = breadcrumb("run", "-c", "myproject", "--probe", "half", "number", "python", "script.py")
    assert refused.code and "'half' cannot be understood" in refused.err


def test_the_flow_around_an_exception_is_asked_by_its_number(recorded) -> None:
    assert "half" in recorded("query", "-c", "myproject", "--flow", "--exception", "1").out


def test_a_switched_off_project_says_how_to_switch_it_on_in_words_of_the_shell(breadcrumb, processes) -> None:
    breadcrumb("init", "myproject")
    breadcrumb("config", "edit", "myproject", "--set", "enabled=false")
    answer = breadcrumb("run", "-c", "myproject", "--timeout", "60", "python", "script.py").answer
    assert "breadcrumb config edit myproject --set enabled=true" in " ".join(answer["not_traced"])


def test_conditions_narrow_the_calls_down(recorded) -> None:
    where = '{"outcome": "raised"}'
    assert recorded("query", "-c", "myproject", "--call", "half", "--where", where).answer["total"] == 1


def test_a_database_is_asked_by_its_path(recorded, home) -> None:
    file = home / "myproject-traces.duckdb"
    assert recorded("list", "--db-path", str(file)).answer["total"] == 1
    assert recorded("query", "--db-path", str(file), "--call", "half").answer["total"] == 3


def test_settings_are_shown_and_changed(breadcrumb) -> None:
    breadcrumb("init", "myproject")
    words = ["config", "edit", "myproject", "--add-include", "mymodule.*", "--set", "capture.max_depth=6"]
    config = breadcrumb(*words).answer["config"]
    assert "mymodule.*" in config["include"] and config["capture"]["max_depth"] == 6
    assert breadcrumb("config", "show", "myproject").answer["config"] == config
    assert breadcrumb("config", "list").answer["projects"]["rows"][0][0] == "myproject"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["python", "script.py"], 0),
        (["python", "script.py", "7"], 7),
        (["python", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], 128 + signal.SIGKILL),
        (["--timeout", "0.2", "python", "-c", "import threading; threading.Event().wait()"], 124),
    ],
)
def test_the_exit_code_is_that_of_the_command(breadcrumb, command, code) -> None:
    breadcrumb("init", "myproject")
    assert breadcrumb("run", "-c", "myproject", *command).code == code


@pytest.mark.processes
def test_options_of_the_command_are_left_to_it(breadcrumb) -> None:
    breadcrumb("init", "myproject")
    answer = breadcrumb(
        "run", "-c", "myproject", "python", "-c", "import sys; print(sys.argv)", "-c", "--format"
    ).answer
    assert answer["stdout_tail"] == "['-c', '-c', '--format']"


@pytest.mark.processes
def test_variables_input_folder_label_and_lines_reach_the_run(breadcrumb, shop, tmp_path) -> None:
    breadcrumb("init", "myproject")
    (tmp_path / "input").write_text("from the file\n")
    (shop / "inner").mkdir()
    words = ["--env", "WHO=me", "--stdin", str(tmp_path / "input"), "--cwd", "inner", "--label", "first"]
    code = "import os; print(os.environ['WHO'], input(), os.path.basename(os.getcwd()))"
    answer = breadcrumb("run", "-c", "myproject", *words, "--mode", "full", "python", "-c", code).answer
    assert (answer["stdout_tail"], answer["label"]) == ("me from the file inner", "first")
    breadcrumb("run", "-c", "myproject", "--lines", "total", "python", "script.py")
    calls = breadcrumb("query", "-c", "myproject", "--call", "total").answer
    assert "found" in str(calls["lines"])


@pytest.mark.processes
def test_an_interrupted_run_is_stopped_and_reported(breadcrumb, home, shop, gate: Gate) -> None:
    breadcrumb("init", "myproject")
    (shop / "waits.py").write_text(
        f"open({str(gate.path)!r}, 'w').close()\nimport threading\nthreading.Event().wait()\n"
    )
    words = [sys.executable, "-m", "breadcrumb_server.command_line", "run", "-c", "myproject", "python", "waits.py"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        gate.path.read_text()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert '"status": "stopped"' in out and "waits.py" in out, err
    assert (process.returncode, err) == (128 + signal.SIGTERM, "")


@pytest.mark.processes
def test_a_terminal_shows_how_far_a_run_is_and_a_pipe_does_not(breadcrumb, shop, gate: Gate) -> None:
    breadcrumb("init", "myproject")
    start_child = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)"
    (shop / "waits.py").write_text(f"{start_child}\nopen({str(gate.path)!r}).read()\nchild.communicate(b'\\n')\n")
    words = [sys.executable, "-m", "breadcrumb_server.command_line", "run", "-c", "myproject", "python", "waits.py"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while b"2 processes" not in seen:
            seen += os.read(ours, 1000)
        gate.path.write_text("")
        process.communicate()
    os.close(ours)
    assert re.search(rb"\r\x1b\[K\S+ runs for \d+ s, \d+ calls recorded in 2 processes", seen)
    assert process.returncode == 0


def test_a_table_is_for_people(recorded) -> None:
    out = recorded("query", "-c", "myproject", "--call", "half", "--format", "table").out
    assert re.search(r"__main__:half +number=None +raised TypeError", out) or "number=None" in out
    assert "{" not in out.split("\n")[0]


@pytest.mark.parametrize("question", [["exceptions"], ["query", "--flow"], ["performance"]])
def test_proposals_are_commands_of_the_shell_that_answer(recorded, question) -> None:
    proposed = recorded(*question, "-c", "myproject").answer["next"]
    assert proposed
    for line in proposed:
        program, command, *words = shlex.split(line)
        assert program == "breadcrumb"
        assert command == "run" or recorded(command, *words).code == 0


def test_a_flow_is_narrowed_to_a_thread_by_its_name_or_number_and_to_a_process(recorded) -> None:
    flow = ["query", "-c", "myproject", "--flow"]
    whole = recorded(*flow).answer["text"]
    for there in (["--thread", "MainThread"], ["--thread", "0"], ["--process", "0"]):
        assert recorded(*flow, *there).answer["text"] == whole, there
    for elsewhere in (["--thread", "worker"], ["--thread", "7"], ["--process", "7"]):
        assert recorded(*flow, *elsewhere).answer["text"] == "", elsewhere
    assert "half" in recorded(*flow, "--at", "0").out + recorded(*flow, "--exception", "1").out


def test_an_answer_about_a_file_proposes_nothing_that_needs_a_project(recorded, home) -> None:
    file = home / "myproject-traces.duckdb"
    recorded("run", "-c", "myproject", "python", "-c", "import json; json.dumps({})")
    about_a_project = recorded("query", "-c", "myproject", "--gaps").answer
    about_a_file = recorded("query", "--db-path", str(file), "--gaps").answer
    assert about_a_project["edit_config"].startswith("breadcrumb config edit myproject")
    assert "edit_config" not in about_a_file and "edit_config" not in str(about_a_file["next"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["query", "--gaps"], "Give -c PROJECT, or --db-path FILE"),
        (["query", "-c", "p"], "exactly one of --gaps, --call"),
        (["query", "-c", "p", "--gaps", "--flow"], "not --gaps and --flow"),
        (["query", "-c", "p", "--gaps", "--module", "m"], "--module: only with --flow"),
        (["query", "-c", "p", "--gaps", "--where", "{}"], "--where goes with --call"),
        (["query", "-c", "p", "--call", "f", "--where", "{"], "no JSON"),
        (["query", "-c", "p", "--call", "f", "--where", "[]"], "a JSON object is needed"),
        (["run", "-c", "p"], "Missing argument 'COMMAND...'"),
        (["run", "-c", "p", "--env", "SECRET", "true"], "NAME=VALUE is needed"),
        (["config", "edit", "p", "--set", "x"], "is not KEY=VALUE"),
        (["config", "edit", "p", "--set", "x=["], "is no YAML"),
        (["list", "--db-path", "missing.duckdb"], "does not exist"),
        (["lst"], "No such command 'lst'"),
    ],
)
def test_wrong_usage_says_what_is_right(breadcrumb, words, message) -> None:
    done = breadcrumb(*words)
    assert (done.code, done.out) == (2, "")
    assert message in " ".join(done.err.split())


def test_an_error_names_the_command_that_helps(breadcrumb) -> None:
    done = breadcrumb("list", "-c", "nobody")
    assert (done.code, done.out) == (1, "")
    assert "There is no project 'nobody'" in done.err and "breadcrumb init nobody" in done.err
    assert "Traceback" not in done.err


def test_a_name_that_no_project_may_have_is_not_proposed(breadcrumb) -> None:
    done = breadcrumb("query", "-c", "my/shop", "--gaps")
    assert done.code == 1 and "'my/shop' is not a project name" in done.err
    assert "Try 'my-shop'; breadcrumb config list" in done.err


def test_a_project_that_is_set_up_again_for_the_same_folder_has_lost_nothing_to_tell(breadcrumb, tmp_path) -> None:
    breadcrumb("init", "myproject")
    assert breadcrumb("init", "myproject").answer["notes"] == ["the project exists and was not changed"]
    elsewhere = breadcrumb("init", "myproject", "--workspace", str(tmp_path)).answer["notes"]
    assert "not applied: use breadcrumb config edit" in elsewhere[-1]


@pytest.mark.processes
def test_a_command_in_quotes_is_split_as_by_a_shell_and_its_shell_syntax_is_refused(breadcrumb) -> None:
    breadcrumb("init", "myproject")
    assert breadcrumb("run", "-c", "myproject", "python script.py 3").code == 3
    piped = breadcrumb("run", "-c", "myproject", "python script.py | sort")
    assert (piped.code, piped.out) == (1, "") and "breadcrumb run -c myproject" in piped.err


@pytest.mark.processes
def test_a_command_that_is_not_there_is_said_to_be_missing(breadcrumb) -> None:
    breadcrumb("init", "myproject")
    done = breadcrumb("run", "-c", "myproject", "no-such-command")
    assert (done.code, done.out) == (1, "")
    assert "no-such-command" in done.err and "Traceback" not in done.err


def test_a_file_that_is_no_database_is_said_to_be_none(breadcrumb, shop) -> None:
    done = breadcrumb("list", "--db-path", "script.py")
    assert done.code == 1 and "cannot be used" in done.err
    con = duckdb.connect(str(shop / "other.duckdb"))
    con.execute("CREATE TABLE theirs (a INTEGER)")
    con.close()
    done = breadcrumb("list", "--db-path", "other.duckdb")
    assert done.code == 1 and "not a Breadcrumb database" in done.err


@pytest.mark.processes
def test_a_reader_that_leaves_ends_it_quietly(recorded) -> None:
    command = f"{sys.executable} -m breadcrumb_server.command_line query -c myproject --sql 'SELECT repeat(1::VARCHAR, 100000) FROM range(20)' | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_the_version_and_the_help_are_printed(breadcrumb) -> None:
    assert breadcrumb("--version").out == f"breadcrumb, version {version('breadcrumb-mcp')}\n"
    for words in (["--help"], ["-h"], []):
        done = breadcrumb(*words)
        assert done.code == 0 and "breadcrumb run -c shop pytest -x" in done.out


@pytest.mark.processes
def test_the_help_loads_none_of_the_slow_libraries() -> None:
    code = (
        "import sys; from breadcrumb_server.command_line.breadcrumb import main; main(['run', '--help']); "
        "print([name for name in ('mcp', 'duckdb', 'pydantic', 'anyio', 'yaml', 'rich') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


@pytest.mark.processes
def test_no_answer_needs_the_library_of_the_protocol(recorded) -> None:
    code = (
        "import sys; from breadcrumb_server.command_line.breadcrumb import main; "
        "main(['list', '-c', 'myproject']); print('mcp' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False"


@pytest.mark.processes
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_completion_script(breadcrumb, shell) -> None:
    assert "_BREADCRUMB_COMPLETE" in breadcrumb("completion", shell).out


def test_projects_are_completed(breadcrumb, monkeypatch) -> None:
    for name in ("shop", "shelf", "cart"):
        breadcrumb("init", name)
    monkeypatch.setenv("_BREADCRUMB_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "breadcrumb list -c sh")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert breadcrumb().out.split() == ["plain,shelf", "plain,shop"]


def test_the_module_is_the_command() -> None:
    assert Path(sys.modules["breadcrumb_server"].__path__[0], "command_line", "__main__.py").exists()
