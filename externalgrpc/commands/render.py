"""``render``: show what the next machine of a group would get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, installed_clouds


@click.command(epilog="Example: vps-autoscaler render --config pools.yaml workers")
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
