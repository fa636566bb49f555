"""What was learned of a pod and of the groups it could go to: plain values, for the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.diagnosis.findings import Unseen
from externalgrpc.diagnosis.pods import autoscaler, matching, terms, wanted
from externalgrpc.pb import fleet_pb2 as pb


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim of a pod. ``trouble`` is what keeps the pod from any node.

    ``fits`` are the terms that bind it to places; None where it is bound to none.
    """

    name: str
    trouble: str = ""
    fits: tuple[terms.Term, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was asked for. ``now`` is Unix time.

    ``shown`` is None where the server was not to be had; ``templates`` lacks the groups of which
    it gave none. ``status`` is None where the autoscaler's words were not found.
    """

    pod: wanted.Pod
    now: float
    shown: pb.ShowResponse | None = None
    templates: Mapping[str, matching.Node] = dataclasses.field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    status: autoscaler.Status | None = None
    status_in: str = ""
    events: tuple[autoscaler.Event, ...] = ()
    not_looked_at: tuple[Unseen, ...] = ()
