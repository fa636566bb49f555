"""One fault history: a server, an autoscaler, two accounts, and what happens to them."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable

from externalgrpc import groups
from externalgrpc.fleet import view
from providers import datacenter, errors
from tests.laws import autoscaler, kubernetes, laws, simulation, simulator

BUSY_S = 800.0
REST_S = 3600.0


@dataclasses.dataclass
class Told:
    """What became of a history."""

    seed: int
    events: int
    kills: int
    autoscaler_starts: int
    ordered: int
    broken: str
    log: tuple[str, ...]


class History:
    """One server, one autoscaler, two accounts, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.sim = simulation.Simulation(seed)
        self.chance = random.Random(seed + 1)
        first = self._cloud()
        second = first if self.chance.random() < 0.25 else self._cloud()
        self.clouds = {"a": first, "b": second}
        self.forgets = self.chance.random() < 0.6
        self.kubernetes = kubernetes.Kubernetes(self.sim, self.clouds)
        self.node_groups = self._node_groups()
        self.server = simulator.Server(self.sim, self.clouds, self.node_groups)
        self.autoscaler = autoscaler.Autoscaler(self.sim, self.kubernetes, forgets=self.forgets)
        self.kills = 0
        self.autoscaler_starts = 1
        self.sim.after_event = self._after_event
        self._checked: object = None

    def play(self) -> Told:
        """Play the busy part, then the rest; the laws are asked after every event."""
        broken = ""
        try:
            self._busy()
            self._rest()
        except AssertionError as error:
            broken = str(error) or repr(error)
        return Told(
            seed=0,
            events=self.sim.events,
            kills=self.kills,
            autoscaler_starts=self.autoscaler_starts,
            ordered=self.autoscaler.ordered,
            broken=broken,
            log=tuple(self.sim.log),
        )

    # ---- what happens ------------------------------------------------------------------------

    def _busy(self) -> None:
        self._storm()
        self._every(autoscaler.SCAN_S, self._autoscaler_loop)
        self._every(5.0, self.kubernetes.look)
        mishaps = (
            (55.0, self._want),
            (240.0, self._kill_server),
            (240.0, self._kill_autoscaler),
            (180.0, self._vanish),
            (300.0, self._outage),
            (240.0, self._stock),
            (350.0, self._reconfigure),
        )
        self._want()
        for mean_s, act in mishaps:
            when = self.chance.expovariate(1 / mean_s)
            while when < BUSY_S:
                self.sim.at(when, "", act)
                when += self.chance.expovariate(1 / mean_s)
        self.sim.run(BUSY_S)

    def _rest(self) -> None:
        self.sim.tell("REST")
        self.sim.weather = simulation.CALM
        self.kubernetes.all_join()
        for cloud in self.clouds.values():
            cloud.mend()
            cloud.change(stock={}, quota=None, fail_after_accept_rate=0.0, error_rate=0.0)
        self.server.configure(self.node_groups)
        self.autoscaler.want = {group.name: 2 for group in self.node_groups}
        if not self.server.alive:
            self._start_server()
        until = self.sim.now + REST_S
        while self.sim.now < until:
            self.sim.run(60.0)
            if not self._restless():
                self.sim.run(60.0)
                if not self._restless():
                    return
        laws.require(not self._restless(), "a history comes to rest", *self._restless())

    def _storm(self) -> None:
        rate = self.chance.choice((0.0, 0.0, 0.03, 0.1, 0.25))
        self.sim.weather = simulation.Weather(
            lost_before=rate * self.chance.random(),
            lost_after=rate * self.chance.random(),
            lands_late=rate * self.chance.random(),
            throttled=rate * self.chance.random(),
            slow_s=self.chance.choice((0.2, 2.0, 6.0)),
        )
        self.kubernetes.joins_fail = self.chance.choice((0.0, 0.0, 0.1))

    def _want(self) -> None:
        group = self.chance.choice(self.node_groups)
        self.autoscaler.want[group.name] = self.chance.randint(group.min_size, group.max_size)
        self.sim.tell(f"wanted: {self.autoscaler.want}")

    def _kill_server(self) -> None:
        if self.server.alive:
            self.sim.tell("SERVER KILLED")
            self.server.kill()
            self.kills += 1
            self.sim.at(self.chance.choice((0.0, 2.0, 30.0)), "", self._start_server)

    def _start_server(self) -> None:
        if not self.server.alive:
            self.sim.tell("SERVER STARTED")
            self.server = simulator.Server(self.sim, self.clouds, self.node_groups)

    def _kill_autoscaler(self) -> None:
        self.sim.tell("CA RESTARTED")
        self.autoscaler.restart()
        self.autoscaler_starts += 1

    def _vanish(self) -> None:
        there = sorted(simulator.standing(self.clouds), key=lambda machine: machine.id)
        if there:
            machine = self.chance.choice(there)
            self.sim.tell(f"{machine.node_name} ({machine.id}) vanishes")
            for cloud in {id(cloud): cloud for cloud in self.clouds.values()}.values():
                if any(machine is each for each in cloud.servers()):
                    cloud.vanish(machine.id)

    def _outage(self) -> None:
        name = self.chance.choice(sorted(self.clouds))
        cloud = self.clouds[name]
        kind = self.chance.choice((errors.Unreachable, errors.Throttled, errors.BadCredentials))
        self.sim.tell(f"outage at {name}: {kind.__name__}")
        cloud.fail_all(kind, "outage")
        self.sim.at(self.chance.choice((10.0, 60.0, 400.0)), f"{name} is mended", cloud.mend)

    def _stock(self) -> None:
        cloud = self.clouds[self.chance.choice(sorted(self.clouds))]
        match self.chance.randrange(3):
            case 0:
                cloud.sell_out("small", "north", places=self.chance.randrange(3))
                self.sim.tell("sold out: small in north")
            case 1:
                cloud.change(quota=self.chance.randrange(6))
                self.sim.tell(f"quota {cloud.options.quota}")
            case _:
                cloud.change(stock={}, quota=None)
                self.sim.tell("all to be had")

    def _reconfigure(self) -> None:
        chosen = list(self.node_groups)
        match self.chance.randrange(4):
            case 0:
                chosen.pop(self.chance.randrange(len(chosen)))
            case 1:
                moved = self.chance.randrange(len(chosen))
                other = "b" if chosen[moved].account == "a" else "a"
                chosen[moved] = dataclasses.replace(chosen[moved], account=other)
            case 2:
                chosen[0] = dataclasses.replace(chosen[0], min_size=1, max_size=2)
            case _:
                pass
        self.sim.tell(f"RELOADED: {[(group.name, group.account) for group in chosen]}")
        if self.server.alive:
            self.server.configure(chosen)

    def _autoscaler_loop(self) -> None:
        self.autoscaler.loop(self.server)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            act()
            self.sim.at(seconds * self.chance.uniform(0.9, 1.1), "", again)

        self.sim.at(self.chance.uniform(0.0, seconds), "", again)

    def _after_event(self) -> None:
        if not self.server.alive:
            return
        self.server.settle()
        if self.server.fleet is not self._checked:
            self._checked = self.server.fleet
            self.server.witness.check(self.server.fleet)

    # ---- the law of rest -----------------------------------------------------------------------

    def _restless(self) -> list[str]:
        """Say what is not as it should be at rest; nothing at all is what should be."""
        fleet = self.server.fleet
        wrong: list[str] = []
        there = Counter((m.group, m.node_name) for m in simulator.standing(self.clouds))
        shown = Counter(
            (name, member.name) for name in fleet.groups for member in view.members(fleet, name)
        )
        joined = Counter(node.name for node in self.kubernetes.nodes.values())
        if there != shown:
            wrong.append(f"cloud {sorted(there - shown)}, members {sorted(shown - there)}")
        if joined != Counter({name: count for (_, name), count in there.items()}):
            wrong.append(f"nodes {sorted(joined)}, machines {sorted(there)}")
        for group in self.node_groups:
            size = sum(count for (name, _), count in there.items() if name == group.name)
            wanted = max(group.min_size, self.autoscaler.want[group.name])
            if size != wanted:
                wrong.append(f"{group.name} has {size}, wanted are {wanted}")
        wrong += [f"retired: {key}" for key in fleet.retired]
        wrong += [f"missing: {key}" for key in fleet.missing]
        return wrong

    def _cloud(self) -> datacenter.Datacenter:
        settings = datacenter.Options(
            boot_time_s=self.chance.choice((5.0, 20.0, 50.0)),
            create_latency_s=0.0,
            list_latency_s=0.0,
            delete_latency_s=0.0,
            delete_time_s=self.chance.choice((0.0, 5.0, 20.0)),
            late_listing_s=self.chance.choice((0.0, 5.0, 30.0)),
            fail_after_accept_rate=self.chance.choice((0.0, 0.0, 0.1)),
            unique_names=self.chance.random() < 0.6,
            requests_per_hour=3_600_000,
            burst=3_600_000,
            page_size=self.chance.choice((2, 50)),
            seed=self.chance.randrange(2**31),
        )
        return datacenter.Datacenter(
            settings, clock=lambda: self.sim.now, sleep=lambda _seconds: None
        )

    def _node_groups(self) -> tuple[groups.NodeGroup, ...]:
        patience = groups.AutoscalingOverrides(max_node_provision_time_s=autoscaler.PROVISION_S)
        candidates = (groups.Candidate("small", "north"), groups.Candidate("small", "south"))
        return tuple(
            groups.NodeGroup(
                name=name,
                account=account,
                candidates=candidates,
                min_size=low,
                max_size=high,
                overrides=patience,
            )
            for name, account, low, high in (("g", "a", 0, 5), ("h", "a", 1, 4), ("k", "b", 0, 3))
        )
