"""Replay fault histories over each cloud's HTTP fake: the laws hold on every vendor's words.

Time is simulated, requests are real: provider, reconciler and fleet are the real ones, on a lane
without threads. A history is a seed and a cloud; both are told when a law breaks.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from externalgrpc import assembly, fleet, refusals
from externalgrpc.fleet import view
from tests import serving
from tests.bench import clouds as places
from tests.bench.idle import Inline
from tests.fakes import engine, hetzner

BUDGET_S = float(os.environ.get("CLOUD_HISTORIES_S", "6"))
"""Seconds of histories for each cloud; three are played at least."""

AT_LEAST = 3
BUSY_S, REST_S, STEP_S = 500.0, 3600.0, 15.0
PROVISION_S = 900.0
GROUP, MAXIMUM = "pool-0", 8
RUNNING = {"running", "active", "active running ok"}


class Sky:
    """Simulated time, for the server and for its cloud."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return 1_800_000_000.0 + self.now


def torn(reply: engine.Reply) -> engine.Reply:
    """Leave the last row of a list out, as when the list changed between two pages."""
    body = reply.json()
    if isinstance(body, dict):
        for rows in body.values():
            if isinstance(rows, list) and rows:
                rows.pop()
                break
    return dataclasses.replace(reply, body=body)


LISTS = {"method": "GET", "path": "/(servers|instances|droplets)$"}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": engine.FaultKind.LOST, "method": "POST|DELETE", "after": True},
    {"kind": engine.FaultKind.LOST, "method": "POST", "after": True},
    {"kind": engine.FaultKind.LOST, "after": False},
    {"kind": engine.FaultKind.CUT, "method": "POST"},
    {"kind": engine.FaultKind.TRUNCATED},
    {"kind": engine.FaultKind.HTML, "after": True},
    {"kind": engine.FaultKind.ERROR, "status": 500},
    {"kind": engine.FaultKind.EMPTY, "after": True},
    {"kind": engine.FaultKind.THROTTLED},
    {"kind": engine.FaultKind.CHANGED, "change": torn, **LISTS},
)


def machines(fake: Any) -> dict[Any, Any]:
    """Give the fake's own machines by id, those of others too."""
    return next(
        getattr(fake, name)
        for name in ("servers", "machines", "droplets", "instances")
        if hasattr(fake, name)
    )


def lock(fake: Any, chance: random.Random) -> None:
    """Let one machine be busy, so that it cannot be deleted for a while."""
    there = sorted(machines(fake).values(), key=lambda each: str(each.id))
    if there:
        each = chance.choice(there)
        until = fake.now() + chance.choice((10.0, 60.0))
        setattr(each, "busy_until" if hasattr(each, "busy_until") else "locked_until", until)


def vanish(fake: Any, chance: random.Random) -> None:
    """Let one machine of ours be deleted by somebody else."""
    there = sorted(number for number, each in machines(fake).items() if number != fake.foreign)
    if there:
        del machines(fake)[chance.choice(there)]


def fail_after_accepting(fake: Any, chance: random.Random) -> None:
    """Let the next create's action end in error, where the cloud has such."""
    if isinstance(fake, hetzner.HetznerFake):
        fake.fail_action("resource_unavailable", leave=chance.choice(("gone", "off")))
    elif hasattr(fake, "fail_action"):
        fake.fail_action(leave=chance.choice(("gone", "new")))


def sell_out(fake: Any, chance: random.Random, place: places.Place) -> None:
    """Have nothing, or have it again."""
    if chance.random() < 0.5:
        fake.sell_out(place.machine_type, place.location)
    else:
        fake.restock(place.machine_type, place.location)


