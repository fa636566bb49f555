"""Talk to a running server: over its own port, with its own certificates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import grpc
from google.protobuf import message

from externalgrpc.pb import externalgrpc_pb2, externalgrpc_pb2_grpc, fleet_pb2, fleet_pb2_grpc
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import address, pem


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
        """Open a channel, past any proxy; raises CannotReach for what cannot be meant or used."""
        try:
            where = address.read(self.address)
            credentials = self._credentials()
        except (address.BadAddress, pem.Unusable) as error:
            raise CannotReach(str(error)) from error
        if credentials is None:
            return grpc.insecure_channel(str(where), options=[address.DIRECT])
        name = self.server_name or ("unix" if where.socket else "")
        options = [("grpc.ssl_target_name_override", name)] if name else []
        return grpc.secure_channel(str(where), credentials, options=[address.DIRECT, *options])

    def _credentials(self) -> grpc.ChannelCredentials | None:
        """Return what TLS needs, or None for plain text."""
        if (self.certificate is None) != (self.key is None):
            raise CannotReach("--cert and --key go together: one is of no use without the other")
        if self.ca is None:
            if self.certificate is not None or self.server_name:
                raise CannotReach("--ca is missing: without it the server is spoken to in clear")
            return None
        certificate, key = (
            pem.pair(self.certificate, self.key, "client")
            if self.certificate is not None and self.key is not None
            else (None, None)
        )
        return grpc.ssl_channel_credentials(
            root_certificates=pem.authority(self.ca), private_key=key, certificate_chain=certificate
        )


def show(channel: grpc.Channel, where: str, timeout_s: float = 5.0) -> fleet_pb2.ShowResponse:
    """Ask a server for all that it knows; raises CannotReach."""
    stub = fleet_pb2_grpc.FleetStub(channel)  # type: ignore[no-untyped-call]
    try:
        reply: fleet_pb2.ShowResponse = stub.Show(fleet_pb2.ShowRequest(), timeout=timeout_s)
    except grpc.RpcError as error:
        raise unreachable(where, error) from error
    return reply


def unreachable(where: str, error: grpc.RpcError) -> CannotReach:
    """Say that a call was not answered, and why."""
    return CannotReach(f"no answer from {where}: {_reason(error)}")


def template(channel: grpc.Channel, group: str, timeout_s: float = 5.0) -> core.Node:
    """Ask a server for the node that a group would get next, as Cluster Autoscaler asks.

    Changes nothing there. Raises CannotReach, for a group that is not there too.
    """
    stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)  # type: ignore[no-untyped-call]
    request = externalgrpc_pb2.NodeGroupTemplateNodeInfoRequest(id=group)
    try:
        reply = stub.NodeGroupTemplateNodeInfo(request, timeout=timeout_s)
        return core.Node.FromString(reply.nodeBytes)
    except grpc.RpcError as error:
        raise CannotReach(f"no template of group {group}: {_reason(error)}") from error
    except message.DecodeError as error:
        raise CannotReach(f"the template of group {group} is no v1.Node") from error


def _reason(error: grpc.RpcError) -> str:
    code = error.code() if isinstance(error, grpc.Call) else None
    details = error.details() if isinstance(error, grpc.Call) else str(error)
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return f"is it running, and does it speak TLS where you do not? ({details})"
        case grpc.StatusCode.UNIMPLEMENTED:
            return "something else than vps-autoscaler is listening there"
        case _:
            return f"{code.name if code else 'error'}: {details}"
