"""Takes secrets out of everything before it is written: by name, by shape, by value once seen.

The rules are data at the top; the machinery below knows none of them. The server uses the same class for what it
captures itself (output, command lines, environment).
"""

from __future__ import annotations

import sys

from ..globs import matches_glob
from ..record_format import REDACTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Match, Optional, Sequence, Set

# A name is secret if these words stand in it side by side, in any spelling: user_api_key, userApiKey,
# USER-API-KEY, x.api.key, apikey. Whole words only: tokenize, secretary, passport and keyboard are not secret.
SECRET_NAMES = """
    password passwords passwd passwort pwd passphrase passcode secret secrets client_secret shared_secret token
    auth_token access_token refresh_token id_token bearer jwt csrf xsrf csrftoken xsrftoken api_key api_keys
    api_secret app_key app_secret access_key account_key secret_key private_key signing_key encryption_key
    master_key session_key ssh_key pgp_key gpg_key storage_key subscription_key license_key host_key authorization
    proxy_authorization www_authenticate x_api_key x_auth_token credential credentials creds cookie cookies
    set_cookie session_id sessionid phpsessid jsessionid private_pem pem_key keystore htpasswd connection_string
    conn_str dsn database_url otp totp mfa_code two_factor_code pin_code recovery_code backup_code cvv cvc
    card_number credit_card creditcard cc_number card_no iban ssn social_security_number signature_secret
    webhook_secret pepper nonce_secret oauth oauth_token
""".split()  # noqa: SIM905  (a list of a hundred quoted words reads worse)

# Words that stand for a secret only as the last word of a name (db_pass, user_session) or as the whole of it:
# pass_through, session_scope and pin_size hold none. What stands under them is redacted there, but learned only if it
# looks random.
WEAK_SECRET_NAMES = ["pass", "pw", "pin", "sid", "session", "auth", "salt"]

# The working folder in the environment of every shell.
_NEVER_SECRET = {"PWD", "OLDPWD"}

# Words that turn a secret word into something else: max_tokens is a number, token_count too.
_HARMLESS_SUFFIXES = {
    "count",
    "counts",
    "length",
    "len",
    "type",
    "types",
    "expiry",
    "expires",
    "limit",
    "id_type",
    "url",
}

_PATH_BEGINNINGS = ("/", "./", "../", "~/")

# Values that are not worth learning: they would be cut out of every text.
_MIN_LEARNED_CHARS = 5
_MAX_LEARNED_CHARS = 4096
_MIN_RANDOM_CHARS = 8
_MAX_LEARNED = 2000
_NOT_SECRETS = {"password", "passwd", "secret", "token", "bearer", "basic", "session", "string", "changeme", "example"}

_WEAK_ENDS = tuple(WEAK_SECRET_NAMES)

_HARMLESS_VALUES = {"None", "null", "True", "False", "true", "false", "...", "{", "["}

# A shape is worth a search only in a text at least this long (user:pw@ in scheme://user:pw@h).
_MIN_SHAPE_CHARS = 8

