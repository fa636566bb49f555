"""Write apps' pools, look apps up, and write Events on apps; every method blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.kube import api, errors, events
from externalgrpc.kubero import apps
from externalgrpc.vpsnodes import objects

MANAGER: Final = "vps-autoscaler-app-pools"
"""Who owns the fields of a pool, to the API server: another than who writes its status."""


class Writer:
    """Write to the objects that were seen, and to no later one of the same name."""

    def __init__(self, of: api.Api, notices: events.EventWriter) -> None:
        self._api = of
        self._notices = notices

    def apply(self, pool: Mapping[str, Any], found: objects.VpsNode | None) -> None:
        """Make a pool, or change the one that was ``found``; raises KubeError.

        Raises Conflict when there is one of the name that was not found: somebody else's fields are
        not taken over.
        """
        body = {key: each for key, each in pool.items() if key != "metadata"}
        body["metadata"] = dict(pool["metadata"])
        if found is not None:
            body["metadata"]["uid"] = found.uid
        path = _path(str(body["metadata"]["name"]))
        self._api.apply(path, body, manager=MANAGER, force=found is not None)

    def delete(self, of: objects.VpsNode) -> None:
        """Delete a pool, and no later one of its name; gone is success. Raises KubeError."""
        try:
            self._api.delete(_path(of.name), uid=of.uid)
        except errors.NotFound:
            return

    def look(self, namespace: str, app: str) -> apps.App | None:
        """Read an app; None when it is not there while its kind is served. Raises KubeError."""
        try:
            raw = self._api.get(apps.path_of(namespace, app))
        except errors.NotFound:
            # A kind that is not served has no objects either: that says nothing of this one.
            self._api.get(apps.PATH, {"limit": "1"})
            return None
        found = apps.read(raw)
        if found is None:
            raise errors.Invalid("the answer is no KuberoApp", operation=f"GET {namespace}/{app}")
        return found

    def write_event(self, app: apps.App, reason: str, note: str) -> None:
        """Write an Event on an app; raises KubeError."""
        regarding = events.Regarding(
            kind=apps.KIND,
            name=app.app,
            namespace=app.namespace,
            uid=app.uid,
            api_version=apps.VERSION,
        )
        self._notices.publish(
            events.Event(
                regarding=regarding, reason=reason, action="MakePool", note=note, kind="Warning"
            )
        )


def _path(name: str) -> str:
    return f"{objects.PATH}/{api.segment(name)}"
