"""Refuse sockets and processes in this one, so that `make quick` stays quick."""

from __future__ import annotations

import sys

REFUSED = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "subprocess.Popen",
    }
)


class Impure(BaseException):
    """A test opened a socket or started a process; no code takes this for an error of its own."""


def enforce() -> None:
    """Raise :class:`Impure` from now on where a socket is opened or a process started."""
    sys.addaudithook(refuse)


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Raise where an event of the interpreter is one of those; see :func:`sys.addaudithook`."""
    if event in REFUSED:
        raise Impure(f"{event}{arguments} in `make quick`: move the test, or its file out of QUICK")
