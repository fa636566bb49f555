"""Model what lives in a fake Hetzner project: servers and actions, and how they look in the API."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

RUNNING, SUCCESS, ERROR = "running", "success", "error"


@dataclasses.dataclass(slots=True, kw_only=True)
class Action:
    """Something that takes from ``begun`` to ``ends`` (Unix seconds), and how it ends."""

    id: int
    command: str
    server: int
    begun: float
    ends: float
    error: dict[str, str] | None = None

    def status(self, now: float) -> str:
        """Return the word that the API shows."""
        if now < self.ends:
            return RUNNING
        return ERROR if self.error else SUCCESS

    def shown(self, now: float) -> dict[str, Any]:
        """Show it as the API does."""
        status = self.status(now)
        return {
            "id": self.id,
            "command": self.command,
            "status": status,
            "progress": 0 if status == RUNNING else 100,
            "started": stamp(self.begun),
            "finished": None if status == RUNNING else stamp(self.ends),
            "resources": [{"id": self.server, "type": "server"}],
            "error": self.error if status == ERROR else None,
        }


@dataclasses.dataclass(slots=True, kw_only=True)
class Server:
    """A server; what it does follows from the instants of its life (Unix seconds).

    ``made_at`` ends its create action, ``up_at`` its boot; ``gone_at`` is when a deletion under
    way is done. ``fails`` says what its create action ends with: "gone" or "off" ("" for well).
    ``seen_at`` is when listings begin to show it. ``power`` is "off" once it was shut down;
    ``word`` overrides the status that the API shows.
    """

    id: int
    name: str
    labels: dict[str, str]
    server_type: dict[str, Any]
    location: dict[str, Any]
    image: dict[str, Any]
    created: float
    made_at: float
    up_at: float
    seen_at: float
    user_data: str = ""
    ssh_keys: tuple[str, ...] = ()
    networks: dict[int, str] = dataclasses.field(default_factory=dict)
    firewalls: tuple[int, ...] = ()
    placement_group: int = 0
    ipv4: bool = True
    ipv6: bool = True
    fails: str = ""
    power: str = "on"
    word: str = ""
    protected: bool = False
    locked_until: float = 0.0
    deleted_at: float | None = None
    gone_at: float | None = None
    booted: bool = False

    def status(self, now: float) -> str:
        """Return the word that the API shows."""
        if self.word:
            return self.word
        if self.deleted_at is not None:
            return "deleting"
        if now < self.made_at:
            return "initializing"
        if self.power == "off" or self.fails:
            return "off"
        return "running" if now >= self.up_at else "starting"

    @property
    def address(self) -> str:
        """Return the public IPv4 address, of the range for benchmarks."""
        return f"198.18.{self.id // 250 % 250}.{self.id % 250 + 1}"


def stamp(seconds: float) -> str:
    """Write an instant as the API does."""
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return when.isoformat().replace("+00:00", "Z")


def public_net(server: Server) -> dict[str, Any]:
    """Show a server's public addresses as the API does."""
    ipv4 = {
        "id": server.id * 2,
        "ip": server.address,
        "blocked": False,
        "dns_ptr": f"static.{server.id}.clients.example",
    }
    ipv6 = {
        "id": server.id * 2 + 1,
        "ip": f"2001:db8:{server.id % 0xFFFF:x}::/64",
        "blocked": False,
        "dns_ptr": [],
    }
    return {
        "ipv4": ipv4 if server.ipv4 else None,
        "ipv6": ipv6 if server.ipv6 else None,
        "floating_ips": [],
        "firewalls": [{"id": number, "status": "applied"} for number in server.firewalls],
    }


def shown(server: Server, group: dict[str, Any] | None, now: float) -> dict[str, Any]:
    """Show a server as the API does."""
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status(now),
        "created": stamp(server.created),
        "public_net": public_net(server),
        "private_net": [
            {
                "network": number,
                "ip": address,
                "alias_ips": [],
                "mac_address": f"86:00:00:00:{server.id % 256:02x}:{number % 256:02x}",
            }
            for number, address in server.networks.items()
        ],
        "server_type": server.server_type,
        "location": server.location,
        "image": server.image,
        "iso": None,
        "rescue_enabled": False,
        "locked": now < server.locked_until,
        "backup_window": None,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": 20_000_000_000_000,
        "protection": {"delete": server.protected, "rebuild": server.protected},
        "labels": server.labels,
        "volumes": [],
        "load_balancers": [],
        "primary_disk_size": server.server_type["disk"],
        "placement_group": group,
    }
