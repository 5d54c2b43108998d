"""Test that every kind of secret is redacted by its rule: by shape, by name, or by value once learned."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.redaction.secret_names import SECRET_NAMES, SecretNames
from breadcrumb.redaction.secret_shapes import SHAPES
from breadcrumb.redaction.suspicion import MIN_RUN_CHARS, SHAPE_HINTS, TOKENS, possible_kinds
from breadcrumb.redaction.token_prefixes import TOKEN_PREFIXES
from breadcrumb.value_format import REDACTED
from breadcrumb.values.encoder import Encoder
from secret_corpus import Secret, SecretSearch, corpus, find
from spool_reader import TARGETS, Trace, interpreter

SECRETS = {secret.kind: secret for secret in corpus()}

# Forms in which a program may write a secret.
FORMS: dict[str, Callable[[str], str]] = {
    "alone": str,
    "in a sentence": lambda text: f"before {text} after",
    "in brackets": lambda text: f"({text})",
    "quoted": lambda text: f'"{text}"',
    "on a separate line": lambda text: f"first\n{text}\nlast",
    "after an escape": lambda text: f"first\\n{text}",
    "after a percent escape": lambda text: f"q=%20{text}",
    "JSON": lambda text: json.dumps({"x": text}),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"x": text})),
    "repr": repr,
    "a query": lambda text: "/search?q=" + urllib.parse.quote(text, safe=""),
    "a form": lambda text: "a=1&q=" + urllib.parse.quote_plus(text),
    "base64": lambda text: base64.b64encode(b"some " + text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"it is " + text.encode()).decode().rstrip("="),
    "hexadecimal": lambda text: text.encode().hex(),
    "wide": lambda text: "\0".join(text),
}


def test_the_corpus_has_at_least_120_kinds_and_every_rule() -> None:
    assert len(SECRETS) == len(corpus()) >= 120
    assert {secret.rule for secret in SECRETS.values()} == {"shape", "name", "value"}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_redacted_in_every_form(kind: str) -> None:
    secret = SECRETS[kind]
    redactor = Redactor()
    if secret.rule != "shape":
        redactor.learn(secret.text, secret.name)
    for form, make in FORMS.items():
        if secret.bare.startswith(("4111", "5500", "3782", "219")) and form in ("base64", "base64 for URLs", "wide"):
            continue  # numbers are looked for in plain texts
        redacted = redactor.redact_text(make(secret.text))
        assert REDACTED in redacted, form
        assert not find(redacted.encode("utf-8", "surrogatepass"), [secret]), form


@pytest.mark.parametrize("kind", [kind for kind, secret in SECRETS.items() if secret.rule == "name"])
def test_a_value_under_a_secret_name_is_redacted_and_learned(kind: str) -> None:
    secret = SECRETS[kind]
    for encode in (
        lambda encoder: encoder.encode({secret.name: secret.text}),
        lambda encoder: encoder.encode({secret.name.encode(): secret.text.encode()}),
        lambda encoder: encoder.encode([(secret.name, secret.text)]),
        lambda encoder: encoder.encode({secret.name: [secret.text, secret.text]}),
        lambda encoder: encoder.encode(["prog", f"--{secret.name}", secret.text]),
        lambda encoder: encoder.encode(["prog", f"--{secret.name}={secret.text}"]),
        lambda encoder: encoder.encode(f"failed: {secret.name}='{secret.text}'"),
        lambda encoder: encoder.encode_fields([(secret.name, secret.text)]),
    ):
        encoder = Encoder(Redactor())
        assert not find(encode(encoder), [secret])
        assert encoder.encode(f"say {secret.text}!") == b'"say [REDACTED]!"'


def test_the_cheap_check_misses_nothing_that_the_search_would_find() -> None:
    names = SecretNames()
    for name in SECRET_NAMES:
        assert names.may_be_in(name), name
    for hints, _ in SHAPES:
        for hint in hints:
            assert any(short in hint for short in SHAPE_HINTS), hint
    for prefixes, rest in TOKEN_PREFIXES:
        for prefix in prefixes.split():
            assert len(prefix) + 8 >= MIN_RUN_CHARS or "{8" not in rest, prefix
    for secret in SECRETS.values():
        if secret.rule == "shape":
            assert possible_kinds(f"x {secret.text} x", names), secret.kind
    assert possible_kinds("sk-1234567890", names) & TOKENS


@pytest.fixture(params=["3.9", "3.10", "3.13", "3.14"])
def other_python(request: pytest.FixtureRequest) -> str:
    """Return a Python that tests/end_to_end/test_no_secret_on_disk.py does not run."""
    return interpreter(request.param)


def test_no_planted_secret_is_found_in_any_file_of_the_spool(other_python: str, trace: Trace, tmp_path: Path) -> None:
    planted: list[Secret] = list(SECRETS.values())
    file = tmp_path / "corpus.json"
    file.write_text(json.dumps([[secret.rule, secret.name, secret.text] for secret in planted]))
    spool = trace(other_python, [str(TARGETS / "planted.py"), str(file)])
    assert spool.exit_code == 0, spool.stderr[-2000:]
    assert len(spool.named("take")) > 5000
    search = SecretSearch(planted)
    for path in spool.folder.iterdir():
        if path.is_file():
            assert not search.find(path.read_bytes()), path.name
