"""What a server's registrar sees of a simulated cluster, and does to it."""

from __future__ import annotations

import math
from collections.abc import Callable

from externalgrpc.fleet import state
from externalgrpc.kube import cluster as kube
from externalgrpc.kube import events, nodes, reflector
from externalgrpc.model import credentials
from externalgrpc.nodes import kubeletconfig
from tests.laws import kubernetes, laws, life, simulation


class ApiServer:
    """One server's connection to one cluster, after
    :class:`externalgrpc.joining.cluster.Cluster`.

    While it is ``away``, nothing is heard; what was heard before is remembered. ``terminated``
    returns which machines the server has retired.
    """

    home = events.Regarding(kind="ConfigMap", name="pools", namespace="ours")
    skew_s = 0.0

    def __init__(
        self, sim: simulation.Simulation, of: kubernetes.Kubernetes, truth: life.Life
    ) -> None:
        self._sim = sim
        self._life = truth
        self.of = of
        self.away = False
        self.terminated: Callable[[str], bool] = lambda _provider_id: False
        self._listing: reflector.Listing[nodes.Node] = reflector.Listing(items={})

    def connect(self, _listeners: kube.Listeners) -> ApiServer:
        return self

    @property
    def node_list(self) -> reflector.Listing[nodes.Node]:
        if not self.away:
            items = {name: self._node(node) for name, node in self.of.nodes.items()}
            self._listing = reflector.Listing(
                items=items, complete=True, listed_at=self._sim.now, heard_at=self._sim.now
            )
        return self._listing

    def identity(self) -> str | None:
        return None if self.away else self.of.identity

    def paused(self) -> str | None:
        return None if self.away else self.of.annotation

    def kubelet_config(self) -> kubeletconfig.KubeletConfig | None:
        return None

    def publish(self, event: events.Event) -> None:
        pass

    def credentials(
        self, node_name: str, group: str, *, provision_timeout_s: float
    ) -> credentials.JoinCredentials:
        return credentials.example()

    def revoke(self, node_name: str) -> None:
        pass

    def adopt(self, node: nodes.Node, provider_id: str) -> None:
        raise laws.LawBroken(f"every Node here names its machine: {node.name}, {provider_id}")

    def remove(self, node: nodes.Node, *, still: Callable[[nodes.Node], bool]) -> None:
        there = self.of.nodes.get(node.name)
        if there is None or there.uid != node.uid or not still(self._node(there)):
            return
        ready = there.ready and self._life.is_ready(there.provider_id)
        laws.require(
            not ready or self.terminated(there.provider_id),
            "no Node of a ready machine is removed, but of one that was retired",
            there,
        )
        self._sim.record(f"Node {node.name} of cluster {self.of.key} is removed")
        self.of.remove(node.name)

    def start(self) -> None:
        pass

    def stop(self, within_s: float = math.inf) -> None:
        pass

    def _node(self, node: kubernetes.Node) -> nodes.Node:
        return nodes.Node(
            name=node.name,
            uid=node.uid,
            provider_id=node.provider_id,
            ready=node.ready,
            ready_since=node.ready_since,
            created_at=node.created_at,
            left_alone=node.name in self.of.alone,
        )

    def truth(self) -> dict[str, state.Seen]:
        """Return the Nodes as they are, whether or not they are heard of."""
        return {
            name: state.Seen(node.provider_id, node.ready, left_alone=name in self.of.alone)
            for name, node in self.of.nodes.items()
        }
