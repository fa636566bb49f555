"""The gRPC server: listening, TLS, health, reflection, and stopping without dropping a call."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import socket
import stat
import tempfile
import threading
from pathlib import Path

import grpc

from externalgrpc.rpc import (
    address,
    callers,
    calls,
    fleet_service,
    health,
    pem,
    polling,
    probe,
    reflection,
    service,
    sparing,
    workers,
)
from externalgrpc.rpc.limits import Limits
from externalgrpc.support import clock, logs

_LOG = logs.Log("server")
_LIMITS = Limits()
_CALM_S = 1.0
_CROWDED_S = 0.005
_REASONS = {
    errno.EADDRINUSE: "another server is serving there",
    errno.EADDRNOTAVAIL: "the address is none of this machine's",
    errno.EACCES: "this user may not take that port",
}

WORKERS = _LIMITS.served


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
    """Where and how to listen: ``host:port``, ``[v6]:port`` or ``unix:/path``.

    Without ``polling`` every call is answered on a worker; see :mod:`externalgrpc.polling`.
    """

    address: str
    tls: TLS | None = None
    reflection: bool = True
    polling: bool = True


class Server:
    """Serve the autoscaler's contract, the fleet's own view, health and reflection on one port."""

    def __init__(
        self,
        listening: Listening,
        cloud_provider: service.CloudProvider,
        fleet_view: fleet_service.Show,
        *,
        limits: Limits = _LIMITS,
    ) -> None:
        time_source = self._clock = clock.SystemClock()
        self._callers = callers.Callers(limits, time_source)
        self._workers = workers.Workers(limits, self._callers.end_oldest)
        self._polling = polling.Polling(self._workers, self._callers)
        self.may_poll = listening.polling
        self._calls = calls.Calls(self._workers, self._callers, time_source)
        self._server = grpc.server(
            self._polling,  # type: ignore[arg-type]  # any executor does: only submit is called
            options=limits.options(),
            maximum_concurrent_rpcs=limits.concurrent,
        )
        service.register(self._server, self._calls, cloud_provider)
        fleet_service.register(self._server, self._calls, fleet_view)
        self._health = health.Health(("", service.SERVICE), self._calls)
        self._health.register(self._server)
        if listening.reflection:
            names = (service.SERVICE, fleet_service.SERVICE, health.SERVICE)
            reflection.register(self._server, self._calls, names)
        self.certificate_ends: dict[str, float] = {}
        """When the certificates in force end: Unix seconds, by what they are for; none without TLS.

        An intermediate that ends first ends the server's; a bundle of CAs ends with its last."""
        self.address = _bind(self._server, listening, self.certificate_ends)
        self._door = _Door(self._server, listening, self.address)
        self._probe = probe.Probe(self._door.ask(self._workers), time_source)
        self._stopped = threading.Event()

    def start(self) -> None:
        """Serve; returns at once."""
        self._server.start()
        self._health.set(serving=True)
        for name, work in (
            ("rpc-callers", self._look_after_callers),
            ("rpc-probe", self._call_ourselves),
            ("rpc-polling", self._try_polling),
        ):
            threading.Thread(target=work, name=name, daemon=True).start()
        _LOG.info("serving", address=self.address)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those under way end within ``grace_s`` seconds, and stop."""
        self._stopped.set()
        self._health.end()
        self._server.stop(grace_s).wait(grace_s + 1.0)
        self._polling.shutdown(wait=False, cancel_futures=True)
        self._door.close()
        _LOG.info("stopped serving", address=self.address)

    def answering(self) -> tuple[bool, str]:
        """Return whether calls of our own are answered, and if not, since when and why."""
        return self._probe.answering()

    def _try_polling(self) -> None:
        """Answer what can be in grpc's polling thread, once that has proved to work here."""
        if not self.may_poll:
            return
        try:
            why = polling.doubts()
        except Exception as error:  # noqa: BLE001 - grpc's insides may be anything
            why = f"{type(error).__name__}: {error}"
        if why:
            _LOG.warning("all calls are answered on workers, which is slower", reason=why)
        else:
            self._polling.on = not self._stopped.is_set()

    @property
    def polls(self) -> bool:
        """Return whether calls that never block are answered in grpc's polling thread."""
        return self._polling.on

    def _look_after_callers(self) -> None:
        """End calls whose callers take too long: every second, in a crowd every few ms."""
        result, told_at = 0, -sparing.MINUTE_S
        while not self._stopped.wait(_CROWDED_S if self._callers.crowded.is_set() else 0.0):
            self._callers.crowded.wait(_CALM_S)
            try:
                self._callers.sweep()
                self._calls.flush()
            except Exception:  # noqa: BLE001 - without this thread nobody is ended; it is logged
                _LOG.exception("callers not looked after")
            ended, now = self._callers.ended, self._clock.monotonic()
            if ended > result and now - told_at >= sparing.MINUTE_S:
                _LOG.warning("calls ended: callers too slow or too many", calls=ended - result)
                result, told_at = ended, now
        self._callers.close()

    def _call_ourselves(self) -> None:
        """Report "not serving" while calls of our own are not answered."""
        serving = True
        while True:
            well = self._probe.look()
            if self._stopped.wait(probe.EVERY_S):
                return
            if well is serving:
                continue
            serving = well
            self._health.set(serving=serving)
            if serving:
                _LOG.info("calls are answered again")
            else:
                _LOG.error("calls are not answered", reason=self.answering()[1])


