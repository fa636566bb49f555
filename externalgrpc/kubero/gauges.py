"""Gauge apps' pools, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import core, registry

from externalgrpc.control.gauge import gauge


class AppPools(registry.Collector):
    """Give how many pools and apps there are, by how they are."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[core.Metric]:
        """Describe what was seen last."""
        found = gauge(
            "app_pools",
            "Pools of Kubero's apps (there, gone: without their app, held: not deleted in an "
            "outage), and apps that get none (refused).",
            ("state",),
        )
        for state, count in self._counts().items():
            found.add_metric((state,), count)
        yield found
