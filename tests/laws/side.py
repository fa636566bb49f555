"""One cluster of a history: its control plane, its autoscaler, and one server after another."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence

from externalgrpc.model import groups
from providers import contract
from providers.memory import datacenter
from tests.laws import (
    apiserver,
    autoscaler,
    kubernetes,
    lanes,
    laws,
    lies,
    life,
    simulation,
    simulator,
)

STUCK_S = 600.0
MARKS_KNOWN_S = 5.0
"""So long after a change of marks the history has noticed it."""


class Side:
    """A cluster with everything that is its own; the clouds are everybody's.

    ``with_nodes`` says whether its server has ``kubernetes:``, ``old`` that it is of a version
    without identities. ``edited`` names the machines whose labels somebody changed, ``unmarked``
    returns when machines were first seen without ``unjoined``.
    """

    def __init__(
        self,
        sim: simulation.Simulation,
        clouds: Mapping[str, datacenter.Datacenter],
        truth: life.Life,
        liars: Mapping[str, lies.Liar],
        node_groups: Sequence[groups.NodeGroup],
        *,
        name: str,
        with_nodes: bool,
        old: bool,
        forgets: bool,
        edited: set[str],
        unmarked: Mapping[str, float],
        steps: float | None = None,
    ) -> None:
        self._sim = sim
        self._clouds = clouds
        self._truth = truth
        self._planes = 0
        self.name = name
        self.with_nodes = with_nodes
        self.old = old
        self.node_groups = tuple(node_groups)
        self.kubernetes = self._control_plane()
        self.keys = {self.kubernetes.key}
        self.edited = edited
        self._unmarked = unmarked
        self.kills = 0
        self.autoscaler_starts = 1
        self._under_way: collections.Counter[str] = collections.Counter()
        self.setting = simulator.Setting(
            clouds=clouds,
            truth=truth,
            api=apiserver.ApiServer(sim, self.kubernetes, truth) if with_nodes else None,
            key=self.kubernetes.key,
            liars=liars,
            ordered=self._order_is_lawful,
            excused=self._nobody_could_tell,
            claimed=self._was_claimed,
            edited=edited,
            old=old,
            steps=steps,
        )
        self.server = simulator.Server(sim, self.setting, self.node_groups)
        self.autoscaler = autoscaler.Autoscaler(sim, self.kubernetes, forgets=forgets)
        self._looked_at: list[kubernetes.Kubernetes] = []

    # ---- what happens to it ------------------------------------------------------------------

    def loop(self) -> None:
        """Run one loop of the autoscaler."""
        self.autoscaler.loop(self.server)

    def kill_server(self) -> bool:
        """Kill the server, if it lives; what it ordered and nobody has seen is remembered here."""
        if not self.server.alive:
            return False
        self._sim.record(f"SERVER {self.name} KILLED")
        self._under_way.update(self.server.creates_under_way())
        self.server.kill()
        self.kills += 1
        return True

    def start_server(self) -> None:
        """Start a server in the place of one that was killed."""
        if not self.server.alive:
            self._sim.record(f"SERVER {self.name} STARTED")
            self.server = simulator.Server(self._sim, self.setting, self.node_groups)

    def restart_autoscaler(self) -> None:
        """Replace the process of the autoscaler."""
        self._sim.record(f"CA {self.name} RESTARTED")
        self.autoscaler.restart()
        self.autoscaler_starts += 1

    def look_at(self, other: kubernetes.Kubernetes) -> None:
        """Have the server started anew with a kubeconfig that leads to some control plane."""
        if self.setting.api is None:
            return
        self.kill_server()
        self.setting.api = apiserver.ApiServer(self._sim, other, self._truth)
        self.keys.add(other.key)
        self._looked_at.append(other)
        self.start_server()

    def rebuild(self) -> None:
        """Destroy the control plane and make a new one: another identity, and no Nodes."""
        self._sim.record(f"CONTROL PLANE {self.name} REBUILT")
        self._looked_at.append(self.kubernetes)
        self.kubernetes.destroy()
        self.kubernetes = self._control_plane()
        self.kubernetes.annotation = self.setting.operator.annotation
        self.autoscaler.kubernetes = self.kubernetes
        self.restart_autoscaler()
        self.keys.add(self.kubernetes.key)
        self.setting.key = self.kubernetes.key
        self.look_at(self.kubernetes)

    # ---- what is its own -----------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """Say in a word what this side is: with Nodes, without, or of an old version."""
        return "old" if self.old else "nodes" if self.with_nodes else "raw"

    def configure(self, node_groups: Sequence[groups.NodeGroup]) -> None:
        """Have the server reload, if it lives; a later one starts with the file as it was."""
        if self.server.alive:
            self.server.configure(node_groups)

    def reload(self) -> None:
        """Have what the operator says of pauses taken: from the file, if the server lives."""
        self.kubernetes.annotation = self.setting.operator.annotation
        if self.server.alive:
            self.server.reload()

    def by_id(self) -> dict[str, datacenter.Server]:
        """Return every machine of the clusters' name that stands, by provider id."""
        return {
            self._sim.provider_id(cloud, machine): machine for cloud, machine in self.standing()
        }

    def standing(self) -> list[tuple[datacenter.Datacenter, datacenter.Server]]:
        """Return every machine of the clusters' name that stands, with its cloud."""
        return list(simulator.standing(self._clouds))

    # ---- laws ----------------------------------------------------------------------------------

    def _order_is_lawful(self, order: contract.Order, _cloud: lanes.WatchedCloud) -> None:
        """Check the law of surge: so many machines of a group exist at once, and no more.

        Where an API lied about what there is, nobody can count, and what somebody relabelled is
        another group's. Deletions that do not get on hold nothing after ten minutes. What a group
        that moved has at an account which this process could not list yet (seeds 685 and 1669: its
        cloud was out of order when the server started) is not counted: to wait for that would show
        one account's troubles in another's answers.
        """
        setting = self.setting
        if any(liar.ever for liar in setting.liars.values()):
            return
        prefix = f"{order.group}-"
        there = 1 + self.server.landing(prefix)
        accounts = self.server.fleet.accounts.items()
        listed = {name for name, account in accounts if account.snapshot is not None}
        clouds = (cloud for name, cloud in self._clouds.items() if name in listed)
        for cloud in simulation.once(clouds):
            for machine in cloud.servers():
                provider_id = self._sim.provider_id(cloud, machine)
                if machine.user_data not in self.keys or not machine.name.startswith(prefix):
                    continue
                if provider_id in self.edited:
                    return
                decided = self.server.judge.decided(provider_id)
                if decided is None or self._sim.now - decided <= STUCK_S:
                    there += 1
        group = next(each for each in self.node_groups if each.name == order.group)
        most = group.most_machines + self._under_way[order.group]
        laws.require(
            there <= most,
            "what exists of a group never exceeds maxSize and surge, and what each kill left",
            order.group,
            there,
            most,
        )

    def _nobody_could_tell(self, provider_id: str) -> bool:
        """Excuse what cannot be bounded: without Nodes, a young node of another such cluster.

        Whoever sees its Node takes ``unjoined`` off; until that is listed, nothing shows the
        server that it is not a machine which the process before it ordered.
        """
        if self.with_nodes or provider_id in self.kubernetes.ever:
            return False
        fleet = self.server.fleet
        account = fleet.accounts.get(fleet.index.account_of.get(provider_id, ""))
        if account is None or account.snapshot is None:
            return False
        shown = fleet.index.by_provider_id.get(provider_id)
        unseen = provider_id not in self.server.witness.unmarked
        if provider_id in self.edited and shown is not None and shown.unjoined and unseen:
            # Somebody put the mark back on before this process ever saw the machine without it: it
            # is all that there is to go by.
            return True
        unmarked_at = self._unmarked.get(provider_id, math.inf)
        return account.snapshot.begun_at < unmarked_at + MARKS_KNOWN_S

    def _was_claimed(self, provider_id: str) -> bool:
        return any(provider_id in each.ever for each in (self.kubernetes, *self._looked_at))

    def _control_plane(self) -> kubernetes.Kubernetes:
        self._planes += 1
        key = f"{self.name}-{self._planes}"
        identity = f"{sum(map(ord, self.name)):05x}{self._planes:05x}"
        return kubernetes.Kubernetes(
            self._sim, self._clouds, self._truth, key=key, identity=identity
        )
