"""The gRPC server: listening, TLS, health, reflection, and stopping without dropping a call."""

from __future__ import annotations

import dataclasses
import os
import stat
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from externalgrpc import events, regular, service, show
from externalgrpc.pb import fleet_pb2

_LOG = events.Log("server")

WORKERS = 16
"""Calls served at once: CA's loop, its background refresher and ten parallel deletions fit."""


class CannotListen(Exception):
    """The address cannot be served; the message says which and what to do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Certificate files in PEM; with ``client_ca`` a client must show a certificate of that CA.

    The files are read again whenever they change, so that a rotation needs no restart.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where and how to listen: ``host:port``, ``[v6]:port`` or ``unix:/path``."""

    address: str
    tls: TLS | None = None
    reflection: bool = True


class Server:
    """Serve the autoscaler's contract, the fleet's own view, health and reflection on one port."""

    def __init__(
        self, listening: Listening, cloud_provider: service.CloudProvider, fleet_view: show.Show
    ) -> None:
        self._pool = futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="rpc")
        self._server = grpc.server(
            self._pool,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", 16 * 1024 * 1024),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        service.register(self._server, cloud_provider)
        show.register(self._server, fleet_view)
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if listening.reflection:
            names = (
                service.SERVICE,
                fleet_pb2.DESCRIPTOR.services_by_name["Fleet"].full_name,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            )
            reflection.enable_server_reflection(names, self._server)
        self.address = _bind(self._server, listening)

    def start(self) -> None:
        """Serve; returns at once."""
        self._server.start()
        for name in ("", service.SERVICE):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _LOG.info("serving", address=self.address)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those under way end within ``grace_s`` seconds, and stop."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait(grace_s + 1.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        _LOG.info("stopped serving", address=self.address)


def _bind(server: grpc.Server, listening: Listening) -> str:
    address = listening.address
    if address.startswith("unix:"):
        _clear_socket(address)
    try:
        if listening.tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, _credentials(listening.tls))
    except RuntimeError as error:
        raise CannotListen(
            f"cannot listen on {address}: is another server running there, or is the address "
            f"not this machine's? ({error})"
        ) from error
    if address.startswith("unix:"):
        return address
    host, _, _ = address.rpartition(":")
    return f"{host}:{port}"


def _clear_socket(address: str) -> None:
    """Remove the socket that a killed server left behind; anything else there is not ours."""
    path = Path(address.removeprefix("unix:").removeprefix("//"))
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"cannot listen on {address}: {path} exists and is not a socket")
    probe = grpc.insecure_channel(address)
    try:
        grpc.channel_ready_future(probe).result(timeout=0.3)
    except grpc.FutureTimeoutError:
        path.unlink(missing_ok=True)
    else:
        raise CannotListen(f"cannot listen on {address}: another server is serving there")
    finally:
        probe.close()


def _credentials(tls: TLS) -> grpc.ServerCredentials:
    """Make credentials that follow the files; a bad new pair is told, and the old one stays."""
    first = _read(tls)
    seen = [_stamp(tls)]

    def fetch() -> grpc.ServerCertificateConfiguration:
        stamp = _stamp(tls)
        if stamp == seen[0]:
            return None  # type: ignore[return-value]  # grpc takes None for "unchanged"
        try:
            fresh = _read(tls)
        except CannotListen as error:
            _LOG.error("certificates not reloaded", reason=str(error))
            return None  # type: ignore[return-value]  # grpc takes None for "unchanged"
        seen[0] = stamp
        _LOG.info("certificates reloaded", certificate=str(tls.certificate))
        return fresh

    return grpc.dynamic_ssl_server_credentials(
        first, fetch, require_client_authentication=tls.client_ca is not None
    )


def _read(tls: TLS) -> grpc.ServerCertificateConfiguration:
    parts: list[bytes] = []
    for what, path, marker in (
        ("key", tls.key, b"PRIVATE KEY-----"),
        ("certificate", tls.certificate, b"BEGIN CERTIFICATE-----"),
        ("client CA", tls.client_ca, b"BEGIN CERTIFICATE-----"),
    ):
        if path is None:
            continue
        try:
            content = regular.read(path)
        except regular.Unreadable as error:
            raise CannotListen(f"TLS {what} file {path} {error}") from error
        if marker not in content:
            raise CannotListen(f"TLS {what} file {path} holds no PEM {what}")
        parts.append(content)
    return grpc.ssl_server_certificate_configuration(
        [(parts[0], parts[1])], root_certificates=parts[2] if tls.client_ca else None
    )


def _stamp(tls: TLS) -> tuple[tuple[int, int, int], ...]:
    stamps = []
    for path in (tls.certificate, tls.key, tls.client_ca):
        if path is None:
            continue
        try:
            found = os.stat(path)  # noqa: PTH116 - follows the symlinks that a Secret swaps
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
    return tuple(stamps)
