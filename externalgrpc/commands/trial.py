"""``try``: order one machine of a group, see it become a node, and delete it again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import installed_clouds
from externalgrpc.rpc import client

if TYPE_CHECKING:
    import grpc

    from externalgrpc.pb import fleet_pb2 as pb
    from externalgrpc.rpc import trial_client


@click.command(name="try", epilog="Example: vps-autoscaler try workers --config pools.yaml --yes")
@click.argument("group", required=False)
@click.option(
    "--config",
    "config_path",
    type=parameters.FILE,
    envvar="VPS_AUTOSCALER_CONFIG",
    help="Where no server answers, order from here by this configuration.",
)
@parameters.CLUSTER
@parameters.connection
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--no-taint",
    is_flag=True,
    help="Try a group too whose Nodes cannot be tainted: workloads may land on the machine.",
)
@click.option("--clean", is_flag=True, help="Only delete what earlier trials left behind.")
@parameters.OUTPUT
@click.pass_context
def try_group(
    context: click.Context,
    *,
    group: str | None,
    config_path: Path | None,
    cluster: str,
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    yes: bool,
    no_taint: bool,
    clean: bool,
    output: str,
) -> None:
    """Order one machine of GROUP, follow it until its Node is ready, and delete it again.

    Says what it costs and asks first. The running server orders it, under its caps; where none
    answers at the default address, this command does so itself by --config. The Node is tainted
    (vps-autoscaler/trial, NoSchedule), the autoscaler is not shown it, and what the group's
    template promises is compared with it. Ctrl-C and every failure delete the machine too.

    Exit code 0: it became ready, as promised; 3: ready, but the template promises what it is not;
    1: it did not, or something may be left.
    """
    if not group and not clean:
        raise click.UsageError("name a GROUP, or --clean")
    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    named = context.get_parameter_source("address") is not ParameterSource.DEFAULT
    with _server(connection, config_path, cluster, group, named=named) as (server, alone):
        _run(
            server, group or "", yes=yes, no_taint=no_taint, clean=clean, output=output, alone=alone
        )


@contextlib.contextmanager
def _server(
    connection: client.Connection,
    config_path: Path | None,
    cluster: str,
    group: str | None,
    *,
    named: bool,
) -> Iterator[tuple[trial_client.TrialClient, bool]]:
    """Reach the running server, or be one for this trial; gives which of the two."""
    from externalgrpc.rpc import trial_client  # noqa: PLC0415 - a short start-up is felt

    with contextlib.ExitStack() as stack:
        try:
            channel = stack.enter_context(connection.open())
            found = trial_client.TrialClient(channel, connection.address)
            found.show()
        except client.CannotReach as error:
            if named or config_path is None:
                cure = "" if named else "; --address says where it is, --config orders from here"
                raise terminal.Failure(f"{error}{cure}") from error
            served = _alone(config_path, cluster, group or "")
            channel, where = stack.enter_context(served)
            yield trial_client.TrialClient(channel, where), True
        else:
            yield found, False


@contextlib.contextmanager
def _alone(config_path: Path, cluster: str, name: str) -> Iterator[tuple[grpc.Channel, str]]:
    from externalgrpc import assembly  # noqa: PLC0415 - a short start-up is felt
    from externalgrpc.commands import alone  # noqa: PLC0415 - as above
    from externalgrpc.rpc import server  # noqa: PLC0415 - as above
    from externalgrpc.support import logs  # noqa: PLC0415 - as above
    from providers import errors  # noqa: PLC0415 - as above

    loaded = parameters.load(config_path, cluster)
    group = next((each for each in loaded.groups if each.name == name), None)
    if group is None and name:
        known = ", ".join(each.name for each in loaded.groups) or "none"
        raise terminal.Failure(f"no group {name!r} in {config_path}; there are: {known}")
    if group is None:
        if not loaded.groups:
            raise terminal.Failure(f"{config_path} has no group whose account could be looked at")
        group = loaded.groups[0]
    logs.set_up(level="error", as_json=False)
    try:
        with alone.serving(loaded, group, installed_clouds.installed()) as given:
            yield given
    except (
        assembly.NoCluster,
        installed_clouds.BrokenCloud,
        errors.CloudError,
        server.CannotListen,
        alone.NotSeen,
    ) as error:
        raise parameters.failure(error) from error


def _run(
    server: trial_client.TrialClient,
    name: str,
    *,
    yes: bool,
    no_taint: bool,
    clean: bool,
    output: str,
    alone: bool,
) -> None:
    from externalgrpc.commands import trial_leftovers, trial_screen, trialing  # noqa: PLC0415 - as above
    from externalgrpc.rpc import trial_client  # noqa: PLC0415 - as above
    from externalgrpc.support import clock  # noqa: PLC0415 - as above

    try:
        shown = server.show()
        if clean:
            trial_leftovers.clean(server, shown, _say, yes=yes)
            return
        group = _group(shown, name)
        trial_leftovers.offer(server, shown, _say, yes=yes)
        _ask(shown, group, yes=yes, no_taint=no_taint, alone=alone)
        following = trialing.Following(server, name, _say, time_source=clock.SystemClock())
        over = following.to_its_end()
    except (client.CannotReach, trial_client.Refused, trialing.GivenUp) as error:
        raise parameters.failure(error) from error
    if output == "json":
        terminal.say_lines(json.dumps(trial_screen.as_dict(over), indent=2))
    else:
        terminal.console().print(trial_screen.summary(over))
    ready = trial_screen.is_ready(over)
    if following.interrupted:
        raise terminal.Failure("interrupted; nothing is left")
    if not ready or over.code:
        raise terminal.Failure(
            f"{name} did not become ready: {over.reason or 'it was ended before'}; nothing is left"
        )
    if any(each.wrong for each in over.differences):
        sys.exit(3)


def _group(shown: pb.ShowResponse, name: str) -> pb.Group:
    found = next((each for each in shown.groups if name in (each.id, each.trial_of)), None)
    if found is None or name == "":
        known = ", ".join(each.id for each in shown.groups if not each.trial_of) or "none"
        raise terminal.Failure(f"the server has no group {name!r}; its groups are: {known}")
    if shown.dry_run:
        raise terminal.Failure("the server runs with --dry-run: it orders nothing")
    return found


def _ask(
    shown: pb.ShowResponse, group: pb.Group, *, yes: bool, no_taint: bool, alone: bool
) -> None:
    """Say what it costs and where it is ordered from, and ask; raises Failure or Abort."""
    if alone:
        _say(
            "no server answers: the machine is ordered from here. Caps that count what a server "
            "elsewhere has in the air do not hold; --address says where one is"
        )
    kind = group.candidates[0] if group.candidates else "machine"
    price = (
        f"{group.price_per_hour} {group.currency} an hour"
        if group.price_per_hour
        else "a price that is not known here"
    )
    billed = f"; {group.billing}" if group.billing else "; how it is billed is not known here"
    _say(f"one {kind} at {group.account}, cluster {shown.cluster}: {price}{billed}")
    if group.untaintable and not no_taint:
        _say(
            f"the Node cannot be kept from workloads: {group.untaintable}. What lands on it is "
            "lost when it is deleted"
        )
        if yes:
            raise terminal.Failure("--yes does not answer for that: add --no-taint if you mean it")
    if yes:
        return
    if not sys.stdin.isatty():
        raise terminal.Failure("this is no terminal to ask at: add --yes to order it")
    click.confirm("Order it, and delete it again?", abort=True)


def _say(line: str) -> None:
    """Say what happens on standard error: standard output is for what came of it."""
    terminal.say(line, err=True)
