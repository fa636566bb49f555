"""A cloud that means ill: raw bytes on loopback, as slow, as long and as wrong as a test wants.

A script is called with what was asked and gives what to do, one step after the other: bytes are
sent, a number of seconds is waited (less when the server stops). The connection is closed at the
end of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Step = bytes | float


class Asked(NamedTuple):
    """What was asked: ``head`` are the raw lines, ``number`` counts requests from one on."""

    method: str
    target: str
    head: bytes
    body: bytes
    number: int


Script = Callable[[Asked], Iterable[Step]]


class Hostile:
    """Listen on a free port and answer each connection by a script; use it as a context."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Hostile:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for peer in self._open:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            with self._guard:
                self._open.add(peer)
                self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            asked = self._read(peer)
            if asked is not None:
                for step in self.script(asked):
                    if self._over.is_set():
                        return
                    if isinstance(step, bytes):
                        peer.sendall(step)
                    elif self._over.wait(step):
                        return
        with self._guard:
            self._open.discard(peer)

    def _read(self, peer: socket.socket) -> Asked | None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = peer.recv(65536)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += peer.recv(65536)
        method, target, *_ = head.split(b" ")
        with self._guard:
            asked = Asked(method.decode(), target.decode(), head, body, len(self.asked) + 1)
            self.asked.append(asked)
        return asked


def answer(
    body: bytes | Any, *, status: str = "200 OK", headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    """Return the bytes of a whole and honest answer; what is not bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def drip(what: bytes, pause_s: float = 0.05) -> Iterator[Step]:
    """Send a byte at a time, and spaces for ever after."""
    for byte in what:
        yield bytes([byte])
        yield pause_s
    while True:
        yield b" "
        yield pause_s


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """Give an address where a connection is neither taken nor refused."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        contextlib.ExitStack() as full,
    ):
        for _ in range(8):
            peer = full.enter_context(socket.socket())
            peer.setblocking(False)  # noqa: FBT003
            with contextlib.suppress(BlockingIOError):
                peer.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def relay(root: str, *, orders: Script) -> Script:
    """Hand everything on to a fake that is well, but what makes something: that gets a script."""

    def script(asked: Asked) -> Iterable[Step]:
        return orders(asked) if asked.method == "POST" else [forward(root, asked)]

    return script


def forward(root: str, asked: Asked) -> bytes:
    """Ask a fake the same, and give its whole answer as bytes."""
    where = urllib.parse.urlsplit(root)
    assert where.hostname is not None
    link = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    headers = {}
    for line in asked.head.split(b"\r\n")[1:]:
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() not in {"host", "content-length", "connection"}:
            headers[name] = value.strip()
    with contextlib.closing(link):
        link.request(asked.method, asked.target, body=asked.body or None, headers=headers)
        reply = link.getresponse()
        content = reply.read()
        kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in {"content-length"}]
        return answer(content, status=f"{reply.status} {reply.reason}", headers=kept)
