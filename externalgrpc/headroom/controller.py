"""Keep balloons in the cluster for the groups that ask: every few seconds look, reckon, write.

One thread, and nothing at all while no group asks. What a process before us wrote is gone on from,
so that a restart moves nothing.
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from externalgrpc.fleet import state
from externalgrpc.headroom import (
    choice,
    found,
    objects,
    pacing,
    reckoning,
    sentences,
    sight,
    wanted,
    writing,
)
from externalgrpc.headroom.status import By, Reason, Status
from externalgrpc.kube import api, errors, events, nodes, pods, reflector, usage
from externalgrpc.model import groups
from externalgrpc.support import clock, logs

_LOG = logs.Log("headroom")

ROUND_S: Final = 15.0

FIRST_S: Final = 20.0
"""How long the first round waits for something to be seen."""

GLANCE_S: Final = 0.2


class Cluster(Protocol):
    """What is asked of :class:`externalgrpc.kube.cluster.Cluster`."""

    @property
    def api(self) -> api.Api:
        """Return the connection."""
        ...

    @property
    def node_list(self) -> reflector.Listing[nodes.Node]:
        """Return the Nodes as they are known now."""
        ...

    @property
    def home(self) -> events.Regarding:
        """Return an object in our namespace."""
        ...


class BoundPods(Protocol):
    """What is asked of :class:`externalgrpc.kube.pods.Pods`."""

    @property
    def listing(self) -> reflector.Listing[pods.Pod]:
        """Return the pods as they are known now."""
        ...

    def start(self) -> None:
        """Begin to follow."""
        ...

    def stop(self, within_s: float = 10.0) -> None:
        """Stop following."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the controller works with; ``promised`` is what a machine of a group gives to pods."""

    cluster_name: str
    cluster: Cluster
    fleet: Callable[[], state.Fleet]
    promised: Callable[[state.Fleet, groups.NodeGroup], wanted.Amount]
    source: usage.Source
    time_source: clock.Clock
    bound: BoundPods
    round_s: float = ROUND_S
    pace: pacing.Pace = dataclasses.field(default_factory=pacing.Pace)


