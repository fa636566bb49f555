"""A simulated cluster: its identity, its Nodes, and what befalls them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping

from providers import contract
from providers.memory import datacenter
from tests.laws import life, simulation

NOT_READY_AFTER_S = 40.0
"""A Node whose kubelet is silent is marked as not ready after this long."""


@dataclasses.dataclass
class Node:
    """A Node object; ``ready_since`` is when its Ready condition last changed."""

    name: str
    uid: str
    provider_id: str
    created_at: float
    ready: bool = True
    ready_since: float = 0.0


@dataclasses.dataclass
class _Machine:
    """A running machine that was made to join this cluster."""

    name: str
    provider_id: str


class Kubernetes:
    """A cluster: machines that were made for it join a while after they run.

    ``key`` stands in the user-data of its machines, ``ever`` holds those that were nodes of it.
    ``annotation`` is what our ConfigMap says of a pause, ``alone`` names cordoned Nodes.
    Nodes are found by name, as in the API; a Node of a machine that is gone is not ready soon, and
    goes when somebody removes it.
    """

    def __init__(
        self,
        sim: simulation.Simulation,
        clouds: Mapping[str, datacenter.Datacenter],
        truth: life.Life,
        *,
        key: str = "",
        identity: str = "",
    ) -> None:
        self._sim = sim
        self._clouds = simulation.once(clouds.values())
        self._life = truth
        self.key = key
        self.identity = identity
        self.annotation = ""
        self.nodes: dict[str, Node] = {}
        self.joins_fail = 0.0
        self.removed_by_others = 0.5
        self.unready: set[str] = set()
        self.alone: set[str] = set()
        self.lost: set[str] = set()
        self.usurped: dict[str, str] = {}
        self.ever: set[str] = set()
        self._joining: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        self._uids = 0

    def all_join(self) -> None:
        """Let the machines that would never have joined do so now."""
        self.joins_fail = 0.0
        self._joining = {each: min(at, self._sim.now) for each, at in self._joining.items()}

    def mend(self) -> None:
        """Let every machine be the Node that it is."""
        self.all_join()
        self.unready.clear()
        self.alone.clear()
        self.lost.clear()
        self.usurped.clear()
        self.look()

    def look(self) -> None:
        """Let what runs join, what is silent become not ready, and what is gone go."""
        now = self._sim.now
        running = {machine.name: machine for machine in self._machines()}
        for name, machine in running.items():
            self._silent_since.pop(name, None)
            if self._joins_now(machine) and name not in self.lost:
                self._report(machine)
        for name in sorted(self.nodes.keys() - running.keys()):
            if now - self._silent_since.setdefault(name, now) > NOT_READY_AFTER_S:
                self._turn(self.nodes[name], ready=False)
            if self._sim.roll(self.removed_by_others):
                self.remove(name)
        for name in self.lost & self.nodes.keys():
            self.remove(name)
        true = [
            node
            for node in self.nodes.values()
            if (own := running.get(node.name)) and own.provider_id == node.provider_id
        ]
        self.ever |= {node.provider_id for node in true}
        self._life.ready(self, {node.provider_id for node in true if node.ready}, now)

    def remove(self, name: str) -> None:
        """Delete a Node object."""
        self.nodes.pop(name, None)
        self._silent_since.pop(name, None)

    def forget(self, standing: Collection[str]) -> None:
        """Forget the machines that stand no more."""
        self.ever &= set(standing)
        self._joining = {each: at for each, at in self._joining.items() if each in standing}

    def destroy(self) -> None:
        """End the cluster: its machines are nobody's nodes any more."""
        self.nodes.clear()
        self._life.ready(self, (), self._sim.now)

    @property
    def sick(self) -> bool:
        """Return whether so many Nodes are not ready that an autoscaler does nothing."""
        unready = sum(1 for node in self.nodes.values() if not node.ready)
        return unready > max(3, 0.45 * len(self.nodes))

    def _machines(self) -> Iterator[_Machine]:
        for cloud in self._clouds:
            for server in cloud.servers():
                up = server.state(self._sim.now) is contract.InstanceState.RUNNING
                if up and server.user_data == self.key:
                    yield _Machine(server.name, self._sim.provider_id(cloud, server))

    def _joins_now(self, machine: _Machine) -> bool:
        provider_id = machine.provider_id
        if provider_id not in self._joining:
            fails = self._sim.roll(self.joins_fail)
            wait_s = float("inf") if fails else self._sim.chance.uniform(1.0, 40.0)
            self._joining[provider_id] = self._sim.now + wait_s
        return self._joining[provider_id] <= self._sim.now

    def _report(self, machine: _Machine) -> None:
        """Do what a kubelet does: keep its Node there, and report what the scenario sets."""
        name, now = machine.name, self._sim.now
        claim = self.usurped.get(name, machine.provider_id)
        node = self.nodes.get(name)
        if node is None or node.provider_id != claim:
            # A providerID cannot be changed: whoever wants another makes the Node anew.
            self._uids += 1
            node = self.nodes[name] = Node(
                name, f"{self.key}-{self._uids}", claim, created_at=now, ready_since=now
            )
        self._turn(node, ready=name not in self.unready)

    def _turn(self, node: Node, *, ready: bool) -> None:
        if node.ready != ready:
            node.ready, node.ready_since = ready, self._sim.now
