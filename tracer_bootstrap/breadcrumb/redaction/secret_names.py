"""Decide which names of parameters, keys, attributes, variables and options hold a secret.

The rules are data at the top. Nothing here needs ``re``, as names are checked from the tracer's start.
"""

from __future__ import annotations

from ..globs import matches_glob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Set, Tuple

# A name is secret if it contains these words in a row, in any spelling: user_api_key, userApiKey, USER-API-KEY,
# x.api.key, apikey. Whole words only: tokenize, secretary, passport and keyboard are not secret.
SECRET_NAMES = """
    password passwords passwd passwort pwd passphrase passcode kennwort mot_de_passe contrasena senha
    secret secrets client_secret shared_secret app_secret api_secret signature_secret webhook_secret nonce_secret
    token auth_token access_token refresh_token id_token bearer jwt csrf xsrf csrftoken xsrftoken oauth oauth_token
    csrfmiddlewaretoken sas_token
    api_key api_keys app_key access_key account_key secret_key private_key signing_key encryption_key decryption_key
    master_key session_key ssh_key rsa_key pgp_key gpg_key aes_key hmac_key fernet_key cipher_key symmetric_key
    shared_key consumer_key storage_key subscription_key license_key host_key tls_key ssl_key deploy_key unseal_key
    service_account_key auth_key psk
    authorization proxy_authorization www_authenticate x_api_key x_auth_token basic_auth
    credential credentials creds cookie cookies set_cookie session_id sessionid phpsessid jsessionid
    private_pem pem_key keystore htpasswd pgpass sshpass netrc connection_string conn_str dsn database_url
    otp totp mfa_code two_factor_code pin_code puk_code recovery_code backup_code security_code verification_code
    authorization_code code_verifier client_assertion saml_response security_answer
    seed_phrase recovery_phrase mnemonic wallet_seed
    cvv cvc card_number credit_card creditcard cc_number card_no iban ssn social_security_number pepper
""".split()  # noqa: SIM905  (a list of a hundred quoted words reads worse)

# Words that as often mean something harmless. As the last word of a name (db_pass, user_session, but not pass_through
# or pin_size) they make it weak: its values are redacted under it, but learned only if they look random.
WEAK_SECRET_NAMES = ["pass", "pw", "pin", "sid", "session", "auth", "salt"]

# Secret also as part of a word: dbpassword, PGPASSWORD, myapikey.
_STEMS = ("password", "passwd", "passphrase", "apikey", "secretkey", "privatekey", "accesskey", "credential")
# Secret also at the end of a word: mysecret, authtoken, userpwd.
_STEMS_AT_END = ("secret", "token", "pwd", "cookie")
# A last word that ends in pass (dbpass) makes a name weak too, except for these English words.
_WORDS_IN_PASS = ("compass", "bypass", "surpass", "trespass", "overpass", "underpass", "encompass")

# Every name above contains one of these, so that for most texts searching for them is all the work.
_FRAGMENTS = (
    "pass", "pw", "secret", "token", "key", "auth", "cookie", "sess", "cred", "bearer", "jwt", "srf", "pin", "sid",
    "salt", "pepper", "otp", "code", "cvv", "cvc", "card", "cc", "iban", "ssn", "social", "pem", "conn", "dsn",
    "database", "kennwort", "contrasena", "senha", "psk", "netrc", "assertion", "saml", "answer", "phrase", "mnemonic",
    "seed",
    # Programs whose options take a password (command_lines).
    "curl", "mysql", "maria", "redis-cli", "docker", "podman", "helm", "ldap", "sqlcmd", "mongo", "smbclient",
)  # fmt: skip

# The working folder in the environment of a shell.
_NEVER_SECRET = {"PWD", "OLDPWD"}

# As the last word of a name these make it harmless: token_count is a number, cookie_path a path.
_HARMLESS_SUFFIXES = set(
    """
    count counts length len size type types kind expiry expires lifetime age ttl timeout limit url endpoint name names
    path file filename dir domain samesite secure httponly policy validator validators hasher hashers field fields
    label prefix algorithm class engine backend enabled required index position line error errors
    color colour style theme icon title caption width height font banner consent notice popup dialog button link page
    form view hint hints help message messages prompt format version strength score rule rules regex pattern min max
    date time timestamp created updated changed seconds minutes hours days usage budget cost price rate ratio bucket
    window total average ids
    """.split()  # noqa: SIM905
)

# A cookie is mostly part of a name for something else (cookie_banner_text); with these it is still a cookie.
_PARTS_OF_COOKIES = {"value", "values", "jar", "header", "headers", "string", "str", "data", "raw", "secret", "pair"}

# Names that mostly mean something else: the key of a dict, the tokens of a parser. What is under them is judged by what
# it looks like (`is_credential`).
_JUDGED_NAMES = ("key", "keys", "tokens")

# Keys of the two parts of a setting: {"name": "DB_PASSWORD", "value": ...}, {"type": "password", "content": ...}.
NAME_KEYS = ("name", "key", "type", "field", "id", "variable", "header", "option", "param", "parameter", "label")
VALUE_KEYS = ("value", "content", "data", "default", "val")

NAME_PART, VALUE_PART = 1, 2
JUDGED_NAME = 4  # added by Encoder.key: only what looks like a credential is secret under the name

