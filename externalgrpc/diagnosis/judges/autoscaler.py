"""Judge how Cluster Autoscaler (CA) is deployed against the groups it is to scale.

What its flags mean, and since when, was read in its sources, releases 1.26 to 1.37: a machine that
does not register is given up by --max-node-provision-time alone; no flag of its own says when an
unregistered one is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning
from externalgrpc.diagnosis.judges import flags, servers
from externalgrpc.model import groups

SUBJECT: Final = "autoscaler"
PROVIDER: Final = "externalgrpc"
TESTED: Final = range(29, 38)

_PROVISION_S: Final = 900.0
_YEAR_S: Final = 365 * 86_400.0
_SINCE: Final = {"force-delete-unregistered-nodes": 32}
_IGNORED: Final = ("nodes", "node-group-auto-discovery")


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge every CA that was found; nothing when workloads could not be listed."""
    if facts.cluster.workloads is None:
        return
    every = flags.find(facts.cluster.workloads)
    ours = tuple(each for each in every if each.text("cloud-provider") == PROVIDER)
    if not ours:
        # Where the server is not either, both may run elsewhere.
        here = bool(servers.deployed(facts.cluster.workloads))
        yield _none(every, trouble if here else warning)
    yield from _several(ours)
    for each in ours:
        yield from _switches(facts, each)
        yield from _times(facts, each)
        yield from _prices(facts, each)
        yield from _release(facts, each)


def _none(
    every: tuple[flags.Autoscaler, ...], finding: Callable[[str, str, str, str], Finding]
) -> Finding:
    if not every:
        return finding(
            SUBJECT,
            "no cluster-autoscaler runs in this cluster",
            "Nobody asks the server for machines, and nobody removes them.",
            "kubectl apply -f deploy/autoscaler.yaml; one that runs elsewhere cannot be seen here",
        )
    listed = names(
        f"{each.workload} ({each.text('cloud-provider') or 'no --cloud-provider'})"
        for each in every
    )
    return finding(
        SUBJECT,
        f"no cluster-autoscaler uses this server: {listed}",
        "Nobody asks the server for machines, and nobody removes them.",
        "Start it with --cloud-provider=externalgrpc --cloud-config=FILE (docs/autoscaler.md); one "
        "that runs elsewhere cannot be seen here",
    )


def _several(ours: tuple[flags.Autoscaler, ...]) -> Iterator[Finding]:
    leases = {
        (
            each.text("namespace", "kube-system"),
            each.text("leader-elect-resource-name", "cluster-autoscaler"),
        )
        for each in ours
        if each.on("leader-elect", default=True)
    }
    lone = [each for each in ours if not each.on("leader-elect", default=True)]
    if len(leases) + sum(each.workload.replicas for each in lone) > 1:
        listed = names(f"{each.workload} x{each.workload.replicas}" for each in ours)
        yield trouble(
            SUBJECT,
            f"several autoscalers act on the same groups at once: {listed}",
            "Each orders machines for the same pods, and each removes what the other ordered.",
            "Keep one: kubectl -n NAMESPACE scale deployment NAME --replicas=0 for the others",
        )


def _switches(facts: Facts, of: flags.Autoscaler) -> Iterator[Finding]:
    if not of.text("cloud-config"):
        yield trouble(
            SUBJECT,
            f"{of.workload} has no --cloud-config",
            "It does not know where the server is, and ends at once.",
            "Add --cloud-config=FILE with the server's address (docs/autoscaler.md)",
        )
    ignored = [f"--{name}" for name in _IGNORED if of.text(name)]
    if ignored:
        yield warning(
            SUBJECT,
            f"{of.workload} has {names(ignored)}, which externalgrpc ignores",
            "Whoever changes sizes there changes nothing.",
            "Remove them; groups come from the server's configuration (minSize, maxSize)",
        )
    if not of.on("scale-down-enabled", default=True):
        yield trouble(
            SUBJECT,
            f"{of.workload} has --scale-down-enabled=false",
            "Machines that nobody needs any more are paid for until somebody deletes them.",
            "Remove the flag",
        )
    floors = [each.name for each in facts.config.groups if each.min_size]
    if floors and not of.on("enforce-node-group-min-size", default=False):
        yield trouble(
            SUBJECT,
            f"{of.workload} lacks --enforce-node-group-min-size, and groups have a minSize: "
            + names(floors),
            "Without it minSize is a floor for scale-down only: nothing is made to reach it.",
            "Add --enforce-node-group-min-size=true",
        )
    name = "force-delete-unregistered-nodes"
    if floors and _knows(of, name) and not of.on(name, default=False):
        yield warning(
            SUBJECT,
            f"{of.workload} lacks --{name}, and groups have a minSize: {names(floors)}",
            "Machines that never joined stay while their group is at its minimum.",
            f"Add --{name}=true",
        )
    yield from _unready(facts, of)


