"""Judge the running server: whether it answers, what it says of itself, and whether it is alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.facts import Container, Election, Facts, Workload
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning
from externalgrpc.diagnosis.judges import flags
from externalgrpc.fleet import repair
from externalgrpc.pb import fleet_pb2 as pb

SUBJECT: Final = "server"
PROGRAM: Final = "vps-autoscaler"

_LEASES: Final = {"follow": flags.PROGRAM, "own": PROGRAM}
"""The Lease's name where no flag says it (leading/connecting)."""

_STALE_S: Final = 300.0
_LITTLE_LEFT: Final = 0.05
_ROOM_CURE: Final = {
    "NoMetrics": "Install metrics-server, or name a Prometheus in kubernetes.prometheus",
    "SomeMetrics": "See why those nodes are not measured: kubectl top nodes",
    "NoRequests": "kubectl apply -f deploy/headroom.yaml",
    "NotServed": "Give the autoscaler 1.35 or newer its flags, or kubectl apply -f "
    "deploy/headroom-pods.yaml",
    "Refused": "kubectl apply -f deploy/headroom.yaml",
    "AtMaximum": "Raise maxSize or targetCPU, or lower headroom",
}


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge what Fleet.Show answered, and how servers are deployed."""
    if facts.silent:
        yield trouble(
            SUBJECT,
            facts.silent,
            "While it does not answer the autoscaler does nothing at all.",
            "Start it, or correct --address, --ca, --cert and --key",
        )
    if facts.server is not None:
        yield from _itself(facts, facts.server)
        yield from _groups(facts.server_groups)
        yield from _machines(facts, facts.server)
        yield from _other_groups(facts, facts.server)
        yield from _accounts(facts.server)
    if facts.cluster.workloads is not None:
        yield from _alone(facts.cluster.workloads)


def deployed(workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Find the workloads that run this server."""
    return tuple(
        each for each in workloads if each.replicas and any(map(_is_server, each.containers))
    )


def elections(workloads: tuple[Workload, ...]) -> tuple[Election, ...]:
    """Find the workloads whose servers let one of several act (``serve --leader-elect``)."""
    found = ((each, _flags(each)) for each in deployed(workloads))
    return tuple(
        Election(
            workload=each,
            elect=elect,
            namespace=_last(of, "leader-elect-resource-namespace") or each.namespace,
            lease=_last(of, "leader-elect-resource-name") or _LEASES[elect],
            service=_last(of, "leader-elect-service") if elect == "own" else "",
        )
        for each, of in found
        if (elect := _last(of, "leader-elect")) in _LEASES
    )


def _flags(of: Workload) -> Mapping[str, tuple[str, ...]]:
    (first, *_) = filter(_is_server, of.containers)
    return flags.parse(first.words)


def _last(of: Mapping[str, tuple[str, ...]], name: str) -> str:
    return of.get(name, ("",))[-1]


def _itself(facts: Facts, server: pb.ShowResponse) -> Iterator[Finding]:
    if server.cluster != facts.config.cluster:
        yield trouble(
            SUBJECT,
            f"the server looks after cluster {server.cluster}, this configuration is of "
            f"{facts.config.cluster}",
            "Machines of one are strangers to the other: each is paid for, neither is removed.",
            "Give --address or --config of the same cluster",
        )
    if server.dry_run:
        yield trouble(
            SUBJECT,
            "the server runs with --dry-run",
            "It answers the autoscaler, and makes and deletes nothing.",
            "Start it without --dry-run",
        )


def _groups(shown: Iterable[pb.Group]) -> Iterator[Finding]:
    for group in shown:
        if group.trouble and not group.departed:
            yield trouble(
                SUBJECT,
                f"group {group.id} is limited or left out: {group.trouble}",
                "Pods that only it could take stay pending.",
                "vps-autoscaler check --online tells the rest; then change the configuration",
            )
        room = group.headroom
        if room.status == "False" and not group.departed:
            yield warning(
                SUBJECT,
                f"the room of group {group.id} is not as it should be: {room.reason}: "
                f"{room.message}",
                "Load may come sooner than machines.",
                _ROOM_CURE.get(room.reason, "vps-autoscaler ls --wide shows whether it goes on"),
            )


