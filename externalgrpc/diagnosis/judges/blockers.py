"""Find pods of kube-system that keep the autoscaler from removing nodes of ours.

Its rules, as read in simulator/drainability/rules: DaemonSet and static pods never block, nor does
a pod annotated as safe to evict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Budget, Facts, Pod
from externalgrpc.diagnosis.findings import Finding, names, warning
from externalgrpc.diagnosis.judges import flags
from externalgrpc.diagnosis.judges.autoscaler import PROVIDER

SUBJECT: Final = "pods"
SAFE: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
SAFE_VOLUMES: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

_NEVER: Final = frozenset({"DaemonSet", "Node"})


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the pods on nodes whose machines are ours."""
    if facts.cluster.pods is None or facts.cluster.nodes is None:
        return
    machines = {machine.provider_id for listing in facts.listings for machine in listing.machines}
    ours = {each.name for each in facts.cluster.nodes if each.provider_id in machines}
    held: dict[tuple[str, str], list[str]] = {}
    for pod in facts.cluster.pods:
        if pod.node_name in ours and not pod.done:
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


def _reason(facts: Facts, pod: Pod) -> tuple[str, str] | None:
    """Return why a pod blocks its node, and the cure; None when it does not."""
    safe = pod.annotations.get(SAFE)
    if pod.owner in _NEVER or safe == "true":
        return None
    allow = f"annotate them with {SAFE}: 'true'"
    if safe == "false":
        return f"are annotated {SAFE}=false", "Remove the annotation, or keep them off these nodes"
    if not pod.owner:
        return "have no controller that would start them elsewhere", f"Delete them, or {allow}"
    return _uncovered(facts, pod, allow) or _storage(facts, pod)


def _uncovered(facts: Facts, pod: Pod, allow: str) -> tuple[str, str] | None:
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


def _storage(facts: Facts, pod: Pod) -> tuple[str, str] | None:
    volumes = pod.annotations.get(SAFE_VOLUMES, "").split(",")
    if set(pod.local_storage) - set(volumes) and _skips(facts, "skip-nodes-with-local-storage"):
        return (
            "have local storage",
            f"Annotate them with {SAFE_VOLUMES}: VOLUMES, or start the autoscaler with "
            "--skip-nodes-with-local-storage=false",
        )
    return None


def _covers(budget: Budget, pod: Pod) -> bool:
    # One whose selector we do not read is taken to cover: silence rather than a wrong word.
    return budget.odd or all(pod.labels.get(key) == value for key, value in budget.labels.items())


def _skips(facts: Facts, name: str) -> bool:
    ours = [
        each
        for each in flags.find(facts.cluster.workloads or ())
        if each.text("cloud-provider") == PROVIDER
    ]
    return all(each.on(name, default=True) for each in ours)
