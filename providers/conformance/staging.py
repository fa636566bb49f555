# ruff: noqa: ARG002, D102 - a lane without budget, threads and log does what lane.Lane says
"""Set a stage for histories: simulated time, a lane without threads, a cloud, and its mishaps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from providers import contract, errors
from providers.conformance import behind
from providers.fakes import engine, faults

T = TypeVar("T")

CLUSTER, GROUP, MAXIMUM = "histories", "pool-0", 8


class Sky:
    """Simulated time, for the server and for its cloud."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Return the seconds since some instant."""
        return self.now

    def unix(self) -> float:
        """Return the seconds since 1970."""
        return 1_800_000_000.0 + self.now


class KilledError(BaseException):
    """The server is dead: raised through it at the request with which it died."""


class Lane:
    """Do each job at once, on the caller's thread; die with the request that was fatal."""

    def __init__(self, queue: faults.FaultQueue) -> None:
        self._queue = queue

    def read(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        self.write(operation, job, done)

    def write(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        answer: T | errors.CloudError
        try:
            answer = job()
        except errors.CloudError as error:
            answer = error
        if self._queue.dead:
            raise KilledError
        done(answer)

    def close(self, timeout_s: float) -> bool:
        return True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What histories of one cloud need: the class, a way to a fresh fake, and something to order.

    ``begin`` makes a fake, not started yet, for a token and a clock, and its hooks. ``account``
    holds the account's own options and ``group`` more settings of the group, both as one writes
    them in the configuration file.
    """

    provider: str
    cloud: type[contract.Provider]
    begin: Callable[..., behind.HistoryControls]
    machine_type: str
    location: str
    image: str
    account: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    group: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def configuration(self, url: str, token_file: Path) -> str:
        """Write the file that a server with one group at this cloud is configured by."""
        account = {"name": "here", "provider": self.provider, "endpoint": url}
        group = {"name": GROUP, "account": "here", "instanceType": self.machine_type}
        place = {"region": self.location, "image": self.image, "join": "image"}
        whole = {
            "cluster": CLUSTER,
            "accounts": [{**account, "tokenFile": str(token_file), "options": {**self.account}}],
            "nodes": [{**group, **place, "minSize": 0, "maxSize": MAXIMUM, **self.group}],
        }
        return json.dumps(whole)


KIND = engine.FaultKind
WRITES = "POST|PUT|PATCH|DELETE"
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": KIND.LOST, "method": "POST|DELETE", "after": True},
    {"kind": KIND.LOST, "method": "POST", "after": True},
    {"kind": KIND.LOST, "after": False},
    {"kind": KIND.CUT, "method": "POST"},
    {"kind": KIND.TRUNCATED},
    {"kind": KIND.HTML, "after": True},
    {"kind": KIND.HTML, "status": 404},
    {"kind": KIND.ERROR, "status": 500},
    {"kind": KIND.EMPTY, "after": True},
    {"kind": KIND.THROTTLED},
)


def torn(lists: str) -> dict[str, Any]:
    """Return the fault of a list that changed between two pages."""
    return {"kind": KIND.CHANGED, "change": faults.torn, "method": "GET", "path": lists}
