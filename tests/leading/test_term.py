"""The law of two servers, attacked: pauses, jumping clocks, an API server that is away."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st

from externalgrpc.kube import lease
from externalgrpc.leading import election, term
from tests.leading import cluster

DURATION_S = 15.0


def a_term(**how: float) -> term.Term:
    fields = {"since": 100.0, "renewed_at": 110.0, "deadline_s": 10.0, "waits_s": 10.5, **how}
    return term.Term(id="t", **fields)


def test_it_acts_after_the_wait_and_until_the_deadline() -> None:
    held = a_term()
    assert [held.may_act(at) for at in (110.4, 110.5, 119.9, 120.0)] == [False, True, True, False]
    assert held.why_not(110.5) == ""
    assert "acting in 0.5 s" in held.why_not(110.0)
    assert "was not seen to be renewed" in held.why_not(120.0)


def test_what_was_never_seen_to_be_renewed_lets_nobody_act() -> None:
    held = a_term(renewed_at=float("-inf"))
    assert not any(held.may_act(at) for at in (0.0, 110.5, 1e9))


def test_who_begins_waits_for_longer_than_anybody_may_act_unrenewed() -> None:
    assert term.waits_s(DURATION_S) > term.deadline_s(DURATION_S)


class Clock:
    """A process's clocks: one that never jumps, with an origin of its own, and one that does."""

    def __init__(self, world: World, origin: float) -> None:
        self._world = world
        self._origin = origin
        self.wall_is_off_by = 0.0

    def monotonic(self) -> float:
        return self._world.now + self._origin

    def unix(self) -> float:
        return self._world.now + self.wall_is_off_by


@dataclasses.dataclass(kw_only=True)
class Process:
    """A server with an election; while it is paused it does nothing, and then goes on.

    ``midway`` is where it was paused: before a write, with what it had read.
    """

    name: str
    clock: Clock
    elects: election.Election
    paused_until: float = 0.0
    next_at: float = 0.0
    lost: bool = False
    led: int = 0


