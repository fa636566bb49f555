"""Put all judgements over the facts together."""

from __future__ import annotations

from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Report, worst_first
from externalgrpc.diagnosis.judges import (
    autoscaler,
    blockers,
    clocks,
    controllers,
    elections,
    endpoint,
    expiry,
    machines,
    marks,
    rights,
    rooms,
    servers,
    stale_nodes,
    taints,
    untouched,
    versions,
    vps_nodes,
)

JUDGES: Final = (
    machines.judge,
    marks.judge,
    untouched.judge,
    servers.judge,
    autoscaler.judge,
    controllers.judge,
    taints.judge,
    rights.judge,
    elections.judge,
    vps_nodes.judge,
    rooms.judge,
    endpoint.judge,
    versions.judge,
    expiry.judge,
    clocks.judge,
    stale_nodes.judge,
    blockers.judge,
)
"""In the order in which findings of one severity are reported: what costs most comes first."""


def judge(facts: Facts) -> Report:
    """Judge everything; contacts nobody."""
    return Report(
        cluster=facts.config.cluster,
        findings=worst_first(found for each in JUDGES for found in each(facts)),
        looked_at=facts.looked_at,
        not_looked_at=facts.not_looked_at,
    )