def _machines(facts: Facts, server: pb.ShowResponse) -> Iterator[Finding]:
    for machine in server.machines:
        if machine.group in facts.tried:
            continue
        if machine.error_code in repair.CODES:
            yield warning(
                SUBJECT,
                f"machine {machine.name} of group {machine.group}: {machine.error_code}: "
                f"{machine.error_message}",
                "Its pods do not run, or nobody knows whether they do.",
                "kubectl describe node says since when; docs/repair.md says what becomes of it",
            )
        elif machine.error_code:
            yield warning(
                SUBJECT,
                f"machine {machine.name} of group {machine.group} failed: "
                f"{machine.error_code}: {machine.error_message}",
                "The autoscaler is told, and holds the group back for a while.",
                "vps-autoscaler ls --wide shows whether it goes on",
            )


def _other_groups(facts: Facts, server: pb.ShowResponse) -> Iterator[Finding]:
    if server.cluster != facts.config.cluster:
        return
    shown = {each.id: (each.min, each.max) for each in facts.server_groups if not each.departed}
    wanted = {each.name: (each.min_size, each.max_size) for each in facts.config.groups}
    if shown != wanted:
        differing = sorted(
            name for name in shown.keys() | wanted.keys() if shown.get(name) != wanted.get(name)
        )
        yield warning(
            SUBJECT,
            f"the server runs with other groups or sizes than this file: {names(differing)}",
            "It took another file, or refused this one as it is now.",
            "vps-autoscaler check --config FILE; a server whose file is right takes it in seconds "
            "(kill -HUP at once)",
        )


def _accounts(server: pb.ShowResponse) -> Iterator[Finding]:
    for account in server.accounts:
        message = f": {account.trouble}" if account.trouble else ""
        if not 0 <= account.listed_seconds_ago <= _STALE_S:
            ago = account.listed_seconds_ago
            yield trouble(
                SUBJECT,
                f"account {account.name} was last listed "
                + (f"{age(ago)} ago" if ago >= 0 else "never")
                + message,
                "The server refuses growth where it does not know what is there.",
                "vps-autoscaler check --online tells whether its token works",
            )
        elif account.trouble:
            yield warning(
                SUBJECT,
                f"account {account.name}{message}",
                "The server tries again, and works with what it last saw.",
                "vps-autoscaler check --online",
            )
        if 0 <= account.budget_remaining < account.budget_limit * _LITTLE_LEFT:
            yield warning(
                SUBJECT,
                f"account {account.name} has {account.budget_remaining} of "
                f"{account.budget_limit} requests left",
                "Without any the cloud answers nobody: the controller manager and CSI neither.",
                "See who else uses the account's token; the account's budgetShare bounds ours",
            )


def _alone(workloads: tuple[Workload, ...]) -> Iterator[Finding]:
    ours = deployed(workloads)
    electing = elections(workloads)
    lone = [each for each in ours if each not in [one.workload for one in electing]]
    leases = {(each.namespace, each.lease) for each in electing}
    if len(leases) + sum(each.replicas for each in lone) > 1:
        yield trouble(
            SUBJECT,
            "more than one server runs, and each acts: "
            + names(f"{each} x{each.replicas}" for each in ours),
            "Each orders machines for the same wish, and takes the other's for a stranger's.",
            "Keep one, with replicas: 1, or give all of them --leader-elect and one Lease "
            "(docs/high-availability.md), unless the others look after other clusters",
        )
    rolling = [str(each) for each in lone if each.kind == "Deployment" and not each.recreate]
    if rolling:
        yield warning(
            SUBJECT,
            f"{names(rolling)} is updated by starting the new server beside the old one",
            "For that time two servers order machines.",
            "Set strategy: {type: Recreate}",
        )


def _is_server(container: Container) -> bool:
    image = container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    first = [word.rpartition("/")[2] for word in container.words[:2]]
    return image == PROGRAM or PROGRAM in first
