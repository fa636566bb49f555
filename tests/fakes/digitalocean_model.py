"""Model what lives at a fake DigitalOcean: droplets and actions, and how the API shows them."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(slots=True, kw_only=True)
class Droplet:
    """A droplet; what it does follows from the instants of its life (Unix seconds).

    ``up_at`` is when it is active; ``indexed_at`` when lists by tag begin to show it; ``gone_at``
    when a deletion under way is done. ``fails`` says what is left when its create action errors:
    "new" or "gone" ("" for well). ``power`` is "off" once it was shut down; ``word`` overrides
    the status that the API shows. Until ``busy_until`` another event runs on it.
    """

    id: int
    name: str
    size: Row
    region: Row
    image: Row
    tags: list[str]
    created: float
    up_at: float
    indexed_at: float
    action: int = 0
    user_data: str = ""
    ssh_keys: tuple[int, ...] = ()
    vpc: str = ""
    ipv6: bool = False
    public: bool = True
    fails: str = ""
    power: str = "active"
    word: str = ""
    busy_until: float = 0.0
    gone_at: float | None = None
    booted: bool = False

    @property
    def has_gpu(self) -> bool:
        """Return whether the default lists leave it out."""
        return "gpu_info" in self.size

    def status(self, now: float) -> str:
        """Return the word that the API shows."""
        if self.word:
            return self.word
        return "new" if now < self.up_at or self.fails else self.power

    def action_status(self, now: float) -> str:
        """Return how its create action stands."""
        if now < self.up_at:
            return "in-progress"
        return "errored" if self.fails else "completed"


def stamp(seconds: float) -> str:
    """Write an instant as the API does."""
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return when.isoformat().replace("+00:00", "Z")


def networks(droplet: Droplet, now: float) -> Row:
    """Show a droplet's addresses, which come when it is up."""
    number = droplet.id
    low, high = number % 250 + 1, number // 250 % 250
    private = {
        "ip_address": f"10.128.{high}.{low}",
        "netmask": "255.255.0.0",
        "gateway": "nil",
        "type": "private",
    }
    public = {
        "ip_address": f"198.19.{high}.{low}",
        "netmask": "255.255.240.0",
        "gateway": "198.19.0.1",
        "type": "public",
    }
    v6 = {
        "ip_address": f"2001:db8:d0::{number % 0xFFFF:x}",
        "netmask": 64,
        "gateway": "2001:db8:d0::1",
        "type": "public",
    }
    if now < droplet.up_at:
        return {"v4": [], "v6": []}
    return {
        "v4": [private, *([public] if droplet.public else [])],
        "v6": [v6] if droplet.ipv6 and droplet.public else [],
    }


def shown(droplet: Droplet, now: float) -> Row:
    """Show a droplet as the API does."""
    size = droplet.size
    gpu = {"gpu_info": size["gpu_info"]} if droplet.has_gpu else {}
    return {
        "id": droplet.id,
        "name": droplet.name,
        "memory": size["memory"],
        "vcpus": size["vcpus"],
        "disk": size["disk"],
        "disk_info": size["disk_info"],
        "locked": now < droplet.busy_until,
        "status": droplet.status(now),
        "kernel": None,
        "created_at": stamp(droplet.created),
        "features": ["private_networking", *(["ipv6"] if droplet.ipv6 else [])],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": droplet.image,
        "volume_ids": [],
        "size": size,
        "size_slug": size["slug"],
        "networks": networks(droplet, now),
        "region": droplet.region,
        "tags": list(droplet.tags),
        **({"vpc_uuid": droplet.vpc} if droplet.vpc else {}),
        **gpu,
    }


def action(droplet: Droplet, now: float) -> Row:
    """Show a droplet's create action as the API does."""
    status = droplet.action_status(now)
    return {
        "id": droplet.action,
        "status": status,
        "type": "create",
        "started_at": stamp(droplet.created),
        "completed_at": None if status == "in-progress" else stamp(droplet.up_at),
        "resource_id": droplet.id,
        "resource_type": "droplet",
        "region": droplet.region,
        "region_slug": droplet.region["slug"],
    }
