"""Redact secrets before anything is written: by name, by shape, and by value once learned.

The rules are in ``secret_names``, ``secret_shapes``, ``token_prefixes`` and ``card_numbers``. The server uses the same
class for what it captures itself: output, command lines, environment.

Modules listed in ``late_modules`` are imported where they are first needed.
"""

from __future__ import annotations

from ..runtime.late_modules import import_late_modules
from .command_lines import redact_words
from .secret_names import JUDGED, SECRET, WEAK, SecretNames
from .suspicion import ENCODED, possible_kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Mapping, Optional, Protocol, Sequence, Tuple

    from .learned_secrets import LearnedSecrets

    class Listener(Protocol):
        """An observer of what a redactor learns."""

        def on_secret(self, value: str) -> None:
            """Handle a value, or a piece of a long one, that is redacted from now on."""

        def on_too_many_secrets(self) -> None:
            """Handle the first value that is not learned because there are too many."""

        def on_name_patterns(self, patterns: Sequence[str]) -> None:
            """Handle patterns of names whose values are redacted from now on."""


# Shorter texts hold no secret with a known shape or with a name before it.
_MIN_TEXT_CHARS = 8

# Maximum number of learned values: each one slows down every later text, and a program may make a session id per
# request.
MAX_LEARNED = 2000

# Maximum number of nested encodings that are decoded.
_MAX_ENCODINGS = 2

# Variables of desktops and shells with secret names that hold numbers, sockets and folders.
_HARMLESS_VARIABLES = ("XDG_", "DBUS_", "SSH_", "GPG_", "PWD", "OLDPWD", "DESKTOP_")