class _Door:
    """The way by which we call ourselves: the port, or a private socket beside one with TLS.

    TLS may ask for a certificate that we do not have; a socket in a folder of mode 0700 does not,
    and nobody but this process's user reaches it.
    """

    def __init__(self, server: grpc.Server, listening: Listening, bound: str) -> None:
        self._folder = ""
        self._channel: grpc.Channel | None = None
        self._address = probe.reachable(bound)
        if listening.tls is not None:
            self._address = ""
            try:
                self._folder = tempfile.mkdtemp(prefix="vps-autoscaler-")
                private = f"unix:{self._folder}/probe.sock"
                server.add_insecure_port(private)
            except (OSError, RuntimeError) as error:
                _LOG.warning(
                    "health watches the workers only: no private socket for calls of our own; set"
                    " TMPDIR to a folder with a short name that can be written",
                    reason=str(error),
                )
            else:
                self._address = private

    def ask(self, pool: workers.Workers) -> probe.Ask:
        """Return the function that calls us."""
        if not self._address:
            return probe.over_workers(pool)
        self._channel = probe.open_channel(self._address)
        return probe.over_channel(self._channel, f"/{service.SERVICE}/NodeGroups")

    def close(self) -> None:
        """Let channel and folder go."""
        if self._channel is not None:
            self._channel.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _bind(server: grpc.Server, listening: Listening, ends: dict[str, float]) -> str:
    try:
        where = address.read(listening.address, listening=True)
    except address.BadAddress as error:
        raise CannotListen(f"cannot listen: {error}") from error
    if where.path:
        _clear_socket(where)
    secured = _credentials(listening.tls, ends) if listening.tls is not None else None
    try:
        if secured is None:
            port = server.add_insecure_port(str(where))
        else:
            port = server.add_secure_port(str(where), secured)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {where}: {_why(where)} ({error})") from error
    return str(where if where.socket else dataclasses.replace(where, port=port))


def _why(where: address.Address) -> str:
    """Find out why an address was not taken, by binding to it without gRPC: it does not say."""
    if where.socket:
        return _why_no_socket(where)
    try:
        found = socket.getaddrinfo(where.host or None, where.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return f"the name {where.host} leads nowhere: {error.strerror or error}"
    for family, _, _, _, sockaddr in found:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(sockaddr)
                tried.listen()
        except OSError as error:
            return _REASONS.get(error.errno or 0, error.strerror or str(error))
    return "is another server starting there?"


def _why_no_socket(where: address.Address) -> str:
    if not where.path:
        return _REASONS[errno.EADDRINUSE]
    folder = Path(where.path).parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"this user may not write into {folder}"
    return _REASONS[errno.EADDRINUSE]


def _clear_socket(where: address.Address) -> None:
    """Remove the socket that a killed server left behind; anything else there is not ours."""
    path = Path(where.path)
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CannotListen(f"cannot listen on {where}: {error.strerror or error}") from error
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"cannot listen on {where}: {path} exists and is not a socket")
    asked = probe.open_channel(str(where))
    try:
        grpc.channel_ready_future(asked).result(timeout=0.3)
    except grpc.FutureTimeoutError:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {where}: a socket is left there and cannot be removed: "
                f"{error.strerror or error}"
            ) from error
    else:
        raise CannotListen(f"cannot listen on {where}: another server is serving there")
    finally:
        asked.close()


def _credentials(tls: TLS, ends: dict[str, float]) -> grpc.ServerCredentials:
    """Make credentials that follow the files; a bad new pair is logged, and the old one stays."""
    first = _read(tls, ends)
    seen = [_stamp(tls)]

    def fetch() -> grpc.ServerCertificateConfiguration:
        stamp = _stamp(tls)
        if stamp == seen[0]:
            return None  # type: ignore[return-value]  # grpc takes None for "unchanged"
        try:
            fresh = _read(tls, ends)
        except CannotListen as error:
            _LOG.error("certificates not reloaded", reason=str(error))
            return None  # type: ignore[return-value]  # grpc takes None for "unchanged"
        seen[0] = stamp
        _LOG.info("certificates reloaded", certificate=str(tls.certificate))
        return fresh

    return grpc.dynamic_ssl_server_credentials(
        first, fetch, require_client_authentication=tls.client_ca is not None
    )


def _read(tls: TLS, ends: dict[str, float]) -> grpc.ServerCertificateConfiguration:
    try:
        certificate, key = pem.pair(tls.certificate, tls.key)
        trusted = pem.authority(tls.client_ca, "client CA") if tls.client_ca else None
    except pem.Unusable as error:
        raise CannotListen(str(error)) from error
    if found := pem.ends_at(certificate):
        ends["server"] = min(found)
    if trusted is not None and (found := pem.ends_at(trusted)):
        ends["client-ca"] = max(found)
    return grpc.ssl_server_certificate_configuration(
        [(key, certificate)], root_certificates=trusted
    )


def _stamp(tls: TLS) -> tuple[tuple[int, int, int], ...]:
    return pem.stamps(*filter(None, (tls.certificate, tls.key, tls.client_ca)))
