"""Speak to a server as Cluster Autoscaler's own externalgrpc client does.

The same messages in the same generation of fields, the same caches, the same five seconds, and
the same inability to cope with some answers: where the real client would crash, this one raises
:class:`Panic`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal, TypeVar

import grpc
from google.protobuf import duration_pb2, message, timestamp_pb2

from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core

SERVICE: Final = "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider"
FAKE_NODE_REASON: Final = "k8s.io/cluster-autoscaler/fake-node-reason"

GenerationName = Literal["1.31", "1.36"]
Reply = TypeVar("Reply", bound=message.Message)

_UTILIZATION: Final = 0.5
_UNREADY_S: Final = 1200


class Panic(Exception):
    """An answer on which the real autoscaler crashes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Kubernetes Node as the autoscaler sends it, or the fake one it makes of an instance."""

    name: str
    provider_id: str
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def fake(cls, instance_id: str, reason: str) -> Node:
        """Make the node that stands for an instance without one."""
        return cls(
            name=instance_id, provider_id=instance_id, annotations={FAKE_NODE_REASON: reason}
        )

    def message(self) -> wire.ExternalGrpcNode:
        """Write the node as a request holds it."""
        return wire.ExternalGrpcNode(
            providerID=self.provider_id,
            name=self.name,
            labels=dict(self.labels),
            annotations=dict(self.annotations),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """The options of a group that this autoscaler goes by, in seconds."""

    unneeded_s: float
    provision_s: float


class Client:
    """The client of one release; any method may raise grpc.RpcError.

    ``defaults`` are the options that CA was started with and sends along.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        generation: GenerationName,
        defaults: GroupOptions,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._channel = channel
        self._new_fields = generation == "1.36"
        self._defaults = defaults
        self._timeout_s = timeout_s
        self._groups: dict[str, wire.NodeGroup] | None = None
        self._owners: dict[tuple[str, str], str] = {}
        self._gpu_label: str | None = None
        self._gpu_types: frozenset[str] | None = None

    def refresh(self) -> None:
        """Forget what was cached for one loop, and announce another to the server."""
        self._groups = None
        self._owners.clear()
        self._call("Refresh", wire.RefreshRequest(), wire.RefreshResponse)

    def groups(self) -> dict[str, wire.NodeGroup]:
        """Return the groups by id; asked once a loop."""
        if self._groups is None:
            reply = self._call("NodeGroups", wire.NodeGroupsRequest(), wire.NodeGroupsResponse)
            self._groups = {group.id: group for group in reply.nodeGroups}
        return self._groups

    def owner(self, node: Node) -> str:
        """Return the group of a node, "" for none; only a group is remembered."""
        key = (node.name, node.provider_id)
        if key not in self._owners:
            request = wire.NodeGroupForNodeRequest(node=node.message())
            reply = self._call("NodeGroupForNode", request, wire.NodeGroupForNodeResponse)
            if not reply.nodeGroup.id:
                return ""
            if reply.nodeGroup.id not in self.groups():
                raise Panic(f"{node.name} is of {reply.nodeGroup.id}, which NodeGroups lacks")
            self._owners[key] = reply.nodeGroup.id
        return self._owners[key]

    def target(self, group: str) -> int:
        """Return a group's target size."""
        request = wire.NodeGroupTargetSizeRequest(id=group)
        return self._call(
            "NodeGroupTargetSize", request, wire.NodeGroupTargetSizeResponse
        ).targetSize

    def instances(self, group: str) -> tuple[wire.Instance, ...]:
        """List a group's instances."""
        request = wire.NodeGroupNodesRequest(id=group)
        return tuple(self._call("NodeGroupNodes", request, wire.NodeGroupNodesResponse).instances)

    def increase(self, group: str, delta: int) -> None:
        """Ask for more machines."""
        request = wire.NodeGroupIncreaseSizeRequest(id=group, delta=delta)
        self._call("NodeGroupIncreaseSize", request, wire.NodeGroupIncreaseSizeResponse)

    def decrease(self, group: str, delta: int) -> None:
        """Withdraw ``-delta`` machines that have not come."""
        request = wire.NodeGroupDecreaseTargetSizeRequest(id=group, delta=delta)
        self._call("NodeGroupDecreaseTargetSize", request, wire.NodeGroupDecreaseTargetSizeResponse)

    def delete(self, group: str, nodes: list[Node]) -> None:
        """Delete machines, real or fake."""
        request = wire.NodeGroupDeleteNodesRequest(
            id=group, nodes=[node.message() for node in nodes]
        )
        self._call("NodeGroupDeleteNodes", request, wire.NodeGroupDeleteNodesResponse)

    def template(self, group: str) -> core.Node:
        """Describe a fresh node of a group; raises Panic where this release finds no node."""
        request = wire.NodeGroupTemplateNodeInfoRequest(id=group)
        reply = self._call(
            "NodeGroupTemplateNodeInfo", request, wire.NodeGroupTemplateNodeInfoResponse
        )
        node_bytes = reply.nodeBytes if self._new_fields else reply.legacyNodeInfo
        if not node_bytes:
            raise Panic(f"TemplateNodeInfo of {group} holds no node")
        return core.Node.FromString(node_bytes)

    def options(self, group: str) -> GroupOptions:
        """Ask for a group's options; what the server sets replaces our defaults altogether."""
        request = wire.NodeGroupAutoscalingOptionsRequest(id=group, defaults=self._sent_defaults())
        reply = self._call("NodeGroupGetOptions", request, wire.NodeGroupAutoscalingOptionsResponse)
        if not reply.HasField("nodeGroupAutoscalingOptions"):
            return self._defaults
        options_message = reply.nodeGroupAutoscalingOptions
        if self._new_fields:
            return GroupOptions(
                unneeded_s=options_message.scaleDownUnneededDuration.ToTimedelta().total_seconds(),
                provision_s=options_message.MaxNodeProvisionDuration.ToTimedelta().total_seconds(),
            )
        for name in (
            "legacyScaleDownUnneededTime",
            "legacyScaleDownUnreadyTime",
            "legacyMaxNodeProvisionTime",
        ):
            if not options_message.HasField(name):
                raise Panic(f"options of {group} lack {name}")
        return GroupOptions(
            unneeded_s=options_message.legacyScaleDownUnneededTime.duration / 1e9,
            provision_s=options_message.legacyMaxNodeProvisionTime.duration / 1e9,
        )

    def gpu_label(self) -> str:
        """Ask for the label of GPU nodes; once in a process."""
        if self._gpu_label is None:
            reply = self._call("GPULabel", wire.GPULabelRequest(), wire.GPULabelResponse)
            self._gpu_label = reply.label
        return self._gpu_label

    def gpu_types(self) -> frozenset[str]:
        """Ask for the GPU types there are; once in a process."""
        if self._gpu_types is None:
            request = wire.GetAvailableGPUTypesRequest()
            reply = self._call("GetAvailableGPUTypes", request, wire.GetAvailableGPUTypesResponse)
            self._gpu_types = frozenset(reply.gpuTypes)
        return self._gpu_types

    def node_price(self, node: Node, start: float, end: float) -> float:
        """Ask for the price of a node between two instants of Unix time."""
        request = wire.PricingNodePriceRequest(node=node.message())
        self._set_window(request, start, end)
        return self._call("PricingNodePrice", request, wire.PricingNodePriceResponse).price

    def pod_price(self, pod: core.Pod, start: float, end: float) -> float:
        """Ask for the price of a pod between two instants of Unix time."""
        data = pod.SerializeToString()
        if self._new_fields:
            request = wire.PricingPodPriceRequest(pod_bytes=data)
        else:
            request = wire.PricingPodPriceRequest(legacyPod=data)
        self._set_window(request, start, end)
        return self._call("PricingPodPrice", request, wire.PricingPodPriceResponse).price

    def cleanup(self) -> None:
        """Say that this autoscaler stops."""
        self._call("Cleanup", wire.CleanupRequest(), wire.CleanupResponse)

    def _set_window(
        self,
        request: wire.PricingNodePriceRequest | wire.PricingPodPriceRequest,
        start: float,
        end: float,
    ) -> None:
        begins = timestamp_pb2.Timestamp(seconds=int(start))
        ends = timestamp_pb2.Timestamp(seconds=int(end))
        if self._new_fields:
            request.startTimestamp.CopyFrom(begins)
            request.endTimestamp.CopyFrom(ends)
        else:
            request.legacyStartTime.CopyFrom(begins)
            request.legacyEndTime.CopyFrom(ends)

    def _sent_defaults(self) -> wire.NodeGroupAutoscalingOptions:
        sent = wire.NodeGroupAutoscalingOptions(
            scaleDownUtilizationThreshold=_UTILIZATION,
            scaleDownGpuUtilizationThreshold=_UTILIZATION,
        )
        defaults = self._defaults
        if self._new_fields:
            sent.scaleDownUnneededDuration.CopyFrom(_duration(defaults.unneeded_s))
            sent.scaleDownUnreadyDuration.CopyFrom(_duration(_UNREADY_S))
            sent.MaxNodeProvisionDuration.CopyFrom(_duration(defaults.provision_s))
        else:
            sent.legacyScaleDownUnneededTime.duration = int(defaults.unneeded_s * 1e9)
            sent.legacyScaleDownUnreadyTime.duration = int(_UNREADY_S * 1e9)
            sent.legacyMaxNodeProvisionTime.duration = int(defaults.provision_s * 1e9)
        return sent

    def _call(self, rpc: str, request: message.Message, reply: type[Reply]) -> Reply:
        call = self._channel.unary_unary(
            f"/{SERVICE}/{rpc}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=reply.FromString,
        )
        answer: Reply = call(request, timeout=self._timeout_s)
        return answer


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
