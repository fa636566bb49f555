"""Read what a pod asks of its node, out of an API server's JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from externalgrpc.diagnosis.pods import terms
from externalgrpc.kube import api, pods
from externalgrpc.model import loose

EXPENDABLE: Final = -10
"""Cluster Autoscaler passes over pods below it (--expendable-pods-priority-cutoff)."""

_DEFAULT: Final = "default-scheduler"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """What a pod does not mind; an empty key or effect stands for every one."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a pod asks of a node. ``requests``: CPU in millicores, all else in units.

    ``affinity`` is None where no node affinity is required; empty, it fits nothing.
    """

    requests: Mapping[str, int] = dataclasses.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    affinity: tuple[terms.Term, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, and how far it is. ``claims`` are its PersistentVolumeClaims, in its namespace.

    ``unjudged`` names what it asks besides, of which only the autoscaler's own words speak.
    """

    namespace: str
    name: str
    uid: str
    needs: Needs
    node: str = ""
    phase: str = ""
    nominated: str = ""
    scheduler: str = _DEFAULT
    priority: int = 0
    gates: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    daemon: bool = False
    deleting: bool = False
    unschedulable: str = ""
    judged: bool = False

    @property
    def full_name(self) -> str:
        """Give namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def over(self) -> bool:
        """Return whether it came to its end."""
        return self.phase in ("Succeeded", "Failed")


def read(obj: api.Object) -> Pod:
    """Read a pod; what makes no sense counts as not said."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    status = loose.mapping(obj.get("status"))
    condition = next(
        (
            each
            for each in loose.sequence(status.get("conditions"))
            if each.get("type") == "PodScheduled"
        ),
        {},
    )
    priority = spec.get("priority")
    owners = loose.sequence(about.get("ownerReferences"))
    name = loose.text(about.get("name"))
    return Pod(
        namespace=loose.text(about.get("namespace")),
        name=name,
        uid=loose.text(about.get("uid")),
        needs=needs(spec),
        node=loose.text(spec.get("nodeName")),
        phase=loose.text(status.get("phase")),
        nominated=loose.text(status.get("nominatedNodeName")),
        scheduler=loose.text(spec.get("schedulerName")) or _DEFAULT,
        priority=priority if isinstance(priority, int) else 0,
        gates=tuple(
            loose.text(each.get("name")) for each in loose.sequence(spec.get("schedulingGates"))
        ),
        claims=_claims(spec, name),
        unjudged=_unjudged(spec),
        daemon=any(each.get("kind") == "DaemonSet" for each in owners),
        deleting=bool(about.get("deletionTimestamp")),
        unschedulable=loose.text(condition.get("message"))
        if condition.get("reason") == "Unschedulable"
        else "",
        judged=condition.get("status") == "False" and condition.get("reason") == "Unschedulable",
    )


def needs(spec: Mapping[str, object]) -> Needs:
    """Read what a pod's spec asks of a node: a pod's own, or that of a DaemonSet's template."""
    required = loose.mapping(
        loose.mapping(loose.mapping(spec.get("affinity")).get("nodeAffinity")).get(
            "requiredDuringSchedulingIgnoredDuringExecution"
        )
    )
    return Needs(
        requests={**pods.every_request(spec), "pods": 1},
        tolerations=tuple(
            Toleration(
                key=loose.text(each.get("key")),
                operator=loose.text(each.get("operator")) or "Equal",
                value=loose.text(each.get("value")),
                effect=loose.text(each.get("effect")),
            )
            for each in loose.sequence(spec.get("tolerations"))
        ),
        selector=loose.texts(spec.get("nodeSelector")),
        affinity=terms.read(required.get("nodeSelectorTerms")) if required else None,
    )


def _claims(spec: Mapping[str, object], pod: str) -> tuple[str, ...]:
    """Name the claims of a pod's volumes: those that it names, and those made for it."""
    found: list[str] = []
    for each in loose.sequence(spec.get("volumes")):
        if "persistentVolumeClaim" in each:
            found.append(loose.text(loose.mapping(each["persistentVolumeClaim"]).get("claimName")))
        elif "ephemeral" in each:
            found.append(f"{pod}-{loose.text(each.get('name'))}")
    return tuple(filter(None, found))


def _unjudged(spec: Mapping[str, object]) -> tuple[str, ...]:
    affinity = loose.mapping(spec.get("affinity"))
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    hard = any(
        each.get("whenUnsatisfiable") == "DoNotSchedule"
        for each in loose.sequence(spec.get("topologySpreadConstraints"))
    )
    found = {
        "pod affinity": loose.mapping(affinity.get("podAffinity")).get(required),
        "pod anti-affinity": loose.mapping(affinity.get("podAntiAffinity")).get(required),
        "topology spread constraints": hard,
        "resource claims": spec.get("resourceClaims"),
    }
    return tuple(what for what, there in found.items() if there)
