"""``schema``: print what editors check a configuration with, and programs a status."""

from __future__ import annotations

import json

import click

from externalgrpc.commands import terminal
from externalgrpc.model import installed_clouds


@click.command(epilog="Example: vps-autoscaler schema > schema.json")
@click.option(
    "--of",
    type=click.Choice(["configuration", "status"]),
    default="configuration",
    show_default=True,
    help="The file that the server reads, or /status.json, which it writes.",
)
def schema(*, of: str) -> None:
    """Print the JSON schema of the configuration, for editors, or of the status page's JSON."""
    from externalgrpc.config import schema as schemas  # noqa: PLC0415
    from externalgrpc.status import shape  # noqa: PLC0415

    if of == "status":
        terminal.say_lines(json.dumps(shape.schema(), indent=2))
    else:
        terminal.say_lines(schemas.text(installed_clouds.installed()))
