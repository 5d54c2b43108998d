"""No secret reaches the disk, and what is no secret stays."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from breadcrumb.capture.secret_redactor import SECRET_NAMES, WEAK_SECRET_NAMES, Redactor, configure_redactor
from breadcrumb.capture.values import Encoder
from breadcrumb.record_format import REDACTED
from spool_reader import Trace

# Built from parts, so that no scanner takes this file for a leak.
SHAPES = {
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "aws id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws session id": "ASIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github app": "ghs_" + "a1B2" * 9,
    "github fine": "github_pat_" + "11ABCDEFG0" * 4,
    "gitlab": "glpat-" + "abcdEFGH1234ijklMNOP",
    "slack": "xoxb-" + "123456789012-abcdefghij",
    "slack app": "xapp-" + "1-A0123456789-abcdefghij",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "stripe restricted": "rk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "stripe hook": "whsec_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "google oauth": "ya29." + "a0AfH6SMBx1234567890abc",
    "openai": "sk-" + "proj-abcdefghijklmnop1234",
    "npm": "npm_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "pypi": "pypi-" + "AgEIcHlwaS5vcmcCJGFiY2RlZmdoaWprbG1ub3A",
    "hugging face": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "sendgrid": "SG." + "abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "digital ocean": "dop_v1_" + "0123456789abcdef" * 4,
    "shopify": "shpat_" + "0123456789abcdef" * 2,
    "pem": "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "card": "4111 1111 " + "1111 1111",
    "card dashes": "5500-0055-" + "5555-5559",
    "ssn": "123-45-" + "6789",
    "azure": "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu==",
    "url": "postgres://bob:" + "hunter22hunter@db.example/x",
    "bearer": "Bearer " + "abc123DEF456ghi789",
}


def secret_part(text: str) -> str:
    """What of a shape must not survive: for shapes with an open beginning, the rest."""
    for beginning in ("AccountKey=", "postgres://bob:", "Bearer "):
        if text.startswith(beginning):
            return text[len(beginning) :].partition("@")[0]
    return text


@pytest.mark.parametrize("kind", SHAPES)
def test_a_secret_is_known_by_its_shape_wherever_it_stands(kind: str) -> None:
    secret = SHAPES[kind]
    redactor = Redactor()
    for text in (secret, f"before {secret} after", f'{{"x": "{secret}"}}', f"({secret})", f"\n{secret}\n"):
        redacted = redactor.redact_text(text)
        assert secret_part(secret) not in redacted
        assert REDACTED in redacted


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_is_known_by_its_name_in_every_spelling(name: str) -> None:
    redactor = Redactor()
    words = name.split("_")
    spellings = {
        name, name.upper(), "-".join(words), ".".join(words), "user_" + name, name + "_2", "x" + "".join(w.title() for w in words),
        words[0] + "".join(w.title() for w in words[1:]),
    }  # fmt: skip
    spellings.discard("PWD")  # the working folder, in the environment of every shell
    assert all(redactor.is_secret_name(spelling) for spelling in spellings)


@pytest.mark.parametrize(
    "name",
    ["tokenize", "tokenizer", "secretary", "passport", "keyboard", "author", "authority", "max_tokens", "token_count",
     "compass", "bypass", "passenger", "monkey", "key", "keys", "sessionmaker", "pinned", "opinion", "spine", "cookiecutter",
     "PWD", "OLDPWD", "pass_argv", "pass_through", "session_scope", "pin_size", "auth_type", "salted", "tests_passing",
     "accountkeeper", "surpass", "class", "assess", "authored_by", "description"],
)  # fmt: skip
def test_names_that_only_look_alike_are_left_alone(name: str) -> None:
    assert not Redactor().is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    ["order 1234567890123456", "at 12:30:45", "1.2345678901234567", "2025-01-02T03:04:05", "key: value", "id 123-45-678",
     "the bearer of this letter", "a basic explanation", "token of appreciation", "http://host:8080/path", "0000000000000000",
     "uuid 123e4567-e89b-12d3-a456-426614174000", "sk-1", "version 10.20.30.40"],
)  # fmt: skip
def test_texts_that_only_look_alike_are_left_alone(text: str) -> None:
    assert Redactor().redact_text(text) == text


def test_the_example_of_the_contract() -> None:
    value = {"username": "alice", "password": "secret123", "api_key": "sk-1234567890"}
    expected = '{"username": "alice", "password": "[REDACTED]", "api_key": "[REDACTED]"}'
    assert Encoder(Redactor()).encode(value).decode() == expected


def test_that_a_secret_is_missing_is_no_secret() -> None:
    assert json.loads(Encoder(Redactor()).encode({"password": None, "token": "", "secret": False})) == {
        "password": None, "token": "", "secret": False,
    }  # fmt: skip


def test_a_value_seen_once_is_redacted_everywhere_after() -> None:
    encoder = Encoder(Redactor())
    assert encoder.encode("say open-sesame") == b'"say open-sesame"'
    encoder.encode({"password": "open-sesame"})
    assert encoder.encode("say open-sesame") == b'"say [REDACTED]"'
    assert encoder.encode([b"open-sesame"]) == b'[{"$bytes": "[REDACTED]"}]'


@pytest.mark.parametrize("name", WEAK_SECRET_NAMES)
def test_a_weak_name_is_secret_as_the_last_word_and_teaches_only_what_looks_random(name: str) -> None:
    redactor = Redactor()
    assert redactor.is_secret_name(name) and redactor.is_secret_name(f"db_{name}")
    assert not redactor.is_secret_name(f"{name}_scope")
    encode = Encoder(redactor).encode
    assert encode({name: "ordinary words", "other": "ordinary words"}) == (
        b'{"%s": "[REDACTED]", "other": "ordinary words"}' % name.encode()
    )
    assert encode({name: "a81kd72jq0", "other": "a81kd72jq0"}) == (
        b'{"%s": "[REDACTED]", "other": "[REDACTED]"}' % name.encode()
    )
    assert encode({name: {"id": 1}}) == b'{"%s": {"id": 1}}' % name.encode()


def test_a_path_is_never_learned() -> None:
    redactor = Redactor()
    redactor.learn("/home/user/project", "password")
    assert redactor.redact_text("in /home/user/project/x.py") == "in /home/user/project/x.py"


def test_a_cycle_under_a_secret_name_ends() -> None:
    items: list[Any] = ["swordfish-1"]
    items.append(items)
    redactor = Redactor()
    assert Encoder(redactor).encode({"tokens_secret": items}) == b'{"tokens_secret": "[REDACTED]"}'
    assert redactor.redact_text("swordfish-1") == REDACTED


def test_custom_patterns_are_globs_over_names() -> None:
    redactor = Redactor(["my_secret_*", "*_hidden"])
    assert redactor.is_secret_name("MY_SECRET_thing") and redactor.is_secret_name("very_hidden")
    assert not redactor.is_secret_name("my_secretx")
    configure_redactor(custom_patterns=["never_used_*"])


def test_command_lines_lose_their_secrets_and_nothing_else() -> None:
    redacted = Redactor().redact_command(
        ["prog", "--token", "abcdefg", "--api-key=zzzzzz", "PASSWORD=qqqqqq", "--verbose", "file.py", "abcdefg"]
    )
    assert redacted == [
        "prog", "--token", REDACTED, f"--api-key={REDACTED}", f"PASSWORD={REDACTED}", "--verbose", "file.py", REDACTED,
    ]  # fmt: skip


def test_a_card_number_as_an_integer_is_redacted_and_other_integers_stay() -> None:
    encode = Encoder(Redactor()).encode
    assert encode(4111111111111111) == b'"[REDACTED]"'
    assert encode([1234567890123456]) == b"[1234567890123456]"


PLANTED = "zq-PLANTED-7731"


def test_no_planted_secret_is_found_in_any_file_of_the_spool(python: str, trace: Trace, tmp_path: Path) -> None:
    shapes = {k: v for k, v in SHAPES.items() if k not in ("card", "card dashes", "ssn")}
    text = textwrap.dedent("""
        SHAPES = %s
        PLANTED = "%s"
        class Account:
            def __init__(self, password): self.password = password; self.note = "has " + password
            def show(self): return vars(self)
        def login(user, password, **options): return {"user": user, "token": password}
        def nested(data): return [data, (data,), {"k": data}]
        def echo(text): return text
        def fails(secret):
            local_copy = secret
            raise ValueError("wrong secret %%s given" %% secret)
        login("bob", PLANTED, api_key=PLANTED)
        Account(PLANTED).show()
        nested({"credentials": {"inner": [PLANTED]}})
        for shape in SHAPES.values():
            echo(shape); echo("in text: %%s." %% shape); echo(shape.encode()); echo({"x": [shape]}); echo({shape: 1})
            try: fails(shape)
            except ValueError: pass
        echo("after: " + PLANTED)
        fails(PLANTED)
    """) % (json.dumps(shapes), PLANTED)
    spool = trace(python, text)
    assert len(spool.named("echo")) > 100
    written: dict[str, Any] = {path.name: path.read_bytes() for path in spool.folder.iterdir() if path.is_file()}
    for kind, secret in {**shapes, "planted": PLANTED}.items():
        for name, data in written.items():
            assert secret_part(secret).encode() not in data, (kind, name)
            assert json.dumps(secret_part(secret))[1:-1].encode() not in data, (kind, name)
