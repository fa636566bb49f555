"""Make a whole fake cloud sick in one of the ways that clouds are sick, and mend it again."""

from __future__ import annotations

import contextlib
import enum
import socket
import urllib.parse
from collections.abc import Iterator

from providers.fakes import engine


class Trouble(enum.Enum):
    """What a cloud's sickness looks like from outside."""

    ERRORS = "answers 500"
    HANGS = "hangs"
    REFUSES = "refuses connections"
    BLACK_HOLE = "black hole"
    EXPIRED = "expired token"


@contextlib.contextmanager
def struck(fake: engine.Fake, trouble: Trouble) -> Iterator[None]:
    """Let everything at a fake go wrong in one way for as long as the context lasts."""
    match trouble:
        case Trouble.ERRORS:
            fake.fail(engine.FaultKind.ERROR, status=500, times=None)
            try:
                yield
            finally:
                fake.faults.clear()
        case Trouble.HANGS:
            fake.fail(engine.FaultKind.HANG, times=None)
            try:
                yield
            finally:
                fake.faults.clear()
                fake.release()
        case Trouble.REFUSES:
            fake.refuse()
            try:
                yield
            finally:
                fake.accept()
        case Trouble.BLACK_HOLE:
            fake.refuse()
            try:
                with _black_hole(fake.root):
                    yield
            finally:
                fake.accept()
        case Trouble.EXPIRED:
            token, fake.token = fake.token, "another-token"
            try:
                yield
            finally:
                fake.token = token


@contextlib.contextmanager
def _black_hole(address: str) -> Iterator[None]:
    """Take an address over so that connections to it are neither made nor refused."""
    parts = urllib.parse.urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind((parts.hostname, parts.port))
        hole.listen(0)
        # Nobody accepts: once the queue is full, the kernel drops what knocks.
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.0)
            filler.connect_ex((parts.hostname, parts.port))
        yield
