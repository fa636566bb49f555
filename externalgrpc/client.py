"""Talk to a running server: over its own port, with its own certificates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import grpc

from externalgrpc import regular
from externalgrpc.pb import fleet_pb2, fleet_pb2_grpc


class CannotReach(Exception):
    """The server did not answer; the message says where and why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a server listens, and the files to show and to trust when it speaks TLS.

    ``server_name`` is the name in the server's certificate, where it is not the address's host.
    """

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def open(self) -> grpc.Channel:
        """Open a channel; raises CannotReach when a file cannot be read."""
        if self.ca is None:
            return grpc.insecure_channel(self.address)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca),
            private_key=_read(self.key) if self.key else None,
            certificate_chain=_read(self.certificate) if self.certificate else None,
        )
        name = self.server_name or ("unix" if self.address.startswith("unix:") else "")
        options = [("grpc.ssl_target_name_override", name)] if name else []
        return grpc.secure_channel(self.address, credentials, options=options)


def show(channel: grpc.Channel, address: str, timeout_s: float = 5.0) -> fleet_pb2.ShowResponse:
    """Ask a server for all that it knows; raises CannotReach."""
    stub = fleet_pb2_grpc.FleetStub(channel)  # type: ignore[no-untyped-call]
    try:
        reply: fleet_pb2.ShowResponse = stub.Show(fleet_pb2.ShowRequest(), timeout=timeout_s)
    except grpc.RpcError as error:
        raise CannotReach(f"no answer from {address}: {_told(error)}") from error
    return reply


def _read(path: Path) -> bytes:
    try:
        return regular.read(path)
    except regular.Unreadable as error:
        raise CannotReach(f"{path} {error}") from error


def _told(error: grpc.RpcError) -> str:
    code = error.code() if isinstance(error, grpc.Call) else None
    details = error.details() if isinstance(error, grpc.Call) else str(error)
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return f"is it running, and does it speak TLS where you do not? ({details})"
        case grpc.StatusCode.UNIMPLEMENTED:
            return "something else than vps-autoscaler is listening there"
        case _:
            return f"{code.name if code else 'error'}: {details}"
