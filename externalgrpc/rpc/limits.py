"""What callers may take from the RPC port, each figure with its reason.

A Cluster Autoscaler holds one connection and makes a dozen calls at once at most, each with its
message right behind its headers. All the figures leave it room and bound everybody else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import resource

MIB = 1024 * 1024
_FILES = 8192
_PAGE = resource.getpagesize()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one port; tests shorten the times."""

    message_bytes: int = 4 * MIB
    """The longest request: a DeleteNodes of 1,000 nodes with their labels is half of it."""
    served: int = 16
    """Calls worked on at once: CA's loop, its background refresher and ten parallel deletions."""
    patience_s: float = 10.0
    """How long a call may wait for its message, a reply to be taken; CA gives up after 5 s."""
    receiving: int = 32
    """Calls whose message may be received for so long. Each may have sent all but its last byte,
    so this bounds memory as well: 32 x 4 MiB."""
    crowd: int = 512
    """Calls whose message may be received at all, the surplus in a hurry."""
    hurried_s: float = 0.5
    """How long the surplus may take; an honest message takes milliseconds."""
    crowd_bytes: int = 64 * MIB
    """What the process may grow in a crowd before only ``receiving`` are received at once."""
    parked: int = 1024
    """Calls that find no place and wait for one, with the 64 KiB that HTTP/2 lets them send; one
    more and the oldest is refused."""
    parked_s: float = 1.0
    """How long; then a call is refused, unless a place is free for it by then."""
    watching: int = 64
    """Calls that wait for news, or to have a part of their reply taken."""
    unsent: int = 512
    """Replies that callers have not taken; one more ends the oldest."""
    unsent_bytes: int = 32 * MIB
    """The same in bytes: a NodeGroupNodes of 5,000 machines is half a MiB."""
    concurrent: int = 4096
    """Calls accepted and not ended; more are refused with RESOURCE_EXHAUSTED."""
    streams: int = 256
    """Calls at once on one connection; more wait at the caller, or are refused."""
    connections: int = 2048
    """Connections of one port (not more than half of the open files that we are allowed)."""
    connection_idle_s: float = 300.0
    """A connection without calls is ended; the next call opens another."""
    connection_age_s: float = 600.0
    """A connection is asked to leave (GOAWAY: new calls go to a new one, none is lost) ..."""
    connection_grace_s: float = 15.0
    """... and cut this much later, with all that is half open on it."""
    handshake_s: float = 10.0
    """From connecting to the end of the TLS and HTTP/2 handshakes."""

    def options(self) -> list[tuple[str, int]]:
        """Return grpc's channel arguments."""
        return [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", self.message_bytes),
            # Nobody compresses requests, and what is not unpacked cannot swell: it is no message.
            ("grpc.per_message_decompression", 0),
            # A stream may send 64 KiB before anybody asks for its message; no probe makes it more.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.max_concurrent_streams", self.streams),
            ("grpc.max_allowed_incoming_connections", min(self.connections, open_files() // 2)),
            ("grpc.max_connection_idle_ms", round(self.connection_idle_s * 1000)),
            ("grpc.max_connection_age_ms", round(self.connection_age_s * 1000)),
            ("grpc.max_connection_age_grace_ms", round(self.connection_grace_s * 1000)),
            ("grpc.server_handshake_timeout_ms", round(self.handshake_s * 1000)),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]


def resident_bytes() -> int:
    """Return the memory that this process has in RAM; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - asked often, under attack
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def open_files() -> int:
    """Return the number of files and connections that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _FILES if soft == resource.RLIM_INFINITY else soft


def raise_open_files() -> None:
    """Allow this process as many open files as it may allow itself, up to 8,192.

    Many systems start programs with 1,024, which a thousand connections would use up, the ones
    to the clouds included. Idempotent; a refusal leaves what was.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
