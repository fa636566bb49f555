"""Keep VPSNodes in force: follow them, have them composed, write back what became of them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc import config as configs
from externalgrpc.config import objects as config_objects
from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import state
from externalgrpc.kube import api, reflector
from externalgrpc.model import groups
from externalgrpc.support import clock, logs
from externalgrpc.vpsnodes import (
    composing,
    draining,
    following,
    machines,
    objects,
    pace,
    selling,
    spec,
    status,
    tending,
    writing,
)

_LOG = logs.Log("vpsnodes")

AWAITED: Final = "the cluster's VPSNodes could not be listed yet"

TICK_S: Final = 1.0
LOOK_S: Final = 15.0
"""What becomes of time alone (a refusal that is forgotten) is looked for so often."""

RETRY_S: Final = 60.0
"""What could not be taken is tried again so often, whatever happened meanwhile."""


class Controller:
    """Stand between the VPSNodes of a cluster and the server.

    ``recompose`` has :meth:`compose` called and its configuration taken, under the lock that guards
    configurations. ``source`` is where the file lies, which objects are judged beside. ``rooms``
    is how the room is that groups keep, by name.
    """

    def __init__(
        self,
        of: api.Api,
        reconciler: Reconciler,
        source: configs.Source,
        *,
        recompose: Callable[[], None],
        time_source: clock.Clock,
        chance: random.Random,
        of_pace: pace.Pace | None = None,
        timing: reflector.Timing | None = None,
        count: Callable[[str, Mapping[str, str]], None] = lambda _name, _labels: None,
        rooms: Callable[[], Mapping[str, status.Room]] = dict,
    ) -> None:
        self._reconciler = reconciler
        self._source = source
        self._recompose = recompose
        self._clock = time_source
        self._rooms = rooms
        self._composer = composing.Composer(self._judge)
        self._file: groups.Config | None = None
        self._composed: composing.Composed | None = None
        self._there: Mapping[str, objects.VpsNode] | None = None
        self._unusable: dict[str, tuple[str, float]] = {}
        self._catalogues: tuple[object, ...] = ()
        self._again_at = float("-inf")
        self._tending = tending.Tending(
            writing.Writer(of), of_pace=of_pace or pace.Pace(), count=count
        )
        self._drains = draining.Looker(of)
        self._tended: tuple[composing.Composed, state.Fleet] | None = None
        self._told_rooms: Mapping[str, status.Room] = {}
        self._tend_at = float("-inf")
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._following = following.Following(
            of, self._due.set, time_source=time_source, chance=chance, timing=timing
        )
        self._thread = threading.Thread(target=self._run, name="vpsnodes", daemon=True)
        reconciler.await_groups(AWAITED)

    def compose(
        self, file: groups.Config, open_account: Callable[[groups.Account], str]
    ) -> groups.Config:
        """Compose the file and the objects as they are now; under the caller's lock.

        ``open_account`` opens an account, if it is not open, and says why it cannot. What needs one
        that cannot be opened is left out, and stops nobody else; it is tried again later.
        """
        there, now = self._following.there, self._clock.monotonic()
        self._file = file
        self._unusable = {
            name: held for name, held in self._unusable.items() if now - held[1] < RETRY_S
        }
        while True:
            composed = self._composer.compose(
                file,
                there or {},
                sold=lambda group: selling.judge(self._reconciler.fleet, file, group),
                unusable={name: why for name, (why, _) in self._unusable.items()},
            )
            broken = {
                name: (why, now)
                for name, account in composed.config.accounts.items()
                if (why := open_account(account))
            }
            if not broken:
                break
            self._unusable.update(broken)
        self._there, self._composed = there, composed
        return composed.config

    @property
    def there(self) -> Mapping[str, objects.VpsNode] | None:
        """Return the objects as they were seen last, by name; None while nobody knows."""
        return self._following.there

    def start(self) -> None:
        """Begin to follow and to write."""
        self._following.start()
        self._thread.start()

    def stop(self, within_s: float = 5.0) -> None:
        """Stop; wait up to ``within_s`` seconds."""
        deadline = self._clock.monotonic() + within_s
        self._stopping.set()
        self._due.set()
        self._following.stop(within_s / 2)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # noqa: BLE001 - the next round comes; it is logged
                _LOG.exception("VPSNodes not looked after")
            self._due.wait(TICK_S)
            self._due.clear()

    def _step(self) -> None:
        there = self._following.there
        if there is None:
            return
        now = self._clock.monotonic()
        catalogues = tuple(each.catalogue for each in self._reconciler.fleet.accounts.values())
        read = len(catalogues) != len(self._catalogues) or any(
            one is not other for one, other in zip(catalogues, self._catalogues, strict=True)
        )
        if there is not self._there or read or now >= self._again_at:
            self._catalogues = catalogues
            self._again_at = now + RETRY_S
            self._recompose()
        # The groups first: a machine of one that is not known yet would be an orphan.
        if self._reconciler.fleet.awaited:
            self._reconciler.await_groups("")
        composed, fleet = self._composed, self._reconciler.fleet
        if composed is None or self._there is None or fleet.standby:
            return
        before, rooms = self._tended, self._rooms()
        same = before is not None and before[0] is composed and before[1] is fleet
        same = same and rooms == self._told_rooms
        if same and now < self._tend_at:
            return
        owed = self._tending.tend(
            self._there,
            composed.standings,
            fleet,
            composed.config,
            now=now,
            unix_now=self._clock.unix(),
            rooms=rooms,
            held=self._drains.look(self._nodes_to_go(fleet), now),
        )
        self._told_rooms = rooms
        self._tended = None if owed else (composed, fleet)
        self._tend_at = now + LOOK_S

    def _nodes_to_go(self, fleet: state.Fleet) -> set[str]:
        """Name the Nodes of objects that are being deleted and wait for their machines."""
        waiting = [
            each.name for each in (self._there or {}).values() if each.deleting and each.kept
        ]
        found = (machine for name in waiting for machine in machines.of(fleet, name))
        return {
            each.node_name for each in found if each.node_name and each.state != machines.DELETING
        }

    def _judge(self, name: str, given: objects.Spec) -> config_objects.Judged:
        file = self._file
        assert file is not None  # noqa: S101 - compose() sets it first
        entry = spec.entry(name, given, file.vps_nodes.defaults)
        return config_objects.judge(entry, self._source, file)
