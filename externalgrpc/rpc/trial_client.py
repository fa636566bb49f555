"""Ask a running server for a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc

from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.pb import fleet_pb2_grpc
from externalgrpc.rpc import client

Reply = TypeVar("Reply")

_REFUSALS = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
)
TIMEOUT_S = 10.0


class Refused(Exception):
    """The server will not do it; the message is its own sentence."""


class TrialClient:
    """One server's trials. Methods raise Refused, or CannotReach where nobody knows."""

    def __init__(self, channel: grpc.Channel, where: str) -> None:
        self._stub = fleet_pb2_grpc.FleetStub(channel)  # type: ignore[no-untyped-call]
        self._channel = channel
        self._where = where

    def show(self) -> pb.ShowResponse:
        """Ask for all that the server knows."""
        return client.show(self._channel, self._where)

    def start(self, group: str) -> pb.Trial:
        """Order one machine for a trial of a group."""
        return self._trial(self._stub.StartTrial, pb.StartTrialRequest(group=group))

    def look(self) -> pb.Trial:
        """Ask how the trial is."""
        return self._trial(self._stub.GetTrial, pb.GetTrialRequest())

    def end(self) -> pb.Trial:
        """Have the trial ended."""
        return self._trial(self._stub.EndTrial, pb.EndTrialRequest())

    def clear(self, provider_id: str) -> None:
        """Have a machine deleted that a trial of another process left."""
        self._ask(self._stub.ClearTrial, pb.ClearTrialRequest(provider_id=provider_id))

    def _trial(self, call: Callable[..., pb.Trial], request: object) -> pb.Trial:
        return self._ask(call, request)

    def _ask(self, call: Callable[..., Reply], request: object) -> Reply:
        try:
            return call(request, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() in _REFUSALS:
                raise Refused(error.details() or "refused") from error
            if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise Refused(
                    f"the server at {self._where} is older than this command and knows no trials: "
                    "upgrade it"
                ) from error
            raise client.unreachable(self._where, error) from error
