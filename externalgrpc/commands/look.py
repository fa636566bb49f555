"""``ls``, ``check``, ``render`` and ``schema``: look, and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from externalgrpc import config
from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, installed_clouds
from externalgrpc.rpc import client


@click.command(name="ls")
@parameters.connection
@click.option("--wide", is_flag=True, help="Show provider ids, addresses and registration too.")
@parameters.OUTPUT
def list_fleet(
    *,
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    wide: bool,
    output: str,
) -> None:
    """List groups, machines and accounts of a running server."""
    from externalgrpc.commands import tables  # noqa: PLC0415

    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    try:
        with connection.open() as channel:
            shown = client.show(channel, address)
    except client.CannotReach as error:
        raise parameters.failure(error) from error
    if output == "json":
        terminal.say_lines(json.dumps(tables.as_dict(shown), indent=2))
    else:
        terminal.console().print(tables.fleet(shown, wide=wide))


@click.command()
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
            terminal.say(f"{len(error.mistakes)} mistakes; nothing was started", err=True)
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


@click.command()
@parameters.CONFIG
@parameters.CLUSTER
@click.argument("group_name", metavar="GROUP")
@click.option("--show-secrets", is_flag=True, help="Print tokens and keys as they are.")
@parameters.OUTPUT
def render(
    *, config_path: Path, cluster: str, group_name: str, show_secrets: bool, output: str
) -> None:
    """Render the user-data and the template Node of a group, as its next machine would get them.

    The template needs the cloud's list of machine types, so the cloud is asked (the memory cloud
    needs no network). The cluster is not: its address, CA and release are examples here, and its
    kubelet-config counts as not known. What key words and forms betray as secret is masked, rather
    too much than too little: look before you pass it on. Characters that do not show are shown
    as escapes; -o json has every byte.
    """
    from externalgrpc.bootstrap import preview, redaction  # noqa: PLC0415
    from providers import errors  # noqa: PLC0415

    loaded = parameters.load(config_path, cluster)
    group = next((each for each in loaded.groups if each.name == group_name), None)
    if group is None:
        known = ", ".join(each.name for each in loaded.groups)
        raise terminal.Failure(f"no group is called {group_name!r} (there are: {known})")
    account = loaded.accounts[group.account]
    provider = parameters.open_account(loaded, account)
    try:
        try:
            user_data = preview.user_data(loaded, group, provider)
        except ValueError as error:  # Unjoinable, UnsafeValue
            raise terminal.Failure(f"group {group.name} cannot join: {error}") from error
        try:
            node: dict[str, Any] | None = preview.node(loaded, group, provider)
            trouble = ""
        except errors.CloudError as error:
            node, trouble = None, f"no template: {error}"
    finally:
        provider.close()
    shown = user_data if show_secrets else redaction.mask(user_data)
    size = len(user_data.encode())
    sent = installed_clouds.user_data_bytes(provider, user_data)
    message = (
        f"{size} bytes before the cloud's encoding{f', {sent} as gzip' if sent < size else ''}"
    )
    _print_rendered(group, shown, message, node, output)
    if trouble:
        raise terminal.Failure(trouble)


@click.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from externalgrpc.config import schema as schemas  # noqa: PLC0415

    terminal.say_lines(schemas.text(installed_clouds.installed()))


def _print_rendered(
    group: groups.NodeGroup,
    user_data: str,
    size: str,
    node: dict[str, Any] | None,
    output: str,
) -> None:
    if output == "json":
        rendered = {"group": group.name, "userData": user_data, "node": node}
        terminal.say_lines(json.dumps(rendered, indent=2))
        return
    terminal.say(f"# ---- user-data of {group.name}: {size} ----")
    terminal.say_lines(user_data or "# (none)")
    if node is not None:
        import yaml  # noqa: PLC0415

        terminal.say(f"# ---- template Node of {group.name} ----")
        terminal.say_lines(yaml.safe_dump(node, sort_keys=False))
