"""Find how much of a running program's output can be shown: a secret may be written in part only.

A finished output is redacted as a whole. Of an unfinished one, the last line may end within a secret, which no rule of
the redactor recognises then. What is held back here is shown once the program has written more.
"""

import re
from string import punctuation
from typing import Protocol

# The words of a line that may be names of secrets, and what stands between such a name and its value.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SEPARATOR = re.compile(r"""["']?[ \t]*(?:=>|=|:)?[ \t]*""")
# A part of a card number that is written in groups.
_DIGITS = re.compile(r"\d[\d-]*")
# What a generated text has and a row of dots with a letter here and there has not, and the words that are no such text.
_GENERATED = re.compile(r"\w\w|[\d_]")
_PLAIN_WORD = re.compile(r"[A-Z]?[a-z]{0,15}")


class SecretRules(Protocol):
    """The part of the tracer's redactor that unfinished output needs."""

    def is_secret_name(self, name: str) -> bool:
        """Return whether values of this name are secret."""
        ...

    def unfinished_secret_at(self, text: str) -> int:
        """Return where a learned secret begins that the text may have been cut in; its length if nowhere."""
        ...


def without_unfinished_secret(text: str, rules: SecretRules) -> str:
    """Return an output, not yet redacted, without an end that may belong to a secret.

    Args:
        text: What a running program has written so far.
        rules: What is known of secrets.
    """
    while True:
        end = min(rules.unfinished_secret_at(text), _end_of_harmless(text, rules))
        if end == len(text):
            return text
        text = text[:end]  # which may now end within a secret that was whole


def _end_of_harmless(text: str, rules: SecretRules) -> int:
    """Return where the unfinished last line could go on with a secret of any shape, or with one after its name."""
    start = text.rfind("\n") + 1
    line = text[start:]
    for name in _NAME.finditer(line):
        if rules.is_secret_name(name.group()):
            separator = _SEPARATOR.match(line, name.end())
            return start + (separator.end() if separator else name.end())
    words = line.split(" ")
    kept = len(words) - 1
    while kept and _DIGITS.fullmatch(words[kept - 1]):
        kept -= 1
    if _is_harmless(words[-1]) and (words[-1] or kept == len(words) - 1):
        return len(text)
    return start + sum(len(word) + 1 for word in words[:kept])


def _is_harmless(word: str) -> bool:
    return bool(_PLAIN_WORD.fullmatch(word.strip(punctuation))) or not _GENERATED.search(word)
