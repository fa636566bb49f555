"""Turn a cluster's Nodes into what the fleet wants to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from externalgrpc.fleet import journeys
from externalgrpc.kube import nodes
from externalgrpc.nodes import template

SETTLED_S = 90.0
"""A Ready condition that changed so long after its Node was made has been true before."""


def observe(
    there: Iterable[nodes.Node],
    asked: Mapping[str, float],
    *,
    unix_now: float,
    ahead_s: float = 0.0,
) -> dict[str, journeys.NodeObservation]:
    """Return what is seen of machines, by Node name and by provider id.

    ``asked`` says when (Unix seconds) a machine's kubelet asked for its certificate, by name.
    ``ahead_s`` is how far the API server's clock is ahead of ours: Nodes are dated by it. Of
    several Nodes that claim one machine a ready one counts.
    """
    seen = {name: journeys.NodeObservation(csr_at=at) for name, at in asked.items()}
    for node in there:
        node_at = node.created_at - ahead_s if node.created_at else unix_now
        settled = bool(node.created_at) and node.ready_since - node.created_at > SETTLED_S
        observed = journeys.NodeObservation(
            name=node.name,
            provider_id=node.provider_id,
            csr_at=asked.get(node.name, 0.0),
            node_at=node_at,
            ready_at=(node.ready_since or node_at) if node.ready else 0.0,
            was_ready_at=node_at if settled else 0.0,
        )
        seen[node.name] = observed
        rival = seen.get(node.provider_id)
        if node.provider_id and (rival is None or not rival.ready_at):
            seen[node.provider_id] = observed
    return seen


def reports(there: Iterable[nodes.Node]) -> dict[str, template.Learned]:
    """Return what ready Nodes have and allocate, by provider id."""
    return {
        node.provider_id: template.Learned(capacity=node.capacity, allocatable=node.allocatable)
        for node in there
        if node.ready and node.provider_id
    }
