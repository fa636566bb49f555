"""How fast a hundred machines are asked for at each cloud, and a thousand listed.

Both run on the real parts (providers, lanes, reconciler, ticker) against the HTTP fakes, which keep
the clouds' documented limits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from externalgrpc import assembly, config, fleet
from externalgrpc.model import installed_clouds
from providers import contract
from tests.bench import clouds as places

MACHINES = 100
CREATE_S = 0.8
LISTED = 1000
PAGE_S = 0.1
SETTLE_S = 1.0
"""Orders are held for so long after a start; the measurement begins later."""

PATIENCE_S = 180.0


@contextlib.contextmanager
def house(place: places.Place, fake: Any) -> Iterator[assembly.Assembly]:
    """Run all of a server but its port, with one account at a fake."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder, "token")
        token.write_text(fake.token)
        path = Path(folder, "pools.yaml")
        result = places.configuration(
            place, fake.url, 1, str(token), options=f"settleS: {SETTLE_S}"
        )
        path.write_text(result)
        installed = installed_clouds.installed()
        loaded = config.load(path, cluster="", environ={}, clouds=installed)
    plant = assembly.Assembly(loaded, installed, assembly.Parts(chance=random.Random(1)))
    plant.start()
    try:
        if not plant.reconciler.await_first_listings(30.0):
            raise RuntimeError(f"{place.provider} was not listed")
        yield plant
    finally:
        plant.stop(5.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a growth took, and what it cannot be below."""

    hands: int
    seconds: float
    by_limit_s: float
    by_latency_s: float
    refused: int

    @property
    def floor_s(self) -> float:
        return max(self.by_limit_s, self.by_latency_s)

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor_s


def growth(place: places.Place, machines: int = MACHINES, create_s: float = CREATE_S) -> Growth:
    """Ask for many machines at once; see when the cloud accepted the last of them."""
    with place.start() as fake:
        fake.slow(create_s, method="POST", path=place.orders)
        place.add(fake, "pool-0-leaves", "pool-0")
        with house(place, fake) as plant:
            provider = plant.reconciler.runtimes()["bench"].provider
            settle(plant, fake)
            began = time.time()
            plant.reconciler.grow("pool-0", machines, cover=False)

            def accepted() -> list[float]:
                orders = fake.log("POST", place.orders)
                return [each.at for each in orders if each.reply.status < 300]

            fake.wait_for(lambda: len(accepted()) >= machines, PATIENCE_S)
            orders = fake.log("POST", place.orders)
            return Growth(
                hands=provider.hands,
                seconds=max(accepted()) - began,
                by_limit_s=by_limit_s(provider, machines),
                by_latency_s=create_s * math.ceil(machines / provider.hands),
                refused=len(orders) - len(accepted()),
            )


def settle(plant: assembly.Assembly, fake: Any) -> None:
    """Let a machine go, so that the fleet is listed often, until orders are no longer held."""
    snapshot = plant.reconciler.fleet.accounts["bench"].snapshot
    assert snapshot is not None
    (leaving,) = snapshot.instances
    node = fleet.NodeRef(name=leaving.node_name, provider_id=leaving.provider_id)
    plant.reconciler.retire("pool-0", [node])
    fake.wait_for(lambda: plant.reconciler.fleet.accounts["bench"].settled, 60.0)


def by_limit_s(provider: contract.Provider, machines: int) -> float:
    """Return when the documented limits let the last create pass: the first full budget is free."""
    rates = [rate for rate in (provider.rate, provider.create_rate) if rate is not None]
    return max(max(0, machines - rate.requests) * rate.per_s / rate.requests for rate in rates)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a listing took, and what its bare pages take."""

    requests: int
    seconds: float
    bare_s: float


def listing(place: places.Place, machines: int = LISTED, rounds: int = 5) -> Listing:
    """List many machines, and fetch the same pages with nothing read of them, in turns."""
    with place.start() as fake:
        for number in range(machines):
            place.add(fake, f"pool-0-{number:06d}", "pool-0")
        fake.slow(PAGE_S, method="GET")
        login = contract.Login(
            account="bench", cluster=places.CLUSTER, token=fake.token, endpoint=fake.url
        )
        provider = installed_clouds.installed()[place.provider].open(login)
        headers = {"Authorization": f"Bearer {fake.token}"}
        ours: list[float] = []
        bare: list[float] = []
        with httpx.Client(base_url=fake.root, headers=headers) as client:
            provider.instances()
            asked = [each.request for each in fake.log("GET")]
            for _ in range(rounds):
                began = time.perf_counter()
                assert len(provider.instances()) == machines
                ours.append(time.perf_counter() - began)
                began = time.perf_counter()
                for each in asked:
                    extra = {k: v for k, v in each.headers.items() if k == "x-filter"}
                    reply = client.get(each.path, params=dict(each.query), headers=extra)
                    reply.raise_for_status()
                bare.append(time.perf_counter() - began)
        provider.close()
        return Listing(requests=len(asked), seconds=min(ours), bare_s=min(bare))


def run(say: Callable[[str], None]) -> None:
    """Print a row for each cloud."""
    say(f"\n{MACHINES} machines asked for at once, {CREATE_S} s a create: to the last accepted")
    say(
        f"{'cloud':<14}{'hands':>6}{'by limit s':>12}{'by latency s':>14}{'took s':>8}{'ratio':>7}"
        f"{'refused':>9}"
    )
    for place in places.installed():
        took = growth(place)
        say(
            f"{place.provider:<14}{took.hands:>6}{took.by_limit_s:>12.1f}{took.by_latency_s:>14.1f}"
            f"{took.seconds:>8.1f}{took.ratio:>7.2f}{took.refused:>9}"
        )
    say(f"\n{LISTED} machines listed, {PAGE_S} s a page: against the bare pages, nothing read")
    say(f"{'cloud':<14}{'requests':>9}{'took s':>8}{'bare s':>8}{'ratio':>7}")
    for place in places.installed():
        result = listing(place)
        say(
            f"{place.provider:<14}{result.requests:>9}{result.seconds:>8.2f}{result.bare_s:>8.2f}"
            f"{result.seconds / result.bare_s:>7.2f}"
        )
