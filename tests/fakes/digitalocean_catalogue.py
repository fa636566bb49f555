"""Hold what the fake DigitalOcean sells: sizes, regions, images.

The reference catalogue beside the repository is used where it lies; a checkout alone has the few
rows below, which suffice for every test. Prices are USD of the price list of 2022 and later.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[3] / "shared" / "catalogue" / "digitalocean.json"
Row = dict[str, Any]

_REGIONS = ("nyc1", "nyc2", "nyc3", "sfo3", "ams3", "fra1", "tor1", "atl1")
_FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]
_EVERYWHERE = tuple(slug for slug in _REGIONS if slug != "nyc2")
_SIZES = (
    ("s-1vcpu-1gb", 1, 1024, 25, 0.00893, _EVERYWHERE),
    ("s-2vcpu-4gb", 2, 4096, 80, 0.03571, _EVERYWHERE),
    ("s-4vcpu-8gb", 4, 8192, 160, 0.07143, _EVERYWHERE),
    ("gpu-h100x1-80gb", 20, 245760, 720, 3.39, ("nyc2", "tor1", "atl1")),
)
_IMAGES = (
    (155133621, "24.04 (LTS) x64", "Ubuntu", "ubuntu-24-04-x64"),
    (133505651, "12 x64", "Debian", "debian-12-x64"),
)


def load() -> dict[str, list[Row]]:
    """Give ``sizes``, ``regions`` and ``images`` as the API shows them."""
    document = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    sizes = document.get("sizes") or [_size(*row) for row in _SIZES]
    regions = document.get("regions") or [_region(slug) for slug in _REGIONS]
    images = document.get("images") or [
        {
            "id": number,
            "name": name,
            "distribution": distribution,
            "slug": slug,
            "public": True,
            "regions": [slug for slug in _REGIONS if slug != "atl1"],
            "type": "base",
            "min_disk_size": 7,
            "status": "available",
        }
        for number, name, distribution, slug in _IMAGES
    ]
    for region in regions:
        region["sizes"] = [size["slug"] for size in sizes if region["slug"] in size["regions"]]
    for image in images:
        image.setdefault("created_at", "2026-01-15T08:00:00Z")
        image.setdefault("size_gigabytes", 0.69)
        image.setdefault("description", "")
        image.setdefault("tags", [])
        image.setdefault("error_message", "")
    rows = {"sizes": sizes, "regions": regions, "images": images}
    return {
        kind: [{k: v for k, v in row.items() if not k.startswith("_")} for row in each]
        for kind, each in copy.deepcopy(rows).items()
    }


def _region(slug: str) -> Row:
    return {"slug": slug, "name": slug.upper(), "available": True, "features": _FEATURES}


def _size(
    slug: str, vcpus: int, memory: int, disk: int, hourly: float, places: tuple[str, ...]
) -> Row:
    gpu = {"count": 1, "model": "nvidia_h100", "vram": {"amount": 80, "unit": "gib"}}
    return {
        "slug": slug,
        "memory": memory,
        "vcpus": vcpus,
        "disk": disk,
        "transfer": 1.0,
        "price_monthly": round(hourly * 672, 2),
        "price_hourly": hourly,
        "regions": list(places),
        "available": True,
        "description": "H100 GPU - 1X" if slug.startswith("gpu") else "Basic",
        "disk_info": [{"type": "local", "size": {"amount": disk, "unit": "gib"}}],
        **({"gpu_info": gpu} if slug.startswith("gpu") else {}),
    }
