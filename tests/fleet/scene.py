"""Set a fleet up in a few words, and let things happen to it, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

from externalgrpc import fleet as fleets
from externalgrpc.fleet import answers, catalogue, plan, requests, retired, state, view, wishes
from externalgrpc.model import groups
from providers import contract, errors

SETTLE_S = 60.0
IDENTITY = "0123456789"
"""Our cluster's, where a scene has one."""
_GIB = 1 << 30
SMALL = contract.MachineType(
    name="small", cpu_millis=2000, memory_bytes=4 * _GIB, disk_bytes=40 * _GIB
)
LARGE = contract.MachineType(
    name="large", cpu_millis=8000, memory_bytes=16 * _GIB, disk_bytes=160 * _GIB
)
NORTH = groups.Candidate("small", "north")
SOUTH = groups.Candidate("small", "south")
RUNNING = contract.InstanceState.RUNNING
CREATING = contract.InstanceState.CREATING
STOPPED = contract.InstanceState.STOPPED
DELETING = contract.InstanceState.DELETING


def group(name: str = "g", account: str = "a", **fields) -> groups.NodeGroup:
    settings = {"candidates": (NORTH, SOUTH), "min_size": 0, "max_size": 10, **fields}
    return groups.NodeGroup(name=name, account=account, **settings)


def account(name: str = "a", **fields) -> state.AccountState:
    settings = {
        "provider": "sky",
        "scheme": "sky",
        "settle_s": SETTLE_S,
        "rate_per_s": 10.0,
        "hands": 4,
        "pace": state.Pace(busy_s=3.0, steady_s=35.0),
        **fields,
    }
    return state.AccountState(name=name, **settings)


def machine(
    number: int | str,
    name: str = "",
    group: str = "g",
    state: contract.InstanceState = RUNNING,
    created_at: float = 1.0,
    receipt: str = "",
    **marks,
) -> contract.Instance:
    return contract.Instance(
        id=str(number),
        provider_id=f"sky://{number}",
        node_name=name,
        group=group,
        machine_type="small",
        location="north",
        state=state,
        created_at=created_at,
        receipt=receipt,
        **marks,
    )


def unjoined(number: int | str, name: str, **fields) -> contract.Instance:
    """Return a machine of ours whose Node nobody has seen, as its marks prove."""
    return machine(number, name, **{"identity": IDENTITY, "unjoined": True, **fields})


