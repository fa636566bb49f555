"""Serve /metrics and /healthz, and what else is asked of that port."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import prometheus_client

from externalgrpc.control import httpd
from externalgrpc.control.metrics import Metrics


def _nothing_more(_environ: dict[str, Any], _start: Callable[..., Any]) -> None:
    return None


class MetricsServer:
    """Serve /metrics and /healthz over plain HTTP.

    ``more`` answers for other paths, or gives None for those that it does not know.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Metrics,
        healthy: Callable[[], tuple[bool, str]],
        more: Callable[
            [dict[str, Any], Callable[..., Any]], Iterable[bytes] | None
        ] = _nothing_more,
    ) -> None:
        scrape = prometheus_client.make_wsgi_app(metrics.registry)

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            match environ.get("PATH_INFO"):
                case "/metrics":
                    answer: Iterable[bytes] = scrape(environ, start_response)
                    return answer
                case "/healthz":
                    good, text = healthy()
                    status = "200 OK" if good else "503 Service Unavailable"
                case _:
                    found = more(environ, start_response)
                    if found is not None:
                        return found
                    status, text = "404 Not Found", "try /metrics or /healthz"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{text}\n".encode()]

        self._httpd = httpd.Server(host, port, app, name="metrics")
        self.port: int = self._httpd.port
        self.publish = self._httpd.publish

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._httpd.start()

    def stop(self) -> None:
        """Stop serving."""
        self._httpd.stop()
