"""Read the files that a configuration consists of, remembering what was in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from externalgrpc.support import regular_files

MAX_BYTES: Final = regular_files.MAX_BYTES
Unreadable = regular_files.Unreadable

_ABSENT: Final = "absent"


class Files:
    """Read files and keep the digest of each, so that a later look can see a change.

    Only regular files of at most MAX_BYTES are read (:mod:`externalgrpc.support.regular_files`).
    """

    def __init__(self) -> None:
        self._seen: dict[Path, str] = {}

    def read(self, path: Path) -> bytes:
        """Read a file; raises Unreadable."""
        try:
            raw = regular_files.read(path)
        except Unreadable as error:
            self._seen[path] = f"{_ABSENT}: {error}"
            raise
        self._seen[path] = _digest(raw)
        return raw

    def changed(self) -> bool:
        """Return whether any file that was read, or was not there, is different now."""
        return any(look(path) != seen for path, seen in self._seen.items())

    def fingerprint(self) -> tuple[str, ...]:
        """Return the state of every file that was read as it is now."""
        return tuple(look(path) for path in self._seen)


def look(path: Path) -> str:
    """Return a file's state as a text that changes when its content does."""
    try:
        return _digest(regular_files.read(path))
    except Unreadable as error:
        return f"{_ABSENT}: {error}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
