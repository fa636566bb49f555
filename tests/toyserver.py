# ruff: noqa: N802 - methods are named as the RPCs are
"""A small server of the autoscaler's contract: enough for a caller to be tested against.

Machines boot by the clock that is handed in; what is sold out is shown as failed placeholders.
It keeps every request, in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc

from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import externalgrpc_pb2_grpc, fleet_pb2, fleet_pb2_grpc
from externalgrpc.pb import k8s_core_v1_pb2 as core

STATE = wire.InstanceStatus.InstanceState


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return 1_800_000_000.0 + self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@dataclasses.dataclass
class ToyGroup:
    name: str
    min: int = 0
    max: int = 10
    stock: int = 100
    candidates: tuple[str, ...] = ("small/north",)
    location: str = "north"


@dataclasses.dataclass
class ToyMachine:
    number: int
    group: str
    born_at: float
    failed: bool = False
    dying_at: float | None = None

    @property
    def id(self) -> str:
        return f"toy://launching/{self.number}" if self.failed else f"toy://{self.number}"


class ToyServer:
    def __init__(self, time: Time, *groups: ToyGroup, boot_s: float = 5.0, dying_s: float = 3.0):
        self.time = time
        self.groups = {group.name: group for group in groups}
        self.boot_s = boot_s
        self.dying_s = dying_s
        self.machines: list[ToyMachine] = []
        self.requests: list[tuple[str, Any]] = []
        self.refusals: dict[str, tuple[grpc.StatusCode, str]] = {}
        self.options: wire.NodeGroupAutoscalingOptions | None = None
        self.template_fields = ("legacyNodeInfo", "nodeBytes")
        self.owner_of_strangers = ""
        self._last = 0

    def rpcs(self, since: int = 0) -> list[str]:
        return [rpc for rpc, _ in self.requests[since:]]

    def members(self, group: str) -> list[ToyMachine]:
        now = self.time.monotonic()
        self.machines = [
            m for m in self.machines if m.dying_at is None or now < m.dying_at + self.dying_s
        ]
        return [m for m in self.machines if m.group == group and m.dying_at is None]

    def answer(self, rpc: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append((rpc, request))
        if rpc in self.refusals:
            context.abort(*self.refusals[rpc])
        return getattr(self, f"_{rpc}")(request)

    def _NodeGroups(self, request):
        return wire.NodeGroupsResponse(
            nodeGroups=[
                wire.NodeGroup(id=g.name, minSize=g.min, maxSize=g.max)
                for g in self.groups.values()
            ]
        )

    def _NodeGroupForNode(self, request):
        owner = self.owner_of_strangers
        for machine in self.machines:
            if machine.id == request.node.providerID and machine.dying_at is None:
                owner = machine.group
        return wire.NodeGroupForNodeResponse(nodeGroup=wire.NodeGroup(id=owner))

    def _PricingNodePrice(self, request):
        return wire.PricingNodePriceResponse(price=1)

    def _PricingPodPrice(self, request):
        return wire.PricingPodPriceResponse(price=1)

    def _GPULabel(self, request):
        return wire.GPULabelResponse(label="gpu")

    def _GetAvailableGPUTypes(self, request):
        return wire.GetAvailableGPUTypesResponse()

    def _Cleanup(self, request):
        return wire.CleanupResponse()

    def _Refresh(self, request):
        return wire.RefreshResponse()

    def _NodeGroupTargetSize(self, request):
        return wire.NodeGroupTargetSizeResponse(targetSize=len(self.members(request.id)))

    def _NodeGroupIncreaseSize(self, request):
        for _ in range(request.delta):
            group = self.groups[request.id]
            group.stock -= 1
            self._last += 1
            self.machines.append(
                ToyMachine(
                    number=self._last,
                    group=request.id,
                    born_at=self.time.monotonic(),
                    failed=group.stock < 0,
                )
            )
        return wire.NodeGroupIncreaseSizeResponse()

    def _NodeGroupDeleteNodes(self, request):
        for node in request.nodes:
            for machine in self.members(request.id):
                if machine.id == node.providerID:
                    machine.dying_at = self.time.monotonic() - machine.failed * self.dying_s
        return wire.NodeGroupDeleteNodesResponse()

    def _NodeGroupDecreaseTargetSize(self, request):
        return wire.NodeGroupDecreaseTargetSizeResponse()

    def _NodeGroupNodes(self, request):
        reply = wire.NodeGroupNodesResponse()
        for machine in self.members(request.id):
            instance = reply.instances.add(id=machine.id)
            up = self._phase(machine) == "running"
            instance.status.instanceState = STATE.instanceRunning if up else STATE.instanceCreating
            if machine.failed:
                instance.status.errorInfo.errorCode = "OutOfStock"
                instance.status.errorInfo.errorMessage = "small is sold out in north"
                instance.status.errorInfo.instanceErrorClass = 1
        return reply

    def _NodeGroupTemplateNodeInfo(self, request):
        node = core.Node()
        node.metadata.labels["pool"] = request.id
        data = node.SerializeToString()
        return wire.NodeGroupTemplateNodeInfoResponse(**dict.fromkeys(self.template_fields, data))

    def _NodeGroupGetOptions(self, request):
        return wire.NodeGroupAutoscalingOptionsResponse(nodeGroupAutoscalingOptions=self.options)

    def _phase(self, machine: ToyMachine) -> str:
        if machine.failed:
            return "failed"
        if machine.dying_at is not None:
            return "deleting"
        up = self.time.monotonic() - machine.born_at >= self.boot_s
        return "running" if up else "creating"

    def show(self) -> fleet_pb2.ShowResponse:
        reply = fleet_pb2.ShowResponse(cluster="toy")
        for group in self.groups.values():
            members = self.members(group.name)
            reply.groups.add(
                id=group.name,
                min=group.min,
                max=group.max,
                target=len(members),
                candidates=group.candidates,
            )
        for machine in self.machines:
            reply.machines.add(
                name=f"{machine.group}-{machine.number}",
                group=machine.group,
                provider_id=machine.id,
                machine_type="small",
                location=self.groups[machine.group].location,
                phase=self._phase(machine),
                error_message="sold out" if machine.failed else "",
            )
        return reply

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve on a free port of the loopback; give the address."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        externalgrpc_pb2_grpc.add_CloudProviderServicer_to_server(_Servicer(self), server)
        fleet_pb2_grpc.add_FleetServicer_to_server(_Shower(self), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()


class _Shower(fleet_pb2_grpc.FleetServicer):
    def __init__(self, toy: ToyServer) -> None:
        self.toy = toy

    def Show(self, request, context):
        return self.toy.show()


class _Servicer(externalgrpc_pb2_grpc.CloudProviderServicer):
    def __init__(self, toy: ToyServer) -> None:
        for rpc in wire.DESCRIPTOR.services_by_name["CloudProvider"].methods_by_name:
            setattr(self, rpc, self._answering(toy, rpc))

    @staticmethod
    def _answering(toy: ToyServer, rpc: str):
        return lambda request, context: toy.answer(rpc, request, context)
