"""gRPC server reflection, for grpcurl: grpcio's own servicer behind our way to take requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from externalgrpc.rpc import calls

SERVICE = reflection.SERVICE_NAME


def register(server: grpc.Server, made: calls.Calls, names: tuple[str, ...]) -> None:
    """Add the service to a server; it lists these names and its own."""
    servicer: Any = reflection.ReflectionServicer((*names, SERVICE))  # its types are wrong

    def info(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield from servicer.ServerReflectionInfo(requests, context)

    rpc = "ServerReflectionInfo"
    handlers = {rpc: made.stream(rpc, reflection_pb2.ServerReflectionRequest, info)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
