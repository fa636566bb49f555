"""Judge whether servers that let one of several act have the rights that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Election, ElectionRights, Facts
from externalgrpc.diagnosis.findings import Finding, names, trouble
from externalgrpc.diagnosis.judges import servers

SUBJECT: Final = "election"

_FILE: Final = "kubectl apply -f deploy/leader-election.yaml"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge each workload of servers that takes part in an election; what was not seen is fine."""
    for each in facts.cluster.elections or ():
        if each.missing:
            yield _lacks(each)


def _lacks(of: ElectionRights) -> Finding:
    its = of.election
    lease = f"the Lease {its.namespace}/{its.lease}"
    if not any(each.resource == "leases" for each in of.missing):
        why = f"The Service {its.service} leads to nobody: no autoscaler reaches a server."
    elif its.elect == "follow":
        why = f"It cannot see who holds {lease}: every server stands by, and nothing is ordered."
    else:
        why = f"Nobody can hold {lease}: every server stands by, and nothing is ordered."
    return trouble(
        SUBJECT,
        f"{its.workload} has --leader-elect={its.elect}, and its account "
        f"{its.workload.account} may not " + names(str(each) for each in of.missing),
        why,
        _follows(its) if its.elect == "follow" else _holds(its),
    )


def _follows(of: Election) -> str:
    role, workload = f"{of.workload.name}-reads-lease", of.workload
    return (
        f"kubectl -n {of.namespace} create role {role} --verb=get "
        f"--resource=leases.coordination.k8s.io --resource-name={of.lease}; "
        f"kubectl -n {of.namespace} create rolebinding {role} --role={role} "
        f"--serviceaccount={workload.namespace}:{workload.account}"
    )


def _holds(of: Election) -> str:
    ours = (of.namespace, of.lease, of.service or of.lease, of.workload.account)
    if set(ours) == {servers.PROGRAM}:
        return _FILE
    service = f", Service {of.service}" if of.service else ""
    return (
        f"{_FILE}, with the names of this installation in it: namespace {of.namespace}, "
        f"Lease {of.lease}{service}, account {of.workload.account}; or, with the chart, "
        "rbac.create: true"
    )
