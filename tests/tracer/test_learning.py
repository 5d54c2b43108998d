"""Test that a value under a secret name is redacted from then on, and in the records written just before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from breadcrumb import record_format
from breadcrumb.redaction.redactor import Redactor
from breadcrumb.session.spool import SpoolWriter
from breadcrumb.value_format import REDACTED
from breadcrumb.values.encoder import Encoder
from spool_reader import Spool, Trace

SECRET = "zq-Planted-7731"


def on_disk(spool: Spool, text: str = SECRET) -> list[str]:
    """Return the names of the spool files that hold a text."""
    return [path.name for path in spool.folder.iterdir() if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "text",
    [
        # Read from a store without a secret name, then used under one.
        'def get(key): return {"db": SECRET}[key]\ndef connect(password): pass\nconnect(get("db"))',
        # In one record, before its name: among two, three, any number of arguments, in one value, in one text.
        'def f(a, b): pass\nf("uses " + SECRET, {"password": SECRET})',
        'def f(a, b, c): pass\nf("uses " + SECRET, 2, {"password": SECRET})',
        'def f(a, *b, **c): pass\nf("uses " + SECRET, SECRET, password=SECRET)',
        'def f(a, password): pass\nf("uses " + SECRET, SECRET)',
        'def f(a): pass\nf([SECRET, {"password": SECRET}])',
        'def f(a): pass\nf("tried %s: password=%s" % (SECRET, SECRET))',
        # The result of a function and of a property with a secret name.
        'def get_password(): return SECRET\nget_password()',
        'def load_secrets(): return {"db": SECRET}\nload_secrets()',
        'class A:\n    @property\n    def api_key(self): return SECRET\nA().api_key',
        # In an exception's message, which is recorded before the variables.
        'def f():\n    password = SECRET\n    raise ValueError("no good: " + SECRET)\ntry: f()\nexcept ValueError: pass',
        'def f():\n    note = SECRET\n    token = SECRET\n    raise KeyError(SECRET)\ntry: f()\nexcept KeyError: pass',
    ],
)  # fmt: skip
def test_no_file_holds_a_secret_that_appears_before_its_name(python: str, trace: Trace, text: str) -> None:
    spool = trace(python, f"SECRET = '{SECRET[:5]}' + '{SECRET[5:]}'\n{text}\n")
    assert spool.exit_code == 0, spool.stderr
    assert not on_disk(spool)
    assert on_disk(spool, "[REDACTED")


def test_secrets_of_the_environment_are_known_from_the_start(python: str, trace: Trace) -> None:
    text = """
import os, subprocess, sys
def take(value): return value
take(os.environ["SERVICE_TOKEN"][::1])
if len(sys.argv) < 2:
    env = dict(os.environ, OTHER_API_KEY=os.environ["NOTE"])
    subprocess.run([sys.executable, sys.argv[0], "child"], env=env, check=True)
else:
    take(os.environ["NOTE"])
"""
    spool = trace(python, text, env={"SERVICE_TOKEN": SECRET, "NOTE": "abc-OTHER-991"})
    assert spool.exit_code == 0, spool.stderr
    assert [call.args["value"] for call in spool.named("take")] == [REDACTED] * 3
    assert not on_disk(spool) and not on_disk(spool, "abc-OTHER-991")


def test_names_are_added_in_the_process_at_any_time(python: str, trace: Trace) -> None:
    text = f"""
