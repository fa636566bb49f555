"""Count the API requests of a simulated idle hour: real providers against the HTTP fakes.

Time is simulated: the clock jumps from one due instant to the next, and every request is real.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from externalgrpc import assembly, config
from externalgrpc.model import installed_clouds
from providers import errors
from tests.bench import clouds as places

T = TypeVar("T")
HOUR_S = 3600.0
GROUPS = 3
REACH_SHARE = 0.04
"""What an idle hour may cost of the documented budget."""


class Jumping:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return 1_800_000_000.0 + self.now


class Inline:
    """A lane that does its job at once, on the caller's thread."""

    def read(
        self, operation: str, job: Callable[[], T], done: Callable[..., None], cost: int = 1
    ) -> None:
        self.write(operation, job, done)

    def write(
        self, operation: str, job: Callable[[], T], done: Callable[..., None], cost: int = 1
    ) -> None:
        try:
            answer: T | errors.CloudError = job()
        except errors.CloudError as error:
            answer = error
        done(answer)

    def close(self, timeout_s: float) -> bool:
        return True


@dataclasses.dataclass(frozen=True)
class Hour:
    requests: int
    documented: float
    failures: int


@contextlib.contextmanager
def house(place: places.Place, fake: Any, time_source: Jumping) -> Iterator[assembly.Assembly]:
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder, "token")
        token.write_text(fake.token)
        path = Path(folder, "pools.yaml")
        path.write_text(places.configuration(place, fake.url, GROUPS, str(token)))
        installed = installed_clouds.installed()
        loaded = config.load(path, cluster="", environ={}, clouds=installed)
    parts = assembly.Parts(
        time_source=time_source,
        chance=random.Random(1),
        make_lane=lambda _account, _provider: Inline(),
    )
    plant = assembly.Assembly(loaded, installed, parts)
    try:
        yield plant
    finally:
        plant.reconciler.close(0.0)


def hour(place: places.Place) -> Hour:
    """Let an hour pass with nothing to do, the start included."""
    time_source = Jumping()
    with place.start(clock=time_source.unix) as fake, house(place, fake, time_source) as plant:
        ends_at = time_source.now + HOUR_S
        while time_source.now < ends_at:
            plant.reconciler.pump()  # what is due is done at once,
            wake_at = plant.reconciler.pump()  # so that this one only looks ahead
            time_source.now = max(time_source.now + 0.001, min(wake_at, ends_at))
        rate = plant.reconciler.runtimes()["bench"].provider.rate
        account = plant.reconciler.fleet.accounts["bench"]
        return Hour(
            requests=len(fake.exchanges),
            documented=rate.requests / rate.per_s * HOUR_S,
            failures=account.failures + account.catalogue_failures,
        )


def run(say: Callable[[str], None]) -> None:
    """Print a row for each cloud."""
    say(f"\nAPI requests in a simulated idle hour (one account, {GROUPS} groups, start included)")
    say(f"{'cloud':<14}{'requests':>9}{'documented/h':>14}{'share':>8}{'failures':>10}")
    for place in places.installed():
        result = hour(place)
        say(
            f"{place.provider:<14}{result.requests:>9}{result.documented:>14.0f}"
            f"{result.requests / result.documented:>8.1%}{result.failures:>10}"
        )
