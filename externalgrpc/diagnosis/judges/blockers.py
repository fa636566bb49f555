"""Find pods of kube-system that keep the autoscaler from removing nodes of ours.

What a pod alone shows is judged by :mod:`externalgrpc.kube.eviction`; PodDisruptionBudgets and the
autoscaler's flags here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Budget, Facts
from externalgrpc.diagnosis.findings import Finding, names, warning
from externalgrpc.diagnosis.judges import flags
from externalgrpc.diagnosis.judges.autoscaler import PROVIDER
from externalgrpc.kube import eviction

SUBJECT: Final = "pods"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the pods on nodes whose machines are ours."""
    if facts.cluster.pods is None or facts.cluster.nodes is None:
        return
    machines = {machine.provider_id for listing in facts.listings for machine in listing.machines}
    ours = {each.name for each in facts.cluster.nodes if each.provider_id in machines}
    held: dict[tuple[str, str], list[str]] = {}
    for pod in facts.cluster.pods:
        if pod.node_name in ours:
            found = _reason(facts, pod)
            if found is not None:
                held.setdefault(found, []).append(f"{pod.name} (on {pod.node_name})")
    for (reason, cure), pods in held.items():
        yield warning(
            SUBJECT,
            f"pods of kube-system {reason}: {names(pods)}",
            "Their nodes are never removed, so that the group does not go to zero.",
            cure,
        )


def _reason(facts: Facts, pod: eviction.Pod) -> tuple[str, str] | None:
    """Return why a pod blocks its node, and the cure; None when it does not."""
    allow = f"annotate them with {eviction.SAFE}: 'true'"
    match eviction.judge(pod):
        case eviction.Verdict.MOVED:
            return None
        case eviction.Verdict.REFUSES:
            cure = "Remove the annotation, or keep them off these nodes"
            return f"are annotated {eviction.SAFE}=false", cure
        case eviction.Verdict.UNOWNED:
            return "have no controller that would start them elsewhere", f"Delete them, or {allow}"
        case eviction.Verdict.OPEN:
            return _uncovered(facts, pod, allow) or _storage(facts, pod)


def _uncovered(facts: Facts, pod: eviction.Pod, allow: str) -> tuple[str, str] | None:
    if facts.cluster.budgets is None:
        return None
    covering = [each for each in facts.cluster.budgets if _covers(each, pod)]
    if not covering and _skips(facts, "skip-nodes-with-system-pods"):
        return (
            "have no PodDisruptionBudget, which system pods need to be moved",
            "Give them a PodDisruptionBudget with maxUnavailable: 1, keep them on the control "
            f"plane, {allow}, or start the autoscaler with --skip-nodes-with-system-pods=false",
        )
    if any(not each.allowed and not each.odd for each in covering):
        return (
            "have a PodDisruptionBudget that allows no disruption now",
            "Run one replica more, or allow maxUnavailable: 1",
        )
    return None


def _storage(facts: Facts, pod: eviction.Pod) -> tuple[str, str] | None:
    if eviction.kept_volumes(pod) and _skips(facts, "skip-nodes-with-local-storage"):
        return (
            "have local storage",
            f"Annotate them with {eviction.SAFE_VOLUMES}: VOLUMES, or start the autoscaler with "
            "--skip-nodes-with-local-storage=false",
        )
    return None


def _covers(budget: Budget, pod: eviction.Pod) -> bool:
    # One whose selector we do not read is taken to cover: silence rather than a wrong word.
    return budget.odd or all(pod.labels.get(key) == value for key, value in budget.labels.items())


def _skips(facts: Facts, name: str) -> bool:
    ours = [
        each
        for each in flags.find(facts.cluster.workloads or ())
        if each.text("cloud-provider") == PROVIDER
    ]
    return all(each.on(name, default=True) for each in ours)
