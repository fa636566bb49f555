"""Say what a group's room is, in sentences with their cures: pure."""

from __future__ import annotations

import dataclasses

from externalgrpc.headroom import choice, loads, sight, wanted
from externalgrpc.headroom.status import By, Reason, Status
from externalgrpc.kube import errors
from externalgrpc.model import groups, quantity

_FILES = {By.BUFFER: "deploy/headroom.yaml", By.PODS: "deploy/headroom-pods.yaml"}


def reckoned(
    group: groups.NodeGroup,
    of: wanted.Balloon,
    carried: loads.Seen,
    *,
    gap: sight.Gap | None,
    unmeasured: tuple[str, ...],
    count: int,
    bounded: bool,
    let_go: bool,
) -> Status:
    """Return what was reckoned, and what could not be seen: ``unmeasured`` should have been."""
    status = Status(
        reason=Reason.ON_TARGET,
        message=_measured(group, carried) + _sum(group, of, count),
        balloons=count,
        balloon_millis=of.cpu_millis,
        used_millis=None if gap is not None else carried.load.used_millis,
        requested_millis=None if gap is not None else carried.load.requested_millis,
        target_percent=group.target_cpu or 0,
        measured=_measured(group, carried),
    )
    verb = "is" if count == 1 else "are"
    state = "left" if let_go and group.target_cpu else "held"
    what = f"{_balloons(count, of)} {verb} {state}"
    if gap is not None:
        return _as(status, gap.reason, f"{gap.message}: {what}")
    if group.target_cpu and unmeasured:
        rest = len(unmeasured) - 1
        which = unmeasured[0] + (f" and {rest} more" if rest else "")
        nothing = len(carried.unmeasured) == carried.nodes
        reason = Reason.NO_METRICS if nothing else Reason.SOME_METRICS
        return _as(status, reason, f"CPU use of {which} is not known: {what}")
    if bounded:
        cure = f"raise maxSize ({group.max_size}), or the target, or lower headroom"
        return _as(status, Reason.AT_MAXIMUM, f"{status.message}, and more is wanted: {cure}")
    return status


def unknown(gap: sight.Gap | None, balloons: int) -> Status:
    """Say that nothing can be reckoned yet, so that nothing is changed."""
    if gap is None:
        return Status(reason=Reason.STARTING, balloons=balloons)
    return Status(reason=gap.reason, message=gap.message, balloons=balloons)


def no_machine(balloons: int) -> Status:
    """Say that no balloon's size is known."""
    return Status(
        reason=Reason.NO_MACHINE,
        message="what a machine of the group leaves to pods is not known, or nothing: see "
        "vps-autoscaler ls --wide",
        balloons=balloons,
    )


def denied(status: Status, error: errors.Denied, chosen: choice.Choice) -> Status:
    """Say that we may not write what was chosen."""
    if chosen.by is By.PODS:
        message = f"{chosen.why}; or let us make pods instead: kubectl apply -f {_FILES[By.PODS]}"
        return _as(status, Reason.NOT_SERVED, f"{message} ({error})")
    return _as(
        status, Reason.REFUSED, f"we may not: kubectl apply -f {_FILES[By.BUFFER]} ({error})"
    )


def refused(status: Status, error: errors.KubeError) -> Status:
    """Say that the API server does not take what was written; it is tried again."""
    return _as(status, Reason.REFUSED, f"the API server does not take it: {error}")


def unread(before: Status, error: errors.KubeError) -> Status:
    """Say that what there is cannot be read, so that nothing is changed."""
    if isinstance(error, errors.Denied):
        return _as(
            before, Reason.REFUSED, f"we may not: kubectl apply -f {_FILES[By.BUFFER]} ({error})"
        )
    return _as(before, Reason.REFUSED, f"our balloons cannot be read, and stay: {error}")


def no_pods(status: Status, why: str) -> Status:
    """Say that the Deployment's pods cannot be made."""
    cure = f"kubectl apply -f {_FILES[By.PODS]}"
    return _as(status, Reason.REFUSED, f"pods of the Deployment cannot be made: {why}: {cure}")


def not_taken(status: Status, why: str) -> Status:
    """Return what the autoscaler has against our buffer."""
    return _as(status, Reason.REFUSED, f"the autoscaler does not take the CapacityBuffer: {why}")


def waiting(status: Status) -> Status:
    """Say that no autoscaler has answered to the buffer yet, unless worse is to be said."""
    if status.reason is not Reason.ON_TARGET:
        return status
    message = f"{status.message}; the autoscaler has not taken it up yet"
    return _as(status, Reason.STARTING, message)


def _measured(group: groups.NodeGroup, carried: loads.Seen) -> str:
    if not group.target_cpu:
        return ""
    load = carried.load
    return (
        f"{load.used_millis / 1000:.2f} cores in use and {load.requested_millis / 1000:.2f} "
        f"requested on {carried.nodes} nodes: "
    )


def _sum(group: groups.NodeGroup, of: wanted.Balloon, count: int) -> str:
    kept = _balloons(count, of)
    return f"{kept} for {group.target_cpu} %" if group.target_cpu else f"{kept} in reserve"


def _balloons(count: int, of: wanted.Balloon) -> str:
    return f"{count} balloon{'' if count == 1 else 's'} of {quantity.of_millis(of.cpu_millis)} cpu"


def _as(status: Status, reason: Reason, message: str) -> Status:
    return dataclasses.replace(status, reason=reason, message=message)