class History:
    """One account at one fake, and what happens to it."""

    def __init__(self, place: places.Place, seed: int, folder: Any) -> None:
        self.place = place
        self.chance = random.Random(f"{place.provider} {seed}")
        self.sky = Sky()
        self.folder = folder
        self.gone: set[str] = set()
        self.log: list[str] = []
        self.fake = place.start(clock=self.sky.unix)
        self.fake.lag_s = self.chance.choice((0.0, 0.0, 5.0))
        self.fake.foreign = self.fake.add("somebodys").id
        self.plant: assembly.Assembly

    def play(self) -> None:
        with self.fake:
            self._start()
            until = self.sky.now + BUSY_S
            while self.sky.now < until:
                self._mishap()
                self._pass(self.chance.uniform(1.0, 2 * STEP_S))
                self._clear_failed()
            self._rest()
            self.plant.reconciler.close(0.0)

    # -- what happens ---------------------------------------------------------------------------

    def _start(self) -> None:
        token = self.folder / "token"
        token.write_text(self.fake.token)
        told = places.configuration(self.place, self.fake.url, 1, str(token), max_size=MAXIMUM)
        loaded, installed = serving.loaded(self.folder, told)
        parts = assembly.Parts(
            time_source=self.sky,
            chance=random.Random(self.chance.random()),
            make_lane=lambda _account, _provider: Inline(),
        )
        self.plant = assembly.Assembly(loaded, installed, parts)
        self.gone.clear()

    def _mishap(self) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (5, self._grow),
            (3, self._retire),
            (5, self._fault),
            (1, self._kill),
            (1, lambda: vanish(self.fake, self.chance)),
            (2, lambda: lock(self.fake, self.chance)),
            (2, lambda: fail_after_accepting(self.fake, self.chance)),
            (1, lambda: sell_out(self.fake, self.chance, self.place)),
        ]
        weights = [weight for weight, _ in acts]
        for _, act in self.chance.choices(acts, weights, k=2):
            act()
            self._pump()

    def _grow(self) -> None:
        before = self._target()
        delta = self.chance.randint(1, 3)
        self.log.append(f"{self.sky.now:.0f} grow {delta}")
        try:
            self.plant.reconciler.grow(GROUP, delta, cover=False)
        except refusals.OutOfBounds:
            assert before + delta > MAXIMUM, "a growth within bounds was refused"
        except refusals.NotReady:
            self.log.append("not ready")
        else:
            assert self._target() == before + delta, "a growth raises the target by delta"

    def _retire(self) -> None:
        there = view.members(self.plant.reconciler.fleet, GROUP)
        if there:
            self._let_go(self.chance.sample(there, self.chance.randint(1, len(there))))

    def _let_go(self, chosen: Any) -> None:
        before = self._target()
        nodes = [fleet.NodeRef(provider_id=each.provider_id, name=each.name) for each in chosen]
        going = self.plant.reconciler.retire(GROUP, nodes)
        self.log.append(f"{self.sky.now:.0f} let go {going}")
        assert self._target() == before - len(going), "a deletion lowers it by what was counted"
        self.gone.update(going)

    def _clear_failed(self) -> None:
        there = view.members(self.plant.reconciler.fleet, GROUP)
        if failed := [each for each in there if each.failure is not None]:
            self._let_go(failed)

    def _give_up(self) -> None:
        """Let go what never became a Node, as the autoscaler does: its order failed unheard."""
        running = {e["name"] for e in self.fake.state()["servers"] if e["status"] in RUNNING}
        there = view.members(self.plant.reconciler.fleet, GROUP)
        if dead := [each for each in there if each.name not in running]:
            self._let_go(dead)

    def _fault(self) -> None:
        rule = dict(self.chance.choice(FAULTS))
        rule["times"] = self.chance.randint(1, 3)
        self.log.append(f"{self.sky.now:.0f} fault {rule}")
        self.fake.fail(**rule)

    def _kill(self) -> None:
        self.log.append(f"{self.sky.now:.0f} server killed")
        self.plant.reconciler.close(0.0)
        self._start()

    # -- time, and the laws ---------------------------------------------------------------------

    def _pump(self) -> float:
        self.plant.reconciler.pump()
        wake_at = self.plant.reconciler.pump()
        self._check()
        return wake_at

    def _pass(self, seconds: float) -> None:
        until = self.sky.now + seconds
        while self.sky.now < until:
            wake_at = self._pump()
            self.sky.now = min(until, max(wake_at, self.sky.now + 0.5))

    def _target(self) -> int:
        return view.target(self.plant.reconciler.fleet, GROUP)

    def _names(self) -> list[str]:
        shown = self.fake.state()["servers"]
        return [each["name"] for each in shown if each["status"] != "deleting"]

    def _check(self) -> None:
        names = collections.Counter(self._names())
        assert max(names.values()) == 1, f"two machines of one name: {names.most_common(1)}"
        assert names["somebodys"] == 1, "a machine of somebody else was touched"
        members = {each.name for each in view.members(self.plant.reconciler.fleet, GROUP)}
        assert not members & self.gone, "what was let go came back"

    def _rest(self) -> None:
        self.log.append(f"{self.sky.now:.0f} rest")
        self.fake.faults.clear()
        if hasattr(self.fake, "failing"):
            self.fake.failing.clear()
        self.fake.restock(self.place.machine_type, self.place.location)
        began = self.sky.now
        while self._restless() and self.sky.now < began + REST_S:
            self._pass(60.0)
            self._clear_failed()
            if self.sky.now > began + PROVISION_S:
                self._give_up()
        assert not self._restless(), f"no rest: {self._restless()}"
        made = collections.Counter(
            json.loads(each.request.body).get("name") or json.loads(each.request.body)["label"]
            for each in self.fake.log("POST", self.place.orders)
            if each.worked and each.request.body and self._accepted(each)
        )
        assert max(made.values(), default=1) == 1, f"ordered twice: {made.most_common(1)}"

    @staticmethod
    def _accepted(each: engine.Exchange) -> bool:
        """Tell whether a create did its work, whatever became of its reply."""
        return each.fault is None and each.reply.status < 300

    def _restless(self) -> list[str]:
        now = self.plant.reconciler.fleet
        members = sorted(each.name for each in view.members(now, GROUP))
        there = sorted(name for name in self._names() if name != "somebodys")
        wrong = [] if there == members else [f"cloud {there}, members {members}"]
        wrong += [f"in the air: {name}" for name in now.launches]
        wrong += [f"retired: {key}" for key in now.retired]
        wrong += [f"missing: {key}" for key in now.missing]
        return wrong


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", places.ALL, ids=lambda place: place.provider)
def test_histories_over_the_fake_hold_the_laws(place, tmp_path, capsys):
    began = time.monotonic()
    seed, struck, made = 0, 0, 0
    while seed < AT_LEAST or time.monotonic() - began < BUDGET_S:
        history = History(place, seed, tmp_path)
        try:
            history.play()
        except AssertionError as broken:
            log = "\n".join(history.log[-60:])
            raise AssertionError(f"{log}\n{place.provider}, seed {seed}: {broken}") from broken
        seed += 1
        exchanges = history.fake.exchanges
        struck += sum(each.fault is not None for each in exchanges)
        made += sum(
            each.worked and each.reply.status < 300
            for each in history.fake.log("POST", place.orders)
        )
    assert struck > seed, "hardly anything went wrong"
    assert made > seed, "hardly a machine was made"
    with capsys.disabled():
        sys.stdout.write(
            f"\n{place.provider}: {seed} fault histories held the laws, "
            f"{made} machines made, {struck} answers spoilt\n"
        )
