"""Remember secret values, and redact them wherever they appear again."""

from __future__ import annotations

from ..json_text import quote, quote_ascii, utf8
from ..value_format import REDACTED
from .suspicion import MIN_RUN_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Set

# Shorter forms of a value are not searched for: they occur in too many texts by chance.
MIN_FORM_CHARS = 5

# Fewer characters at the end of a text are not taken for the beginning of a value.
MIN_CUT_CHARS = 3

# Longer values are learned in pieces of at most this length, so that of a value that a text cuts off, less than one
# piece is missed.
PIECE_CHARS = 512
MAX_VALUE_CHARS = 1 << 16

# Number of values searched for in records: each takes about a millisecond per megabyte.
_MAX_IN_RECORDS = 64

# With more forms, only those whose first characters occur in the text are searched for.
_MAX_FORMS_SEARCHED = 100
_GRAM_CHARS = MIN_FORM_CHARS

_MIN_RANDOM_CHARS = 8

# What JSON has of a number and around it.
_NUMBER_CHARS = "0123456789+-.eE[]{}:,"

# Values of at most this length, of letters and digits only, are redacted as whole words only.
_MAX_WORD_CHARS = 7

_BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

_HTML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))


class LearnedSecrets:
    """Secret values in all the forms in which texts spell them.

    Attributes:
        by_gram: The forms by their first characters.
    """

    def __init__(self) -> None:
        self._values: Dict[str, None] = {}
        # Longest first once sorted: a secret that contains another is redacted as a whole.
        self._sorted_forms: List[str] = []
        self._is_sorted = True
        self._words: Set[str] = set()
        self._known_forms: Set[str] = set()
        self.by_gram: Dict[str, List[str]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: str) -> bool:
        return value in self._values

    def add(self, value: str) -> None:
        """Remember a value of at most PIECE_CHARS characters."""
        self._values[value] = None
        if len(value) <= _MAX_WORD_CHARS and value.isalnum():
            self._words.add(value)
        new = {form for form in _forms_of(value) if len(form) >= MIN_FORM_CHARS and form not in self._known_forms}
        self._known_forms |= new
        for form in new:
            self.by_gram.setdefault(form[:_GRAM_CHARS], []).append(form)
        self._sorted_forms += new
        self._is_sorted = False

    @property
    def _forms(self) -> List[str]:
        if not self._is_sorted:  # not with each value: a program may teach thousands at once
            self._is_sorted = True  # first: another thread that adds a form meanwhile has it sorted again
            self._sorted_forms = sorted(self._sorted_forms, key=len, reverse=True)
        return self._sorted_forms

    def redact(self, text: str) -> str:
        """Redact the values in a text."""
        forms = self._forms
        if len(forms) > _MAX_FORMS_SEARCHED:
            grams = {text[at : at + _GRAM_CHARS] for at in range(len(text) - _GRAM_CHARS + 1)}
            forms = [form for gram in grams & self.by_gram.keys() for form in self.by_gram[gram]]
            forms.sort(key=len, reverse=True)
        for form in forms:
            if form in text:
                text = _replace_word(text, form) if form in self._words else text.replace(form, REDACTED)
        return text

    def unfinished_at(self, text: str) -> int:
        """Return where the beginning of a value stands that a text may have been cut in; its length if nowhere."""
        from bisect import bisect_left  # the server alone asks this: spare the traced programs the import

        forms = sorted(self._known_forms)
        longest = max(map(len, forms), default=0)
        for at in range(max(len(text) - longest + 1, 0), len(text) - MIN_CUT_CHARS + 1):
            end = text[at:]
            found = bisect_left(forms, end)
            if found < len(forms) and forms[found].startswith(end) and forms[found] != end:
                return at
        return len(text)

    def redact_records(self, records: bytes) -> bytes:
        """Redact the values in spool records; see ``Redactor.redact_records``."""
        for value in list(self._values)[-_MAX_IN_RECORDS:]:
            if is_no_part_of_a_record(value):
                needle = utf8(quote(value)[1:-1])
                if needle in records:
                    records = records.replace(needle, REDACTED.encode())
        return records


def is_no_part_of_a_record(value: str) -> bool:
    """Return whether a value can be redacted in written records: it is no word and no number of the format itself.

    A number such as 1.5e-07 stands in a record without quotes: in its place, ``[REDACTED]`` would break the record.
    """
    return looks_random(value) and bool(value.strip(_NUMBER_CHARS))


def looks_random(value: str, at_least: int = _MIN_RANDOM_CHARS) -> bool:
    """Return whether a value looks generated: letters and digits, no spaces.

    Args:
        value: The value as text.
        at_least: The minimum length in characters.
    """
    return (
        len(value) >= at_least
        and not any(c.isspace() for c in value)
        and any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
    )


def pieces_of(value: str) -> Iterator[str]:
    """Split a value into parts of nearly equal length, none longer than PIECE_CHARS."""
    value = value[:MAX_VALUE_CHARS]
    count = -(-len(value) // PIECE_CHARS) or 1
    size = -(-len(value) // count)
    for start in range(0, len(value), size or 1):
        yield value[start : start + size]


def _forms_of(value: str) -> Iterator[str]:
    """Yield the spellings of a value in plain text, JSON, JSON inside JSON, repr, HTML and short encodings."""
    spellings = {value}
    raw = value.encode("utf-8", "surrogateescape") if _is_encodable(value) else b""
    if not value.isascii():
        spellings.add(raw.decode("utf-8", "backslashreplace"))
        spellings.add(raw.decode("utf-8", "replace"))
        spellings.add(repr(raw)[2:-1])
    for spelling in list(spellings):
        html = spelling
        for char, entity in _HTML:
            html = html.replace(char, entity)
        quoted = {quote(spelling)[1:-1], quote_ascii(spelling)[1:-1], repr(spelling)[1:-1]}
        if len(raw) < MIN_RUN_CHARS * 3 // 4:  # longer ones are found by decoding, at any offset
            yield _base64_of(raw)
            yield raw.hex()
        yield from (html, html.replace("'", "&#x27;"), html.replace("'", "&#39;"))
        yield from quoted
        for text in quoted:
            yield quote(text)[1:-1]
    yield value.replace(" ", "+")
    yield from spellings


def _is_encodable(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _replace_word(text: str, word: str) -> str:
    r"""Redact a word where no letter or digit adjoins it, except the end of an escape: ``\n``, ``%20``."""
    pieces: List[str] = []
    copied = 0
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        before = not text[at - 1 : at].isalnum() or text[at - 2 : at - 1] == "\\" or text[at - 3 : at - 2] == "%"
        if (at == 0 or before) and not text[end : end + 1].isalnum():
            pieces += [text[copied:at], REDACTED]
            copied = end
        at = text.find(word, end)
    return "".join(pieces) + text[copied:] if pieces else text


def _base64_of(data: bytes) -> str:
    """Encode short data as base64, without the last characters, which depend on the bytes that follow.

    Does without binascii, which every interpreter with a short secret in its environment would import at its start.
    """
    digits = len(data) * 8 // 6
    number = int.from_bytes(data, "big") >> (len(data) * 8 - digits * 6)
    return "".join([_BASE64_DIGITS[number >> 6 * at & 63] for at in range(digits - 1, -1, -1)])
