"""Keep one JSON document in a file that several processes share and that survives ``kill -9``.

The memory cloud keeps its machines here when asked to, so that a server that dies and comes
back finds them. Readers and writers exclude one another by a lock file beside the document; the
document itself is replaced whole, so that it is always the old one or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Ledger:
    """One shared JSON document; every method is called with :meth:`held`.

    Raises OSError when the file cannot be used and ValueError when it holds no JSON object: a
    ledger that cannot be read is never taken for an empty one.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: tuple[int, int, int] | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process out until the block ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(self._path.name + ".lock")
        with beside.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def catch_up(self, load: Callable[[dict[str, Any]], None]) -> None:
        """Hand the document to ``load`` if it is not the one last loaded or written here.

        A file that does not exist yet is nothing to load; a document that ``load`` raises at is
        handed over again next time.
        """
        try:
            stamp = self._stamp()
        except FileNotFoundError:
            return
        if stamp == self._seen:
            return
        document = json.loads(self._path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError(f"{self._path} holds no JSON object")  # noqa: TRY004 - it is about text
        load(document)
        self._seen = stamp

    def replace(self, document: dict[str, Any]) -> None:
        """Put a new document in the place of the old one, whole or not at all."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
        fresh.replace(self._path)
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int, int]:
        # A replaced file is another inode, even within one tick of the clock.
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            # A pipe would be waited for.
            raise OSError(errno.EINVAL, "is not a regular file", str(self._path))
        return (status.st_ino, status.st_mtime_ns, status.st_size)
