"""Judge the VPSNodes: what they say of themselves, and those that nobody looks after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning
from externalgrpc.vpsnodes import objects

SUBJECT: Final = "vpsnodes"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge each; one that is being deleted while no server answers waits for ever."""
    yield from _policies(facts)
    there = facts.vps_nodes or ()
    stuck = [each for each in there if each.deleting and each.kept]
    if stuck and facts.server is None:
        which = " ".join(f"vpsnode/{each.name}" for each in stuck)
        yield trouble(
            SUBJECT,
            f"being deleted, and no server answers: {names(each.name for each in stuck)}",
            f"The finalizer {objects.FINALIZER} keeps them until a server has seen their last "
            "machine go: without one they, and their CRD, are never gone.",
            "Start the server; or, once the clouds show no machine of theirs: kubectl patch "
            f'{which} --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\'',
        )
    elif stuck:
        for each in stuck:
            message = _condition(each, "Draining").get("message")
            yield warning(
                SUBJECT,
                f"{each.name} is being deleted: {message or 'its machines are not gone yet'}",
                "It is kept until the last of its machines is gone.",
                f"kubectl describe vpsnode {each.name}",
            )
    for each in there:
        accepted = _condition(each, "Accepted")
        if accepted.get("status") == "False":
            reason, message = accepted.get("reason"), accepted.get("message")
            yield warning(
                SUBJECT,
                f"{each.name} is not accepted ({reason}): {message}",
                "The last spec that was accepted is in force, if there was one.",
                f"kubectl edit vpsnode {each.name}",
            )
    silent = [each for each in there if each.status.get("observedGeneration") != each.generation]
    if silent and facts.server is not None:
        yield warning(
            SUBJECT,
            f"the server has not answered: {names(each.name for each in silent)}",
            "It may lack the right to follow VPSNodes, or the kind has no status to write.",
            "kubectl apply -f deploy/crds/vpsnodes.yaml -f deploy/vpsnodes-rbac.yaml",
        )

    yield from _tenants(facts)


def _policies(facts: Facts) -> Iterator[Finding]:
    """Find tenants' policies whose VPSNodes the cluster does not know as a kind."""
    standing = sorted(facts.cluster.tenant_policies or ())
    if standing and facts.cluster.vps_nodes_served is False:
        yield trouble(
            SUBJECT,
            f"the tenants' policies stand without the CRD of VPSNodes: {names(standing)}",
            "The API server refuses every app and pod in the namespaces of tenants.",
            "kubectl apply -f deploy/crds/vpsnodes.yaml; or, to be rid of them: kubectl delete "
            f"mutatingadmissionpolicy {' '.join(standing)}",
        )


def _tenants(facts: Facts) -> Iterator[Finding]:
    """Report tenants whose apps go nowhere in particular, for the pool that they name is none."""
    there = {each.name for each in facts.vps_nodes or ()}
    astray: dict[str, list[str]] = {}
    for namespace, pool in sorted(facts.tenants.items()):
        if pool not in there:
            astray.setdefault(pool, []).append(namespace)
    for pool, namespaces in astray.items():
        yield warning(
            SUBJECT,
            f"namespaces of tenants name a VPSNode {pool}, and there is none: {names(namespaces)}",
            "The admission policies place nothing there: its pods run where any others would.",
            f"Make the VPSNode, or name another: kubectl label namespace {namespaces[0]} "
            "vps-autoscaler/tenant=NAME --overwrite",
        )


def _condition(of: objects.VpsNode, kind: str) -> Mapping[str, Any]:
    there = of.status.get("conditions")
    for each in there if isinstance(there, list) else ():
        if isinstance(each, dict) and each.get("type") == kind:
            return each
    return {}
