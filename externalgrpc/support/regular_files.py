"""Read the files that people name, and only such as come to an end: the one way to do it.

Configurations, tokens, user-data, certificates, keys and kubeconfigs are regular files or links to
them (as Kubernetes mounts Secrets and ConfigMaps). A pipe, a socket or a device may never answer,
or do something when it is opened, so it is looked at before and refused. That goes for
``/dev/stdin`` and a shell's ``<(...)`` too where a pipe is behind them: what a server reads again
when it changes cannot be a text that passes once.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 20

_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unreadable(Exception):
    """Say why a file cannot be read, as the rest of a sentence about it."""


class NotRegular(Unreadable):
    """Say what a file is that is none to read."""


def read(path: Path) -> bytes:
    """Read a regular file of at most MAX_BYTES; waits for nobody. Raises Unreadable."""
    check(path)
    # Somebody may have put something else there since: then O_NONBLOCK keeps the open from waiting.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _unreadable(error) from error
    try:
        _judge(os.fstat(descriptor).st_mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(error) from error
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    return raw


def text(path: Path) -> str:
    """Read a regular file of UTF-8 text. Raises Unreadable."""
    try:
        return read(path).decode()
    except UnicodeDecodeError:
        # Not chained: what the file holds may be a secret.
        raise Unreadable("is not UTF-8 text") from None


def check(path: Path) -> None:
    """Raise Unreadable unless a regular file is there; opens nothing."""
    try:
        _judge(path.stat().st_mode)
    except OSError as error:
        raise _unreadable(error) from error
    except ValueError as error:
        raise Unreadable("is not a path") from error


def _judge(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_one, name in _KINDS if is_one(mode)), "something else")
        raise NotRegular(f"is not a regular file, but {kind}")


def _unreadable(error: OSError) -> Unreadable:
    return Unreadable(f"cannot be read: {error.strerror or error}")
