"""Ask the API server what we may do: all that we need, and nothing that we should not.

The two lists are what deploy/rbac.yaml is tested against, and what `vps-autoscaler doctor` asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from externalgrpc.kube import api, csr, pause

VPS_NODES: Final = "kubero.dev"
"""The API group of VPSNodes."""

KUBERO_APPS: Final = "application.kubero.dev"
"""The API group of Kubero's apps."""

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that one may be allowed to do; empty namespace: everywhere; ``why`` we want it.

    What is ``optional`` takes something from people when it lacks, and nothing from machines.
    """

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    why: str = ""
    optional: bool = False

    def __str__(self) -> str:
        what = "/".join(filter(None, (self.resource, self.subresource)))
        full = f"{what}.{self.group}" if self.group else what
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {full}{named}" + (f" in {self.namespace}" if self.namespace else "")


def needs(
    *, namespace: str, own_approval: bool, config_map: str = "vps-autoscaler"
) -> tuple[Deed, ...]:
    """List what the server does; ``namespace`` is where its configuration lives.

    ``config_map`` is that on which Events about groups are written, and which may pause everything.
    """
    nodes = "follow, name and remove Nodes"
    secrets = "one bootstrap token for each machine"
    requests = "see how far a joining machine has come"
    events = "write Events for people"
    certificates = "certificates.k8s.io"
    approving = (
        Deed(
            verb="update",
            group=certificates,
            resource="certificatesigningrequests",
            subresource="approval",
            why="approve machines of ours",
        ),
        Deed(
            verb="approve",
            group=certificates,
            resource="signers",
            name=csr.SIGNER,
            why="approve machines of ours",
        ),
    )
    return (
        *(
            Deed(verb=verb, resource="nodes", why=nodes)
            for verb in ("get", "list", "watch", "patch", "delete")
        ),
        *(
            Deed(verb=verb, resource="secrets", namespace="kube-system", why=secrets)
            for verb in ("create", "delete")
        ),
        Deed(
            verb="get",
            resource="namespaces",
            name="kube-system",
            why="distinguish this cluster's machines from those of another of the same name",
        ),
        Deed(
            verb="get",
            resource="configmaps",
            namespace="kube-public",
            name="cluster-info",
            why="learn where machines reach the API server",
        ),
        Deed(
            verb="get",
            resource="configmaps",
            namespace="kube-system",
            name="kubelet-config",
            why="learn what kubelets keep from pods",
        ),
        *(
            Deed(
                verb=verb,
                group=certificates,
                resource="certificatesigningrequests",
                why=requests,
            )
            for verb in ("get", "list", "watch")
        ),
        *(
            Deed(
                verb=verb,
                group="events.k8s.io",
                resource="events",
                namespace=where,
                why=events,
                optional=True,
            )
            for verb in ("create", "patch")
            for where in dict.fromkeys(("default", namespace))
        ),
        Deed(
            verb="get",
            resource="configmaps",
            namespace=namespace,
            name=config_map,
            why=f"be paused by the annotation {pause.ANNOTATION}",
            optional=True,
        ),
        *(approving if own_approval else ()),
    )


def needs_of_vps_nodes() -> tuple[Deed, ...]:
    """List what the server does with VPSNodes: the rights of deploy/vpsnodes-rbac.yaml."""
    follows = "take VPSNodes as node groups"
    return (
        *(
            Deed(verb=verb, group=VPS_NODES, resource="vpsnodes", why=follows)
            for verb in ("get", "list", "watch")
        ),
        Deed(
            verb="patch",
            group=VPS_NODES,
            resource="vpsnodes",
            why="keep a VPSNode that is being deleted until its machines are gone",
        ),
        Deed(
            verb="patch",
            group=VPS_NODES,
            resource="vpsnodes",
            subresource="status",
            why="write what became of a VPSNode",
        ),
    )


def needs_of_headroom(namespace: str) -> tuple[Deed, ...]:
    """List what it takes to keep room in groups by CapacityBuffers (deploy/headroom.yaml)."""
    keep = "keep room in groups that ask for it"
    return (
        *(
            Deed(verb=verb, resource="pods", why="see what pods request of nodes")
            for verb in ("list", "watch")
        ),
        Deed(
            verb="list", group="metrics.k8s.io", resource="nodes", why="see how much CPU nodes use"
        ),
        *(
            Deed(verb=verb, resource="podtemplates", namespace=namespace, why=keep)
            for verb in ("create", "patch", "delete")
        ),
        *(
            Deed(
                verb=verb,
                group="autoscaling.x-k8s.io",
                resource="capacitybuffers",
                namespace=namespace,
                why=keep,
            )
            for verb in ("list", "create", "patch", "delete")
        ),
    )


def needs_of_fake_nodes() -> tuple[Deed, ...]:
    """List what it takes to make Nodes of pretended machines (deploy/fake-nodes.yaml)."""
    return (Deed(verb="create", resource="nodes", why="make Nodes of machines in memory"),)


def needs_of_app_pools() -> tuple[Deed, ...]:
    """List what it takes to give apps pools of their own: the rights of deploy/app-pools.yaml."""
    return (
        *(
            Deed(
                verb=verb,
                group=KUBERO_APPS,
                resource="kuberoapps",
                why="see which apps ask for pools of their own",
            )
            for verb in ("get", "list", "watch")
        ),
        *(
            Deed(verb=verb, group=VPS_NODES, resource="vpsnodes", why="make and delete apps' pools")
            for verb in ("create", "patch", "delete")
        ),
        Deed(
            verb="create",
            group="events.k8s.io",
            resource="events",
            why="say on an app why it gets no pool",
            optional=True,
        ),
    )


def needs_of_election(
    *, elect: str, namespace: str, lease: str, service: str = "", at: str = ""
) -> tuple[Deed, ...]:
    """List what it takes to be one of several servers (deploy/leader-election.yaml).

    ``namespace`` is the Lease's, ``at`` the server's own, where its Service is if it has one.
    """
    group = "coordination.k8s.io"
    reads = Deed(
        verb="get",
        resource="leases",
        group=group,
        namespace=namespace,
        name=lease,
        why="see who holds the Lease",
    )
    if elect != "own":
        return (reads,)
    holds = dataclasses.replace(reads, why="hold the Lease")
    kept = (
        reads,
        dataclasses.replace(holds, verb="create", name=""),
        dataclasses.replace(holds, verb="update"),
    )
    if not service:
        return kept
    leads = Deed(
        verb="get",
        resource="services",
        namespace=at,
        name=service,
        why="lead the Service to the server that acts",
    )
    slices = dataclasses.replace(leads, resource="endpointslices", group="discovery.k8s.io")
    return (
        *kept,
        leads,
        dataclasses.replace(slices, verb="create", name=""),
        dataclasses.replace(slices, verb="patch", name=f"{service}-leader"),
    )


EXCESS: Final = (
    *(
        Deed(verb=verb, resource="secrets", namespace=where)
        for verb in ("get", "list", "watch", "update", "patch")
        for where in ("kube-system", "default", "")
    ),
    *(Deed(verb=verb, resource="secrets", namespace="default") for verb in ("create", "delete")),
    Deed(verb="deletecollection", resource="secrets", namespace="kube-system"),
    *(
        Deed(verb=verb, resource="configmaps", namespace=where)
        for verb in ("get", "list", "create", "update", "patch", "delete")
        for where in ("kube-system", "default")
    ),
    *(Deed(verb=verb, resource="pods") for verb in ("get", "list", "create", "delete")),
    Deed(verb="create", resource="pods", subresource="exec"),
    Deed(verb="create", resource="pods", subresource="eviction"),
    *(Deed(verb=verb, resource="nodes") for verb in ("create", "update", "deletecollection")),
    Deed(verb="patch", resource="nodes", subresource="status"),
    Deed(verb="get", resource="nodes", subresource="proxy"),
    *(
        Deed(verb=verb, group="certificates.k8s.io", resource="certificatesigningrequests")
        for verb in ("create", "update", "delete")
    ),
    *(
        Deed(verb=verb, group="certificates.k8s.io", resource="signers", name=name)
        for verb, name in (
            ("approve", "kubernetes.io/kube-apiserver-client"),
            ("approve", "kubernetes.io/kubelet-serving"),
            ("sign", csr.SIGNER),
        )
    ),
    Deed(verb="create", resource="serviceaccounts", subresource="token"),
    *(Deed(verb="impersonate", resource=who) for who in ("users", "groups", "serviceaccounts")),
    *(
        Deed(verb=verb, group="rbac.authorization.k8s.io", resource=resource)
        for verb in ("create", "update", "bind", "escalate")
        for resource in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
    ),
    *(
        Deed(
            verb=verb,
            group="admissionregistration.k8s.io",
            resource="validatingadmissionpolicies",
        )
        for verb in ("update", "delete")
    ),
    *(
        Deed(verb=verb, group=VPS_NODES, resource="vpsnodes")
        for verb in ("create", "update", "delete", "deletecollection")
    ),
    *(
        Deed(verb=verb, group=KUBERO_APPS, resource="kuberoapps")
        for verb in ("create", "update", "patch", "delete", "deletecollection")
    ),
    Deed(verb="delete", group="events.k8s.io", resource="events", namespace="default"),
    Deed(verb="delete", resource="namespaces"),
)
"""What an account of ours has no business to be allowed; none of it is needed for anything."""


def attributes(deed: Deed) -> dict[str, str]:
    """Return a deed as the resourceAttributes of an access review."""
    fields = {
        "verb": deed.verb,
        "group": deed.group,
        "resource": deed.resource,
        "subresource": deed.subresource,
        "namespace": deed.namespace,
        "name": deed.name,
    }
    return {key: value for key, value in fields.items() if value}


def allowed(of: api.Api, deed: Deed) -> bool:
    """Ask whether we may do something; raises KubeError."""
    review = of.post(
        _PATH,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes(deed)},
        },
    )
    status = review.get("status")
    return isinstance(status, dict) and status.get("allowed") is True


def missing(of: api.Api, deeds: Iterable[Deed]) -> tuple[Deed, ...]:
    """Return what we may not do of these; raises KubeError."""
    return tuple(deed for deed in deeds if not allowed(of, deed))


def unneeded(needed: Iterable[Deed]) -> tuple[Deed, ...]:
    """Return what of :data:`EXCESS` is in excess for who needs these."""
    wanted = [attributes(deed) for deed in needed]
    return tuple(deed for deed in EXCESS if attributes(deed) not in wanted)


def excess(of: api.Api, needed: Iterable[Deed] = ()) -> tuple[Deed, ...]:
    """Return what we may do and should not, whoever needs these; raises KubeError."""
    return tuple(deed for deed in unneeded(needed) if allowed(of, deed))
