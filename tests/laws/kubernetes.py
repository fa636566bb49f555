"""The Nodes of the simulated cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from providers import contract, datacenter
from tests.laws import simulation, simulator


@dataclasses.dataclass
class Node:
    """A Node object in Kubernetes."""

    name: str
    provider_id: str


class Kubernetes:
    """The Nodes: machines join a while after they run, and go a while after they are gone."""

    def __init__(
        self, sim: simulation.Simulation, clouds: Mapping[str, datacenter.Datacenter]
    ) -> None:
        self._sim = sim
        self._clouds = {id(cloud): cloud for cloud in clouds.values()}
        self.nodes: dict[str, Node] = {}
        self.joins_fail = 0.0
        self._joining: dict[str, float] = {}

    def all_join(self) -> None:
        """Let the machines that would never have joined do so now."""
        self.joins_fail = 0.0
        self._joining = {each: min(at, self._sim.now) for each, at in self._joining.items()}

    def look(self) -> None:
        """Let what runs join and what is gone go."""
        running: dict[str, str] = {}
        for cloud in self._clouds.values():
            scheme = self._sim.scheme_of(cloud)
            for server in cloud.servers():
                up = server.state(self._sim.now) is contract.InstanceState.RUNNING
                if server.cluster == simulator.CLUSTER and up:
                    running[f"{scheme}://{server.id}"] = server.node_name
        for provider_id, name in running.items():
            if provider_id not in self._joining:
                fails = self._sim.roll(self.joins_fail)
                wait_s = float("inf") if fails else self._sim.chance.uniform(1.0, 40.0)
                self._joining[provider_id] = self._sim.now + wait_s
            if self._joining[provider_id] <= self._sim.now:
                self.nodes[provider_id] = Node(name, provider_id)
        for provider_id in tuple(self.nodes):
            if provider_id not in running and self._sim.roll(0.5):
                del self.nodes[provider_id]
