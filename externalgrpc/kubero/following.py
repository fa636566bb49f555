"""Follow the cluster's KuberoApps, where it has such and lets us read them."""

from __future__ import annotations

import http
import random
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc.kube import api, errors, reflector, refusals
from externalgrpc.kubero import apps
from externalgrpc.support import clock, logs

_LOG = logs.Log("app-pools")

_CURE: Final = {
    http.HTTPStatus.NOT_FOUND: "install Kubero, or remove appPools from the server's file",
    http.HTTPStatus.FORBIDDEN: "kubectl apply -f deploy/app-pools.yaml (the chart: rbac.appPools)",
}


class Following:
    """A copy of all KuberoApps; ``on_change`` is called on the watching thread, at once."""

    def __init__(
        self,
        of: api.Api,
        on_change: Callable[[], None],
        *,
        time_source: clock.Clock,
        chance: random.Random,
        timing: reflector.Timing | None = None,
    ) -> None:
        self._api = of
        self._refused_by = 0
        self._on_change = on_change
        self._reflector = reflector.Reflector(
            of,
            apps.PATH,
            apps.read,
            on_change=lambda _before, _after: on_change(),
            on_listed=self._listed,
            on_refused=self._on_refused,
            time_source=time_source,
            chance=chance,
            timing=timing,
        )

    @property
    def there(self) -> Mapping[str, apps.App] | None:
        """Return the apps by ``namespace/name`` as they were seen last; None: never listed."""
        listing = self._reflector.listing
        return listing.items if listing.complete else None

    def start(self) -> None:
        """Begin to follow."""
        self._reflector.start()

    def stop(self, within_s: float) -> None:
        """Stop following; wait up to ``within_s`` seconds."""
        self._reflector.stop(within_s)

    def _on_refused(self, error: errors.KubeError) -> bool:
        """Take a no for an answer, if it is one: logged once, and asked again now and then.

        What was seen stays: whether an app is gone is asked of the app itself.
        """
        if error.status not in _CURE:
            return False
        try:
            refusals.get(self._api, apps.PATH, {"limit": "1"}, refusals=_CURE)
        except errors.KubeError:
            return False
        except refusals.Refused as refused:
            if self._refused_by != error.status:
                self._refused_by = error.status
                cure = _CURE[http.HTTPStatus(error.status)]
                message = "no KuberoApps can be read: no pool is made for an app, none is deleted"
                _LOG.warning(message, reason=str(refused), cure=cure)
        return True

    def _listed(self) -> None:
        self._refused_by = 0
        self._on_change()
