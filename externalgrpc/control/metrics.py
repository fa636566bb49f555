"""Prometheus metrics and /healthz: counted where calls are made, gauged when scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import prometheus_client
from prometheus_client import core, registry

from externalgrpc.control import httpd, supply_metrics
from externalgrpc.fleet import (
    joins,
    notnow,
    observed_capacity,
    pausing,
    proof,
    spending,
    state,
    view,
)
from externalgrpc.support import clock

_COUNTED = {
    "orders": ("Orders answered by a cloud.", ("group", "outcome")),
    "deletions": ("Deletions answered by a cloud.", ("account", "outcome")),
    "launches_failed": ("Launches that failed, by the code shown to CA.", ("group", "code")),
    "joins_failed": ("Machines that did not become nodes.", ("group", "code")),
    "finishes": ("Tries to finish half made machines, by answer.", ("account", "outcome")),
    "marks": ("Changes of machines' marks answered by a cloud.", ("account", "outcome")),
    "misnamed_nodes": ("Nodes that claimed a machine whose mark has another name.", ("group",)),
    "growth_refused": ("Growths refused to the autoscaler, by the kind.", ("group", "code")),
    "growth_covered": ("Growths answered by machines that a fresh CA forgot.", ("group",)),
    "reloads": ("Configuration reloads.", ("outcome",)),
    "vpsnode_writes": ("Writes to VPSNodes: keep, release, status.", ("what", "outcome")),
}

_CODES = {
    "growth_refused": ("NotReady", "OutOfBounds"),
    "joins_failed": ("JoinFailed", "JoinTimeout", joins.NEVER_READY),
    "launches_failed": (
        "OutOfStock",
        "QuotaExceeded",
        "BadCredentials",
        "BadOrder",
        "CloudError",
        "CloudUnreachable",
    ),
}
"""Codes whose counters begin at zero for every group: Prometheus sees no increase in a counter that
comes into being as 1, so that no alert would hear of the first of its kind. Histograms are counters
too, of which a quantile would be no number after the first machine of a group."""

_PHASES = ("running", "csr", "node", "ready", "total")


class Metrics:
    """Hold the process's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Histogram(
            "vps_autoscaler_cloud_request_seconds",
            "Calls to a cloud, by operation and outcome.",
            ("account", "operation", "outcome"),
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._joins = prometheus_client.Histogram(
            "vps_autoscaler_join_phase_seconds",
            "What each step from a machine's creation to a ready node took, and all of them.",
            ("group", "phase"),
            buckets=(1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200),
            registry=self.registry,
        )
        self._waits = prometheus_client.Histogram(
            "vps_autoscaler_time_to_ready_seconds",
            "What it took from the autoscaler's request for a machine to a ready node.",
            ("group",),
            buckets=(5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800, 3600),
            registry=self.registry,
        )
        self._counters = {
            name: prometheus_client.Counter(
                f"vps_autoscaler_{name}", text, labels, registry=self.registry
            )
            for name, (text, labels) in _COUNTED.items()
        }
        self._leader = prometheus_client.Gauge(
            "vps_autoscaler_leader",
            "1 when this server acts, 0 when it stands by for another.",
            registry=self.registry,
        )
        self._leader.set(1.0)
        for outcome in ("taken", "refused"):
            self._counters["reloads"].labels(outcome)
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)

    def expect(self, groups: Iterable[str]) -> None:
        """Let what may be counted of groups begin at zero. Idempotent."""
        for group in groups:
            self._waits.labels(group)
            for phase in _PHASES:
                self._joins.labels(group, phase)
            for name, codes in _CODES.items():
                for code in codes:
                    self._counters[name].labels(group, code)

    def count(self, name: str, labels: Mapping[str, str]) -> None:
        """Count one event of a name that this module knows."""
        self._counters[name].labels(**labels).inc()

    def observe_join_phase(self, group: str, phase: str, seconds: float) -> None:
        """Take how long a step of a join took: running, csr, node, ready, or total."""
        self._joins.labels(group, phase).observe(seconds)

    def observe_wait(self, group: str, seconds: float) -> None:
        """Take how long a machine took from the autoscaler's request to a ready node."""
        self._waits.labels(group).observe(seconds)

    def observer(self, account: str) -> Callable[[str, str, float], None]:
        """Give the function that a lane calls after each of its jobs, with seconds."""

        def observe(operation: str, outcome: str, seconds: float) -> None:
            self._requests.labels(account, operation, outcome).observe(seconds)

        return observe

    def watch(self, sources: supply_metrics.Sources, time_source: clock.Clock) -> None:
        """Gauge a fleet, and what clouds would give it, at every scrape."""
        self.registry.register(_FleetCollector(sources.fleet, time_source))
        self.registry.register(supply_metrics.SupplyCollector(sources, time_source))

    def watch_leader(self, leads: Callable[[], bool]) -> None:
        """Gauge at every scrape whether this server acts."""
        self._leader.set_function(lambda: float(leads()))

    def watch_certificates(self, ends: Callable[[], Mapping[str, float]]) -> None:
        """Gauge at every scrape when certificates end: Unix seconds, by what they are for."""
        self.registry.register(_CertificateCollector(ends))