NOT_SECRET, WEAK, SECRET, JUDGED = 0, 1, 2, 3

_MIN_CREDENTIAL_CHARS = 12
_MAX_CREDENTIAL_CHARS = 200
_CREDENTIAL_MARKS = "-_.+/=~"

_WITHOUT_MARKS = {ord(mark): None for mark in _CREDENTIAL_MARKS}

_MAX_NAME_CHARS = 200
_MAX_KNOWN_NAMES = 10_000  # names can be data: dict keys of the traced program


class SecretNames:
    """The rules for secret names, with the decision about each name seen so far.

    Args:
        patterns: Globs over whole names that are secret too, case-insensitive: ``my_secret_*``.

    Attributes:
        fragments: Texts in lower case, of which every secret name contains one.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._joined: Set[str] = {name.replace("_", "") for name in SECRET_NAMES}
        self._longest = max(name.count("_") + 1 for name in SECRET_NAMES)
        self._known: Dict[str, int] = {}
        self._patterns: List[str] = []
        self.fragments: Tuple[str, ...] = _FRAGMENTS
        self.add_patterns(patterns)

    def add_patterns(self, patterns: Iterable[str]) -> None:
        """Treat names that match these globs as secret too."""
        for pattern in patterns:
            self._patterns.append(pattern.lower())
            longest_literal = max(pattern.lower().replace("?", "*").split("*"), key=len)
            self.fragments += (longest_literal,)
        self._known.clear()

    def kind_of(self, name: str) -> int:
        """Return how secret the values of a name are.

        NOT_SECRET, SECRET, WEAK (as often harmless as secret: a session may be an object), or JUDGED: what looks like a
        credential is secret.
        """
        kind = self._known.get(name)
        if kind is None:
            if len(self._known) >= _MAX_KNOWN_NAMES:
                self._known.clear()
            kind = self._known[name] = self._decide(name)
        return kind

    def may_be_in(self, text: str) -> bool:
        """Return whether a text can hold a secret name at all, by a cheap check."""
        lowered = text.lower()
        for fragment in self.fragments:
            if fragment in lowered:
                return True
        return False

    def is_name(self, value: str) -> bool:
        """Return whether a value is itself one of the names, and thus no secret."""
        return "".join(c for c in value.lower() if c.isalnum()) in self._joined

    def _decide(self, name: str) -> int:
        if len(name) > _MAX_NAME_CHARS or name in _NEVER_SECRET:
            return NOT_SECRET
        lowered = name.lower()
        if any(matches_glob(lowered, pattern) for pattern in self._patterns):
            return SECRET
        if not self.may_be_in(name):
            return NOT_SECRET
        words = words_of(name)
        if not words:
            return NOT_SECRET
        if words[-1] in WEAK_SECRET_NAMES and "".join(words) not in self._joined:
            return WEAK
        for start, word in enumerate(words):
            if word.endswith(_STEMS_AT_END) or any(stem in word for stem in _STEMS):
                if not _names_something_else(word, words[start + 1 :]):
                    return SECRET
            joined = ""
            for end, part in enumerate(words[start : start + self._longest], start + 1):
                joined += part
                if joined in self._joined and not _names_something_else(joined, words[end:]):
                    return SECRET
        last = words[-1]
        if last == "tokens" or (len(words) == 1 and last in _JUDGED_NAMES):
            return JUDGED
        return WEAK if last.endswith("pass") and not last.endswith(_WORDS_IN_PASS) else NOT_SECRET


def part_of_pair(key: str) -> int:
    """Return NAME_PART or VALUE_PART for a key that is one of the two parts of a setting, else 0."""
    lowered = key.lower()
    return NAME_PART if lowered in NAME_KEYS else VALUE_PART if lowered in VALUE_KEYS else 0


def is_credential(value: str) -> bool:
    """Return whether a value looks like a credential: a run of letters of both cases and digits."""
    return (
        _MIN_CREDENTIAL_CHARS <= len(value) <= _MAX_CREDENTIAL_CHARS
        and value.isascii()
        and not value.islower()
        and not value.isupper()
        and any([c.isdigit() for c in value])
        and value.strip(_CREDENTIAL_MARKS).translate(_WITHOUT_MARKS).isalnum()
    )


def _names_something_else(secret: str, rest: List[str]) -> bool:
    """Return whether the words after a secret one make the name harmless: token_count, cookie_banner_text."""
    if not rest:
        return False
    if rest[-1] in _HARMLESS_SUFFIXES:
        return True
    return secret.endswith(("cookie", "cookies")) and not all(
        word in _PARTS_OF_COOKIES or word.isdigit() for word in rest
    )


def words_of(name: str) -> List[str]:
    """Split an identifier into words: user_apiKey, user-api.key and UserAPIKey all give user, api, key."""
    words: List[str] = []
    word = ""
    for position, char in enumerate(name):
        if not char.isalnum():
            words.append(word)
            word = ""
            continue
        if word:
            last = word[-1]
            begins_capitalised = char.isupper() and (last.islower() or name[position + 1 : position + 2].islower())
            if begins_capitalised or char.isdigit() != last.isdigit():
                words.append(word)
                word = ""
        word += char
    words.append(word)
    return [word.lower() for word in words if word]
