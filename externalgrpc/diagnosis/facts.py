"""Hold what was asked: plain values that the judgements read.

None stands for what could not be asked; the reason is in :attr:`Facts.not_looked_at`. A judgement
that lacks a fact says nothing: what nobody saw is no ground for a finding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.diagnosis.findings import Unseen
from externalgrpc.kube import access, eviction, nodes
from externalgrpc.model import groups
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.vpsnodes import objects
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All machines with our mark at one account: a complete listing, never a part.

    ``marking`` says whether the cloud can change the marks of a machine that stands.
    """

    account: str
    machines: tuple[contract.Instance, ...]
    marking: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a workload: its image, and its command and arguments in a row."""

    name: str
    image: str
    words: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment, StatefulSet, DaemonSet, or a static pod.

    ``account`` is its service account, ``recreate`` whether an update stops the old pod first.
    """

    kind: str
    namespace: str
    name: str
    containers: tuple[Container, ...]
    replicas: int = 1
    recreate: bool = False
    account: str = "default"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A PodDisruptionBudget of kube-system; ``odd`` when its selector has matchExpressions."""

    name: str
    labels: Mapping[str, str]
    odd: bool = False
    allowed: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A ClusterRoleBinding or RoleBinding of kube-system: a role, and the groups that have it."""

    name: str
    role: str
    groups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeptRoom:
    """An object by which a server keeps room in a group: so many balloons (``replicas``)."""

    kind: str
    namespace: str
    name: str
    group: str
    cluster: str
    replicas: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the server's account, ``who``, may not do and should, and may do and should not."""

    who: str
    missing: tuple[access.Deed, ...] = ()
    excess: tuple[access.Deed, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """How a workload's servers find out which of them acts, as their flags say it.

    ``elect`` is ``follow`` or ``own``; ``namespace`` is the Lease's, which may be another than the
    workload's. ``service`` is empty where none leads to the one that acts.
    """

    workload: Workload
    elect: str
    namespace: str
    lease: str
    service: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ElectionRights:
    """What the account of a workload of servers may not do of what their election takes."""

    election: Election
    missing: tuple[access.Deed, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Something that ends: ``what`` it is, when in Unix seconds, and how to renew it."""

    what: str
    ends_at: float
    cure: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndpointProbe:
    """The API server as machines of some groups are to reach it, tried from here.

    ``addresses`` are the IP addresses of its host. ``trouble`` says how a connection with the
    cluster's CA failed, "" when it did not; ``untrusted`` that TLS was what failed. ``names`` are
    those of the certificate, where it was seen.
    """

    endpoint: str
    groups: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    trouble: str = ""
    untrusted: bool = False
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the API server answered; every None was not to be had.

    ``identity`` distinguishes the cluster from others of its name, "" where it was not to be had.
    ``tenant_policies`` are those bound policies that read VPSNodes, ``vps_nodes_served`` whether
    the cluster has that kind.
    """

    minor: int | None = None
    version: str = ""
    nodes: tuple[nodes.Node, ...] | None = None
    workloads: tuple[Workload, ...] | None = None
    pods: tuple[eviction.Pod, ...] | None = None
    budgets: tuple[Budget, ...] | None = None
    rights: Rights | None = None
    elections: tuple[ElectionRights, ...] | None = None
    policies: frozenset[str] | None = None
    bindings: tuple[Binding, ...] | None = None
    skew_s: float | None = None
    identity: str = ""
    rooms: tuple[KeptRoom, ...] | None = None
    tenant_policies: frozenset[str] | None = None
    vps_nodes_served: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was asked. ``now`` is in Unix seconds.

    ``schemes`` maps accounts to the scheme of their providerIDs. ``server`` is what the running
    server shows; ``silent`` why one that was named did not answer. ``config`` has the groups of the
    file and those of ``vps_nodes``, which is None where the cluster has no such kind. ``tenants``
    maps namespaces of tenants to the VPSNodes that they name. ``fake_nodes`` says that an account
    asks for Nodes of pretended machines.
    """

    config: groups.Config
    now: float
    schemes: Mapping[str, str]
    listings: tuple[Listing, ...] = ()
    server: pb.ShowResponse | None = None
    silent: str = ""
    cluster: Cluster = Cluster()
    endpoint_probes: tuple[EndpointProbe, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    vps_nodes: tuple[objects.VpsNode, ...] | None = None
    tenants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fake_nodes: bool = False
    looked_at: tuple[str, ...] = ()
    not_looked_at: tuple[Unseen, ...] = ()

    @property
    def server_groups(self) -> tuple[pb.Group, ...]:
        """Return the groups that the running server shows, but that of a trial; see scaled."""
        return scaled(self.server)

    @property
    def tried(self) -> frozenset[str]:
        """Return the groups of trials that are under way in the running server."""
        shown = self.server.groups if self.server is not None else ()
        return frozenset(each.id for each in shown if each.trial_of)

    @property
    def doubted(self) -> frozenset[str]:
        """Return the provider ids of the machines of which the running server is not sure."""
        shown = self.server.machines if self.server is not None else ()
        return frozenset(each.provider_id for each in shown if each.doubt)

    def is_foreign(self, machine: contract.Instance) -> bool:
        """Return whether a machine is another cluster's: what it lacks here it may have there."""
        own = self.cluster.identity
        return bool(own and machine.identity) and machine.identity != own

    @property
    def joined_by_us(self) -> tuple[groups.NodeGroup, ...]:
        """Return the groups whose machines join by kubeadm or k3s."""
        return tuple(each for each in self.config.groups if each.join in {"kubeadm", "k3s"})


def scaled(shown: pb.ShowResponse | None) -> tuple[pb.Group, ...]:
    """Return the groups that the autoscaler knows: the group of a trial is not shown to it.

    A trial is what somebody does by hand at this moment, with a screen of its own: no group that
    pods could come to, no trouble, and nothing that the file should have.
    """
    return tuple(each for each in shown.groups if not each.trial_of) if shown is not None else ()
