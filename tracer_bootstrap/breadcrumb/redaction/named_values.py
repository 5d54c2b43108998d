"""Redact values that follow a secret name in a text: ``password=x``, ``"token": "x"``, ``--api-key x``."""

from __future__ import annotations

from ..value_format import REDACTED
from .command_lines import redact_commands
from .learned_secrets import looks_random
from .regex import compiled
from .secret_names import JUDGED, SECRET, SecretNames, is_credential, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Tuple

# A value is in quotes (escaped ones too, for JSON inside JSON), or ends where it does in most notations.
_QUOTED = r"""b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|(\\+)(["'])[\s\S]*?(?<!\\)\1\2"""
_BARE = r"""(?:(?:[Bb]earer|[Bb]asic|[Tt]oken|Digest|ApiKey)\s+)?[^\s,;&"'(){}\[\]<>][^\s,;&"')}\]>]*"""

# Each notation: hints (texts, one of which must occur), the regex of the name, and that of the value after it. The
# value is matched separately, so that in "failed: password=x" the second name is found too.
_NOTATIONS = [
    (
        ("=", ":"),  # but not "::", as in the test id TestToken::test_expiry
        r"""(?:(?<![A-Za-z0-9_.-])|(?<=(?<!\w)--)|(?<=(?<![\w-])-))(_*[A-Za-z][A-Za-z0-9_.-]*)(\\*["']?\s*(?:=>|=|:(?!:))\s*)""",
        _QUOTED + "|" + _BARE,
    ),
    (
        ("-",),  # command lines, and lists of their words
        r"""(?<![A-Za-z0-9_-])--?([A-Za-z][A-Za-z0-9_-]*)(["']?,?\s+)(?=[^\s-])""",
        _QUOTED + r"|\S+",
    ),
    (("</",), r"<([A-Za-z_][A-Za-z0-9_.:-]*)((?:\s[^<>]*)?>)", r"[^<]+"),
    (("('", '("', "(b'", '(b"'), r"""\(b?["']([A-Za-z_][A-Za-z0-9_.-]*)(["'],\s*)""", _QUOTED),  # ("password", "x")
    (
        # {"name": "DB_PASSWORD", "value": "x"}, <input type="password" value="x">
        ("value", "Value", "content", "Content", "default", "Default"),
        r"""(?i)(?<![A-Za-z0-9_])(?:name|key|type|field|id|variable|header|option)\\*["']?\s*[:=]\s*\\*["']?"""
        r"""([A-Za-z_][A-Za-z0-9_.-]*)(\\*["']?[^<>{}"':=]{0,20}(?:\s\w+="[^"<>]*"\s?)?"""
        r"""\\*["']?(?:value|content|default)\\*["']?\s*[:=]\s*)""",
        _QUOTED + "|" + _BARE,
    ),
    (
        ("form-data",),
        r"""name="([A-Za-z_][A-Za-z0-9_.-]*)("[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)""",
        r"[^\r\n]+",
    ),
]  # fmt: skip

# Headers whose value is the rest of the line: "Cookie: a=b; c=d".
_HEADERS = ("authorization", "cookie")
_LINE = r"[^\r\n]+"

# Behind the name of a file stands the number of a line: "token.py:12 in read", "test_password.py:5: AssertionError".
_SOURCE_FILE = ".py"

_HARMLESS_VALUES = {"None", "null", "True", "False", "true", "false"}

# The longest word after "token:" in a sentence: "unclosed token: line 1", "unexpected token: identifier at line 3".
_MAX_WORD_CHARS = 15


def redact_named(text: str, names: SecretNames, learn: Callable[[str, str], None]) -> str:
    """Redact the values that follow secret names.

    Args:
        text: The text to search.
        names: The rules for secret names.
        learn: Called with each secret value and its name.
    """
    for hints, name_regex, value_regex in _NOTATIONS:
        for hint in hints:
            if hint in text:
                find_name, match_value, match_line = compiled(name_regex), compiled(value_regex), compiled(_LINE)
                if find_name is None or match_value is None or match_line is None:
                    return REDACTED  # only texts that may hold a secret name come here
                text = _redact(text, names, learn, (find_name, match_value, match_line))
                break
    return redact_commands(text, names, learn) if " -" in text else text


