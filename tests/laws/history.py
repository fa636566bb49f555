"""One fault history: a cluster or two, two accounts, and what happens to them."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import TypeAlias

from externalgrpc.model import foreign_words, groups
from providers import errors
from providers.memory import datacenter
from tests.laws import autoscaler, laws, lies, life, mishaps, rest, side, simulation, simulator

BUSY_S = 800.0
CALM_S = 400.0
REST_S = 5400.0

Act: TypeAlias = Callable[[], None]
Mishap: TypeAlias = tuple[float, Act]


@dataclasses.dataclass
class Reported:
    """What became of a history."""

    seed: int
    events: int
    kills: int
    autoscaler_starts: int
    ordered: int
    cast: str
    broken: str
    log: tuple[str, ...]


class History:
    """Two accounts, one cluster or two with the same file, and what happens to them.

    ``busy_s`` is how long they are harmed before the rest.
    """

    def __init__(self, seed: int, *, busy_s: float = BUSY_S) -> None:
        self.sim = simulation.Simulation(seed)
        self.chance = random.Random(seed + 1)
        self.busy_s = busy_s
        self._seed = seed
        first = self._cloud()
        second = first if self.chance.random() < 0.25 else self._cloud()
        self.clouds = {"a": first, "b": second}
        liar = lies.Liar()
        self.liars = {"a": liar, "b": liar if second is first else lies.Liar()}
        self.truth = life.Life()
        self.edited: set[str] = set()
        self.unmarked: dict[str, float] = {}
        self.ills = random.Random(seed + 4)
        self.repairs = self.ills.random() < 0.4
        self.node_groups = self._with_repair(self._node_groups())
        cast = self._cast()
        self.steps = self._steps(seed, cast)
        self.sides = [self._side(*each) for each in cast]
        self.mishaps = mishaps.Mishaps(
            self.sim, self.chance, self.sides, self.clouds, self.liars, self.edited
        )
        self._old_machines()
        self.sim.after_event = self._after_event
        self._checked: dict[int, object] = {}

    def play(self) -> Reported:
        """Play the busy part, then the rest; the laws are asked after every event."""
        broken = ""
        try:
            self._busy()
            self._rest()
        except AssertionError as error:
            broken = str(error) or repr(error)
        return Reported(
            seed=0,
            events=self.sim.events,
            kills=sum(one.kills for one in self.sides),
            autoscaler_starts=sum(one.autoscaler_starts for one in self.sides),
            ordered=sum(one.autoscaler.ordered for one in self.sides),
            cast="+".join(one.kind for one in self.sides),
            broken=broken,
            log=tuple(self.sim.log),
        )

    # ---- who is there --------------------------------------------------------------------------

    def _cast(self) -> tuple[tuple[str, bool, bool], ...]:
        """Draw the clusters: name, whether with ``kubernetes:``, whether of an old version."""
        return self.chance.choice(
            (
                (("one", True, False),),
                (("one", True, False),),
                (("one", False, False),),
                (("one", True, False), ("two", True, False)),
                (("one", True, False), ("two", True, False)),
                (("one", False, False), ("two", False, False)),
                (("one", True, False), ("two", False, False)),
                (("one", True, False), ("two", False, True)),
            )
        )

    def _steps(self, seed: int, cast: tuple[tuple[str, bool, bool], ...]) -> float | None:
        """Draw whether a machine takes several requests, and how often a create is cut between two.

        Of a chance of its own: the histories that there were stay as they are.
        """
        chance = random.Random(seed + 2)
        if any(old for _, _, old in cast) or chance.random() < 0.6:
            return None
        return chance.choice((0.0, 0.1, 0.3))

    def _side(self, name: str, with_nodes: bool, old: bool) -> side.Side:  # noqa: FBT001
        one = side.Side(
            self.sim,
            self.clouds,
            self.truth,
            self.liars,
            self.node_groups,
            name=name,
            with_nodes=with_nodes,
            old=old,
            forgets=self.chance.random() < 0.6,
            edited=self.edited,
            unmarked=self.unmarked,
            steps=self.steps,
        )
        one.kubernetes.removed_by_others = 0.05 if with_nodes else 0.5
        return one

    def _old_machines(self) -> None:
        """Leave machines of an older version standing, which are nodes of the first cluster."""
        if self.chance.random() < 0.7:
            return
        for number in range(self.chance.randint(1, 3)):
            name = f"g-old0{number}"
            made = self.clouds["a"].add(
                name=name, cluster=simulator.CLUSTER, group="g", node_name=name
            )
            self.clouds["a"].edit(made, user_data=self.sides[0].kubernetes.key)

    # ---- what happens ------------------------------------------------------------------------

    def _busy(self) -> None:
        self._storm()
        self._run_everything()
        # Every history has its own handful of the rarer ones.
        rare = self.chance.sample(self._rare(), self.chance.randint(0, 4))
        happening = [*self._common(), *rare]
        self._pause()
        self._fall_ill()
        self._want()
        for mean_s, act in happening:
            when = self.chance.expovariate(1 / mean_s)
            while when < self.busy_s:
                self.sim.at(when, "", act)
                when += self.chance.expovariate(1 / mean_s)
        self.sim.run(self.busy_s)

    def _pause(self) -> None:
        """Let operators pause things in some histories; of a chance of its own, as the steps."""
        chance = random.Random(self._seed + 3)
        if chance.random() < 0.6:
            return
        when = chance.expovariate(1 / 200.0)
        while when < self.busy_s:
            self.sim.at(when, "", lambda: self.mishaps.pause(chance))
            when += chance.expovariate(1 / 200.0)

    def _fall_ill(self) -> None:
        """Let nodes stay away in the histories whose groups ask for repair."""
        when = self.ills.expovariate(1 / 120.0)
        while self.repairs and when < self.busy_s:
            self.sim.at(when, "", lambda: self.mishaps.fall_ill(self.ills))
            when += self.ills.expovariate(1 / 120.0)

    def _run_everything(self) -> None:
        """Set the clocks of clusters, autoscalers and servers going."""
        for one in self.sides:
            self._every(autoscaler.SCAN_S, one.loop)
            self._every(5.0, lambda one=one: one.kubernetes.look())
            self._every(5.0, self._look_at_marks)
            if one.with_nodes:
                self._every(4.0, lambda one=one: one.server.sweep())

    def _common(self) -> list[Mishap]:
        """Return what happens in every history, and how far apart on average, in seconds."""
        return [
            (55.0, self._want),
            (240.0, self._kill_server),
            (240.0, self._kill_autoscaler),
            (180.0, self._vanish),
            (300.0, self._outage),
            (240.0, self._stock),
            (350.0, self._reconfigure),
        ]

    def _rare(self) -> list[Mishap]:
        """Return what happens in some."""
        ill = self.mishaps
        return [
            (350.0, ill.wrong_context),
            (500.0, ill.rebuild),
            (300.0, ill.lose_nodes),
            (300.0, ill.not_ready),
            (350.0, ill.away),
            (300.0, ill.lie),
            (150.0, ill.edit),
            (250.0, ill.usurp),
        ]

    def _rest(self) -> None:
        """Mend everything, hear the operator, and wait for rest."""
        self.sim.record("REST")
        self.sim.weather = simulation.CALM
        for one in self.sides:
            one.setting.steps = None if self.steps is None else 0.0
            one.server.mend_steps()
        self.mishaps.mend()
        for cloud in self.clouds.values():
            cloud.mend()
            cloud.change(stock={}, quota=None, fail_after_accept_rate=0.0, error_rate=0.0)
        for one in self.sides:
            one.configure(self.node_groups)
            one.autoscaler.want = {group.name: 2 for group in self.node_groups}
            one.start_server()
        self.sim.run(CALM_S)
        rest.nothing_is_unnamed(self.sides, self.sim.now)
        self.sim.record("THE OPERATOR'S WORD")
        self._say_whose()
        until = self.sim.now + REST_S
        while self.sim.now < until:
            self.sim.run(60.0)
            if not rest.restless(self.sides, self.node_groups):
                self.sim.run(60.0)
                if not rest.restless(self.sides, self.node_groups):
                    return
            self._say_what_is_adopted()
        laws.require(
            not rest.restless(self.sides, self.node_groups),
            "a history comes to rest",
            *rest.restless(self.sides, self.node_groups),
        )

    def _say_whose(self) -> None:
        """Say of every machine whose it is: delete what is nobody's, ignore what is another's."""
        keys = {one.kubernetes.key for one in self.sides}
        for cloud, machine in self.sides[0].standing():
            known = machine.group in {group.name for group in self.node_groups}
            if not known or (machine.user_data not in keys and self._is_hopeless(machine)):
                self.sim.record(f"the operator deletes {machine.name} ({machine.id})")
                cloud.vanish(machine.id)
        for one in self.sides:
            others = {
                other.kubernetes.identity if other.with_nodes else foreign_words.NO_IDENTITY
                for other in self.sides
                if other is not one
            }
            one.setting.words = {
                name: self._words(one, cloud, others) for name, cloud in self.clouds.items()
            }
            one.setting.believe_vanished = True
            one.configure(self.node_groups)

    def _say_what_is_adopted(self) -> None:
        """Have the operator ignore the rest of an identity once all that is own is adopted.

        Until then the rest, if another cluster lives, counts against maxSize (seed 1347).
        """
        for one in self.sides:
            said = one.setting.words
            one.setting.words = {
                name: {**words, **self._words(one, self.clouds[name], set())}
                for name, words in said.items()
            }
            if one.setting.words != said:
                self.sim.record(f"THE OPERATOR OF {one.name} IS DONE WITH ADOPTING")
                one.configure(self.node_groups)

    def _words(
        self, one: side.Side, cloud: datacenter.Datacenter, others: set[str]
    ) -> dict[str, str]:
        """Give one operator's words about the identities in one account.

        Ordered while its server looked at another control plane, a node of its own carries the
        identity of that: there it says adopt, which takes what its Nodes claim and nothing else.
        """
        machines = [machine for where, machine in one.standing() if where is cloud]
        foreign = others | {
            machine.identity
            for machine in machines
            if machine.identity not in ("", one.kubernetes.identity)
        }
        own = {machine.identity for machine in machines if machine.user_data == one.kubernetes.key}
        return {each: "adopt" if each in own else "ignore" for each in sorted(foreign)}

    def _is_hopeless(self, machine: datacenter.Server) -> bool:
        """Return whether a machine is nobody's: a half made one only where a server says so."""
        if self.steps is None or machine.user_data or machine.runs_at < math.inf:
            return True
        for one in self.sides:
            fleet = one.server.fleet
            ids = {each for each, held in one.by_id().items() if held.id == machine.id}
            values = {
                each.provider_id for each in fleet.unjoined.values()
            } | fleet.quarantine.keys()
            if ids & values:
                return True
        return False

    def _storm(self) -> None:
        rate = self.chance.choice((0.0, 0.0, 0.03, 0.1, 0.25))
        self.sim.weather = simulation.Weather(
            lost_before=rate * self.chance.random(),
            lost_after=rate * self.chance.random(),
            lands_late=rate * self.chance.random(),
            throttled=rate * self.chance.random(),
            slow_s=self.chance.choice((0.2, 2.0, 6.0)),
        )
        for one in self.sides:
            one.kubernetes.joins_fail = self.chance.choice((0.0, 0.0, 0.1))

    def _want(self) -> None:
        group = self.chance.choice(self.node_groups)
        one = self.chance.choice(self.sides)
        one.autoscaler.want[group.name] = self.chance.randint(group.min_size, group.max_size)
        self.sim.record(f"wanted by {one.name}: {one.autoscaler.want}")

    def _kill_server(self) -> None:
        one = self.chance.choice(self.sides)
        if one.kill_server():
            self.sim.at(self.chance.choice((0.0, 2.0, 30.0)), "", one.start_server)

    def _kill_autoscaler(self) -> None:
        self.chance.choice(self.sides).restart_autoscaler()

    def _vanish(self) -> None:
        there = sorted(simulator.standing(self.clouds), key=lambda each: each[1].id)
        if there:
            cloud, machine = self.chance.choice(there)
            self.sim.record(f"{machine.node_name} ({machine.id}) vanishes")
            cloud.vanish(machine.id)

    def _outage(self) -> None:
        name = self.chance.choice(sorted(self.clouds))
        cloud = self.clouds[name]
        kind = self.chance.choice((errors.Unreachable, errors.Throttled, errors.BadCredentials))
        self.sim.record(f"outage at {name}: {kind.__name__}")
        cloud.fail_all(kind, "outage")
        self.sim.at(self.chance.choice((10.0, 60.0, 400.0)), f"{name} is mended", cloud.mend)

    def _stock(self) -> None:
        cloud = self.clouds[self.chance.choice(sorted(self.clouds))]
        match self.chance.randrange(3):
            case 0:
                cloud.sell_out("small", "north", places=self.chance.randrange(3))
                self.sim.record("sold out: small in north")
            case 1:
                cloud.change(quota=self.chance.randrange(6))
                self.sim.record(f"quota {cloud.options.quota}")
            case _:
                cloud.change(stock={}, quota=None)
                self.sim.record("all to be had")

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
        self.sim.record(f"RELOADED: {[(group.name, group.account) for group in chosen]}")
        self.chance.choice(self.sides).configure(chosen)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            act()
            self.sim.at(seconds * self.chance.uniform(0.9, 1.1), "", again)

        self.sim.at(self.chance.uniform(0.0, seconds), "", again)

    def _after_event(self) -> None:
        for number, one in enumerate(self.sides):
            if not one.server.alive:
                continue
            one.server.settle()
            if one.server.fleet is not self._checked.get(number):
                self._checked[number] = one.server.fleet
                one.server.check()

    def _look_at_marks(self) -> None:
        """Note when machines lost the mark ``unjoined``."""
        for cloud in simulation.once(self.clouds.values()):
            for machine in cloud.servers():
                if not machine.unjoined:
                    self.unmarked.setdefault(self.sim.provider_id(cloud, machine), self.sim.now)

    # ---- the law of rest -----------------------------------------------------------------------

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

    def _with_repair(self, of: tuple[groups.NodeGroup, ...]) -> tuple[groups.NodeGroup, ...]:
        """Have some groups ask for repair; of a chance of its own, as the steps."""
        if not self.repairs:
            return of
        after_s = {"g": self.ills.choice((60.0, 150.0)), "h": 100.0}
        return tuple(
            dataclasses.replace(each, repair_after_s=after_s.get(each.name)) for each in of
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
