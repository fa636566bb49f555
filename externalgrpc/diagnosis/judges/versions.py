"""Judge releases: the API server's against how machines join, and our nodes' against its."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning

SUBJECT: Final = "versions"
OLDEST: Final = 31
SKEW: Final = 3

_MINOR: Final = re.compile(r"v?1\.([0-9]{1,3})\.", re.ASCII)


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the API server's minor, and the kubelets of nodes at clouds of ours."""
    minor = facts.cluster.minor
    if minor is None:
        return
    joining = [each.name for each in facts.joined_by_us if each.join == "kubeadm"]
    if joining and minor < OLDEST:
        yield trouble(
            SUBJECT,
            f"the API server is {facts.cluster.version}, and groups join by kubeadm: "
            + names(joining),
            f"kubeadm before 1.{OLDEST} does not read the configuration that joins write.",
            f"Upgrade the control plane to 1.{OLDEST} or newer, or give the groups a userDataFile",
        )
    schemes = set(facts.schemes.values())
    newer, older = [], []
    for node in facts.cluster.nodes or ():
        match = _MINOR.match(node.kubelet_version)
        if match is None or node.provider_id.partition("://")[0] not in schemes:
            continue
        message = f"{node.name} ({node.kubelet_version})"
        if int(match[1]) > minor:
            newer.append(message)
        elif minor - int(match[1]) > SKEW:
            older.append(message)
    cure = "Replace them: kubectl drain NODE --ignore-daemonsets, and let the autoscaler remove it"
    if newer:
        yield warning(
            SUBJECT,
            f"kubelets are newer than the API server, {facts.cluster.version}: {names(newer)}",
            "Kubernetes supports no kubelet newer than its API server.",
            f"{cure}; see that the image or joinOptions bring the API server's minor",
        )
    if older:
        yield warning(
            SUBJECT,
            f"kubelets are more than {SKEW} minors older than the API server, "
            f"{facts.cluster.version}: {names(older)}",
            "Kubernetes does not support it, and their nodes may fall out of the cluster.",
            f"{cure}; new ones get the API server's minor",
        )
