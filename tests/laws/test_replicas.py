"""Two servers, one Lease, 200 take-overs: one acts at a time, and nothing is doubled or lost."""

from __future__ import annotations

import random

import pytest

from externalgrpc.kube import lease
from externalgrpc.leading import election
from externalgrpc.model import groups
from providers import contract
from providers.memory import datacenter
from tests.laws import (
    apiserver,
    autoscaler,
    caps,
    kubernetes,
    lanes,
    laws,
    life,
    simulation,
    simulator,
    witness,
)
from tests.leading import cluster

DURATION_S = 15.0
TAKE_OVERS = 200


class Replica(simulator.Server):
    """A process with an election; its requests are held against the law of two."""

    def __init__(self, there: Replicas, number: int) -> None:
        self.name = f"server-{number}"
        self.there = there
        api = apiserver.ApiServer(there.sim, there.kubernetes, there.truth)
        setting = simulator.Setting(
            clouds={"a": there.cloud}, truth=there.truth, api=api, key="one", asked=there.asked
        )
        store = lease.Store(there.leases.client(there.wall), namespace="n", name="l")
        self.election = election.Election(
            election.Hold(store, self.name, DURATION_S),
            time_source=there.sim,
            chance=random.Random(number),
        )
        self.election.listen(leads=self.leads, waits=self.waits, lost=self.lost)
        super().__init__(there.sim, setting, (there.group,), may_act=self.election.why_not)
        self.reconciler.stand_by("the Lease was not read yet")
        there.sim.at(0.01, "", self._look)

    def leads(self) -> None:
        self._sim.record(f"{self.name} LEADS")
        self.there.took_over += 1
        self.reconciler.take_over()
        self.witness, self.caps = witness.Witness(), caps.Caps()
        self.judge = life.Judge(self.setting.truth, self.setting.excused)

    def waits(self, why: str) -> None:
        self.reconciler.stand_by(why)

    def lost(self, _why: str) -> None:
        self.kill()

    def creates(self, order: contract.Order, cloud: lanes.WatchedCloud) -> None:
        self.there.acts(self)
        super().creates(order, cloud)

    def deletes(self, provider_id: str) -> None:
        self.there.acts(self)
        super().deletes(provider_id)

    def _look(self) -> None:
        pause_s = self.election.round() if self.alive and not self.asleep else 0.5
        if self.alive:
            self._sim.at(pause_s, "", self._look)


class Replicas:
    """A group of machines, an autoscaler that finds the holder, and two servers."""

    def __init__(self, seed: int) -> None:
        self.sim = simulation.Simulation(seed)
        self.sim.weather = simulation.Weather(slow_s=0.5)
        options = datacenter.Options(
            create_latency_s=0.0,
            list_latency_s=0.0,
            delete_latency_s=0.0,
            boot_time_s=5.0,
            requests_per_hour=3_600_000,
            burst=3_600_000,
        )
        self.cloud = datacenter.Datacenter(
            options, clock=lambda: self.sim.now, sleep=lambda _seconds: None
        )
        self.group = groups.NodeGroup(
            name="g",
            account="a",
            candidates=(groups.Candidate("small", "north"),),
            min_size=0,
            max_size=30,
            overrides=groups.AutoscalingOverrides(max_node_provision_time_s=autoscaler.PROVISION_S),
        )
        self.truth = life.Life()
        self.asked: set[str] = set()
        self.kubernetes = kubernetes.Kubernetes(
            self.sim, {"a": self.cloud}, self.truth, key="one", identity="c0ffee0001"
        )
        self.leases = cluster.ApiServer()
        self.autoscaler = autoscaler.Autoscaler(self.sim, self.kubernetes, forgets=True)
        self.took_over = 0
        self.writes: list[tuple[float, str]] = []
        self.started = 0
        self.servers: list[Replica] = []
        self.start()
        self.start()
        self.sim.after_event = self._after_event
        self._every(autoscaler.SCAN_S, self._loop)
        self._every(5.0, self.kubernetes.look)
        self._every(3.0, self._sweep)

    def wall(self) -> float:
        """Read a wall clock that jumps."""
        return self.sim.now + self.sim.chance.uniform(-1e5, 1e5)

    def start(self) -> None:
        self.started += 1
        self.servers.append(Replica(self, self.started))

    def acts(self, server: Replica) -> None:
        """Hold it against the law that something is sent: by whom, and when it was begun."""
        began = self.sim.monotonic()
        self.writes.append((began, server.name))
        for each in self.servers:
            if each is not server and each.alive:
                standing = each.election.standing
                other = standing.term is not None and standing.term.may_act(began)
                laws.require(not other, "two never act at once", server.name, each.name)

    def leader(self) -> Replica | None:
        acting = [each for each in self.servers if each.alive and not each.election.why_not()]
        laws.require(len(acting) <= 1, "two never act", [each.name for each in acting])
        return acting[0] if acting else None

    def await_leader(self) -> Replica:
        until = self.sim.now + 300.0
        while (found := self.leader()) is None or found.asleep:
            assert self.sim.now < until, "\n".join(self.sim.log)
            self.sim.run(0.5)
        return found

    def standing(self) -> list[str]:
        return sorted(each.node_name for _, each in simulator.standing({"a": self.cloud}))

    def _loop(self) -> None:
        """Run a loop of the autoscaler, at the server that the Service leads to."""
        for each in self.servers:
            if each.alive and not each.asleep and not each.election.refuses():
                self.autoscaler.loop(each)
                return

    def _sweep(self) -> None:
        for each in self.servers:
            each.sweep()

    def _every(self, seconds: float, act: object) -> None:
        def again() -> None:
            assert callable(act)
            act()
            self.sim.at(seconds, "", again)

        self.sim.at(seconds, "", again)

    def _after_event(self) -> None:
        self.leader()
        for each in self.servers:
            each.settle()
            if each.alive and not each.asleep and not each.fleet.standby:
                each.check()


@pytest.mark.parametrize("seed", range(4))
def test_take_overs(seed: int) -> None:
    """Kills, stops past the Lease, an API server that is away, in the midst of growth and less."""
    there = Replicas(seed)
    chance = random.Random(seed)
    for number in range(TAKE_OVERS // 4):
        leader = there.await_leader()
        there.autoscaler.want["g"] = chance.randrange(0, 8)
        there.sim.run(chance.uniform(0.0, 40.0))
        if not leader.alive or there.leader() is not leader:
            continue
        match number % 4:
            case 0:
                leader.kill()
            case 1:
                leader.asleep = True
                there.sim.run(chance.uniform(30.0, 60.0))
                leader.asleep = False
                there.sim.run(5.0)
                assert not leader.alive, "it led, and another does: it ends"
            case 2:
                # Stopped with a wish that is being sent, for less than the Lease lasts, and killed.
                leader.asleep = True
                there.sim.run(chance.uniform(1.0, 9.0))
                leader.asleep = False
                there.sim.run(1.0)
                leader.kill()
            case _:
                there.leases.away = True
                there.sim.run(chance.uniform(12.0, 30.0))
                assert there.leader() is None, "nobody acts on what nobody can renew"
                there.leases.away = False
                there.sim.run(2.0)
                leader.kill()
        there.servers = [each for each in there.servers if each.alive]
        while len(there.servers) < 2:
            there.start()
    there.await_leader()
    there.autoscaler.want["g"] = 5
    there.sim.run(1200.0)
    assert len(there.standing()) == 5, "\n".join(there.sim.log)
    assert there.took_over >= TAKE_OVERS // 4
    assert len({name for _, name in there.writes}) > 10, "most that led have sent something"
    began = [at for at, _ in there.writes]
    assert began
