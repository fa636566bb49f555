"""A Hypothesis state machine that drives the fleet through everything that can happen to it.

RPCs, cloud answers (made, refused, *nobody knows*), listings that end long after they began and
show things late, deletions that fail, orders that fail after they were accepted, Nodes that are
lost or lie, edited labels, another cluster's machines, process restarts, reconfigurations, pauses
and caps; after every step the laws are asked.
"""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from externalgrpc.fleet import plan, view
from externalgrpc.model import foreign_words
from tests.laws import caller, fake_cloud, fates, laws, operator, pools, simulation, tries, world

NAMES = st.sampled_from("ghk")
INDEX = st.integers(0, 30)
CREATE = st.sampled_from(fates.CREATES)
DELETE = st.sampled_from(fates.DELETES)
READ = st.sampled_from(fates.READS)
LAG_S = st.sampled_from((0.0, 0.0, 0.3, 0.9)).map(lambda share: share * fake_cloud.SETTLE_S)
NODES = st.tuples(st.sampled_from(("node", "node", "fake", "gone", "stranger", "nobody")), INDEX)


class FleetMachine(RuleBasedStateMachine):
    """Drive a fleet, ask the laws."""

    def __init__(self) -> None:
        super().__init__()
        self.there: world.World | None = None
        self.calm = 0

    @initialize(
        unique_names=st.booleans(),
        one_project=st.sampled_from((False, False, True)),
        cold=st.sampled_from((False, False, False, True)),
        machines=st.integers(0, 3),
        with_nodes=st.booleans(),
        marking=st.sampled_from((True, True, True, False)),
        brake=st.sampled_from((False, False, True)),
        older=st.booleans(),
        several=st.booleans(),
        capped=st.sampled_from((False, False, True)),
        repairs=st.sampled_from((False, False, True)),
        skew_s=st.sampled_from((0.0, -400.0, 50.0)),
    )
    def begin(
        self,
        *,
        unique_names,
        one_project,
        cold,
        machines,
        with_nodes,
        marking,
        brake,
        older,
        several,
        capped,
        repairs,
        skew_s,
    ):
        """Start a server on a cloud with a few machines; a warm one is past its settling time.

        The machines are nodes, of an ``older`` version without identities or of this one.
        """
        self.there = world.World(
            unique_names=unique_names,
            one_project=one_project,
            with_nodes=with_nodes or repairs,
            marking=marking,
            brake=brake,
            several=several,
            capped=capped,
            repairs=repairs,
            skew_s=skew_s,
        )
        for number in range(machines):
            identity = "" if older else self.there.identity
            made = self.there.skies["a"].make(
                f"g-bcdfg{number + 2}", "g", lag_s=0.0, identity=identity
            )
            made.unjoined = False
            made.joins_at = self.there.now
        self.there.look()
        self.there.start_process()
        self.there.sweep()
        while not cold and not all(each.settled for each in self.there.fleet.accounts.values()):
            self.there.run(10.0, 2.0, fates.GOOD)

    # ---- what CA asks ------------------------------------------------------------------------

    @rule(
        name=NAMES,
        delta=st.sampled_from((1, 1, 2, 2, 3, 0, -1, 2**31 - 1)),
        cover=st.sampled_from((True, True, False)),
    )
    def grow(self, *, name, delta, cover):
        caller.grow(self.there, name, delta, cover=cover)

    @rule(
        name=NAMES,
        delta=st.sampled_from((1, 2, 3)),
        create=CREATE,
        seconds=st.sampled_from((3.0, 9.0, 40.0)),
        lag_s=LAG_S,
    )
    def grow_into(self, *, name, delta, create, seconds, lag_s):
        """Grow as far as there is room, and let the orders meet one fate."""
        fleet = self.there.fleet
        wanted = fleet.groups.get(name)
        room = wanted.max_size - view.target(fleet, name) if wanted is not None else 0
        if room > 0:
            caller.grow(self.there, name, min(delta, room), cover=True)
            self.there.run(seconds, 1.0, fates.Fate(create=create, lag_s=lag_s))

    @rule(name=NAMES, picks=st.lists(NODES, max_size=3))
    def retire(self, *, name, picks):
        caller.retire(self.there, name, picks)

    @rule(name=NAMES, which=INDEX, kind=st.sampled_from(("node", "fake")), twice=st.booleans())
    def retire_one(self, *, name, which, kind, twice):
        """Let one machine or launch go, perhaps in two calls at once."""
        caller.retire(self.there, name, [(kind, which)])
        if twice and self.there.terminated:
            caller.retire(self.there, name, [("gone", len(self.there.terminated) - 1)])

    @rule(
        name=NAMES,
        which=INDEX,
        kind=st.sampled_from(("node", "fake")),
        create=CREATE,
        delete=DELETE,
        seconds=st.sampled_from((3.0, 9.0, 80.0)),
        lag_s=LAG_S,
    )
    def retire_into(self, *, name, which, kind, create, delete, seconds, lag_s):
        """Let one go, and let its order and its deletion meet one fate."""
        caller.retire(self.there, name, [(kind, which)])
        self.there.run(seconds, 1.0, fates.Fate(create=create, delete=delete, lag_s=lag_s))

    @rule(name=NAMES, delta=st.sampled_from((-1, -2, -(2**31), 0, 1)))
    def shrink(self, *, name, delta):
        caller.shrink(self.there, name, delta)

    @rule()
    def autoscaler_starts(self):
        caller.start(self.there)

    @rule()
    def show_nodes(self):
        caller.show(self.there)

    # ---- what befalls the cluster ------------------------------------------------------------

    @rule()
    def sweep(self):
        self.there.sweep()

    @rule(away=st.booleans())
    def api_server(self, *, away):
        """The API server is away from the server, or back."""
        self.there.away = away

    @rule(which=INDEX, every=st.sampled_from((False, False, True)), back=st.booleans())
    def lose_nodes(self, *, which, every, back):
        """Node objects are lost, one or all, or come back."""
        joined = [each for each in self._machines() if each.joins_at <= self.there.now]
        for machine in joined if every else joined[which % max(1, len(joined)) :][:1]:
            machine.lost = not back and machine.cluster == fake_cloud.OURS
        self.there.look()

    @rule(which=INDEX, every=st.sampled_from((False, False, True)), ready=st.booleans())
    def readiness(self, *, which, every, ready):
        """Nodes become unready, one or all, or ready again."""
        joined = [each for each in self._machines() if each.joins_at <= self.there.now]
        for machine in joined if every else joined[which % max(1, len(joined)) :][:1]:
            self._turn(machine, ready=ready)
        self.there.look()

    def _turn(self, machine, *, ready):
        if machine.ready != ready:
            machine.ready, machine.turned_at = ready, self.there.now

    @precondition(lambda self: self.there is not None and self.there.repairs)
    @rule(
        name=st.sampled_from("gk"),
        many=st.sampled_from((1, 1, 1, 2, 4)),
        how=st.sampled_from(("not ready", "absent", "flaps")),
        first_s=st.sampled_from((14.0, 50.0, 62.0)),
        between=st.sampled_from(("", "", "alone", "sibling", "back", "away", "pause", "restart")),
        then_s=st.sampled_from((12.0, 30.0, 70.0)),
        delete=DELETE,
    )
    def fall_ill(self, *, name, many, how, first_s, between, then_s, delete):
        """Nodes stay away for long while their siblings are ready, and something else happens."""
        there, good = self.there, fates.Fate(delete=delete)
        self._grow(name, 4)
        there.run(70.0, 4.0, fates.GOOD)
        joined = [
            each
            for each in there.joined()
            if each.cluster == fake_cloud.OURS and each.made_for == name
        ]
        ill, others = joined[:many], joined[many:]
        for machine in ill:
            self._turn(machine, ready=False)
            machine.lost = how == "absent"
        there.look()
        there.run(first_s, 4.0, good)
        self._meanwhile(between, ill, others)
        if how == "flaps":
            for machine in (*ill, *ill):
                self._turn(machine, ready=not machine.ready)
                there.look()
        there.look()
        there.run(then_s, 4.0, good)
        there.away = False
        if between == "pause":
            there.pause("", on=False)
        for machine in ill:
            machine.alone = False

    def _meanwhile(self, what, ill, others):
        match what:
            case "alone":
                for machine in ill:
                    machine.alone = True
            case "sibling":
                for machine in others[:1]:
                    self._turn(machine, ready=False)
            case "back":
                for machine in ill:
                    self._turn(machine, ready=True)
                    machine.lost = False
            case "away":
                self.there.away = True
            case "pause" if not self.there.operator.paused:
                self.there.pause("group g", on=True)
            case "restart" if self.calm > 10:
                self.calm = 0
                self.there.kill_process(lost=False)
            case _:
                pass

    @rule(which=INDEX, victim=INDEX, ends=st.booleans())
    def usurp(self, *, which, victim, ends):
        """A Node says that it is another's machine, or stops to."""
        joined = [each for each in self.there.joined() if each.cluster == fake_cloud.OURS]
        if ends or len(joined) < 2:
            self.there.usurped.clear()
        else:
            hostile = joined[which % len(joined)]
            self.there.usurped[hostile.hostname] = joined[victim % len(joined)].provider_id
        self.there.look()

    @rule(
        which=INDEX,
        other=INDEX,
        what=st.sampled_from(("name", "no name", "group", "orphan", "identity", "unjoined")),
    )
    def relabel(self, *, which, other, what):
        """Somebody edits a label of a machine that nobody has touched."""
        machines = self._machines()
        untouched = [each for each in machines if not each.edited]
        if not untouched:
            return
        machine, model = untouched[which % len(untouched)], machines[other % len(machines)]
        machine.edited = True
        match what:
            case "name":
                machine.name = model.name
            case "no name":
                machine.name = ""
            case "group":
                machine.group = model.group
            case "orphan":
                machine.group = "nobodys"
            case "identity":
                machine.identity = model.identity
            case _:
                machine.unjoined = not machine.unjoined

    @rule(
        account=st.sampled_from("ab"),
        name=st.sampled_from(("g", "h", "k", "vps-trial-g")),
        older=st.booleans(),
        lag_s=LAG_S,
    )
    def foreigner(self, *, account, name, older, lag_s):
        """Another cluster of our name makes a machine, of a trial perhaps; it is a node of it."""
        cloud = self.there.skies[account]
        if sum(each.cluster == fake_cloud.THEIRS for each in self._machines()) > 5:
            return
        made = cloud.make(
            f"{name}-their{len(cloud.machines)}",
            name,
            lag_s=lag_s,
            identity="" if older else world.THEIRS,
        )
        made.cluster, made.unjoined = fake_cloud.THEIRS, False
        made.joins_at = self.there.now
        self.there.look()

    @precondition(lambda self: self.calm > 4)
    @rule(
        theirs=st.sampled_from(("", "adopt", "ignore", "gone")),
        nobodys=st.sampled_from(("", "", "ignore", "gone")),
    )
    def word(self, *, theirs, nobodys):
        """The operator says whose foreign machines are."""
        said = {world.THEIRS: theirs, foreign_words.NO_IDENTITY: nobodys}
        self.there.say({identity: word for identity, word in said.items() if word})

    def _machines(self):
        clouds = simulation.once(self.there.skies.values())
        return [machine for cloud in clouds for machine in cloud.standing()]

    # ---- what clouds do ----------------------------------------------------------------------

    @rule(
        seconds=st.sampled_from((4.0, 12.0, 40.0, 100.0)),
        pace_s=st.sampled_from((1.0, 4.0, 9.0)),
        fate=st.builds(fates.Fate, create=CREATE, delete=DELETE, read=READ, lag_s=LAG_S),
    )
    def pass_badly(self, *, seconds, pace_s, fate):
        self.there.run(seconds, pace_s, fate)

    @rule(seconds=st.sampled_from((4.0, 12.0, 40.0, 100.0)), lag_s=LAG_S)
    def pass_well(self, *, seconds, lag_s):
        """Let time pass with clouds that do what is asked."""
        self.there.run(seconds, 2.0, fates.Fate(lag_s=lag_s))

    @precondition(lambda self: self.there is not None and self.there.flights)
    @rule(
        which=INDEX,
        fate=st.builds(fates.Fate, create=CREATE, delete=DELETE, read=READ, lag_s=LAG_S),
        stages=st.integers(1, 3),
    )
    def fly(self, *, which, fate, stages):
        """Move one request on, and no other."""
        flight = self.there.flights[which % len(self.there.flights)]
        for _ in range(stages):
            if flight in self.there.flights:
                self.there.step(flight, fate)

    @rule(which=INDEX, lag_s=LAG_S)
    def vanish(self, *, which, lag_s):
        """Somebody deletes a machine behind our back."""
        cloud = self.there.skies["ab"[which % 2]]
        standing = cloud.standing()
        if standing:
            cloud.delete(standing[which % len(standing)].id, lag_s=lag_s)

    @rule(which=INDEX)
    def haunt(self, *, which):
        """A listing shows machines again that were deleted long ago."""
        for cloud in self.there.skies.values():
            gone = [machine for machine in cloud.machines.values() if machine.deleted_at]
            if gone:
                gone[which % len(gone)].shown_until = self.there.now + 2 * fake_cloud.SETTLE_S

    @rule(seconds=st.sampled_from((0.0, 0.5, 3.0, 10.0, 35.0, 70.0, 310.0)))
    def wait(self, *, seconds):
        self.there.wait(seconds)

    # ---- what operators do -------------------------------------------------------------------

    @precondition(lambda self: self.calm > 6)
    @rule(which=st.sampled_from(sorted(pools.CONFIGURATIONS)))
    def reconfigure(self, *, which):
        self.calm = 0
        self.there.reconfigure(which)

    @precondition(lambda self: self.calm > 6)
    @rule(
        which=st.sampled_from(("g is being deleted", "g is held")),
        first_s=st.sampled_from((0.0, 2.0, 4.0, 6.0)),
        then_s=st.sampled_from((6.0, 40.0)),
        create=CREATE,
        on=st.booleans(),
    )
    def object_changes(self, *, which, first_s, then_s, create, on):
        """A VPSNode loses its finalizer, or is deleted, while CA asks for machines of it."""
        self.calm = 0
        fate = fates.Fate(create=create)
        self._grow("g", 1)
        self.there.run(first_s, 2.0, fate)
        self.there.reconfigure(which)
        self._grow("g", 1)
        self.there.run(then_s, 2.0, fate)
        if not on:
            self.there.reconfigure("as it was")

    @rule(what=st.sampled_from(operator.WHAT), on=st.sampled_from((True, False, False)))
    def pause(self, *, what, on):
        """Pause something; or have everything go on."""
        if on or self.there.operator.paused:
            self.there.pause(what, on=on)

    @rule(
        name=NAMES,
        what=st.sampled_from(("its group", "its group", *operator.WHAT[2:])),
        create=st.sampled_from(("half made", "half made", "made, never joins")),
        next_one=st.sampled_from(("half made", "sold out")),
        first_s=st.sampled_from((12.0, 60.0, 460.0)),
        then_s=st.sampled_from((12.0, 150.0, 400.0)),
        on=st.booleans(),
    )
    def pause_amid(self, *, name, what, create, next_one, first_s, then_s, on):
        """Order machines that come to nothing, and pause while we try in vain to delete them."""
        if self.there.operator.paused:
            return
        self._grow(name, 2)
        for seconds, fate in ((12.0, create), (first_s, next_one)):
            self.there.run(seconds, 4.0, fates.Fate(create=fate, delete="nobody knows: not done"))
        self.there.pause(f"group {name}" if what == "its group" else what, on=True)
        self.there.run(then_s, 4.0, fates.Fate(create=next_one))
        if not on:
            self.there.pause("", on=False)

    @precondition(lambda self: self.there is not None and self.there.operator.capped)
    @rule(
        name=NAMES,
        create=st.sampled_from(("made", "made", "nobody knows: lands later")),
        delete=DELETE,
        let_go=st.sampled_from(("", "node", "fake")),
        seconds=st.sampled_from((6.0, 40.0)),
        lag_s=LAG_S,
    )
    def fill(self, *, name, create, delete, let_go, seconds, lag_s):
        """Go to a cap and beyond, perhaps while a machine goes."""
        fate = fates.Fate(create=create, delete=delete, lag_s=lag_s)
        self._grow(name, 3)
        self.there.run(seconds, 2.0, fate)
        if let_go:
            caller.retire(self.there, name, [(let_go, 0)])
        self._grow(name, 3)
        self.there.run(12.0, 2.0, dataclasses.replace(fate, create="made"))

    @rule(
        name=NAMES,
        create=CREATE,
        delete=DELETE,
        seconds=st.sampled_from((3.0, 40.0, 80.0)),
        amid=st.sampled_from(("", "relabel", "grow", "kill", "kill", "lost", "reconfigure")),
        then_s=st.sampled_from((0.0, 12.0, 80.0)),
        ends=st.sampled_from((True, True, False)),
        lag_s=LAG_S,
    )
    def try_one(self, *, name, create, delete, seconds, amid, then_s, ends, lag_s):
        """Try a group; something happens meanwhile, a kill perhaps; then it is ended, or not."""
        there, fate = self.there, fates.Fate(create=create, delete=delete, lag_s=lag_s)
        trial = tries.start(there, name)
        there.run(seconds, 2.0, fate)
        match amid:
            case "grow":
                self._grow(name, 3)
            case "relabel" if trial:
                for machine in [each for each in self._machines() if not each.edited][:2]:
                    if not tries.tried(machine):
                        machine.group, machine.edited = trial, True
            case "kill" | "lost" if self.calm > 10:
                self.calm = 0
                there.kill_process(lost=amid == "lost")
            case "reconfigure" if self.calm > 6:
                self.calm = 0
                there.reconfigure(sorted(pools.CONFIGURATIONS)[0])
            case _:
                pass
        there.run(then_s, 4.0, fates.Fate(lag_s=lag_s))
        if ends:
            tries.end(there)
            there.run(12.0, 4.0, fates.Fate(delete=delete, lag_s=lag_s))

    @precondition(lambda self: self.calm > 10)
    @rule(name=NAMES, kills=st.booleans(), delete=DELETE)
    def strangers_beside_a_trial(self, *, name, kills, delete):
        """Amid a trial one of ours is led into it, a stranger has one, and one is nobody's."""
        there, cloud = self.there, self.there.skies["a"]
        trial = tries.start(there, name)
        there.run(40.0, 4.0, fates.GOOD)
        for machine in [each for each in self._machines() if not each.edited][:1]:
            if trial and not tries.tried(machine):
                machine.group, machine.edited = trial, True
        for group, identity, cluster in (
            ("vps-trial-x", world.THEIRS, fake_cloud.THEIRS),
            ("nobodys", there.identity, fake_cloud.OURS),
        ):
            if not any(each.made_for == group for each in self._machines()):
                made = cloud.make(f"{group}-1", group, lag_s=0.0, identity=identity, joins=False)
                made.cluster = cluster
        if kills:
            self.calm = 0
            there.kill_process(lost=False)
        there.run(40.0, 4.0, fates.GOOD)
        tries.end(there)
        for provider_id in sorted(there.fleet.index.by_provider_id):
            tries.clear_one(there, provider_id)
        there.run(12.0, 4.0, fates.Fate(delete=delete))

    @rule(which=INDEX, every=st.booleans())
    def clean(self, *, which, every):
        """A person has what earlier trials left deleted, or names any machine as such."""
        if every:
            tries.clear_all(self.there)
        else:
            tries.clear(self.there, which)

    @precondition(lambda self: self.there is not None and self.there.operator.capped)
    @rule(
        where=st.sampled_from("ab"),
        north=st.sampled_from((1, 2)),
        south=st.integers(1, operator.DEAREST),
        name=NAMES,
        read=READ,
    )
    def reprice(self, *, where, north, south, name, read):
        """A cloud asks other prices, which are read within the hour, and groups want to grow."""
        self.there.skies[where].prices = {"north": north, "south": south}
        self._grow(name, 1)
        self.there.wait(plan.CATALOGUE_S)
        self.there.run(12.0, 2.0, fates.Fate(read=read))
        self._grow(name, 3)
        self.there.run(12.0, 2.0, fates.GOOD)

    def _grow(self, name, most):
        """Grow as far as there is room."""
        fleet = self.there.fleet
        wanted = fleet.groups.get(name)
        room = wanted.max_size - view.target(fleet, name) if wanted is not None else 0
        if room > 0:
            caller.grow(self.there, name, min(most, room), cover=True)

    @precondition(lambda self: self.calm > 10)
    @rule(lost=st.booleans(), unread=st.sampled_from((False, False, True)))
    def restart(self, *, lost, unread):
        """Kill the process; the next may not know at first which VPSNodes there are."""
        self.calm = 0
        self.there.awaits = "the VPSNodes could not be listed yet" if unread else ""
        self.there.kill_process(lost=lost)

    @precondition(lambda self: self.there is not None and self.there.awaits)
    @rule()
    def list_objects(self):
        self.there.objects_listed()

    # ---- laws --------------------------------------------------------------------------------

    @invariant()
    def laws_hold(self):
        if self.there is not None:
            self.calm += 1
            self.there.check()
            tries.check(self.there)
            laws.memos_are_true(self.there.fleet)

    def teardown(self):
        """Let everything come to rest, and look whether cloud and fleet agree."""
        there = self.there
        if there is None:
            return
        there.away = False
        for each in self._machines():
            self._turn(each, ready=True)
        there.operator.capped = False
        there.objects_listed()
        there.pause("", on=False)
        there.say(there.words, believe_vanished=True)
        for _ in range(300):
            for flight in tuple(there.flights):
                there.finish(flight)
            tries.end(there)
            tries.clear_all(there)
            there.check()
            if not there.restless():
                break
            there.wait(10.0)
        laws.require(not there.restless(), "the fleet comes to rest", *there.restless())
        there.cloud_equals_members()
        there.nothing_is_left_half_made()
