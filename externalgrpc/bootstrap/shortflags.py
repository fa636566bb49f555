"""Mask what commands take as secrets behind flags of one letter: ``sshpass -p x``, ``k3s -t x``."""

from __future__ import annotations

import re
from typing import Final

from externalgrpc.bootstrap import keywords

_FLAGS: Final = tuple(
    (re.compile(rf"\b(?:{commands})\b"), re.compile(rf"(?<=[ \t]){flag}"))
    for commands, flag in (
        (r"sshpass|login|mysql\w*|redis-cli|useradd|usermod|smbclient", "-[pa]"),
        (r"ldap\w+", "-w"),
        ("ssh-keygen", "-[NP]"),
        # openssl has long flags with one dash: -keyout, -key.
        ("openssl", r"-k(?=[ \t])"),
        ("netbird", "-k"),
        ("k3s|rke2", "-t"),
        ("gitlab-runner", "-r"),
    )
)
"""Programs, and their flags that a secret is behind."""
_VALUE: Final = re.compile(r"(?P<gap>[ \t]*)(?P<value>[^\s-]\S*)")
_END: Final = re.compile(r"[\n|;]|\Z")
"""Where the words of a command end."""


def mask(text: str) -> str:
    """Return a text without the first such value behind each name of a command.

    Takes time by the length of the text only, however many commands a line names.
    """
    for command, flag in _FLAGS:
        text = _masked(text, command, flag)
    return text


def _masked(text: str, command: re.Pattern[str], flag: re.Pattern[str]) -> str:
    parts: list[str] = []
    at = shown = end = 0
    while named := command.search(text, at):
        at = named.end()
        if at > end or not end:
            end = _end(text, at)
        value = _value(text, flag, at, end)
        if value is None:
            at = end  # what has no flag behind its first command has none behind its second
            continue
        at = value.end()
        parts += [text[shown : value.start("value")], keywords.MASK]
        shown = at
    return "".join(parts) + text[shown:]


def _end(text: str, at: int) -> int:
    found = _END.search(text, at)
    return found.start() if found else len(text)


def _value(text: str, flag: re.Pattern[str], at: int, end: int) -> re.Match[str] | None:
    """Find the first flag that has a value, which may go on beyond the end of the command."""
    for found in flag.finditer(text, at, end):
        value = _VALUE.match(text, found.end())
        # An empty passphrase is no secret.
        if value and value["value"].strip("\\\"'"):
            return value
    return None
