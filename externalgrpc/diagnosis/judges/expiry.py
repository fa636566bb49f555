"""Judge what ends: certificates, tokens, and the key that Kubernetes' packages are signed with."""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning
from externalgrpc.model import groups, join_settings

SUBJECT: Final = "expiry"
WARN_S: Final = 30 * 86_400.0
KEY_WARN_S: Final = 60 * 86_400.0

KEY_ENDS: Final = datetime.datetime(2026, 12, 29, tzinfo=datetime.UTC)
"""When the key of pkgs.k8s.io lapses as seen in July 2026; it was prolonged every two years."""

KEY: Final = "the key that Kubernetes packages are signed with"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge every certificate that was seen, and the packages' key."""
    for each in facts.certificates:
        limit_s = KEY_WARN_S if each.what.startswith(KEY) else WARN_S
        left_s = each.ends_at - facts.now
        if left_s <= 0:
            yield trouble(
                SUBJECT,
                f"{each.what} ended {age(-left_s)} ago",
                "What depends on it fails: joins, or every request of the server.",
                each.cure,
            )
        elif left_s < limit_s:
            yield warning(
                SUBJECT,
                f"{each.what} ends in {age(left_s)}, on {_day(each.ends_at)}",
                "From then on joins, or every request of the server, fail.",
                each.cure,
            )
    if not any(each.what.startswith(KEY) for each in facts.certificates):
        yield from _known_key(facts)


def installs(facts: Facts) -> tuple[groups.NodeGroup, ...]:
    """Return the groups whose machines install Kubernetes packages when they boot."""
    return tuple(
        each
        for each in facts.joined_by_us
        if each.join == "kubeadm" and each.join_settings.kubernetes == "packages"
    )


def key_cure() -> str:
    """Return what to do about the key."""
    return (
        "Joins fetch the key when they boot, so a prolonged one is taken by itself; else set "
        "joinOptions.kubernetesPackages and kubernetesKey to a mirror, or use images that have "
        "kubelet and kubeadm"
    )


def _known_key(facts: Facts) -> Iterator[Finding]:
    host = urllib.parse.urlsplit(join_settings.KUBERNETES_PACKAGES).hostname
    using = [
        each.name
        for each in installs(facts)
        if urllib.parse.urlsplit(
            each.join_settings.kubernetes_key or each.join_settings.kubernetes_packages
        ).hostname
        == host
    ]
    left_s = KEY_ENDS.timestamp() - facts.now
    if not using or left_s > KEY_WARN_S:
        return
    when = f"lapses on {KEY_ENDS:%Y-%m-%d}" if left_s > 0 else f"lapsed on {KEY_ENDS:%Y-%m-%d}"
    yield warning(
        SUBJECT,
        f"{KEY} at {host} {when}, as known when this was written; groups: {names(using)}",
        "Unless it was prolonged meanwhile, apt refuses the packages and no machine joins.",
        f"vps-autoscaler doctor --online looks at the key itself. {key_cure()}",
    )


def _day(instant: float) -> str:
    return datetime.datetime.fromtimestamp(instant, datetime.UTC).date().isoformat()