class _FleetCollector(registry.Collector):
    def __init__(self, fleet: Callable[[], state.Fleet], time_source: clock.Clock) -> None:
        self._fleet = fleet
        self._clock = time_source

    def collect(self) -> Iterator[core.Metric]:
        """Describe the fleet as it is now."""
        fleet = self._fleet()
        yield from _group_metrics(fleet)
        yield from _account_metrics(fleet, self._clock.monotonic())
        yield from _operators(fleet)


class _CertificateCollector(registry.Collector):
    def __init__(self, ends: Callable[[], Mapping[str, float]]) -> None:
        self._ends = ends

    def collect(self) -> Iterator[core.Metric]:
        """Tell when certificates end."""
        ends = core.GaugeMetricFamily(
            "vps_autoscaler_certificate_not_after_timestamp_seconds",
            "When a certificate that is in force ends, in Unix seconds.",
            labels=("certificate",),
        )
        for name, at in self._ends().items():
            ends.add_metric((name,), at)
        yield ends


def _group_metrics(fleet: state.Fleet) -> Iterator[core.Metric]:
    sizes = core.GaugeMetricFamily(
        "vps_autoscaler_group_size", "Bounds and target of a group.", labels=("group", "which")
    )
    machines = core.GaugeMetricFamily(
        "vps_autoscaler_machines", "Machines of a group by phase.", labels=("group", "phase")
    )
    served = core.GaugeMetricFamily(
        "vps_autoscaler_group_served", "1 when CA is shown the group.", labels=("group",)
    )
    shown = {group.name for group in view.served(fleet)}
    for name, group in fleet.groups.items():
        members = view.members(fleet, name)
        for which, value in (
            ("min", group.min_size),
            ("max", group.max_size),
            ("target", len(members)),
        ):
            sizes.add_metric((name, which), value)
        phases = Counter(_phase(member) for member in members)
        phases["deleting"] += len(view.leaving(fleet, name))
        for phase, count in phases.items():
            machines.add_metric((name, phase), count)
        served.add_metric((name,), float(name in shown))
    yield from (sizes, machines, served)
    yield _learned(fleet)


def _learned(fleet: state.Fleet) -> core.Metric:
    """Tell what nodes turned out to give to pods, for every group that orders such machines."""
    result = core.GaugeMetricFamily(
        "vps_autoscaler_learned_allocatable",
        "What nodes of a machine type and image give to pods, as the smallest of them reported: "
        "cores, bytes, bytes, pods.",
        labels=("group", "type", "image", "resource"),
    )
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
                    result.add_metric((name, machine_type, group.image, resource), amount)
    return result


