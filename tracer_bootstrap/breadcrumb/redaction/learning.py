"""Choose what to learn from a value under a secret name: the value itself and the secrets inside it."""

from __future__ import annotations

from ..value_format import REDACTED
from .encoded_texts import decode_base64
from .learned_secrets import MAX_VALUE_CHARS, MIN_FORM_CHARS, looks_random
from .secret_names import JUDGED, WEAK, SecretNames, is_credential, words_of
from .suspicion import NAMED, SHAPES, possible_kinds
from .text_search import redact_kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Set

# Shorter numbers are not learned: they occur in too many texts by chance.
_MIN_DIGITS = 6
# Never learned: common values of secret names, such as defaults of databases, placeholders, types, names of schemes.
_COMMON_VALUES = set(
    """
    password passwd passw0rd password1 password123 secret token bearer basic digest negotiate session string bytes
    changeme change_me example placeholder default dummy sample testing tests admin administrator root guest user
    username postgres postgresql mysql mariadb sqlite redis rabbitmq mongodb mongo oracle minioadmin airflow django
    flask python localhost none null undefined false true unset missing empty hidden redacted required optional
    integer float number object boolean varchar charfield qwerty letmein welcome public private anonymous unknown
    """.split()  # noqa: SIM905  (as in secret_names)
)
_PATH_BEGINNINGS = ("/", "./", "../", "~/")
_PLACEHOLDER_MARKS = {("$", "}"), ("{", "}"), ("<", ">"), ("%", "s"), ("%", "%")}

# A parser's "token" is mostly a word: a value there that does not look random is learned only if it is at least this
# long and no identifier.
_MIN_TOKEN_CHARS = 12
# Characters of a credential beside letters and digits (RFC 6750, 2.1), and those that divide the parts of some.
_TOKEN_MARKS = "-._~+/=:|%"

# Names of authentication schemes, which precede a credential (RFC 9110, 11.4).
_SCHEMES = ("bearer", "basic", "token", "digest", "apikey", "negotiate", "ntlm")


def secrets_in(value: str, name: str, names: SecretNames) -> List[str]:
    """Return the secrets in a value: mostly the value itself, and parts such as the password of a URL.

    Left out are values that ``is_worth_learning`` refuses, and those under a weak name, unless they look random.

    Args:
        value: The value as text.
        name: The secret name of the value; empty if its shape made it known.
        names: The rules for secret names.
    """
    found: List[str] = []
    _collect(value, name, names, found, set())
    return found


def _collect(value: str, name: str, names: SecretNames, found: List[str], seen: Set[str]) -> None:
    value = value.strip()
    if value in seen or not is_worth_learning(value) or names.is_name(value):
        return
    seen.add(value)
    kind = names.kind_of(name) if name else 0
    if (kind == WEAK and not looks_random(value)) or (kind == JUDGED and not is_credential(value)):
        return
    if _is_token(name) and _is_parser_token(value):
        return
    scheme, _, credential = value.partition(" ")
    if credential and scheme.lower() in _SCHEMES:
        value = credential.strip()
    if "://" not in value:  # of a URL only the secrets in it are learned
        found.append(value)
    if value.isalnum():
        return
    parts = [cookie.partition("=")[2] for cookie in value.split("; ")] if "; " in value else []
    parts += value.splitlines()[1:]  # the lines of a key
    found.extend(part.strip() for part in parts if looks_random(part.strip()) and is_worth_learning(part.strip()))

    user, separator, password = decode_base64(value).partition(":")
    if user and separator:  # HTTP basic authentication (RFC 7617)
        _collect(password, "", names, found, seen)
    kinds = possible_kinds(value, names) & (SHAPES | NAMED)
    if kinds:
        redact_kinds(value, kinds, names, lambda part, part_name: _collect(part, part_name, names, found, seen), str)


def is_worth_learning(value: str) -> bool:
    """Return whether to redact a value in other texts too: not if it is likely to occur there by chance."""
    if not MIN_FORM_CHARS <= len(value) <= MAX_VALUE_CHARS or len(set(value)) <= 2:
        return False
    if value.lower() in _COMMON_VALUES or value in REDACTED or REDACTED in value:
        return False
    if value.isdigit() and len(value) < _MIN_DIGITS:
        return False
    if (value[0], value[-1]) in _PLACEHOLDER_MARKS and value.strip("${}<>%()s ").isidentifier():
        return False  # ${PASSWORD}, {{ token }}, <password>, %(password)s
    return not (value.startswith(_PATH_BEGINNINGS) and not any(looks_random(part, 16) for part in value.split("/")))


def _is_token(name: str) -> bool:
    """Return whether a name may mean a parser's token, most of which are words: token, __default_token__, TOKEN_1."""
    return "token" in words_of(name)


def _is_parser_token(value: str) -> bool:
    if not all(c.isalnum() or c in _TOKEN_MARKS for c in value):
        return True
    return not looks_random(value) and (len(value) < _MIN_TOKEN_CHARS or value.isidentifier())
