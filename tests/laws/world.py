"""A fleet, the clouds under it, and time: what the state machine turns the handles of."""

from __future__ import annotations

import random
from collections.abc import Iterator

from externalgrpc import errands, groups
from externalgrpc import fleet as fleets
from externalgrpc.fleet import plan, requests, state, view
from tests.laws import fates, laws, sky, witness

HANDS = 3


def group(name: str, account: str, low: int, high: int) -> groups.NodeGroup:
    return groups.NodeGroup(
        name=name,
        account=account,
        candidates=fates.CANDIDATES,
        min_size=low,
        max_size=high,
        overrides=groups.AutoscalingOverrides(max_node_provision_time_s=300.0),
    )


CONFIGURATIONS: dict[str, tuple[groups.NodeGroup, ...]] = {
    "as it was": (group("g", "a", 1, 6), group("h", "a", 0, 4), group("k", "b", 0, 5)),
    "h is gone": (group("g", "a", 1, 6), group("k", "b", 0, 5)),
    "h moved": (group("g", "a", 1, 6), group("h", "b", 0, 4), group("k", "b", 0, 5)),
    "b is gone": (group("g", "a", 1, 6), group("h", "a", 0, 4)),
    "g is smaller": (group("g", "a", 2, 3), group("h", "a", 0, 4), group("k", "b", 0, 5)),
}