def store(plan_code, n): return plan_code
def nest(data, n): return {{"plan_code": data}}
store("one-Value-1", 1)
nest("two-Value-2", 1)
from breadcrumb.capture.secret_redactor import configure_redactor
configure_redactor(custom_patterns=["plan_*", "*_hidden"])
store("{SECRET}", 2)
nest("three-Value-3", 2)
store(None, 3)
"""
    spool = trace(python, text, capture={"calls_per_function": 1000})
    assert [call.args for call in spool.named("store")] == [
        {"plan_code": "one-Value-1", "n": 1}, {"plan_code": REDACTED, "n": 2}, {"plan_code": None, "n": 3},
    ]  # fmt: skip
    assert [call.value for call in spool.named("nest")] == [{"plan_code": "two-Value-2"}, {"plan_code": REDACTED}]
    assert [call.args["data"] for call in spool.named("nest")][1].startswith("[REDACTED]")  # overwritten
    assert not on_disk(spool)


def test_names_of_the_config_are_secret(python: str, trace: Trace) -> None:
    text = f"def store(plan_code, other): pass\nstore('{SECRET}', ['x', {{'my_secret_plan': 'pq-99887766'}}])\n"
    spool = trace(python, text, redact=["plan_*", "my_secret_*"])
    assert spool.one("store").args == {"plan_code": REDACTED, "other": ["x", {"my_secret_plan": REDACTED}]}


def test_the_server_receives_what_the_process_learns(python: str, trace: Trace) -> None:
    received: list[bytes] = []

    def listen(folder: Path) -> None:
        path = folder / record_format.SECRETS_FIFO
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, False)
        readers.append(reader)

    readers: list[int] = []
    text = f"""
