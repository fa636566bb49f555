"""A server in this process whose status page is asked without a socket."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from externalgrpc.status import site
from externalgrpc.support import clock
from tests import serving


@dataclasses.dataclass
class Asked:
    status: str
    headers: dict[str, str]
    body: bytes


@dataclasses.dataclass
class Looking:
    up: serving.Running
    site: site.Site

    def ask(self, path: str, host: str = "localhost:9090") -> Asked | None:
        said: list[Any] = []
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_HOST": host}
        answer = self.site.answer(environ, lambda *given: said.append(given))
        if answer is None:
            assert not said
            return None
        status, headers = said[-1]
        return Asked(status, dict(headers), b"".join(answer))

    def status(self) -> Any:
        asked = self.ask("/status.json")
        assert asked is not None
        return json.loads(asked.body)

    def group(self, name: str) -> Any:
        return next(each for each in self.status()["groups"] if each["name"] == name)


@contextlib.contextmanager
def looking(folder, text=serving.TWO_POOLS, *, listens_on="127.0.0.1", **options) -> Iterator:
    with serving.running(folder, text, **options) as up:
        page = site.Site(
            up.plant.reconciler,
            up.plant.describer,
            clock.SystemClock(),
            listens_on=listens_on,
            version="test",
        )
        page.start(lambda _event: None)
        try:
            yield Looking(up, page)
        finally:
            page.stop()
