"""Gauge the room that groups keep, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import core, registry

from externalgrpc.control.gauge import gauge
from externalgrpc.headroom.status import Status


class Rooms(registry.Collector):
    """Measure balloons, what they are reckoned from, and what stands in the way, by group."""

    def __init__(self, statuses: Callable[[], Mapping[str, Status]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[core.Metric]:
        """Describe every group that asks for room."""
        balloons = gauge(
            "balloons",
            "Balloons that keep room in a group, by what they are made with.",
            ("group", "by"),
        )
        cpu = gauge(
            "headroom_cpu_cores",
            "Cores in use and requested on a group's measured nodes, and kept free by balloons.",
            ("group", "which"),
        )
        states = gauge(
            "headroom_state",
            "1 for the reason why a group's room is as it is; OnTarget when all is well.",
            ("group", "reason"),
        )
        for name, status in self._statuses().items():
            balloons.add_metric((name, status.by.value), status.balloons)
            states.add_metric((name, status.reason.value), 1.0)
            for which, millis in (
                ("used", status.used_millis),
                ("requested", status.requested_millis),
                ("kept", status.balloons * status.balloon_millis),
            ):
                if millis is not None:
                    cpu.add_metric((name, which), millis / 1000)
        yield from (balloons, cpu, states)
