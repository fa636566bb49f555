"""A bare grpcio server that answers every RPC of the contract with constant bytes: the floor."""

from __future__ import annotations

import sys
from concurrent import futures

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import server, service

GROUP = pb.NodeGroup(
    id="pool-1", minSize=0, maxSize=2000, debug="memory: small in north, 200 of 0..2000"
)
REPLIES = {
    "NodeGroupForNode": pb.NodeGroupForNodeResponse(nodeGroup=GROUP),
    "NodeGroupTargetSize": pb.NodeGroupTargetSizeResponse(targetSize=200),
    "NodeGroups": pb.NodeGroupsResponse(nodeGroups=[GROUP] * 5),
}


def main() -> None:
    serving = grpc.server(
        futures.ThreadPoolExecutor(server.WORKERS), options=[("grpc.so_reuseport", 0)]
    )

    def constant(reply: bytes) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: reply)

    handlers = {
        rpc.name: constant(REPLIES[rpc.name].SerializeToString() if rpc.name in REPLIES else b"")
        for rpc in pb.DESCRIPTOR.services_by_name["CloudProvider"].methods
    }
    serving.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service.SERVICE, handlers),)
    )
    port = serving.add_insecure_port("127.0.0.1:0")
    serving.start()
    print(f"127.0.0.1:{port}", flush=True)  # noqa: T201 - the parent process reads it
    sys.stdin.read()
    serving.stop(0.5)


if __name__ == "__main__":
    main()
