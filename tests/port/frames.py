"""The few HTTP/2 frames of a hostile gRPC client, written by hand (RFC 9113, RFC 7541).

A real gRPC library cannot be made to misbehave: it always sends its message.
"""

from __future__ import annotations

import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    body = b"".join(struct.pack(">HI", key, value) for key, value in (values or {}).items())
    return frame(SETTINGS, 0, 0, body)


def headers(stream: int, path: str, *, extra: dict[str, str] | None = None) -> bytes:
    """Open a stream with a gRPC request's headers, and leave it open."""
    block = b"\x83\x86"  # :method POST, :scheme http of the static table
    block += b"\x04" + _text(path) + b"\x01" + _text("attacker")
    fields = {"content-type": "application/grpc", "te": "trailers", **(extra or {})}
    for name, value in fields.items():
        block += b"\x00" + _text(name) + _text(value)
    return frame(HEADERS, END_HEADERS, stream, block)


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """Frame a gRPC message: a flag, the length, the bytes."""
    return struct.pack(">BI", compressed, len(data)) + data


def data(stream: int, payload: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def _text(value: str) -> bytes:
    assert len(value) < 127
    return bytes([len(value)]) + value.encode()


class Connection:
    """A socket that has shaken hands, with stream numbers of its own."""

    def __init__(
        self,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        values: dict[int, int] | None = None,
    ) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(10)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host, int(port)), timeout=10)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._next = -1
        self._seen = b""
        self.socket.sendall(PREFACE + settings(values) + frame(SETTINGS, ACK, 0))

    def stream(self) -> int:
        self._next += 2
        return self._next

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def half_open(self, path: str, count: int = 1) -> None:
        """Open streams that never send a message."""
        self.send(*(headers(self.stream(), path) for _ in range(count)))

    def push(self, streams: list[int], count: int) -> None:
        """Send so many bytes on each stream as far as the server's windows let us, then stop."""
        window, whole = dict.fromkeys(streams, 65535), 65535
        left = dict.fromkeys(streams, count)
        self.socket.settimeout(0.3)
        while left:
            for stream in list(left):
                while (some := min(16384, left[stream], window[stream], whole)) > 0:
                    self.send(data(stream, bytes(some)))
                    window[stream] -= some
                    left[stream] -= some
                    whole -= some
                if not left[stream]:
                    del left[stream]
            try:
                got = self.read()
            except TimeoutError:
                return
            if got is None:
                return
            kind, flags, stream, body = got
            if kind == WINDOW_UPDATE and stream:
                window[stream] = window.get(stream, 0) + int.from_bytes(body)
            elif kind == WINDOW_UPDATE:
                whole += int.from_bytes(body)
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, body))
            elif kind == RST_STREAM:
                left.pop(stream, None)

    def read(self) -> tuple[int, int, int, bytes] | None:
        """Read one frame: kind, flags, stream, payload; None when the server has closed."""
        head = self._exactly(9)
        if head is None:
            return None
        length = int.from_bytes(head[:3])
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        body = self._exactly(length) if length else b""
        return None if body is None else (kind, flags, stream, body)

    def _exactly(self, count: int) -> bytes | None:
        while len(self._seen) < count:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self._seen += more
        taken, self._seen = self._seen[:count], self._seen[count:]
        return taken

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
