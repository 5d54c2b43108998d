"""Test in which ways of a program secrets are redacted, and that harmless neighbours stay readable (docs/secrets.md)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from spool_reader import TARGETS, Trace

# Ways whose secret stays readable, each with a reason in docs/secrets.md.
KNOWN_WAYS = {"SQL parameters by place"}
MAX_KNOWN_WAYS = 5

HEAD = """
def take(*args, **kwargs):
    return None

def give(value):
    return value

def attempt(function, *args):
    try:
        function(*args)
    except Exception:
        pass
"""


def read_ways(name: str) -> dict[str, str]:
    """Return the bodies of a file of ways by their names."""
    blocks = re.split(r"^(?=[^\s#])", (TARGETS / name).read_text(), flags=re.MULTILINE)[1:]
    ways = {block.partition("\n")[0]: textwrap.dedent(block.partition("\n")[2]) for block in blocks}
    assert len(ways) == len(blocks), "two ways have one name"
    return ways


def secret(number: int) -> str:
    """Return a secret that nothing else has."""
    return f"hVt7Qm{number:03d}xRz2"


def word(number: int) -> str:
    """Return a word that nothing else has."""
    return "plain" + "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")


def program(ways: dict[str, str], mark: str, value_of: Callable[[int], str]) -> str:
    """Return a program with a function for each way."""
    parts = [HEAD]
    for number, body in enumerate(ways.values()):
        text = textwrap.indent(re.sub(rf"(?<!_){mark}(?!_)", value_of(number), body), "    ")
        parts.append(f"def way_{number}():\n{text}\n")
    calls = "".join(f"way_{number}()\n" for number in range(len(ways)))
    return "\n".join(parts) + calls


def recorded(spool_folder: Path) -> str:
    """Return all that a program has written into its spool."""
    files = [file for file in sorted(spool_folder.iterdir()) if file.is_file()]
    return "\n".join(file.read_bytes().rstrip(b"\0").decode("utf-8", "replace") for file in files)


@pytest.fixture
def run_ways(trace: Trace, tmp_path: Path, python: str):
    def run(ways: dict[str, str], mark: str, value_of: Callable[[int], str]) -> str:
        script = tmp_path / "ways.py"
        script.write_text(program(ways, mark, value_of))
        spool = trace(python, [str(script)])
        assert spool.exit_code == 0, spool.stderr[-2000:]
        return recorded(spool.folder)

    return run


def test_secrets_are_redacted_in_all_ways_but_those_that_are_documented(run_ways) -> None:
    ways = read_ways("secret_ways.txt")
    assert len(ways) >= 150
    text = run_ways(ways, "SECRET", secret)
    readable = {name for number, name in enumerate(ways) if secret(number) in text}
    assert not readable ^ KNOWN_WAYS, "\n".join(sorted(readable ^ KNOWN_WAYS))
    assert len(readable) <= MAX_KNOWN_WAYS


def test_harmless_neighbours_of_secrets_stay_readable(run_ways) -> None:
    ways = read_ways("harmless_ways.txt")
    assert len(ways) >= 60
    text = run_ways(ways, "PLAIN", word)
    hidden = {
        name for number, (name, body) in enumerate(ways.items()) if text.count(word(number)) < body.count("PLAIN")
    }
    assert not hidden, "\n".join(sorted(hidden))


def test_a_new_secret_is_redacted_in_each_call_of_a_function_whatever_records_it(
    trace: Trace, tmp_path: Path, python: str
) -> None:
    script = tmp_path / "settings.py"
    script.write_text(
        "def set_variable(name, value): return value\n"
        "for number in range(30):\n"
        "    set_variable('DB_PASSWORD', 'hVt7Qm%03dxRz2' % number)\n"
        "    set_variable('PLACE', 'harmless%d' % number)\n"
    )
    text = recorded(trace(python, [str(script)]).folder)
    assert "hVt7Qm" not in text
    assert text.count("harmless29") >= 2


@pytest.mark.parametrize("number", ["1.1754943508222875e-38", "5.25e+300"])
def test_a_number_that_a_message_calls_a_password_breaks_no_earlier_record(
    python: str, trace: Trace, number: str
) -> None:
    text = HEAD + (
        f"take({number}, [{number}])\n\n"
        f"def fail(value):\n    raise ValueError('password=%r}}' % value)\n\n"
        f"attempt(fail, {number})\n"
    )
    traced = trace(python, text, include=["__main__"], capture={"lines": ["__main__.fail"]})
    assert traced.named("take")[0].args["args"] == [float(number), [float(number)]]
    assert [event["message"] for event in traced.of("exception")] == ["password=[REDACTED]}"]
