"""Gauge, at every scrape, what the fleet has and what keeps it from acting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import core, registry

from externalgrpc.control.gauge import gauge
from externalgrpc.fleet import notnow, observed_capacity, pausing, proof, spending, state, view
from externalgrpc.support import clock


class FleetCollector(registry.Collector):
    """Describe a fleet, as it is at the scrape."""

    def __init__(self, fleet: Callable[[], state.Fleet], time_source: clock.Clock) -> None:
        self._fleet = fleet
        self._clock = time_source

    def collect(self) -> Iterator[core.Metric]:
        """Describe the fleet as it is now."""
        fleet = self._fleet()
        yield from _of_groups(fleet)
        yield _learned(fleet)
        yield from _of_accounts(fleet, self._clock.monotonic())
        yield from _doubts(fleet)
        yield from _operators(fleet)


def _of_groups(fleet: state.Fleet) -> Iterator[core.Metric]:
    sizes = gauge("group_size", "Bounds and target of a group.", ("group", "which"))
    machines = gauge("machines", "Machines of a group by phase.", ("group", "phase"))
    for name, group in fleet.groups.items():
        members = view.members(fleet, name)
        sizes.add_metric((name, "min"), group.min_size)
        sizes.add_metric((name, "max"), group.max_size)
        sizes.add_metric((name, "target"), len(members))
        phases = Counter(_phase(member) for member in members)
        phases["deleting"] += len(view.leaving(fleet, name))
        for phase, count in phases.items():
            machines.add_metric((name, phase), count)
    yield from (sizes, machines)
    shown = {group.name for group in view.served(fleet)}
    yield gauge(
        "group_served",
        "1 when CA is shown the group.",
        ("group",),
        (((name,), name in shown) for name in fleet.groups),
    )


def _phase(member: view.Member) -> str:
    if member.failure is not None:
        return "failed"
    if member.instance is not None:
        return member.instance.state.value
    return member.launch.phase.value if member.launch is not None else "unknown"


def _learned(fleet: state.Fleet) -> core.Metric:
    """Gauge what nodes turned out to give to pods, for every group that orders such machines."""
    return gauge(
        "learned_allocatable",
        "What nodes of a machine type and image give to pods, as the smallest of them reported: "
        "cores, bytes, bytes, pods.",
        ("group", "type", "image", "resource"),
        _allocatable(fleet),
    )


def _allocatable(fleet: state.Fleet) -> Iterator[tuple[tuple[str, str, str, str], float]]:
    for name, group in fleet.groups.items():
        for machine_type in dict.fromkeys(each.machine_type for each in group.candidates):
            learned = fleet.learned.get(observed_capacity.make_of(group, machine_type))
            if learned is None:
                continue
            gives = learned.allocatable
            for resource, amount in (
                ("cpu", None if gives.cpu_millis is None else gives.cpu_millis / 1000),
                ("memory", gives.memory_bytes),
                ("ephemeral-storage", gives.disk_bytes),
                ("pods", gives.pods),
            ):
                if amount is not None:
                    yield (name, machine_type, group.image, resource), amount


def _of_accounts(fleet: state.Fleet, now: float) -> Iterator[core.Metric]:
    yield gauge(
        "listing_age_seconds",
        "Seconds since the last complete listing began.",
        ("account",),
        (
            ((name,), now - account.snapshot.begun_at)
            for name, account in fleet.accounts.items()
            if account.snapshot is not None
        ),
    )
    yield gauge(
        "listing_failures",
        "Listings failed in a row.",
        ("account",),
        (((name,), account.failures) for name, account in fleet.accounts.items()),
    )
    yield gauge(
        "orphans",
        "Machines with our mark that no group claims.",
        samples=[((), len(view.orphans(fleet)))],
    )


def _doubts(fleet: state.Fleet) -> Iterator[core.Metric]:
    """Gauge what keeps us from deleting and from ordering."""
    counts = Counter(
        (fleet.index.account_of.get(provider_id, ""), held.doubt.value)
        for provider_id, held in fleet.quarantine.items()
    )
    yield gauge(
        "quarantined",
        "Machines with our mark of which we cannot be sure, by the reason.",
        ("account", "doubt"),
        sorted(counts.items()),
    )
    yield gauge(
        "not_now",
        "1 for each account in which nothing is ordered for now, by the reason.",
        ("account", "code"),
        (
            ((name, said.code), 1)
            for name in fleet.accounts
            if (said := notnow.why_account(fleet, name)) is not None
        ),
    )
    yield gauge(
        "strange_machines",
        "Machines of our cluster that were made since we started, and not by us.",
        ("account",),
        (((name,), _strange(fleet, account)) for name, account in fleet.accounts.items()),
    )
    yield gauge(
        "joins_not_given_up",
        "Machines that failed to join and that nothing allows to give up.",
        samples=[((), sum(1 for held in fleet.unjoined.values() if held.withheld))],
    )


def _strange(fleet: state.Fleet, account: state.AccountState) -> int:
    shown = account.snapshot.instances if account.snapshot is not None else ()
    return sum(1 for each in shown if proof.is_strange(fleet, each, account))


def _operators(fleet: state.Fleet) -> Iterator[core.Metric]:
    """Gauge what the operator paused, and what is spent where he bounds it."""
    yield gauge(
        "paused",
        "1 for each group or account that is paused by itself, and for everything (all).",
        ("scope", "name"),
        ((scope, 1) for scope in _paused(fleet)),
    )
    spent = gauge(
        "spend_per_hour",
        "What is paid for an hour, where a cap bounds it and all prices are known.",
        ("scope", "name"),
    )
    caps = gauge(
        "spend_cap_per_hour",
        "What may be paid for an hour: the stricter of the two caps.",
        ("scope", "name"),
    )
    ledger = spending.Ledger(fleet)
    for scope in spending.capped(fleet):
        most, held = spending.cap(fleet, scope).hourly, ledger.spent(scope)
        if most is not None:
            caps.add_metric(scope, float(most))
        if not held.unpriced:
            spent.add_metric(scope, float(held.per_hour))
    yield from (spent, caps)


def _paused(fleet: state.Fleet) -> Iterator[tuple[str, str]]:
    if pausing.everything(fleet):
        yield ("all", "")
    for kind, named in (("account", fleet.accounts), ("group", fleet.groups)):
        yield from ((kind, name) for name, each in named.items() if each.paused)