class Redactor:
    """The rules for secrets and the secret values learned so far.

    Args:
        extra_name_patterns: Globs over whole names that are secret too, case-insensitive: ``my_secret_*``.
        listener: Notified of each newly learned value, in pieces if it is long, and of each added pattern.
        max_learned: Maximum number of learned values. A long value counts once per piece.

    Attributes:
        generation: Changes whenever an earlier result may be outdated, so that caches can compare it.
    """

    __slots__ = ("__dict__", "__weakref__", "generation")  # the core in C reads the last at each value

    def __init__(
        self,
        extra_name_patterns: Iterable[str] = (),
        listener: Optional[Listener] = None,
        max_learned: int = MAX_LEARNED,
    ) -> None:
        self._names = SecretNames(extra_name_patterns)
        self._learned: Optional[LearnedSecrets] = None
        self._redact_kinds: Optional[Callable[..., str]] = None
        self._is_card_number: Optional[Callable[[int], bool]] = None
        self._listener = listener
        self._max_learned = max_learned
        self.generation = 0
        self._is_full = False

    def add_name_patterns(self, patterns: Iterable[str]) -> None:
        """Treat more names as secret, and notify the listener.

        Args:
            patterns: Globs over whole names, case-insensitive.
        """
        patterns = list(patterns)
        self._names.add_patterns(patterns)
        self.generation += 1
        if self._listener is not None:
            self._listener.on_name_patterns(patterns)

    def is_secret_name(self, name: str) -> bool:
        """Return whether a parameter, key, attribute, option or variable of this name holds a secret.

        Args:
            name: The name in any spelling: ``apiKey``, ``API_KEY``, ``--api-key``.
        """
        return self._names.kind_of(name) in (SECRET, WEAK)

    def may_be_secret(self, name: str) -> bool:
        """Return whether a value of this name is looked at: one of a secret name, and one that is judged.

        Args:
            name: The name in any spelling.
        """
        return self._names.kind_of(name) > 0

    def is_weak_name(self, name: str) -> bool:
        """Return whether a name is as often harmless as secret: a session may be an object.

        Args:
            name: The name in any spelling.
        """
        return self._names.kind_of(name) == WEAK

    def is_judged_name(self, name: str) -> bool:
        """Return whether only what looks like a credential is secret under a name: key, tokens.

        Args:
            name: The name in any spelling.
        """
        return self._names.kind_of(name) == JUDGED

    def is_setting_name(self, name: str) -> bool:
        """Return whether the value of a setting is secret: ``{"name": "DB_PASSWORD", "value": ...}``.

        Not that of a "token", which mostly is one of a lexer: ``{"type": "token", "value": "if"}``.

        Args:
            name: The name of the setting in any spelling.
        """
        return self._names.kind_of(name) in (SECRET, WEAK) and name.lower() != "token"

    def hints(self) -> Tuple[Tuple[str, ...], Dict[str, List[str]]]:
        """Return what texts with secrets contain, besides the fixed hints of ``suspicion``: for the core in C.

        Returns:
            Parts of secret names, in lower case, and the learned values by their first characters.
        """
        return self._names.fragments, {} if self._learned is None else self._learned.by_gram

    def learn(self, value: str, name: str = "") -> None:
        """Redact a value wherever it appears from now on, and the secrets in it: a password in a URL, a cookie.

        Values that occur in harmless texts by chance are not learned: see ``learning``.

        Args:
            value: The secret value.
            name: The secret name of the value; empty if its shape made it known.
        """
        import_late_modules()
        from .learning import secrets_in

        for secret in secrets_in(value, name, self._names):
            self.learn_exactly(secret)

    def learn_exactly(self, value: str) -> None:
        """Redact a value from now on without judging it. Nothing is learned beyond *max_learned* values.

        Args:
            value: The secret value, remembered in pieces if it is long.
        """
        import_late_modules()
        from .learned_secrets import LearnedSecrets, pieces_of

        if self._learned is None:
            self._learned = LearnedSecrets()
        for piece in pieces_of(value):
            if piece in self._learned:
                continue
            if len(self._learned) >= self._max_learned:
                if not self._is_full and self._listener is not None:
                    self._listener.on_too_many_secrets()
                self._is_full = True
                return
            self._learned.add(piece)
            self.generation += 1
            if self._listener is not None:
                self._listener.on_secret(piece)

    def learn_environment(self, variables: Mapping[str, str]) -> None:
        """Learn the values of variables with secret names.

        Args:
            variables: The environment, by name.
        """
        for name, value in variables.items():
            if self._names.kind_of(name) and not name.startswith(_HARMLESS_VARIABLES):
                self.learn(value, name)

    def redact_text(self, text: str) -> str:
        """Redact what is secret in a text: by its shape, by the name before it, or because it was learned.

        Secrets that are found by shape or name are learned.

        Args:
            text: The text, of any length.

        Returns:
            The text with ``[REDACTED]`` in place of each secret.
        """
        generation = self.generation
        redacted = self._redact(text, 0)
        if self.generation != generation:  # a value was learned, which may occur before its name too
            redacted = self._redact(text, 0)
        return redacted

    def _redact(self, text: str, encodings: int) -> str:
        """Redact a text that was decoded this many times."""
        if self._learned is not None:
            text = self._learned.redact(text)
        if len(text) < _MIN_TEXT_CHARS:
            return text
        kinds = possible_kinds(text, self._names)
        if encodings == _MAX_ENCODINGS:
            kinds &= ~ENCODED
        if not kinds:
            return text
        if self._redact_kinds is None:
            import_late_modules()
            from .text_search import redact_kinds

            self._redact_kinds = redact_kinds  # kept here, as a program may empty sys.modules
        return self._redact_kinds(
            text, kinds, self._names, self.learn, lambda plain: self._redact_decoded(plain, encodings + 1)
        )

    def _redact_decoded(self, text: str, encodings: int) -> str:
        if "\ufffd" in text:  # bytes that are no text: most words only look like base64
            return text if self._learned is None else self._learned.redact(text)
        return self._redact(text, encodings)

    def redact_records(self, records: bytes) -> bytes:
        """Redact learned values in spool records that were written earlier or by another process.

        Only the values learned last are searched for, in their JSON spelling, and only those with letters and digits
        that are no numbers: any other may be part of the record format.

        Args:
            records: Lines of a segment.

        Returns:
            The records with ``[REDACTED]`` in place of each value.
        """
        return records if self._learned is None else self._learned.redact_records(records)

    def unfinished_secret_at(self, text: str) -> int:
        """Return where a learned value begins that a text may have been cut in; its length if nowhere.

        Args:
            text: The beginning of a text of which more will come.
        """
        return len(text) if self._learned is None else self._learned.unfinished_at(text)

    def is_secret_number(self, number: int) -> bool:
        """Return whether an integer is a payment card number.

        Args:
            number: The integer, of any size.
        """
        if self._is_card_number is None:
            import_late_modules()
            from .card_numbers import is_card_number

            self._is_card_number = is_card_number  # kept here, as a program may empty sys.modules
        return self._is_card_number(number)

    def redact_command(self, argv: Sequence[str]) -> List[str]:
        """Redact a command line, including the values of ``--password x``, ``--token=x`` and ``API_KEY=x``.

        Args:
            argv: The words of the command line, program first.

        Returns:
            As many words, redacted.
        """
        return redact_words(argv, self._names, self.learn, self.redact_text)


_default: Optional[Redactor] = None
_custom: List[str] = []


def configure_redactor(custom_patterns: Sequence[str] = ()) -> None:
    """Treat more names as secret in this process, for everything recorded from now on.

    May be called before or after the tracer has started.

    Args:
        custom_patterns: Globs over whole names, case-insensitive: ``my_secret_*``.
    """
    _custom.extend(custom_patterns)
    if _default is not None:
        _default.add_name_patterns(custom_patterns)


def process_redactor(extra_name_patterns: Sequence[str], listener: Listener) -> Redactor:
    """Create the redactor of this process's tracer, including patterns given to ``configure_redactor`` so far.

    Args:
        extra_name_patterns: Globs over whole names that are secret too, from the config of the run.
        listener: Notified of each learned value and added pattern.
    """
    global _default
    _default = Redactor([*extra_name_patterns, *_custom], listener)
    return _default
