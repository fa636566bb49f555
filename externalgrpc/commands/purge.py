"""``purge``: delete this cluster's machines, those of one identity, or exactly one."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from externalgrpc import config
from externalgrpc.commands import parameters, terminal
from externalgrpc.model import foreign_words, groups, installed_clouds, rules
from externalgrpc.support import plaintext
from providers import contract, errors
from providers.kit import marks

if TYPE_CHECKING:
    from externalgrpc.commands import purging


@click.command(epilog="Example: vps-autoscaler purge --config pools.yaml --dry-run")
@parameters.CONFIG
@parameters.CLUSTER
@click.option(
    "--identity",
    metavar="X",
    help="Delete exactly the machines of this identity (10 hexadecimal digits), or none: those "
    "that carry none.",
)
@click.option(
    "--machine",
    "provider_id",
    metavar="PROVIDER_ID",
    help="Delete exactly this machine; ls --wide shows provider ids.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and stop.")
@click.pass_context
def purge(
    context: click.Context,
    *,
    config_path: Path,
    cluster: str,
    identity: str | None,
    provider_id: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Delete the machines that carry this cluster's marks, in all accounts; for tear-down.

    With kubernetes: in the configuration those of the cluster's own identity go, and those that
    carry none; machines of other clusters of the same name are counted and left alone. Without it,
    or when the cluster does not answer, nothing is guessed: --identity says which.

    What was made for a group beside its machines (placement groups) goes with the last of them.
    --cluster on the command line wins over the file's, to delete what a cluster left under the
    name that it had before.

    Groups with a minimum size are included. Stop the autoscaler and this server first: they
    would make the machines again.
    """
    from externalgrpc.commands import purging  # noqa: PLC0415 - a short start-up is felt

    if identity is not None and provider_id is not None:
        raise click.UsageError("--identity and --machine do not go together")
    if (
        identity is not None
        and identity != foreign_words.NO_IDENTITY
        and not marks.is_identity(identity)
    ):
        raise click.UsageError(
            f"--identity takes 10 digits of 0 to 9 and a to f, or {foreign_words.NO_IDENTITY}"
        )
    named = context.get_parameter_source("cluster") is ParameterSource.COMMANDLINE
    loaded = _loaded(config_path, cluster, named=named)
    with contextlib.ExitStack() as stack:
        opened: dict[str, contract.Provider] = {}
        asked = _asked(loaded, provider_id)
        for account in asked:
            opened[account.name] = parameters.open_account(loaded, account)
            stack.callback(opened[account.name].close)
        choice = _choice(loaded, _marked(asked, opened), identity, provider_id)
        _show(choice, loaded.cluster)
        if dry_run:
            if choice.chosen:
                _say(f"{len(choice.chosen)} machines would be deleted")
            return
        if choice.chosen and not yes:
            these = "this machine" if provider_id else f"these {len(choice.chosen)} machines"
            question = f"Delete {these} of cluster {loaded.cluster}?"
            click.confirm(plaintext.line(question), abort=True)
        done = purging.delete(choice.chosen, _say, _say_wrong)
        for name, provider in opened.items():
            its = [each for each in done if each.account == name]
            whole = () if provider_id else [g.name for g in loaded.groups if g.account == name]
            purging.tidy(provider, its, whole, _say)
        failed = len(choice.chosen) - len(done)
        if failed:
            raise terminal.Failure(f"{failed} machines were not deleted; run it again")


def _loaded(path: Path, cluster: str, *, named: bool) -> groups.Config:
    """Load the configuration; a cluster that was named by hand stands above the file's."""
    if not named or not cluster:
        return parameters.load(path, cluster)
    if wrong := rules.name(cluster, groups.MAX_CLUSTER_NAME):
        raise click.UsageError(f"--cluster {cluster!r} {wrong}")
    found = parameters.source(path, "")
    with contextlib.suppress(config.ConfigError, installed_clouds.BrokenCloud):
        # Where the file names no cluster it is a mistake without the one of the command line.
        whole = config.load(path, cluster="", environ=found.environ, clouds=found.installed)
        return dataclasses.replace(whole, cluster=cluster)
    return parameters.load(path, cluster)


def _asked(loaded: groups.Config, provider_id: str | None) -> list[groups.Account]:
    """Return the accounts that are asked: for one machine only those of its cloud."""
    every = list(loaded.accounts.values())
    if provider_id is None:
        return every
    installed = installed_clouds.installed()
    scheme = provider_id.partition("://")[0]
    schemes = {each.name: installed[each.provider].scheme for each in every}
    its = [each for each in every if schemes[each.name] == scheme]
    if not its:
        begin = " or ".join(f"{each}://" for each in sorted(set(schemes.values())))
        message = f"provider ids here begin with {begin}; vps-autoscaler ls --wide shows them"
        raise terminal.Failure(f"no account is at the cloud of {provider_id}: {message}")
    return its


def _marked(
    asked: list[groups.Account], opened: dict[str, contract.Provider]
) -> list[purging.Found]:
    """List what carries the cluster's mark; what two logins into one project show counts once."""
    from externalgrpc.commands import purging  # noqa: PLC0415

    found: dict[tuple[str, str, str], purging.Found] = {}
    for account in asked:
        provider = opened[account.name]
        try:
            for machine in provider.instances():
                if machine.state is not contract.InstanceState.DELETING:
                    key = (account.provider, account.endpoint, machine.provider_id)
                    found.setdefault(key, purging.Found(account.name, provider, machine))
        except errors.CloudError as error:
            raise terminal.Failure(f"nothing was deleted: {error}") from error
    return list(found.values())


def _choice(
    loaded: groups.Config,
    found: list[purging.Found],
    identity: str | None,
    provider_id: str | None,
) -> purging.Choice:
    from externalgrpc.commands import purging  # noqa: PLC0415

    try:
        if provider_id is not None:
            return purging.one(found, provider_id)
        if identity is not None:
            return purging.of_identity(
                found, "" if identity == foreign_words.NO_IDENTITY else identity
            )
        return purging.ours(found, purging.whose(loaded) if found else None)
    except purging.Unsure as error:
        raise terminal.Failure(str(error), lines=True) from error


def _show(choice: purging.Choice, cluster: str) -> None:
    for each in choice.chosen:
        machine = each.machine
        _say(
            f"{machine.provider_id}  {machine.node_name or '(no name)'}  "
            f"{machine.group or '(no group)'}  {machine.machine_type} in {machine.location}  "
            f"{machine.identity or '(no identity)'}{'  adopted' if machine.adopted else ''}"
        )
    for message in choice.messages():
        _say(message)
    if not choice.chosen:
        other = " that this would delete" if choice.left else ""
        _say(f"no machine carries the mark of cluster {cluster}{other}")


def _say(line: str) -> None:
    terminal.say(line)


def _say_wrong(line: str) -> None:
    terminal.say(line, err=True)
