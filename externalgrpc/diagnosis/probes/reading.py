"""Read workloads, pods, budgets and bindings out of an API server's JSON, taking nothing on trust.

What makes no sense counts as not said: these objects are written by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.diagnosis.facts import Binding, Budget, Container, Pod, Workload
from externalgrpc.kube import api

MIRROR: Final = "kubernetes.io/config.mirror"
_OVER: Final = frozenset({"Succeeded", "Failed"})


def workload(kind: str, obj: api.Object) -> Workload | None:
    """Read a Deployment, StatefulSet or DaemonSet; None when it has no name."""
    about, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    name = _text(about.get("name"))
    pods = _mapping(_mapping(spec.get("template")).get("spec"))
    replicas = spec.get("replicas")
    return (
        Workload(
            kind=kind,
            namespace=_text(about.get("namespace")),
            name=name,
            containers=_containers(pods),
            replicas=replicas if isinstance(replicas, int) and kind != "DaemonSet" else 1,
            recreate=_mapping(spec.get("strategy")).get("type") == "Recreate",
            account=_text(pods.get("serviceAccountName")) or "default",
        )
        if name
        else None
    )


def static_pod(obj: api.Object) -> Workload | None:
    """Read a pod as the workload that it is when a kubelet starts it from a file; else None."""
    about, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    name = _text(about.get("name"))
    if not name or MIRROR not in _mapping(about.get("annotations")):
        return None
    return Workload(
        kind="Pod",
        namespace=_text(about.get("namespace")),
        name=name,
        containers=_containers(spec),
    )


def pod(obj: api.Object) -> Pod | None:
    """Read a pod; None when it has no name."""
    about, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    name = _text(about.get("name"))
    annotations = _texts(about.get("annotations"))
    owners = [_text(each.get("kind")) for each in _list(about.get("ownerReferences"))]
    local = [
        _text(each.get("name"))
        for each in _list(spec.get("volumes"))
        if "hostPath" in each
        or ("emptyDir" in each and _mapping(each["emptyDir"]).get("medium") != "Memory")
    ]
    return (
        Pod(
            name=name,
            node_name=_text(spec.get("nodeName")),
            labels=_texts(about.get("labels")),
            annotations=annotations,
            owner="Node" if MIRROR in annotations else next(iter(owners), ""),
            local_storage=tuple(local),
            done=_mapping(obj.get("status")).get("phase") in _OVER
            or bool(about.get("deletionTimestamp")),
        )
        if name
        else None
    )


def budget(obj: api.Object) -> Budget | None:
    """Read a PodDisruptionBudget; None when it covers nothing."""
    about, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        return None
    allowed = _mapping(obj.get("status")).get("disruptionsAllowed")
    return Budget(
        name=_text(about.get("name")),
        labels=_texts(selector.get("matchLabels")),
        odd=bool(selector.get("matchExpressions")),
        allowed=allowed if isinstance(allowed, int) else 0,
    )


def binding(obj: api.Object) -> Binding | None:
    """Read a binding of a role to groups; None when it has no name."""
    name = _text(_mapping(obj.get("metadata")).get("name"))
    return (
        Binding(
            name=name,
            role=_text(_mapping(obj.get("roleRef")).get("name")),
            groups=tuple(
                _text(each.get("name"))
                for each in _list(obj.get("subjects"))
                if each.get("kind") == "Group"
            ),
        )
        if name
        else None
    )


def bound_policy(obj: api.Object) -> str:
    """Return the name of the admission policy that a binding has enforced; "" for none."""
    spec = _mapping(obj.get("spec"))
    actions = spec.get("validationActions")
    denies = isinstance(actions, list) and "Deny" in actions
    return _text(spec.get("policyName")) if denies else ""


def policy_name(obj: api.Object) -> str:
    """Return the name of the policy that a binding is of, whatever it does with it."""
    return _text(_mapping(obj.get("spec")).get("policyName"))


def param_group(obj: api.Object) -> str:
    """Return the API group of what an admission policy is parametrised by; "" for nothing."""
    of = _mapping(_mapping(obj.get("spec")).get("paramKind"))
    return _text(of.get("apiVersion")).rpartition("/")[0]


def name_of(obj: api.Object) -> str:
    """Return an object's name."""
    return _text(_mapping(obj.get("metadata")).get("name"))


def _containers(pods: Mapping[str, Any]) -> tuple[Container, ...]:
    # A sidecar is an init container that stays.
    sidecars = [
        each for each in _list(pods.get("initContainers")) if each.get("restartPolicy") == "Always"
    ]
    return tuple(
        Container(
            name=_text(each.get("name")),
            image=_text(each.get("image")),
            words=tuple(word for key in ("command", "args") for word in _words(each.get(key))),
        )
        for each in (*sidecars, *_list(pods.get("containers")))
    )


def _words(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _texts(given: object) -> dict[str, str]:
    return {key: value for key, value in _mapping(given).items() if isinstance(value, str)}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
