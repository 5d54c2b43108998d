"""Generate secrets of many kinds, each with a realistic value and the rule that must redact it.

The values are put together from meaningless parts when the tests run, so that scanners find no leak in this file.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

Rule = Literal["shape", "name", "value"]

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Secret:
    """A secret of one kind.

    Attributes:
        kind: A unique description.
        rule: ``shape``: redacted everywhere; ``name``: redacted under ``name``; ``value``: redacted everywhere once it
            was seen under ``name``.
        name: The variable name to use.
        text: The text that a program would hold.
        bare: The part of it that must not appear in any file.
    """

    kind: str
    rule: Rule
    name: str
    text: str
    bare: str

    def forms(self) -> list[bytes]:
        """Return the byte strings that the bare secret could appear as in a file."""
        raw = self.bare.encode("utf-8", "surrogateescape")
        texts = {self.bare, json.dumps(self.bare)[1:-1], json.dumps(self.bare, ensure_ascii=False)[1:-1]}
        texts |= {json.dumps(text)[1:-1] for text in texts} | {repr(self.bare)[1:-1], quote(self.bare, safe="")}
        forms = {text.encode("utf-8", "surrogatepass") for text in texts} | {raw}
        forms |= {self.bare.encode("utf-16-le", "surrogatepass"), self.bare.encode("utf-16-be", "surrogatepass")}
        # Base64 of any data with the secret in it: at each of the three offsets, without the characters that share bits
        # with neighbouring bytes.
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + raw)[(offset * 8 + 5) // 6 :].rstrip(b"=")
            core = encoded[: len(encoded) - 1]
            if len(core) >= 8:
                forms |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
        if len(raw) > 24:  # a part of a long secret is a leak too
            forms |= {raw[at : at + 16] for at in range(0, len(raw) - 15, 4)}
        return sorted(forms)


def _pick(alphabet: str, count: int, seed: str) -> str:
    """Return random characters, the same in every run; both digits and letters if the alphabet has both."""
    generator = random.Random(seed)
    while True:
        text = "".join(generator.choice(alphabet) for _ in range(count))
        if alphabet.isdigit() or (any(c.isdigit() for c in text) and not text.isdigit()):
            return text


def _alnum(count: int, seed: str) -> str:
    return _pick(_ALNUM, count, seed)


def _hex(count: int, seed: str) -> str:
    return _pick(_HEX, count, seed)


def _b64(count: int, seed: str) -> str:
    return _pick(_ALNUM, count, seed)


def _pem(label: str, seed: str) -> tuple[str, str]:
    body = "\n".join(_b64(64, f"{seed}{n}") for n in range(6))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n", body.split("\n")[2]


def _jwt(seed: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(json.dumps({"sub": seed}).encode()).decode().rstrip("=")
    return f"{header}.{claims}.{_alnum(43, seed)}"


def _shapes() -> dict[str, str | tuple[str, str]]:
    """Return the text of each kind, or the text and its secret part."""
    a, h = _alnum, _hex
    aws_id = _pick(string.ascii_uppercase + "234567", 16, "aws")
    url_password = a(12, "urlpw")
    return {
        "jwt": _jwt("jwt"),
        "aws access key id": "AKIA" + aws_id,
        "aws temporary key id": "ASIA" + aws_id,
        "aws bedrock key": "ABSK" + a(110, "bedrock"),
        "github personal": "gh" + "p_" + a(36, "ghp"),
        "github server": "gh" + "s_" + a(36, "ghs"),
        "github fine-grained": "github_" + "pat_" + a(22, "pat1") + "_" + a(59, "pat2"),
        "gitlab personal": "gl" + "pat-" + a(20, "gl"),
        "gitlab runner": "glr" + "t-" + a(20, "glrt"),
        "slack bot": "xox" + "b-" + _pick(string.digits, 12, "s1") + "-" + a(24, "s2"),
        "slack app": "xap" + "p-1-A" + _pick(_UPPER, 10, "s3") + "-" + h(64, "s4"),
        "slack webhook": ("https://hooks.slack.com/" + "services/T" + a(8, "t") + "/B" + a(8, "b") + "/" + a(24, "w"), a(24, "w")),
        "discord bot": "M" + a(23, "d1") + "." + a(6, "d2") + "." + a(38, "d3"),
        "discord webhook": ("https://discord.com/api/" + "webhooks/" + _pick(string.digits, 18, "dw") + "/" + a(68, "dwh"), a(68, "dwh")),
        "telegram bot": _pick("123456789", 10, "tg") + ":AA" + a(33, "tgb"),
        "stripe live": "sk_" + "live_" + a(24, "stripe"),
        "stripe restricted": "rk_" + "test_" + a(24, "stripe2"),
        "stripe webhook": "wh" + "sec_" + a(32, "stripe3"),
        "square": "sq0" + "atp-" + a(22, "square"),
        "shopify": "shp" + "at_" + h(32, "shopify"),
        "google api": "AI" + "za" + a(35, "google"),
        "google oauth": "ya" + "29." + a(60, "google2"),
        "google client": "GOC" + "SPX-" + a(28, "google3"),
        "openai": "sk" + "-" + a(48, "openai"),
        "openai project": "sk-" + "proj-" + a(60, "openai2"),
        "anthropic": "sk-" + "ant-api03-" + a(93, "anthropic"),
        "groq": "gs" + "k_" + a(52, "groq"),
        "perplexity": "pp" + "lx-" + a(48, "pplx"),
        "replicate": "r8" + "_" + a(37, "r8"),
        "hugging face": "h" + "f_" + a(34, "hf"),
        "npm": "np" + "m_" + a(36, "npm"),
        "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + a(60, "pypi"),
        "rubygems": "ruby" + "gems_" + h(48, "ruby"),
        "docker": "dckr_" + "pat_" + a(27, "docker"),
        "sendgrid": "S" + "G." + a(22, "sg1") + "." + a(43, "sg2"),
        "mailgun": "ke" + "y-" + h(32, "mailgun"),
        "mailchimp": h(32, "mailchimp") + "-us" + "12",
        "twilio": "S" + "K" + h(32, "twilio"),
        "digitalocean": "dop_" + "v1_" + h(64, "do"),
        "databricks": "da" + "pi" + h(32, "dapi"),
        "vault": "hv" + "s." + a(90, "vault"),
        "terraform": a(14, "tf") + ".atlas" + "v1." + a(64, "tf2"),
        "heroku": "HRKU-" + "AA" + a(58, "heroku"),
        "grafana": "gl" + "sa_" + a(32, "grafana") + "_" + h(8, "grafana2"),
        "new relic": "NRA" + "K-" + _pick(_UPPER, 27, "nr"),
        "sentry": "sntr" + "yu_" + h(64, "sentry"),
        "linear": "lin_" + "api_" + a(40, "linear"),
        "notion": "nt" + "n_" + a(46, "notion"),
        "figma": "fig" + "d_" + a(40, "figma"),
        "postman": "PM" + "AK-" + h(24, "pm1") + "-" + h(34, "pm2"),
        "atlassian": "ATAT" + "T3" + a(180, "atl"),
        "airtable": "pat" + a(14, "air") + "." + h(64, "air2"),
        "planetscale": "pscale_" + "pw_" + a(43, "ps"),
        "doppler": "dp." + "pt." + a(43, "doppler"),
        "tailscale": "tskey-" + "auth-" + a(12, "ts1") + "-" + a(32, "ts2"),
        "age": "AGE-SECRET-" + "KEY-1" + _pick("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, "age"),
        "azure storage": ("DefaultEndpointsProtocol=https;AccountName=shop;" + "AccountKey=" + _b64(86, "az") + "==;", _b64(86, "az")),
        "azure sas": ("https://shop.blob.core.windows.net/c?sv=2022-11-02&sr=c&" + "sig=" + a(42, "sas") + "%3D", a(42, "sas")),
        "pem rsa": _pem("RSA PRIVATE " + "KEY", "rsa"),
        "pem pkcs8": _pem("PRIVATE " + "KEY", "pkcs8"),
        "pem openssh": _pem("OPENSSH PRIVATE " + "KEY", "openssh"),
        "pgp": _pem("PGP PRIVATE " + "KEY BLOCK", "pgp"),
        "card": "4111" + " 1111 1111 " + "1111",
        "card with dashes": "5500-" + "0055-5555-" + "5559",
        "card as digits": "3782" + "82246310" + "005",
        "social security number": "219-" + "09-" + "9999",
        "url password": ("postgres://bob:" + url_password + "@db.example:5432/shop", url_password),
        "url password with @": ("amqp://bob:" + "a1@" + a(12, "urlpw2") + "@mq.example/x", a(12, "urlpw2")),
        "url token": ("https://" + a(40, "urltoken") + "@git.example/repo.git", a(40, "urltoken")),
        "bearer": ("Bearer " + a(32, "bearer"), a(32, "bearer")),
        "basic auth": ("Basic " + base64.b64encode(b"bob:" + a(16, "basic").encode()).decode(), base64.b64encode(b"bob:" + a(16, "basic").encode()).decode()),
        "bcrypt hash": "$2b" + "$12$" + a(53, "bcrypt"),
        "crypt hash": "$6" + "$" + a(16, "salt") + "$" + a(86, "crypt"),
        "argon2 hash": ("$argon2" + "id$v=19$m=65536,t=3,p=4$" + a(22, "asalt") + "$" + a(43, "argon"), a(43, "argon")),
    }  # fmt: skip


# Names whose values are secret. (tests/tracer/test_redaction.py has their spellings.)
_NAMES = (
    "password", "passwd", "PGPASSWORD", "userPassword", "db_pass", "passphrase", "client_secret", "mysecret", "_secret",
    "api_key", "apiKey", "X_Api_Key", "secretkey", "aws_secret_access_key", "signing_key", "fernet_key", "private_key",
    "encryption_key", "access_token", "refreshToken", "csrfmiddlewaretoken", "bot_token", "Authorization", "Cookie",
    "session_id", "credentials", "pin_code", "otp", "connection_string", "database_url", "security_answer", "mnemonic",
    "webhook_secret", "license_key", "account_key", "consumer_secret", "psk", "kennwort",
)  # fmt: skip

# Values that have to be learned, with characters that have several spellings in files.
_VALUES = {
    "word with digits": "swordfish-" + "7731",
    "short": "hunt" + "er2",
    "plain word": "Zaphod" + "quist",
    "phrase": "correct horse " + "battery staple",
    "quotes": "it's \"" + 'quoted" 55',
    "backslashes": "C\\new\\" + "table88",
    "umlauts": "Schlüssel-" + "größe-9",
    "emoji": "open 🔑" + " sesame 1",
    "url characters": "p@ss/w0rd?&=#" + "%+x",
    "markup": "<b>&amp;" + "R2-D2</b>",
    "control characters": "tab\there\x01" + "and 7",
    "two lines": "line-one-1\n" + "line-two-2",
    "long": "L0ng" * 200,
    "digits": "8837" + "461950",
    "uuid": "8c2f1a3e-" + "77aa-4b1c-9e0d-" + "55ac01dd3e21",
}


def corpus() -> list[Secret]:
    """Return a secret of every kind."""
    secrets = []
    for kind, made in _shapes().items():
        text, bare = made if isinstance(made, tuple) else (made, made)
        secrets.append(Secret(kind, "shape", "note", text, bare))
    for name in _NAMES:
        text = "zq" + _alnum(14, name)
        secrets.append(Secret(f"named {name}", "name", name, text, text))
    for kind, text in _VALUES.items():
        secrets.append(Secret(f"value: {kind}", "value", "password", text, text))
    return secrets


_BLOCK = 8


class SecretSearch:
    """A search for many secrets, in all their forms, in many megabytes at once.

    The data is cut into blocks. A form of nearly twice a block's length covers a whole block wherever it begins, so the
    set of blocks shows which forms to look for.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._short: list[tuple[bytes, Secret]] = []
        self._by_window: dict[bytes, list[tuple[bytes, Secret]]] = {}
        for secret in secrets:
            for form in secret.forms():
                if len(form) < 2 * _BLOCK - 1:
                    self._short.append((form, secret))
                    continue
                for at in range(len(form) - _BLOCK + 1):
                    self._by_window.setdefault(form[at : at + _BLOCK], []).append((form, secret))

    def find(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return (kind, surrounding text) of each secret that the data holds in some form."""
        blocks = {data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)}
        candidates = [
            *self._short,
            *(one for block in blocks & self._by_window.keys() for one in self._by_window[block]),
        ]
        found = {}
        for form, secret in candidates:
            at = data.find(form) if secret.kind not in found else -1
            if at >= 0:
                found[secret.kind] = data[max(at - 120, 0) : at + len(form) + 20]
        return sorted(found.items())


def find(data: bytes, secrets: Sequence[Secret]) -> list[tuple[str, bytes]]:
    """Search a small amount of data: see ``SecretSearch``."""
    return SecretSearch(secrets).find(data)