def _unready(facts: Facts, of: flags.Autoscaler) -> Iterator[Finding]:
    share = of.number("max-total-unready-percentage", 45.0)
    spare = of.number("ok-total-unready-count", 3.0)
    there = facts.cluster.nodes
    if not there:
        return
    unready = [each.name for each in there if not each.ready]
    if len(unready) > spare and len(unready) * 100 / len(there) > share:
        yield trouble(
            SUBJECT,
            f"{len(unready)} of {len(there)} Nodes are not Ready: {names(unready)}",
            f"{of.workload} does nothing at all while more than {spare:g} Nodes and {share:g} % "
            "are unready, whosever Nodes they are.",
            "Repair or delete them; --max-total-unready-percentage and --ok-total-unready-count "
            "say where it stops",
        )


def _times(facts: Facts, of: flags.Autoscaler) -> Iterator[Finding]:
    flag_s = of.seconds("max-node-provision-time", _PROVISION_S)
    # Releases up to 1.28 are given no options (kubernetes/autoscaler#5935): the flag decides.
    deaf = of.minor is not None and of.minor <= 28
    short: list[groups.NodeGroup] = []
    for group in facts.config.groups:
        heeded = group.overrides.max_node_provision_time_s is not None and not deaf
        given_s = group.provision_timeout_s if heeded else flag_s
        if given_s < group.provision_timeout_s:
            short.append(group)
        yield from _too_short(group, given_s)
    if short:
        yield warning(
            SUBJECT,
            f"{of.workload} gives machines {age(flag_s)} to register, less than groups are meant "
            "to have: " + names(f"{each.name} ({age(each.provision_timeout_s)})" for each in short),
            "It deletes machines that are about to join, and orders them again.",
            f"Set --max-node-provision-time={_go(max(g.provision_timeout_s for g in short))}"
            + ("" if deaf else ", or the groups' autoscalingOptions.maxNodeProvisionTime"),
        )
    overridden = [each.name for each in facts.config.groups if each.overrides.any]
    if overridden and of.minor is not None and of.minor >= 35:
        yield warning(
            SUBJECT,
            f"{of.workload} is 1.{of.minor}, and groups have autoscalingOptions: "
            + names(overridden),
            "From 1.35 it takes starting nodes of such groups for unready ones "
            "(kubernetes/autoscaler#10245) and may order one too many.",
            "Remove autoscalingOptions where CA's own flags will do",
        )
    if of.seconds("node-info-cache-expire-time", 10 * _YEAR_S) > _YEAR_S:
        yield warning(
            SUBJECT,
            f"{of.workload} lacks --node-info-cache-expire-time",
            "A group whose type or labels change keeps its old template until it restarts.",
            "Add --node-info-cache-expire-time=10m",
        )


def _too_short(group: groups.NodeGroup, given_s: float) -> Iterator[Finding]:
    join_s = group.join_settings.timeout_seconds
    if group.join in {"kubeadm", "k3s"} and join_s > given_s:
        yield warning(
            SUBJECT,
            f"joins of group {group.name} may take {age(join_s)}, machines are given up after "
            f"{age(given_s)}",
            "A slow join is cut off without a reason on its console.",
            f"Set its joinOptions.timeoutSeconds below {given_s:.0f}, or give it more time",
        )


def _prices(facts: Facts, of: flags.Autoscaler) -> Iterator[Finding]:
    if facts.server is None or "price" not in of.text("expander").split(","):
        return
    priceless = [
        each.id for each in facts.server_groups if not each.price_per_hour and not each.departed
    ]
    if priceless:
        yield trouble(
            SUBJECT,
            f"{of.workload} uses --expander=price, and there is no price of: {names(priceless)}",
            "It never chooses a group without a price, and scales nothing when none has one.",
            "Add exchangeRates for the cloud's currency (vps-autoscaler check --online says which)",
        )


def _release(facts: Facts, of: flags.Autoscaler) -> Iterator[Finding]:
    if of.minor is None or of.minor in TESTED:
        return
    server = f" (the cluster is {facts.cluster.version})" if facts.cluster.version else ""
    yield warning(
        SUBJECT,
        f"{of.workload} is release 1.{of.minor}{server}; 1.{TESTED[0]} to 1.{TESTED[-1]} were "
        "tested with this server",
        "Its protocol may have changed.",
        "Take the release of the cluster's own minor, within that range",
    )


def _knows(of: flags.Autoscaler, name: str) -> bool:
    return of.minor is None or of.minor >= _SINCE[name]


def _go(length_s: float) -> str:
    return f"{length_s / 60:g}m"
