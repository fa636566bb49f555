"""``check``: say what is wrong with a configuration before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import click

from externalgrpc import config
from externalgrpc.commands import parameters, terminal
from externalgrpc.model import installed_clouds


@click.command(epilog="Example: vps-autoscaler check --config pools.yaml --online")
@parameters.CONFIG
@parameters.CLUSTER
@click.option(
    "--online",
    is_flag=True,
    help="Ask the clouds too (token, types, regions, images, prices) and the cluster (release).",
)
@parameters.OUTPUT
@click.pass_context
def check(
    context: click.Context, *, config_path: Path, cluster: str, online: bool, output: str
) -> None:
    """Check a configuration and print every mistake at once, with its line and cure.

    Exit code 1 when something would not work; warnings leave it 0.
    """
    from externalgrpc.commands import tables  # noqa: PLC0415
    from externalgrpc.diagnosis import preflight  # noqa: PLC0415

    source = parameters.source(config_path, cluster)
    try:
        loaded = config.load(
            config_path, cluster=cluster, environ=source.environ, clouds=source.installed
        )
    except config.ConfigError as error:
        if output == "json":
            mistakes = [
                {
                    "file": each.file,
                    "line": each.line,
                    "column": each.column,
                    "path": each.path,
                    "message": each.message,
                    "cure": each.cure,
                }
                for each in error.mistakes
            ]
            terminal.say_lines(json.dumps({"ok": False, "mistakes": mistakes}, indent=2))
        else:
            terminal.say_lines(str(error), err=True)
            count = len(error.mistakes)
            terminal.say(f"{count} mistake{'s' * (count > 1)}; nothing was started", err=True)
        context.exit(1)
    except installed_clouds.BrokenCloud as error:
        raise parameters.failure(error) from error
    if online:
        with terminal.asking("asking clouds and cluster ..."):
            report = preflight.check_online(
                loaded, source.installed, lambda account: parameters.open_account(loaded, account)
            )
    else:
        report = preflight.check_offline(
            loaded, source.installed, lambda account: parameters.open_account(loaded, account)
        )
    if output == "json":
        terminal.say_lines(json.dumps(preflight.plain(report), indent=2))
    else:
        terminal.console().print(tables.report(report))
    context.exit(0 if report.ok else 1)
