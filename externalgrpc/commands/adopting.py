"""Judge which machines a group can adopt, and put our marks on them or take them off again.

A machine is adopted only when a Node of this cluster claims it by name and providerID, as law 5 of
docs/architecture.md has it, and no other cluster's marks are on it. It never gets the mark
``unjoined``: nothing ever proves of it that it was no node, so the server deletes it on the
autoscaler's word alone. The mark ``adopted`` says that it was not made for us, so that what is
undone is never a machine of our own.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from externalgrpc.kube import nodes
from externalgrpc.model import groups
from providers import contract
from providers.contract import Mark

CONTROL_PLANE: Final = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
    "node-role.kubernetes.io/etcd",
)
"""Labels of Nodes that no autoscaler may ever remove."""

_REST: Final = frozenset({Mark.GROUP, Mark.NODE, Mark.IDENTITY, Mark.UNJOINED, Mark.ADOPTED})


class Cloud(contract.Marking, contract.Adopting, Protocol):
    """A cloud where machines can be adopted."""


class Outcome(enum.Enum):
    """What is to be done with a machine."""

    ADOPT = "adopt"
    ALREADY = "already"
    """Nothing: it is a member."""
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with one machine and why; ``node`` is the Node that claims it."""

    candidate: contract.Candidate
    outcome: Outcome
    why: str = ""
    node: nodes.Node | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """Whose machines are ours, and the Nodes that are ``there``."""

    name: str
    identity: str
    there: tuple[nodes.Node, ...]

    def claimants(self, provider_id: str) -> list[nodes.Node]:
        """Return the Nodes that say they are a machine."""
        return [each for each in self.there if each.provider_id == provider_id]


def chosen(
    found: Iterable[contract.Candidate], *, labels: Sequence[str], servers: Sequence[str]
) -> Iterator[contract.Candidate]:
    """Give the machines that are meant: with every label, or of an id or a providerID.

    ``labels`` are ``key=value``, or ``key`` for one of whatever value.
    """
    for each in found:
        if servers:
            if {each.instance.id, each.instance.provider_id} & set(servers):
                yield each
        elif labels and all(_carries(each, label) for label in labels):
            yield each


def _carries(candidate: contract.Candidate, label: str) -> bool:
    key, given, value = label.partition("=")
    return any(key == own and (not given or value == its) for own, its in candidate.labels)


def judge(
    meant: Iterable[contract.Candidate],
    everything: Sequence[contract.Candidate],
    group: groups.NodeGroup,
    cluster: Cluster,
) -> list[Verdict]:
    """Judge each machine; ``everything`` is all that stands in the account, ours or not."""
    taken = {
        each.instance.node_name: each.instance.id
        for each in everything
        if each.cluster == cluster.name and each.instance.node_name
    }
    return [_judged(each, taken, group, cluster) for each in meant]


def _judged(
    candidate: contract.Candidate,
    taken: Mapping[str, str],
    group: groups.NodeGroup,
    cluster: Cluster,
) -> Verdict:
    if (owned := _owned(candidate, group, cluster)) is not None:
        return owned
    machine = candidate.instance
    claimants = cluster.claimants(machine.provider_id)
    if machine.state is not contract.InstanceState.RUNNING:
        why = f"it is {machine.state.value}: start it, or leave it out"
    elif not claimants:
        why = (
            f"no Node of this cluster has the providerID {machine.provider_id}: it belongs to "
            "another cluster, never joined, or its kubelet does not say its providerID"
        )
    elif len(claimants) > 1:
        names = " and ".join(each.name for each in claimants)
        why = f"the Nodes {names} both claim to be it: delete the one that is wrong"
    elif taken.get(claimants[0].name, machine.id) != machine.id:
        node = claimants[0].name
        why = f"machine {taken[node]} carries the mark of the node {node}"
    else:
        why = _unfit(candidate.name, claimants[0], group)
    if why:
        return Verdict(candidate, Outcome.REFUSED, why)
    return Verdict(candidate, Outcome.ADOPT, node=claimants[0])


def _unfit(name: str, node: nodes.Node, group: groups.NodeGroup) -> str:
    """Say why the Node of a machine of that name at the cloud is none to adopt; "" when it is."""
    if node.name != name.lower() and not group.any_node_name:
        return (
            f"the Node {node.name} claims to be it, and its name at the cloud is another: name "
            f"the server {node.name} there, or say anyNodeName: true for the group"
        )
    if node.deleting:
        return f"its Node {node.name} is being deleted"
    if any(label in node.labels for label in CONTROL_PLANE):
        return f"its Node {node.name} is of the control plane: it is never adopted"
    return ""


