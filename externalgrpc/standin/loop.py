"""Run Cluster Autoscaler's loop over a server: look, clean up, grow, shrink.

What scheduling would decide is simplified to the bone: whoever drives the stand-in says how many
pods a group should hold, and each pod fills a node. What is asked of the server, in which order,
how often and with which consequences, is what CA does.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping

import grpc

from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.standin import client, events, growths, kubelets
from externalgrpc.support import clock

_CREATING = wire.InstanceStatus.InstanceState.instanceCreating
_DELETING = wire.InstanceStatus.InstanceState.instanceDeleting
_HOUR_S = 3600


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient the stand-in is, in seconds; CA's own defaults suit no demonstration."""

    join_s: float = 3.0
    unneeded_s: float = 5.0
    backoff_s: float = 10.0
    provision_s: float = 900.0
    relist_s: float = 120.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one loop has seen so far."""

    groups: Mapping[str, wire.NodeGroup]
    owned: Mapping[str, list[client.Node]]
    strangers: tuple[client.Node, ...]
    targets: Mapping[str, int]


class StandIn:
    """Behave towards a server as one process of Cluster Autoscaler does.

    ``generation`` is the release whose fields and habits are used. A fresh instance is a
    restarted CA: nothing of the one before is remembered.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        time_source: clock.Clock,
        emit: events.Emit,
        *,
        generation: client.GenerationName = "1.36",
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._clock = time_source
        self._emit = emit
        self._modern = generation == "1.36"
        defaults = client.GroupOptions(
            unneeded_s=self._pace.unneeded_s, provision_s=self._pace.provision_s
        )
        self._client = client.Client(channel, generation, defaults)
        self.kubelets = kubelets.Kubelets(
            channel, time_source, emit, self._labels, join_s=self._pace.join_s
        )
        self._wanted: collections.Counter[str] = collections.Counter()
        self._growths = growths.Growths(self._pace.backoff_s)
        self._listed: dict[str, tuple[float, tuple[wire.Instance, ...]]] = {}
        self._failed: set[str] = set()
        self._unregistered_since: dict[str, float] = {}
        self._idle_since: dict[str, float] = {}
        self._leaving: set[str] = set()
        self._templates: dict[str, core.Node] = {}
        self._once_ready: set[str] = set()
        self._started = False

    def want(self, group: str, pods: int) -> None:
        """Let so many pods want a node of a group each, from now on."""
        self._wanted[group] = pods
        message = (
            f"{pods} pods want a node of {group} each" if pods else f"no pod wants {group} now"
        )
        self._event(events.Kind.WANTED, group, message)

    @property
    def at_rest(self) -> bool:
        """Return whether nothing is under way: every group has what it wants, and nothing more."""
        nodes = collections.Counter(
            machine.group for machine in self.kubelets.shown.machines if machine.group
        )
        return not self._growths and not self._leaving and nodes == +self._wanted

    def loop(self) -> None:
        """Run once; what CA would abort the loop for is recorded, not raised. Raises Panic."""
        try:
            self.kubelets.look()
            self._run_once()
        except grpc.RpcError as error:
            self._event(events.Kind.ABORTED, "", f"loop aborted: {_reason(error)}")

    def stop(self) -> None:
        """Say goodbye as a CA that is stopped does. Raises grpc.RpcError."""
        self._client.cleanup()

    def _run_once(self) -> None:
        if not self._started:
            self._start()
        if self._modern:
            # Only those that are nobody's, or new, are not remembered from the loop before.
            self._ask_for(self.kubelets.nodes)
        self._client.refresh()
        look = self._look()
        self._list_instances(look)
        self._ask_for(look.strangers * 2)
        if self._modern:
            for group in self._each_owned(look):
                self._client.options(group)
                self._client.options(group)
        self._clean_up_failed(look)
        self._give_up_overdue(look)
        self._keep_growths(look)
        look = dataclasses.replace(look, targets=self._targets(look.groups))
        self._ask_for(look.strangers * (3 if self._modern else 1))
        for group in look.groups:
            self._scale_up(look, group)
        self._scale_down(look)

    # Looking.

    def _start(self) -> None:
        """Do what CA does before its first loop."""
        for group in self._client.groups():
            self._client.instances(group)
        for node in self.kubelets.nodes:
            self._client.owner(node)
        self._client.gpu_label()
        self._started = True

    def _look(self) -> _Look:
        groups = self._client.groups()
        for group in groups:
            if group not in self._once_ready:
                self._templates[group] = self._client.template(group)
        owned: dict[str, list[client.Node]] = {group: [] for group in groups}
        strangers = []
        for node in self.kubelets.nodes:
            owner = self._client.owner(node)
            if owner:
                owned[owner].append(node)
                self._once_ready.add(owner)
            else:
                strangers.append(node)
        self._leaving &= {node.provider_id for node in self.kubelets.nodes}
        return _Look(
            groups=groups,
            owned=owned,
            strangers=tuple(strangers),
            targets=self._targets(groups),
        )

    def _targets(self, groups: Mapping[str, wire.NodeGroup]) -> dict[str, int]:
        return {group: self._client.target(group) for group in groups}

    def _list_instances(self, look: _Look) -> None:
        now = self._clock.monotonic()
        for group in look.groups:
            listed_at = self._listed.get(group, (-self._pace.relist_s, ()))[0]
            if group in self._growths or now - listed_at >= self._pace.relist_s:
                self._listed[group] = (now, self._client.instances(group))

    def _ask_for(self, nodes: tuple[client.Node, ...]) -> None:
        for node in nodes:
            self._client.owner(node)

    def _each_owned(self, look: _Look) -> list[str]:
        return [group for group, nodes in look.owned.items() for _ in nodes]

    def _registered(self, look: _Look, group: str) -> list[client.Node]:
        return [node for node in look.owned[group] if node.provider_id not in self._leaving]

    # Cleaning up.

    def _clean_up_failed(self, look: _Look) -> None:
        """Delete the placeholders of creations that failed, each loop until they are gone."""
        for group in look.groups:
            failed = [
                instance
                for instance in self._listed[group][1]
                if instance.status.instanceState == _CREATING
                and instance.status.errorInfo.errorCode
            ]
            for instance in failed:
                self._note_failure(group, instance)
            if not failed:
                continue
            self._client.options(group)
            nodes = [client.Node.fake(instance.id, "create-error") for instance in failed]
            self._client.delete(group, nodes)
            self._listed[group] = (self._clock.monotonic(), self._client.instances(group))
            text = f"{len(nodes)} that could not be made are cleaned up"
            self._event(events.Kind.CLEANED, group, text)

    def _note_failure(self, group: str, instance: wire.Instance) -> None:
        if instance.id in self._failed:
            return
        self._failed.add(instance.id)
        error_info = instance.status.errorInfo
        self._event(
            events.Kind.FAILED,
            group,
            f"one cannot be made: {error_info.errorCode}: {error_info.errorMessage}",
        )
        if self._growths.lose_one(group):
            self._back_off(group)

    def _give_up_overdue(self, look: _Look) -> None:
        """Delete machines that never became nodes, once they have had their time."""
        registered = {node.provider_id for node in self.kubelets.nodes}
        now = self._clock.monotonic()
        waiting: set[str] = set()
        for group in look.groups:
            overdue = []
            for instance in self._listed[group][1]:
                failed = bool(instance.status.errorInfo.errorCode)
                deleting = instance.status.instanceState == _DELETING
                if failed or deleting or instance.id in registered:
                    continue
                waiting.add(instance.id)
                fake = client.Node.fake(instance.id, "unregistered")
                self._client.owner(fake)
                since = self._unregistered_since.setdefault(instance.id, now)
                if now - since > self._client.options(group).provision_s:
                    overdue.append(fake)
            room = look.targets[group] - look.groups[group].minSize
            if overdue[:room]:
                self._client.delete(group, overdue[:room])
                self._listed[group] = (now, self._client.instances(group))
                text = f"{len(overdue[:room])} that never joined are given up"
                self._event(events.Kind.OVERDUE, group, text)
        self._unregistered_since = {
            name: since for name, since in self._unregistered_since.items() if name in waiting
        }

    def _keep_growths(self, look: _Look) -> None:
        """Close the requests that are fulfilled, and those that took too long."""
        now = self._clock.monotonic()
        for group, growth in self._growths.all():
            if group not in look.groups:
                self._growths.close(group)
                continue
            upcoming = look.targets[group] - len(self._registered(look, group))
            if upcoming <= 0 or growth.left <= 0:
                self._growths.close(group)
            elif now - growth.asked_at > self._client.options(group).provision_s:
                self._growths.close(group)
                self._event(events.Kind.OVERDUE, group, f"{growth.left} did not come in time")
                self._back_off(group)
                if self._modern:
                    self._client.decrease(group, -growth.left)

    def _back_off(self, group: str) -> None:
        self._growths.back_off(group, self._clock.monotonic())
        text = f"{group} is left alone for {self._pace.backoff_s:.0f} s"
        self._event(events.Kind.BACKED_OFF, group, text)

    # Growing and shrinking.

    def _scale_up(self, look: _Look, group: str) -> None:
        now = self._clock.monotonic()
        registered = len(self._registered(look, group))
        backed_off = self._growths.backed_off(group, now)
        # Since 1.36 machines that this process has not asked for itself are not expected.
        expects = not self._modern or (group in self._growths and not backed_off)
        upcoming = max(0, look.targets[group] - registered) if expects else 0
        missing = self._wanted[group] - registered - upcoming
        if missing <= 0 or backed_off:
            return
        self._client.options(group)
        delta = min(missing, look.groups[group].maxSize - self._client.target(group))
        if delta <= 0:
            return
        self._price(group, pods=missing)
        self._client.target(group)
        self._client.gpu_types()
        try:
            self._client.increase(group, delta)
        except grpc.RpcError as error:
            self._event(events.Kind.REFUSED, group, f"{delta} more refused: {_reason(error)}")
            self._back_off(group)
            return
        self._event(events.Kind.ASKED, group, f"{delta} more asked for")
        self._growths.ask(group, delta, now)
        self._client.options(group)
        self._client.target(group)

    def _price(self, group: str, *, pods: int) -> None:
        """Ask what the price expander asks for one option."""
        start = self._clock.unix()
        end = start + _HOUR_S
        pod = core.Pod()
        container = pod.spec.containers.add(name="main")
        container.resources.requests["cpu"].string = "500m"
        container.resources.requests["memory"].string = "500Mi"
        fresh = client.Node(
            name=f"template-node-for-{group}-{int(start)}",
            provider_id="",
            labels=self._labels(group),
        )
        self._client.pod_price(pod, start, end)
        self._client.node_price(fresh, start, end)
        for _ in range(pods):
            self._client.pod_price(pod, start, end)

    def _scale_down(self, look: _Look) -> None:
        now = self._clock.monotonic()
        idle: set[str] = set()
        for group in look.groups:
            nodes = self._registered(look, group)
            if not nodes:
                continue
            room = max(0, self._client.target(group) - look.groups[group].minSize)
            for _ in nodes:
                self._client.options(group)
                self._client.options(group)
            for node in nodes[self._wanted[group] :]:
                idle.add(node.provider_id)
                self._client.options(group)
                unneeded_s = self._client.options(group).unneeded_s
                if node.provider_id not in self._idle_since:
                    self._idle_since[node.provider_id] = now
                    self._event(events.Kind.IDLE, group, f"{node.name} is idle")
                due = now - self._idle_since[node.provider_id] >= unneeded_s
                if due and room > 0 and group not in self._growths:
                    room -= 1
                    self._delete(group, node)
        self._idle_since = {name: at for name, at in self._idle_since.items() if name in idle}

    def _delete(self, group: str, node: client.Node) -> None:
        self._client.options(group)
        try:
            self._client.delete(group, [node])
        except grpc.RpcError as error:
            self._event(events.Kind.REFUSED, group, f"{node.name} stays: {_reason(error)}")
            return
        if self._modern:
            self._client.template(group)
        self._leaving.add(node.provider_id)
        self._listed.pop(group, None)
        self._event(events.Kind.DELETED, group, f"{node.name} is deleted")

    def _labels(self, group: str) -> Mapping[str, str]:
        template = self._templates.get(group)
        return dict(template.metadata.labels) if template is not None else {}

    def _event(self, kind: events.Kind, group: str, text: str) -> None:
        self._emit(events.Event(kind=kind, group=group, text=text))


def _reason(error: grpc.RpcError) -> str:
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return repr(error)
