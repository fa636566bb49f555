"""Run a server until a signal stops it: signals, reloads, the live table."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final, Protocol

from externalgrpc import assembly, config
from externalgrpc.config import watch
from externalgrpc.control import metrics_server
from externalgrpc.leading import seat as seats
from externalgrpc.model import groups, installed_clouds
from externalgrpc.rpc import address, fleet_service, limits, server, service
from externalgrpc.status import site
from externalgrpc.support import clock as clocks
from externalgrpc.support import logs, version
from providers import errors

_LOG = logs.Log("serving")

GRACE_S = 25.0
"""Calls and cloud requests under way may take this long at a stop; Kubernetes kills after 30 s."""

_STOPPING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_LOST: Final = 0
"""No signal's number: put beside them when another server leads."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How to serve; ``metrics_address`` is ``host:port`` or empty for no HTTP.

    ``replica`` says how it is found out which of several servers acts; None: there is one.
    """

    source: config.Source
    listening: server.Listening
    metrics_address: str = ""
    first_listing_s: float = 3.0
    dry_run: bool = False
    replica: seats.Replica | None = None


class Screen(Protocol):
    """Something that shows a running server to a person."""

    def showing(self, fleet_view: fleet_service.Show) -> contextlib.AbstractContextManager[None]:
        """Show, for as long as the context lasts."""
        ...


def run(
    serving: Serving,
    on_ready: Callable[[str, groups.Config], None],
    *,
    screen: Screen | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; SIGHUP reads the configuration again.

    ``on_ready`` is called once, with the address and the configuration, when calls are answered.
    Raises ConfigError, CannotListen, NoCluster, or a cloud's error at opening; Lost when it led and
    another server does now.
    """
    stop = stop or threading.Event()
    signals = _signals()
    limits.raise_open_files()
    watcher = watch.Watch(serving.source)
    time_source = clocks.SystemClock()
    try:
        seat = seats.Seat(serving.replica, watcher.config)
    except seats.CannotElect as error:
        raise assembly.NoCluster(str(error)) from error
    plant = assembly.Assembly(
        watcher.config,
        serving.source.installed,
        assembly.Parts(dry_run=serving.dry_run, source=serving.source, may_act=seat.why_not),
    )
    cloud_provider = service.CloudProvider(plant.reconciler, plant.describer, refuses=seat.refuses)
    fleet_view = fleet_service.Show(
        plant.reconciler,
        plant.describer,
        time_source,
        version=version.VERSION,
        dry_run=serving.dry_run,
        rooms=plant.rooms,
        trial=plant.trials,
    )
    grpc_server = server.Server(serving.listening, cloud_provider, fleet_view)
    # Before anybody can ask: until it is watched the gauge says that this server acts.
    plant.metrics.watch_leader(seat.leads)
    http = _Http(serving, plant, grpc_server, time_source) if serving.metrics_address else None
    seat.stand_by(plant.reconciler)
    plant.start()
    plant.reconciler.await_first_listings(serving.first_listing_s)
    grpc_server.start()
    seat.start(plant.reconciler, lambda: signals.put(_LOST))
    try:
        on_ready(grpc_server.address, watcher.config)
        with screen.showing(fleet_view) if screen is not None else contextlib.nullcontext():
            _watch(watcher, plant, stop, signals)
        seat.check()
    finally:
        ends = time_source.monotonic() + GRACE_S
        grpc_server.stop(GRACE_S / 5)
        plant.stop(max(0.0, ends - time_source.monotonic()))
        seat.stop()
        if http is not None:
            http.stop()


def _watch(
    watcher: watch.Watch,
    plant: assembly.Assembly,
    stop: threading.Event,
    signals: queue.SimpleQueue[int],
) -> None:
    """Look after the files every few seconds, and at once on SIGHUP, until stopped."""
    while not stop.is_set():
        heard = _heard(signals)
        if _LOST in heard:
            return
        if stops := heard & _STOPPING:
            _LOG.info("stopping", signal=signal.Signals(min(stops)).name)
            return
        if stop.is_set():
            return
        try:
            fresh = watcher.reload() if heard else watcher.poll()
        except config.ConfigError as error:
            plant.metrics.count("reloads", {"outcome": "refused"})
            _LOG.error("configuration not reloaded: the last good one stays", mistakes=str(error))
            continue
        if fresh is not None:
            try:
                plant.apply(fresh)
            except (
                assembly.AnotherCluster,
                installed_clouds.BrokenCloud,
                installed_clouds.UnknownCloud,
                errors.CloudError,
            ) as error:
                plant.metrics.count("reloads", {"outcome": "refused"})
                _LOG.error("configuration not reloaded: the last good one stays", reason=str(error))
                continue
            plant.metrics.count("reloads", {"outcome": "taken"})
            _LOG.info("configuration reloaded", groups=[group.name for group in fresh.groups])