def _owned(
    candidate: contract.Candidate, group: groups.NodeGroup, cluster: Cluster
) -> Verdict | None:
    """Judge a machine by the marks that it carries; None where they leave it free."""
    machine = candidate.instance
    if candidate.cluster not in ("", cluster.name):
        whose = "several clusters" if candidate.cluster == contract.NOBODYS else candidate.cluster
        return Verdict(candidate, Outcome.REFUSED, f"it carries the mark of cluster {whose}")
    if machine.identity not in ("", cluster.identity):
        return Verdict(
            candidate,
            Outcome.REFUSED,
            f"it carries the identity {machine.identity}, this cluster's is {cluster.identity}; "
            "accounts[].foreign is the place to say that it is this cluster's all the same",
        )
    if not candidate.cluster:
        return None
    if machine.group == group.name:
        made = "it was adopted before" if machine.adopted else "it was made for this group"
        return Verdict(candidate, Outcome.ALREADY, made)
    return Verdict(
        candidate, Outcome.REFUSED, f"it is of group {machine.group or '(none)'} of this cluster"
    )


def crowded(
    verdicts: Sequence[Verdict],
    everything: Iterable[contract.Candidate],
    group: groups.NodeGroup,
    cluster: Cluster,
) -> str:
    """Say that a group would have more machines than its maxSize; "" when it would not."""
    there = sum(
        each.cluster == cluster.name
        and each.instance.group == group.name
        and each.instance.state is not contract.InstanceState.DELETING
        for each in everything
    )
    added = sum(each.outcome is Outcome.ADOPT for each in verdicts)
    if not added or there + added <= group.max_size:
        return ""
    return (
        f"group {group.name} would have {there + added} machines, and its maxSize is "
        f"{group.max_size}: say maxSize: {there + added} or more first"
    )


def remarks(verdict: Verdict, group: groups.NodeGroup) -> Iterator[str]:
    """Say how a machine that is adopted differs from what its group promises to the autoscaler."""
    machine, node = verdict.candidate.instance, verdict.node
    if not any(
        (each.machine_type, each.location) == (machine.machine_type, machine.location)
        for each in group.candidates
    ):
        yield (
            f"it is a {machine.machine_type} in {machine.location}, which the group does not order"
        )
    if node is None:
        return
    for key, value in group.labels.items():
        if node.labels.get(key) != value:
            yield f"its Node {node.name} lacks the group's label {key}={value}"
    for taint in group.taints:
        if taint not in node.taints:
            yield f"its Node {node.name} lacks the group's taint {taint.key}:{taint.effect}"


def marks(verdict: Verdict, group: groups.NodeGroup, cluster: Cluster) -> dict[Mark, str]:
    """Return the marks that make a machine a member.

    The cluster's comes last: where marks go on one by one, a machine is nobody's until it has all.
    """
    assert verdict.node is not None  # noqa: S101 - what is adopted has one
    return {
        Mark.ADOPTED: contract.UNJOINED_VALUE,
        Mark.IDENTITY: cluster.identity,
        Mark.NODE: verdict.node.name,
        Mark.GROUP: group.name,
        Mark.CLUSTER: cluster.name,
    }


def adopt(
    cloud: Cloud, verdict: Verdict, group: groups.NodeGroup, cluster: Cluster
) -> contract.Instance:
    """Put our marks on one machine; its other labels stay. Idempotent. Raises CloudError."""
    return cloud.mark(
        verdict.candidate.instance.id,
        put=marks(verdict, group, cluster),
        remove=frozenset({Mark.UNJOINED}),
    )


def undoable(
    everything: Iterable[contract.Candidate],
    group: groups.NodeGroup,
    cluster: Cluster,
    servers: Sequence[str] = (),
) -> list[contract.Candidate]:
    """Return the machines that were adopted for a group, also those that were half given back."""
    return [
        each
        for each in everything
        if each.instance.adopted
        and each.cluster in ("", cluster.name)
        and each.instance.identity == cluster.identity
        and each.instance.group == group.name
        and (not servers or {each.instance.id, each.instance.provider_id} & set(servers))
    ]


def undo(cloud: Cloud, candidate: contract.Candidate) -> None:
    """Take our marks off one machine: first the one that makes it a member. Idempotent.

    Whoever is cut short between the two finds it again by the others. Raises CloudError.
    """
    cloud.mark(candidate.instance.id, put={}, remove=frozenset({Mark.CLUSTER}))
    cloud.mark(candidate.instance.id, put={}, remove=_REST)