def _account_metrics(fleet: state.Fleet, now: float) -> Iterator[core.Metric]:
    age = core.GaugeMetricFamily(
        "vps_autoscaler_listing_age_seconds",
        "Seconds since the last complete listing began.",
        labels=("account",),
    )
    failures = core.GaugeMetricFamily(
        "vps_autoscaler_listing_failures", "Listings failed in a row.", labels=("account",)
    )
    for name, account in fleet.accounts.items():
        if account.snapshot is not None:
            age.add_metric((name,), now - account.snapshot.begun_at)
        failures.add_metric((name,), account.failures)
    yield from (age, failures)
    orphans = core.GaugeMetricFamily(
        "vps_autoscaler_orphans", "Machines with our mark that no group claims."
    )
    orphans.add_metric((), len(view.orphans(fleet)))
    yield orphans
    yield from _doubts(fleet)


def _operators(fleet: state.Fleet) -> Iterator[core.Metric]:
    """Gauge what the operator paused, and what is spent where he bounds it."""
    paused = core.GaugeMetricFamily(
        "vps_autoscaler_paused",
        "1 for each group or account that is paused by itself, and for everything (all).",
        labels=("scope", "name"),
    )
    spent = core.GaugeMetricFamily(
        "vps_autoscaler_spend_per_hour",
        "What is paid for an hour, where a cap bounds it and all prices are known.",
        labels=("scope", "name"),
    )
    caps = core.GaugeMetricFamily(
        "vps_autoscaler_spend_cap_per_hour",
        "What may be paid for an hour: the stricter of the two caps.",
        labels=("scope", "name"),
    )
    if pausing.everything(fleet):
        paused.add_metric(("all", ""), 1.0)
    for kind, named in (("account", fleet.accounts), ("group", fleet.groups)):
        for name, each in named.items():
            if each.paused:
                paused.add_metric((kind, name), 1.0)
    ledger = spending.Ledger(fleet)
    for scope in spending.capped(fleet):
        most, held = spending.cap(fleet, scope).hourly, ledger.spent(scope)
        if most is not None:
            caps.add_metric(scope, float(most))
        if not held.unpriced:
            spent.add_metric(scope, float(held.per_hour))
    yield from (paused, spent, caps)


def _doubts(fleet: state.Fleet) -> Iterator[core.Metric]:
    """Gauge what keeps us from deleting and from ordering."""
    unsure = core.GaugeMetricFamily(
        "vps_autoscaler_quarantined",
        "Machines with our mark of which we cannot be sure, by the reason.",
        labels=("account", "doubt"),
    )
    counts = Counter(
        (fleet.index.account_of.get(provider_id, ""), held.doubt.value)
        for provider_id, held in fleet.quarantine.items()
    )
    for labels, count in sorted(counts.items()):
        unsure.add_metric(labels, count)
    braked = core.GaugeMetricFamily(
        "vps_autoscaler_not_now",
        "1 for each account in which nothing is ordered for now, by the reason.",
        labels=("account", "code"),
    )
    strange = core.GaugeMetricFamily(
        "vps_autoscaler_strange_machines",
        "Machines of our cluster that were made since we started, and not by us.",
        labels=("account",),
    )
    withheld = core.GaugeMetricFamily(
        "vps_autoscaler_joins_not_given_up",
        "Machines that failed to join and that nothing allows to give up.",
    )
    for name, account in fleet.accounts.items():
        said = notnow.why_account(fleet, name)
        if said is not None:
            braked.add_metric((name, said.code), 1.0)
        shown = account.snapshot.instances if account.snapshot is not None else ()
        count = sum(1 for each in shown if proof.is_strange(fleet, each, account))
        strange.add_metric((name,), count)
    withheld.add_metric((), sum(1 for held in fleet.unjoined.values() if held.withheld))
    yield from (unsure, braked, strange, withheld)


def _phase(member: view.Member) -> str:
    if member.failure is not None:
        return "failed"
    if member.instance is not None:
        return member.instance.state.value
    return member.launch.phase.value if member.launch is not None else "unknown"


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