def _heard(signals: queue.SimpleQueue[int]) -> set[int]:
    """Await a signal for as long as files may go unlooked at; return all that have come."""
    heard: set[int] = set()
    with contextlib.suppress(queue.Empty):
        heard.add(signals.get(timeout=watch.INTERVAL_S))
        while True:
            heard.add(signals.get_nowait())
    return heard


def _signals() -> queue.SimpleQueue[int]:
    """Return what signals are put into from now on: those that stop, and SIGHUP.

    A handler runs between two steps of whatever the main thread is doing, holding its locks: one
    that sets an Event, or logs, may wait for ever for the very thread that it interrupted. Only
    SimpleQueue.put is documented to be safe there.
    """
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def heard(number: int, _frame: FrameType | None) -> None:
        signals.put(number)

    for number in (*_STOPPING, signal.SIGHUP):
        signal.signal(number, heard)
    return signals


class _Http:
    """Metrics, health and the status page; stopped last, so that a stop can be watched."""

    def __init__(
        self,
        serving: Serving,
        plant: assembly.Assembly,
        grpc_server: server.Server,
        time_source: clocks.Clock,
    ) -> None:
        where = serving.metrics_address
        plant.metrics.watch_certificates(lambda: dict(grpc_server.certificate_ends))
        try:
            parts = address.read(where, listening=True, sockets=False)
            self._site = site.Site(
                plant.reconciler,
                plant.describer,
                time_source,
                listens_on=parts.host,
                version=version.VERSION,
                dry_run=serving.dry_run,
            )
            self._server = metrics_server.MetricsServer(
                parts.host or "0.0.0.0",  # noqa: S104 - ":9090" means everywhere, as in Go
                parts.port,
                plant.metrics,
                lambda: health(plant, grpc_server, time_source),
                self._site.answer,
            )
        except (OSError, address.BadAddress) as error:
            strerror = error.strerror or error if isinstance(error, OSError) else error
            raise server.CannotListen(f"cannot serve metrics on {where}: {strerror}") from error
        self._server.start()
        self._site.start(self._server.publish)
        shown = dataclasses.replace(parts, port=self._server.port)
        _LOG.info("metrics served", address=str(shown), status_page=self._site.is_on())

    def stop(self) -> None:
        """Stop serving, and hang up on everybody."""
        self._site.stop()
        self._server.stop()


def health(
    plant: assembly.Assembly, grpc_server: server.Server, time_source: clocks.Clock
) -> tuple[bool, str]:
    """Return whether the server is well: its ticker ticks, and calls of its own are answered.

    A cloud that is down is no reason.
    """
    beat_s = time_source.monotonic() - plant.ticker.beat_at
    if beat_s >= 120.0:
        return False, f"no heartbeat for {beat_s:.0f} s"
    return grpc_server.answering()


def try_lines(where: str, config_in_force: groups.Config) -> Mapping[str, str]:
    """Return the grpcurl lines worth trying first, by what they show."""
    first = next(iter(config_in_force.groups), None)
    group = first.name if first is not None else "GROUP"
    call = f"grpcurl -plaintext {where} {service.SERVICE}"
    data = f'grpcurl -plaintext -d \'{{"id":"{group}","delta":2}}\' {where} {service.SERVICE}'
    one = f'grpcurl -plaintext -d \'{{"id":"{group}"}}\' {where} {service.SERVICE}'
    return {
        "the groups": f"{call}/NodeGroups",
        f"two machines for {group}": f"{data}/NodeGroupIncreaseSize",
        f"the machines of {group}": f"{one}/NodeGroupNodes",
        "everything, as a table": f"vps-autoscaler ls --address {where}",
    }
