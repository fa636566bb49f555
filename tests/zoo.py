"""Words that nobody writes in good faith, and an eye that sees whether they were shown raw."""

from __future__ import annotations

import re
import unicodedata

MARKUP = ("[/]", "[bold red]x[/bold red]", "[link=http://e.example]y[/link]", ":skull:", "[/oops]")
STEERING = (
    *("\x1b[2J\x1b[H", "\x1b]0;owned\x07", "\x1b]52;c;aGk=\x1b\\", "\x9b31m", "\x90q\x9c", "\x85"),
    *("a\rb", "a\x08b", "a\x00b", "a\x7fb", "a\tb", "a\x0bb\x0cc", "\x0e\x0f", "\x1c\x1d\x1e\x1f"),
)
FORGING = ("a\nError: forged", "a\r\nlevel=error forged", "a\u2028b", "a\u2029b")
REORDERING = ("\u202egpj.exe", "\u2066a\u2069", "\u200fa\u200e", "\u061ca", "\u202d1\u202c")
HIDING = (
    *("a\u200bb", "a\u200cb\u200d", "a\u2060b", "\ufeffa", "a\u00adb", "\u3164", "\u115fa\u1160"),
    *("\U000e0041\U000e0042", "a\ufe0fb\ufe00", "a\U000e0101", "\u2800", "\u00a0\u3000", "\u180e"),
)
BURYING = ("z" + "\u0334\u0361\u0489" * 20, "\u0301leads")
UNENCODABLE = ("\ud800", "a\udcffb", "\ue000", "\U000f0000", "\uffff")
WORDS = (*MARKUP, *STEERING, *FORGING, *REORDERING, *HIDING, *BURYING, *UNENCODABLE)

ENCODABLE = tuple(each for each in WORDS if not re.search("[\ud800-\udfff]", each))
"""Those that JSON, YAML and protobuf can carry as UTF-8."""

STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What a table is coloured with where it may be."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def raw(text: str, *, styled: bool = False) -> list[str]:
    """Return what in an output steers, forges, reorders or hides; its line feeds are its own."""
    shown = STYLE.sub("", text) if styled else text
    found = [
        f"U+{ord(each):04X}"
        for each in shown
        if each != "\n"
        and (
            unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
            or (unicodedata.category(each) == "Zs" and each != " ")
            or each in _INVISIBLE
            or "\ufe00" <= each <= "\ufe0f"
            or "\U000e0000" <= each <= "\U000e0fff"
        )
    ]
    buried = re.findall("[\u0300-\u036f\u0489]{5,}", shown)
    return [*found, *buried]


def harmless(text: str, *, styled: bool = False) -> None:
    """Assert that an output shows characters and nothing else, and that nothing broke on it."""
    assert raw(text, styled=styled) == []
    assert "Traceback" not in text
    assert not any(line.startswith(("Error: forged", "level=error")) for line in text.splitlines())
