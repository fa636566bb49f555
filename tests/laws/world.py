"""A fleet, the clouds under it, and time: what the state machine turns the handles of."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import random
from collections.abc import Iterator
from operator import itemgetter

from externalgrpc import fleet as fleets
from externalgrpc.control import call, cloud_calls
from externalgrpc.fleet import (
    joins,
    journeys,
    marking,
    notnow,
    plan,
    quarantine,
    requests,
    state,
    trials,
    view,
)
from providers import errors
from tests.laws import (
    caps,
    fake_cloud,
    fates,
    lawful,
    laws,
    life,
    operator,
    pools,
    repairs,
    simulation,
    vps_nodes,
    witness,
)

HANDS = 3


IDENTITY = "0123456789"
THEIRS = "fedcba9876"
SWEEP_S = 4.0
BRAKE = 12
NOTHING_MADE = (errors.Throttled, errors.NoCapacity, errors.Refused)
"""What a cloud says when an order certainly made nothing."""


class World:
    """One process after another over two accounts, which may look into one project.

    ``with_nodes`` stands for ``kubernetes:``: the server learns the cluster's identity and sees its
    Nodes, unless the API server is ``away``. ``marking`` says whether the cloud can change marks,
    ``brake`` whether the configuration bounds the orders an hour, ``several`` whether a machine
    takes several requests, ``capped`` whether it bounds what machines cost, ``repairs`` whether
    groups ask for repair. ``skew_s`` is how far the API server's clock is ahead of ours. ``words``
    are the operator's, ``operator`` is what he pauses. ``asked`` are the names and provider ids of
    what CA deleted.
    ``terminated`` are the names that this process terminated;
    ``promised`` what was in the air when the autoscaler started, by group.
    """

    def __init__(
        self,
        *,
        unique_names: bool,
        one_project: bool,
        with_nodes: bool = False,
        marking: bool = True,
        brake: bool = False,
        several: bool = False,
        capped: bool = False,
        repairs: bool = False,
        skew_s: float = 0.0,
    ) -> None:
        self.now = 1000.0
        self.operator = operator.Operator(capped=capped)
        self.asked: set[str] = set()
        self.identity = IDENTITY if with_nodes else ""
        self.with_nodes = with_nodes
        self.marking = marking
        self.brake = brake
        self.several = several
        self.repairs = repairs
        self.skew_s = skew_s
        self.away = False
        self._gap = False
        self.words: dict[str, str] = {}
        self.believe_vanished = False
        self.usurped: dict[str, str] = {}
        self.awaits = ""
        self.truth = life.Life()
        self.ever: set[str] = set()
        self.orders: dict[str, list[tuple[str, float]]] = {}
        self.under_way: collections.Counter[str] = collections.Counter()
        self.chance = random.Random(5)
        first = fake_cloud.Sky("p", unique_names=unique_names)
        second = first if one_project else fake_cloud.Sky("q", unique_names=unique_names)
        self.skies = {"a": first, "b": second}
        self.configuration = "as it was"

    def start_process(self) -> None:
        """Start a server that knows nothing."""
        self.fleet = fleets.Fleet(
            identity=None if self.with_nodes else "", started_at=self.now, cluster=fake_cloud.OURS
        )
        self.operator.heard = None if self.with_nodes else ""
        self.fleet = fleets.annotated(self.fleet, self.operator.heard)
        self.fleet = fleets.await_groups(self.fleet, self.awaits)
        self.witness = witness.Witness()
        self.judge = life.Judge(self.truth, self._nobody_could_tell)
        self.caps = caps.Caps()
        self.repaired = repairs.Repairs(
            self.truth,
            self.caps,
            lambda group, account: self.stands_still(group, account, own=True),
            started_at=self.now,
        )
        self.orders = {}
        self.tries: dict[str, int] = {}
        self.prices: dict[str, dict[str, int]] = {}
        """What each account was read to ask, last by this process."""
        self._swept_at = float("-inf")
        self.flights: list[fates.Flight] = []
        self.terminated: list[str] = []
        self.promised: dict[str, frozenset[str]] = {}
        self.listings: dict[str, list[float]] = {}
        self._configure()
        self.pump()

    def kill_process(self, *, lost: bool) -> None:
        """Kill the server: what is under way is ``lost`` or lands, nobody hears of it."""
        self.under_way.update(
            pools.base(pending.group) for cloud in self.every_sky() for pending in cloud.pending
        )
        self.under_way.update(
            pools.base(flight.request.group.name)
            for flight in self.flights
            if isinstance(flight.request, requests.Create) and flight.stage != "done"
        )
        for flight in self.flights:
            request = flight.request
            cloud = self.skies[request.account]
            if flight.lands is not None:
                self._land(cloud, flight.lands, 5.0)
            elif isinstance(request, requests.Create) and flight.stage != "done" and not lost:
                # Whoever would send the rest is dead.
                pending = self._pending(request)
                pending.half = self.several and self.chance.random() < 0.8
                self._land(cloud, pending, 5.0)
            elif isinstance(request, requests.Finish) and flight.stage == "begun" and not lost:
                with contextlib.suppress(errors.BadOrder):
                    cloud.finish(request.instance.id)
            elif isinstance(request, requests.Delete) and flight.stage == "begun" and not lost:
                self.deletes(cloud, request.instance_id)
                cloud.delete(request.instance_id, lag_s=1.0)
        self.start_process()

    def objects_listed(self) -> None:
        """Have all groups known: the VPSNodes were listed, or there are none to be had."""
        self.awaits = ""
        self.fleet = fleets.await_groups(self.fleet, "")

    def pause(self, what: str, *, on: bool) -> None:
        """Have the operator pause something, or everything go on."""
        self.operator.pause(what, on=on)
        self.reconfigure(self.configuration)

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
            self.check()

    def wait(self, seconds: float) -> None:
        """Let time pass while nothing under way moves."""
        self.now += seconds
        for cloud in self.skies.values():
            cloud.advance(self.now)
        self.look()
        if self.now - self._swept_at >= SWEEP_S:
            self.sweep()
        self.pump()

    def look(self) -> None:
        """See who is a node of which cluster now."""
        ready: dict[str, set[str]] = {fake_cloud.OURS: set(), fake_cloud.THEIRS: set()}
        for machine in self.joined():
            claim = self.usurped.get(machine.hostname, machine.provider_id)
            if machine.ready and claim == machine.provider_id:
                ready[machine.cluster].add(machine.provider_id)
        for cluster, provider_ids in ready.items():
            self.truth.ready(cluster, provider_ids, self.now)
        self.ever |= ready[fake_cloud.OURS]

    def joined(self) -> Iterator[fake_cloud.Machine]:
        """Give the machines that have a Node in their cluster."""
        for cloud in self.every_sky():
            for machine in cloud.standing():
                if machine.joins_at <= self.now and not machine.lost:
                    yield machine

    def nodes(self) -> dict[str, state.Seen]:
        """Give our cluster's Nodes by name: what they say of themselves."""
        return {
            machine.hostname: state.Seen(
                self.usurped.get(machine.hostname, machine.provider_id),
                machine.ready,
                unready_since=0.0 if machine.ready else machine.turned_at + self.skew_s,
                left_alone=machine.alone,
            )
            for machine in self.joined()
            if machine.cluster == fake_cloud.OURS
        }

    def sweep(self) -> None:
        """Do what the registrar does: read the identity and the Nodes, and judge the joins."""
        if not self.with_nodes or self.away:
            self._gap = self._gap or self.away
            return
        self._swept_at = self.now
        sure, self._gap = not self._gap, False
        before = self.fleet
        self.operator.heard = self.operator.annotation
        before = fleets.annotated(before, self.operator.heard)
        nodes = self.nodes()
        sights = {
            name: journeys.NodeObservation(
                name=name,
                provider_id=seen.provider_id,
                node_at=self.now,
                ready_at=self.now if seen.ready else 0.0,
            )
            for name, seen in nodes.items()
        }
        times = {"now": self.now, "unix_now": self.now}
        self.fleet = fleets.identify(before, self.identity, **times)
        self.fleet = fleets.see_nodes(self.fleet, nodes, **times)
        judged = fleets.judge_joins(
            self.fleet, {**{each.provider_id: each for each in sights.values()}, **sights}, **times
        )
        late = fleets.overdue(judged, self.now, patience_s=joins.PATIENCE_S)
        self.fleet = fleets.terminated(judged, late, now=self.now, own=True)
        judged = self.fleet
        self.fleet = fleets.repair_nodes(judged, sure=sure, **times)
        self.repaired.check(judged, self.fleet, nodes, self.now, sure=sure)
        self.witness.swept(before, self.fleet)
        self.caps.check(self.fleet, self.now)
        self.terminated += sorted(member.name for member in late)

    def check(self) -> None:
        """Ask the laws of the fleet as it is."""
        self.witness.check(self.fleet)
        self.judge.follow(self.fleet)
        self.caps.check(self.fleet, self.now)
        self._what_is_paused_stands_still()
        vps_nodes.check(self.fleet)

    def deletes(self, cloud: fake_cloud.Sky, machine_id: str) -> None:
        """Hold a deletion that reaches a cloud to the law of life."""
        machine = cloud.machines.get(machine_id)
        if machine is not None and machine.deleted_at is None:
            self.judge.follow(self.fleet)
            self.judge.deletes(machine.provider_id)

    def say(self, words: dict[str, str], *, believe_vanished: bool = False) -> None:
        """Have the operator say whose foreign machines are."""
        self.words = words
        self.believe_vanished = believe_vanished
        self.reconfigure(self.configuration)

    def pump(self) -> None:
        """Plan, and put what is due under way."""
        before = self.fleet
        planned = plan.plan(before, self.now)
        self.fleet = planned.fleet
        self.witness.planned(before, self.fleet)
        laws.require(planned.wake_at > self.now, "what is due was planned", planned.wake_at)
        for request in planned.requests:
            if isinstance(request, requests.Create):
                lawful.create(self, before, request)
            if isinstance(request, requests.Delete):
                lawful.sent(self, self.skies[request.account], request)
            if isinstance(request, requests.Mark):
                lawful.mark(self, request)
            if isinstance(request, requests.Finish):
                lawful.finish(self, before, request)
            identity = self.fleet.identity or ""
            self.flights.append(fates.Flight(request, identity=identity, several=self.several))
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
                cloud = self.skies[flight.request.account]
                if why := cloud_calls.of(flight.request).not_wanted(self.fleet):
                    flight.stage, flight.answer = "done", errors.Throttled(f"not sent: {why}")
                    return
                lawful.sent(self, cloud, flight.request)
                if isinstance(flight.request, requests.Delete) and fate.delete.endswith("done"):
                    self.deletes(cloud, flight.request.instance_id)
                flight.do(cloud, fate)
            case _:
                self.flights.remove(flight)
                self._take(flight)

    def finish(self, flight: fates.Flight) -> None:
        """Bring one request to a good end."""
        while flight in self.flights:
            self.step(flight, fates.GOOD)

    def may_exist(self, name: str) -> bool:
        """Return whether a machine of a name exists or may come, by what clouds and wires know.

        A machine whose label was edited does not count: an order is known by the name it carried.
        """
        flying = any(
            isinstance(flight.request, requests.Create) and flight.request.name == name
            for flight in self.flights
        )
        return flying or any(
            cloud.may_land(name)
            or any(machine.hostname == name and not machine.edited for machine in cloud.standing())
            for cloud in self.skies.values()
        )

    def restless(self) -> list[object]:
        """Return what is not at rest yet."""
        flying = [each for each in self.fleet.launches.values() if not self._given_up(each)]
        return [
            *(launch for launch in flying if launch.failure is None),
            # A machine of the name whose marks were edited proves nothing: it waits for CA, who is
            # shown the failure.
            *(launch for launch in flying if launch.may_land and not self._in_doubt(launch.name)),
            *self.fleet.retired.values(),
            *self.fleet.missing.values(),
            *(pending for cloud in self.skies.values() for pending in cloud.pending),
            *(
                account.name
                for account in self.fleet.accounts.values()
                if account.snapshot is None or account.catalogue is None
            ),
            *self._differences(),
            *(
                held
                for provider_id, held in self.fleet.finishes.items()
                # What is in doubt is neither finished nor given up, by the law of proof: it stays
                # half made for as long as it is reported so.
                if held.failure is None and provider_id not in self.fleet.quarantine
            ),
        ]

    def _in_doubt(self, name: str) -> bool:
        """Return whether a machine bears an order's name and is not known to have come of it."""
        return not self.fleet.minted.get(name) and any(
            each.node_name == name for each in self.fleet.index.by_provider_id.values()
        )

    def _given_up(self, launch: state.Launch) -> bool:
        """Return whether a machine cannot be finished: it waits for CA, who is shown that."""
        provider_id = launch.instance.provider_id if launch.instance is not None else ""
        held = self.fleet.finishes.get(provider_id)
        return held is not None and held.failure is not None

    def cloud_equals_members(self) -> None:
        """Check the law of rest: every machine is a member or reported as an orphan, once."""
        there: dict[str, list[str]] = {}
        for cloud in self._known_skies():
            for machine in cloud.standing():
                there.setdefault(machine.group, []).append(machine.provider_id)
        for name in self.fleet.groups:
            shown = [m.provider_id for m in view.members(self.fleet, name) if m.instance]
            shown += [each.provider_id for each in view.quarantined(self.fleet, name)]
            laws.require(
                sorted(shown) == sorted(there.pop(name, [])),
                "at rest the cloud holds the members, one machine each, and what is in doubt",
                name,
                shown,
            )
        orphans = sorted(
            each.provider_id for each in (*view.orphans(self.fleet), *trials.leftovers(self.fleet))
        )
        left = sorted(each for group_ids in there.values() for each in group_ids)
        laws.require(orphans == left, "at rest what has no group is reported", orphans, left)

    def _configure(self) -> None:
        wanted = self.operator.groups(pools.CONFIGURATIONS[self.configuration])
        if self.repairs:
            wanted = tuple(
                dataclasses.replace(each, repair_after_s=pools.REPAIR_AFTER_S.get(each.name))
                for each in wanted
            )
        accounts = [
            state.AccountState(
                name=name,
                provider="sky",
                scheme="sky",
                settle_s=fake_cloud.SETTLE_S,
                rate_per_s=10.0,
                hands=HANDS,
                pace=state.Pace(busy_s=3.0, steady_s=35.0),
                marking=self.marking,
                neighbourly=self.with_nodes,
                foreign=self.words,
                believe_vanished=self.believe_vanished,
                max_orders_per_hour=BRAKE if self.brake else None,
                finishing=self.several,
                **self.operator.account(name),
            )
            for name in sorted({each.account for each in wanted})
        ]
        fleet = dataclasses.replace(self.fleet, **self.operator.everything())
        configured = fleets.configure(fleet, wanted, accounts, blocked={})
        self.fleet = quarantine.review(marking.survey(configured), now=self.now, unix_now=self.now)

    def _take(self, flight: fates.Flight) -> None:
        request, before = flight.request, self.fleet
        if flight.lands is not None:
            delay_s = self.chance.uniform(0.0, 0.9 * fake_cloud.SETTLE_S)
            self._land(self.skies[request.account], flight.lands, delay_s)
        if isinstance(request, requests.Create) and isinstance(flight.answer, NOTHING_MADE):
            # It was no order: the last of its name is taken back, as the brake does.
            sent = self.orders[request.account]
            sent.remove(max((each for each in sent if each[0] == request.name), key=itemgetter(1)))
        at = call.Moment(self.now, self.now, self.chance)
        self.fleet = cloud_calls.of(request).fold(before, flight.answer, at)
        match request:
            case requests.ListInstances() if isinstance(flight.answer, state.Snapshot):
                self._listed(before, flight.answer)
            case requests.ListInstances() | requests.ReadCatalogue():
                if isinstance(request, requests.ReadCatalogue) and isinstance(flight.answer, tuple):
                    sold = {each.location: int(each.price_per_hour) for each in flight.answer[1]}
                    self.prices[request.account] = sold
                laws.require(
                    laws.targets(before) == laws.targets(self.fleet),
                    "a failed listing and a catalogue change nothing",
                )
            case requests.LookUpMissing():
                self.witness.answered(before, self.fleet, lost=1)
            case _:
                self.witness.answered(before, self.fleet, answer=flight.answer)
        self._follow_relaunch(before)
        # Now, and not when time has passed: the limits are so many within a while.
        self.caps.check(self.fleet, self.now)
        self.pump()

    def _listed(self, before: state.Fleet, snapshot: state.Snapshot) -> None:
        self.witness.listed(before, self.fleet, snapshot)
        held = before.accounts.get(snapshot.account)
        self.listings.setdefault(snapshot.account, []).append(snapshot.begun_at)
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

    def stands_still(self, group: str, account: str, *, own: bool = False) -> bool:
        """Return whether the operator paused something, as far as the server can know.

        A group and an account that are configured no more are paused by nobody. While a server
        does not know yet, it does nothing of its ``own``.
        """
        wanted = pools.CONFIGURATIONS[self.configuration]
        return self.operator.stands_still(
            group if any(each.name == group for each in wanted) else "",
            account if any(each.account == account for each in wanted) else "",
            own=own,
        )

    def _what_is_paused_stands_still(self) -> None:
        """Check that CA is shown no room, and no failed join, where the operator said so."""
        for name, group in self.fleet.groups.items():
            if group.departed or not self.stands_still(name, group.account):
                continue
            size = view.target(self.fleet, name)
            _, most = notnow.bounds(self.fleet, name)
            laws.require(most == size, "paused: the shown maxSize is the target", name, most, size)
            for member in view.members(self.fleet, name):
                laws.require(
                    member.instance is None or member.failure is None,
                    "paused: no machine is shown as failed",
                    member,
                )

    def nothing_is_left_half_made(self) -> None:
        """Check that at rest what is half made is given up, in doubt, or nobody's."""
        for cloud in self._known_skies():
            for machine in cloud.standing():
                if not machine.half or machine.group not in self.fleet.groups:
                    continue
                reported = machine.provider_id in self.fleet.quarantine or any(
                    each.provider_id == machine.provider_id for each in self.fleet.unjoined.values()
                )
                laws.require(
                    reported, "what is half made is finished, deleted or reported", machine
                )

    def _nobody_could_tell(self, provider_id: str) -> bool:
        """Excuse what cannot be bounded: no Nodes, no marks, and another cluster's machine."""
        if self.with_nodes or self.marking:
            return False
        return any(
            machine.provider_id == provider_id and machine.cluster == fake_cloud.THEIRS
            for cloud in self.every_sky()
            for machine in cloud.standing()
        )

    def _pending(self, request: requests.Create) -> fake_cloud.Pending:
        return fake_cloud.Pending(
            request.name,
            request.group.name,
            0.0,
            identity=self.identity,
            location=request.candidate.location,
        )

    def every_sky(self) -> Iterator[fake_cloud.Sky]:
        yield from simulation.once(self.skies.values())

    def _land(self, cloud: fake_cloud.Sky, pending: fake_cloud.Pending, delay_s: float) -> None:
        pending.lands_at = self.now + delay_s
        cloud.pending.append(pending)

    def _known_skies(self) -> Iterator[fake_cloud.Sky]:
        yield from simulation.once(self.skies[name] for name in self.fleet.accounts)

    def _differences(self) -> set[tuple[str, str, str]]:
        there = {
            (machine.provider_id, machine.name, machine.group)
            for cloud in self._known_skies()
            for machine in cloud.standing()
        }
        return there ^ {
            (each.provider_id, each.node_name, each.group)
            for each in self.fleet.index.by_provider_id.values()
        }
