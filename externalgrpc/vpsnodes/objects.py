"""Read VPSNode objects, taking nothing for granted: any schema may have let them in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.kube import access, api
from externalgrpc.model import loose

VERSION: Final = f"{access.VPS_NODES}/v1alpha1"
KIND: Final = "VPSNode"
PATH: Final = f"/apis/{VERSION}/vpsnodes"

FINALIZER: Final = "vps-autoscaler/machines"
"""What keeps an object while it has machines."""

_OURS: Final = "vps-autoscaler/"

WAIT: Final = "WaitForEmpty"
ORPHAN: Final = "Orphan"

Spec = Mapping[str, Any]
"""The spec of an object as JSON has it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VpsNode:
    """A VPSNode, as far as it matters to us.

    ``status`` is what it was when the object was last read for another reason: it is ours alone to
    write, so a change of it is no news. ``deleting`` says that it waits for finalizers.
    ``annotations`` are those of ours, which say for which app it was made.
    """

    name: str
    uid: str
    generation: int = 0
    spec: Spec = dataclasses.field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def kept(self) -> bool:
        """Return whether our finalizer is on it."""
        return FINALIZER in self.finalizers

    @property
    def deletion_policy(self) -> str:
        """Return what becomes of its machines when it is deleted: to wait, unless it says so."""
        return ORPHAN if self.spec.get("deletionPolicy") == ORPHAN else WAIT

    @property
    def accepted_spec(self) -> Spec:
        """Return the last good spec that its status keeps; empty for none."""
        return loose.mapping(self.status.get("acceptedSpec"))


def read(obj: api.Object) -> VpsNode | None:
    """Read an object, None when it has no name; what makes no sense counts as not said."""
    about = loose.mapping(obj.get("metadata"))
    name, uid, generation = about.get("name"), about.get("uid"), about.get("generation")
    finalizers = about.get("finalizers")
    if not isinstance(name, str) or not name:
        return None
    return VpsNode(
        name=name,
        uid=uid if isinstance(uid, str) else "",
        generation=generation if isinstance(generation, int) else 0,
        spec=loose.mapping(obj.get("spec")),
        finalizers=tuple(map(str, finalizers)) if isinstance(finalizers, list) else (),
        deleting=bool(about.get("deletionTimestamp")),
        annotations={
            str(key): str(value)
            for key, value in loose.mapping(about.get("annotations")).items()
            if str(key).startswith(_OURS)
        },
        status=loose.mapping(obj.get("status")),
    )
