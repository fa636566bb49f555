"""Read KuberoApps, as far as pools of their own are concerned; their spec has no schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.kube import access, api, reflector
from externalgrpc.model import loose

VERSION: Final = f"{access.KUBERO_APPS}/v1alpha1"
KIND: Final = "KuberoApp"
PATH: Final = f"/apis/{VERSION}/kuberoapps"

NAMESPACE_LABEL: Final = "vps-autoscaler/app-namespace"
APP_LABEL: Final = "vps-autoscaler/app"
"""Labels and taints of the nodes of an app's pool; a policy gives them to the app's pods."""

CHOICE: Final = ("provider", "region", "instanceType")

_LONGEST: Final = 64
"""Characters kept of a text: one more than any that could be right."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The pool that an app asks for; None for a number that is not said, -1 for no number."""

    choice: Mapping[str, str]
    least: int | None
    most: int | None
    target_cpu: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A KuberoApp. ``name`` is ``namespace/app``; ``placed``: its selector is that of its pool."""

    name: str
    namespace: str
    app: str
    uid: str
    ask: Ask | None
    placed: bool


def path_of(namespace: str, app: str) -> str:
    """Return the path of one app."""
    return f"/apis/{VERSION}/namespaces/{api.segment(namespace)}/kuberoapps/{api.segment(app)}"


def labels(namespace: str, app: str) -> dict[str, str]:
    """Return the labels of the nodes of an app's pool."""
    return {NAMESPACE_LABEL: namespace, APP_LABEL: app}


def read(obj: api.Object) -> App | None:
    """Read an object; None when it has no name, namespace or uid. Every other shape is expected."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    namespace, app, uid = about.get("namespace"), about.get("name"), about.get("uid")
    if not all(isinstance(each, str) and each for each in (namespace, app, uid)):
        return None
    selector = loose.mapping(spec.get("nodeSelector"))
    wanted = labels(str(namespace), str(app))
    return App(
        name=reflector.qualified(dict(about)),
        namespace=str(namespace),
        app=str(app),
        uid=str(uid),
        ask=_ask(spec),
        placed=all(selector.get(key) == value for key, value in wanted.items()),
    )


def _ask(spec: Mapping[str, Any]) -> Ask | None:
    scaling = loose.mapping(spec.get("autoScaling"))
    if scaling.get("enabled") is not True:
        return None
    chosen = loose.mapping(spec.get("customNodeSelector"))
    return Ask(
        choice={
            key: value[:_LONGEST] if isinstance(value := chosen.get(key), str) else ""
            for key in CHOICE
        },
        least=_number(scaling.get("minNodes")),
        most=_number(scaling.get("maxNodes")),
        target_cpu=_number(scaling.get("targetCPU")),
    )


def _number(value: object) -> int | None:
    # type(): True is an int to isinstance, and no number to anybody.
    return value if value is None or type(value) is int else -1
