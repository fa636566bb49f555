"""``offers``: ask the clouds what they sell."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, quantity
from externalgrpc.nodes import price_list
from providers import contract, errors


@click.command(epilog="Example: vps-autoscaler offers --config pools.yaml --cpu 4 --memory 8Gi")
@parameters.CONFIG
@parameters.CLUSTER
@click.option("--cpu", default="0", help="At least so much cpu: 4, 1500m.")
@click.option("--memory", default="0", help="At least so much memory: 8Gi.")
@click.option("--arch", type=click.Choice(["amd64", "arm64"]), help="Only this architecture.")
@click.option("--gpu", is_flag=True, help="Only machines with a whole GPU.")
@click.option("--region-like", default="", metavar="TEXT", help="Only regions that contain TEXT.")
@click.option("--sold-out", is_flag=True, help="Show what is sold out too.")
@click.option(
    "--ipv4/--no-ipv4",
    "public_ipv4",
    default=None,
    help="With a public IPv4 in the price, or without. Else without where all groups of an "
    "account say publicIPv4: false.",
)
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
    public_ipv4: bool | None,
    limit: int,
    output: str,
) -> None:
    """List what could be had now over all accounts, cheapest first.

    Prices are net per hour in the configuration's currency. The last line says whether a public
    IPv4 is in them.
    """
    loaded = parameters.load(config_path, cluster)
    try:
        wanted = price_list.Wanted(
            cpu_millis=quantity.millis(cpu),
            memory_bytes=quantity.units(memory),
            arch=arch or "",
            gpu=gpu,
            region_like=region_like,
            sold_out=sold_out,
        )
    except quantity.BadQuantity as error:
        raise click.UsageError(str(error)) from error
    found: list[price_list.Deal] = []
    silent: list[str] = []
    for account in loaded.accounts.values():
        try:
            with _opened(loaded, account) as provider:
                found += price_list.deals(loaded, account, provider, public_ipv4=public_ipv4)
        except errors.CloudError as error:
            silent.append(str(error))
    chosen = price_list.choose(found, wanted)
    shown = chosen[:limit] if limit else chosen
    if output == "json":
        terminal.say_lines(json.dumps([deal.plain() for deal in shown], indent=2))
    else:
        from externalgrpc.commands import tables  # noqa: PLC0415

        terminal.console().print(tables.deals(shown, currency=loaded.currency))
        for item in _ipv4(shown):
            terminal.say(item)
        if len(shown) < len(chosen):
            terminal.say(f"{len(chosen) - len(shown)} more; --limit 0 shows all")
    for item in silent:
        terminal.say(f"not asked: {item}", err=True)
    if silent and not found:
        raise terminal.Failure("no account could be asked")


def _ipv4(shown: list[price_list.Deal]) -> Iterator[str]:
    """Say whether a public IPv4 is in the prices."""
    having = sorted({deal.account for deal in shown if deal.public_ipv4})
    lacking = sorted({deal.account for deal in shown if not deal.public_ipv4})
    if having:
        of = f" of {', '.join(having)}" if lacking else ""
        yield f"prices{of} have a public IPv4 in them; --no-ipv4 leaves it out"
    if lacking:
        of = f" of {', '.join(lacking)}" if having else ""
        yield f"prices{of} have no public IPv4 in them; --ipv4 adds it"


@contextlib.contextmanager
def _opened(loaded: groups.Config, account: groups.Account) -> Iterator[contract.Provider]:
    provider = parameters.open_account(loaded, account)
    try:
        yield provider
    finally:
        provider.close()
