"""Test that secrets are redacted and harmless names, texts and numbers are not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from breadcrumb.redaction.redactor import Redactor, configure_redactor
from breadcrumb.redaction.secret_names import SECRET_NAMES, WEAK_SECRET_NAMES
from breadcrumb.value_format import REDACTED
from breadcrumb.values.encoder import Encoder


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
    ["tokenize", "tokenizer", "tokens", "secretary", "secretariat", "passport", "passenger", "passage", "passive", "password_length",
     "password_hashers", "password_validators", "password_reset_url", "password_errors", "keyboard", "keyword", "monkey", "turkey",
     "key", "keys", "primary_key", "sort_key", "cache_key", "foreign_key", "key_error", "author", "authority", "authored_by", "author_id",
     "max_tokens", "token_count", "token_type", "token_index", "token_url", "compass", "bypass", "trespass", "surpass", "pass_argv",
     "pass_through", "tests_passing", "passed", "sessionmaker", "session_scope", "session_timeout", "session_class", "pinned", "opinion",
     "spine", "pin_size", "spin", "cookiecutter", "cookie_path", "cookie_name", "cookie_secure", "auth_type",
     "auth_backend", "salted", "basalt", "accountkeeper", "class", "assess", "description", "encoding", "status_code", "zip_code", "code",
     "country_code", "error_code", "card", "cards", "scorecard", "discard", "wildcard", "connection", "conn", "database", "db", "username",
     "cookie_banner_color", "cookie_consent", "cookieBannerText", "set_cookie_banner", "cookies_accepted", "password_strength", "password_hint",
     "password_changed_at_time", "token_usage", "token_budget", "token_ids", "secret_message", "session_cookie_popup",
     "email", "host", "port", "answer", "phrase", "seed", "random_seed", "csv", "sidebar", "inside", "president", "licence", "secretless"],
)  # fmt: skip
def test_names_that_only_look_alike_are_left_alone(name: str) -> None:
    redactor = Redactor()
    for spelling in (name, name.upper(), "".join(word.title() for word in name.split("_"))):
        assert not redactor.is_secret_name(spelling)


def test_the_working_folder_in_the_environment_is_no_password() -> None:
    redactor = Redactor()
    assert not redactor.is_secret_name("PWD") and not redactor.is_secret_name("OLDPWD")
    assert redactor.is_secret_name("pwd")


@pytest.mark.parametrize(
    "text",
    [
        # numbers
        "order 1234567890123456", "order 4111111111111112", "4111-1111-1111-1112", "1.2345678901234567", "0000000000000000",
        "pi is 3.14159265358979323846", "id 123-45-678", "123-456-7890", "+1 202-555-0143", "+49 151 23456789", "(555) 867-5309",
        "isbn 978-3-16-148410-0", "fib 12200160415121876738", "2 ** 64 = 18446744073709551616",
        # clocks, dates, versions
        "at 12:30:45", "2025-01-02T03:04:05", "2025-01-02T03:04:05.678901+00:00", "20250102-030405-ab12", "20250102T030405Z",
        "1736000000000", "1736000000001", "1736000000002", "1736000000003", "1736000000004", "1736000000005", "1736000000006",
        "1736000000000000", "1736000000000007", "1736000000000000009", "1736000000123456789", "1736000000.123456",
        "version 10.20.30.40", "1.2.3-rc.4+build.567", "Python 3.12.1 (main, Jan  2 2024, 03:04:05) [GCC 12.2.0]",
        # identifiers
        "uuid 123e4567-e89b-12d3-a456-426614174000", "12345678-1234-1234-1234-123456789012", "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e", "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "5f2b8c1e9d3a7b6c4f0e1d2a", "sk-1", "task-1234567890abcdef", "risk-assessment-2025-final", "disk-0123456789abcdef", "SKU-1234567890",
        "npm_config_cache", "hf_hub_download", "ghp_short", "AKIA-not", "pat.match", "pypi-server", "key-value", "xoxo", "EAAB", "dapi",
        # addresses and paths
        "http://host:8080/path", "https://example.com/a/very/long/path/with/Many_Segments/and-dashes?page=2&sort=name#top",
        "postgres://localhost:5432/shop", "ssh://git@github.com/owner/repo.git", "mailto:bob@example.com", "s3://bucket-name/key/Object.tar.gz",
        "/usr/lib/python3.12/site-packages/sqlalchemy/orm/session.py", "C:\\Users\\bob\\AppData\\Local\\Temp", "12:34:56:78:9a:bc", "fe80::1ff:fe23:4567:890a",
        # names of tests, lines of files
        "tests/test_token.py::TestToken::test_expiry[3-abc]", "test_auth.py::TestPassword::test_reset", "Session::start: 3 rows",
        "/srv/shop/token.py:12 in Token.read", "tests/test_password.py:5: AssertionError", "shop/session.py:123:45: E501",
        # words
        "key: value", "a: b, c: d", "the bearer of this letter", "a basic explanation of things", "basic characteristics", "token of appreciation",
        "unexpected token 'identifier'", "unexpected token: '}'", "Token NAME expected", "unclosed token: line 1, column 0",
        "unexpected token: identifier at line 3", "illegal token: my_function.", "syntax error, unexpected token: EOF", "bad token: 'return'", "the secretary: Ms Smith", "keyboard=qwertz", "monkey=1",
        "passport: see desk 4", "author=Jane Doe", "passenger=12A", "tokenize(text)", "session started", "auth: required", "session: closed", "password: ***", "secret: ---",
        "password is required", "enter your password", "wrong password or username", "def check(password): ...", "password=None", "token = null",
        r"if token == '\n':", r'token = "\t"', "while token != '+':",
        "SELECT id, password FROM users", "DataFrame.groupby(['a', 'b']).agg(FunctionName)", "TypeError: unsupported operand", "--verbose --dry-run",
        "BaseHTTPRequestHandlerWithALongName", "ThisIsACamelCaseIdentifierOfSomeLength", "some_module.SomeClass.some_method_name",
        "<Cart object>", "Привет, мир: как дела?", "日本語のテキスト: 値", "naïve café", "x" * 500, "ab" * 300, "0x1f" * 50,
        base64.b64encode(b"a harmless sentence in base64, nothing else").decode(), "q=caf%C3%A9%20au%20lait&lang=fr", "%d items of %s",
    ],
)  # fmt: skip
def test_texts_that_only_look_alike_are_left_alone(text: str) -> None:
    redactor = Redactor()
    assert redactor.redact_text(text) == text
    assert Encoder(redactor).encode(text) == json.dumps(text, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "number", [1736000000000, 1736000000000007, 1736000000123456789, 1234567890123456, 9007199254740993, 2**63]
)
def test_integers_that_are_no_card_are_left_alone(number: int) -> None:
    assert Encoder(Redactor()).encode(number) == b"%d" % number


@pytest.mark.parametrize(
    "text",
    ["token: swordfish", "  token: swordfish", "{token: swordfish}", "new token: sWoRdFiSh", "invalid token: swordfish7731",
     "using token=swordfish", '"the token": "swordfish"', "my access_token: swordfish", "with token: open-sesame-and-more", "the password: swordfish",
     "cookie_value: swordfish7", "set_cookie_header=swordfish7", "session_cookie: swordfish7", "cookie_2=swordfish7"],
)  # fmt: skip
def test_a_value_after_a_secret_name_is_redacted_unless_it_is_a_word_of_a_parsers_message(text: str) -> None:
    redacted = Redactor().redact_text(text)
    assert REDACTED in redacted and "sesame" not in redacted and "swordfish" not in redacted.lower()


def test_values_under_secret_names_are_redacted() -> None:
    value = {"username": "alice", "password": "secret123", "api_key": "sk-1234567890"}
    expected = '{"username": "alice", "password": "[REDACTED]", "api_key": "[REDACTED]"}'
    assert Encoder(Redactor()).encode(value).decode() == expected


def test_a_missing_secret_is_shown_as_missing() -> None:
    assert json.loads(Encoder(Redactor()).encode({"password": None, "token": "", "secret": False})) == {
        "password": None, "token": "", "secret": False,
    }  # fmt: skip


def test_a_value_under_a_secret_name_is_redacted_everywhere_after() -> None:
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


@pytest.mark.parametrize(
    ("text", "later"),
    [("def login(password: Optional[str] = None)", "Optional[str]"), ("Client(password=re.compile('a+'))", "re.compile('a+')"),
     ("Client(auth=list[-1634891])", "list[-1634891]"), ("secret: typing.List[Rule]", "typing.List[Rule]")],
)  # fmt: skip
def test_the_begin_of_an_expression_behind_a_secret_name_is_no_secret_elsewhere(text: str, later: str) -> None:
    redactor = Redactor()
    redactor.redact_text(text)
    assert redactor.redact_text(later) == later


def test_a_password_with_a_bracket_is_learned_from_a_text() -> None:
    redactor = Redactor()
    redactor.redact_text("password=swordfish(77fish31")
    assert "fish31" not in redactor.redact_text("say swordfish(77fish31")


def test_a_number_is_never_redacted_in_written_records() -> None:
    redactor = Redactor()
    for secret in ("1.1754943508222875e-38", "5e+300]", "a81kd72jq0"):
        redactor.learn_exactly(secret)
    records = b'C\t1\t{"x": [1.1754943508222875e-38], "y": {"z": [5e+300]}}'
    assert redactor.redact_records(records + b' "a81kd72jq0"') == records + b' "[REDACTED]"'


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
