"""Write to VPSNodes: their status, and the finalizer that keeps one while it has machines."""

from __future__ import annotations

from typing import Any, Final

from externalgrpc.kube import api, errors
from externalgrpc.vpsnodes import objects

MANAGER: Final = "vps-autoscaler"
"""Who owns the fields of status, to the API server."""

_ATTEMPTS: Final = 4


class Writer:
    """Write to the objects that were seen, and to no later one of the same name.

    Every method blocks, is idempotent and raises KubeError; an object that is gone is success.
    """

    def __init__(self, of: api.Api) -> None:
        self._api = of

    def status(self, of: objects.VpsNode, document: dict[str, Any]) -> None:
        """Replace all of an object's status that is ours, by server-side apply.

        Raises NotFound where the object is there and its kind has no status of its own to write.
        """
        body: api.Object = {
            "apiVersion": objects.VERSION,
            "kind": objects.KIND,
            "metadata": {"name": of.name, "uid": of.uid},
            "status": document,
        }
        path = _path(of)
        try:
            self._api.apply(f"{path}/status", body, manager=MANAGER)
        except errors.Conflict:
            return
        except errors.NotFound:
            if self._found(of) is not None:
                raise

    def keep(self, of: objects.VpsNode) -> None:
        """Put the finalizer on an object that is not being deleted."""
        self._finalizers(of, add=True)

    def release(self, of: objects.VpsNode) -> None:
        """Take the finalizer off an object."""
        self._finalizers(of, add=False)

    def _finalizers(self, of: objects.VpsNode, *, add: bool) -> None:
        for attempt in range(_ATTEMPTS):
            raw = self._found(of)
            now = objects.read(raw) if raw is not None else None
            if raw is None or now is None or now.kept == add or (add and now.deleting):
                return
            others = [each for each in now.finalizers if each != objects.FINALIZER]
            about = {
                "uid": of.uid,
                # Nobody's finalizer is lost: the list is replaced only in the version it was read.
                "resourceVersion": raw["metadata"].get("resourceVersion"),
                "finalizers": [*others, objects.FINALIZER] if add else others,
            }
            try:
                self._api.patch(_path(of), {"metadata": about})
            except errors.NotFound:
                return
            except errors.Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _found(self, of: objects.VpsNode) -> api.Object | None:
        """Read the object; None when it, and not merely its name, is gone."""
        try:
            raw = self._api.get(_path(of))
        except errors.NotFound:
            return None
        now = objects.read(raw)
        return raw if now is not None and now.uid == of.uid else None


def _path(of: objects.VpsNode) -> str:
    return f"{objects.PATH}/{api.segment(of.name)}"
