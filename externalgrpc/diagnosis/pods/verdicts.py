"""Judge each group for a pod: would its next node take the pod, and what keeps it from coming.

Pure: the same facts, the same verdicts.
"""

from __future__ import annotations

import dataclasses

from externalgrpc.diagnosis.facts import scaled
from externalgrpc.diagnosis.pods import autoscaler, matching
from externalgrpc.diagnosis.pods.seen import Seen
from externalgrpc.pb import fleet_pb2 as pb


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What there is to say of a group. ``fits`` is None where its template is not known.

    ``code``, ``sentence`` and ``cure`` are the server's: the first thing that keeps a node of the
    group from coming. ``size`` is its machines and bounds. ``autoscaler`` is what Cluster
    Autoscaler says of it.
    """

    group: str
    fits: bool | None
    misfits: tuple[matching.Misfit, ...] = ()
    code: str = ""
    sentence: str = ""
    cure: str = ""
    size: str = ""
    autoscaler: str = ""

    @property
    def open(self) -> bool:
        """Return whether nothing that is known keeps a node for the pod from being asked for."""
        return self.fits is True and self.code == "NotAsked" and not self.autoscaler


def judge(seen: Seen) -> tuple[Verdict, ...]:
    """Judge every group that is shown: first those that fit, then those of which it is unknown."""
    if seen.shown is None:
        return ()
    made = [_verdict(seen, each) for each in scaled(seen.shown)]
    order = {True: 0, None: 1, False: 2}
    return tuple(sorted(made, key=lambda each: (order[each.fits], each.group)))


def _verdict(seen: Seen, group: pb.Group) -> Verdict:
    node = seen.templates.get(group.id)
    volumes = {each.name: each.fits for each in seen.claims if each.fits is not None}
    misfits = matching.misfits(seen.pod.needs, node, volumes) if node is not None else ()
    why = group.why
    return Verdict(
        group=group.id,
        fits=None if node is None else not misfits,
        misfits=misfits,
        code=why.code or "Unsaid",
        sentence=why.sentence or "The server does not say why, for it is older than this command.",
        cure=why.cure,
        size=f"{group.target} machines of {group.min}..{group.max}",
        autoscaler=_words(seen.status, group.id),
    )


def _words(status: autoscaler.Status | None, group: str) -> str:
    """Return what the autoscaler has against a group; "" for nothing, or where it says nothing."""
    if status is None or status.state != "Running":
        return ""
    known = status.groups.get(group)
    if known is None:
        return "does not list the group"
    if known.scale_up == "Backoff":
        return f"backs off from the group ({known.backoff})"
    if known.health and known.health != "Healthy":
        return f"calls the group {known.health}, and lets it grow no more"
    return ""
