"""Follow the cluster's KuberoApps, where it has such and lets us read them."""

from __future__ import annotations

import http
import random
from collections.abc import Callable
from typing import Final

from externalgrpc.kube import api, errors, kinds, reflector
from externalgrpc.kubero import apps
from externalgrpc.support import clock, logs

_LOG = logs.Log("app-pools")

_CURES: Final = {
    http.HTTPStatus.NOT_FOUND: "install Kubero, or remove appPools from the server's file",
    http.HTTPStatus.FORBIDDEN: "kubectl apply -f deploy/app-pools.yaml (the chart: rbac.appPools)",
}


def follow(
    of: api.Api,
    on_change: Callable[[], None],
    *,
    time_source: clock.Clock,
    chance: random.Random,
    timing: reflector.Timing | None = None,
) -> kinds.Following[apps.App]:
    """Make the copy; a no changes nothing: whether an app is gone is asked of the app itself."""
    return kinds.Following(
        of,
        apps.PATH,
        apps.read,
        cures=_CURES,
        on_change=on_change,
        on_refused=_report,
        time_source=time_source,
        chance=chance,
        timing=timing,
    )


def _report(error: errors.KubeError, cure: str) -> None:
    message = "no KuberoApps can be read: no pool is made for an app, none is deleted"
    _LOG.warning(message, reason=str(error), cure=cure)
