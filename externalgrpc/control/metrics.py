"""Prometheus metrics: counted where calls are made, gauged when scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import prometheus_client
from prometheus_client import core, registry

from externalgrpc.control import fleet_metrics, supply_metrics
from externalgrpc.control.gauge import gauge
from externalgrpc.fleet import joins
from externalgrpc.support import clock

_COUNTED = {
    "orders": ("Orders answered by a cloud.", ("group", "outcome")),
    "deletions": ("Deletions answered by a cloud.", ("account", "outcome")),
    "launches_failed": ("Launches that failed, by the code shown to CA.", ("group", "code")),
    "joins_failed": ("Machines that did not become nodes.", ("group", "code")),
    "repairs": ("Machines let go since their Nodes were not ready for long.", ("group",)),
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
            self._counters["repairs"].labels(group)
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
        """Return the function that a lane calls after each of its jobs, with seconds."""

        def observe(operation: str, outcome: str, seconds: float) -> None:
            self._requests.labels(account, operation, outcome).observe(seconds)

        return observe

    def watch(self, sources: supply_metrics.Sources, time_source: clock.Clock) -> None:
        """Gauge a fleet, and what clouds would give it, at every scrape."""
        self.registry.register(fleet_metrics.FleetCollector(sources.fleet, time_source))
        self.registry.register(supply_metrics.SupplyCollector(sources, time_source))

    def watch_leader(self, leads: Callable[[], bool]) -> None:
        """Gauge at every scrape whether this server acts."""
        self._leader.set_function(lambda: float(leads()))

    def watch_certificates(self, ends: Callable[[], Mapping[str, float]]) -> None:
        """Gauge at every scrape when certificates end: Unix seconds, by what they are for."""
        self.registry.register(_CertificateCollector(ends))


class _CertificateCollector(registry.Collector):
    def __init__(self, ends: Callable[[], Mapping[str, float]]) -> None:
        self._ends = ends

    def collect(self) -> Iterator[core.Metric]:
        """Describe those that are in force now."""
        yield gauge(
            "certificate_not_after_timestamp_seconds",
            "When a certificate that is in force ends, in Unix seconds.",
            ("certificate",),
            (((name,), at) for name, at in self._ends().items()),
        )
