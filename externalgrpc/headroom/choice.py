"""Choose what balloons are made with, by what the cluster shows: pure.

A CapacityBuffer costs no pods and is the autoscaler's own. It is of use where the cluster has the
kind, and an autoscaler that takes it up: that shows in what it writes into a buffer's status. Where
neither is seen for a while, pods that pause do the same with every release.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.headroom.status import By
from externalgrpc.kube import api, pods
from externalgrpc.model import loose

PATIENCE_S = 180.0
"""An autoscaler that is there takes up a buffer within one of its loops; it may be restarting."""


ANSWER_S = 60.0
"""A change of a buffer is answered to within some loops."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A CapacityBuffer of ours as it was read; ``message`` is what its autoscaler says against it.

    ``served`` is what its autoscaler made of it: so many balloons; None where none has looked.
    ``injected`` says that its autoscaler's loop has looked at it, and not its controller alone.
    """

    name: str
    group: str
    replicas: int
    served: int | None = None
    injected: bool = False
    limited: bool = False
    message: str = ""

    @property
    def taken_up(self) -> bool:
        """Return whether an autoscaler has answered to what the buffer says now."""
        if self.served is None or not self.injected:
            return False
        return self.limited or self.served == self.replicas


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What balloons are made with, and why, in words.

    ``waiting_since`` is the instant since which no buffer was taken up; None while one is.
    ``served_at`` is when one last was.
    """

    by: By = By.BUFFER
    why: str = ""
    waiting_since: float | None = None
    served_at: float | None = None

    def waits(self, now: float) -> bool:
        """Return whether an autoscaler is waited for longer than one takes to answer a change."""
        if self.waiting_since is None:
            return False
        return self.served_at is None or now - self.served_at > ANSWER_S


def resumed(*, deployments: bool) -> Choice:
    """Go on from what a process before us chose: it left pods, or did not."""
    return Choice(by=By.PODS, why="pods were found") if deployments else Choice()


def choose(before: Choice, buffers: Mapping[str, Buffer] | None, *, now: float) -> Choice:
    """Choose by the buffers that are there; None: the cluster has no such kind."""
    if buffers is None:
        why = "the cluster has no CapacityBuffer (autoscaling.x-k8s.io/v1beta1)"
        return Choice(by=By.PODS, why=why)
    if any(each.taken_up for each in buffers.values()):
        return Choice(by=By.BUFFER, why="the autoscaler takes up CapacityBuffers", served_at=now)
    if not buffers:
        return before
    since = now if before.waiting_since is None else before.waiting_since
    if now - since < PATIENCE_S:
        return dataclasses.replace(before, waiting_since=since)
    why = (
        "no autoscaler takes up our CapacityBuffers: it needs 1.35 or newer, "
        "--capacity-buffer-controller-enabled and --capacity-buffer-pod-injection-enabled, "
        "and as 1.35 --kube-api-content-type=application/json"
    )
    return Choice(by=By.PODS, why=why, waiting_since=since, served_at=before.served_at)


def read(obj: api.Object) -> Buffer | None:
    """Read a CapacityBuffer; None for what has no name."""
    about, spec, status = (loose.mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    name, replicas, served = about.get("name"), spec.get("replicas"), status.get("replicas")
    if not isinstance(name, str):
        return None
    found = status.get("conditions")
    conditions = {
        str(each.get("type")): each
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict)
    }
    ready = conditions.get("ReadyForProvisioning", {})
    bad = ready.get("status") == "False"
    return Buffer(
        name=name,
        group=str(loose.mapping(about.get("labels")).get(pods.BALLOON) or ""),
        replicas=replicas if isinstance(replicas, int) else 0,
        served=(served if isinstance(served, int) else 0) if ready else None,
        injected="Provisioning" in conditions,
        limited=conditions.get("LimitedByQuotas", {}).get("status") == "True",
        message=str(ready.get("message") or "it says no more") if bad else "",
    )
