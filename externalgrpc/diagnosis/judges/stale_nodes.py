"""Find Nodes of ours whose machine is gone, and judge how many Nodes are unready."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning
from externalgrpc.kube import nodes
from externalgrpc.model import names as minting

SUBJECT: Final = "nodes"

FRESH_S: Final = 300.0
"""A Node younger than that may belong to a machine that a late listing does not show yet."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the Nodes; those of a cloud that was not listed completely are left alone."""
    if facts.cluster.nodes is None:
        return
    found = [each for each in facts.cluster.nodes if lost(facts, each)]
    dead = [each for each in found if not each.ready]
    alive = [each for each in found if each.ready]
    if dead:
        removes = facts.config.kubernetes is not None and facts.config.kubernetes.remove_nodes
        yield warning(
            SUBJECT,
            f"Nodes without a machine: {names(each.name for each in dead)}",
            "Their pods and volumes hang, and the autoscaler counts them as unready.",
            "kubectl delete node "
            + " ".join(each.name for each in dead)
            + ("" if removes else "; kubernetes: {removeNodes: true} does it from now on"),
        )
    if alive:
        yield trouble(
            SUBJECT,
            "Nodes that are Ready, and no machine with our mark is theirs: "
            + names(f"{each.name} ({each.provider_id or 'no providerID'})" for each in alive),
            "Their machines lost the mark or are of another project: nobody ever removes them.",
            "Look at the server's labels or tags at the cloud; give the marks back, or drain and "
            "delete the machine.",
        )


def lost(facts: Facts, node: nodes.Node) -> bool:
    """Return whether a Node was certainly made for a machine of ours that is not there."""
    group = next((g for g in facts.config.groups if minting.minted_for(g.name, node.name)), None)
    if group is None or facts.now - node.created_at < FRESH_S or node.deleting:
        # Of another name it may be a machine that somebody made by hand at the same cloud.
        return False
    scheme = node.provider_id.partition("://")[0]
    ours = set(facts.schemes.values())
    if scheme and scheme not in ours:
        return False
    needed = {account for account, its in facts.schemes.items() if not scheme or its == scheme}
    if not needed <= {listing.account for listing in facts.listings}:
        return False
    return all(
        machine.provider_id != node.provider_id and machine.node_name != node.name
        for listing in facts.listings
        for machine in listing.machines
    )
