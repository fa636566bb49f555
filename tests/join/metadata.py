"""Be the clouds' metadata service: 169.254.169.254, port 80, on this network of the test's own.

The connection shows which machine asks: it belongs to the process that emulates the machine.
A machine gets what its cloud gives, in that cloud's words; cloud-init of the image reads
it with the same code as on the real cloud.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ADDRESS, PORT = "169.254.169.254", 80


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A machine as its cloud's metadata service knows it; ``user_data`` is as it was ordered.

    ``answers`` maps "METHOD /path" to what is answered; everything else is not found. A GET must
    carry ``header``, a name and a value, where there is one; "/" is there for everybody.
    """

    pid: int
    answers: Mapping[str, str]
    header: tuple[str, str] = ("", "")

    def answer(self, request: str, headers: Mapping[str, str]) -> str | None:
        """Answer a request, None for what is not found or not allowed."""
        name, value = self.header
        if request == "GET /":
            return "metadata"
        if name and request.startswith("GET ") and headers.get(name) != value:
            return None
        return self.answers.get(request)


class Service:
    """The service; ``guest_of`` looks a machine up by the process that emulates it."""

    def __init__(self, guests: Callable[[], list[Guest]]) -> None:
        self._guests = guests
        self.asked: list[str] = []
        self._server: http.server.ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen where machines look for it; that address must be this network's."""
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                request = f"{self.command} {self.path.partition('?')[0]}"
                result = service.answer(self.client_address[1], request, self.headers)
                body = (result or "").encode()
                self.send_response(200 if result is not None else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = _answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing: the service keeps a log of its own."""

        self._server = http.server.ThreadingHTTPServer((ADDRESS, PORT), Handler)
        threading.Thread(target=self._server.serve_forever, name="metadata", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, port: int, request: str, headers: Mapping[str, str]) -> str | None:
        """Answer whoever calls from a port of ours."""
        inode = _socket_of(port)
        guest = next((each for each in self._guests() if inode and _holds(each.pid, inode)), None)
        result = guest.answer(request, headers) if guest else None
        self.asked.append(
            f"{request}{'' if guest else ' by nobody'}{'' if result else ': nothing'}"
        )
        return result


def _socket_of(port: int) -> str:
    """Name the socket that is bound to a port and connected to us, as /proc does."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        far = int(fields[2].rpartition(":")[2], 16)
        if int(fields[1].rpartition(":")[2], 16) == port and far == PORT:
            return f"socket:[{fields[9]}]"
    return ""


def _holds(pid: int, socket: str) -> bool:
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(each) == socket:  # noqa: PTH115 - it is no path
                    return True
    return False
