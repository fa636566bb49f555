"""``serve`` and ``demo``: run a server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click

from externalgrpc import config
from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, installed_clouds
from externalgrpc.rpc import address as addresses
from externalgrpc.support import logs

_LOG = logs.Log("serve")


@click.command()
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
    what = serving.Serving(
        source=parameters.source(config_path, cluster),
        listening=server.Listening(
            address=listen, tls=tls, reflection=reflection, polling=not workers_only
        ),
        metrics_address=metrics_address,
        dry_run=dry_run,
    )

    def on_ready(address: str, in_force: groups.Config) -> None:
        _announce(address, in_force)
        if reflection and tls is None:
            terminal.say("Try:")
            for shows, line in serving.try_lines(address, in_force).items():
                terminal.say(f"  # {shows}")
                terminal.say(f"  {line}")

    _run(lambda: serving.run(what, on_ready, screen=screen))


@click.command()
@parameters.CONFIG
@parameters.CLUSTER
def demo(*, config_path: Path, cluster: str) -> None:
    """Show about a minute of work: a stand-in autoscaler drives a server on a simulated cloud.

    Growth, a sold-out location and the fallback, nodes that join, deletion. Nothing outside this
    process is touched: every account of the configuration must be at a cloud whose
    machines are simulated.
    """
    from externalgrpc import serving  # noqa: PLC0415
    from externalgrpc.commands import demo as show  # noqa: PLC0415
    from externalgrpc.rpc import server  # noqa: PLC0415

    loaded = parameters.load(config_path, cluster)
    installed = installed_clouds.installed()
    elsewhere = [
        account.name
        for account in loaded.accounts.values()
        if not installed_clouds.joins_by_itself(installed[account.provider])
    ]
    if elsewhere:
        raise terminal.Failure(f"the demo makes no real machines: {', '.join(elsewhere)}")
    console = terminal.console()
    logs.set_up(level="error", as_json=False)
    what = serving.Serving(
        source=parameters.source(config_path, cluster),
        listening=server.Listening(address="127.0.0.1:0"),
    )
    stop = threading.Event()
    ended_well: list[bool] = []

    def on_ready(address: str, in_force: groups.Config) -> None:
        _announce(address, in_force)

        def drive() -> None:
            try:
                ended_well.append(show.run_demo(address, console))
            finally:
                stop.set()

        threading.Thread(target=drive, name="demo", daemon=True).start()

    _run(lambda: serving.run(what, on_ready, stop=stop))
    if ended_well != [True]:
        raise terminal.Failure("the demonstration did not come to its end")


def _announce(address: str, in_force: groups.Config) -> None:
    terminal.say(f"cluster {in_force.cluster}: {len(in_force.groups)} groups on {address}")
    for group in in_force.groups:
        types = ", ".join(dict.fromkeys(each.machine_type for each in group.candidates))
        where = ", ".join(dict.fromkeys(each.location for each in group.candidates))
        size = f"{group.min_size}..{group.max_size}"
        terminal.say(f"  {group.name}: {size} x {types} in {where} ({group.account})")


def _run(run: Callable[[], None]) -> None:
    from externalgrpc import assembly  # noqa: PLC0415
    from externalgrpc.rpc import server  # noqa: PLC0415
    from providers import errors  # noqa: PLC0415

    try:
        run()
    except (
        assembly.NoCluster,
        server.CannotListen,
        config.ConfigError,
        installed_clouds.BrokenCloud,
        errors.CloudError,
    ) as error:
        raise parameters.failure(error) from error