from breadcrumb.capture.secret_redactor import configure_redactor
configure_redactor(custom_patterns=["plan_*"])
def f(password): pass
f("{SECRET}")
f("Long" + "-".join(map(str, range(500))))
f(b"\\xff\\xfe-raw-1")
"""
    trace(python, text, before=listen)
    received += os.read(readers[0], 1 << 16).split(b"\0")
    os.close(readers[0])
    assert record_format.NAME_PATTERN_MARK + b"plan_*" in received
    assert SECRET.encode() in received and b"\xff\xfe-raw-1" in received
    assert ("Long" + "-".join(map(str, range(500)))).encode() in b"".join(received)


def test_a_secret_of_which_the_pipe_takes_a_part_is_sent_to_its_end(tmp_path: Path) -> None:
    # A pipe takes 512 bytes at once on macOS, 4,096 on Linux; of more, what there is room for.
    path = tmp_path / record_format.SECRETS_FIFO
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    room = os.write(filler, b"x" * (1 << 20))
    os.read(reader, room // 2)
    writer = SpoolWriter(str(tmp_path), 1 << 30, print)
    long = "-".join(map(str, range(room // 6)))
    writer.send_secret(long)
    sent = b"".join(iter(lambda: _read(reader), b""))
    assert not sent.endswith(b"\0")  # only a part went into it
    writer.send_secret("later")
    sent += b"".join(iter(lambda: _read(reader), b""))
    assert sent.lstrip(b"x").split(b"\0") == [long.encode(), b"later", b""]
    for descriptor in (reader, filler):
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    "value",
    ["test", "1", "123", "12345", "password", "Password", "PASSWORD", "secret", "token", "admin", "root", "postgres", "guest", "example",
     "true", "false", "None", "null", "string", "str", "bytes", "int", "changeme", "default", "user", "python", "*****", "xxxxxxxx", "-----",
     "${DB_PASSWORD}", "{{ token }}", "<password>", "%(password)s", "api_key", "API_KEY", "csrf-token", "access_token", "/etc/ssl/key.pem",
     "./secrets.txt", "~/.netrc", "[REDACTED]", "REDACTED", "", " ", "\n"],
)  # fmt: skip
def test_values_that_occur_by_chance_are_not_learned(value: str) -> None:
    redactor = Redactor()
    encoder = Encoder(redactor)
    for name in ("password", "api_key", "secret", "token"):
        encoder.encode({name: value})
        redactor.redact_text(f"{name}={value}")
        redactor.redact_command([f"--{name}", value])
    text = "a test of 12345 users: the default password is a secret string, token true, 1 of None at /etc/ssl/key.pem"
    assert encoder.encode(text) == b'"%s"' % text.encode()


@pytest.mark.parametrize(
    "word",
    ["identifier", "my_function", "return", "font-size", "'a string'", "HttpServlet", "==", "/[_?]?[a-z]*[0-9]/"],
)
@pytest.mark.parametrize("name", ["token", "TOKEN", "__default_token__", "token_params", "first_token_2"])
def test_the_tokens_of_a_parser_are_hidden_under_their_name_and_not_learned(word: str, name: str) -> None:
    encoder = Encoder(Redactor())
    assert encoder.encode({name: word}) == b'{"%s": "[REDACTED]"}' % name.encode()
    assert REDACTED.encode() not in encoder.encode([f"{word} is a word"])


def test_a_short_secret_is_redacted_as_a_whole_word_only() -> None:
    redactor = Redactor()
    redactor.learn("orange", "password")
    redactor.learn("482913", "otp")
    text = "orangery 1482913 blood-orange, (orange) x=482913 first\\norange %20orange"
    assert redactor.redact_text(text) == (
        "orangery 1482913 blood-[REDACTED], ([REDACTED]) x=[REDACTED] first\\n[REDACTED] %20[REDACTED]"
    )


def test_user_and_host_in_credentials_are_not_learned() -> None:
    encoder = Encoder(Redactor())
    for credentials in (
        {"username": "alice", "password": "s3cret-one", "host": "db.example"}, ("alice", "s3cret-two"), ["alice", "s3cret-three"],
    ):  # fmt: skip
        assert encoder.encode({"credentials": credentials}) == b'{"credentials": "[REDACTED]"}'
    assert encoder.encode("alice at db.example") == b'"alice at db.example"'
    assert encoder.encode("s3cret-one s3cret-two s3cret-three") == b'"[REDACTED] [REDACTED] [REDACTED]"'
    assert encoder.encode({"auth": ("bob", "s3cret-four")}) == b'{"auth": "[REDACTED]"}'
    assert encoder.encode("bob: s3cret-four") == b'"bob: [REDACTED]"'


def test_the_secret_parts_of_a_structured_value_are_learned() -> None:
    for value, secret in {
        "postgres://bob:hunter22x@db.example/shop": "hunter22x",
        "Bearer abc123DEF456": "abc123DEF456",
        "Basic Ym9iOnNlc2FtZS05OTE=": "sesame-991",
        "sid=8fj29dk3s8; theme=dark; csrftoken=q8w7e6r5t4": "8fj29dk3s8",
        "Server=db;User=bob;Password=pw-77-pw-77;": "pw-77-pw-77",
        '{"client": {"client_secret": "cs-90-cs-90"}}': "cs-90-cs-90",
    }.items():
        redactor = Redactor()
        redactor.learn(value, "authorization")
        assert redactor.redact_text(f"say {secret} loud") == "say [REDACTED] loud", value
        assert redactor.redact_text("db.example theme dark bob postgres") == "db.example theme dark bob postgres"


def test_a_notice_says_that_a_program_has_too_many_secrets(python: str, trace: Trace) -> None:
    text = "def f(password): return password\nfor n in range(2100): f('secret-%d-x' % n)\n"
    spool = trace(python, text)
    assert [n["code"] for n in spool.of("notice")] == ["secrets_not_learned"]
    assert {call.args["password"] for call in spool.named("f")} == {REDACTED}
    assert not on_disk(spool, "secret-1999-x")


@pytest.mark.parametrize("wrap", [str, str.encode, lambda text: text.encode("utf-16-le")], ids=["str", "bytes", "wide"])
def test_a_long_field_is_searched_again_only_after_a_secret_was_learned(wrap) -> None:
    searched: list[int] = []

    class Counting(Redactor):
        def redact_text(self, text: str) -> str:
            searched.append(len(text))
            return super().redact_text(text)

    class Buffer:
        def __init__(self, position: int) -> None:
            self.position, self.data = position, wrap(f"a=1: {SECRET} jumps over. " * 200)

    encoder = Encoder(Counting())
    for position in range(50):
        assert b"[REDACTED]" not in encoder.encode(Buffer(10**position))
    long_ones = [length for length in searched if length > 1_000]
    # The room left for the data differs from call to call, but the searched length changes in steps of many characters.
    assert 0 < len(long_ones) <= 10
    encoder.encode({"password": SECRET})
    assert b"[REDACTED]" in encoder.encode(Buffer(1))
    assert SECRET.encode() not in encoder.encode(Buffer(1))
