"""Say what is wrong with a file: where, what, and what to do about it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from externalgrpc.bootstrap import keywords
from externalgrpc.support import plaintext

MAX_REPORTED = 200
"""Mistakes reported at once; a file with more is not a configuration."""

_USER = re.compile(r"[^\s/:@\"']+:[^\s/\"']+@")

Step = str | int
Path = tuple[Step, ...]
"""The way from the top of a file to a value: keys and list indices."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """One thing that is wrong with a file.

    ``line`` and ``column`` count from 1 in ``file`` as it lies on disk, also inside a ConfigMap.
    ``path`` is the offending key path (``nodes[0].minSize``), empty when it is the file itself.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    cure: str = ""

    def __str__(self) -> str:
        what = f"{self.path}: {self.message}" if self.path else self.message
        reason = f"{self.file}:{self.line}:{self.column}: {what}"
        return plaintext.line(f"{reason}. {self.cure}" if self.cure else reason)


class ConfigError(Exception):
    """Carry every mistake of a configuration; nothing of it was used."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        found = tuple(sorted(set(mistakes)))
        super().__init__(found)
        self.left_out = max(0, len(found) - MAX_REPORTED)
        self.mistakes = found[:MAX_REPORTED]

    def __str__(self) -> str:
        lines = [str(mistake) for mistake in self.mistakes]
        if self.left_out:
            lines.append("... and more")
        return "\n".join(lines)


def spell(path: Path) -> str:
    """Write a path the way people do: ``nodes[0].labels.tier``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = shorten(step, 80)[1:-1]
            text += f".{shown}" if text else shown
    return text


def file_name(path: object) -> str:
    """Quote the path of a file: whole, unless it is absurd."""
    return shorten(str(path), 400)


def shorten(text: str, limit: int = 60) -> str:
    """Quote a value for an error text: printable, in one line, never long, without passwords."""
    printable = plaintext.line(_USER.sub(f"{keywords.MASK}@", text))
    cut = printable if len(printable) <= limit else printable[: limit - 3] + "..."
    return f'"{cut}"'
