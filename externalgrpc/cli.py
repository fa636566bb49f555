"""The command line: the only place where things are wired to a person's terminal."""

from __future__ import annotations

import os
import sys

import click

from externalgrpc.commands import terminal
from externalgrpc.support import version

COMMANDS = {
    "serve": "externalgrpc.commands.serve:serve",
    "check": "externalgrpc.commands.check:check",
    "render": "externalgrpc.commands.render:render",
    "ls": "externalgrpc.commands.ls:list_fleet",
    "try": "externalgrpc.commands.trial:try_group",
    "why": "externalgrpc.commands.why:why",
    "doctor": "externalgrpc.commands.doctor:doctor",
    "offers": "externalgrpc.commands.offers:offers",
    "purge": "externalgrpc.commands.purge:purge",
    "adopt": "externalgrpc.commands.adopt:adopt",
    "convert": "externalgrpc.commands.convert:convert",
    "schema": "externalgrpc.commands.schema:schema",
    "kubero": "externalgrpc.commands.kubero:kubero",
    "demo": "externalgrpc.commands.demo:demo",
}
"""Each is imported when it is asked for: a short start-up is felt."""


@click.group(
    cls=terminal.Group,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version.VERSION, prog_name="vps-autoscaler")
def cli() -> None:
    """Scale self-managed Kubernetes on VPS clouds: the hands of Cluster Autoscaler.

    The upstream Cluster Autoscaler decides; this server speaks its externalgrpc protocol and
    makes and deletes machines at the clouds that are installed.

    \b
      vps-autoscaler check --config pools.yaml --online   every mistake at once
      vps-autoscaler serve --config pools.yaml            answer the autoscaler
      vps-autoscaler ls                                   what the running server has
      vps-autoscaler render --config pools.yaml GROUP     user-data and template of a group
      vps-autoscaler try GROUP --config pools.yaml        one machine: ordered, joined, deleted
      vps-autoscaler doctor --config pools.yaml           what is wrong, why, and the cure
      vps-autoscaler convert --cluster prod autoscaler.yaml   from another autoscaler
      vps-autoscaler kubero | kubectl apply -f -          tenant apps of Kubero on VPS nodes
    """


def main() -> None:
    """Run the command line; every expected error is one sentence and exit code 1 or 2."""
    terminal.harmless_tracebacks()
    # grpc's C library writes a line for every odd header that anybody sends, without end and not as
    # our log does. What callers do wrong the server counts and says itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        cli(prog_name="vps-autoscaler")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.filename is not None or error.errno not in terminal.TAKES_NOTHING:
            raise
        terminal.mute()
        sys.stderr.write(f"Error: what it has to say cannot be written: {error.strerror}\n")
        sys.exit(1)
