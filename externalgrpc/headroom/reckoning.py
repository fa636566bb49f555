"""Reckon one group's balloons from what was seen, and say what became of it: pure."""

from __future__ import annotations

import dataclasses

from externalgrpc.headroom import loads, pacing, sentences, sight, wanted
from externalgrpc.headroom.status import Reason, Status
from externalgrpc.model import groups


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """The level to go on from, and how the group is; ``status.balloons`` are to be there."""

    level: pacing.Level
    status: Status


def reckon(
    group: groups.NodeGroup,
    of: wanted.Balloon,
    ready: sight.Ready | sight.Gap,
    seen: sight.Sight,
    level: pacing.Level,
    *,
    now: float,
    pace: pacing.Pace,
) -> Reckoned:
    """Reckon a group: the target's balloons and the reserve share the room, the more counts."""
    gap, there = seen.requests_gap, sight.Ready()
    if isinstance(ready, sight.Gap):
        gap = ready
    else:
        there = ready
    if gap is None and group.target_cpu:
        gap = seen.usage_gap
    carried = loads.seen(there.names, seen.requested, seen.samples)
    known = gap is None or gap.reason is Reason.NO_METRICS
    most = wanted.most(of, max_size=group.max_size, own_millis=carried.own_millis if known else 0)
    reserve = wanted.for_reserve(
        of, machines=group.headroom.machines, cpu_millis=group.headroom.cpu_millis
    )
    most_aimed = min(most, wanted.share(of, max_size=group.max_size))
    aimed = 0
    if group.target_cpu:
        reading = _reading(group.target_cpu, of, carried, gap, now)
        aimed = reading.wanted or 0
        level = pacing.after(
            level,
            reading,
            most=most_aimed,
            step=max(of.a_machine, carried.nodes * of.a_machine // 2),
            pace=dataclasses.replace(pace, lower_after_s=group.headroom.lower_after_s),
        )
    else:
        level = pacing.Level()
    status = sentences.reckoned(
        group,
        of,
        carried,
        gap=gap,
        unmeasured=tuple(name for name in carried.unmeasured if name not in there.young),
        count=min(max(level.balloons, reserve), most),
        bounded=aimed > most_aimed or reserve > most,
        let_go=not level.held(now, pace),
    )
    return Reckoned(level=level, status=status)


def _reading(
    target_percent: int,
    of: wanted.Balloon,
    carried: loads.Seen,
    gap: sight.Gap | None,
    now: float,
) -> pacing.Reading:
    """Make of what was seen what is wanted; nodes of which none was measured say nothing."""
    if gap is not None or (carried.unmeasured and len(carried.unmeasured) == carried.nodes):
        return pacing.Reading(at=now, wanted=None, complete=False)
    return pacing.Reading(
        at=now,
        wanted=wanted.for_target(
            carried.load, target_percent=target_percent, balloon_millis=of.cpu_millis
        ),
        complete=not carried.unmeasured,
    )
