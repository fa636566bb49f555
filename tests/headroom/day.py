"""A day of a pool in numbers: its load, an autoscaler that goes by requests, and our balloons.

Pods request 250m and use what the load gives them; somebody (an HPA on requests per second) keeps
one pod for each 500m of load. So pods pack twice as tight as they use. The autoscaler keeps as
many machines as requests and balloons need; what is spread over machines is spread evenly.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

from externalgrpc.headroom import pacing, wanted

ROUND_S = 15
DAY_S = 24 * 3600
CORES = 4
MOST = 20
TARGET_PERCENT = 70
POD_MILLIS = 250
POD_USES_MILLIS = 500
DAEMONS_MILLIS = 200
MACHINE_S = 120
"""From the wish to a ready node."""
UNNEEDED_S = 600


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """One round: cores of load and of use, machines, balloons, pods that wait; use in percent."""

    at_s: int
    load_millis: int
    used_millis: int
    machines: int
    balloons: int
    waiting: int

    @property
    def percent(self) -> float:
        return 100 * self.used_millis / (self.machines * CORES * 1000)

    @property
    def starved(self) -> bool:
        return self.load_millis > self.used_millis


def load_millis(at_s: int, chance: random.Random) -> int:
    """Return the load: quiet at night, two humps by day, a crowd within minutes at 20:00."""
    hour = at_s / 3600
    day = 9.0 * math.exp(-(((hour - 11) / 2.5) ** 2)) + 11.0 * math.exp(-(((hour - 16) / 3) ** 2))
    crowd = 4.0 * (math.tanh((hour - 20) * 20) - math.tanh((hour - 21.5) * 10))
    return round(1000 * (2.0 + day + crowd) * chance.uniform(0.94, 1.06))


class Pool:
    """Machines as an autoscaler keeps them that sees requests alone."""

    def __init__(self) -> None:
        self.machines = 1
        self._arrives: list[int] = []
        self._enough_since: int | None = None

    def turn(self, at_s: int, requested_millis: int) -> None:
        """Make a loop: what was ordered arrives, what lacks is ordered, what idles goes."""
        self.machines += sum(each <= at_s for each in self._arrives)
        self._arrives = [each for each in self._arrives if each > at_s]
        need = max(1, math.ceil(requested_millis / (CORES * 1000 - DAEMONS_MILLIS)))
        coming = self.machines + len(self._arrives)
        self._arrives += [at_s + MACHINE_S] * (min(need, MOST) - coming)
        if need >= self.machines:
            self._enough_since = None
        elif self._enough_since is None:
            self._enough_since = at_s
        elif at_s - self._enough_since >= UNNEEDED_S:
            self.machines -= 1
            self._enough_since = at_s - UNNEEDED_S + 60


def day(*, balloons: bool, seed: int = 7) -> list[Moment]:
    """Live a day, with balloons or without."""
    chance = random.Random(seed)
    pool = Pool()
    machine = wanted.Amount(cpu_millis=CORES * 1000)
    of = wanted.balloon(machine, wanted.Amount(cpu_millis=DAEMONS_MILLIS))
    assert of is not None
    level = pacing.Level()
    found = []
    for at_s in range(0, DAY_S, ROUND_S):
        load = load_millis(at_s, chance)
        pods = math.ceil(load / POD_USES_MILLIS)
        fit = pool.machines * ((CORES * 1000 - DAEMONS_MILLIS) // POD_MILLIS)
        bound = min(pods, fit)
        used = min(load * bound // pods, pool.machines * CORES * 1000)
        own = bound * POD_MILLIS
        if balloons:
            seen = wanted.Load(
                used_millis=used, requested_millis=own + pool.machines * DAEMONS_MILLIS
            )
            count = wanted.for_target(
                seen, target_percent=TARGET_PERCENT, balloon_millis=of.cpu_millis
            )
            level = pacing.after(
                level,
                pacing.Reading(at=at_s, wanted=min(count, wanted.share(of, max_size=MOST))),
                most=wanted.most(of, max_size=MOST, own_millis=own),
                step=max(of.a_machine, pool.machines * of.a_machine // 2),
                pace=pacing.Pace(),
            )
        found.append(Moment(at_s, load, used, pool.machines, level.balloons, pods - bound))
        pool.turn(at_s, pods * POD_MILLIS + level.balloons * of.cpu_millis)
    return found


def machine_hours(moments: list[Moment]) -> float:
    return sum(each.machines for each in moments) * ROUND_S / 3600


def starved_minutes(moments: list[Moment]) -> float:
    """Give for how long the load was more than the machines or the pods could do."""
    return sum(each.starved for each in moments) * ROUND_S / 60


def changes(moments: list[Moment], what: str) -> int:
    values = [getattr(each, what) for each in moments]
    return sum(a != b for a, b in itertools.pairwise(values))


def minutes_above(moments: list[Moment], percent: int) -> float:
    return sum(each.percent > percent for each in moments) * ROUND_S / 60


def waiting_minutes(moments: list[Moment]) -> float:
    """Add up for how long pods waited for a machine."""
    return sum(each.waiting for each in moments) * ROUND_S / 60
