"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from externalgrpc import config
from externalgrpc.commands import terminal
from externalgrpc.model import groups, installed_clouds
from externalgrpc.rpc import address as addresses
from providers import contract

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_ADDRESS = "127.0.0.1:8086"

FILE = click.Path(path_type=Path, dir_okay=False)

CONFIG = click.option(
    "--config",
    "config_path",
    type=FILE,
    required=True,
    envvar="VPS_AUTOSCALER_CONFIG",
    help="Configuration file: a ConfigMap with the text under data.config, or the bare text.",
)
CLUSTER = click.option(
    "--cluster",
    default="",
    envvar="VPS_AUTOSCALER_CLUSTER",
    help="Name of the cluster, if the file does not say it. Machines are marked with it.",
)


class AddressType(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """An address that was read by us, before anything starts; see
    :mod:`externalgrpc.rpc.address`."""

    name = "address"

    def __init__(self, *, listening: bool = False, sockets: bool = True) -> None:
        self._listening, self._sockets = listening, sockets

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as gRPC reads it; the empty one is that of nothing."""
        if not value and not self._sockets:
            return value
        try:
            read = addresses.read(value, listening=self._listening, sockets=self._sockets)
        except addresses.BadAddress as error:
            self.fail(str(error), param, ctx)
        return str(read)


OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print.",
)


def connection(command: F) -> F:
    """Add the options with which a command reaches a running server."""
    for option in (
        click.option("--server-name", default="", help="Name in the server's certificate."),
        click.option("--key", type=FILE, help="Its key (PEM)."),
        click.option("--cert", type=FILE, help="Certificate to show (PEM)."),
        click.option("--ca", type=FILE, help="CA that signed the server's certificate (PEM)."),
        click.option(
            "--address",
            type=AddressType(),
            metavar="ADDRESS",
            default=DEFAULT_ADDRESS,
            show_default=True,
            envvar="VPS_AUTOSCALER_ADDRESS",
            help="Where the server listens: host:port or unix:/path.",
        ),
    ):
        command = option(command)
    return command


def source(path: Path, cluster: str) -> config.Source:
    """Return where a configuration comes from, with this process's environment and clouds."""
    return config.Source(
        path=path, cluster=cluster, environ=os.environ, installed=installed_clouds.installed()
    )


def load(path: Path, cluster: str) -> groups.Config:
    """Load a configuration; every mistake is one line on standard error, exit code 1."""
    found = source(path, cluster)
    try:
        return config.load(path, cluster=cluster, environ=found.environ, clouds=found.installed)
    except (config.ConfigError, installed_clouds.BrokenCloud) as error:
        raise failure(error) from error


def failure(error: Exception) -> terminal.Failure:
    """End a command with what an error says: one sentence, or one for each mistake of a file."""
    return terminal.Failure(str(error), lines=isinstance(error, config.ConfigError))


def open_account(loaded: groups.Config, account: groups.Account) -> contract.Provider:
    """Log into an account's cloud; contacts nobody yet."""
    cloud = installed_clouds.installed()[account.provider]
    return cloud.open(
        contract.Login(
            account=account.name,
            cluster=loaded.cluster,
            token=account.token,
            endpoint=account.endpoint,
            settings=account.settings,
        )
    )
