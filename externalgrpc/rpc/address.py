"""Read addresses ourselves: ``host:port``, ``[v6]:port``, ``unix:/path``.

gRPC takes 127.0.0.1 for port 443 and port 99999 for 34463, and says of everything else that it
did not work. Here is the one place that says what an address is, and what is wrong with one.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import Final

DIRECT: Final = ("grpc.enable_http_proxy", 0)
"""The channel argument of every call of our own: else gRPC asks the proxy that ``http_proxy`` names
even for loopback, and who then seems dead is the server."""

_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_NUMBERS: Final = re.compile(r"[0-9.]+", re.ASCII)
_PORT: Final = re.compile(r"[0-9]+", re.ASCII)
_SOCKETS: Final = ("unix:", "unix-abstract:")
_LONGEST_PATH: Final = 107
_LONGEST_HOST: Final = 253
_LAST_PORT: Final = 65535


class BadAddress(ValueError):
    """Say what is wrong with an address and what to write, as a sentence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens: a host ("" for everywhere) and a port, or a unix socket.

    ``host`` has no brackets. ``socket`` is the address of a socket as gRPC takes it, else "".
    """

    host: str = ""
    port: int = 0
    socket: str = ""

    def __str__(self) -> str:
        """Write it as gRPC reads it, and as nobody reads it otherwise."""
        if self.socket:
            return self.socket
        host = self.host or "::"
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """Return the file of a unix socket; "" for TCP and for an abstract socket."""
        return self.socket.removeprefix("unix:") if self.socket.startswith("unix:") else ""

    @property
    def stays_here(self) -> bool:
        """Return whether only this machine can reach it: loopback written as such, or a socket."""
        if self.socket or self.host.lower() == "localhost":
            return True
        try:
            host = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        # Newer Pythons see through ::ffff:127.0.0.1, older ones do not.
        return (getattr(host, "ipv4_mapped", None) or host).is_loopback


def read(text: str, *, listening: bool = False, sockets: bool = True) -> Address:
    """Read an address; raises BadAddress.

    To listen, the host may be missing (everywhere) and the port 0 (a free one); to call, neither.
    """
    if not text:
        raise BadAddress("an address is missing: host:port, [v6]:port or unix:/path")
    if text.startswith(_SOCKETS):
        if not sockets:
            raise BadAddress(f"{text!r} is a socket; only host:port and [v6]:port are served here")
        return _socket(text)
    if "://" in text or text.startswith(("dns:", "ipv4:", "ipv6:", "/")):
        cure = f"unix:{text}" if text.startswith("/") else "host:port without a scheme"
        raise BadAddress(f"{text!r} is no host:port, [v6]:port or unix:/path: write {cure}")
    host, port = _split(text)
    _check_host(text, host, listening=listening)
    return Address(host=host.strip("[]"), port=_port(text, port, listening=listening))


def _socket(text: str) -> Address:
    scheme, _, name = text.partition(":")
    if scheme == "unix" and name.startswith("//"):
        name = name.removeprefix("//")
        if not name.startswith("/"):
            cure = f"write unix:/{name} or unix:{name}"
            raise BadAddress(f"{text!r} names a host, not a file: {cure}")
    if not name or name.endswith("/") or "\0" in name:
        raise BadAddress(f"{text!r} names no socket: write {scheme}:/path/to.sock")
    if (size := len(name.encode(errors="surrogateescape"))) > _LONGEST_PATH:
        raise BadAddress(
            f"{text!r} is too long for a socket: {size} bytes, and {_LONGEST_PATH} at most fit; "
            "take a shorter folder"
        )
    return Address(socket=f"{scheme}:{name}")


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        inside, closed, rest = text[1:].partition("]")
        if not closed:
            raise BadAddress(f"{text!r} has no closing bracket: write [v6]:port, as [::1]:8086")
        if not rest.startswith(":"):
            raise BadAddress(f"{text!r} names no port: write [{inside}]:8086")
        return f"[{inside}]", rest[1:]
    host, colon, port = text.rpartition(":")
    if not colon:
        cure = f"127.0.0.1:{text}" if _PORT.fullmatch(text) else f"{text}:8086"
        what = "host" if _PORT.fullmatch(text) else "port"
        raise BadAddress(f"{text!r} names no {what}: write {cure}")
    if ":" in host:
        cure = f"[{host}]:{port}" if _is_v6(host) else f"[{text}]:8086" if _is_v6(text) else ""
        message = f"write {cure}" if cure else "write host:port or [v6]:port"
        raise BadAddress(f"{text!r} holds several colons; an IPv6 address is bracketed: {message}")
    return host, port


def _check_host(text: str, host: str, *, listening: bool) -> None:
    if host.startswith("["):
        if not _is_v6(host.strip("[]")):
            raise BadAddress(f"{text!r}: {host} is no IPv6 address; brackets are for those only")
    elif not host:
        if not listening:
            raise BadAddress(f"{text!r} names no host to call: write 127.0.0.1{text}")
    elif _NUMBERS.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise BadAddress(f"{text!r}: {host} is no IPv4 address") from None
    elif len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
        raise BadAddress(f"{text!r}: {host!r} is neither a host's name nor an IP address")


def _port(text: str, port: str, *, listening: bool) -> int:
    least = 0 if listening else 1
    if _PORT.fullmatch(port) and len(port) <= _LONGEST_HOST and least <= int(port) <= _LAST_PORT:
        return int(port)
    more = "; 0, a free one, is for listening only" if port == "0" else ""
    if not port:
        raise BadAddress(f"{text!r} names no port: write {text}8086")
    raise BadAddress(f"{text!r}: its port {port!r} is no number from {least} to {_LAST_PORT}{more}")


def _is_v6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
