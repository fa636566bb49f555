"""Refuse sockets and processes in this one, so that `make quick` stays quick."""

from __future__ import annotations

import os
import sys

from tests import absent

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
"""Events of the interpreter; see :func:`sys.addaudithook`."""


def enforce() -> None:
    """Skip from now on every test that opens a socket or starts a process, where it does so."""
    sys.addaudithook(refuse)


def refuse(event: str, _arguments: tuple[object, ...]) -> None:
    """Skip the test that runs when an event is one of those."""
    # What pytest and its workers do between tests is their own affair.
    if event in REFUSED and "PYTEST_CURRENT_TEST" in os.environ:
        absent.skip(absent.Need.IMPURE)
