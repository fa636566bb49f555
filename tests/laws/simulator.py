"""A whole server replayed in one thread, over a cloud in RAM.

The reconciler, the service and the provider are the real ones; time, chance and lanes are
simulated, and a seed replays a history exactly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from externalgrpc import describe, groups, reconciler, service
from externalgrpc.fleet import requests, state
from providers import contract, datacenter
from tests.laws import lanes, laws, simulation, witness

CLUSTER = "sim"


class Server:
    """One process of ours: killed, it leaves nothing but what the cloud holds."""

    def __init__(
        self,
        sim: simulation.Simulation,
        clouds: Mapping[str, datacenter.Datacenter],
        node_groups: Sequence[groups.NodeGroup],
    ) -> None:
        self._sim = sim
        self._clouds = clouds
        self.alive = True
        self._due = True
        self._pump_at = math.inf
        self._providers: dict[str, lanes.WatchedCloud] = {}
        self._seats: dict[str, reconciler.Seat] = {}
        self.witness = witness.Witness()
        self.reconciler = reconciler.Reconciler(
            time_source=sim,
            chance=random.Random(sim.chance.random()),
            prepare=_prepare,
            wake=self._wake,
        )
        self.describer = describe.Describer(self._config(node_groups), {})
        self.configure(node_groups)
        self.service = service.CloudProvider(self.reconciler, self.describer)

    @property
    def fleet(self) -> state.Fleet:
        return self.reconciler.fleet

    def configure(self, node_groups: Sequence[groups.NodeGroup]) -> None:
        """Take a configuration, as a reload does."""
        before = self.fleet
        used = {group.account for group in node_groups}
        for name in used - self._seats.keys():
            self._seats[name] = self._seat(name)
        self.describer.configure(self._config(node_groups), self._providers)
        self.reconciler.configure(
            node_groups, {name: self._seats[name] for name in sorted(used)}, {}
        )
        self.witness.reconfigured(before, self.fleet)

    def unsent(self, fleet: state.Fleet) -> Iterator[str]:
        """Name the launches for which no create can be under way, by what the clouds know."""
        there = {machine.node_name for machine in standing(self._clouds)}
        for name, launch in fleet.launches.items():
            landing = any(cloud.landing[name] for cloud in self._providers.values())
            if launch.phase is state.Phase.HELD and name not in there and not landing:
                yield name

    def kill(self) -> None:
        """Kill the process without a word."""
        self.alive = False
        for seat in self._seats.values():
            assert isinstance(seat.lane, lanes.SimLane)
            seat.lane.kill()

    def settle(self) -> None:
        """Do what the heart does: pump when something has changed or falls due."""
        while self.alive and self._due:
            self._due = False
            before = self.fleet
            wake_at = self.reconciler.pump()
            self.witness.planned(before, self.fleet)
            laws.require(wake_at > self._sim.now, "what is due was planned", wake_at)
            if wake_at < self._pump_at or self._pump_at <= self._sim.now:
                self._pump_at = wake_at
                if wake_at < math.inf:
                    self._sim.at(wake_at - self._sim.now, "", self._wake)

    def _wake(self) -> None:
        self._due = True

    def _seat(self, name: str) -> reconciler.Seat:
        login = contract.Login(account=name, cluster=CLUSTER, token="")
        cloud = lanes.WatchedCloud(self._sim, login, self._clouds[name])
        self._providers[name] = cloud
        lane = WitnessedLane(self._sim, name, cloud, self)
        return reconciler.Seat(
            account=groups.Account(name=name, provider="memory"), provider=cloud, lane=lane
        )

    def _config(self, node_groups: Sequence[groups.NodeGroup]) -> groups.Config:
        accounts = {group.account for group in node_groups}
        return groups.Config(
            cluster=CLUSTER,
            accounts={name: groups.Account(name=name, provider="memory") for name in accounts},
            groups=tuple(node_groups),
        )


class WitnessedLane(lanes.SimLane):
    """A lane whose answers are held against the laws."""

    def __init__(
        self,
        sim: simulation.Simulation,
        account: str,
        cloud: lanes.WatchedCloud,
        server: Server,
    ) -> None:
        super().__init__(sim, account, cloud)
        self._server = server

    def _answer(self, job: lanes.Job, answer: Any) -> None:
        before = self._server.fleet
        super()._answer(job, answer)
        if self._dead:
            return
        after = self._server.fleet
        watching = self._server.witness
        match job.operation:
            case "instances" if isinstance(answer, state.Snapshot):
                watching.listed(before, after, answer)
            case "instances" | "catalogue":
                laws.require(
                    laws.targets(before) == laws.targets(after),
                    "a failed listing and a catalogue change nothing",
                )
            case "look_up":
                watching.answered(before, after, lost=1)
            case _:
                watching.answered(before, after)


def _prepare(request: requests.Create) -> contract.Order:
    return groups.order_for(
        request.group,
        cluster=CLUSTER,
        node_name=request.name,
        machine_type=request.machine_type,
        location=request.candidate.location,
        user_data="",
    )


def standing(clouds: Mapping[str, datacenter.Datacenter]) -> Iterator[datacenter.Server]:
    """Give every machine of our cluster that really stands and is not being deleted."""
    for cloud in {id(cloud): cloud for cloud in clouds.values()}.values():
        for server in cloud.servers():
            if server.cluster == CLUSTER and server.deleted_at is None:
                yield server
