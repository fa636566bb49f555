"""``schema``: print what editors check a configuration with."""

from __future__ import annotations

import click

from externalgrpc.commands import terminal
from externalgrpc.model import installed_clouds


@click.command(epilog="Example: vps-autoscaler schema > schema.json")
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from externalgrpc.config import schema as schemas  # noqa: PLC0415

    terminal.say_lines(schemas.text(installed_clouds.installed()))
