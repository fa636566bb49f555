"""Ask the API server for what the judgements need. Everything here is a GET."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from externalgrpc.diagnosis.facts import Binding, Cluster, Workload
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import reading
from externalgrpc.kube import access, api, errors, facts, identity, nodes, refusals
from externalgrpc.vpsnodes import objects

T = TypeVar("T")

IDENTITY: Final = "the cluster's identity"

APPS: Final = "/apis/apps/v1"
SYSTEM_PODS: Final = "/api/v1/namespaces/kube-system/pods"
BUDGETS: Final = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets"
POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
POLICY_BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
MUTATING: Final = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
MUTATING_BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
ROLE_BINDINGS: Final = (
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
)

_KINDS: Final = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
}
_PAGE: Final = "500"
_ALL: Final[Mapping[str, str]] = types.MappingProxyType({})


class Reader(Protocol):
    """What is asked of :class:`externalgrpc.kube.api.Api` here: it cannot write."""

    def get(self, path: str, query: dict[str, str] | None = None) -> api.Object:
        """Read an object or a page of a list."""
        ...


def ask(of: api.Api, notes: Notes) -> Cluster | None:
    """Ask for everything but rights; None, and one note, when the server does not answer."""
    try:
        notes.progress("the API server")
        version = facts.version(of)
    except (errors.Unreachable, facts.Unusable) as error:
        notes.missed("the cluster", f"its API server does not answer: {error}")
        return None
    except errors.KubeError as error:
        notes.missed("the API server's release", str(error))
        version = None
    else:
        notes.saw("the API server's release and clock")
    return Cluster(
        minor=version.minor if version else None,
        version=version.git_version if version else "",
        skew_s=of.skew_s,
        nodes=notes.look("Nodes", lambda: _read(of, nodes.PATH, nodes.read)),
        workloads=notes.look("Deployments, StatefulSets and DaemonSets", lambda: _workloads(of)),
        pods=notes.look("pods of kube-system", lambda: _read(of, SYSTEM_PODS, reading.pod)),
        budgets=notes.look(
            "PodDisruptionBudgets of kube-system", lambda: _read(of, BUDGETS, reading.budget)
        ),
        policies=notes.look("admission policies", lambda: _policies(of)),
        bindings=notes.look("role bindings", lambda: _bindings(of)),
        identity=_identity(of, notes),
        tenant_policies=notes.look("policies of tenants", lambda: _tenant_policies(of)),
        vps_nodes_served=_vps_nodes_served(of),
    )


def every(of: Reader, path: str, chosen: Mapping[str, str] = _ALL) -> list[api.Object]:
    """List all objects of a path, or those ``chosen``, page by page; raises KubeError."""
    found: list[api.Object] = []
    query = {"limit": _PAGE, **chosen}
    while True:
        page = of.get(path, query)
        items = page.get("items")
        if isinstance(items, list):
            found += [each for each in items if isinstance(each, dict)]
        about = page.get("metadata")
        more = about.get("continue") if isinstance(about, dict) else ""
        if not isinstance(more, str) or not more:
            return found
        query = {"limit": _PAGE, **chosen, "continue": more}


def _identity(of: api.Api, notes: Notes) -> str:
    notes.progress(IDENTITY)
    match identity.read(of):
        case identity.Known(own):
            notes.saw(IDENTITY)
            return own
        case refusals.Withheld(why) | refusals.NotYet(why):
            notes.missed(IDENTITY, why)
            return ""


def _read(of: Reader, path: str, read: Callable[[api.Object], T | None]) -> tuple[T, ...]:
    return tuple(thing for each in every(of, path) if (thing := read(each)) is not None)


def _workloads(of: Reader) -> tuple[Workload, ...]:
    found: list[Workload] = []
    for kind, plural in _KINDS.items():
        for each in every(of, f"{APPS}/{plural}"):
            workload = reading.workload(kind, each)
            if workload is not None:
                found.append(workload)
    return (*found, *_read(of, SYSTEM_PODS, reading.static_pod))


def _policies(of: Reader) -> frozenset[str]:
    """Return the admission policies that are there and bound; none where the kind is unknown."""
    try:
        there = {reading.name_of(each) for each in every(of, POLICIES)}
        bound = {reading.bound_policy(each) for each in every(of, POLICY_BINDINGS)}
    except errors.NotFound:
        return frozenset()
    return frozenset(there & bound)


def _tenant_policies(of: Reader) -> frozenset[str]:
    """Return the bound MutatingAdmissionPolicies that read VPSNodes."""
    try:
        there = {
            reading.name_of(each)
            for each in every(of, MUTATING)
            if reading.param_group(each) == access.VPS_NODES
        }
        bound = {reading.policy_name(each) for each in every(of, MUTATING_BINDINGS)}
    except errors.NotFound:
        return frozenset()
    return frozenset(there & bound)


def _vps_nodes_served(of: Reader) -> bool | None:
    """Return whether there are VPSNodes as a kind; None where nobody says."""
    try:
        listed = of.get(f"/apis/{objects.VERSION}").get("resources")
    except errors.NotFound:
        return False
    except errors.KubeError:
        return None
    resources = listed if isinstance(listed, list) else ()
    return any(isinstance(each, dict) and each.get("name") == "vpsnodes" for each in resources)


def _bindings(of: Reader) -> tuple[Binding, ...]:
    return tuple(found for path in ROLE_BINDINGS for found in _read(of, path, reading.binding))
