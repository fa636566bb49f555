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
from externalgrpc.model import foreign_words, groups, names
from providers import contract, errors
from tests.laws import (
    caps,
    fake_cloud,
    fates,
    laws,
    life,
    operator,
    repairs,
    simulation,
    vps_nodes,
    witness,
)

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
    # As vpsnodes/composing makes them of a VPSNode that is being deleted, and of a new one.
    "g is being deleted": (
        dataclasses.replace(group("g", "a", 0, 6), deletion="WaitForEmpty", vps_node=True),
        group("h", "a", 0, 4),
        group("k", "b", 0, 5),
    ),
    "g is held": (
        dataclasses.replace(group("g", "a", 1, 6), hold="no finalizer yet", vps_node=True),
        group("h", "a", 0, 4),
        group("k", "b", 0, 5),
    ),
}


REPAIR_AFTER_S = {"g": 60.0, "k": 20.0}
"""The groups that ask for repair, where any does; h never."""

IDENTITY = "0123456789"
THEIRS = "fedcba9876"
SWEEP_S = 4.0
STUCK_S = 600.0
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
        self._listings: dict[str, list[float]] = {}
        self._configure()
        self.pump()

    def kill_process(self, *, lost: bool) -> None:
        """Kill the server: what is under way is ``lost`` or lands, nobody hears of it."""
        self.under_way.update(
            base(pending.group) for cloud in self._every_sky() for pending in cloud.pending
        )
        self.under_way.update(
            base(flight.request.group.name)
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
        for cloud in self._every_sky():
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
                self._create_is_lawful(before, request)
            if isinstance(request, requests.Delete):
                self._is_sent_lawfully(self.skies[request.account], request)
            if isinstance(request, requests.Mark):
                self._mark_is_lawful(request)
            if isinstance(request, requests.Finish):
                self._finish_is_lawful(before, request)
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
                self._is_sent_lawfully(cloud, flight.request)
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
        wanted = self.operator.groups(CONFIGURATIONS[self.configuration])
        if self.repairs:
            wanted = tuple(
                dataclasses.replace(each, repair_after_s=REPAIR_AFTER_S.get(each.name))
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

    def _create_is_lawful(self, before: state.Fleet, request: requests.Create) -> None:
        laws.require(
            before.identity == self.identity,
            "no order is sent before the cluster is known",
            request,
        )
        said = notnow.why_account(before, request.account)
        laws.require(
            said is None or said.code == "OrderRate", "nothing is ordered where it is not now", said
        )
        sent = self.orders.setdefault(request.account, [])
        sent.append((request.name, self.now))
        lately = sum(1 for _, at in sent if at > self.now - 3600.0)
        most = notnow.most_orders(before, before.accounts[request.account])
        laws.require(lately <= most, "the brake bounds the orders an hour", lately, most)
        self._surge_is_lawful(before, request)
        self._spending_is_lawful(before, request)
        laws.require(
            not self.may_exist(request.name),
            "a create is not sent while the first of its name may still land",
            request.name,
        )
        seen = self._listings.get(request.account, [])
        laws.require(
            seen and max(seen) >= min(seen) + fake_cloud.SETTLE_S,
            "orders are held until a listing after the settling time was seen",
            request.account,
            seen,
        )
        laws.require(not request.group.departed, "a departed group orders nothing", request)
        vps_nodes.may_order(before, request)
        laws.require(request.account == request.group.account, "orders go to the group's account")
        laws.require(
            request.name not in self.witness.terminated, "what was terminated is not ordered"
        )

    def _surge_is_lawful(self, before: state.Fleet, request: requests.Create) -> None:
        """Check what exists of a group at once, the order included; labels may have been edited."""
        group = base(request.group.name)
        machines = [
            machine
            for cloud in self._every_sky()
            for machine in cloud.standing()
            if counts_in(before, machine.made_for) == group and machine.cluster == fake_cloud.OURS
        ]
        if any(machine.edited for machine in machines):
            return
        there = 1 + sum(
            1
            for machine in machines
            if (decided := self.judge.decided(machine.provider_id)) is None
            or self.now - decided <= STUCK_S
        )
        there += sum(
            1
            for flight in self.flights
            if isinstance(flight.request, requests.Create)
            and flight.stage != "done"
            and base(flight.request.group.name) == group
        )
        there += sum(
            1
            for flight in self.flights
            if flight.lands is not None and base(flight.lands.group) == group
        )
        there += sum(
            1
            for cloud in self._every_sky()
            for pending in cloud.pending
            if counts_in(before, pending.group) == group
        )
        most = max(each.most_machines for each in CONFIGURATIONS["as it was"] if each.name == group)
        laws.require(
            there <= most + self.under_way[group],
            "what exists of a group never exceeds maxSize and surge, and what each kill left",
            group,
            there,
            most,
            self.under_way[group],
        )

    def _spending_is_lawful(self, before: state.Fleet, request: requests.Create) -> None:
        """Check what exists within each cap, the order included, at the prices read last."""
        machines = [
            (where, machine)
            for where, cloud in self.skies.items()
            for machine in cloud.standing()
            if machine.cluster == fake_cloud.OURS
        ]
        if any(machine.edited for _, machine in machines):
            return
        owed = {
            held.provider_id
            for held in before.retired.values()
            if held.deletion in (state.Deletion.OWED, state.Deletion.SENT)
        }
        there = [
            operator.Paid(
                where, counts_in(before, machine.made_for), machine.provider_id, machine.location
            )
            for where, machine in machines
            if self.judge.decided(machine.provider_id) is None or machine.provider_id in owed
            if not self._is_let_alone(before, machine)
        ]
        there += [
            _paid(flight.request)
            for flight in self.flights
            if isinstance(flight.request, requests.Create) and flight.stage != "done"
        ]
        there += [_paid(flight.request) for flight in self.flights if flight.lands is not None]
        there += [
            operator.Paid(where, counts_in(before, pending.group), pending.name, pending.location)
            for where, cloud in self.skies.items()
            for pending in cloud.pending
        ]
        self.operator.allows(request, set(there), self.under_way, self.skies, self.prices)

    def _is_let_alone(self, fleet: state.Fleet, machine: fake_cloud.Machine) -> bool:
        """Return whether what is in doubt costs nothing of ours, by the operator's own word."""
        said = self.words.get(machine.identity or foreign_words.NO_IDENTITY)
        return machine.provider_id in fleet.quarantine and said in {"ignore", "gone"}

    def stands_still(self, group: str, account: str, *, own: bool = False) -> bool:
        """Return whether the operator paused something, as far as the server can know.

        A group and an account that are configured no more are paused by nobody. While a server
        does not know yet, it does nothing of its ``own``.
        """
        wanted = CONFIGURATIONS[self.configuration]
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

    def _is_sent_lawfully(self, cloud: fake_cloud.Sky, request: requests.Request) -> None:
        """Hold what reaches a cloud to the operator's word as it is by then."""
        match request:
            case requests.Create():
                still = self.stands_still(base(request.group.name), request.account)
                laws.require(not still, "paused: no order is sent", request)
                vps_nodes.may_order(self.fleet, request)
            case requests.Delete():
                machine = cloud.machines.get(request.instance_id)
                if machine is None or machine.deleted_at is not None or machine.edited:
                    return
                ours = not {machine.hostname, machine.provider_id} & self.asked
                still = ours and self.stands_still(machine.group, request.account, own=True)
                law = "paused: nothing is deleted but what CA asked for"
                laws.require(not still, law, machine, request)
            case _:
                pass

    def _finish_is_lawful(self, before: state.Fleet, request: requests.Finish) -> None:
        """Check that a machine is finished that is ours, counts, and whose create is at its end."""
        name, provider_id = request.order.name, request.instance.provider_id
        laws.require(self.several, "what nobody left half made is not finished", request)
        laws.require(
            request.instance.identity == self.identity, "only our own is finished", request
        )
        laws.require(
            request.instance.unjoined or not self.marking,
            "what was a node is not finished",
            request,
        )
        laws.require(provider_id not in self.ever, "what was a node is not finished", request)
        owner = view.whose(before, provider_id)
        laws.require(owner == (request.order.group.name, name), "what is finished counts", owner)
        laws.require(not request.order.group.departed, "a departed group finishes nothing", request)
        still = self.stands_still(request.order.group.name, request.account)
        laws.require(not still, "paused: nothing is finished", request)
        said = notnow.why_account(before, request.account)
        laws.require(
            said is None or said.code == "OrderRate",
            "nothing is finished where it is not now",
            said,
        )
        flying = any(
            isinstance(flight.request, requests.Create) and flight.request.name == name
            for flight in self.flights
        )
        landing = any(cloud.may_land(name) for cloud in self._every_sky())
        laws.require(
            not flying and not landing, "nothing is finished while its create may land", request
        )
        tries = self.tries[provider_id] = self.tries.get(provider_id, 0) + 1
        laws.require(tries <= 60, "a machine is not tried to be finished for ever", request, tries)

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

    def _mark_is_lawful(self, request: requests.Mark) -> None:
        laws.require(request.provider_id in self.ever, "only nodes of ours are marked", request)
        allowed = request.put.keys() <= {contract.Mark.IDENTITY}
        allowed = allowed and request.remove <= {contract.Mark.UNJOINED}
        laws.require(allowed, "only two of the marks are changed", request)
        laws.require(
            set(request.put.values()) <= {self.identity}, "no identity but ours is put", request
        )

    def _nobody_could_tell(self, provider_id: str) -> bool:
        """Excuse what cannot be bounded: no Nodes, no marks, and another cluster's machine."""
        if self.with_nodes or self.marking:
            return False
        return any(
            machine.provider_id == provider_id and machine.cluster == fake_cloud.THEIRS
            for cloud in self._every_sky()
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

    def _every_sky(self) -> Iterator[fake_cloud.Sky]:
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


def _paid(request: requests.Create) -> operator.Paid:
    group = base(request.group.name)
    return operator.Paid(request.account, group, request.name, request.candidate.location)


def base(group: str) -> str:
    """Return the group that is tried, of a trial's; any other is its own."""
    return group.removeprefix(names.TRIAL_PREFIX)


def counts_in(fleet: state.Fleet, mark: str) -> str:
    """Return the group under whose bounds a machine with a group's mark is: of a trial the tried.

    What a trial of an earlier process left is no group's (docs/try.md).
    """
    return base(mark) if mark in fleet.groups else mark
