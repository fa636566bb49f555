"""Hold what the fake Linode sells: types, regions, images, and the stock it reports.

The reference catalogue beside the repository is used where it lies; a checkout alone has the few
rows below, which suffice for every test. Prices are USD of 2025.
"""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[3] / "shared" / "catalogue" / "linode.json"
CAPABILITIES = ("Linodes", "VPCs", "Metadata", "Placement Group", "Cloud Firewall")
LINODES_PER_GROUP = 5

_REGIONS = ("us-east", "us-ord", "eu-central", "nl-ams", "id-cgk", "br-gru")
_DEARER = {"id-cgk": Decimal("1.2"), "br-gru": Decimal("1.4")}
_TYPES = (
    ("g6-nanode-1", "Nanode 1GB", "nanode", 1, 1, 25, 0, "0.0075", "5"),
    ("g6-standard-1", "Linode 2GB", "standard", 1, 2, 50, 0, "0.018", "12"),
    ("g6-standard-2", "Linode 4GB", "standard", 2, 4, 80, 0, "0.036", "24"),
    ("g6-standard-4", "Linode 8GB", "standard", 4, 8, 160, 0, "0.072", "48"),
    ("g6-dedicated-2", "Dedicated 4GB", "dedicated", 2, 4, 80, 0, "0.054", "36"),
    ("g7-premium-2", "Premium 4GB", "premium", 2, 4, 80, 0, "0.0645", "43"),
    ("g2-gpu-rtx4000a1-s", "RTX4000 Ada x1 Small", "gpu", 4, 16, 500, 1, "0.52", "350"),
    (
        "g1-accelerated-netint-vpu-t1u1-s",
        "NETINT Quadra T1U x1 Small",
        "accelerated",
        8,
        16,
        200,
        0,
        "0.42",
        "280",
    ),
)
_IMAGES = (
    ("linode/debian12", "Debian 12", "Debian"),
    ("linode/debian13", "Debian 13", "Debian"),
    ("linode/ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu"),
)


def load() -> dict[str, list[dict[str, Any]]]:
    """Give ``types``, ``regions`` and ``images`` as the API shows them."""
    document = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    images = {row["id"]: {**image(row["id"], ""), **row} for row in document.get("images", ())}
    for number, label, vendor in _IMAGES:
        images.setdefault(number, image(number, label, vendor=vendor))
    catalogue = {
        "types": document.get("types") or [_type(*row) for row in _TYPES],
        "regions": document.get("regions") or [region(name) for name in _REGIONS],
        "images": sorted(images.values(), key=lambda each: str(each["id"])),
    }
    return {
        kind: [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]
        for kind, rows in copy.deepcopy(catalogue).items()
    }


def region(name: str, **more: Any) -> dict[str, Any]:
    """Make a region as the API shows it."""
    limits = {"maximum_pgs_per_customer": 5, "maximum_linodes_per_pg": LINODES_PER_GROUP}
    return {
        "id": name,
        "label": name,
        "country": name[:2],
        "capabilities": list(CAPABILITIES),
        "status": "ok",
        "site_type": "core",
        "placement_group_limits": limits,
        **more,
    }


def image(number: str, label: str, **more: Any) -> dict[str, Any]:
    """Make an image as the API shows it."""
    public = number.startswith("linode/")
    return {
        "id": number,
        "label": label,
        "description": None,
        "created": "2025-08-01T10:00:00",
        "updated": "2025-08-01T10:00:00",
        "created_by": "linode" if public else "ops",
        "vendor": None,
        "type": "manual",
        "is_public": public,
        "deprecated": False,
        "status": "available",
        "capabilities": ["cloud-init"],
        "size": 2500,
        "total_size": 2500,
        "tags": [],
        "regions": [],
        "eol": None,
        "expiry": None,
        **more,
    }


def _type(
    name: str,
    label: str,
    kind: str,
    vcpus: int,
    memory_gib: int,
    disk_gib: int,
    gpus: int,
    hourly: str,
    monthly: str,
) -> dict[str, Any]:
    def priced(factor: Decimal) -> dict[str, float]:
        return {
            "hourly": float(Decimal(hourly) * factor),
            "monthly": float(Decimal(monthly) * factor),
        }

    return {
        "id": name,
        "label": label,
        "class": kind,
        "vcpus": vcpus,
        "memory": memory_gib * 1024,
        "disk": disk_gib * 1024,
        "gpus": gpus,
        "accelerated_devices": int(kind == "accelerated"),
        "transfer": 4000,
        "network_out": 4000,
        "price": priced(Decimal(1)),
        "region_prices": [
            {"id": place, **priced(factor)} for place, factor in _DEARER.items() if not gpus
        ],
        "addons": {"backups": {"price": {"hourly": 0.004, "monthly": 2.5}, "region_prices": []}},
        "successor": None,
    }
