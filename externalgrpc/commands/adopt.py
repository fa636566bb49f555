"""``adopt``: make running machines members of a group, or take that back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups
from externalgrpc.support import plaintext
from providers import contract, errors

if TYPE_CHECKING:
    from externalgrpc.commands import adopting


@click.command(epilog="Example: vps-autoscaler adopt -n --config pools.yaml workers --label pool")
@parameters.CONFIG
@parameters.CLUSTER
@click.argument("group_name", metavar="GROUP")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="Adopt the machines that carry this label (a tag KEY:VALUE, or KEY) at the cloud; given "
    "twice, those that carry both. Where another autoscaler's label is known at the group's cloud, "
    "that one with the group's name is taken if nothing is said.",
)
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="ID",
    help="Adopt exactly this machine, by its id or providerID at the cloud; may be given often.",
)
@click.option(
    "--kubeconfig",
    type=parameters.FILE,
    help="Credentials for the cluster, rather than those of kubernetes: in the configuration.",
)
@click.option("--context", "kube_context", default="", help="A context of --kubeconfig.")
@click.option("--undo", is_flag=True, help="Take our marks off what was adopted for the group.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt(
    *,
    config_path: Path,
    cluster: str,
    group_name: str,
    labels: tuple[str, ...],
    servers: tuple[str, ...],
    kubeconfig: Path | None,
    kube_context: str,
    undo: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Make machines that run, and were not made by this program, members of GROUP.

    They get our marks at the cloud beside the labels that they have; nothing is rebuilt, restarted
    or drained, and their pods notice nothing. A running server counts them from its next listing
    on. It deletes such a machine only when the autoscaler says so.

    Adopted is only what a Node of this cluster claims by its name and its providerID, and never
    what carries another cluster's marks, or is of the control plane. Everything that is refused is
    named with the reason, and the exit code is 1 then. The same line twice changes nothing.

    --undo takes our marks off the machines that were adopted for GROUP, and off no machine that
    was made for it. Stop the autoscaler and this server first: a server that runs would take them
    for machines that have vanished.
    """
    from externalgrpc.commands import adopting  # noqa: PLC0415 - a short start-up is felt

    loaded = parameters.load(config_path, cluster)
    group = _group(loaded, group_name)
    if undo and labels:
        raise click.UsageError("--undo goes by our own mark, not by --label")
    account = loaded.accounts[group.account]
    with contextlib.ExitStack() as stack:
        provider = parameters.open_account(loaded, account)
        stack.callback(provider.close)
        cloud = _cloud(provider, account.name)
        if not undo and not servers and not labels:
            labels = _usual(cloud, group)
        ours = _ours(loaded, kubeconfig, kube_context, with_nodes=not undo)
        try:
            everything = cloud.candidates()
        except errors.CloudError as error:
            raise terminal.Failure(f"nothing was changed: {error}") from error
        if undo:
            _undo(
                cloud, adopting.undoable(everything, group, ours, servers), dry_run=dry_run, yes=yes
            )
        else:
            meant = list(adopting.chosen(everything, labels=labels, servers=servers))
            _all_found(meant, servers)
            verdicts = adopting.judge(meant, everything, group, ours)
            _adopt(cloud, verdicts, group, ours, everything, dry_run=dry_run, yes=yes)


def _group(loaded: groups.Config, name: str) -> groups.NodeGroup:
    group = next((each for each in loaded.groups if each.name == name), None)
    if group is None:
        known = ", ".join(each.name for each in loaded.groups) or "none"
        raise terminal.Failure(f"no group of the file is called {name!r} (there are: {known})")
    return group


def _cloud(provider: contract.Provider, account: str) -> adopting.Cloud:
    both = isinstance(provider, contract.Marking) and isinstance(provider, contract.Adopting)
    if not both:
        raise terminal.Failure(
            f"the cloud of account {account} cannot adopt: its package has no mark() or no "
            "candidates()"
        )
    return provider  # type: ignore[return-value]  # it has both


def _usual(cloud: adopting.Cloud, group: groups.NodeGroup) -> tuple[str, ...]:
    if not cloud.group_label:
        raise click.UsageError(
            "say which machines: --label KEY=VALUE that they carry at the cloud, or --server ID"
        )
    return (f"{cloud.group_label}={group.name}",)


