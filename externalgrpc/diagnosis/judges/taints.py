"""Find taints that never go, and configured ones that would keep the autoscaler from a group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning
from externalgrpc.diagnosis.judges import flags, stale_nodes
from externalgrpc.diagnosis.judges.autoscaler import PROVIDER
from externalgrpc.kube import nodes
from externalgrpc.model import groups

SUBJECT: Final = "taints"
PREFIX: Final = "startup-taint.cluster-autoscaler.kubernetes.io/"
TO_BE_DELETED: Final = "ToBeDeletedByClusterAutoscaler"

_PREFIXES: Final = (
    PREFIX,
    "status-taint.cluster-autoscaler.kubernetes.io/",
    "ignore-taint.cluster-autoscaler.kubernetes.io/",
)
_STARTING: Final = re.compile(
    r"(^|[./-])(agent-not-ready|not-ready|unreachable|network-unavailable|startup|initiali[sz]ing)$"
    r"|^node\.cilium\.io/agent-",
    re.ASCII,
)
_SLOW_S: Final = 600.0
_DELETION_S: Final = 900.0


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the taints of Nodes that have long been there, and those of groups."""
    yield from _stuck(facts)
    yield from _deleting(facts)
    yield from _configured(facts)


def passing(key: str) -> bool:
    """Return whether a taint is one that a node only starts with."""
    return key.startswith(_PREFIXES) or bool(_STARTING.search(key))


def _stuck(facts: Facts) -> Iterator[Finding]:
    by_key: dict[str, list[nodes.Node]] = {}
    for node in facts.cluster.nodes or ():
        since = max(node.created_at, 0.0 if node.ready else node.ready_since)
        if facts.now - since < _SLOW_S or stale_nodes.lost(facts, node):
            continue
        # Not-ready comes twice: not to be scheduled on, and not to stay on.
        for key in dict.fromkeys(taint.key for taint in node.taints):
            if passing(key):
                by_key.setdefault(key, []).append(node)
    for key, stuck in by_key.items():
        ours = [each for each in stuck if _ours(facts, each)]
        oldest = min(each.created_at for each in stuck)
        if key.startswith("node.kubernetes.io/"):
            cure = f"kubectl describe node {stuck[0].name}: its conditions say why (mostly the CNI)"
        elif key.startswith(_PREFIXES):
            cure = (
                "Whoever takes it away does not: see that program's log, or "
                f"kubectl taint node {stuck[0].name} {key}-"
            )
        else:
            cure = f"See why the pod that removes it does not run on {stuck[0].name} (CNI, CSI)"
        yield (trouble if ours else warning)(
            SUBJECT,
            f"{key} is still on Nodes, the oldest {age(facts.now - oldest)} old: "
            + names(each.name for each in stuck),
            "They take no pod; the autoscaler counts them as starting, then as unready.",
            cure,
        )


def _deleting(facts: Facts) -> Iterator[Finding]:
    for node in facts.cluster.nodes or ():
        for taint in node.taints:
            if taint.key != TO_BE_DELETED:
                continue
            # CA writes the instant into the value.
            since = float(taint.value) if taint.value.isdigit() else 0.0
            if since and facts.now - since > _DELETION_S:
                yield trouble(
                    SUBJECT,
                    f"Node {node.name} has {TO_BE_DELETED} since {age(facts.now - since)}",
                    "It takes no pod and is paid for; its deletion failed or nobody does it.",
                    "See the logs of autoscaler and server for its name; if neither goes on: "
                    f"kubectl taint node {node.name} {TO_BE_DELETED}-",
                )


def _configured(facts: Facts) -> Iterator[Finding]:
    known = _known_to_autoscaler(facts)
    for group in facts.config.groups:
        wrong = [each for each in group.taints if _holds_off(each, known)]
        if wrong:
            key = wrong[0].key
            yield trouble(
                SUBJECT,
                f"group {group.name} has taints that look like start-up taints: "
                + names(each.key for each in wrong),
                "The autoscaler takes them for lasting ones: no pending pod fits, nothing grows.",
                f"Start it with --startup-taint={key}, or call the taint {PREFIX}"
                f"{key.rpartition('/')[2]}",
            )


def _holds_off(taint: groups.Taint, known: tuple[str, ...]) -> bool:
    return (
        taint.effect != "PreferNoSchedule"
        and bool(_STARTING.search(taint.key))
        and not taint.key.startswith(_PREFIXES)
        and taint.key not in known
        and not any(prefix.endswith("*") and taint.key.startswith(prefix[:-1]) for prefix in known)
    )


def _known_to_autoscaler(facts: Facts) -> tuple[str, ...]:
    """Return the keys that CA's flags call start-up or status taints; prefixes end with ``*``."""
    found: list[str] = []
    for each in flags.find(facts.cluster.workloads or ()):
        if each.text("cloud-provider") != PROVIDER:
            continue
        for name in ("startup-taint", "status-taint", "ignore-taint"):
            found += each.flags.get(name, ())
        found += [f"{item}*" for item in each.flags.get("startup-taint-prefix", ()) if item]
    return tuple(found)


def _ours(facts: Facts, node: nodes.Node) -> bool:
    scheme = node.provider_id.partition("://")[0]
    return scheme in set(facts.schemes.values())
