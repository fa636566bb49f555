"""Call the service as gRPC does, and hold its answers against the laws."""

from __future__ import annotations

from typing import Any, TypeVar

from externalgrpc.fleet import view
from externalgrpc.model import fleet_errors
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service
from tests.laws import laws, simulator

Message = TypeVar("Message")


class Calls:
    """Call the service as gRPC does: messages in, messages or bytes out."""

    def __init__(self, server: simulator.Server) -> None:
        self._server = server
        self._drained = server.setting.truth.drained

    def ask(self, rpc: str, request: Any, reply: type[Message] | None = None) -> Message:
        answer = getattr(self._server.service, rpc)(request)
        if reply is not None and isinstance(answer, bytes):
            answer = reply.FromString(answer)  # type: ignore[attr-defined]
        return answer

    def group_of(self, provider_id: str, name: str, *, fake: bool = False) -> str:
        node = pb.ExternalGrpcNode(providerID=provider_id, name=name)
        if fake:
            node.annotations[service.FAKE_NODE] = "unregistered"
        request = pb.NodeGroupForNodeRequest(node=node)
        return self.ask("NodeGroupForNode", request, pb.NodeGroupForNodeResponse).nodeGroup.id

    def delete(self, group: str, provider_ids: list[str], *, fake: bool, spelled: str = "") -> None:
        request = pb.NodeGroupDeleteNodesRequest(id=group)
        for provider_id in provider_ids:
            node = request.nodes.add(providerID=provider_id, name=spelled or provider_id)
            if fake:
                node.annotations[service.FAKE_NODE] = "create-error"
        server = self._server
        before = server.fleet
        drained = set() if fake else set(provider_ids) - self._drained
        self._drained |= drained
        try:
            self.ask("NodeGroupDeleteNodes", request)
        except fleet_errors.OutOfBounds:
            self._drained -= drained
            live = view.live(before, group)
            laws.require(
                not fake and live <= before.groups[group].min_size,
                "only what leaves too few live machines is refused",
                provider_ids,
            )
            return
        for each in provider_ids:
            server.setting.asked |= {each, each.rpartition("/")[2], spelled or each}
        after = server.fleet
        named = {m.name for m in view.members(before, group) if m.provider_id in provider_ids}
        if fake:
            # Of these the server may know better.
            named -= {m.name for m in view.members(after, group) if laws.lives(after, m)}
        server.setting.asked |= named
        server.witness.retired(before, after, group, tuple(named), real=not fake)

    def shrink(self, group: str, delta: int) -> None:
        server = self._server
        before = server.fleet
        self.ask(
            "NodeGroupDecreaseTargetSize",
            pb.NodeGroupDecreaseTargetSizeRequest(id=group, delta=delta),
        )
        after = server.fleet
        withdrawn = tuple(before.launches.keys() - after.launches.keys())
        server.setting.asked |= set(withdrawn)
        touchable = frozenset(server.unsent(before))
        server.witness.shrunk(before, after, group, withdrawn, touchable=touchable)
