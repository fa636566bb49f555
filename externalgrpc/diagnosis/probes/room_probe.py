"""Ask for the objects by which the server keeps room in groups, wherever they stand."""

from __future__ import annotations

from typing import Final

from externalgrpc.diagnosis.facts import KeptRoom
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.headroom import objects
from externalgrpc.kube import api, errors, pods
from externalgrpc.model import loose

WHAT: Final = "objects that keep room in groups"
PATHS: Final = {
    "CapacityBuffer": "/apis/autoscaling.x-k8s.io/v1beta1/capacitybuffers",
    "Deployment": "/apis/apps/v1/deployments",
    "PodTemplate": "/api/v1/podtemplates",
}


def ask(of: cluster_probe.Reader, notes: Notes) -> tuple[KeptRoom, ...] | None:
    """List them; None, and a note, where one kind of them may not be listed."""
    return notes.look(WHAT, lambda: tuple(room for kind in PATHS for room in _of_kind(of, kind)))


def _of_kind(of: cluster_probe.Reader, kind: str) -> tuple[KeptRoom, ...]:
    try:
        found = cluster_probe.every(of, PATHS[kind], {"labelSelector": objects.SELECTOR})
    except errors.NotFound:
        return ()  # no such kind: nothing of it can be there
    return tuple(room for each in found if (room := _read(kind, each)) is not None)


def _read(kind: str, obj: api.Object) -> KeptRoom | None:
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    labels, name = loose.mapping(about.get("labels")), about.get("name")
    ours = objects.OWNER.items() <= labels.items() and pods.BALLOON in labels
    if not ours or not isinstance(name, str):
        return None
    replicas = spec.get("replicas")
    return KeptRoom(
        kind=kind,
        namespace=str(about.get("namespace") or ""),
        name=name,
        group=str(labels[pods.BALLOON]),
        cluster=str(labels.get(objects.CLUSTER) or ""),
        replicas=replicas if isinstance(replicas, int) else 0,
    )
