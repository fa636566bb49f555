"""Hold what the fake Vultr sells: plans, regions, operating systems.

The reference catalogue beside the repository is used where it lies; a checkout alone has the few
rows below, which suffice for every test. Prices are USD of 2025.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[3] / "shared" / "catalogue" / "vultr.json"
Row = dict[str, Any]

_REGIONS = (
    ("ams", "Amsterdam", "NL", "Europe"),
    ("ewr", "New Jersey", "US", "North America"),
    ("fra", "Frankfurt", "DE", "Europe"),
    ("nrt", "Tokyo", "JP", "Asia"),
)
_EVERYWHERE = tuple(row[0] for row in _REGIONS)
_PLANS = (
    ("vc2-1c-1gb", 1, 1024, 25, 5, 0.007, _EVERYWHERE, None),
    ("vc2-2c-4gb", 2, 4096, 80, 20, 0.027, _EVERYWHERE, None),
    ("vc2-4c-8gb", 4, 8192, 160, 40, 0.055, _EVERYWHERE, None),
    ("vcg-a16-2c-8g-2vram", 2, 8192, 50, 43, 0.059, ("ewr", "fra"), (2, "NVIDIA_A16")),
    ("vcg-a100-12c-120g-80vram", 12, 122880, 1400, 1750, 2.397, (), (80, "NVIDIA_A100")),
)
_OS = (
    (159, "Custom", "iso"),
    (164, "Snapshot", "snapshot"),
    (1743, "Ubuntu 22.04 LTS x64", "ubuntu"),
    (2136, "Debian 12 x64 (bookworm)", "debian"),
    (2284, "Ubuntu 24.04 LTS x64", "ubuntu"),
)


def load() -> dict[str, list[Row]]:
    """Give ``plans``, ``regions`` and ``os`` as the API shows them."""
    document = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    rows = {
        "plans": document.get("plans") or [_plan(*row) for row in _PLANS],
        "regions": document.get("regions")
        or [
            {"id": name, "city": city, "country": land, "continent": part, "options": []}
            for name, city, land, part in _REGIONS
        ],
        "os": document.get("os")
        or [
            {"id": number, "name": name, "arch": "x64", "family": family}
            for number, name, family in _OS
        ],
    }
    return {
        kind: [{k: v for k, v in row.items() if not k.startswith("_")} for row in each]
        for kind, each in copy.deepcopy(rows).items()
    }


def _plan(
    name: str,
    cpus: int,
    ram: int,
    disk: int,
    monthly: float,
    hourly: float,
    places: tuple[str, ...],
    gpu: tuple[int, str] | None,
) -> Row:
    return {
        "id": name,
        "vcpu_count": cpus,
        "ram": ram,
        "disk": disk,
        "disk_type": "SSD",
        "disk_count": 1,
        "bandwidth": 1024,
        "monthly_cost": monthly,
        "hourly_cost": hourly,
        "invoice_type": "monthly",
        "type": name.split("-", maxsplit=1)[0],
        "locations": list(places),
        "cpu_vendor": "Intel",
        "storage_type": "local_storage",
        "vcpu_type": "thread",
        **({"gpu_vram_gb": gpu[0], "gpu_type": gpu[1]} if gpu else {}),
    }
