"""``serve``: answer Cluster Autoscaler."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Literal

import click

from externalgrpc.commands import parameters, running, terminal
from externalgrpc.model import groups
from externalgrpc.rpc import address as addresses
from externalgrpc.support import logs

_LOG = logs.Log("serve")


@click.command(epilog="Example: vps-autoscaler serve --config pools.yaml --listen 127.0.0.1:8086")
@parameters.CONFIG
@parameters.CLUSTER
@click.option(
    "--listen",
    type=parameters.AddressType(listening=True),
    metavar="ADDRESS",
    default=parameters.DEFAULT_ADDRESS,
    show_default=True,
    envvar="VPS_AUTOSCALER_LISTEN",
    help="host:port, [v6]:port or unix:/path. Without TLS keep to loopback or a socket.",
)
@click.option("--tls-cert", type=parameters.FILE, help="Server certificate (PEM).")
@click.option("--tls-key", type=parameters.FILE, help="Its key (PEM).")
@click.option(
    "--tls-client-ca",
    type=parameters.FILE,
    help="Demand a client certificate of this CA (mTLS). All three are re-read when they change.",
)
@click.option(
    "--metrics",
    "metrics_address",
    type=parameters.AddressType(listening=True, sockets=False),
    default="",
    metavar="HOST:PORT",
    help="Serve /metrics and /healthz there; nowhere by default.",
)
@click.option(
    "--reflection/--no-reflection",
    default=True,
    show_default=True,
    help="Let grpcurl and others ask what can be called.",
)
@click.option(
    "--workers-only",
    is_flag=True,
    help="Answer every call on a worker, none in grpc's own thread: slower, and nothing private.",
)
@click.option(
    "--leader-elect",
    type=click.Choice(["follow", "own"]),
    help="Of several servers let one act: the one whose host holds Cluster Autoscaler's Lease"
    " (follow: both in one pod), or the one that holds a Lease of its own (own).",
)
@click.option(
    "--leader-elect-resource-name",
    "lease_name",
    default="",
    metavar="NAME",
    help="The Lease's name. Default: cluster-autoscaler to follow, vps-autoscaler of our own.",
)
@click.option(
    "--leader-elect-resource-namespace",
    "lease_namespace",
    default="",
    metavar="NAMESPACE",
    help="Its namespace. Default: our own, or the kubeconfig's.",
)
@click.option(
    "--leader-elect-lease-duration",
    "lease_s",
    type=click.FloatRange(1.0, 600.0),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a Lease of our own lasts when its holder is gone.",
)
@click.option(
    "--leader-elect-service",
    "service",
    default="",
    metavar="NAME",
    help="A Service without selector, in our namespace, that is to lead to our Lease's holder.",
)
@click.option(
    "--leader-elect-endpoint",
    "endpoint",
    default="",
    metavar="IP:PORT",
    help="Where that Service is to lead when it is this server: $(POD_IP):8086 in a pod.",
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
    *,
    config_path: Path,
    cluster: str,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    metrics_address: str,
    reflection: bool,
    workers_only: bool,
    leader_elect: Literal["follow", "own"] | None,
    lease_name: str,
    lease_namespace: str,
    lease_s: float,
    service: str,
    endpoint: str,
    dry_run: bool,
    live: bool | None,
    log_level: str,
    log_format: str,
) -> None:
    """Answer Cluster Autoscaler until told to stop.

    SIGTERM and Ctrl-C stop gracefully: requests to the clouds that are under way come to their
    end. SIGHUP and a changed file read the configuration again; a bad file is reported and the
    last good one stays.
    """
    from externalgrpc import serving  # noqa: PLC0415 - a short start-up is felt
    from externalgrpc.rpc import server  # noqa: PLC0415 - a short start-up is felt

    if bool(tls_cert) != bool(tls_key) or (tls_client_ca and not tls_cert):
        raise click.UsageError("--tls-cert and --tls-key go together; --tls-client-ca needs both")
    show_live = sys.stdout.isatty() if live is None else live
    screen = None
    if show_live:
        from externalgrpc.commands import live_table  # noqa: PLC0415 - only a terminal needs it

        screen = live_table.Screen()
    logs.set_up(
        level=log_level,
        as_json=log_format == "json",
        stream=screen.log_stream() if screen is not None else None,
    )
    tls = (
        server.TLS(certificate=tls_cert, key=tls_key, client_ca=tls_client_ca)
        if tls_cert and tls_key
        else None
    )
    if tls is None and not addresses.read(listen, listening=True).stays_here:
        _LOG.warning(
            "plain text off loopback: whoever reaches the port orders and deletes machines",
            listen=listen,
            cure="--tls-cert, --tls-key and --tls-client-ca, or a unix socket",
        )
    replica = None
    if leader_elect is not None:
        from externalgrpc.leading import seat  # noqa: PLC0415 - one server alone never needs it

        replica = seat.Replica(
            elect=leader_elect,
            name=lease_name,
            namespace=lease_namespace,
            duration_s=lease_s,
            service=service,
            endpoint=_endpoint(endpoint) if service else ("", 0),
        )
    elif lease_name or lease_namespace or service:
        raise click.UsageError("--leader-elect-... needs --leader-elect follow, or own")
    what = serving.Serving(
        source=parameters.source(config_path, cluster),
        listening=server.Listening(
            address=listen, tls=tls, reflection=reflection, polling=not workers_only
        ),
        metrics_address=metrics_address,
        dry_run=dry_run,
        replica=replica,
    )

    def on_ready(address: str, in_force: groups.Config) -> None:
        try:
            running.announce(address, in_force)
            if reflection and tls is None:
                terminal.say("Try:")
                for shows, line in serving.try_lines(address, in_force).items():
                    terminal.say(f"  # {shows}")
                    terminal.say(f"  {line}")
        except OSError as error:
            # Who closes the pipe, or fills the disk, does not stop what looks after machines.
            terminal.mute()
            _LOG.warning("standard output takes nothing: served without it", reason=error.strerror)

    running.run(lambda: serving.run(what, on_ready, screen=screen))


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError as error:
        raise click.UsageError(f"--leader-elect-endpoint: {text!r} is no IP:PORT") from error
