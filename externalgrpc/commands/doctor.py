"""``doctor``: say what is wrong, why it matters and what to do; change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.core import ParameterSource

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import installed_clouds
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client


@click.command(epilog="Example: vps-autoscaler doctor --config pools.yaml --online")
@parameters.CONFIG
@parameters.CLUSTER
@parameters.connection
@click.option(
    "--kubeconfig",
    type=parameters.FILE,
    help="A person's own credentials for the cluster, rather than those of kubernetes: in the "
    "configuration. An administrator's see most; KUBECONFIG is not read.",
)
@click.option("--context", "kube_context", default="", help="A context of --kubeconfig.")
@click.option(
    "--online", is_flag=True, help="Also fetch the keys that joins fetch, and see when they end."
)
@parameters.OUTPUT
@click.pass_context
def doctor(
    context: click.Context,
    *,
    config_path: Path,
    cluster: str,
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    kubeconfig: Path | None,
    kube_context: str,
    online: bool,
    output: str,
) -> None:
    """Find what is wrong with an installation, why it matters, and what to do about it.

    Asks the clouds for machines with the cluster's mark, the running server for what it shows, and
    the cluster's API server; each as far as it can be asked. What could not be looked at is listed,
    with the reason. It changes nothing, anywhere.

    Looks for: machines that no group claims, that never joined or are there twice; Nodes without
    machine; flags of the autoscaler that do not suit the groups; two autoscalers or servers; cloud
    controller managers missing or not expected; taints that never go; pods that keep groups from
    going to zero; rights missing and too many; an API server's address that machines cannot
    reach; releases that do not go together; clocks apart; certificates, tokens and keys that end.

    Exit code 1 when something costs money or blocks scaling; warnings leave it 0. Exit code 3 when
    no such thing was found, and something that should be looked at could not be.
    """
    from externalgrpc.diagnosis import doctor as examination  # noqa: PLC0415
    from externalgrpc.diagnosis import screen  # noqa: PLC0415

    loaded = parameters.load(config_path, cluster)
    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )

    def show() -> pb.ShowResponse:
        with connection.open() as channel:
            return client.show(channel, address)

    ways = examination.Ways(
        open_lister=lambda account: parameters.open_account(loaded, account),
        show=show,
        named=any(
            context.get_parameter_source(each) is not ParameterSource.DEFAULT
            for each in ("address", "ca", "cert", "key", "server_name")
        ),
        kubeconfig=str(kubeconfig) if kubeconfig else "",
        context=kube_context,
        online=online,
        source=parameters.source(config_path, cluster),
    )
    with terminal.asking("asking ...") as waiting:
        report = examination.examine(
            loaded,
            installed_clouds.installed(),
            ways,
            progress=lambda what: waiting(f"asking: {what} ..."),
        )
    if output == "json":
        terminal.say_lines(json.dumps(examination.plain(report), indent=2))
    else:
        terminal.console().print(screen.draw(report))
    context.exit(report.exit_code)
