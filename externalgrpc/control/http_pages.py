"""Ask a WSGI application for a page, and write it as the bytes of an HTTP/1.1 response."""

from __future__ import annotations

import sys
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application, as far as a page needs one."""

STREAM: Final[Iterable[bytes]] = (b"",)
"""What an application returns, this very object, for the page to stay open as a stream."""


class Page(NamedTuple):
    """The bytes to send, head and all; ``stays_open`` for the head of a stream."""

    content: bytes
    stays_open: bool = False


def run(app: App, head: bytes) -> Page:
    """Ask an application for the page that a request's head names."""
    line, *rest = head.decode("latin-1").split("\n")
    match line.split():
        case ["GET" | "HEAD" as method, target, version] if version.startswith("HTTP/1."):
            path, _, query = target.partition("?")
        case [_, _, version] if version.startswith("HTTP/1."):
            return Page(page("405 Method Not Allowed", [("Allow", "GET, HEAD")], b""))
        case _:
            return Page(page("400 Bad Request", [], b""))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "wsgi.errors": sys.stderr,
    }
    for each in rest:
        name, _, value = each.partition(":")
        environ[f"HTTP_{name.strip().upper().replace('-', '_')}"] = value.strip()
    parts: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        parts.append((status, headers))

    answer = app(environ, start_response)
    body = b"".join(answer)
    status, headers = parts[-1]
    if answer is STREAM and method == "GET":
        return Page(_head(status, headers), stays_open=True)
    return Page(page(status, headers, b"" if method == "HEAD" else body, length=len(body)))


def page(
    status: str, headers: Iterable[tuple[str, str]], body: bytes, *, length: int | None = None
) -> bytes:
    """Write a whole page; a status alone has its words for a body."""
    if not body and length is None:
        headers, body = [*headers, ("Content-Type", "text/plain")], f"{status}\n".encode()
    length = len(body) if length is None else length
    return _head(status, (*headers, ("Content-Length", str(length)))) + body


def _head(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
