"""Redact secrets by their shape, whatever their name: keys, tokens, passwords in URLs, hashes of passwords."""

from __future__ import annotations

from ..value_format import REDACTED
from .regex import compiled
from .suspicion import ALPHANUMERIC
from .token_prefixes import TOKEN_PREFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, FrozenSet, List, Match, Tuple

# Each shape: hints (texts, one of which must occur: a substring search is some fifty times cheaper than the expression,
# and most texts hold none), and the expression. A group named "keep" is not redacted.
SHAPES: List[Tuple[Tuple[str, ...], str]] = [
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    (
        ("PRIVATE KEY",),
        r"\A[A-Za-z0-9+/=\s]+-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),  # the beginning of the key is cut off
    (("PuTTY-User-Key-File",), r"(?P<keep>PuTTY-User-Key-File-\d[\s\S]*?Private-Lines: \d+)[\s\S]*"),
    (("hooks.slack.com",), r"(?P<keep>hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/]{10,}"),
    (("/webhooks/",), r"(?P<keep>discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/)[A-Za-z0-9_-]{20,}"),
    (
        ("AccountKey=", "SharedAccess"),  # Azure
        r"(?P<keep>(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[A-Za-z0-9+/=%]{16,}",
    ),
    (
        ("sig=", "ignature="),  # URLs signed by Azure, AWS, Google
        r"(?P<keep>[?&](?:sig|Signature|X-Amz-Signature|X-Goog-Signature)=)[A-Za-z0-9+/=%_-]{16,}",
    ),
    (("://",), r"(?P<keep>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:\"'<>]*:)[^\s/?#\"'<>]+(?=@)"),
    (("://",), r"(?P<keep>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://)(?=[A-Za-z._-]*\d)[A-Za-z0-9._-]{20,}(?=@)"),
    (
        ("earer", "asic", "oken", "EARER", "ASIC"),  # HTTP authorization schemes
        r"(?P<keep>\b(?:[Bb]earer|[Bb]asic|[Tt]oken|BEARER|BASIC)[ \t]+)"
        r"(?=[A-Za-z+/._~-]*[0-9=]|[A-Za-z+/._~-]{21})[A-Za-z0-9+/._~-]{8,}=*",
    ),
    (
        ("$",),  # hashes of passwords, as crypt(3) writes them
        r"\$(?:2[abxy]?|[156]|y|apr1|md5|scrypt|sha1|pbkdf2-sha\d+|bcrypt-sha256)\$[A-Za-z0-9./$=,+]{20,}",
    ),
    (("$argon2",), r"(?P<keep>\$argon2(?:id|i|d)\$)[^\s\"']{20,}"),
    (
        ("assword '", "ASSWORD '", "dentified ", "DENTIFIED "),  # SQL
        r"(?i)(?P<keep>\b(?:password|identified(?: with \w+)? (?:by|as))\s+)'[^']+'",
    ),
    (
        ("assword ", "ecret ", "oken ", "I key ", "i key ", "assword: "),  # prose: the password is x
        r"(?P<keep>\b(?:[Pp]assword|[Ss]ecret|[Tt]oken|A[Pp][Ii] key|api key)(?: is| was| will be)?:? [\"']?)"
        r"(?=[A-Za-z._~+/=-]*\d)(?=[\d._~+/=-]*[A-Za-z])[A-Za-z0-9._~+/=-]{8,}(?<![.])",
    ),
    ((" password ",), r"(?P<keep>\blogin\s+\S+\s+password\s+)\S+"),  # .netrc
]

# Tokens without a distinctive prefix: a text that must occur, the minimum run of letters, digits, dashes, underscores,
# dots and colons, and the expression.
LONG_SHAPES: List[Tuple[str, int, str]] = [
    (".atlasv1.", 46, r"(?<![A-Za-z0-9])[A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_-]{30,}"),  # Terraform
    ("-us", 36, r"(?<![0-9a-z])[0-9a-f]{32}-us\d{1,2}(?!\d)"),  # Mailchimp
    (":AA", 40, r"(?<!\d)\d{7,12}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"),  # Telegram
    (".", 57, r"(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"),  # Discord
]
_MIN_LONG_CHARS = min(chars for _, chars, _ in LONG_SHAPES)
_AS_LONG = bytes(120 if char in ALPHANUMERIC + b"_-.:" else 32 for char in range(256))

# Most texts with a run as long as that of a token do not contain, as a word, the part of any prefix before its first
# mark (a dash, an underscore, a dot, a dollar sign).
_AS_WORDS = bytes(char if char in ALPHANUMERIC else 32 for char in range(256))
_MAX_CHARS_IN_WORDS = 500  # in longer texts, splitting takes longer than searching


def _prefixes() -> Tuple[List[Tuple[str, str]], FrozenSet[bytes], List[Tuple[str, str]]]:
    """Return the prefixes that contain a mark, their first words, and the prefixes without a mark."""
    marked: List[Tuple[str, str]] = []
    unmarked: List[Tuple[str, str]] = []
    words: List[bytes] = []
    for prefixes, rest in TOKEN_PREFIXES:
        for prefix in prefixes.split():
            first = prefix.encode().translate(_AS_WORDS).split()[0]
            if len(first) == len(prefix):
                unmarked.append((prefix, rest))
            else:
                marked.append((prefix, rest))
                words.append(first)
    return marked, frozenset(words), unmarked


_MARKED, _FIRST_WORDS, _UNMARKED = _prefixes()

_SHAPES_BY_HINT = [(hint, regex) for hints, regex in SHAPES for hint in hints]


def redact_shapes(text: str, found: Callable[[str], None]) -> str:
    """Redact the parts of a text that have one of the shapes.

    Args:
        text: The text to search.
        found: Called with each secret.
    """
    for hint, regex in _SHAPES_BY_HINT:
        if hint in text:
            text = _redact_matches(text, regex, found)
    return text


def redact_tokens(text: str, found: Callable[[str], None]) -> str:
    """Redact the keys and tokens of well-known issuers.

    Args:
        text: The text to search.
        found: Called with each secret.
    """
    for prefix, rest in _UNMARKED:
        if prefix in text:
            text = _redact_prefixed(text, prefix, rest, found)
    if (
        len(text) > _MAX_CHARS_IN_WORDS
        or "\\" in text  # the last character of an escape looks like part of the word after it
        or "%" in text
        or not _FIRST_WORDS.isdisjoint(text.encode("utf-8", "replace").translate(_AS_WORDS).split())
    ):
        for prefix, rest in _MARKED:
            if prefix in text:
                text = _redact_prefixed(text, prefix, rest, found)
    if len(text) >= _MIN_LONG_CHARS:
        runs = text.encode("utf-8", "replace").translate(_AS_LONG)
        for hint, chars, regex in LONG_SHAPES:
            if hint in text and b"x" * chars in runs:
                text = _redact_matches(text, regex, found)
    return text


def _redact_matches(text: str, regex: str, found: Callable[[str], None]) -> str:
    def mark(match: Match[str]) -> str:
        kept = match.groupdict().get("keep") or ""
        found(match.group()[len(kept) :])
        return kept + REDACTED

    pattern = compiled(regex)
    return REDACTED if pattern is None else str(pattern.sub(mark, text))


def _redact_prefixed(text: str, prefix: str, rest: str, found: Callable[[str], None]) -> str:
    pattern = compiled(rest)
    if pattern is None:
        return REDACTED
    pieces: List[str] = []
    copied = 0
    at = text.find(prefix)
    while at >= 0:
        end = at + len(prefix)
        if at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_") or ends_escape(text, at):
            match = pattern.match(text, end)
            if match is not None:
                end = match.end()
                found(text[at:end])
                pieces += [text[copied:at], REDACTED]
                copied = end
        at = text.find(prefix, end)
    return "".join(pieces) + text[copied:] if pieces else text


def ends_escape(text: str, at: int) -> bool:
    r"""Return whether an escape ends before a position: ``\n``, ``\x0a``, ``\u000a``, ``%0A``."""
    return (
        (at >= 2 and text[at - 2] == "\\")
        or (at >= 3 and text[at - 3] == "%")
        or (at >= 4 and text[at - 4 : at - 2] == "\\x")
        or (at >= 6 and text[at - 6 : at - 4] == "\\u")
    )
