"""What may become of a request: the fates that the state machine draws, and their doing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from externalgrpc.fleet import requests, state
from externalgrpc.model import groups
from providers import contract, errors
from tests.laws import fake_cloud

MACHINE_TYPE = contract.MachineType(
    name="small", cpu_millis=2000, memory_bytes=4 << 30, disk_bytes=40 << 30
)
CANDIDATES = (groups.Candidate("small", "north"), groups.Candidate("small", "south"))


def offers(prices: Mapping[str, int]) -> tuple[contract.Offer, ...]:
    """Sell the candidates at a price for each location."""
    return tuple(
        contract.Offer(
            machine_type=candidate.machine_type,
            location=candidate.location,
            price_per_hour=Decimal(prices[candidate.location]),
            currency="EUR",
        )
        for candidate in CANDIDATES
    )


CREATES = (
    *("made",) * 6,
    "made, fails later",
    "made, never joins",
    "sold out",
    "over quota",
    "bad login",
    "bad order",
    "throttled",
    "nobody knows: not done",
    "nobody knows: done",
    "nobody knows: lands later",
    "half made",
    "nobody knows: half made",
)
DELETES = (*("done",) * 4, "said and not done", "nobody knows: done", "nobody knows: not done")
READS = (*("true",) * 4, "error")


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of requests for a while; ``lag_s`` is how late listings show what was done."""

    create: str = "made"
    delete: str = "done"
    read: str = "true"
    lag_s: float = 0.0


GOOD = Fate()


@dataclasses.dataclass
class Flight:
    """A request under way: queued, then begun, then done; then its answer is taken.

    ``lands`` is a create that happens after its answer was lost; ``identity`` is what an order
    carries. Where the cloud takes ``several`` requests for a machine a create may stop between two.
    """

    request: requests.Request
    identity: str = ""
    several: bool = False
    stage: str = "queued"
    begun_at: float = 0.0
    answer: Any = None
    lands: fake_cloud.Pending | None = None

    def do(self, cloud: fake_cloud.Sky, fate: Fate) -> None:
        """Have the effect that the fate says, and its answer."""
        self.stage = "done"
        try:
            self.answer = self._done(cloud, fate)
        except errors.CloudError as error:
            self.answer = error

    def _done(self, cloud: fake_cloud.Sky, fate: Fate) -> Any:  # noqa: PLR0911 - one for each request
        request = self.request
        match request:
            case requests.Create():
                return self._made(cloud, request, fate)
            case requests.Finish():
                return self._finished(cloud, request, fate)
            case requests.Delete():
                if fate.delete in ("done", "nobody knows: done"):
                    cloud.delete(request.instance_id, lag_s=fate.lag_s)
                if fate.delete.startswith("nobody"):
                    raise errors.Unreachable("cut")
                return None
        if fate.read == "error":
            raise errors.Unreachable("503")
        if isinstance(request, requests.ListInstances):
            return state.Snapshot(
                account=request.account, begun_at=self.begun_at, instances=cloud.listing()
            )
        if isinstance(request, requests.ReadCatalogue):
            return (MACHINE_TYPE,), offers(cloud.prices)
        if isinstance(request, requests.Mark):
            return cloud.mark(request.instance_id, request.put, request.remove)
        if isinstance(request, requests.ReadNeighbours):
            return cloud.neighbours()
        if isinstance(request, requests.LookUp):
            return cloud.look_up(
                node_name=request.name, instance_id=request.instance_id, receipt=request.receipt
            )
        held = request.instance
        return cloud.look_up(node_name=held.node_name, instance_id=held.id, receipt="")

    def _made(self, cloud: fake_cloud.Sky, request: requests.Create, fate: Fate) -> Any:
        name, group = request.name, request.group.name
        carried, at = self.identity, request.candidate.location
        match fate.create:
            case "made" | "made, fails later" | "made, never joins":
                fails = fate.create == "made, fails later"
                joins = fate.create != "made, never joins"
                machine = cloud.make(
                    name,
                    group,
                    lag_s=fate.lag_s,
                    fails=fails,
                    identity=carried,
                    joins=joins,
                    location=at,
                )
                return cloud.instance(machine)
            case "half made" if self.several:
                machine = cloud.make(
                    name, group, lag_s=fate.lag_s, identity=carried, half=True, location=at
                )
                return cloud.instance(machine)
            case "nobody knows: half made" if self.several:
                cloud.make(name, group, lag_s=fate.lag_s, identity=carried, half=True, location=at)
            case "half made":
                machine = cloud.make(name, group, lag_s=fate.lag_s, identity=carried, location=at)
                return cloud.instance(machine)
            case "nobody knows: done" | "nobody knows: half made":
                cloud.make(name, group, lag_s=fate.lag_s, identity=carried, location=at)
            case "nobody knows: lands later":
                self.lands = fake_cloud.Pending(name, group, 0.0, identity=carried, location=at)
            case other:
                raise REFUSALS.get(other, errors.Unreachable("cut"))
        raise errors.Unreachable("cut")

    def _finished(self, cloud: fake_cloud.Sky, request: requests.Finish, fate: Fate) -> Any:
        match fate.create:
            case "half made":
                return cloud.instance(cloud.machines[request.instance.id])
            case other if other.startswith("made") or other == "nobody knows: done":
                done = cloud.finish(request.instance.id, joins=other != "made, never joins")
                if other.startswith("made"):
                    return done
            case other if other in REFUSALS:
                raise REFUSALS[other]
        raise errors.Unreachable("cut")


REFUSALS = {
    "sold out": errors.OutOfStock("sold out"),
    "over quota": errors.QuotaExceeded("over quota"),
    "bad login": errors.BadCredentials("bad token"),
    "bad order": errors.BadOrder("no such image"),
    "throttled": errors.Throttled("slow down", retry_after_s=float("nan")),
}
