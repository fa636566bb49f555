"""``demo``: show a server at work for about a minute: growth, scarcity, a join, the way back.

A stand-in for Cluster Autoscaler follows a script of demand that is made from the groups the
server serves; a person sees a live table, a log file or a test one line an event.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import grpc
from rich import console as rich_console
from rich import live, text

from externalgrpc.commands import parameters, running, tables, terminal
from externalgrpc.model import groups, installed_clouds
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.rpc import address as addresses
from externalgrpc.standin import client, events, loop
from externalgrpc.support import clock, logs, plaintext

_STEP_S = 9.0
_HOLD_S = 14.0
_GRACE_S = 60.0
_SCAN_S = 2.0
_LOOK_S = 0.5
_FEED_LINES = 14

_COLOURS = {
    events.Kind.WANTED: "bold",
    events.Kind.ASKED: "cyan",
    events.Kind.REFUSED: "red",
    events.Kind.FAILED: "red",
    events.Kind.CLEANED: "yellow",
    events.Kind.BACKED_OFF: "yellow",
    events.Kind.STARTED: "blue",
    events.Kind.JOINED: "green",
    events.Kind.OVERDUE: "red",
    events.Kind.IDLE: "dim",
    events.Kind.DELETED: "magenta",
    events.Kind.GONE: "dim",
    events.Kind.ABORTED: "red",
}


@click.command(epilog="Example: vps-autoscaler demo --config examples/memory.yaml")
@parameters.CONFIG
@parameters.CLUSTER
def demo(*, config_path: Path, cluster: str) -> None:
    """Show about a minute of work: a stand-in autoscaler drives a server on a simulated cloud.

    Growth, a sold-out location and the fallback, nodes that join, deletion. Nothing outside this
    process is touched: every account of the configuration must be at a cloud whose
    machines are simulated.
    """
    from externalgrpc import serving  # noqa: PLC0415
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
        running.announce(address, in_force)

        def drive() -> None:
            try:
                ended_well.append(run_demo(address, console))
            finally:
                stop.set()

        threading.Thread(target=drive, name="demo", daemon=True).start()

    running.run(lambda: serving.run(what, on_ready, stop=stop))
    if ended_well != [True]:
        raise terminal.Failure("the demonstration did not come to its end")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """So many pods for a group, ``at_s`` seconds into the script."""

    at_s: float
    group: str
    pods: int


def script(shown: Iterable[wire.NodeGroup]) -> tuple[Wish, ...]:
    """Make a script: each group grows in its turn, then all shrink to what they must keep."""
    served = [group for group in shown if group.maxSize > 0]
    wishes = [
        Wish(
            at_s=1 + number * _STEP_S,
            group=group.id,
            pods=min(group.maxSize, max(group.minSize, 2 + number)),
        )
        for number, group in enumerate(served)
    ]
    ends_s = len(served) * _STEP_S + _HOLD_S
    wishes += [Wish(at_s=ends_s, group=group.id, pods=group.minSize) for group in served]
    return tuple(wishes)


class _Feed:
    """The last events, for the table, and all of them at once where there is no terminal."""

    def __init__(self, console: rich_console.Console, time_source: clock.Clock) -> None:
        self._console = console
        self._clock = time_source
        self._began_at = time_source.monotonic()
        self.seen: collections.Counter[events.Kind] = collections.Counter()
        self.lines: collections.deque[text.Text] = collections.deque(maxlen=_FEED_LINES)

    def elapsed_s(self) -> float:
        """Return how long the show has run."""
        return self._clock.monotonic() - self._began_at

    def emit(self, event: events.Event) -> None:
        """Take an event in."""
        self.seen[event.kind] += 1
        line = text.Text.assemble(
            (f"{self.elapsed_s():5.1f} s  ", "dim"),
            (f"{event.kind.value:<11}", _COLOURS[event.kind]),
            plaintext.line(event.text),
        )
        self.lines.append(line)
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)


def run_demo(
    address: str,
    console: rich_console.Console,
    *,
    time_source: clock.Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
    pace: loop.Pace | None = None,
    patience_s: float = 10.0,
) -> bool:
    """Play the script on the server at ``address`` (plain TCP or ``unix:``) and show it.

    Returns whether every machine that was asked for by the end of the script came and went.
    Raises grpc.FutureTimeoutError when no server answers within ``patience_s``.
    """
    source = time_source or clock.SystemClock()
    with grpc.insecure_channel(address, options=[addresses.DIRECT]) as channel:
        grpc.channel_ready_future(channel).result(timeout=patience_s)
        feed = _Feed(console, source)
        driver = loop.StandIn(channel, source, feed.emit, pace=pace)
        first = client.Client(channel, "1.36", client.GroupOptions(unneeded_s=0, provision_s=0))
        with _screen(console, driver, feed) as paint:
            done = _play(driver, script(first.groups().values()), feed, sleep, paint)
    _sum_up(console, feed, done=done)
    return done


def _play(
    driver: loop.StandIn,
    wishes: tuple[Wish, ...],
    feed: _Feed,
    sleep: Callable[[float], None],
    paint: Callable[[], None],
) -> bool:
    left = collections.deque(sorted(wishes, key=lambda wish: wish.at_s))
    last_s = left[-1].at_s if left else 0.0
    next_loop_s = 0.0
    while feed.elapsed_s() < last_s + _GRACE_S:
        while left and feed.elapsed_s() >= left[0].at_s:
            driver.want(left[0].group, left[0].pods)
            left.popleft()
            next_loop_s = 0.0
        if feed.elapsed_s() >= next_loop_s:
            driver.loop()
            next_loop_s = feed.elapsed_s() + _SCAN_S
            if not left and driver.at_rest:
                paint()
                return feed.seen[events.Kind.JOINED] > 0
        else:
            _look(driver)
        paint()
        sleep(_LOOK_S)
    return False


def _look(driver: loop.StandIn) -> None:
    # Between two loops only the eyes move; the next loop shows what is wrong with the server.
    with contextlib.suppress(grpc.RpcError):
        driver.kubelets.look()


@contextlib.contextmanager
def _screen(
    console: rich_console.Console, driver: loop.StandIn, feed: _Feed
) -> Iterator[Callable[[], None]]:
    if not console.is_terminal:
        yield lambda: None
        return
    with live.Live(console=console, auto_refresh=False) as screen:
        yield lambda: screen.update(_picture(driver, feed), refresh=True)


def _picture(driver: loop.StandIn, feed: _Feed) -> rich_console.RenderableType:
    return rich_console.Group(tables.fleet(driver.kubelets.shown), *feed.lines)


def _sum_up(console: rich_console.Console, feed: _Feed, *, done: bool) -> None:
    seen = feed.seen
    console.print(
        f"{feed.elapsed_s():.0f} s: {seen[events.Kind.STARTED]} machines started, "
        f"{seen[events.Kind.JOINED]} joined, {seen[events.Kind.FAILED]} could not be made, "
        f"{seen[events.Kind.GONE]} are gone"
    )
    if not done:
        console.print("The server did not come to rest in time.", style="red")
