"""``why``: say why a group has no further node, or why a machine is no node yet."""

from __future__ import annotations

import json
from pathlib import Path

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.rpc import client


@click.command(epilog="Example: vps-autoscaler why workers --address 127.0.0.1:8086")
@click.argument("name", metavar="GROUP|MACHINE")
@parameters.connection
@parameters.OUTPUT
def why(
    *,
    name: str,
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    output: str,
) -> None:
    """Say why a group has no further node, or why a machine is not a node yet.

    Asks the running server; MACHINE is a name or a provider id. It knows nothing of pods: why the
    autoscaler asks for no node, the Events of the pod that waits say.
    """
    from externalgrpc.diagnosis import findings, reasons, screen  # noqa: PLC0415

    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    try:
        with connection.open() as channel:
            shown = client.show(channel, address)
    except client.CannotReach as error:
        raise parameters.failure(error) from error
    found = reasons.explain(shown, name)
    if not found:
        there = findings.names(each.id for each in shown.groups) or "none"
        raise terminal.Failure(
            f"the server at {address} has neither a group nor a machine {name!r}; its groups are: "
            f"{there}; vps-autoscaler ls --wide shows all"
        )
    if output == "json":
        terminal.say_lines(json.dumps([findings.plain_finding(each) for each in found], indent=2))
    else:
        terminal.console().print(screen.answers(found))
