"""Takes secrets out of everything before it is written: by name, by shape, by value once seen.

What is secret is told in ``secret_names``, ``secret_shapes``, ``token_prefixes`` and ``card_numbers``. The server uses
the same class for what it captures itself (output, command lines, environment).

What stands in ``late_modules`` is imported by what first needs it.
"""

from __future__ import annotations

from ..runtime.late_modules import import_late_modules
from .command_lines import redact_words
from .secret_names import WEAK, SecretNames
from .suspicion import ENCODED, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, Mapping, Optional, Protocol, Sequence

    from .learned_secrets import LearnedSecrets

    class Listener(Protocol):
        """Who is told what becomes known to be secret."""

        def on_secret(self, value: str) -> None:
            """A value, or a piece of a long one, will be redacted from now on."""

        def on_too_many_secrets(self) -> None:
            """No more values are learned."""

        def on_name_patterns(self, patterns: Sequence[str]) -> None:
            """What stands under names that match will be redacted from now on."""


# Shorter texts hold no secret that is known by its shape or by a name before it (user:pw@ in scheme://user:pw@h).
_MIN_TEXT_CHARS = 8

# More values are not remembered: a program that makes a session id for each request would be slowed down by each.
MAX_LEARNED = 2000

# How many encodings inside of each other are undone.
_MAX_ENCODINGS = 2

# Variables of desktops and shells with numbers, sockets and folders under names that sound secret.
_HARMLESS_VARIABLES = ("XDG_", "DBUS_", "SSH_", "GPG_", "PWD", "OLDPWD", "DESKTOP_")


class Redactor:
    """Knows what is secret, and learns.

    extra_name_patterns: globs over whole names, case-insensitive: ``my_secret_*``.
    listener: is told each secret value that is new here, in pieces if it is long, and patterns that are added.
    """

    def __init__(
        self,
        extra_name_patterns: Iterable[str] = (),
        listener: Optional[Listener] = None,
        max_learned: int = MAX_LEARNED,
    ) -> None:
        self._names = SecretNames(extra_name_patterns)
        self._learned: Optional[LearnedSecrets] = None
        self._search: Optional[Callable[..., str]] = None
        self._listener = listener
        self._max_learned = max_learned
        self.generation = 0  # changes whenever an earlier answer may have become wrong: for caches
        self._is_full = False

    def add_name_patterns(self, patterns: Iterable[str]) -> None:
        """Treat names that match these globs as secret too."""
        patterns = list(patterns)
        self._names.add_patterns(patterns)
        self.generation += 1
        if self._listener is not None:
            self._listener.on_name_patterns(patterns)

    def is_secret_name(self, name: str) -> bool:
        """Whether a parameter, key, attribute, option or variable of this name holds a secret."""
        return self._names.kind_of(name) > 0

    def is_weak_name(self, name: str) -> bool:
        """Whether a secret name is one that as often means something else: a session may be an object."""
        return self._names.kind_of(name) == WEAK

    def learn(self, value: str, name: str = "") -> None:
        """Redact this value from now on wherever it turns up, and the secrets in it: a password in a URL, a cookie.

        name: what it stood under. What would cut harmless texts to pieces is not learned: see ``learning``.
        """
        import_late_modules()
        from .learning import lessons

        for lesson in lessons(value, name, self._names):
            self.learn_exactly(lesson)

    def learn_exactly(self, value: str) -> None:
        """Redact this value from now on, whatever it is."""
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
        """Learn the values of variables with secret names."""
        for name, value in variables.items():
            if self._names.kind_of(name) and not name.startswith(_HARMLESS_VARIABLES):
                self.learn(value, name)

    def redact_text(self, text: str) -> str:
        """The text without what is secret in it by shape, by a name before it, or by having been learned."""
        generation = self.generation
        redacted = self._redact(text, 0)
        if self.generation != generation:  # it taught a value, which may stand in it before its name as well
            redacted = self._redact(text, 0)
        return redacted

    def _redact(self, text: str, encodings: int) -> str:
        """encodings: how many have been undone to come to this text."""
        if self._learned is not None:
            text = self._learned.redact(text)
        if len(text) < _MIN_TEXT_CHARS:
            return text
        kinds = look(text, self._names)
        if encodings == _MAX_ENCODINGS:
            kinds &= ~ENCODED
        if not kinds:
            return text
        if self._search is None:
            import_late_modules()
            from .text_search import search

            self._search = search  # a program may take away what stands in sys.modules
        return self._search(
            text, kinds, self._names, self.learn, lambda plain: self._redact_decoded(plain, encodings + 1)
        )

    def _redact_decoded(self, text: str, encodings: int) -> str:
        if "\ufffd" in text:  # no text: most words are base64 of nothing
            return text if self._learned is None else self._learned.redact(text)
        return self._redact(text, encodings)

    def redact_records(self, records: bytes) -> bytes:
        """Spool records without the values that have been learned, for those that were written before or elsewhere.

        Looks for the values that were learned last, as they stand in JSON, and only for what no record is made of
        otherwise: letters with digits.
        """
        return records if self._learned is None else self._learned.redact_records(records)

    def is_secret_number(self, number: int) -> bool:
        """Whether an integer has the shape of a payment card."""
        import_late_modules()
        from .card_numbers import is_card_number

        return is_card_number(number)

    def redact_command(self, argv: Sequence[str]) -> List[str]:
        """A command line: also the value after ``--password``, in ``--token=...`` and ``API_KEY=...``."""
        return redact_words(argv, self._names, self.learn, self.redact_text)


_default: Optional[Redactor] = None
_custom: List[str] = []


def configure_redactor(custom_patterns: Sequence[str] = ()) -> None:
    """Add name patterns (globs such as ``my_secret_*``) to those that are redacted in this process.

    May be called before or after the tracer has started; holds for what is recorded from then on.
    """
    _custom.extend(custom_patterns)
    if _default is not None:
        _default.add_name_patterns(custom_patterns)


def process_redactor(extra_name_patterns: Sequence[str], listener: Listener) -> Redactor:
    """The redactor of this process's tracer, with what ``configure_redactor`` was told so far."""
    global _default
    _default = Redactor([*extra_name_patterns, *_custom], listener)
    return _default