class Headroom:
    """The controller; :meth:`round` does one round. ``statuses`` are by the group's name."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._writer = writing.Writer(
            parts.cluster.api, parts.cluster.home.namespace, parts.time_source
        )
        self._choice: choice.Choice | None = None
        self._levels: dict[str, pacing.Level] = {}
        self._daemons: wanted.Amount | None = None
        self._pods_left = True
        self._idle = False
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self.statuses: Mapping[str, Status] = {}

    def start(self) -> None:
        """Begin, if some group asks or asked; idempotent. Called again when groups change."""
        if self._thread is not None:
            self._due.set()
        elif not self._stopping.is_set() and self._asking(self._parts.fleet()):
            self._parts.bound.start()
            self._thread = threading.Thread(target=self._run, name="headroom", daemon=True)
            self._thread.start()

    def stop(self, within_s: float = 5.0) -> None:
        """Stop; what is written stays, for the next process to go on from."""
        self._stopping.set()
        self._due.set()
        if self._thread is not None:
            self._parts.bound.stop(within_s / 2)
            self._thread.join(within_s / 2)

    def _run(self) -> None:
        self._await_sight()
        while not self._stopping.is_set():
            try:
                self.round()
            except Exception:  # noqa: BLE001 - the next round may do better; it is logged
                _LOG.exception("headroom failed")
            self._due.wait(self._parts.round_s)
            self._due.clear()

    def _await_sight(self) -> None:
        """Let Nodes, pods and machines be listed once, so that the first round has something."""
        until = self._parts.time_source.monotonic() + FIRST_S
        while not self._stopping.is_set() and self._parts.time_source.monotonic() < until:
            accounts = self._parts.fleet().accounts.values()
            listed = all(account.snapshot is not None for account in accounts)
            nodes_known = self._parts.cluster.node_list.complete
            if listed and nodes_known and self._parts.bound.listing.complete:
                return
            self._stopping.wait(GLANCE_S)

    def round(self) -> None:
        """Look, reckon and write once. Blocks."""
        fleet = self._parts.fleet()
        asking = self._asking(fleet)
        if (not asking and self._idle) or fleet.standby:
            return
        try:
            there = self._there()
        except errors.KubeError as error:
            self._blame(asking, error)
            return
        now = self._parts.time_source.monotonic()
        target = any(group.target_cpu for group in asking.values())
        seen = sight.look(
            self._parts.cluster.api,
            self._parts.bound.listing,
            self._parts.source if target else None,
            now=now,
        )
        if seen.requests_gap is None:
            self._daemons = seen.daemons
        statuses = {
            name: self._group(fleet, group, seen, there, now) for name, group in asking.items()
        }
        tidied = self._tidied(asking, there)
        self._pods_left = not tidied or there.choice.by is By.PODS
        self._idle = tidied and not asking
        self._report(statuses)

    def _asking(self, fleet: state.Fleet) -> dict[str, groups.NodeGroup]:
        return {
            name: group
            for name, group in fleet.groups.items()
            if group.keeps_room and not group.departed
        }

    def _there(self) -> found.There:
        """Read what is there of ours, and choose what to make balloons with."""
        buffers = self._writer.buffers()
        deployments: dict[str, writing.Pods] = {}
        if self._choice is None or self._choice.by is By.PODS or self._pods_left:
            try:
                deployments = self._writer.deployments()
            except errors.Denied:
                deployments = {}
        before = self._choice or choice.resumed(deployments=bool(deployments))
        now = self._parts.time_source.monotonic()
        chosen = choice.choose(before, buffers, now=now)
        if chosen.by is not before.by or self._choice is None:
            _LOG.info("headroom made with", kind=chosen.by.value, reason=chosen.why)
        if before.by is By.BUFFER and chosen.by is By.PODS:
            # Made anew its status is empty, and shows when an autoscaler comes that looks at it.
            for name in buffers or ():
                self._writer.remove(By.BUFFER, name)
            buffers = {} if buffers is not None else None
        self._choice = chosen
        return found.There(buffers=buffers, deployments=deployments, choice=chosen)

    def _group(
        self,
        fleet: state.Fleet,
        group: groups.NodeGroup,
        seen: sight.Sight,
        there: found.There,
        now: float,
    ) -> Status:
        """Reckon one group and write it; return how it is."""
        level = self._levels.get(group.name)
        if level is None:
            level = pacing.resumed(there.count(objects.name(group.name)), now=now)
        if self._daemons is None:
            # A balloon that leaves DaemonSets no room would fit nowhere.
            self._levels[group.name] = level
            return sentences.unknown(seen.requests_gap, level.balloons)
        of = wanted.balloon(
            self._parts.promised(fleet, group),
            self._daemons,
            whole=bool(group.headroom.machines),
            memory=bool(group.headroom.machines or group.headroom.cpu_millis),
        )
        if of is None:
            self._levels[group.name] = level
            return sentences.no_machine(level.balloons)
        ready = sight.ready_nodes(
            fleet,
            group,
            self._parts.cluster.node_list,
            now=now,
            unix_now=self._parts.cluster.api.server_unix(),
        )
        reckoned = reckoning.reckon(group, of, ready, seen, level, now=now, pace=self._parts.pace)
        self._levels[group.name] = reckoned.level
        status = dataclasses.replace(reckoned.status, by=there.choice.by)
        try:
            self._write(group, of, status.balloons, there)
        except errors.Denied as error:
            return sentences.denied(status, error, there.choice)
        except errors.KubeError as error:
            return sentences.refused(status, error)
        return there.judged(status, objects.name(group.name), now)

    def _write(
        self, group: groups.NodeGroup, of: wanted.Balloon, count: int, there: found.There
    ) -> None:
        name, of_pods = objects.name(group.name), there.choice.by is By.PODS
        cluster = self._parts.cluster_name
        if there.buffers is not None:
            replicas = 0 if of_pods else count
            self._writer.buffer(cluster, group, of, replicas, there.buffers.get(name))
        if of_pods:
            self._writer.pods(cluster, group, of, count, there.deployments.get(name))

    def _tidied(self, asking: Mapping[str, groups.NodeGroup], there: found.There) -> bool:
        """Take away what no group asks for, and pods where buffers do; whether it is done."""
        wanted_names = {objects.name(name) for name in asking}
        served = there.choice.by is By.BUFFER and there.choice.waiting_since is None
        for name in self._levels.keys() - asking.keys():
            del self._levels[name]
        try:
            for name in (there.buffers or {}).keys() - wanted_names:
                self._writer.remove(By.BUFFER, name)
            for name in there.deployments:
                if name not in wanted_names or served:
                    self._writer.remove(By.PODS, name)
        except errors.KubeError as error:
            _LOG.warning("headroom not removed: tried again", error=str(error))
            return False
        return served or not asking or not there.deployments

    def _blame(self, asking: Mapping[str, groups.NodeGroup], error: errors.KubeError) -> None:
        """Say that nothing can be read: what is in the cluster stays as it is."""
        nothing = Status(reason=Reason.STARTING)
        self._report(
            {name: sentences.unread(self.statuses.get(name, nothing), error) for name in asking}
        )

    def _report(self, statuses: Mapping[str, Status]) -> None:
        for name, status in statuses.items():
            before = self.statuses.get(name)
            if before is None or before.reason is not status.reason:
                log = _LOG.info if status.condition != "False" else _LOG.warning
                log("headroom", group=name, reason=status.reason.value, message=status.message)
            elif before.balloons != status.balloons:
                _LOG.info("headroom", group=name, was=before.balloons, message=status.message)
        self.statuses = statuses


def bound_pods(of: api.Api, time_source: clock.Clock) -> pods.Pods:
    """Follow the pods that have a node."""
    return pods.Pods(of, time_source=time_source, chance=random.Random())  # noqa: S311 - it spreads retries


def source_of(kubernetes: groups.Kubernetes, of: api.Api, time_source: clock.Clock) -> usage.Source:
    """Return who knows how much CPU is in use, by the configuration."""
    if kubernetes.prometheus:
        return usage.Prometheus(
            kubernetes.prometheus, kubernetes.prometheus_query, time_source=time_source
        )
    return usage.MetricsServer(of)
