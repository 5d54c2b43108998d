"""Offer the redactor under the names that users import it by."""

from __future__ import annotations

from ..redaction import redactor as redaction
from ..runtime import own_builtins  # noqa: F401  (first: it installs the loader of the others)
from ..value_format import REDACTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Sequence

__all__ = ["SecretRedactor", "configure_redactor", "redact_secrets"]

# Levels of nested containers that are looked into; deeper ones are returned as they are marked below.
_MAX_DEPTH = 100
_TOO_DEEP = "[TOO DEEP]"


# Switches of an older Breadcrumb, which could also redact less.
_SWITCHES = ("redact_credit_cards", "redact_ssns", "redact_jwts", "redact_api_keys")


def configure_redactor(
    custom_patterns: Sequence[str] = (), *, key_patterns: Sequence[str] = (), **switches: bool
) -> None:
    """Treat more names as secret in this process, for everything recorded from now on.

    May be called before or after the tracer has started.

    Args:
        custom_patterns: Globs over whole names, case-insensitive: ``my_secret_*``.
        key_patterns: More of them.
        switches: ``redact_credit_cards`` and the like have no effect: what is known as a secret is always redacted.

    Raises:
        TypeError: A pattern is not a text, or an argument is unknown.
    """
    patterns = _checked(custom_patterns, key_patterns, switches)
    redaction.configure_redactor(patterns)


class SecretRedactor:
    """The rules for secrets, for data of your own: what you log, or send elsewhere.

    Args:
        custom_patterns: Globs over whole names that are secret too, case-insensitive: ``my_secret_*``.
        key_patterns: More of them.
        switches: As for ``configure_redactor``.

    Raises:
        TypeError: A pattern is not a text, or an argument is unknown.
    """

    def __init__(
        self, custom_patterns: Sequence[str] = (), *, key_patterns: Sequence[str] = (), **switches: bool
    ) -> None:
        self._redactor = redaction.Redactor(_checked(custom_patterns, key_patterns, switches))

    def redact(self, data: Any) -> Any:
        """Return a copy of *data* with ``[REDACTED]`` in place of each secret.

        Args:
            data: Dicts, lists, tuples, texts and numbers, nested as you like. Other objects are returned as they are.
        """
        return self._redact(data, _MAX_DEPTH)

    def _redact(self, data: Any, depth: int) -> Any:
        if not depth:
            return _TOO_DEEP
        if isinstance(data, dict):
            return {key: self._redact_named(key, value, depth) for key, value in data.items()}
        if isinstance(data, list):
            return [self._redact(item, depth - 1) for item in data]
        if type(data) is tuple:
            return tuple([self._redact(item, depth - 1) for item in data])
        if isinstance(data, str):
            return self._redactor.redact_text(data)
        if type(data) is int and self._redactor.is_secret_number(data):
            return REDACTED
        return data

    def _redact_named(self, name: Any, value: Any, depth: int) -> Any:
        is_secret = isinstance(name, str) and value is not None and self._redactor.is_secret_name(name)
        if not is_secret or (isinstance(value, (dict, list, tuple)) and self._redactor.is_weak_name(name)):
            return self._redact(value, depth - 1)
        return REDACTED


def redact_secrets(data: Any, patterns: Sequence[str] = ()) -> Any:
    """Return a copy of *data* with ``[REDACTED]`` in place of each secret.

    Args:
        data: As for ``SecretRedactor.redact``.
        patterns: Globs over whole names that are secret too, case-insensitive: ``my_secret_*``.
    """
    return SecretRedactor(patterns or ()).redact(data)


def _checked(custom_patterns: Any, key_patterns: Any, switches: Any) -> Any:
    """Return all patterns; raise TypeError for wrong arguments, and warn of a switch that would redact less."""
    patterns: List[str] = []
    for given in (custom_patterns, key_patterns):
        if isinstance(given, str) or not all(isinstance(pattern, str) for pattern in given or ()):
            raise TypeError("patterns must be a list of texts, such as ['my_secret_*'], not %r" % (given,))
        patterns.extend(given or ())
    for name, value in switches.items():
        if name not in _SWITCHES:
            raise TypeError("there is no argument %r: custom_patterns=[...] adds names of secrets" % name)
        if not value:
            import warnings

            text = "%s=False has no effect: what Breadcrumb knows as a secret is always redacted" % name
            warnings.warn(text, RuntimeWarning, stacklevel=3)
    return patterns
