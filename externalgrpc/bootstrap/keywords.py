"""Judge by its name whether a value is a secret, and by its look that it is none."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MASK: Final = "***"
"""What is shown in a secret's place."""

_STRONG: Final = re.compile(
    "token|passw|passphrase|passcode|secret|credential|apikey|authkey|accesskey|privatekey|private"
    "|clientkey|keydata|certificatekey|encryptionkey|sharedkey|joinkey|chpasswd|dockerconfig"
    "|bearer|authorization|cookie|webhook|kubeconfigdata|activationkey|setupkey|licensekey"
    "|registrationkey|signature|identifiedby|fromliteral|basicauth|cryptsetup|kinit|unseal"
    "|kennwort|geheim|motdepasse|contrase|senha|wachtwoord|l\u00f6senord"
    # Russian, Chinese (two scripts), Japanese, Korean
    "|\u043f\u0430\u0440\u043e\u043b\u044c|\u5bc6\u7801|\u5bc6\u78bc|\u30d1\u30b9\u30ef\u30fc\u30c9|\ube44\ubc00\ubc88\ud638"
)
_WORDS: Final = frozenset(
    {"auth", "auths", "pass", "pw", "pwd", "psk", "pat", "cred", "creds", "jwt", "sig", "otp",
     "wep", "wpa", "rootpw", "bindpw", "clave", "identified", "masterauth"}
)  # fmt: skip
_PUBLIC: Final = frozenset({"public", "authorized", "known", "ssh", "apt", "gpg", "import"})
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W\d_A-Za-z][^\W\d_]*")
_PLACE: Final = re.compile(r"(?:files?|paths?|dir|directory|folder)$", re.IGNORECASE)

_SHORTEST_DRAWN: Final = 8
_NAMES: Final = re.compile(
    r"[./~$@%-]|[\w-]*@@|v?[0-9]+(?:\.[0-9]+)+|[\w.-]+\.(?:ya?ml|json|conf|cfg|toml|env|sh|key|pem|crt)$"
)
_REFERENCE: Final = re.compile(r"[\"']?(?:\$\w+|\$\{\w+\}|@@\w+@@|<[\w -]+>)[\"']?[\"',;})\]]*")
_PLAIN: Final = frozenset({"", "true", "false", "yes", "no", "null", "none", "~", MASK, '""', "''"})


def betrays(key: str, value: str = "") -> bool:
    """Return whether something called so is a secret, as far as its name goes."""
    if not key.isascii():
        key = unicodedata.normalize("NFKC", key)
    parts = [each.lower() for each in _PARTS.findall(key)]
    if _PLACE.search(key) and value.strip("\"' ")[:1] in {"/", "."}:
        return False
    if _STRONG.search("".join(parts)) or _WORDS & set(parts):
        return True
    if parts and parts[-1].endswith("pass") and parts[-1] not in {"bypass", "compass"}:
        return True
    if len(parts) > 1 and parts[-1] in {"key", "keys"} and not _PUBLIC & set(parts):
        return not re.match(r"[\"']?(?:/|https?://[^@?]*$|ssh-)", value)
    return False


def innocent(value: str) -> bool:
    """Return whether a value is empty, yes or no, a variable, or masked already."""
    bare = value.strip().lower()
    return (
        bare in _PLAIN
        or bare.lstrip("\\\"'").startswith(MASK)
        or bool(_REFERENCE.fullmatch(value.strip()))
    )


def drawn(value: str) -> bool:
    """Return whether a word looks drawn by chance: letters and digits, and no path or release."""
    return (
        len(value) >= _SHORTEST_DRAWN
        and bool(re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value))
        and not _NAMES.match(value)
        and not innocent(value)
    )
