"""``ls``: show what a running server has."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.rpc import client


@click.command(name="ls", epilog="Example: vps-autoscaler ls --address 127.0.0.1:8086 --wide")
@parameters.connection
@click.option("--wide", is_flag=True, help="Show provider ids, addresses and registration too.")
@click.option(
    "--watch",
    is_flag=True,
    help="Go on until Ctrl-C: a live table, or a line for each change where this is no terminal; "
    "with -o json a whole document for each.",
)
@parameters.OUTPUT
def list_fleet(
    *,
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    wide: bool,
    watch: bool,
    output: str,
) -> None:
    """List groups, machines and accounts of a running server."""
    from externalgrpc.commands import tables, watching  # noqa: PLC0415

    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    try:
        with connection.open() as channel:
            if watch:
                # To end it is what Ctrl-C is for: that is no failure, as it is none of serve.
                with contextlib.suppress(KeyboardInterrupt):
                    watching.follow(
                        lambda: client.show(channel, address),
                        wide=wide,
                        as_json=output == "json",
                    )
                return
            shown = client.show(channel, address)
    except client.CannotReach as error:
        raise parameters.failure(error) from error
    if output == "json":
        terminal.say_lines(json.dumps(tables.as_dict(shown), indent=2))
    else:
        terminal.console().print(tables.fleet(shown, wide=wide))
