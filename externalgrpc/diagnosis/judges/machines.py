"""Find machines that nobody uses: of no group, never joined, misnamed, or there twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.facts import Facts, Listing
from externalgrpc.diagnosis.findings import MOST_NAMES, Finding, age, names, trouble, warning
from externalgrpc.kube import nodes
from externalgrpc.model import by_hand, groups
from externalgrpc.model import names as group_names
from providers import contract

SUBJECT: Final = "machines"
REASON_FILE: Final = "/var/lib/vps-autoscaler/failed"
LOG_FILE: Final = "/var/lib/vps-autoscaler/log"

_ADOPTION_S: Final = 600.0
_GRACE_S: Final = 120.0
"""What server and cloud get to remove a machine that did not join in time."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the machines of every account that was listed."""
    known = {group.name: group for group in facts.config.groups}
    for listing in facts.listings:
        alive = [
            each for each in listing.machines if each.state is not contract.InstanceState.DELETING
        ]
        alive = [each for each in alive if not facts.is_foreign(each)]
        yield from _unclaimed(facts, listing, [each for each in alive if each.group not in known])
        if facts.cluster.nodes is not None:
            ours = [
                each
                for each in alive
                if each.group in known and each.provider_id not in facts.doubted
            ]
            yield from _unjoined(facts, listing, ours, known, facts.cluster.nodes)
    yield from _twins(facts)


def _unclaimed(
    facts: Facts, listing: Listing, unmarked: list[contract.Instance]
) -> Iterator[Finding]:
    leaving = {each.id for each in facts.server.groups if each.departed} if facts.server else set()
    by_group: dict[str, list[contract.Instance]] = {}
    for machine in unmarked:
        by_group.setdefault(machine.group, []).append(machine)
    for group, machines in by_group.items():
        listed = names(_described(each, facts.now) for each in machines)
        where = f"at account {listing.account}"
        if group_names.is_trial(group):
            if group not in facts.tried:
                yield warning(
                    SUBJECT,
                    f"{len(machines)} with the mark of a trial still there {where}: {listed}",
                    "They are paid for, and no trial of the running server is known to be theirs.",
                    "Where no trial is under way: vps-autoscaler try --clean",
                )
            continue
        if group in leaving:
            yield warning(
                SUBJECT,
                f"{len(machines)} of group {group}, which was removed, still there "
                f"{where}: {listed}",
                "The server keeps the group until it is empty; a restart would make them orphans.",
                f"Put {group} back until it is empty, or wait; then: {_delete(machines)}",
            )
            continue
        claim = f"of group {group}, which nobody configures" if group else "of no group"
        back = f"Put {group} back with minSize: 0, so that it is emptied; or drain" if group else ""
        yield trouble(
            SUBJECT,
            f"with the mark of cluster {facts.config.cluster}, {where}, {len(machines)} {claim}: "
            f"{listed}",
            "They are paid for, and neither the autoscaler nor the server ever removes them.",
            f"{back or 'Drain'} and delete them: {_delete(machines)}",
        )


def _unjoined(
    facts: Facts,
    listing: Listing,
    machines: list[contract.Instance],
    known: Mapping[str, groups.NodeGroup],
    there: tuple[nodes.Node, ...],
) -> Iterator[Finding]:
    by_id = {each.provider_id for each in there}
    by_name = {each.name: each for each in there}
    shown = {each.provider_id for its in facts.listings for each in its.machines}
    for machine in machines:
        if machine.provider_id in by_id:
            continue
        node = by_name.get(machine.node_name)
        if node is not None:
            # Of two machines of a name it is the other's; that is reported as what it is.
            if node.provider_id not in shown:
                yield from _misnamed(facts, machine, node)
            continue
        group = known[machine.group]
        if listing.marking and machine.identity and not machine.unjoined:
            yield _no_more(facts, machine, group)
        elif not machine.created_at:
            yield warning(
                SUBJECT,
                f"{machine.node_name or machine.provider_id} of group {group.name} is no Node, "
                "and its cloud does not say how old it is",
                "A machine that does not join is paid for and of no use.",
                "Look at it in the cloud's web pages, at its serial console first.",
            )
        elif facts.now - machine.created_at > group.provision_timeout_s + _GRACE_S:
            yield _never_joined(facts, machine, group)


def _no_more(facts: Facts, machine: contract.Instance, group: groups.NodeGroup) -> Finding:
    """Report a machine whose mark says that its Node was seen: it may well live."""
    return trouble(
        SUBJECT,
        f"{_described(machine, facts.now)} of group {group.name} was a node, and is none now",
        "Its Node was deleted while the machine stands; it is paid for, and nothing deletes it.",
        "Restart its kubelet, which makes the Node anew; if it is of no use any more: "
        + _delete([machine]),
    )


