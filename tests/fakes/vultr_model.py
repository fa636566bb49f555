"""Model what lives at a fake Vultr: instances, and how the API shows them."""

from __future__ import annotations

import dataclasses
import datetime
import zlib
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(slots=True, kw_only=True)
class Instance:
    """An instance; what it does follows from the instants of its life (Unix seconds).

    It is pending until ``made_at``, installs until ``up_at``; ``gone_at`` is when a deletion
    under way is done. Until ``locked_until`` it cannot be deleted. ``seen_at`` is when lists begin
    to show it. ``words`` overrides what the API says of ``status``, ``power_status`` and
    ``server_status``. ``user_data`` is what the machine reads: decoded.
    """

    id: str
    label: str
    tags: list[str]
    plan: Row
    region: str
    created: float
    made_at: float
    up_at: float
    seen_at: float
    hostname: str = ""
    os: Row = dataclasses.field(default_factory=dict)
    snapshot: str = ""
    image: str = ""
    user_data: bytes = b""
    ssh_keys: tuple[str, ...] = ()
    vpcs: tuple[str, ...] = ()
    firewall: str = ""
    ipv4: bool = True
    ipv6: bool = False
    power: str = "running"
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    locked_until: float = 0.0
    gone_at: float | None = None
    booted: bool = False

    def status(self, now: float) -> dict[str, str]:
        """Return the three words that the API shows."""
        if now < self.made_at:
            value = ("pending", "running", "none")
        elif now < self.up_at:
            value = ("active", "running", "installingbooting")
        else:
            value = ("active", self.power, "locked" if now < self.locked_until else "ok")
        return {**dict(zip(("status", "power_status", "server_status"), value, strict=True))} | (
            self.words
        )

    @property
    def number(self) -> int:
        """Return a number for addresses."""
        return zlib.crc32(self.id.encode())


def stamp(seconds: float) -> str:
    """Write an instant as the API does."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).isoformat()


def shown(instance: Instance, now: float) -> Row:
    """Show an instance as the API does, old fields beside new ones."""
    made = now >= instance.made_at
    low, high = instance.number % 250 + 1, instance.number // 250 % 250
    address = f"198.18.{high}.{low}" if made and instance.ipv4 else "0.0.0.0"  # noqa: S104
    ipv6 = f"2001:db8:5400::{instance.number % 0xFFFF:x}" if made and instance.ipv6 else ""
    v6 = {"network": "2001:db8:5400::", "main_ip": ipv6, "network_size": 64}
    return {
        "id": instance.id,
        "os": instance.os.get("name", "Snapshot"),
        "ram": instance.plan["ram"],
        "disk": instance.plan["disk"],
        "main_ip": address,
        "vcpu_count": instance.plan["vcpu_count"],
        "region": instance.region,
        "plan": instance.plan["id"],
        "date_created": stamp(instance.created),
        **instance.status(now),
        "allowed_bandwidth": 1000,
        "netmask_v4": "255.255.254.0" if made else "",
        "gateway_v4": "198.18.0.1" if made else "0.0.0.0",  # noqa: S104
        "hostname": instance.hostname,
        "label": instance.label,
        "tag": instance.tags[0] if instance.tags else "",
        "tags": list(instance.tags),
        "internal_ip": f"10.1.{high}.{low}" if made and instance.vpcs else "",
        "kvm": "",
        "os_id": instance.os.get("id", 164),
        "app_id": 0,
        "image_id": instance.image,
        "snapshot_id": instance.snapshot,
        "firewall_group_id": instance.firewall,
        "features": ["ipv6"] if instance.ipv6 else [],
        "v6_networks": [v6] if ipv6 else [],
        "v6_network": "2001:db8:5400::" if ipv6 else "",
        "v6_main_ip": ipv6,
        "v6_network_size": 64 if ipv6 else 0,
        "vpc_only": not (instance.ipv4 or instance.ipv6),
        "user_scheme": "root",
    }
