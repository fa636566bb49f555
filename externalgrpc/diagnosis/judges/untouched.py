"""Find what the server does not touch, and why it orders nothing: that waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.facts import Facts, scaled
from externalgrpc.diagnosis.findings import Finding, age, names, trouble, warning
from externalgrpc.fleet import notnow, pausing, state
from externalgrpc.kube import pause
from externalgrpc.model import by_hand, foreign_words
from externalgrpc.pb import fleet_pb2 as pb

SUBJECT: Final = "untouched"

_STANDS_BY: Final = "this server stands by"

_WHY: Final = "Nothing deletes them and the autoscaler does not see them; they are paid for."

_NOT_NOW: Final[Mapping[str, str]] = {
    "Outage": "kubectl get nodes, and check --online tells whether the token is of the right "
    "project; when the machines are gone indeed, say accounts[].believeVanished: true",
    "ForeignMachines": "Say under accounts[].foreign whose they are, by their identity: adopt, "
    "ignore or gone; a second cluster needs a name of its own",
    "ClusterRenamed": "Name the cluster as it was, or delete what is left under the old name: "
    "vps-autoscaler purge --cluster OLD",
    "Paused": "Take paused: true out of the file, or the annotation off the ConfigMap: "
    f"kubectl annotate configmap NAME {pause.ANNOTATION}-",
    "OrderRate": "See what asks for so many machines; accounts[].maxOrdersPerHour is the bound",
}
"""What to do, by the code of :mod:`externalgrpc.fleet.notnow`."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge what the running server shows, and the words in the file."""
    if facts.server is not None:
        yield from _waiting(facts.server)
        yield from _quarantined(facts, facts.server)
        yield from _strange(facts.server)
        yield from _not_now(facts.server)
        yield from _spending(facts.server)
    yield from _foreign(facts)
    yield from _words(facts)


def _waiting(server: pb.ShowResponse) -> Iterator[Finding]:
    if server.orders_held.startswith(_STANDS_BY):
        yield warning(
            SUBJECT,
            f"{server.orders_held}; it orders nothing",
            "Of several servers one acts; where none does, nothing is ordered at all.",
            "Ask the one that acts: sum(vps_autoscaler_leader) is 1 where there is one "
            "(docs/high-availability.md)",
        )
    elif server.orders_held:
        yield trouble(
            SUBJECT,
            f"orders are held: {server.orders_held}",
            "Without it a machine could not be told from another cluster's.",
            "Look at the server's log; it reads the namespace kube-system and Nodes: "
            "kubectl apply -f deploy/rbac.yaml",
        )
    if server.outage:
        yield trouble(
            SUBJECT,
            server.outage,
            "Until nodes are Ready again no join is judged, no Node removed, nothing ordered.",
            "kubectl get nodes; look at the network between nodes and API server",
        )


def _quarantined(facts: Facts, server: pb.ShowResponse) -> Iterator[Finding]:
    found: dict[tuple[str, str, bool], list[pb.Machine]] = {}
    for machine in server.machines:
        if machine.doubt:
            key = (machine.doubt, machine.identity, machine.excused)
            found.setdefault(key, []).append(machine)
    for (doubt, identity, excused), machines in found.items():
        if doubt == state.Doubt.MISNAMED.value and facts.cluster.nodes is not None:
            # The Nodes themselves say it better.
            continue
        if excused:
            yield from _excused(facts, identity, machines)
            continue
        since = age(max(each.doubt_seconds_ago for each in machines))
        listed = names(f"{each.name} ({each.provider_id})" for each in machines)
        yield trouble(
            SUBJECT,
            f"{len(machines)} in quarantine as {doubt}, for {since}: {listed}: "
            f"{machines[0].doubt_message}",
            _WHY,
            _cure(doubt, identity, machines),
        )


def _cure(doubt: str, identity: str, machines: list[pb.Machine]) -> str:
    one = by_hand.purge(machines[0].provider_id)
    match doubt:
        case state.Doubt.FOREIGN.value:
            return (
                f'Say accounts[].foreign: {{"{identity}": ...}}: {foreign_words.GONE} when that '
                f"cluster is no more (then {by_hand.purge_identity(identity)}), "
                f"{foreign_words.ADOPT} when this cluster was built anew around them, "
                f"{foreign_words.IGNORE} when it lives"
            )
        case state.Doubt.UNCLAIMED.value:
            return (
                "Look whether kubernetes: names the cluster that they are nodes of; of another "
                f"one: accounts[].foreign: {{{foreign_words.NO_IDENTITY}: {foreign_words.IGNORE}"
                f"}}; dead ones, one by one: {one}"
            )
        case state.Doubt.MISNAMED.value:
            return (
                "kubectl get nodes -o custom-columns=N:.metadata.name,ID:.spec.providerID shows "
                "who claims what; nodes that are named otherwise on purpose: anyNodeName: true"
            )
        case _:
            return f"Look at its serial console whether it lives and for which cluster; then: {one}"


