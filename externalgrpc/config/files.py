"""Read the files that a configuration consists of, remembering what was in them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 20

_ABSENT: Final = "absent"


class Unreadable(Exception):
    """Say why a file cannot be read, as the rest of a sentence about it."""


class Files:
    """Read files and keep the digest of each, so that a later look can tell a change.

    Only regular files of at most MAX_BYTES are read: a device or a pipe would never end.
    """

    def __init__(self) -> None:
        self._seen: dict[Path, str] = {}

    def read(self, path: Path) -> bytes:
        """Read a file; raises Unreadable."""
        try:
            raw = _read(path)
        except Unreadable as error:
            self._seen[path] = f"{_ABSENT}: {error}"
            raise
        self._seen[path] = _digest(raw)
        return raw

    def changed(self) -> bool:
        """Tell whether any file that was read, or was not there, is different now."""
        return any(look(path) != seen for path, seen in self._seen.items())

    def fingerprint(self) -> tuple[str, ...]:
        """Tell the state of every file that was read as it is now."""
        return tuple(look(path) for path in self._seen)


def look(path: Path) -> str:
    """Tell a file's state as a text that changes when its content does."""
    try:
        return _digest(_read(path))
    except Unreadable as error:
        return f"{_ABSENT}: {error}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise Unreadable("is not a path") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    return raw
