"""Find Nodes and machines that disagree about who is who, and marks that do not say the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.facts import Facts, Listing
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning
from externalgrpc.kube import nodes
from externalgrpc.model import groups
from providers import contract

SUBJECT: Final = "marks"

PATIENCE_S: Final = 900.0
"""How long a Node may be there before its machine's marks must say so; they change one by one."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Compare the machines of configured groups with the Nodes."""
    if facts.cluster.nodes is None:
        return
    known = {group.name: group for group in facts.config.groups}
    by_id: dict[str, list[nodes.Node]] = {}
    for node in facts.cluster.nodes:
        if node.provider_id:
            by_id.setdefault(node.provider_id, []).append(node)
    for listing in facts.listings:
        ours = [
            each
            for each in listing.machines
            if each.group in known and each.state is not contract.InstanceState.DELETING
        ]
        for machine in ours:
            yield from _misnamed(machine, known[machine.group], by_id.get(machine.provider_id, []))
        yield from _unmarked(facts, listing, ours, known, by_id)


def claims(machine: contract.Instance, group: groups.NodeGroup, node: nodes.Node) -> bool:
    """Return whether a Node with a machine's providerID may bear its name."""
    return group.any_node_name or not machine.node_name or node.name == machine.node_name


def _misnamed(
    machine: contract.Instance, group: groups.NodeGroup, claiming: list[nodes.Node]
) -> Iterator[Finding]:
    for node in claiming:
        if claims(machine, group, node):
            continue
        yield trouble(
            SUBJECT,
            f"Node {node.name} has the providerID of {machine.node_name} ({machine.provider_id})",
            "A node is its name and its providerID: such a claim is ignored, and its machine is "
            "nobody's node.",
            f"Look at what runs there: a wrong host name or --provider-id, or a node that lies; "
            f"kubectl drain {node.name} --ignore-daemonsets && kubectl delete node {node.name}. "
            "Where nodes are named otherwise on purpose: anyNodeName: true",
        )


def _unmarked(
    facts: Facts,
    listing: Listing,
    machines: list[contract.Instance],
    known: Mapping[str, groups.NodeGroup],
    by_id: Mapping[str, list[nodes.Node]],
) -> Iterator[Finding]:
    """Report machines that are nodes, and whose marks still say otherwise after a while."""
    own = facts.cluster.identity
    if not own or not listing.marking or facts.config.kubernetes is None:
        return
    found = [
        machine
        for machine in machines
        if (machine.unjoined or not machine.identity)
        and machine.identity in ("", own)
        and any(
            claims(machine, known[machine.group], node) and facts.now - node.created_at > PATIENCE_S
            for node in by_id.get(machine.provider_id, ())
        )
    ]
    if found:
        yield warning(
            SUBJECT,
            f"{len(found)} machines at account {listing.account} are nodes, and their marks do "
            "not say so: " + names(each.node_name or each.provider_id for each in found),
            "A later process has but the marks to tell them from machines that never joined, and "
            "from another cluster's.",
            "The server changes marks one by one while it runs; where it does not, its log says "
            "why (machine not marked): the token must be allowed to change servers",
        )