def _ours(
    loaded: groups.Config, kubeconfig: Path | None, context: str, *, with_nodes: bool
) -> adopting.Cluster:
    """Ask the cluster who it is, and for its Nodes; without an answer nothing is adopted."""
    from externalgrpc.commands import adopting  # noqa: PLC0415
    from externalgrpc.diagnosis.probes import cluster_probe  # noqa: PLC0415
    from externalgrpc.kube import connection, identity, nodes  # noqa: PLC0415
    from externalgrpc.kube import errors as kube_errors  # noqa: PLC0415
    from externalgrpc.support import clock  # noqa: PLC0415

    said = loaded.kubernetes
    if said is None and kubeconfig is None:
        raise terminal.Failure(
            "only the cluster's Nodes tell which machines are its own: say kubernetes: in the "
            "configuration, which adopted machines need, or --kubeconfig"
        )
    own = kubeconfig is None and said is not None
    try:
        link = connection.connect(
            kubeconfig=said.kubeconfig if own and said is not None else str(kubeconfig),
            context=said.context if own and said is not None else context,
            time_source=clock.SystemClock(),
        )
    except connection.CannotConnect as error:
        raise terminal.Failure(f"nothing was changed: {error}") from error
    try:
        answer = identity.read(link.api)
        if not isinstance(answer, identity.Known):
            raise terminal.Failure(
                f"nothing was changed: the cluster does not tell its identity ({answer.why})"
            )
        found = cluster_probe.every(link.api, nodes.PATH) if with_nodes else []
    except kube_errors.KubeError as error:
        raise terminal.Failure(f"nothing was changed: {error}") from error
    finally:
        link.api.close()
    read = (nodes.read(each) for each in found)
    there = tuple(each for each in read if each is not None)
    return adopting.Cluster(loaded.cluster, answer.identity, there)


def _all_found(meant: Sequence[contract.Candidate], servers: Sequence[str]) -> None:
    known = {text for each in meant for text in (each.instance.id, each.instance.provider_id)}
    lost = [each for each in servers if each not in known]
    if lost:
        raise terminal.Failure(
            f"nothing was changed: the account has no machine {', '.join(lost)}; give the id that "
            "the cloud's console shows"
        )


def _adopt(
    cloud: adopting.Cloud,
    verdicts: Sequence[adopting.Verdict],
    group: groups.NodeGroup,
    ours: adopting.Cluster,
    everything: Sequence[contract.Candidate],
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    from externalgrpc.commands import adopting  # noqa: PLC0415

    refused = 0
    for each in verdicts:
        terminal.say(f"{_named(each.candidate)}: {_said(each)}")
        refused += each.outcome is adopting.Outcome.REFUSED
        if each.outcome is adopting.Outcome.ADOPT:
            for remark in adopting.remarks(each, group):
                terminal.say(f"  note: {remark}")
    if not verdicts:
        terminal.say("no machine of the account is meant: look at --label and --server")
    if words := adopting.crowded(verdicts, everything, group, ours):
        raise terminal.Failure(f"nothing was changed: {words}")
    due = [each for each in verdicts if each.outcome is adopting.Outcome.ADOPT]
    if dry_run:
        terminal.say(f"{len(due)} machines would be adopted for group {group.name}")
    elif due:
        if not yes:
            question = f"Adopt these {len(due)} machines for group {group.name}?"
            click.confirm(plaintext.line(question), abort=True)
        for number, each in enumerate(due, 1):
            what = f"[{number}/{len(due)}] {_named(each.candidate)}"
            try:
                adopting.adopt(cloud, each, group, ours)
            except errors.CloudError as error:
                raise terminal.Failure(f"{what}: {error}; run it again for the rest") from error
            terminal.say(f"{what}: adopted")
    if refused:
        raise terminal.Failure(f"{refused} machines were refused, for the reasons above")


def _said(verdict: adopting.Verdict) -> str:
    node = f" as node {verdict.node.name}" if verdict.node is not None else ""
    return f"{verdict.outcome.value}{node}{f': {verdict.why}' if verdict.why else ''}"


def _undo(
    cloud: adopting.Cloud, found: Sequence[contract.Candidate], *, dry_run: bool, yes: bool
) -> None:
    from externalgrpc.commands import adopting  # noqa: PLC0415

    for each in found:
        terminal.say(_named(each))
    if not found:
        terminal.say("no machine of the group was adopted: there is nothing to undo")
        return
    if dry_run:
        terminal.say(f"{len(found)} machines would be let go, and go on running")
        return
    if not yes:
        question = (
            f"Take our marks off these {len(found)} machines? Autoscaler and server must be stopped"
        )
        click.confirm(question, abort=True)
    for number, each in enumerate(found, 1):
        what = f"[{number}/{len(found)}] {_named(each)}"
        try:
            adopting.undo(cloud, each)
        except errors.CloudError as error:
            raise terminal.Failure(f"{what}: {error}; run it again for the rest") from error
        terminal.say(f"{what}: let go")


def _named(candidate: contract.Candidate) -> str:
    machine = candidate.instance
    return f"{machine.provider_id} {candidate.name} ({machine.machine_type} in {machine.location})"
