# ruff: noqa: S101, S311 - laws are assertions, and chance is replayed by its seed
"""Replay fault histories over a cloud's HTTP fake: the laws hold on every vendor's words.

Time is simulated, requests are real: the cloud's class, the reconciler and the fleet are the real
ones, on a lane without threads. Replies get lost, pages tear, limits strike, machines vanish, and
the server is killed, also in the middle of what it does. A history is a seed and a cloud; both are
in the message when a law breaks, with what happened before.

The one module of ours beside the server that imports it, for it runs whole servers::

    class TestMyCloud(conformance.FakeContract, histories.Histories):
        provider, cloud = "mycloud", MyCloud
        ...
"""

from __future__ import annotations

import collections
import dataclasses
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from externalgrpc import assembly, config, fleet
from externalgrpc.fleet import view
from externalgrpc.model import fleet_errors
from providers import contract
from providers.conformance import behind, staging
from providers.fakes import faults

AT_LEAST = 3
BUSY_S, REST_S, STEP_S = 500.0, 3600.0, 15.0
PROVISION_S = 900.0


class History:
    """One account at one fake, and what happens to it."""

    def __init__(self, stage: staging.Stage, seed: int, folder: Path) -> None:
        self.stage = stage
        self.chance = random.Random(f"{stage.provider} {seed}")
        self.sky = staging.Sky()
        self.folder = folder
        self.gone: set[str] = set()
        self.seen: set[str] = set()
        self.log: list[str] = []
        self.kills = 0
        self.behind = stage.begin(token="a-token", clock=self.sky.unix)  # noqa: S106 - the fake's
        self.fake = self.behind.fake
        self.behind.be_late(self.chance.choice((0.0, 0.0, 5.0)))
        self.strangers = {
            self.behind.add(cluster="", group="", node_name="somebodys-mail"),
            self.behind.add(cluster="another", group=staging.GROUP, node_name="pool-0-another"),
        }
        self.faults = (*staging.FAULTS, staging.torn(self.behind.lists))
        self.plant: assembly.Assembly

    def play(self) -> None:
        """Live through it; raises AssertionError when a law breaks."""
        with self.fake:
            self._start()
            until = self.sky.now + BUSY_S
            while self.sky.now < until:
                self._surviving(self._mishap)
                self._pass(self.chance.uniform(1.0, 2 * STEP_S))
                self._surviving(self._clear_failed)
            self._rest()
            self.plant.reconciler.close(0.0)

    # -- what happens ---------------------------------------------------------------------------

    def _start(self) -> None:
        token, pools = self.folder / "token", self.folder / "pools.yaml"
        token.write_text(self.fake.token)
        pools.write_text(self.stage.configuration(self.fake.url, token))
        installed = {self.stage.provider: self.stage.cloud}
        loaded = config.load(pools, cluster="", environ={}, clouds=installed)
        parts = assembly.Parts(
            time_source=self.sky,
            chance=random.Random(self.chance.random()),
            make_lane=lambda account, provider: staging.Lane(self.fake.faults),  # noqa: ARG005
        )
        self.plant = assembly.Assembly(loaded, installed, parts)
        self.gone.clear()
        self.seen.clear()

    def _surviving(self, act: Callable[[], object]) -> None:
        """Do something; when the server dies of it, start another."""
        try:
            act()
        except staging.KilledError:
            self._kill()
            self._check()

    def _mishap(self) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (5, self._grow),
            (3, self._retire),
            (5, self._fault),
            (1, self._kill),
            (1, self._kill_midway),
            (1, self._vanish),
            (2, self._lock),
            (2, lambda: self.behind.fail_an_accepted_order(self.chance)),
            (1, self._change_stock),
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
            self.plant.reconciler.grow(staging.GROUP, delta, cover=False)
        except fleet_errors.OutOfBounds:
            assert before + delta > staging.MAXIMUM, "a growth within bounds was refused"
        except fleet_errors.NotReady:
            self.log.append("not ready")
        else:
            assert self._target() == before + delta, "a growth raises the target by delta"

    def _retire(self) -> None:
        there = view.members(self.plant.reconciler.fleet, staging.GROUP)
        if there:
            self._let_go(self.chance.sample(there, self.chance.randint(1, len(there))))

    def _let_go(self, chosen: Any) -> None:  # noqa: ANN401 - members, whatever the view calls them
        before = self._target()
        nodes = [fleet.NodeRef(provider_id=each.provider_id, name=each.name) for each in chosen]
        going = self.plant.reconciler.retire(staging.GROUP, nodes)
        self.log.append(f"{self.sky.now:.0f} terminated {going}")
        assert self._target() == before - len(going), "a deletion lowers it by what was counted"
        self.gone.update(going)

    def _clear_failed(self) -> None:
        there = view.members(self.plant.reconciler.fleet, staging.GROUP)
        if failed := [each for each in there if each.failure is not None]:
            self._let_go(failed)

    def _give_up(self) -> None:
        """Terminate what never became a Node, as the autoscaler does: its order failed unheard."""
        standing = self.behind.standing()
        running = {name for key, name in standing.items() if self.behind.running(key)}
        there = view.members(self.plant.reconciler.fleet, staging.GROUP)
        if dead := [each for each in there if each.name not in running]:
            self._let_go(dead)

    def _fault(self) -> None:
        rule = dict(self.chance.choice(self.faults))
        rule["times"] = self.chance.randint(1, 3)
        self.log.append(f"{self.sky.now:.0f} fault {rule}")
        self.fake.fail(**rule)

    def _kill(self) -> None:
        self.log.append(f"{self.sky.now:.0f} server killed")
        self.kills += 1
        self.plant.reconciler.close(0.0)
        self.fake.faults.revive()
        self._start()

    def _kill_midway(self) -> None:
        """Let the server die at one of its next writes, before or after the cloud did it."""
        rule = {"after": self.chance.random() < 0.7, "skip": self.chance.randint(0, 2)}
        self.log.append(f"{self.sky.now:.0f} death awaits {rule}")
        self.fake.fail(faults.FaultKind.LOST, method=staging.WRITES, fatal=True, **rule)

    def _ours(self) -> list[str]:
        return sorted(key for key in self.behind.standing() if key not in self.strangers)

    def _vanish(self) -> None:
        if there := self._ours():
            self.behind.vanish(self.chance.choice(there))

    def _lock(self) -> None:
        if there := self._ours():
            self.behind.lock(self.chance.choice(there), self.chance.choice((10.0, 60.0)))

    def _change_stock(self) -> None:
        what = self.stage.machine_type, self.stage.location
        if self.chance.random() < 0.5:
            self.behind.sell_out(*what)
        else:
            self.behind.restock(*what)

    # -- time, and the laws ---------------------------------------------------------------------

    def _pump(self) -> float:
        self.plant.reconciler.pump()
        wake_at = self.plant.reconciler.pump()
        self._check()
        return wake_at

    def _pass(self, seconds: float) -> None:
        until = self.sky.now + seconds
        while self.sky.now < until:
            wake_at = self.sky.now
            try:
                wake_at = self._pump()
            except staging.KilledError:
                self._kill()
                self._check()
            self.sky.now = min(until, max(wake_at, self.sky.now + 0.5))

    def _target(self) -> int:
        return view.target(self.plant.reconciler.fleet, staging.GROUP)

    def _check(self) -> None:
        standing = self.behind.standing()
        names = collections.Counter(standing.values())
        assert max(names.values(), default=1) == 1, f"two of one name: {names.most_common(1)}"
        assert self.strangers <= set(standing), "a machine of somebody else was touched"
        members = {each.name for each in view.members(self.plant.reconciler.fleet, staging.GROUP)}
        assert not members & self.gone, "what was terminated came back"
        others = {standing[key] for key in self.strangers}
        assert not members & others, "a machine of somebody else was counted"
        running = {name for key, name in standing.items() if self.behind.running(key)}
        lost = (self.seen & running) - members - self.gone
        assert not lost, f"what runs was counted no more: {lost}"
        self.seen |= members & running

    def _rest(self) -> None:
        self.log.append(f"{self.sky.now:.0f} rest")
        self.behind.calm()
        self.behind.restock(self.stage.machine_type, self.stage.location)
        began = self.sky.now
        while self._restless() and self.sky.now < began + REST_S:
            self._pass(60.0)
            self._surviving(self._clear_failed)
            if self.sky.now > began + PROVISION_S:
                self._surviving(self._give_up)
        assert not self._restless(), f"no rest: {self._restless()}"
        made = collections.Counter(self.behind.made())
        assert max(made.values(), default=1) == 1, f"ordered twice: {made.most_common(1)}"

    def _restless(self) -> list[str]:
        now = self.plant.reconciler.fleet
        members = sorted(each.name for each in view.members(now, staging.GROUP))
        standing = self.behind.standing().items()
        there = sorted(name for key, name in standing if key not in self.strangers)
        wrong = [] if there == members else [f"cloud {there}, members {members}"]
        wrong += [f"in the air: {name}" for name in now.launches]
        wrong += [f"retired: {key}" for key in now.retired]
        wrong += [f"missing: {key}" for key in now.missing]
        return wrong


