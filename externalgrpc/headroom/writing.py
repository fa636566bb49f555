"""Write balloons into the cluster, and only what changed: server-side apply, in our namespace."""

from __future__ import annotations

import dataclasses
import json
from typing import Final

from externalgrpc.headroom import choice, objects, wanted
from externalgrpc.headroom.status import By
from externalgrpc.kube import api, errors
from externalgrpc.model import groups, loose
from externalgrpc.support import clock, logs

_LOG = logs.Log("headroom")

MANAGER: Final = "vps-autoscaler-headroom"

AGAIN_S: Final = 600.0
"""What was written is written again after so long: somebody may have changed it."""

_QUERY: Final = {"labelSelector": objects.SELECTOR}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """A Deployment of ours as it was read; ``message`` is why its pods cannot be made."""

    name: str
    replicas: int
    message: str = ""


class Writer:
    """Everything that is written for balloons; every method may raise KubeError. For one thread."""

    def __init__(self, of: api.Api, namespace: str, time_source: clock.Clock) -> None:
        self._api = of
        self._namespace = namespace
        self._clock = time_source
        self._written: dict[str, tuple[str, float]] = {}

    def buffers(self) -> dict[str, choice.Buffer] | None:
        """List our CapacityBuffers by name; None where the cluster has no such kind."""
        try:
            found = self._list("CapacityBuffer")
        except errors.NotFound:
            return None
        return {each.name: each for each in map(choice.read, found) if each is not None}

    def deployments(self) -> dict[str, Pods]:
        """List our Deployments by name."""
        every = map(_deployment, self._list("Deployment"))
        return {each.name: each for each in every if each is not None}

    def buffer(
        self,
        cluster: str,
        group: groups.NodeGroup,
        of: wanted.Balloon,
        replicas: int,
        there: choice.Buffer | None,
    ) -> None:
        """Make a group's PodTemplate and CapacityBuffer say this."""
        # What somebody else made of it, or took away, is put right; the template by and by.
        changed = there is None or there.replicas != replicas
        self._apply(objects.template(cluster, group, of), again=there is None)
        self._apply(objects.buffer(cluster, group.name, replicas), again=changed)

    def pods(
        self,
        cluster: str,
        group: groups.NodeGroup,
        of: wanted.Balloon,
        replicas: int,
        there: Pods | None,
    ) -> None:
        """Make a group's Deployment say this; none is made for no balloon."""
        if there is None and not replicas:
            return
        changed = there is None or there.replicas != replicas
        self._apply(objects.deployment(cluster, group, of, replicas), again=changed)

    def remove(self, by: By, name: str) -> None:
        """Take a group's objects of one kind away. Idempotent."""
        # The buffer last: it is what is listed, so that what is left is found again.
        kinds = ("PodTemplate", "CapacityBuffer") if by is By.BUFFER else ("Deployment",)
        for kind in kinds:
            path = objects.path(kind, self._namespace, name)
            self._written.pop(path, None)
            try:
                self._api.delete(path)
            except errors.NotFound:
                continue
            _LOG.info("headroom removed", kind=kind, name=name)

    def _list(self, kind: str) -> list[api.Object]:
        found = self._api.get(objects.path(kind, self._namespace), _QUERY).get("items")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def _apply(self, obj: api.Object, *, again: bool) -> None:
        path = objects.path(obj["kind"], self._namespace, obj["metadata"]["name"])
        text = json.dumps(obj, sort_keys=True)
        now = self._clock.monotonic()
        before = self._written.get(path)
        if not again and before is not None and before[0] == text and now - before[1] < AGAIN_S:
            return
        self._written.pop(path, None)
        self._api.apply(path, obj, manager=MANAGER)
        self._written[path] = (text, now)


def _deployment(obj: api.Object) -> Pods | None:
    about, spec, status = (loose.mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    name, replicas, found = about.get("name"), spec.get("replicas"), status.get("conditions")
    if not isinstance(name, str):
        return None
    failures = [
        str(each.get("message") or "")
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict)
        and each.get("type") == "ReplicaFailure"
        and each.get("status") == "True"
    ]
    return Pods(
        name=name,
        replicas=replicas if isinstance(replicas, int) else 0,
        message=failures[0] if failures else "",
    )
