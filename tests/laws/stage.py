"""A calm stage for one scenario: a server, a cloud, an autoscaler, and no chance but the seed's."""

from __future__ import annotations

from collections.abc import Callable

from externalgrpc.model import groups
from providers.memory import datacenter
from tests.laws import apiserver, autoscaler, kubernetes, life, simulation, simulator


class Stage:
    """One group ``g`` of up to ten machines on one cloud, and whoever wants them.

    The server ``watches`` the cluster's Nodes, as with ``kubernetes:``, or takes CA's word.
    """

    def __init__(
        self,
        *,
        forgets: bool = True,
        watches: bool = True,
        seed: int = 1,
        repair_after_s: float | None = None,
        **options: object,
    ) -> None:
        settings = {
            "create_latency_s": 0.0,
            "list_latency_s": 0.0,
            "delete_latency_s": 0.0,
            "boot_time_s": 30.0,
            "requests_per_hour": 3_600_000,
            "burst": 3_600_000,
            **options,
        }
        self.sim = simulation.Simulation(seed)
        self.cloud = datacenter.Datacenter(
            datacenter.Options(**settings),
            clock=lambda: self.sim.now,
            sleep=lambda _seconds: None,
        )
        self.clouds = {"a": self.cloud}
        self.group = groups.NodeGroup(
            name="g",
            account="a",
            candidates=(groups.Candidate("small", "north"), groups.Candidate("small", "south")),
            min_size=0,
            max_size=10,
            overrides=groups.AutoscalingOverrides(max_node_provision_time_s=autoscaler.PROVISION_S),
            repair_after_s=repair_after_s,
        )
        truth = life.Life()
        self.kubernetes = kubernetes.Kubernetes(
            self.sim, self.clouds, truth, key="one", identity="c0ffee0001"
        )
        api = apiserver.ApiServer(self.sim, self.kubernetes, truth) if watches else None
        self.setting = simulator.Setting(clouds=self.clouds, truth=truth, api=api, key="one")
        self.autoscaler = autoscaler.Autoscaler(self.sim, self.kubernetes, forgets=forgets)
        self.start_server()
        self.sim.after_event = self._after_event
        self._every(autoscaler.SCAN_S, lambda: self.autoscaler.loop(self.server))
        self._every(5.0, self.kubernetes.look)
        self._every(3.0, lambda: self.server.sweep())  # noqa: PLW0108 - servers come and go
        self.sim.run(60.0)

    def start_server(self) -> None:
        """Start a server that knows nothing, in the place of the one before."""
        self.server = simulator.Server(self.sim, self.setting, (self.group,))

    def want(self, machines: int) -> None:
        """Have pods for so many machines."""
        self.autoscaler.want["g"] = machines

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.sim.run(seconds)

    def run_until(self, holds: Callable[[], object], within_s: float = 600.0) -> None:
        """Let time pass until something holds; fail when it does not in time."""
        until = self.sim.now + within_s
        while not holds():
            assert self.sim.now < until, "\n".join(self.sim.log)
            self.sim.run(1.0)

    @property
    def made(self) -> int:
        """Count the machines that the cloud ever made."""
        calls = [call for call in self.cloud.calls() if call.operation == "create"]
        return len([call for call in calls if call.outcome in ("ok", "Unreachable")])

    @property
    def standing(self) -> list[str]:
        """Name the machines that stand, by their marks."""
        return sorted(server.node_name for _, server in simulator.standing(self.clouds))

    @property
    def joined(self) -> int:
        """Count the Nodes."""
        return len(self.kubernetes.nodes)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            act()
            self.sim.at(seconds, "", again)

        self.sim.at(seconds, "", again)

    def _after_event(self) -> None:
        if self.server.alive:
            self.server.settle()
            self.server.check()
