"""Mask secrets that stand behind a key word with no sign between: ``psk x``, ``token create x``.

Files of settings write so, and so do commands that take a secret as a plain argument. What is
directly behind a key word that begins or ends its line goes whatever it looks like; elsewhere
only what looks drawn by chance, a few words behind the key word at most.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from externalgrpc.bootstrap import keywords

KEY: Final = r"(?<![\w.$-])(?P<key>[\w.$-]{1,120})"
QUOTED: Final = r"\\?\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\n]|'')*'|`[^`\n]*`"
_DIRECTIVE: Final = re.compile(
    r"^(?P<head>[ \t]*(?:-[ \t]+)?"
    r"(?:(?:export|declare|set|setenv|setx|ENV|env)[ \t]+(?:-\w+[ \t]+)*)?"
    + KEY
    + r"[ \t]+)(?P<value>"
    + QUOTED
    + r"|[^\s\"'#<>|&(=:-][^\s;]*)(?P<tail>[ \t]*;?[ \t]*(?:#[^\n]*)?)$",
    re.MULTILINE,
)
_LAST: Final = re.compile(
    r"(?P<head>(?<![\w.-])(?:password|passwd|passphrase|psk|secret)[ \t]+)"
    r"(?P<value>" + QUOTED + r"|[^\s\"'#<>|&(=:-][^\s;]*(?=[ \t]*;?[ \t]*$))",
    re.MULTILINE | re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\s\"'`<>()\[\]{},;|:=]+")
_COMMENT: Final = re.compile(r"[ \t]*#+[ \t]")
_PROSE: Final = re.compile(
    "(?:above|after|again|and|are|as|at|before|below|by|can|comes|file|first|follows|for|from|goes"
    "|hash|here|if|in|is|it|later|must|next|not|of|on|or|policy|rotation|see|should|so|that|the"
    "|then|there|to|via|was|when|where|which|will|with)[.,!?]?",
    re.IGNORECASE,
)
"""What stands behind a key word where a comment speaks of a secret and does not give it."""
_OF: Final = re.compile(r"\b(?:of|for|from|on|to) (?:the )?(?:node|host|machine|server|pool) $")
_HOST: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_NO_KEY: Final = re.compile(
    r"(?i:sig) (?:SIG)?(?:TERM|KILL|HUP|INT|QUIT|USR1|USR2|STOP|CONT)|cookie session"
    r"|passwd (?:root|ubuntu|debian|core|rocky|almalinux|fedora|centos)"
)
"""Signals, a proxy's kind of cookie, and the command that asks for the password of an image's user.

Whoever has such a word for a password has none."""
_NEAR: Final = 4
"""So many words behind a key word may be what it announces."""
_LONGEST_KEY: Final = 120


def mask(text: str) -> str:
    """Return a text without what key words announce, line by line."""
    text = _DIRECTIVE.sub(_directed, text)
    text = _LAST.sub(_directed, text)
    return "\n".join(map(_announced, text.split("\n")))


def _directed(found: re.Match[str]) -> str:
    """Mask what stands behind a key word as in many files of settings: ``psk x``."""
    of, value = found.groupdict(), found["value"]
    if ("key" in of and not keywords.betrays(of["key"], value)) or keywords.innocent(value):
        return found[0]
    if _harmless(found["head"], value) or (_PROSE.fullmatch(value) and _in_comment(found)):
        return found[0]
    return f"{found['head']}{keywords.MASK}{of.get('tail') or ''}"


def _harmless(head: str, value: str) -> bool:
    """Return whether a value is an address, or what a word means that only looks like a key."""
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return bool(_NO_KEY.fullmatch(f"{head.strip()} {value}"))
    return "." in value or ":" in value


def _in_comment(found: re.Match[str]) -> bool:
    return bool(_COMMENT.match(found.string, found.string.rfind("\n", 0, found.start()) + 1))


def _announced(line: str) -> str:
    """Mask words that look drawn by chance shortly behind a key word, whatever is between."""
    parts: list[str] = []
    at, near = 0, 0
    comment = bool(_COMMENT.match(line))
    for found in _WORD.finditer(line):
        word = found[0]
        if keywords.MASK in word:
            near = 0
        elif near and keywords.drawn(word) and not (comment and _names(line, found)):
            parts += [line[at : found.start()], keywords.MASK]
            at, near = found.end(), 0
        elif len(word) <= _LONGEST_KEY and keywords.betrays(word):
            near = _NEAR
        else:
            near = max(0, near - 1)
    return "".join(parts) + line[at:]


def _names(line: str, found: re.Match[str]) -> bool:
    """Return whether a word is the name of what a comment says a secret is of."""
    before = line[max(0, found.start() - _LONGEST_KEY) : found.start()]
    return bool(_HOST.fullmatch(found[0]) and _OF.search(before))