@dataclasses.dataclass(slots=True)
class Played:
    """What came of some histories that held the laws."""

    seeds: int = 0
    made: int = 0
    struck: int = 0
    kills: int = 0

    def sentence(self, provider: str) -> str:
        """Say it in a line."""
        return (
            f"{provider}: {self.seeds} fault histories held the laws, {self.made} machines made,"
            f" {self.struck} answers spoilt, {self.kills} servers killed"
        )


def play(
    stage: staging.Stage, folder: Path, *, seconds: float = 6.0, at_least: int = AT_LEAST
) -> Played:
    """Play history after history for so long; raises AssertionError at the first broken law."""
    began, played = time.monotonic(), Played()
    while played.seeds < at_least or time.monotonic() - began < seconds:
        history = History(stage, played.seeds, folder)
        try:
            history.play()
        except AssertionError as broken:
            log = "\n".join(history.log[-60:])
            raise AssertionError(
                f"{log}\n{stage.provider}, seed {played.seeds}: {broken}"
            ) from broken
        played.seeds += 1
        played.kills += history.kills
        played.struck += sum(each.fault is not None for each in history.fake.exchanges)
        played.made += len(history.behind.made())
    assert played.struck > played.seeds, "hardly anything went wrong"
    assert played.made > played.seeds, "hardly a machine was made"
    return played


