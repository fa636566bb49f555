"""The command line: the only place where things are wired to a person's terminal."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from externalgrpc import clouds, config, events

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_ADDRESS = "127.0.0.1:8086"

_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    required=True,
    envvar="VPS_AUTOSCALER_CONFIG",
    help="Configuration file: the seed's ConfigMap, or the bare text of it.",
)
_CLUSTER = click.option(
    "--cluster",
    default="",
    envvar="VPS_AUTOSCALER_CLUSTER",
    help="Name of the cluster, if the file does not say it. Machines are marked with it.",
)
_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print.",
)


def _client_options(command: F) -> F:
    for option in (
        click.option("--server-name", default="", help="Name in the server's certificate."),
        click.option("--key", type=click.Path(path_type=Path), help="Our key (PEM)."),
        click.option("--cert", type=click.Path(path_type=Path), help="Our certificate (PEM)."),
        click.option("--ca", type=click.Path(path_type=Path), help="CA of the server (PEM)."),
        click.option(
            "--address",
            default=DEFAULT_ADDRESS,
            show_default=True,
            envvar="VPS_AUTOSCALER_ADDRESS",
            help="Where the server listens: host:port or unix:/path.",
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("vps-autoscaler"), prog_name="vps-autoscaler")
def cli() -> None:
    r"""Scale self-managed Kubernetes on VPS clouds: the hands of Cluster Autoscaler.

    The upstream Cluster Autoscaler decides; this server speaks its externalgrpc protocol and
    makes and deletes machines at Hetzner, Linode, DigitalOcean, Vultr or in memory.

    \b
      vps-autoscaler check --config pools.yaml           every mistake at once
      vps-autoscaler serve --config pools.yaml           answer the autoscaler
      vps-autoscaler ls                                  what the running server has
      vps-autoscaler render --config pools.yaml GROUP    user-data and template of a group
    """


@cli.command()
@_CONFIG
@_CLUSTER
@click.option(
    "--listen",
    default=DEFAULT_ADDRESS,
    show_default=True,
    envvar="VPS_AUTOSCALER_LISTEN",
    help="host:port, [v6]:port or unix:/path. Without TLS keep it on loopback or a socket.",
)
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Server certificate (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its key (PEM).")
@click.option(
    "--tls-client-ca",
    type=click.Path(path_type=Path),
    help="Demand a client certificate of this CA (mTLS). Files are re-read when they change.",
)
@click.option(
    "--metrics",
    "metrics_address",
    default="",
    help="Serve /metrics and /healthz here, such as 127.0.0.1:9090; nowhere by default.",
)
@click.option(
    "--reflection/--no-reflection",
    default=True,
    show_default=True,
    help="Let grpcurl and others ask what can be called.",
)
@click.option("--dry-run", is_flag=True, help="Do all but create and delete; log what would be.")
@click.option(
    "--live/--no-live",
    default=None,
    help="Show groups and machines as they change. Default: when standard output is a terminal.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="No level shows tokens or user-data.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
def serve(
    config_path: Path,
    cluster: str,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    metrics_address: str,
    reflection: bool,  # noqa: FBT001 - click gives them by name
    dry_run: bool,  # noqa: FBT001
    live: bool | None,  # noqa: FBT001
    log_level: str,
    log_format: str,
) -> None:
    """Answer Cluster Autoscaler until told to stop.

    SIGTERM and Ctrl-C stop gracefully: requests to the clouds that are under way come to their
    end. SIGHUP and a changed file read the configuration again; a bad file is reported and the
    last good one stays.
    """
    from rich.console import Console  # noqa: PLC0415 - a short start-up is felt

    from externalgrpc import server, serving  # noqa: PLC0415

    if bool(tls_cert) != bool(tls_key) or (tls_client_ca and not tls_cert):
        raise click.UsageError("--tls-cert and --tls-key go together; --tls-client-ca needs both")
    console = Console()
    show_live = console.is_terminal if live is None else live
    events.set_up(
        level=log_level,
        as_json=log_format == "json",
        stream=serving.log_stream(console) if show_live else None,
    )
    tls = (
        server.TLS(certificate=tls_cert, key=tls_key, client_ca=tls_client_ca)
        if tls_cert and tls_key
        else None
    )
    what = serving.Serving(
        source=_source(config_path, cluster),
        listening=server.Listening(address=listen, tls=tls, reflection=reflection),
        metrics_address=metrics_address,
        dry_run=dry_run,
        live=show_live,
    )

    def tell(address: str, in_force: Any) -> None:  # noqa: ANN401
        click.echo(
            f"cluster {in_force.cluster}: serving {len(in_force.groups)} groups on {address}"
        )
        for group in in_force.groups:
            types = ", ".join(dict.fromkeys(c.machine_type for c in group.candidates))
            where = ", ".join(dict.fromkeys(c.location for c in group.candidates))
            size = f"{group.min_size}..{group.max_size}"
            click.echo(f"  {group.name}: {size} x {types} in {where} ({group.account})")
        if reflection and tls is None:
            click.echo("Try:")
            for shows, line in serving.try_lines(address, in_force).items():
                click.echo(f"  # {shows}\n  {line}")

    try:
        serving.run(what, console, tell)
    except (server.CannotListen, config.ConfigError, clouds.BrokenCloud) as error:
        raise click.ClickException(str(error)) from error


@cli.command(name="ls")
@_client_options
@click.option("--wide", is_flag=True, help="Show provider ids, addresses and registration too.")
@_OUTPUT
def list_fleet(
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    wide: bool,  # noqa: FBT001
    output: str,
) -> None:
    """List groups, machines and accounts of a running server."""
    from rich.console import Console  # noqa: PLC0415

    from externalgrpc import client, tables  # noqa: PLC0415

    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    try:
        with connection.open() as channel:
            shown = client.show(channel, address)
    except client.CannotReach as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(json.dumps(tables.as_dict(shown), indent=2))
    else:
        Console().print(tables.fleet(shown, wide=wide))


def _source(path: Path, cluster: str) -> config.Source:
    return config.Source(
        path=path, cluster=cluster, environ=os.environ, installed=clouds.installed()
    )


def main() -> None:
    """Run the command line; every expected error is one sentence and exit code 1 or 2."""
    try:
        cli(prog_name="vps-autoscaler")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