def _redact(text: str, names: SecretNames, learn: Callable[[str, str], None], patterns: Tuple[Any, Any, Any]) -> str:
    find_name, match_value, match_line = patterns
    out: List[str] = []
    copied = position = 0
    while True:
        name = find_name.search(text, position)
        if name is None:
            break
        position = name.end()
        kind = SECRET if _is_of_odbc(text, name) else names.kind_of(name.group(1))
        if not kind or name.group(1).endswith(_SOURCE_FILE):
            continue
        is_header = name.group(2).strip() == ":" and words_of(name.group(1))[-1] in _HEADERS
        if is_header and text[position : position + 1] not in ("'", '"', "{", "[", "\\"):
            value = match_line.match(text, position)
        else:
            value = match_value.match(text, position)
        if value is None or REDACTED in value.group():
            continue
        opening, bare, closing = _unquoted(value.group())
        if _is_message_of_parser(text, name, bare):
            continue
        if _can_be_secret(bare, kind):
            if opening or not _is_begin_of_expression(bare):
                learn(bare, name.group(1))
            if "\\" in bare:
                learn(_unescaped(bare), name.group(1))
            out += [text[copied:position], opening, REDACTED, closing]
            copied = position = value.end()
    return "".join(out) + text[copied:] if out else text


def _can_be_secret(value: str, kind: int) -> bool:
    r"""Return whether a value can be secret, unlike those in ``token: }``, ``token == "\n"``, ``session: closed``."""
    plain = _unescaped(value) if "\\" in value else value
    if value in _HARMLESS_VALUES or not any(char.isalnum() for char in plain):
        return False
    if kind == JUDGED:
        return is_credential(plain)
    return kind == SECRET or not value.isalpha()


def _is_begin_of_expression(value: str) -> bool:
    """Return whether a value without quotes begins a call or a subscript: ``re.compile(``, ``Optional[str``.

    It is redacted like any other, but not learned: it would be redacted wherever the program calls or names the same.
    """
    head_regex = compiled(r"[A-Za-z_][A-Za-z_.]*[(\[]")
    head = head_regex.match(value) if head_regex is not None else None
    return head is not None and not looks_random(value[head.end() :])


def _is_of_odbc(text: str, name: Any) -> bool:
    """Return whether PWD names the password of a connection (``UID=me;PWD=x``), and not the folder of a shell."""
    return name.group(1) == "PWD" and text[name.start(1) - 1 : name.start(1)] == ";"


def _is_message_of_parser(text: str, name: Any, value: str) -> bool:
    """Return whether "token" is a noun of a sentence and the value its next word, as in ``unexpected token: EOF``.

    Args:
        text: The whole text.
        name: The match of the name and of what separates it from the value.
        value: The value, without quotes.
    """
    start = name.start(1)
    if name.group(1).lower() != "token" or name.group(2) != ": " or not text[max(start - 2, 0) : start - 1].isalpha():
        return False
    word = value.rstrip(".!?")
    if (
        text[start - 1] != " "
        or len(word) > _MAX_WORD_CHARS
        or not (word.islower() or word.isupper() or word.istitle())
    ):
        return False
    return word.replace("_", "").replace("-", "").isalpha()


def _unquoted(value: str) -> Tuple[str, str, str]:
    """Split a value into opening quote, content and closing quote."""
    start = 1 if value[:2] in ("b'", 'b"') else 0
    end = start
    while value[end : end + 1] == "\\":
        end += 1
    if value[end : end + 1] not in ("'", '"') or len(value) < 2 * (end - start + 1) + start:
        return "", value, ""
    quote = value[start : end + 1]
    return value[: end + 1], value[end + 1 : -len(quote)], quote


def _unescaped(text: str) -> str:
    r"""Resolve the escapes of JSON and repr: ``\"``, ``\n``, ``\u00e9``."""

    def character(match: Any) -> str:
        escape = match.group(1)
        if escape[0] in "ux" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(escape) or str(escape)

    pattern = compiled(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\s\S])")
    plain = str(pattern.sub(character, text)) if pattern is not None else text
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of surrogates become one