# What secrets look like: the texts one of which must occur (a substring search is some fifty times cheaper than the
# expression, and most texts hold none), and the expression. A group named "keep" stays.
SECRET_SHAPES = [
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    (("eyJ",), r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),  # JWT
    (("AKIA", "ASIA", "AROA", "AIDA", "ABIA", "ACCA"), r"\bA(?:KIA|SIA|ROA|IDA|BIA|CCA)[A-Z0-9]{16}\b"),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{20,}"),  # GitHub
    (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{16,}"),  # GitLab
    (("xox", "xapp-"), r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9-]{8,}"),  # Slack
    (("hooks.slack.com",), r"(?P<keep>https://hooks\.slack\.com/services/)[A-Za-z0-9/]{10,}"),
    (("k_live_", "k_test_"), r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{8,}"),  # Stripe
    (("whsec_",), r"\bwhsec_[A-Za-z0-9]{16,}"),
    (("sk-",), r"\bsk-(?:[A-Za-z]+-)*[A-Za-z0-9_-]{10,}"),  # OpenAI, Anthropic and others
    (("AIza",), r"\bAIza[A-Za-z0-9_-]{30,}"),  # Google
    (("ya29.",), r"\bya29\.[A-Za-z0-9_-]{16,}"),
    (("GOCSPX-",), r"\bGOCSPX-[A-Za-z0-9_-]{16,}"),
    (("npm_",), r"\bnpm_[A-Za-z0-9]{30,}"),
    (("pypi-",), r"\bpypi-[A-Za-z0-9_-]{30,}"),
    (("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),  # Hugging Face
    (("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),  # SendGrid
    (("SK",), r"\bSK[0-9a-f]{32}\b"),  # Twilio
    (("dop_v1_",), r"\bdop_v1_[0-9a-f]{32,}"),  # DigitalOcean
    (("shpat_", "shpca_", "shppa_", "shpss_"), r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,}"),  # Shopify
    (
        ("AccountKey=", "SharedAccess"),  # Azure
        r"(?P<keep>\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[A-Za-z0-9+/=%]{16,}",
    ),
    (("://",), r"(?P<keep>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#@:]*:[^\s/?#@]+(?=@)"),
    (
        ("earer ", "asic ", "oken ", "EARER ", "ASIC "),  # HTTP authorization schemes
        r"(?P<keep>\b(?:[Bb]earer|[Bb]asic|Token|BEARER|BASIC)\s+)(?=[A-Za-z+/._~-]*[0-9=])[A-Za-z0-9+/._~-]{8,}=*",
    ),
]

# US social security numbers, and 13 to 19 digits, grouped or not: a payment card only if the Luhn sum agrees.
_MIN_DIGITS = 9
_NUMBERS = (
    r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"
    r"|(?<![\d.])(?P<card>\d(?:[ -]?\d){12,18})(?!\d)"
)
_WITHOUT_DIGITS = dict.fromkeys(b"0123456789")

# name=value, "name": "value", name => value inside a text; the value is matched on its own, so that in
# "failed: password=x" the name that counts is the second one.
_NAME_BEFORE_VALUE = r"""(?<![A-Za-z0-9_.-])([A-Za-z][A-Za-z0-9_.-]*)(["']?\s*(?:=>|[=:])\s*)"""
_VALUE = (
    r"""b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'"""
    r"""|(?:(?:[Bb]earer|[Bb]asic|Token)\s+)?[^\s,;&"'(){}\[\]<>]+"""
)
_OPTION_BEFORE_VALUE = r"(?<!\S)--?([A-Za-z][A-Za-z0-9_-]*)\s+(?=[^\s-])"
_OPTION_VALUE = r"\S+"

# The words of an identifier: user_apiKey, user-api.key and UserAPIKey all give user, api, key.
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"


def _regex_module() -> Any:
    """re, or None where it cannot be had at this moment.

    It is imported when a cheap look says that there may be something to find, because that takes longer than the rest
    of the tracer's start. Not while an import of the program's own is under way in this thread: that may be
    of re, or of what re imports, and half done. What may hold a secret is then redacted whole.
    """
    module = sys.modules.get("re")
    if module is None:
        frame: Any = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return None
            frame = frame.f_back
        import re

        return re
    return None if getattr(getattr(module, "__spec__", None), "_initializing", False) else module


_compiled: Dict[str, Any] = {}


def _compile(regex: str) -> Any:
    """The compiled expression, or None where re cannot be had at this moment.

    Kept here: programs empty the cache of re, and replace its functions to see who calls them.
    """
    compiled = _compiled.get(regex)
    if compiled is None:
        re = _regex_module()
        if re is None:
            return None
        compiled = _compiled[regex] = re.compile(regex)
    return compiled


def _luhn(digits: str) -> bool:
    """The check sum of payment cards (ISO/IEC 7812-1)."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        digit = int(char)
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _replace(regex: str, replacement: Callable[[Match[str]], str], text: str) -> str:
    compiled = _compile(regex)
    return REDACTED if compiled is None else str(compiled.sub(replacement, text))


def _keep_and_mark(match: Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + REDACTED


def _mark_unless_no_card(match: Match[str]) -> str:
    card = match.group("card")
    if card is not None:
        digits = "".join(c for c in card if c.isdigit())
        if len(set(digits)) == 1 or not _luhn(digits):
            return card
    return REDACTED


def _looks_random(value: str) -> bool:
    return len(value) >= _MIN_RANDOM_CHARS and any(c.isdigit() for c in value) and " " not in value


class Redactor:
    """Knows what is secret, and learns.

    extra_name_patterns: globs over whole names, case-insensitive: ``my_secret_*``.
    on_learned: called with each secret value that is new here (to tell other processes).
    """

    def __init__(
        self, extra_name_patterns: Iterable[str] = (), on_learned: Optional[Callable[[str], None]] = None
    ) -> None:
        self._secret_words: Set[str] = {"".join(name.split("_")) for name in SECRET_NAMES}
        self._longest = max(len(name.split("_")) for name in SECRET_NAMES)
        self._names: Dict[str, bool] = {}
        self._weak_names: Set[str] = set()
        self._extra: List[str] = []
        self._on_learned = on_learned
        self._learned: Dict[str, None] = {}
        self._longest_first: List[str] = []
        self.generation = 0  # changes whenever an earlier answer may have become wrong: for caches
        self.add_name_patterns(extra_name_patterns)

    def add_name_patterns(self, patterns: Iterable[str]) -> None:
        """Treat names that match these globs as secret too."""
        self._extra.extend(p.lower() for p in patterns)
        self._names.clear()
        self.generation += 1

    def is_secret_name(self, name: str) -> bool:
        """Whether a parameter, key, attribute, option or variable of this name holds a secret."""
        known = self._names.get(name)
        if known is None:
            known = self._decide_name(name)
            if len(self._names) < 10000 and "re" in sys.modules:  # names can be data: dict keys of the traced program
                self._names[name] = known
        return known

    def is_weak_name(self, name: str) -> bool:
        """Whether a secret name is one that as often means something else: a session may be an object."""
        return name in self._weak_names

    def _decide_name(self, name: str) -> bool:
        if len(name) > 200 or name in _NEVER_SECRET:
            return False
        lowered = name.lower()
        if any(matches_glob(lowered, pattern) for pattern in self._extra):
            return True
        squeezed = "".join(c for c in lowered if c.isalnum())
        if not any(word in squeezed for word in self._secret_words) and not squeezed.endswith(_WEAK_ENDS):
            return False
        find_words = _compile(_WORD)
        if find_words is None:
            return True
        words = [word.lower() for word in find_words.findall(name)]
        if words and words[-1] in WEAK_SECRET_NAMES and "".join(words) not in self._secret_words:
            self._weak_names.add(name)
            return True
        harmless_end = bool(words) and words[-1] in _HARMLESS_SUFFIXES
        for start in range(len(words)):
            joined = ""
            for end, word in enumerate(words[start : start + self._longest], start + 1):
                joined += word
                if joined in self._secret_words and not (harmless_end and end < len(words)):
                    return True
        return False

    def learn(self, value: str, name: str = "") -> None:
        """Redact this value from now on wherever it turns up.

        name: what it stood under. Values that would cut harmless texts to pieces are not learned: short ones, paths,
        and those of a name that seldom means a secret unless they look random.
        """
        value = value.strip()
        if (
            not _MIN_LEARNED_CHARS <= len(value) <= _MAX_LEARNED_CHARS
            or value in self._learned
            or value.lower() in _NOT_SECRETS
            or value.startswith(_PATH_BEGINNINGS)
            or REDACTED in value
            or len(self._learned) >= _MAX_LEARNED
            or (name in self._weak_names and not _looks_random(value))
        ):
            return
        self._learned[value] = None
        # Longest first: a secret that contains another one goes as a whole.
        self._longest_first = sorted(self._learned, key=len, reverse=True)
        self.generation += 1
        if self._on_learned is not None:
            self._on_learned(value)

    def redact_text(self, text: str) -> str:
        """The text without what is secret in it by shape, by a name before it, or by having been learned."""
        for secret in self._longest_first:
            if secret in text:
                text = text.replace(secret, REDACTED)
        if len(text) < _MIN_SHAPE_CHARS:
            return text
        for hints, regex in SECRET_SHAPES:
            for hint in hints:
                if hint in text:
                    text = _replace(regex, _keep_and_mark, text)
                    break
        if len(text) - len(text.translate(_WITHOUT_DIGITS)) >= _MIN_DIGITS:
            text = _replace(_NUMBERS, _mark_unless_no_card, text)
        if "=" in text or ":" in text:
            text = self._redact_after_names(text, _NAME_BEFORE_VALUE, _VALUE)
        if " -" in text or text[0] == "-":
            text = self._redact_after_names(text, _OPTION_BEFORE_VALUE, _OPTION_VALUE)
        return text

    def _redact_after_names(self, text: str, name_regex: str, value_regex: str) -> str:
        """Replace each value that stands behind a secret name."""
        names, values = _compile(name_regex), _compile(value_regex)
        if names is None or values is None:
            lowered = text.lower()
            return REDACTED if any(word in lowered for word in self._secret_words) else text
        find_name = names.search
        match_value = values.match
        out: List[str] = []
        copied = position = 0
        while True:
            name = find_name(text, position)
            if name is None:
                break
            position = name.end()
            if not self.is_secret_name(name.group(1)):
                continue
            value = match_value(text, position)
            if value is None or REDACTED in value.group():
                continue
            bare = value.group().lstrip("b") if value.group()[:2] in ("b'", 'b"') else value.group()
            quote = bare[0] if bare[0] in "\"'" else ""
            bare = bare[1:-1] if quote else bare
            if bare and bare not in _HARMLESS_VALUES:
                self.learn(bare, name.group(1))
                out += [text[copied:position], quote, REDACTED, quote]
                copied = position = value.end()
        return "".join(out) + text[copied:] if out else text

    def is_secret_number(self, number: int) -> bool:
        """Whether an integer has the shape of a payment card."""
        return 10**12 <= number < 10**19 and _luhn(str(number))

    def redact_command(self, argv: Sequence[str]) -> List[str]:
        """A command line: also the value after ``--password``, in ``--token=...`` and ``API_KEY=...``."""
        out: List[str] = []
        secret_follows = ""  # the option before, if its value is a secret
        for arg in argv:
            name, equals, value = arg.partition("=")
            bare = name.lstrip("-")
            if secret_follows and not arg.startswith("-"):
                self.learn(arg, secret_follows)
                out.append(REDACTED)
            elif equals and self._is_option_name(bare):
                self.learn(value, bare)
                out.append(name + "=" + (REDACTED if value else ""))
            else:
                out.append(self.redact_text(arg))
            secret_follows = bare if arg.startswith("-") and not equals and self._is_option_name(bare) else ""
        return out

    def _is_option_name(self, name: str) -> bool:
        return name.replace("-", "_").replace(".", "_").isidentifier() and self.is_secret_name(name)


_default: Optional[Redactor] = None
_custom: List[str] = []


def configure_redactor(custom_patterns: Sequence[str] = ()) -> None:
    """Add name patterns (globs such as ``my_secret_*``) to those that are redacted in this process.

    May be called before or after the tracer has started.
    """
    _custom.extend(custom_patterns)
    if _default is not None:
        _default.add_name_patterns(custom_patterns)


def process_redactor(extra_name_patterns: Sequence[str], on_learned: Optional[Callable[[str], None]]) -> Redactor:
    """The redactor of this process's tracer, with what ``configure_redactor`` was told so far."""
    global _default
    _default = Redactor([*extra_name_patterns, *_custom], on_learned)
    return _default