class World:
    """Processes around one Lease, each at its own pace, and a check after every step."""

    def __init__(self, seed: int, *, follows: bool, calm: bool = False) -> None:
        self.calm = calm
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.api = cluster.ApiServer()
        self.follows = follows
        self.processes: list[Process] = []
        self.autoscalers: list[Process] = []
        self.names = 0
        self.acted: list[tuple[float, str]] = []
        for _ in range(2):
            self.start()

    def start(self) -> None:
        """Start another pod: a server, and with ``follows`` an autoscaler that holds the Lease."""
        self.names += 1
        name = f"pod-{self.names}"
        if self.follows:
            self.autoscalers.append(self.process(name, lambda store: self.holder(store, name)))
            self.processes.append(self.process(name, lambda store: election.Follow(store, name)))
        else:
            self.processes.append(self.process(name, lambda store: self.holder(store, name)))

    def holder(self, store: lease.Store, name: str) -> election.Hold:
        return election.Hold(store, name, DURATION_S)

    def process(self, name: str, way: Callable[[lease.Store], election.Way]) -> Process:
        clock = Clock(self, self.chance.uniform(0.0, 1e6))
        api = Slow(self, self.api, clock)
        store = lease.Store(api, namespace="n", name="l")  # type: ignore[arg-type]
        made = Process(
            name=name,
            clock=clock,
            elects=election.Election(way(store), time_source=clock, chance=self.chance),
        )
        api.process = made

        def leads() -> None:
            made.led += 1

        def lost(_why: str) -> None:
            made.lost = True

        made.elects.listen(leads=leads, waits=lambda _why: None, lost=lost)
        return made

    def step(self) -> None:
        """Let whoever is next look at the Lease, or some time pass."""
        awake = [*self.processes, *self.autoscalers]
        first = min(awake, key=lambda each: max(each.next_at, each.paused_until))
        self.pass_time(max(first.next_at, first.paused_until) - self.now)
        pause_s = first.elects.round()
        first.next_at = self.now + pause_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and ask all the while who would act."""
        until = self.now + max(0.0, seconds)
        while True:
            self.check()
            if self.now >= until:
                return
            self.now = min(until, self.now + 0.25)

    def check(self) -> None:
        """Nobody acts beside another; whoever is paused sends nothing."""
        acting = [each for each in self.processes if not each.elects.why_not()]
        # A paused process would act if it went on now: that must be as safe.
        assert len(acting) <= 1, [each.name for each in acting]
        if acting and (not self.acted or self.acted[-1][1] != acting[0].name):
            self.acted.append((self.now, acting[0].name))

    def replace(self, gone: Process) -> None:
        """Kill a process (with its autoscaler) and start a new pod."""
        self.processes = [each for each in self.processes if each.name != gone.name]
        self.autoscalers = [each for each in self.autoscalers if each.name != gone.name]
        self.start()

    def mishap(self) -> None:
        """Have something befall somebody."""
        everybody = [*self.processes, *self.autoscalers]
        victim = self.chance.choice(everybody)
        match self.chance.randrange(8):
            case 0:
                victim.paused_until = self.now + self.chance.choice((1.0, 9.0, 14.0, 16.0, 40.0))
            case 1:
                victim.clock.wall_is_off_by = self.chance.uniform(-1e6, 1e6)
            case 2:
                self.api.away = not self.api.away
            case 3:
                self.api.loses = not self.api.loses
            case 4:
                self.replace(victim)
            case 5 if self.chance.random() < 0.3:
                self.api.thing = None
            case 6 if self.api.thing is not None and self.chance.random() < 0.3:
                # Somebody's kubectl edit, or a release of which its holder knows nothing.
                self.api.thing["spec"]["holderIdentity"] = self.chance.choice(
                    ("", *(each.name for each in everybody))
                )
                self.api.thing["metadata"]["resourceVersion"] += "e"
            case _:
                self.api.away = self.api.loses = False


class Slow:
    """Requests that take their time, in each half of which the process may be paused."""

    def __init__(self, world: World, api: cluster.ApiServer, clock: Clock) -> None:
        self._world = world
        self._api = api.client(clock.unix)
        self.process: Process | None = None

    def server_unix(self) -> float:
        return self._api.server_unix()

    def get(self, path: str) -> dict[str, object]:
        return self._halves(lambda: self._api.get(path))

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        return self._halves(lambda: self._api.post(path, body))

    def put(self, path: str, body: dict[str, object]) -> dict[str, object]:
        return self._halves(lambda: self._api.put(path, body))

    def _halves(self, send: Callable[[], dict[str, object]]) -> dict[str, object]:
        self._pass()
        try:
            return send()
        finally:
            self._pass()

    def _pass(self) -> None:
        """Let a moment pass, in which the process may be stopped, and others go on meanwhile."""
        world, process = self._world, self.process
        assert process is not None
        takes_s = world.chance.uniform(0.0, 0.3)
        if not world.calm and world.chance.random() < 0.02:
            takes_s = world.chance.choice((2.0, 12.0, 20.0, 60.0))
        until = world.now + takes_s
        process.paused_until = max(process.paused_until, until)
        busy = process.next_at
        process.next_at = float("inf")
        while world.now < until:
            others = [
                each
                for each in (*world.processes, *world.autoscalers)
                if max(each.next_at, each.paused_until) <= until
            ]
            if others and world.chance.random() < 0.9 and takes_s > 1.0:
                world.step()
            else:
                world.pass_time(min(0.5, until - world.now))
        process.next_at = busy


@hypothesis.given(seed=st.integers(0, 2**32), follows=st.booleans())
@hypothesis.settings(deadline=None)
def test_two_never_act(seed: int, *, follows: bool) -> None:
    world = World(seed, follows=follows)
    for _ in range(120):
        world.step()
        if world.chance.random() < 0.15:
            world.mishap()
        for each in [each for each in world.processes if each.lost]:
            world.replace(each)
        assert all(each.led <= 1 for each in world.processes)


@pytest.mark.parametrize("follows", [False, True])
def test_after_each_kill_the_other_acts(*, follows: bool) -> None:
    """And soon: a Lease that runs out, a wait, and what looking takes."""
    world = World(7, follows=follows, calm=True)
    took = []
    for _ in range(20):
        for _ in range(400):
            world.step()
            acting = [each for each in world.processes if not each.elects.why_not()]
            if acting:
                break
        began = world.now
        (first,) = acting
        world.replace(first)
        while all(each.elects.why_not() for each in world.processes):
            world.step()
            assert world.now - began < 60.0
        took.append(world.now - began)
    assert max(took) < 45.0
