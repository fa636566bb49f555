"""Hold what the fake Hetzner sells: machine types, locations, system images, prices.

The reference catalogue beside the repository is used where it lies; a checkout alone has the few
types below, which suffice for every test. Figures are net and gross EUR of late 2026.
"""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[3] / "shared" / "catalogue" / "hetzner.json"
IPV4_PER_HOUR = "0.0008"
VAT = Decimal("1.19")

_LOCATIONS = (
    (1, "fsn1", "DE", "Falkenstein", 50.47612, 12.370071, "eu-central"),
    (2, "nbg1", "DE", "Nuremberg", 49.452102, 11.076665, "eu-central"),
    (3, "hel1", "FI", "Helsinki", 60.169855, 24.938379, "eu-central"),
    (4, "ash", "US", "Ashburn, VA", 39.045821, -77.487073, "us-east"),
)
_EU = ("fsn1", "nbg1", "hel1")
_TYPES = (
    (100, "cx23", 2, 4.0, 40, "x86", "shared", "0.0088", _EU),
    (101, "cx33", 4, 8.0, 80, "x86", "shared", "0.0136", _EU),
    (104, "cpx22", 2, 4.0, 80, "x86", "shared", "0.0312", _EU),
    (109, "cpx11", 2, 2.0, 40, "x86", "shared", "0.0080", ("ash",)),
    (112, "cax11", 2, 4.0, 40, "arm", "shared", "0.0096", _EU),
    (116, "ccx13", 2, 8.0, 80, "x86", "dedicated", "0.0689", (*_EU, "ash")),
)
_IMAGES = (
    (161547269, "ubuntu-24.04", "x86"),
    (161547270, "ubuntu-24.04", "arm"),
    (114690387, "debian-12", "x86"),
    (114690389, "debian-12", "arm"),
    (310557660, "debian-13", "x86"),
    (310557661, "debian-13", "arm"),
)


def load() -> dict[str, list[dict[str, Any]]]:
    """Give ``server_types``, ``locations`` and ``images`` as the API shows them."""
    document = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    types = document.get("server_types") or [_type(*row) for row in _TYPES]
    locations = document.get("locations") or [_location(*row) for row in _LOCATIONS]
    images = {(each["name"], each["architecture"]): each for each in document.get("images", ())}
    for number, name, architecture in _IMAGES:
        images.setdefault((name, architecture), image(number, name, architecture))
    catalogue = {
        "server_types": types,
        "locations": locations,
        "images": sorted(images.values(), key=lambda each: int(each["id"])),
    }
    return {
        kind: [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]
        for kind, rows in copy.deepcopy(catalogue).items()
    }


def image(number: int, name: str | None, architecture: str, **more: Any) -> dict[str, Any]:
    """Make an image as the API shows it; without a name it is a snapshot."""
    flavor, _, version = (name or "unknown").partition("-")
    return {
        "id": number,
        "type": "system" if name else "snapshot",
        "status": "available",
        "name": name,
        "description": name or "a snapshot",
        "image_size": 2.3,
        "disk_size": 10,
        "created": "2026-01-15T08:00:00Z",
        "created_from": None if name else {"id": 1, "name": "builder"},
        "bound_to": None,
        "os_flavor": flavor if flavor in {"ubuntu", "debian", "fedora", "rocky"} else "unknown",
        "os_version": version or None,
        "rapid_deploy": bool(name),
        "protection": {"delete": False},
        "deprecated": None,
        "deleted": None,
        "labels": {},
        "architecture": architecture,
        **more,
    }


def pricing(catalogue: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Make the price list that belongs to a catalogue."""
    locations = [each["name"] for each in catalogue["locations"]]
    free = [_priced(name, "0.0000") for name in locations]
    return {
        "currency": "EUR",
        "vat_rate": "19.00",
        "primary_ips": [
            {"type": "ipv4", "prices": [_priced(name, IPV4_PER_HOUR) for name in locations]},
            {"type": "ipv6", "prices": free},
        ],
        "floating_ips": [],
        "floating_ip": {"price_monthly": _net("3.0000")},
        "image": {"price_per_gb_month": _net("0.0110")},
        "volume": {"price_per_gb_month": _net("0.0440")},
        "server_backup": {"percentage": "20.00"},
        "server_types": [
            {"id": each["id"], "name": each["name"], "prices": each["prices"]}
            for each in catalogue["server_types"]
        ],
        "load_balancer_types": [],
    }


def _net(amount: str) -> dict[str, str]:
    return {"net": amount, "gross": str((Decimal(amount) * VAT).quantize(Decimal("0.0001")))}


def _priced(location: str, hourly: str) -> dict[str, Any]:
    monthly = str(Decimal(hourly) * 624)
    return {"location": location, "price_hourly": _net(hourly), "price_monthly": _net(monthly)}


def _location(
    number: int, name: str, country: str, city: str, latitude: float, longitude: float, zone: str
) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": f"{city} DC Park 1",
        "country": country,
        "city": city,
        "latitude": latitude,
        "longitude": longitude,
        "network_zone": zone,
    }


def _type(
    number: int,
    name: str,
    cores: int,
    memory: float,
    disk: int,
    architecture: str,
    cpu_type: str,
    hourly: str,
    places: tuple[str, ...],
) -> dict[str, Any]:
    ids = {row[1]: row[0] for row in _LOCATIONS}
    traffic = {"included_traffic": 20_000_000_000_000, "price_per_tb_traffic": _net("1.0000")}
    return {
        "id": number,
        "name": name,
        "description": name.upper(),
        "cores": cores,
        "memory": memory,
        "disk": disk,
        "deprecated": False,
        "deprecation": None,
        "storage_type": "local",
        "cpu_type": cpu_type,
        "category": "Cost-Optimized",
        "architecture": architecture,
        "prices": [{**_priced(place, hourly), **traffic} for place in places],
        "locations": [
            {
                "id": ids[place],
                "name": place,
                "deprecation": None,
                "recommended": True,
                "available": True,
            }
            for place in places
        ],
    }
