"""Read and write one coordination.k8s.io Lease: plain values, compare and swap, no waiting."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Final

from externalgrpc.kube import api, errors
from externalgrpc.model import loose

DEFAULT_S: Final = 15.0
"""The duration of a Lease that names none: client-go's default."""

LONGEST_S: Final = 3600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A Lease as it was read; ``holder`` is empty where it was released.

    ``renewed`` is the time of its last renewal as its holder's wall clock wrote it: a text that
    changes with every renewal, and no instant that anybody could reckon with.
    """

    uid: str
    holder: str
    renewed: str
    transitions: int
    duration_s: float
    raw: api.Object = dataclasses.field(repr=False, compare=False)

    @property
    def term(self) -> str:
        """Return what stays the same while nobody else can have held it."""
        return f"{self.uid}/{self.transitions}/{self.holder}"

    @property
    def mark(self) -> tuple[str, str]:
        """Return what differs after every renewal, and only then."""
        return self.term, self.renewed


class Store:
    """One Lease by its name; every method blocks and raises KubeError."""

    def __init__(self, of: api.Api, *, namespace: str, name: str) -> None:
        self._api = of
        self.namespace = namespace
        self.name = name
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{api.segment(namespace)}/leases"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def read(self) -> Lease | None:
        """Read it; None where it is not there."""
        try:
            return parsed(self._api.get(f"{self._folder}/{api.segment(self.name)}"))
        except errors.NotFound:
            return None

    def make(self, holder: str, duration_s: float) -> Lease:
        """Make it, held; raises Conflict where somebody was faster."""
        body: api.Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
        }
        body["spec"] = self._spec(holder, duration_s, transitions=0, acquired=None)
        return parsed(self._api.post(self._folder, body))

    def take(self, seen: Lease, holder: str, duration_s: float) -> Lease:
        """Take or renew it as it was seen; raises Conflict where it is not so any more."""
        spec = seen.raw.get("spec")
        before = spec if isinstance(spec, dict) else {}
        ours = seen.holder == holder
        fresh = self._spec(
            holder,
            duration_s,
            transitions=seen.transitions + (not ours),
            acquired=before.get("acquireTime") if ours else None,
        )
        return self._put(seen, {**before, **fresh})

    def release(self, seen: Lease) -> None:
        """Let others take it at once; raises Conflict where it is not as it was seen."""
        spec = seen.raw.get("spec")
        self._put(seen, {**(spec if isinstance(spec, dict) else {}), "holderIdentity": ""})

    def _put(self, seen: Lease, spec: api.Object) -> Lease:
        body = {**seen.raw, "spec": spec}
        return parsed(self._api.put(f"{self._folder}/{api.segment(self.name)}", body))

    def _spec(
        self, holder: str, duration_s: float, *, transitions: int, acquired: object
    ) -> api.Object:
        now = datetime.datetime.fromtimestamp(self._api.server_unix(), tz=datetime.UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(duration_s)),
            "acquireTime": acquired or stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions,
        }


def parsed(thing: api.Object) -> Lease:
    """Read a Lease as JSON has it, whatever it holds."""
    about, spec = (loose.mapping(thing.get(key)) for key in ("metadata", "spec"))
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    usable = isinstance(duration, int) and 0 < duration <= LONGEST_S
    return Lease(
        uid=loose.text(about.get("uid")),
        holder=loose.text(spec.get("holderIdentity")),
        renewed=loose.text(spec.get("renewTime")),
        transitions=transitions if isinstance(transitions, int) else 0,
        duration_s=float(duration) if usable and isinstance(duration, int) else DEFAULT_S,
        raw=thing,
    )