def _never_joined(facts: Facts, machine: contract.Instance, group: groups.NodeGroup) -> Finding:
    what = (
        f"{_described(machine, facts.now)} of group {group.name} never joined, within "
        f"{age(group.provision_timeout_s)}"
    )
    delete = _delete([machine])
    keeps = group.join_settings.keep_failed_minutes
    kept = False
    match machine.state:
        case contract.InstanceState.STOPPED:
            what += "; it is off, as machines go that could not join"
            cure = f"Its serial console says why in one line; then: {delete}"
        case contract.InstanceState.UNFINISHED:
            what += "; its create did not come to an end, and it was never started"
            cure = f"A server that runs finishes it, or its log says why not; else: {delete}"
        case contract.InstanceState.CREATING:
            what += "; its cloud still calls it being created"
            cure = f"Look at the cloud's status page; then: {delete}"
        case _ if group.join in {"kubeadm", "k3s"}:
            kept = facts.now - machine.created_at < group.provision_timeout_s + keeps * 60.0
            what += f"; it is kept to be looked at (keepFailedMinutes: {keeps})" if kept else ""
            cure = (
                f"The serial console and, on it, {REASON_FILE} say why, {LOG_FILE} everything; "
                f"then: {delete}"
            )
        case _:
            cure = (
                "Its serial console and /var/log/cloud-init-output.log say what its user-data "
                f"did; then: {delete}"
            )
    return (warning if kept else trouble)(SUBJECT, what, "It is paid for and runs no pod.", cure)


def _misnamed(facts: Facts, machine: contract.Instance, node: nodes.Node) -> Iterator[Finding]:
    why = (
        "The autoscaler knows a node by its providerID only: the machine is paid for and does not "
        "count, and another one is bought."
    )
    if node.provider_id:
        yield trouble(
            SUBJECT,
            f"Node {node.name} has providerID {node.provider_id}, its machine is "
            f"{machine.provider_id}",
            why,
            f"A providerID cannot be changed: kubectl drain {node.name} --ignore-daemonsets && "
            f"kubectl delete node {node.name}, and correct what sets --provider-id",
        )
        return
    adopted = facts.config.kubernetes is not None
    if adopted and facts.now - node.created_at < _ADOPTION_S:
        return
    yield trouble(
        SUBJECT,
        f"Node {node.name} has no providerID, its machine is {machine.provider_id}",
        why,
        "The server sets it while it runs: look at its log"
        if adopted
        else f"kubectl patch node {node.name} -p "
        f'\'{{"spec":{{"providerID":"{machine.provider_id}"}}}}\', and kubernetes: in the '
        "configuration, so that the server does it",
    )


def _twins(facts: Facts) -> Iterator[Finding]:
    by_name: dict[tuple[str, str], dict[str, contract.Instance]] = {}
    for listing in facts.listings:
        for machine in listing.machines:
            if machine.node_name and machine.state is not contract.InstanceState.DELETING:
                # The same login under two accounts would show a machine twice.
                # Of two clusters of one name each may have one.
                whose = machine.identity if facts.is_foreign(machine) else ""
                its = by_name.setdefault((machine.node_name, whose), {})
                its[machine.provider_id] = machine
    for (name, _whose), found in by_name.items():
        if len(found) > 1:
            yield _same_name(facts, name, found)


def _same_name(facts: Facts, name: str, found: Mapping[str, contract.Instance]) -> Finding:
    what = f"{len(found)} machines are called {name}: {names(found)}"
    claimed = {each.provider_id for each in facts.cluster.nodes or ()}
    living = [each for each in found if each in claimed]
    if facts.cluster.nodes is None or len(living) > 1:
        return trouble(
            SUBJECT,
            what,
            "Marks were edited, or one is left over from an order whose answer was lost.",
            "See which of them are Nodes, by providerID, and correct the marks of those at the "
            "cloud; one that is none can go: "
            "vps-autoscaler purge --config FILE --machine PROVIDER_ID",
        )
    oldest = min(found.values(), key=lambda each: each.created_at)
    kept = found[living[0]] if living else oldest
    rest = [each for each in found.values() if each is not kept]
    return trouble(
        SUBJECT,
        what,
        "One of them is left over from an order whose answer was lost, and is paid for.",
        f"Keep {kept.provider_id}, the {'Node' if living else 'oldest'}; look at the others, and "
        "if they are of no use: " + _delete(rest),
    )


def _described(machine: contract.Instance, now: float) -> str:
    old = f", {age(now - machine.created_at)} old" if machine.created_at else ""
    kind = f"{machine.machine_type} in {machine.location}{old}"
    if not machine.node_name:
        return f"{machine.provider_id} ({kind})"
    return f"{machine.node_name} ({machine.provider_id}, {kind})"


def _delete(machines: list[contract.Instance]) -> str:
    lines = [by_hand.purge(each.provider_id) for each in machines[:MOST_NAMES]]
    more = len(machines) - len(lines)
    return " && ".join(lines) + (f" and {more} more" if more else "")