class Histories:
    """Whole servers with a cloud that everything goes wrong at; add it to your test class.

    ``provider`` is the entry point's name; ``account_settings`` and ``group_settings`` are written
    as in the configuration file. The other names are those of
    :class:`providers.conformance.FakeContract`.
    """

    provider: ClassVar[str]
    cloud: ClassVar[type[contract.Provider]]
    machine_type: str
    location: str
    image: str
    account_settings: ClassVar[Mapping[str, Any]] = {}
    group_settings: ClassVar[Mapping[str, Any]] = {}

    def begin(self, *, token: str, clock: Callable[[], float]) -> behind.HistoryControls:
        """Make a fake, not started yet, that knows this token and this time, and its hooks."""
        raise NotImplementedError("begin() makes the fake of this cloud")

    def stage(self) -> staging.Stage:
        """Return what the histories of this cloud need."""
        return staging.Stage(
            provider=self.provider,
            cloud=self.cloud,
            begin=self.begin,
            machine_type=self.machine_type,
            location=self.location,
            image=self.image,
            account=self.account_settings,
            group=self.group_settings,
        )

    def test_histories_with_faults_and_kills_hold_the_laws(
        self,
        tmp_path: Path,
        capsys: Any,  # noqa: ANN401 - pytest's, and this module needs no pytest
    ) -> None:
        """For CLOUD_HISTORIES_S seconds, 6 where it is not set, and three histories at least."""
        seconds = float(os.environ.get("CLOUD_HISTORIES_S", "6"))
        played = play(self.stage(), tmp_path, seconds=seconds)
        with capsys.disabled():
            sys.stdout.write(f"\n{played.sentence(self.provider)}\n")