class Scene:
    """A fleet at an instant; verbs change it, and a test moves its time."""

    def __init__(
        self,
        *node_groups: groups.NodeGroup,
        accounts: tuple[state.AccountState, ...] = (),
        settled: bool = True,
        shown: tuple[contract.Instance, ...] = (),
        identity: str = "",
        nodes: dict[str, state.Seen] | None = None,
        started_at: float = 0.0,
    ) -> None:
        self.now = 1000.0
        self.fleet = fleets.Fleet(identity=identity, nodes=nodes, started_at=started_at)
        self.accounts = accounts or (account(),)
        self.configure(*(node_groups or (group(),)))
        for each in self.accounts:
            own = shown if each.name == self.accounts[0].name else ()
            self.sells(each.name)
            if settled:
                self.listed(*own, account=each.name)
        if settled:
            self.now += SETTLE_S + 1
            for each in self.accounts:
                own = shown if each.name == self.accounts[0].name else ()
                self.listed(*own, account=each.name)

    def configure(self, *node_groups: groups.NodeGroup, blocked=None, accounts=None) -> None:
        self.fleet = fleets.configure(
            self.fleet,
            node_groups,
            self.accounts if accounts is None else accounts,
            blocked=blocked or {},
        )

    def sells(self, account: str = "a", *candidates: groups.Candidate) -> None:
        offers = [
            contract.Offer(
                machine_type=each.machine_type,
                location=each.location,
                price_per_hour=Decimal(1),
                currency="EUR",
            )
            for each in (candidates or (NORTH, SOUTH))
        ]
        self.fleet = catalogue.read(self.fleet, account, (SMALL, LARGE), offers, now=self.now)

    def listed(
        self, *shown: contract.Instance, account: str = "a", begun_at: float | None = None
    ) -> None:
        snapshot = state.Snapshot(
            account=account,
            begun_at=self.now if begun_at is None else begun_at,
            instances=tuple(shown),
        )
        self.fleet = fleets.observe(self.fleet, snapshot, now=self.now, unix_now=self.now)

    def grow(self, delta: int = 1, group: str = "g", *, cover: bool = False) -> tuple[str, ...]:
        return self.grown(delta, group, cover=cover).ordered

    def grown(self, delta: int = 1, group: str = "g", *, cover: bool = True) -> wishes.Grown:
        self.fleet, grown = fleets.grow(
            self.fleet,
            group,
            delta,
            mint=self._names(group),
            now=self.now,
            unix_now=self.now,
            cover=cover,
        )
        return grown

    def retire(self, *nodes: fleets.NodeRef, group: str = "g") -> tuple[str, ...]:
        self.fleet, going = fleets.retire(self.fleet, group, nodes, now=self.now, unix_now=self.now)
        return going

    def register(self, *provider_ids: str, name: str | None = None) -> None:
        """Have CA show the Nodes of machines, each by the name in its machine's mark."""
        shown = self.fleet.index.by_provider_id
        seen = {
            each: name if name is not None else shown[each].node_name if each in shown else each
            for each in provider_ids
        }
        self.fleet = fleets.register(self.fleet, seen, now=self.now, unix_now=self.now)

    def shrink(self, delta: int, group: str = "g") -> tuple[str, ...]:
        self.fleet, withdrawn = fleets.shrink(self.fleet, group, delta)
        return withdrawn

    def plan(self) -> tuple[requests.Request, ...]:
        planned = plan.plan(self.fleet, self.now)
        self.fleet = planned.fleet
        self.wake_at = planned.wake_at
        return planned.requests

    def creates(self) -> list[requests.Create]:
        return [each for each in self.plan() if isinstance(each, requests.Create)]

    def ordered(self, name: str, answer: contract.Instance | errors.CloudError) -> None:
        self.fleet = answers.ordered(self.fleet, name, answer, now=self.now)

    def looked_up(self, name: str, answer: contract.Instance | errors.CloudError | None) -> None:
        self.fleet = answers.looked_up(
            self.fleet, name, answer, mint=self._names("again"), now=self.now
        )

    def missing_looked_up(
        self, provider_id: str, answer: contract.Instance | errors.CloudError | None
    ) -> None:
        self.fleet = answers.missing_looked_up(self.fleet, provider_id, answer, now=self.now)

    def deleted(self, key: str, error: errors.CloudError | None = None) -> None:
        self.fleet = retired.deleted(self.fleet, key, error, now=self.now)

    def launch(self, name: str) -> state.Launch:
        return self.fleet.launches[name]

    def target(self, group: str = "g") -> int:
        return view.target(self.fleet, group)

    def names(self, group: str = "g") -> list[str]:
        return [member.name for member in view.members(self.fleet, group)]

    def member(self, name: str, group: str = "g") -> state.Member:
        found = view.find(self.fleet, group, name)
        assert found is not None, f"{name} is no member of {group}"
        return found

    _numbers = itertools.count(1)

    def _names(self, prefix: str) -> Iterator[str]:
        return (f"{prefix}-{number:06d}" for number in self._numbers)


def node(number: int | str, name: str = "", *, fake: bool = False) -> fleets.NodeRef:
    provider_id = f"sky://{number}"
    return fleets.NodeRef(provider_id=provider_id, name=provider_id if fake else name, fake=fake)


def placeholder(name: str, *, fake: bool = True) -> fleets.NodeRef:
    provider_id = f"sky://launching/{name}"
    return fleets.NodeRef(provider_id=provider_id, name=provider_id, fake=fake)
