"""Answer why a pod has no node: findings for one screen, and the same as JSON.

Pure. What stands first decides: a pod that has a node, or that nobody tries to place, is not
measured by groups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from externalgrpc.diagnosis.findings import Finding, Severity, age, names, plain_finding, warning
from externalgrpc.diagnosis.pods import matching, verdicts, wanted
from externalgrpc.diagnosis.pods.seen import Seen
from externalgrpc.diagnosis.pods.verdicts import Verdict

MOST_ROWS: Final = 8
"""So many rows about groups fit on a screen beside the rest; JSON has them all."""

_COMING: Final = ("OnTheWay", "Settling")
"""What the server says of a group of which machines were asked for."""

OLD_S: Final = 180.0
"""The autoscaler writes its status in every loop, every ten seconds; older than this it is dead."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What there is to say of a pod, in order; and of each group."""

    seen: Seen
    findings: tuple[Finding, ...]
    groups: tuple[Verdict, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether all was seen that there is to see of a pod without node."""
        return not any(each.failed for each in self.seen.not_looked_at)


def answer(seen: Seen) -> Answer:
    """Answer why a pod has no node, or say where it is."""
    placed = _placed(seen)
    if placed is not None:
        return Answer(seen=dataclasses.replace(seen, not_looked_at=()), findings=(placed,))
    groups = verdicts.judge(seen)
    found = (
        _head(seen, groups),
        *_hurdles(seen),
        *_rows(groups),
        *_autoscaler(seen),
        *_events(seen),
        *_unjudged(seen),
    )
    return Answer(seen=seen, findings=tuple(found), groups=groups)


def plain(made: Answer) -> dict[str, Any]:
    """Turn an answer into what JSON can hold; amounts are CPU in millicores, else in units."""
    seen = made.seen
    pod, status = seen.pod, seen.status
    return {
        "pod": {
            "namespace": pod.namespace,
            "name": pod.name,
            "phase": pod.phase,
            "nodeName": pod.node,
            "unschedulable": pod.unschedulable,
            "requests": dict(pod.needs.requests),
        },
        "findings": [plain_finding(each) for each in made.findings],
        "groups": [
            {
                "name": each.group,
                "fits": each.fits,
                "misfits": [dataclasses.asdict(miss) for miss in each.misfits],
                "code": each.code,
                "sentence": each.sentence,
                "cure": each.cure,
                "autoscaler": each.autoscaler,
            }
            for each in made.groups
        ],
        "autoscaler": status
        and {
            "namespace": seen.status_in,
            "ageSeconds": _age(seen, status.written_at),
            "state": status.state,
            "health": status.health,
            "scaleUp": status.scale_up,
        },
        "events": [
            {
                "reason": each.reason,
                "message": each.message,
                "source": each.source,
                "ageSeconds": _age(seen, each.at),
            }
            for each in seen.events
        ],
        "notLookedAt": [dataclasses.asdict(each) for each in seen.not_looked_at],
    }


def _age(seen: Seen, at: float | None) -> float | None:
    return None if at is None else round(max(0.0, seen.now - at), 1)


def _subject(pod: wanted.Pod) -> str:
    return f"pod {pod.full_name}"


def _placed(seen: Seen) -> Finding | None:
    """Say of a pod that waits for no node why that is."""
    pod = seen.pod
    if pod.over:
        what = f"It came to its end: {pod.phase}. It needs no node any more."
    elif pod.node:
        what = f"It has a node: {pod.node}{_whose(seen)}."
        if pod.phase == "Pending":
            what += " Its containers do not run yet; kubectl describe pod says why."
    elif pod.deleting:
        what = "It is being deleted, and gets no node any more."
    else:
        return None
    return Finding(severity=Severity.FINE, subject=_subject(pod), what=what)


def _whose(seen: Seen) -> str:
    for each in seen.shown.machines if seen.shown is not None else ():
        if each.name == seen.pod.node and each.group:
            return f", a machine of group {each.group}"
    return ""


def _head(seen: Seen, groups: tuple[Verdict, ...]) -> Finding:
    """Return the answer in one sentence."""
    fitting = [each for each in groups if each.fits]
    coming = [each for each in fitting if each.code in _COMING]
    unknown = [each for each in groups if each.fits is None]
    severity, cure = Severity.WARNING, ""
    if seen.shown is None:
        what = "It has no node, and whether a group would take it is not known: no server answered."
        cure = "Say by --address where the server listens."
    elif not groups:
        what = "It has no node, and the server has no group."
    elif not fitting and unknown:
        what = "It has no node, and no group is known whose next node would take it."
    elif not fitting:
        what = "It has no node, and the next node of no group would take it."
        cure = "Change what the pod asks, or give a group what it lacks; the rows below say what."
    elif coming:
        severity = Severity.NOTE
        what = f"A node of {_named(coming)} would take it, was asked for, and is on the way."
    elif any(each.open for each in fitting):
        its = [each for each in fitting if each.open]
        what = (
            f"It has no node. A node of {_named(its)} would take it and may be ordered, and the "
            "autoscaler asks for none."
        )
        cure = "See what the autoscaler says; it may need a loop or two (10 s each)."
    else:
        what = (
            f"It has no node. A node of {_named(fitting)} would take it, and none can come for now."
        )
    return Finding(
        severity=severity, subject=_subject(seen.pod), what=what, why=_asks(seen.pod), cure=cure
    )


def _named(groups: list[Verdict]) -> str:
    return names(each.group for each in groups)


def _asks(pod: wanted.Pod) -> str:
    asked = [
        f"{name} {matching.written(name, value)}"
        for name, value in pod.needs.requests.items()
        if value and name != "pods"
    ]
    return f"It requests {', '.join(asked)}." if asked else "It requests nothing of any resource."


def _hurdles(seen: Seen) -> Iterator[Finding]:
    """Say what keeps scheduler or autoscaler from looking for a node, whatever the groups."""
    pod = seen.pod
    subject = _subject(pod)
    if pod.gates:
        yield warning(
            subject,
            f"It is gated ({names(pod.gates)}): nobody looks for a node until that is lifted.",
            "",
            "Who set spec.schedulingGates takes them off.",
        )
    elif not pod.judged:
        yield warning(
            subject,
            f"Its scheduler, {pod.scheduler}, has not called it unschedulable.",
            "The autoscaler acts only for pods that the scheduler could not place.",
            "Wait a moment; else see whether that scheduler runs.",
        )
    if pod.daemon:
        yield warning(
            subject,
            "A DaemonSet owns it: the autoscaler orders no node for such a pod.",
            "It belongs to one Node that is there already.",
            "See why that Node does not take it: kubectl describe pod.",
        )
    if pod.priority < wanted.EXPENDABLE:
        yield warning(
            subject,
            f"Its priority is {pod.priority}: the autoscaler orders no node for a pod below "
            f"{wanted.EXPENDABLE}.",
            "",
            "Give it a higher PriorityClass, or change --expendable-pods-priority-cutoff.",
        )
    for each in seen.claims:
        if each.trouble:
            what = f"{each.trouble[0].upper()}{each.trouble[1:]}."
            yield warning(subject, what, "", "See kubectl describe pvc.")
    if pod.nominated:
        what = f"It waits for other pods to leave Node {pod.nominated}, which it has been given."
        yield Finding(severity=Severity.NOTE, subject=subject, what=what)


def _rows(groups: tuple[Verdict, ...]) -> Iterator[Finding]:
    """Say of each group what there is; groups of one reason share a row."""
    rows: dict[tuple[object, ...], list[Verdict]] = {}
    for each in groups:
        same = (each.fits, each.misfits) if each.fits is False else (each.group,)
        rows.setdefault(same, []).append(each)
    for alike in list(rows.values())[:MOST_ROWS]:
        yield _row(alike)
    more = sum(len(each) for each in list(rows.values())[MOST_ROWS:])
    if more:
        yield Finding(
            severity=Severity.NOTE,
            subject="groups",
            what=f"There are {more} more, which are not shown here.",
            cure="-o json has them all.",
        )


def _row(alike: list[Verdict]) -> Finding:
    first = alike[0]
    subject = f"group {_named(alike)}" if len(alike) == 1 else f"groups {_named(alike)}"
    if first.fits is False:
        misses = "; ".join(each.sentence for each in first.misfits)
        return Finding(severity=Severity.NOTE, subject=subject, what=f"Does not fit: {misses}.")
    said = (
        "The pod fits." if first.fits else "Whether the pod fits is not known: it has no template."
    )
    words = f" The autoscaler {first.autoscaler}." if first.autoscaler else ""
    return Finding(
        severity=Severity.NOTE if first.code in _COMING else Severity.WARNING,
        subject=subject,
        what=f"{said} {first.sentence}{words}",
        why=f"{first.size}; code {first.code}.",
        cure=first.cure,
    )


def _autoscaler(seen: Seen) -> Iterator[Finding]:
    """Give what the autoscaler says of itself."""
    status = seen.status
    if status is None:
        return
    subject = "autoscaler"
    since = _age(seen, status.written_at)
    if since is None or since > OLD_S:
        old = "" if since is None else f" {age(since)} ago"
        yield warning(
            subject,
            f"It wrote its status last{old or ', but it does not say when'}: does it run?",
            f"ConfigMap cluster-autoscaler-status in {seen.status_in}.",
            "See its pod and its log; nothing is ordered without it.",
        )
        return
    words = [f"Its state is {status.state}"]
    words += [f"it calls the cluster {status.health}"] if status.health else []
    words += [f"growth: {status.scale_up}"] if status.scale_up else []
    well = status.state == "Running" and status.health in ("", "Healthy")
    yield Finding(
        severity=Severity.FINE if well else Severity.WARNING,
        subject=subject,
        what=f"{', '.join(words)}; written {age(since)} ago.",
    )


def _events(seen: Seen) -> Iterator[Finding]:
    """Give what was said of the pod. Events last an hour, the scheduler's condition stays."""
    if seen.pod.unschedulable and all(each.reason != "FailedScheduling" for each in seen.events):
        what = seen.pod.unschedulable
        yield Finding(severity=Severity.NOTE, subject="scheduler", what=what)
    for each in seen.events:
        since = _age(seen, each.at)
        when = f" ({age(since)} ago)" if since is not None else ""
        yield Finding(
            severity=Severity.NOTE,
            subject=f"event {each.reason}",
            what=f"{each.message}{when}",
            why=f"from {each.source}" if each.source else "",
        )


def _unjudged(seen: Seen) -> Iterator[Finding]:
    if seen.pod.unjudged:
        yield Finding(
            severity=Severity.NOTE,
            subject=_subject(seen.pod),
            what=f"It also has {', '.join(seen.pod.unjudged)}, which are not judged here.",
            why="Only the autoscaler's and the scheduler's own words speak of them.",
        )
    for each in seen.not_looked_at:
        yield warning("not looked at", each.what, f"{each.because}.", "")