class World:
    """One process after another over two accounts, which may look into one project.

    ``let_go`` are the names that this process let go, for whoever names them again; ``promised``
    what was in the air when the autoscaler started, by group.
    """

    def __init__(self, *, unique_names: bool, one_project: bool) -> None:
        self.now = 1000.0
        self.chance = random.Random(5)
        first = sky.Sky("p", unique_names=unique_names)
        second = first if one_project else sky.Sky("q", unique_names=unique_names)
        self.skies = {"a": first, "b": second}
        self.configuration = "as it was"

    def start_process(self) -> None:
        """Start a server that knows nothing."""
        self.fleet = fleets.Fleet()
        self.witness = witness.Witness()
        self.flights: list[fates.Flight] = []
        self.let_go: list[str] = []
        self.promised: dict[str, frozenset[str]] = {}
        self._listings: dict[str, list[float]] = {}
        self._configure()
        self.pump()

    def kill_process(self, *, lost: bool) -> None:
        """Kill the server: what is under way is ``lost`` or lands, nobody hears of it."""
        for flight in self.flights:
            request = flight.request
            cloud = self.skies[request.account]
            if flight.lands is not None:
                self._land(cloud, flight.lands, 5.0)
            elif isinstance(request, requests.Create) and flight.stage != "done" and not lost:
                self._land(cloud, sky.Pending(request.name, request.group.name, 0.0), 5.0)
            elif isinstance(request, requests.Delete) and flight.stage == "begun" and not lost:
                cloud.delete(request.instance_id, lag_s=1.0)
        self.start_process()

    def reconfigure(self, which: str) -> None:
        """Take another configuration and check what became of the groups."""
        before = self.fleet
        self.configuration = which
        self._configure()
        self.witness.reconfigured(before, self.fleet)
        self.promised = {n: air for n, air in self.promised.items() if n in self.fleet.groups}

    def run(self, seconds: float, pace_s: float, fate: fates.Fate) -> None:
        """Let time pass, with every request under way moving on by a stage at each step."""
        until = self.now + seconds
        while self.now < until:
            for flight in tuple(self.flights):
                if flight in self.flights:
                    self.step(flight, fate)
            self.wait(min(pace_s, until - self.now))
            self.witness.check(self.fleet)

    def wait(self, seconds: float) -> None:
        """Let time pass while nothing under way moves."""
        self.now += seconds
        for cloud in self.skies.values():
            cloud.advance(self.now)
        self.pump()

    def pump(self) -> None:
        """Plan, and put what is due under way."""
        before = self.fleet
        planned = plan.plan(before, self.now)
        self.fleet = planned.fleet
        self.witness.planned(before, self.fleet)
        laws.require(planned.wake_at > self.now, "what is due was planned", planned.wake_at)
        for request in planned.requests:
            if isinstance(request, requests.Create):
                self._create_is_lawful(request)
            self.flights.append(fates.Flight(request))
        for name in self.fleet.accounts:
            asked = [
                launch
                for launch in self.fleet.launches.values()
                if launch.phase is state.Phase.ASKED and launch.account == name
            ]
            laws.require(len(asked) <= HANDS, "no more creates than hands", asked)

    def step(self, flight: fates.Flight, fate: fates.Fate) -> None:
        """Move one request on by a stage."""
        match flight.stage:
            case "queued":
                flight.stage, flight.begun_at = "begun", self.now
            case "begun":
                flight.do(self.skies[flight.request.account], fate)
            case _:
                self.flights.remove(flight)
                self._take(flight)

    def finish(self, flight: fates.Flight) -> None:
        """Bring one request to a good end."""
        while flight in self.flights:
            self.step(flight, fates.GOOD)

    def may_exist(self, name: str) -> bool:
        """Tell, by what clouds and wires know, whether a machine of a name is or may come."""
        flying = any(
            isinstance(flight.request, requests.Create) and flight.request.name == name
            for flight in self.flights
        )
        return flying or any(
            cloud.may_land(name) or any(machine.name == name for machine in cloud.standing())
            for cloud in self.skies.values()
        )

    def restless(self) -> list[object]:
        """Say what is not at rest yet."""
        return [
            *(launch for launch in self.fleet.launches.values() if launch.failure is None),
            *(launch for launch in self.fleet.launches.values() if launch.may_land),
            *self.fleet.retired.values(),
            *self.fleet.missing.values(),
            *(pending for cloud in self.skies.values() for pending in cloud.pending),
            *(
                account.name
                for account in self.fleet.accounts.values()
                if account.snapshot is None or account.catalogue is None
            ),
            *self._differences(),
        ]

    def cloud_equals_members(self) -> None:
        """Check the law of rest: every machine is a member or told as an orphan, once."""
        there: dict[str, list[str]] = {}
        for cloud in self._known_skies():
            for machine in cloud.standing():
                there.setdefault(machine.group, []).append(machine.name)
        for name in self.fleet.groups:
            shown = [m.name for m in view.members(self.fleet, name) if m.instance is not None]
            laws.require(
                sorted(shown) == sorted(there.pop(name, [])),
                "at rest the cloud holds the members, one machine each",
                name,
                shown,
            )
        orphans = sorted(orphan.node_name for orphan in view.orphans(self.fleet))
        left = sorted(name for group_names in there.values() for name in group_names)
        laws.require(orphans == left, "at rest what has no group is told", orphans, left)

    def _configure(self) -> None:
        wanted = CONFIGURATIONS[self.configuration]
        accounts = [
            state.AccountState(
                name=name,
                provider="sky",
                scheme="sky",
                settle_s=sky.SETTLE_S,
                rate_per_s=10.0,
                hands=HANDS,
                pace=state.Pace(busy_s=3.0, steady_s=35.0),
            )
            for name in sorted({each.account for each in wanted})
        ]
        self.fleet = fleets.configure(self.fleet, wanted, accounts, blocked={})

    def _take(self, flight: fates.Flight) -> None:
        request, before = flight.request, self.fleet
        if flight.lands is not None:
            delay_s = self.chance.uniform(0.0, 0.9 * sky.SETTLE_S)
            self._land(self.skies[request.account], flight.lands, delay_s)
        self.fleet = errands.fold(
            before, request, flight.answer, chance=self.chance, now=self.now, unix_now=self.now
        )
        match request:
            case requests.ListInstances() if isinstance(flight.answer, state.Snapshot):
                self._listed(before, flight.answer)
            case requests.ListInstances() | requests.ReadCatalogue():
                laws.require(
                    laws.targets(before) == laws.targets(self.fleet),
                    "a failed listing and a catalogue change nothing",
                )
            case requests.LookUpMissing():
                self.witness.answered(before, self.fleet, lost=1)
            case _:
                self.witness.answered(before, self.fleet)
        self._follow_relaunch(before)
        self.pump()

    def _listed(self, before: state.Fleet, snapshot: state.Snapshot) -> None:
        self.witness.listed(before, self.fleet, snapshot)
        held = before.accounts.get(snapshot.account)
        self._listings.setdefault(snapshot.account, []).append(snapshot.begun_at)
        if held is not None and held.snapshot is None:
            for name, each in self.fleet.groups.items():
                if each.account == snapshot.account:
                    self.promised[name] = view.in_the_air(self.fleet, name, self.now)

    def _follow_relaunch(self, before: state.Fleet) -> None:
        fresh = self.fleet.launches.keys() - before.launches.keys()
        for name in before.launches.keys() & self.fleet.retired.keys():
            for group_name, air in self.promised.items():
                if name in air:
                    self.promised[group_name] = air - {name} | fresh

    def _create_is_lawful(self, request: requests.Create) -> None:
        laws.require(
            not self.may_exist(request.name),
            "a create is not sent while the first of its name may still land",
            request.name,
        )
        seen = self._listings.get(request.account, [])
        laws.require(
            seen and max(seen) >= min(seen) + sky.SETTLE_S,
            "orders are held until a listing after the settling time was seen",
            request.account,
            seen,
        )
        laws.require(not request.group.departed, "a departed group orders nothing", request)
        laws.require(request.account == request.group.account, "orders go to the group's account")
        laws.require(request.name not in self.witness.let_go, "what was let go is not ordered")

    def _land(self, cloud: sky.Sky, pending: sky.Pending, delay_s: float) -> None:
        pending.lands_at = self.now + delay_s
        cloud.pending.append(pending)

    def _known_skies(self) -> Iterator[sky.Sky]:
        yield from {id(self.skies[name]): self.skies[name] for name in self.fleet.accounts}.values()

    def _differences(self) -> set[str]:
        there = {
            f"sky://{machine.id}" for cloud in self._known_skies() for machine in cloud.standing()
        }
        return set(self.fleet.index.by_provider_id) ^ there