def _excused(facts: Facts, identity: str, machines: list[pb.Machine]) -> Iterator[Finding]:
    """Report machines that the operator called gone and that are there."""
    key = identity or foreign_words.NO_IDENTITY
    accounts = facts.config.accounts
    gone = [
        each
        for each in machines
        if each.account in accounts
        and accounts[each.account].foreign.get(key) == foreign_words.GONE
    ]
    if gone:
        yield warning(
            SUBJECT,
            f"{len(gone)} machines of a cluster that the file calls gone are still there: "
            + names(each.provider_id for each in gone),
            "They are paid for; the word in the file excuses them, it does not delete them.",
            by_hand.purge_identity(identity),
        )


def _foreign(facts: Facts) -> Iterator[Finding]:
    """Report machines of another identity that no running server reports."""
    found: dict[str, list[str]] = {}
    for listing in facts.listings:
        for machine in listing.machines:
            if facts.is_foreign(machine) and machine.provider_id not in facts.doubted:
                of = found.setdefault(machine.identity, [])
                of.append(f"{machine.node_name or '(no name)'} ({machine.provider_id})")
    for identity, machines in found.items():
        yield warning(
            SUBJECT,
            f"{len(machines)} machines of this cluster's name carry the identity {identity}, ours "
            f"is {facts.cluster.identity}: " + names(machines),
            "Another cluster of the same name made them; no group here counts them.",
            "Give two clusters two names; if they are of one that is no more: "
            + by_hand.purge_identity(identity),
        )


def _strange(server: pb.ShowResponse) -> Iterator[Finding]:
    found = [each for each in server.machines if each.strange]
    if found:
        yield trouble(
            SUBJECT,
            f"{len(found)} machines of this cluster were made by somebody else since the server "
            "started: " + names(f"{each.name} ({each.provider_id})" for each in found),
            "A second server with the same name of the cluster orders, and may delete, too.",
            "Find it (two releases, two clusters with one file) and stop it, or name its cluster "
            "otherwise",
        )


def _not_now(server: pb.ShowResponse) -> Iterator[Finding]:
    """Report where nothing is ordered for now, each reason once; a pause is somebody's word."""
    places = {(notnow.PAUSED, server.paused): "at all"} if server.paused else {}
    for account in server.accounts:
        said = (account.not_now_code, account.not_now_reason)
        places.setdefault(said, f"at account {account.name}")
    for group in scaled(server):
        said = (group.not_now_code, group.not_now_reason)
        places.setdefault(said, f"for group {group.id}")
    objects = {pausing.of_object(each.id): each.id for each in scaled(server) if each.vps_node}
    for (code, reason), where in places.items():
        if not code:
            continue
        paused = code == notnow.PAUSED
        yield (warning if paused else trouble)(
            SUBJECT,
            f"nothing is ordered {where}: {code}: {reason}",
            "The autoscaler is shown that its groups cannot grow: pods stay pending."
            + (" Nothing is deleted but what it asks for." if paused else ""),
            _resume(objects[reason])
            if paused and reason in objects
            else _NOT_NOW.get(code, "vps-autoscaler ls, and the server's log"),
        )


def _resume(name: str) -> str:
    return f'kubectl patch vpsnode {name} --type=merge -p \'{{"spec":{{"paused":false}}}}\''


def _spending(server: pb.ShowResponse) -> Iterator[Finding]:
    """Report caps under which nothing can be ordered, for nobody knows what is spent."""
    for each in server.spending:
        of = "everything" if each.scope == "all" else f"{each.scope} {each.name}"
        if each.unknown:
            yield trouble(
                SUBJECT,
                f"nothing is ordered under the cap of {of}: {each.unknown}",
                "Where a price is not known the sum is not, and a cap is a promise.",
                "Add exchangeRates for the cloud's currency (vps-autoscaler check --online says "
                "which), replace the machine, or take the cap out",
            )


def _words(facts: Facts) -> Iterator[Finding]:
    """Warn of a word that was meant for one night."""
    for account in facts.config.accounts.values():
        shown = [
            each
            for each in (facts.server.accounts if facts.server else ())
            if each.name == account.name
        ]
        quiet = all(each.not_now_code != "Outage" for each in shown)
        if account.believe_vanished and quiet:
            yield warning(
                SUBJECT,
                f"account {account.name} has believeVanished: true",
                "With it a wrong token's empty project counts as the loss of all machines.",
                "Take it out when the outage that it was meant for is over",
            )
