"""Follow the cluster's VPSNodes, where it has such and lets us read them."""

from __future__ import annotations

import http
import random
import types
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc.kube import api, errors, reflector, refusals
from externalgrpc.support import clock, logs
from externalgrpc.vpsnodes import objects

_LOG = logs.Log("vpsnodes")

_CURE: Final = {
    http.HTTPStatus.NOT_FOUND: "kubectl apply -f deploy/crds/vpsnodes.yaml, if you want any",
    http.HTTPStatus.FORBIDDEN: "kubectl apply -f deploy/vpsnodes-rbac.yaml, if you want any",
}


_NONE: Final[Mapping[str, objects.VpsNode]] = types.MappingProxyType({})


class Following:
    """A copy of all VPSNodes that follows the API server.

    ``on_change`` is called on the watching thread whenever one changed, and when it is known that
    there are none to be had; it must be quick.
    """

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
        self._on_change = on_change
        self._refused_by: int | None = None
        self._reflector = reflector.Reflector(
            of,
            objects.PATH,
            objects.read,
            on_change=lambda _before, _after: on_change(),
            on_listed=self._listed,
            on_refused=self._on_refused,
            time_source=time_source,
            chance=chance,
            timing=timing,
        )

    @property
    def there(self) -> Mapping[str, objects.VpsNode] | None:
        """Return the objects by name; None while nobody knows whether there are any.

        A cluster without the kind, or without the right to list it, has none. Once they were
        listed, neither is believed any more: what was seen last stays.
        """
        listing = self._reflector.listing
        if listing.complete:
            return listing.items
        return _NONE if self._refused_by is not None else None

    def start(self) -> None:
        """Begin to follow."""
        self._reflector.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Stop following; wait up to ``within_s`` seconds."""
        self._reflector.stop(within_s)

    def _on_refused(self, error: errors.KubeError) -> bool:
        """Take a no for an answer, if it is one: said once, and asked again now and then."""
        if error.status not in _CURE:
            return False
        try:
            refusals.get(self._api, objects.PATH, {"limit": "1"}, refusals=_CURE)
        except errors.KubeError:
            return False
        except refusals.Refused as refused:
            error = refused.error
        else:
            return True
        if self._refused_by == error.status:
            return True
        self._refused_by = error.status
        cure = _CURE[http.HTTPStatus(error.status)]
        if self._reflector.listing.complete:
            message = "VPSNodes cannot be read any more: those that were seen stay in force"
            _LOG.warning(message, reason=str(error), cure=cure.partition(",")[0])
        else:
            message = "no VPSNodes: groups are those of the file"
            _LOG.info(message, reason=str(error), cure=cure)
        self._on_change()
        return True

    def _listed(self) -> None:
        self._refused_by = None
        self._on_change()
