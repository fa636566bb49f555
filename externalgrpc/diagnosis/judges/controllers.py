"""Judge cloud controller managers (CCM): there or not, against what joins and clean-up expect.

A CCM is known by its image: the vendors call it ``<scheme>-cloud-controller-manager``, with the
scheme of their providerIDs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning

SUBJECT: Final = "cloud controller"
UNINITIALIZED: Final = "node.cloudprovider.kubernetes.io/uninitialized"

_IMAGE: Final = re.compile(r"(?:^|/)([a-z0-9.-]+?)-cloud-controller-manager(?:[:@]|$)", re.ASCII)
_SLOW_S: Final = 300.0


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge CCMs and the taint that they take away."""
    there = _schemes(facts)
    if there is not None:
        yield from _joins(facts, there)
        removes = facts.config.kubernetes is not None and facts.config.kubernetes.remove_nodes
        both = sorted(there & set(facts.schemes.values()))
        if removes and both:
            yield warning(
                SUBJECT,
                f"kubernetes: removeNodes is on, and a controller manager runs for {names(both)}",
                "Both remove Nodes of machines that are gone; one is enough.",
                "Set kubernetes: {removeNodes: false}, if every cloud of yours has one",
            )
    yield from _waiting(facts, there)


def _schemes(facts: Facts) -> set[str] | None:
    if facts.cluster.workloads is None:
        return None
    return {
        match[1]
        for workload in facts.cluster.workloads
        if workload.replicas
        for container in workload.containers
        if (match := _IMAGE.search(container.image))
    }


def _joins(facts: Facts, there: set[str]) -> Iterator[Finding]:
    waiting: dict[str, list[str]] = {}
    ignoring: dict[str, list[str]] = {}
    for group in facts.joined_by_us:
        scheme = facts.schemes[group.account]
        external = group.join_settings.external_cloud_provider
        if external and scheme not in there:
            waiting.setdefault(scheme, []).append(group.name)
        elif not external and scheme in there:
            ignoring.setdefault(scheme, []).append(group.name)
    for scheme, groups in waiting.items():
        yield trouble(
            SUBJECT,
            f"joinOptions.externalCloudProvider is set for {names(groups)}, and no "
            f"{scheme}-cloud-controller-manager runs",
            f"Their nodes keep the taint {UNINITIALIZED} for ever, and take no pod.",
            "Install the cloud's controller manager, or set externalCloudProvider: false",
        )
    for scheme, groups in ignoring.items():
        yield warning(
            SUBJECT,
            f"{scheme}-cloud-controller-manager runs, and externalCloudProvider is not set for "
            + names(groups),
            "It leaves their nodes alone: they get no addresses from it and no load balancer.",
            "Set joinOptions.externalCloudProvider: true",
        )


def _waiting(facts: Facts, there: set[str] | None) -> Iterator[Finding]:
    tainted = [
        each
        for each in facts.cluster.nodes or ()
        if any(taint.key == UNINITIALIZED for taint in each.taints)
        and facts.now - each.created_at > _SLOW_S
    ]
    if not tainted:
        return
    oldest = min(each.created_at for each in tainted)
    if there is None:
        hint = "See whether the cloud's controller manager runs"
    elif there:
        hint = f"See the log of {names(f'{each}-cloud-controller-manager' for each in there)}"
    else:
        hint = "No controller manager runs: install it, or join without --cloud-provider=external"
    yield trouble(
        SUBJECT,
        f"Nodes wait for a controller manager, for up to {age(facts.now - oldest)}: "
        + names(each.name for each in tainted),
        f"The taint {UNINITIALIZED} keeps pods from them, and the autoscaler orders more.",
        f"{hint}; it finds servers by the Node's name",
    )
