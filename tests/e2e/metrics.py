"""Stand in for a Prometheus that knows how much CPU nodes use, spread evenly over them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Collection
from typing import Any


class Prometheus:
    """A server on loopback; so many ``cores`` are in use on the nodes, None: it is out of order."""

    def __init__(self, nodes: Callable[[], Collection[str]]) -> None:
        self.cores: float | None = 0.0
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Stay quiet."""

            def do_GET(self) -> None:
                outer.asked += 1
                cores = outer.cores
                status = (
                    200 if cores is not None and self.path.startswith("/api/v1/query?") else 503
                )
                text = json.dumps(_vector(sorted(nodes()), cores or 0.0)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text if status == 200 else b" " * len(text))

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10.0)


def _vector(nodes: list[str], cores: float) -> dict[str, Any]:
    result = [{"metric": {"node": each}, "value": [0, str(cores / len(nodes))]} for each in nodes]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
