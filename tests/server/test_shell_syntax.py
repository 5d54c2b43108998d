"""Shell syntax in a command is refused with the call that does the same; what only looks like it is an argument."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.request import RunRequest, make_request
from breadcrumb_server.runs.shell.expansion import MAX_FILES, Surroundings
from breadcrumb_server.runs.shell.rewrite import Instead, without_shell
from breadcrumb_storage.errors import BreadcrumbError
from proposed_calls import call_of

# What the program is started with, for comparison.
SEEN = """
import json, os, sys
names = ("FOO", "BAR", "PYTHONPATH")
given = {name: os.environ[name] for name in names if name in os.environ}
print(json.dumps([sys.argv[1:], os.getcwd(), given, sys.stdin.read()]))
"""


@pytest.fixture
def project(workspace: Path) -> ProjectConfig:
    for name in ("seen.py", "src/seen.py", "src/deep/seen.py"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(SEEN)
    for name in ("tests/test_a.py", "tests/test_b.py", "env.sh", "in.txt", "a file.txt"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text("")
    binaries = workspace / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    (binaries / "activate").write_text(f"PATH={shlex.quote(str(binaries))}:$PATH\n")
    return ProjectConfig(project="shop", workspace=str(workspace))


def instead_of(project: ProjectConfig, command: Any, **arguments: Any) -> dict[str, Any]:
    """Return the arguments of the call that the refusal of a command proposes."""
    with pytest.raises(BreadcrumbError, match="shell syntax") as caught:
        make_request(project, command, 60, **arguments)
    tool, proposed = call_of(caught.value.why.removeprefix("Call instead: "))
    assert tool == "run"
    assert (proposed.pop("project"), proposed.pop("timeout_seconds")) == ("shop", 60)
    return proposed


def request_of(project: ProjectConfig, proposed: dict[str, Any]) -> RunRequest:
    """Make the proposed call; it must not be refused again."""
    given: dict[str, Any] = {name: proposed.get(name) for name in ("cwd", "env", "stdin")}
    return make_request(project, proposed["command"], 60, **given)


PYTHON = {"command": ["python", "app.py"]}

REWRITTEN = [
    ("cd src && python app.py", {**PYTHON, "cwd": "src"}),
    ("cd src; cd deep; python app.py", {**PYTHON, "cwd": "src/deep"}),
    ("cd src\npython app.py", {**PYTHON, "cwd": "src"}),
    ("FOO=1 BAR='a b' python app.py", {**PYTHON, "env": {"FOO": "1", "BAR": "a b"}}),
    ("export FOO=1 && python app.py", {**PYTHON, "env": {"FOO": "1"}}),
    ("set -e; python app.py", PYTHON),
    ("python app.py 2>&1", PYTHON),
    ("python app.py > /dev/null 2>&1", PYTHON),
    ("python app.py &> /dev/null", PYTHON),
    ("python app.py 2>/dev/null", PYTHON),
    ("python app.py 2>&1 | tail -n 20", PYTHON),
    ("python app.py|head", PYTHON),
    ("python app.py &", PYTHON),
    ("python app.py || true", PYTHON),
    ('python app.py; echo "exit code: $?"', PYTHON),
    ("python app.py  # as before", PYTHON),
    ("echo some text | python app.py", {**PYTHON, "stdin": "some text\n"}),
    ("python app.py <<< 'some text'", {**PYTHON, "stdin": "some text\n"}),
    ("python - <<'END' 2>&1\nprint('$FOO')\nEND\n", {"command": ["python", "-"], "stdin": "print('$FOO')\n"}),
    ("source .venv/bin/activate && python app.py", {"command": [".venv/bin/python", "app.py"]}),
    (". .venv/bin/activate; FOO=1 python app.py", {"command": [".venv/bin/python", "app.py"], "env": {"FOO": "1"}}),
    ("python -m pytest tests/test_*.py", {"command": ["python", "-m", "pytest", "tests/test_a.py", "tests/test_b.py"]}),
    ("python app.py $FOO/x", {"command": ["python", "app.py", "foo/x"]}),
    ('python app.py "${FOO}"', {"command": ["python", "app.py", "foo"]}),
    ("python app.py $UNSET", PYTHON),
    ("python app.py -c $FOO", {"command": ["python", "app.py", "-c", "foo"]}),
    ("python -X dev -c '$x' $FOO", {"command": ["python", "-X", "dev", "-c", "$x", "foo"]}),
    ("python app.py ~/x", {"command": ["python", "app.py", "/home/me/x"]}),
    ("cd src && python app.py '$FOO' '*.py'", {"command": "python app.py '$FOO' '*.py'", "cwd": "src"}),
    (["cd", "src", "&&", "python", "app.py"], {**PYTHON, "cwd": "src"}),
    (["FOO=a b", "python", "app.py"], {**PYTHON, "env": {"FOO": "a b"}}),
    (["python", "app.py", "2>&1", "|", "head", "-5"], PYTHON),
    (["python", "app.py", "&"], PYTHON),
    (["python", "app.py", "$FOO", "--in=$FOO/x"], {"command": ["python", "app.py", "foo", "--in=foo/x"]}),
    (["python", "app.py", "~/x"], {"command": ["python", "app.py", "/home/me/x"]}),
    (["python", "tests/*.py"], {"command": ["python", "tests/test_a.py", "tests/test_b.py"]}),
]  # fmt: skip


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOO", "foo")
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(("command", "proposed"), REWRITTEN)
def test_shell_syntax_is_refused_with_the_call_to_make(project, variables, command, proposed) -> None:
    assert instead_of(project, command) == proposed
    request_of(project, proposed)


# bash does what nothing else does, also if only a part of the command needs it.
@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python app.py > out.txt", "python app.py > out.txt"),
        ("cd src && python app.py >>out.txt 2>&1", "cd src && python app.py >>out.txt 2>&1"),
        ("python app.py>out.txt", "python app.py>out.txt"),
        ("python app.py < in.txt", "python app.py < in.txt"),
        ("python app.py | grep -c FAIL", "set -o pipefail; python app.py | grep -c FAIL"),
        ("python app.py $(cat in.txt)", "python app.py $(cat in.txt)"),
        ("python app.py `cat in.txt`", "python app.py `cat in.txt`"),
        ("python app.py ${FOO:-x}", "python app.py ${FOO:-x}"),
        ("python app.py {a,b}.txt", "python app.py {a,b}.txt"),
        ("diff <(python app.py) in.txt", "diff <(python app.py) in.txt"),
        ("python a.py && python app.py", "python a.py && python app.py"),
        ("python a.py;python app.py", "python a.py;python app.py"),
        ("source env.sh && python app.py", "source env.sh && python app.py"),
        ("for i in 1 2; do python app.py; done", "for i in 1 2; do python app.py; done"),
        ("(cd src && python app.py)", "(cd src && python app.py)"),
        (["python", "app.py", ">", "out.txt"], "python app.py >out.txt"),
        (["python", "app.py", ">out.txt", "2>&1"], "python app.py >out.txt 2>&1"),
        (["python", "a b.py", "|", "grep", "x y"], "set -o pipefail; python 'a b.py' | grep 'x y'"),
        (["python", "app.py", "$(cat in.txt)"], "python app.py $(cat in.txt)"),
    ],
)
def test_bash_is_proposed_where_nothing_else_does_the_same(project, variables, command, script) -> None:
    proposed = instead_of(project, command)
    assert proposed == {"command": ["bash", "-c", script]}
    assert request_of(project, proposed).command == proposed["command"]


@pytest.mark.parametrize(
    "command",
    [
        "pytest -k 'a and not b' -q",
        "python -c 'code > x; a & b | c'",
        "python -c \"print(len('$(x)')) > $FOO\"",
        'bash -c "cd src && FOO=1 python app.py > out.txt"',
        "sh -c 'python app.py | head'",
        "python get.py http://x.org/y?a=1&b=2;c=3#d",
        "python get.py --match '^a.*(b|c)$' --sep ';' '$FOO' '~/x' 'tests/*.py' '&&'",
        "python app.py x>=2 a|b a;b a&b a->b 3>2 x=~/y <name> <b>text</b> 1 << 3 { } #1",
        "python app.py no_such_*.txt file[0] what?",
        'python app.py \\$FOO "\\$FOO" "`x`" \'{"$set": 1}\' "{\\"$set\\": 1}" $1 price$',
        ["python", "calc.py", "3", ">", "2", "*", "4", "|", "1", "&", "2"],
        ["python", "cut.py", "-d", "|", "--sep", ";", "--out", ">", "-"],
        ["python", "grep.py", ".*", "a.*b", "^\\d+$", "$name", "a;b", "x > y.txt", "~", "x|y", "cd", "source"],
        ["python", "-m", "unittest", "discover", "-p", "test_*.py", "-s", "tests"],
        ["python", "-c", "import os; print(1) > 2 && x"],
        ["bash", "-c", "cd src && FOO=1 python app.py > out.txt", "$0"],
        ["find", ".", "-exec", "python", "{}", ";"],
        ["python", "get.py", "http://x.org/?a=1&b=2", "Tom & Jerry", "a && b", "`x", "$5"],
        ["python", "app.py", "", "\n", "a\nb"],
    ],
)
def test_what_only_looks_like_shell_syntax_is_passed_on(project, variables, command) -> None:
    got = make_request(project, command, 60).command
    if isinstance(command, list):
        assert got == command
    elif "\\$" not in command:  # which only a shell takes away
        assert got == shlex.split(command)


def test_a_string_is_split_as_a_shell_would_split_it(project) -> None:
    def words(command: str) -> list[str]:
        return make_request(project, command, 60).command

    assert words("python -c 'print(1)' \"a b\" a\\ b ''") == ["python", "-c", "print(1)", "a b", "a b", ""]
    assert words("python app.py \\\n  --flag \\\n  3\n") == ["python", "app.py", "--flag", "3"]
    assert words("python app.py\n--flag\n3") == ["python", "app.py", "--flag", "3"]
    assert words('python "a\\$b" "a\\b" \\$c "x\\"y" "`d`"') == ["python", "a$b", "a\\b", "$c", 'x"y', "`d`"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_any_words_in_quotes_are_passed_on(words: list[str]) -> None:
    around = Surroundings(Path("/nowhere"), dict(os.environ), lambda name, value: False)
    assert without_shell(shlex.join(["python", *words]), around) == ["python", *words]


@given(st.one_of(st.text(alphabet="ab c'\"\\$`|&;<>(){}*?~#=\n12/.-"), st.lists(st.text(alphabet="ab$|&;<>*?~=12/."))))
def test_any_command_is_split_refused_or_rewritten_to_one_that_is_not_refused(command: str | list[str]) -> None:
    around = Surroundings(Path("/nowhere"), {"PATH": os.defpath, "HOME": "/home/me"}, lambda name, value: False)
    try:
        found = without_shell(command, around)
    except ValueError:
        return
    if isinstance(found, Instead):
        assert found.found
        again = shlex.join(found.command) if found.as_string else found.command
        assert without_shell(again, around) == found.command


# The program must see the same words, folder, variables and input as from a real shell.
@pytest.mark.processes
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    "line",
    [
        "cd src && {python} seen.py a",
        "cd src && cd deep && FOO=1 {python} seen.py",
        "cd ./src/../src; {python} ../seen.py",
        "FOO=1 BAR=\"x $FOO\" {python} seen.py '$FOO' \"$FOO\" \\$FOO $FOO",
        "export FOO=$PWD/x BAR=; {python} seen.py",
        "FOO=*.py BAR=~/x {python} seen.py",
        "{python} seen.py tests/test_*.py no_*.x a* [i]n.txt '*'",
        "{python} seen.py $UNSET \"$UNSET\" ${{FOO}}x",
        "{python} seen.py <<< \"text $FOO\"",
        "{python} seen.py <<END\nline $FOO\n\\$FOO\nEND\n",
        "{python} seen.py <<'END'\nline $FOO\nEND\n",
        "echo a  'b  c' | {python} seen.py x",
        "source .venv/bin/activate && cd src && python seen.py",
        "set -e; {python} seen.py 2>&1 | cat",
        "{python} seen.py a\\ b \"c'd\" 'e\"f' g\"h\"'i' || true",
        "{python} seen.py {{a,b}}c x$(echo y)z",
        "{python} seen.py < in.txt | cat",
    ],
)  # fmt: skip
def test_the_proposed_call_does_what_a_shell_does(project, workspace: Path, monkeypatch, line: str) -> None:
    monkeypatch.setenv("FOO", "foo")
    monkeypatch.setenv("HOME", "/home/me")
    line = line.format(python=shlex.quote(sys.executable))
    from_shell = subprocess.run(
        ["bash", "-c", line], cwd=workspace, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    proposed = instead_of(project, line)
    request = request_of(project, proposed)
    environment = {**os.environ, **request.env}
    from_call = subprocess.run(
        request.command, cwd=request.cwd, env=environment, input=request.stdin or "", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert json.loads(from_call.stdout) == json.loads(from_shell.stdout)


def test_many_files_of_a_pattern_are_left_to_bash(project, workspace: Path) -> None:
    for number in range(MAX_FILES + 1):
        (workspace / f"data{number}.csv").touch()
    assert instead_of(project, "python app.py *.csv") == {"command": ["bash", "-c", "python app.py *.csv"]}


def test_the_folder_and_the_variables_of_the_call_are_kept(project, workspace: Path) -> None:
    proposed = instead_of(project, "cd deep && BAR=$FOO python app.py", cwd="src", env={"FOO": "1"})
    assert proposed == {**PYTHON, "cwd": "src/deep", "env": {"FOO": "1", "BAR": "1"}}
    assert instead_of(project, f"cd {workspace} && python app.py") == PYTHON
    with pytest.raises(BreadcrumbError) as caught:
        make_request(project, "python app.py 2>&1", 60, label="before", capture={"mode": "full"})
    assert "Keep label and capture." in caught.value.hint


def test_a_secret_is_not_shown(project, monkeypatch) -> None:
    secret = "s3cr3t-v4lue-0001"
    monkeypatch.setenv("API_TOKEN", secret)
    for command in (
        "python app.py --key $API_TOKEN",
        "KEY=$API_TOKEN python app.py",
        f"DB_PASSWORD={secret} python app.py 2>&1",
        f"python app.py --password {secret} > out.txt",
        f"python app.py --password={secret} | tail",
        ["python", "app.py", "$API_TOKEN"],
    ):
        with pytest.raises(BreadcrumbError, match="shell syntax") as caught:
            make_request(project, command, 60)
        assert secret not in str(caught.value), command
    assert instead_of(project, "python app.py --key $API_TOKEN")["command"][0] == "bash"


def test_a_command_without_a_program_is_refused(project) -> None:
    for command in ("cd src", "FOO=1", "export FOO=1"):
        with pytest.raises(BreadcrumbError, match="runs no program"):
            make_request(project, command, 60)


def test_where_there_is_no_bash_the_shell_is_sh(project, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert instead_of(project, "python app.py > out.txt") == {"command": ["sh", "-c", "python app.py > out.txt"]}
