"""Be the nodes of a cluster without a cluster: machines that run join after a while.

What a kubelet would know of itself is read from the server's own Fleet service. That is the only
thing here the autoscaler has no part in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc

from externalgrpc.pb import fleet_pb2
from externalgrpc.standin import client, events
from externalgrpc.support import clock

CONTROL_PLANE = client.Node(name="control-plane-1", provider_id="foreign://1")

_UP = "running"
_FIRST_CHOICE_NOTE = "its first choice had none"


class Kubelets:
    """The nodes of the cluster: a control plane that is not ours, and those that have joined.

    ``labels_of`` gives what a group's nodes register with.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        time_source: clock.Clock,
        emit: events.Emit,
        labels_of: Callable[[str], Mapping[str, str]],
        *,
        join_s: float,
    ) -> None:
        self._show = channel.unary_unary(
            "/vpsautoscaler.v1.Fleet/Show",
            request_serializer=fleet_pb2.ShowRequest.SerializeToString,
            response_deserializer=fleet_pb2.ShowResponse.FromString,
        )
        self._clock = time_source
        self._emit = emit
        self._labels_of = labels_of
        self._join_s = join_s
        self._up_since: dict[str, float] = {}
        self._machines: dict[str, fleet_pb2.Machine] = {}
        self._nodes: dict[str, client.Node] = {}
        self._groups: dict[str, fleet_pb2.Group] = {}
        self.shown = fleet_pb2.ShowResponse()

    @property
    def nodes(self) -> tuple[client.Node, ...]:
        """Return every node of the cluster, the foreign one first."""
        return (CONTROL_PLANE, *self._nodes.values())

    def look(self) -> None:
        """Let time pass: machines come up, join, go. Raises grpc.RpcError."""
        self.shown = self._show(fleet_pb2.ShowRequest(), timeout=5.0)
        self._groups = {group.id: group for group in self.shown.groups}
        now = self._clock.monotonic()
        there = {machine.provider_id: machine for machine in self.shown.machines}
        for provider_id, machine in there.items():
            if machine.phase == _UP and machine.group:
                self._comes_up(provider_id, machine, now)
        for provider_id in [known for known in self._up_since if known not in there]:
            self._goes(provider_id)

    def _comes_up(self, provider_id: str, machine: fleet_pb2.Machine, now: float) -> None:
        if provider_id not in self._up_since:
            self._up_since[provider_id] = now
            self._machines[provider_id] = machine
            text = f"{machine.name} started: {machine.machine_type} in {machine.location}"
            if self._is_second_choice(machine):
                text += f" ({_FIRST_CHOICE_NOTE})"
            self._event(events.Kind.STARTED, machine.group, text)
        if provider_id in self._nodes or now - self._up_since[provider_id] < self._join_s:
            return
        labels = {**self._labels_of(machine.group), "kubernetes.io/hostname": machine.name}
        self._nodes[provider_id] = client.Node(
            name=machine.name, provider_id=provider_id, labels=labels
        )
        self._event(events.Kind.JOINED, machine.group, f"{machine.name} joined the cluster")

    def _goes(self, provider_id: str) -> None:
        # A cloud controller deletes the Node of a machine that is gone; here it is us.
        machine = self._machines.pop(provider_id)
        del self._up_since[provider_id]
        self._nodes.pop(provider_id, None)
        self._event(events.Kind.GONE, machine.group, f"{machine.name} is gone")

    def _is_second_choice(self, machine: fleet_pb2.Machine) -> bool:
        group = self._groups.get(machine.group)
        if group is None or not group.candidates:
            return False
        first = group.candidates[0]
        return machine.location not in first or machine.machine_type not in first

    def _event(self, kind: events.Kind, group: str, text: str) -> None:
        self._emit(events.Event(kind=kind, group=group, text=text))
