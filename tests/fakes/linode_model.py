"""Model what lives in a fake Linode account: machines, and how they look in the API."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any


@dataclasses.dataclass(slots=True, kw_only=True)
class Machine:
    """A Linode; what it does follows from the instants of its life (Unix seconds).

    ``made_at`` ends its provisioning, ``up_at`` its boot; ``gone_at`` is when a deletion under way
    is done. ``seen_at`` is when listings begin to show it. ``off_at`` is when it powered itself
    off, None while it is on; with the watchdog it is booted again at ``back_at`` and up at
    ``up_at``. ``word`` overrides the status that the API shows.
    """

    id: int
    label: str
    tags: list[str]
    type: dict[str, Any]
    region: str
    image: str | None
    created: float
    made_at: float
    up_at: float
    seen_at: float
    user_data: bytes = b""
    authorized_keys: tuple[str, ...] = ()
    root_pass: str = ""
    swap_mb: int = 512
    private_ip: bool = False
    public: bool = True
    subnet: int = 0
    firewall: int = 0
    placement_group: int = 0
    watchdog: bool = True
    word: str = ""
    busy_until: float = 0.0
    off_at: float | None = None
    back_at: float | None = None
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
            return "provisioning"
        if self.off_at is not None:
            return "offline"
        return "running" if now >= self.up_at else "booting"

    @property
    def address(self) -> str:
        """Return the public IPv4 address, of the range for benchmarks."""
        return f"198.19.{self.id // 250 % 250}.{self.id % 250 + 1}"

    @property
    def private_address(self) -> str:
        """Return the address of the region's shared private network."""
        return f"192.168.{128 + self.id // 250 % 120}.{self.id % 250 + 1}"


def stamp(seconds: float) -> str:
    """Write an instant as the API does: UTC that does not say so."""
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return when.replace(tzinfo=None).isoformat()


def shown(machine: Machine, group: dict[str, Any] | None, now: float) -> dict[str, Any]:
    """Show a machine as the API does."""
    kind = machine.type
    keys = ("id", "label", "placement_group_type", "placement_group_policy")
    return {
        "id": machine.id,
        "label": machine.label,
        "group": "",
        "tags": list(machine.tags),
        "status": machine.status(now),
        "created": stamp(machine.created),
        "updated": stamp(max(machine.created, min(now, machine.up_at))),
        "type": kind["id"],
        "region": machine.region,
        "image": machine.image,
        "ipv4": [machine.address, *([machine.private_address] if machine.private_ip else [])],
        "ipv6": f"2001:db8::{machine.id >> 16 & 0xFFFF:x}:{machine.id & 0xFFFF:x}/128",
        "specs": {
            "disk": kind["disk"],
            "memory": kind["memory"],
            "vcpus": kind["vcpus"],
            "gpus": kind["gpus"],
            "transfer": kind["transfer"],
        },
        "alerts": {
            "cpu": 90 * kind["vcpus"],
            "io": 10000,
            "network_in": 10,
            "network_out": 10,
            "transfer_quota": 80,
        },
        "backups": {
            "available": False,
            "enabled": False,
            "schedule": {"day": None, "window": None},
        },
        "hypervisor": "kvm",
        "watchdog_enabled": machine.watchdog,
        "host_uuid": f"{machine.id:032x}",
        "has_user_data": bool(machine.user_data),
        "lke_cluster_id": None,
        "placement_group": {key: group[key] for key in keys} if group else None,
        "capabilities": [],
    }
