"""Reckon how many balloons a group needs: pure arithmetic in millicores and bytes.

A balloon is room for a pod that is not there: the autoscaler keeps as much capacity as if it were.
With U cores in use, R cores requested by real pods and a target t, the capacity that keeps the use
at the target is U / t; R of it is there by the pods' own requests, and the rest is

    balloons = ceil(max(0, U / t - R) / balloon)

Neither U nor R depends on how many machines there are, so balloons do not beget balloons.
"""

from __future__ import annotations

import dataclasses
from typing import Final

QUARTERS: Final = 4
"""So many balloons fit on an empty machine, unless a reserve of whole machines is asked for."""

WHOLE_TENTHS: Final = 9
"""What a balloon of a whole machine takes of it: no second one fits beside it."""

SHARE_PERCENT: Final = 50
"""For the target of CPU use at most this part of the largest size is balloons: metrics may lie."""

_STEP_MILLIS: Final = 50
_LEAST_MILLIS: Final = 50
_LEAST_BYTES: Final = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Some CPU in millicores and memory in bytes."""

    cpu_millis: int = 0
    memory_bytes: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balloon:
    """One balloon's requests, and how many fit on an empty machine of the group.

    ``memory_bytes`` is 0 where only CPU is kept free.
    """

    cpu_millis: int
    memory_bytes: int = 0
    a_machine: int = QUARTERS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """CPU in use on a group's machines, and requested by their real pods, in millicores."""

    used_millis: int
    requested_millis: int


def balloon(
    machine: Amount, daemons: Amount, *, whole: bool = False, memory: bool = False
) -> Balloon | None:
    """Shape a group's balloon: a quarter of what an empty machine gives to pods, or nearly all.

    ``machine`` is what a machine gives, ``daemons`` what DaemonSets take of it; a balloon that
    was larger than the rest would fit nowhere, for ever. So a whole one leaves a tenth for
    DaemonSets that nobody has seen yet. None where nothing is left.
    """
    parts, tenths = (1, WHOLE_TENTHS) if whole else (QUARTERS, 10)
    free_millis = (machine.cpu_millis - daemons.cpu_millis) * tenths // (10 * parts)
    cpu_millis = free_millis // _STEP_MILLIS * _STEP_MILLIS
    memory_bytes = (machine.memory_bytes - daemons.memory_bytes) * tenths // (10 * parts)
    memory_bytes = memory_bytes // _LEAST_BYTES * _LEAST_BYTES
    if cpu_millis < _LEAST_MILLIS or (memory and memory_bytes < _LEAST_BYTES):
        return None
    return Balloon(
        cpu_millis=cpu_millis, memory_bytes=memory_bytes if memory else 0, a_machine=parts
    )


def for_target(load: Load, *, target_percent: int, balloon_millis: int) -> int:
    """Return the balloons that keep the use of CPU at the target or below it."""
    lacking = load.used_millis * 100 - load.requested_millis * target_percent
    return max(0, _ceil(lacking, target_percent * balloon_millis))


def for_reserve(of: Balloon, *, machines: int = 0, cpu_millis: int = 0) -> int:
    """Return the balloons of a fixed reserve, so many machines or so much CPU."""
    return machines * of.a_machine + _ceil(cpu_millis, of.cpu_millis)


def most(of: Balloon, *, max_size: int, own_millis: int) -> int:
    """Return how many balloons the largest size of a group has room for beside its pods."""
    return max(0, max_size * of.a_machine - _ceil(own_millis, of.cpu_millis))


def share(of: Balloon, *, max_size: int) -> int:
    """Return how many balloons a target of CPU use may make at most, whatever the metrics say."""
    return _ceil(max_size * of.a_machine * SHARE_PERCENT, 100)


def _ceil(amount: int, by: int) -> int:
    return -(-amount // by)
