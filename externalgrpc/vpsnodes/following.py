"""Follow the cluster's VPSNodes, where it has such and lets us read them."""

from __future__ import annotations

import http
import random
import types
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc.kube import api, errors, kinds, reflector
from externalgrpc.support import clock, logs
from externalgrpc.vpsnodes import objects

_LOG = logs.Log("vpsnodes")

_CURES: Final = {
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
        self._on_change = on_change
        self._all = kinds.Following(
            of,
            objects.PATH,
            objects.read,
            cures=_CURES,
            on_change=on_change,
            on_refused=self._refused,
            time_source=time_source,
            chance=chance,
            timing=timing,
        )
        self.start = self._all.start
        self.stop = self._all.stop

    @property
    def there(self) -> Mapping[str, objects.VpsNode] | None:
        """Return the objects by name; None while nobody knows whether there are any.

        A cluster without the kind, or without the right to list it, has none. Once they were
        listed, neither is believed any more: what was seen last stays.
        """
        seen = self._all.seen
        if seen is not None:
            return seen
        return _NONE if self._all.is_refused else None

    def _refused(self, error: errors.KubeError, cure: str) -> None:
        if self._all.seen is not None:
            message = "VPSNodes cannot be read any more: those that were seen stay in force"
            _LOG.warning(message, reason=str(error), cure=cure.partition(",")[0])
        else:
            message = "no VPSNodes: groups are those of the file"
            _LOG.info(message, reason=str(error), cure=cure)
        self._on_change()
