"""Read workloads, pods, budgets and bindings out of an API server's JSON, taking nothing on trust.

What makes no sense counts as not said: these objects are written by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from externalgrpc.diagnosis.facts import Binding, Budget, Container, Workload
from externalgrpc.kube import api, eviction
from externalgrpc.model import loose


def workload(kind: str, obj: api.Object) -> Workload | None:
    """Read a Deployment, StatefulSet or DaemonSet; None when it has no name."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    name = loose.text(about.get("name"))
    pods = loose.mapping(loose.mapping(spec.get("template")).get("spec"))
    replicas = spec.get("replicas")
    return (
        Workload(
            kind=kind,
            namespace=loose.text(about.get("namespace")),
            name=name,
            containers=_containers(pods),
            replicas=replicas if isinstance(replicas, int) and kind != "DaemonSet" else 1,
            recreate=loose.mapping(spec.get("strategy")).get("type") == "Recreate",
            account=loose.text(pods.get("serviceAccountName")) or "default",
        )
        if name
        else None
    )


def static_pod(obj: api.Object) -> Workload | None:
    """Read a pod as the workload that it is when a kubelet starts it from a file; else None."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    name = loose.text(about.get("name"))
    if not name or eviction.MIRROR not in loose.mapping(about.get("annotations")):
        return None
    return Workload(
        kind="Pod",
        namespace=loose.text(about.get("namespace")),
        name=name,
        containers=_containers(spec),
    )


def pod(obj: api.Object) -> eviction.Pod | None:
    """Read a pod; None when it has no name."""
    read = eviction.read(obj)
    return read if read.name else None


def budget(obj: api.Object) -> Budget | None:
    """Read a PodDisruptionBudget; None when it covers nothing."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        return None
    allowed = loose.mapping(obj.get("status")).get("disruptionsAllowed")
    return Budget(
        name=loose.text(about.get("name")),
        labels=_texts(selector.get("matchLabels")),
        odd=bool(selector.get("matchExpressions")),
        allowed=allowed if isinstance(allowed, int) else 0,
    )


def binding(obj: api.Object) -> Binding | None:
    """Read a binding of a role to groups; None when it has no name."""
    name = loose.text(loose.mapping(obj.get("metadata")).get("name"))
    return (
        Binding(
            name=name,
            role=loose.text(loose.mapping(obj.get("roleRef")).get("name")),
            groups=tuple(
                loose.text(each.get("name"))
                for each in loose.sequence(obj.get("subjects"))
                if each.get("kind") == "Group"
            ),
        )
        if name
        else None
    )


def bound_policy(obj: api.Object) -> str:
    """Return the name of the admission policy that a binding has enforced; "" for none."""
    spec = loose.mapping(obj.get("spec"))
    actions = spec.get("validationActions")
    denies = isinstance(actions, list) and "Deny" in actions
    return loose.text(spec.get("policyName")) if denies else ""


def policy_name(obj: api.Object) -> str:
    """Return the name of the policy that a binding is of, whatever it does with it."""
    return loose.text(loose.mapping(obj.get("spec")).get("policyName"))


def param_group(obj: api.Object) -> str:
    """Return the API group of what an admission policy is parametrised by; "" for nothing."""
    of = loose.mapping(loose.mapping(obj.get("spec")).get("paramKind"))
    return loose.text(of.get("apiVersion")).rpartition("/")[0]


def name_of(obj: api.Object) -> str:
    """Return an object's name."""
    return loose.text(loose.mapping(obj.get("metadata")).get("name"))


def _containers(pods: Mapping[str, Any]) -> tuple[Container, ...]:
    # A sidecar is an init container that stays.
    sidecars = [
        each
        for each in loose.sequence(pods.get("initContainers"))
        if each.get("restartPolicy") == "Always"
    ]
    return tuple(
        Container(
            name=loose.text(each.get("name")),
            image=loose.text(each.get("image")),
            words=tuple(word for key in ("command", "args") for word in loose.words(each.get(key))),
        )
        for each in (*sidecars, *loose.sequence(pods.get("containers")))
    )


def _texts(given: object) -> dict[str, str]:
    return {key: value for key, value in loose.mapping(given).items() if isinstance(value, str)}
