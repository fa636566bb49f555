"""Give apps pools of their own: follow apps, write VPSNodes for them, delete what none wants.

It never orders a machine: a pool is a VPSNode, and everything else is as for any other.
"""

from __future__ import annotations

import dataclasses
import functools
import platform
import random
import threading
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc.fleet import pausing, state, view
from externalgrpc.kube import api, errors, events, reflector
from externalgrpc.kubero import apps, following, pool_writing, pools, proof
from externalgrpc.model import app_pools
from externalgrpc.support import clock, logs
from externalgrpc.vpsnodes import objects, pace

_LOG = logs.Log("app-pools")

_AGAIN_S: Final = 3600.0
"""An Event says the same of an app again after so long, for Events are kept for an hour."""

_GATHER_S: Final = 0.2

_DENIED: Final = "kubectl apply -f deploy/app-pools.yaml (the chart: rbac.appPools)"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take, in seconds; tests hand in shorter ones.

    ``apart_s`` lies between the two looks at an app, ``retry_s`` between two tries of what failed.
    ``events`` is how often Events are written, ``written`` how often pools are made and changed.
    """

    tick_s: float = 1.0
    apart_s: float = proof.APART_S
    retry_s: float = 30.0
    events: pace.Pace = dataclasses.field(
        default_factory=lambda: pace.Pace(object_s=60.0, a_minute=30.0, burst=20)
    )
    written: pace.Pace = dataclasses.field(default_factory=pace.Pace)
    reflector: reflector.Timing | None = None


class Controller:
    """Stand between the apps of a cluster and its VPSNodes.

    ``allowed`` is what the file that is in force says, None for nothing: then nothing is done.
    ``nodes`` are the VPSNodes as they were seen last, None while nobody knows. ``counts`` is how
    many pools and apps there are, by how they are (:mod:`externalgrpc.kubero.gauges`).
    """

    def __init__(
        self,
        of: api.Api,
        *,
        allowed: Callable[[], app_pools.AppPools | None],
        nodes: Callable[[], Mapping[str, objects.VpsNode] | None],
        fleet: Callable[[], state.Fleet],
        time_source: clock.Clock,
        chance: random.Random,
        timing: Timing | None = None,
    ) -> None:
        self._allowed = allowed
        self._nodes = nodes
        self._fleet = fleet
        self._clock = time_source
        self._timing = timing or Timing()
        # A pod's host name is the pod's, so that Events show which of two servers wrote them.
        instance = f"{events.CONTROLLER}-{platform.node() or 'unnamed'}"
        notices = events.EventWriter(of, instance=instance, time_source=time_source)
        self._writer = pool_writing.Writer(of, notices)
        self._proof = proof.Proof()
        self._outage = ""
        self.counts: Mapping[str, int] = {}
        self._events = pace.Budget(self._timing.events)
        self._writes = pace.Budget(self._timing.written)
        self._reported: dict[str, tuple[str, float]] = {}
        self._failed_at: dict[str, float] = {}
        self._logged: set[str] = set()
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._following = following.follow(
            of,
            self._due.set,
            time_source=time_source,
            chance=chance,
            timing=self._timing.reflector,
        )
        self._thread = threading.Thread(target=self._run, name="app-pools", daemon=True)

    def start(self) -> None:
        """Begin to follow and to write."""
        self._following.start()
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Stop; wait up to ``within_s`` seconds."""
        self._stopping.set()
        self._due.set()
        self._following.stop(within_s / 2)
        if self._thread.ident is not None:
            self._thread.join(within_s / 2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step(self._clock.monotonic())
            except Exception:  # noqa: BLE001 - the next round comes; it is logged
                _LOG.exception("apps' pools not looked after")
            # Who writes apps all the time has them looked at no more often than this.
            self._stopping.wait(min(_GATHER_S, self._timing.tick_s))
            self._due.wait(self._timing.tick_s)
            self._due.clear()

    def _step(self, now: float) -> None:
        allowed, there, nodes = self._allowed(), self._following.seen, self._nodes()
        fleet = self._fleet()
        if allowed is None or there is None or nodes is None or fleet.standby:
            return
        machines = {name: view.target(fleet, name) for name in nodes if name in fleet.groups}
        planned = pools.plan(there.values(), nodes, machines, allowed)
        for name, pool in planned.write.items():
            if self._writes.may(name, now):
                self._writes.wrote(name, now, counts=True)
                write = functools.partial(self._apply, pool, nodes.get(name))
                self._try(f"write {name}", write, now)
        for name, refusal in planned.refused.items():
            self._tell(there[name], refusal, now)
        gone, ours = self._look(there, nodes, now)
        self.counts = {
            "there": ours,
            "gone": gone,
            "held": gone if self._outage else 0,
            "refused": len(planned.refused),
        }
        self._forget(set(planned.refused), {each.uid for each in there.values()}, set(nodes), now)

    def _apply(self, pool: Mapping[str, object], found: objects.VpsNode | None) -> None:
        self._writer.apply(pool, found)
        about = pool["metadata"]
        assert isinstance(about, dict)  # noqa: S101 - plan() made it
        said = about["annotations"]
        _LOG.info(
            "app's pool changed" if found is not None else "app's pool made",
            vpsnode=about["name"],
            app=f"{said[pools.NAMESPACE]}/{said[pools.APP]}",
            paused=pools.PAUSED in said,
        )

    def _look(
        self, there: Mapping[str, apps.App], nodes: Mapping[str, objects.VpsNode], now: float
    ) -> tuple[int, int]:
        """Look at the apps of pools that seem to be wanted no more, and delete what is proved.

        Return how many seem to be, and how many pools there are.
        """
        ours = {
            of.uid: (of, whose)
            for of in nodes.values()
            if not of.deleting and (whose := pools.owner(of)) is not None
        }
        without = {
            uid for uid, (_, whose) in ours.items() if not _wants(there.get(whose.name), whose)
        }
        self._proof = proof.kept(self._proof, without, now=now)
        if outage := proof.outage(self._proof, without, ours):
            # They begin anew when it is over.
            self._proof = dataclasses.replace(self._proof, first={})
            if not self._outage:
                cure = "kubectl delete vpsnode NAME, where the app really is gone"
                _LOG.warning("no app's pool is deleted", reason=outage, cure=cure)
            self._outage = outage
            return len(without), len(ours)
        self._outage = ""
        fleet = self._fleet()
        all_stands = pausing.everything(fleet) or fleet.annotation is None or fleet.outage
        for uid in sorted(without):
            of, whose = ours[uid]
            if all_stands or (of.spec.get("paused") is True and pools.PAUSED not in of.annotations):
                continue  # nobody could take the deletion of an object back
            if proof.due(self._proof, uid, now=now, apart_s=self._timing.apart_s):
                look = functools.partial(self._look_at, of, whose, now)
                self._try(f"look {uid}", look, now)
        return len(without), len(ours)

    def _look_at(self, of: objects.VpsNode, whose: pools.Owner, now: float) -> None:
        found = self._writer.look(whose.namespace, whose.app)
        self._proof, may_go = proof.looked(
            self._proof,
            of.uid,
            gone=not _wants(found, whose),
            now=now,
            apart_s=self._timing.apart_s,
        )
        if may_go:
            self._writer.delete(of)
            self._proof = proof.went(self._proof, of.uid, now=now)
            _LOG.info("app's pool deleted", vpsnode=of.name, app=whose.name)

    def _tell(self, app: apps.App, refusal: pools.Refused, now: float) -> None:
        """Write an Event on an app, once for each reason, and again when Events are forgotten."""
        said, at = self._reported.get(app.name, ("", now))
        text = f"{app.uid} {refusal.reason} {refusal}"
        if (said == text and now - at < _AGAIN_S) or not self._events.may(app.uid, now):
            return
        self._events.wrote(app.uid, now, counts=True)
        write = functools.partial(self._writer.write_event, app, refusal.reason, str(refusal))
        if self._try(f"tell {app.name}", write, now):
            self._reported[app.name] = (text, now)
            _LOG.info("app gets no pool", app=app.name, reason=refusal.reason)

    def _forget(self, refused: set[str], uids: set[str], names: set[str], now: float) -> None:
        self._reported = {name: said for name, said in self._reported.items() if name in refused}
        self._events.forget(uids)
        self._writes.forget(names)
        lately = now - self._timing.retry_s
        self._failed_at = {key: at for key, at in self._failed_at.items() if at > lately}

    def _try(self, key: str, do: Callable[[], None], now: float) -> bool:
        """Do something, unless it failed a moment ago; return whether it was done."""
        if now - self._failed_at.get(key, float("-inf")) < self._timing.retry_s:
            return False
        try:
            do()
        except errors.KubeError as error:
            self._failed_at[key] = now
            self._report(key.partition(" ")[0], error)
            return False
        self._failed_at.pop(key, None)
        return True

    def _report(self, what: str, error: errors.KubeError) -> None:
        """Log the first of a kind: a right that is missing is missing for every app."""
        kind = f"{what} {type(error).__name__}"
        if kind in self._logged:
            return
        self._logged.add(kind)
        denied = isinstance(error, errors.Denied)
        cure = _DENIED if denied else "it is tried again"
        _LOG.warning("an app's pool is not looked after", what=what, error=str(error), cure=cure)


def _wants(app: apps.App | None, whose: pools.Owner) -> bool:
    """Return whether an app is the one that a pool was made for, and asks for a pool."""
    return app is not None and app.uid == whose.uid and app.ask is not None
