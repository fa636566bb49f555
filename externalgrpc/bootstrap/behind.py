"""Mask secrets that stand behind a key word with no sign between: ``psk x``, ``token create x``.

Files of settings write so, and so do commands that take a secret as a plain argument. What is
directly behind a key word that begins or ends its line goes whatever it looks like; elsewhere
only what looks drawn by chance, a few words behind the key word at most.
"""

from __future__ import annotations

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
    return f"{found['head']}{keywords.MASK}{of.get('tail') or ''}"


def _announced(line: str) -> str:
    """Mask words that look drawn by chance shortly behind a key word, whatever is between."""
    parts: list[str] = []
    at, near = 0, 0
    for found in _WORD.finditer(line):
        word = found[0]
        if keywords.MASK in word:
            near = 0
        elif near and keywords.drawn(word):
            parts += [line[at : found.start()], keywords.MASK]
            at, near = found.end(), 0
        elif len(word) <= _LONGEST_KEY and keywords.betrays(word):
            near = _NEAR
        else:
            near = max(0, near - 1)
    return "".join(parts) + line[at:]
