"""The command line: the only place where things are wired to a person's terminal."""

from __future__ import annotations

import importlib.metadata
import sys

import click

from externalgrpc import terminal
from externalgrpc.commands import cloud, doctor, look, purge, serve


@click.group(
    cls=terminal.Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(importlib.metadata.version("vps-autoscaler"), prog_name="vps-autoscaler")
def cli() -> None:
    """Scale self-managed Kubernetes on VPS clouds: the hands of Cluster Autoscaler.

    The upstream Cluster Autoscaler decides; this server speaks its externalgrpc protocol and
    makes and deletes machines at the clouds that are installed.

    \b
      vps-autoscaler check --config pools.yaml --online   every mistake at once
      vps-autoscaler serve --config pools.yaml            answer the autoscaler
      vps-autoscaler ls                                   what the running server has
      vps-autoscaler render --config pools.yaml GROUP     user-data and template of a group
      vps-autoscaler doctor --config pools.yaml           what is wrong, why, and the cure
    """


for command in (
    serve.serve,
    look.check,
    look.render,
    look.list_fleet,
    doctor.doctor,
    cloud.offers,
    purge.purge,
    look.schema,
    serve.demo,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every expected error is one sentence and exit code 1 or 2."""
    terminal.harmless_tracebacks()
    try:
        cli(prog_name="vps-autoscaler")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
