"""``offers`` and ``purge``: ask the clouds what they sell, and delete what carries our mark."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import click

from externalgrpc import groups, market, plaintext, quantity, terminal
from externalgrpc.commands import parameters
from providers import contract, errors


@click.command()
@parameters.CONFIG
@parameters.CLUSTER
@click.option("--cpu", default="0", help="At least so much cpu: 4, 1500m.")
@click.option("--memory", default="0", help="At least so much memory: 8Gi.")
@click.option("--arch", type=click.Choice(["amd64", "arm64"]), help="Only this architecture.")
@click.option("--gpu", is_flag=True, help="Only machines with a whole GPU.")
@click.option("--region-like", default="", metavar="TEXT", help="Only regions that contain TEXT.")
@click.option("--sold-out", is_flag=True, help="Show what is sold out too.")
@click.option("--limit", default=25, show_default=True, help="Show so many; 0 for all.")
@parameters.OUTPUT
def offers(
    *,
    config_path: Path,
    cluster: str,
    cpu: str,
    memory: str,
    arch: str | None,
    gpu: bool,
    region_like: str,
    sold_out: bool,
    limit: int,
    output: str,
) -> None:
    """List what could be had now over all accounts, cheapest first.

    Prices are net per hour in the configuration's currency, with a public IPv4.
    """
    loaded = parameters.load(config_path, cluster)
    try:
        wanted = market.Wanted(
            cpu_millis=quantity.millis(cpu),
            memory_bytes=quantity.units(memory),
            arch=arch or "",
            gpu=gpu,
            region_like=region_like,
            sold_out=sold_out,
        )
    except quantity.BadQuantity as error:
        raise click.UsageError(str(error)) from error
    found: list[market.Deal] = []
    silent: list[str] = []
    for account in loaded.accounts.values():
        try:
            with _opened(loaded, account) as provider:
                found += market.deals(loaded, account, provider)
        except errors.CloudError as error:
            silent.append(str(error))
    chosen = market.choose(found, wanted)
    shown = chosen[:limit] if limit else chosen
    if output == "json":
        terminal.say_lines(json.dumps([deal.plain() for deal in shown], indent=2))
    else:
        from externalgrpc import tables  # noqa: PLC0415

        terminal.console().print(tables.deals(shown, currency=loaded.currency))
        if len(shown) < len(chosen):
            terminal.say(f"{len(chosen) - len(shown)} more; --limit 0 shows all")
    for told in silent:
        terminal.say(f"not asked: {told}", err=True)
    if silent and not found:
        raise terminal.Failure("no account could be asked")


@click.command()
@parameters.CONFIG
@parameters.CLUSTER
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and stop.")
def purge(*, config_path: Path, cluster: str, yes: bool, dry_run: bool) -> None:
    """Delete every machine that carries the cluster's mark, in all accounts; for tear-down.

    Groups with a minimum size are included. Stop the autoscaler and this server first: they
    would make the machines again.
    """
    loaded = parameters.load(config_path, cluster)
    with contextlib.ExitStack() as stack:
        marked: list[tuple[contract.Provider, contract.Instance]] = []
        for account in loaded.accounts.values():
            provider = stack.enter_context(_opened(loaded, account))
            try:
                marked += [
                    (provider, machine)
                    for machine in provider.instances()
                    if machine.state is not contract.InstanceState.DELETING
                ]
            except errors.CloudError as error:
                raise terminal.Failure(f"nothing was deleted: {error}") from error
        if not marked:
            terminal.say(f"no machine carries the mark of cluster {loaded.cluster}")
            return
        for _, machine in marked:
            terminal.say(
                f"{machine.provider_id}  {machine.node_name or '(no name)'}  "
                f"{machine.group or '(no group)'}  {machine.machine_type} in {machine.location}"
            )
        if dry_run:
            terminal.say(f"{len(marked)} machines would be deleted")
            return
        if not yes:
            click.confirm(
                plaintext.line(f"Delete these {len(marked)} machines of cluster {loaded.cluster}?"),
                abort=True,
            )
        _delete(marked)


def _delete(marked: list[tuple[contract.Provider, contract.Instance]]) -> None:
    failed = 0
    for number, (provider, machine) in enumerate(marked, 1):
        try:
            provider.delete(machine.id)
        except errors.CloudError as error:
            failed += 1
            terminal.say(f"[{number}/{len(marked)}] {machine.provider_id}: {error}", err=True)
        else:
            terminal.say(f"[{number}/{len(marked)}] {machine.provider_id}: deleted")
    if failed:
        raise terminal.Failure(f"{failed} machines were not deleted; run it again")


@contextlib.contextmanager
def _opened(loaded: groups.Config, account: groups.Account) -> Iterator[contract.Provider]:
    provider = parameters.open_account(loaded, account)
    try:
        yield provider
    finally:
        provider.close()
