"""Read what the API shows: droplets, sizes, regions.

An address or an image may be missing; without its id, tags, size and state a droplet cannot be
judged, and the answer is an error (LookupError, TypeError, ValueError).
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from providers import contract
from providers.digitalocean import vocabulary
from providers.kit import marks

SCHEME = "digitalocean"
CURRENCY = "USD"

_MIB = 1024**2
_GB = 1000**3
_DIGITS = 6  # of a price: some are shown with the noise of a 32 bit float

Row = Mapping[str, Any]


def tags(row: Row) -> tuple[str, ...]:
    """Return a droplet's tags; one without the field cannot be judged (TypeError)."""
    shown_tags = row["tags"]
    if not isinstance(shown_tags, list):
        raise TypeError(f"tags are a {type(shown_tags).__name__}, not a list")
    return tuple(str(tag) for tag in shown_tags)


def identity(row: Row) -> str:
    """Return an id as text; anything but a whole number above zero is no id (ValueError)."""
    number = row["id"]
    if type(number) is not int or number <= 0:
        raise ValueError(f"{number!r} is no id")
    return str(number)


def instance(
    row: Row, mark: marks.Marks, unknown_state: Callable[[str], None], receipt: str = ""
) -> contract.Instance:
    """Read a droplet of ours; an unknown state is passed to ``unknown_state`` and means
    RUNNING."""
    number = identity(row)
    word = str(row["status"])
    state = vocabulary.STATES.get(word)
    if state is None:
        unknown_state(word)
        state = contract.InstanceState.RUNNING
    image = row.get("image") or {}
    created = row.get("created_at")
    return contract.Instance(
        id=number,
        provider_id=f"{SCHEME}://{number}",
        node_name=mark.node_name,
        group=mark.group,
        identity=mark.identity,
        unjoined=mark.unjoined,
        adopted=mark.adopted,
        machine_type=str(row["size_slug"]),
        location=str((row.get("region") or {}).get("slug", "")),
        image=str(image.get("slug") or image.get("id") or ""),
        addresses=tuple(_addresses(row.get("networks") or {})),
        state=state,
        created_at=_unix(str(created)) if created else 0.0,
        receipt=receipt,
    )


def has_gpu(row: Row) -> bool:
    """Return whether a droplet or a size comes with GPUs."""
    size = row.get("size") or {}
    return bool(row.get("gpu_info") or size.get("gpu_info"))


def _addresses(networks: Row) -> Iterator[str]:
    """Yield the public IPv4 addresses, the public IPv6 ones, then the private ones."""
    shown = [*(networks.get("v4") or ()), *(networks.get("v6") or ())]
    for kind in ("public", "private"):
        for each in shown:
            if each.get("type") == kind:
                yield str(ipaddress.ip_address(each["ip_address"]))


def machine_type(row: Row) -> contract.MachineType:
    """Read a size: MB of memory are MiB, GB of disk are taken for decimal; all are x86-64.

    GPU models are in capitals ("NVIDIA_H100"), as elsewhere.
    """
    gpu = row.get("gpu_info") or {}
    return contract.MachineType(
        name=str(row["slug"]),
        cpu_millis=int(row["vcpus"]) * 1000,
        memory_bytes=int(row["memory"]) * _MIB,
        disk_bytes=int(row["disk"]) * _GB,
        gpus=int(gpu.get("count") or 0),
        gpu_model=str(gpu.get("model") or "").upper(),
    )


def offers(sizes: Iterable[Row], regions: Iterable[Row]) -> Iterator[contract.Offer]:
    """Yield an offer for each size in each region: one price everywhere, the stock as shown.

    A size is in stock where its own list names the region and both are available. A size without
    a price is no offer.
    """
    places = [(str(region["slug"]), bool(region["available"])) for region in regions]
    for size in sizes:
        price = round(Decimal(str(size["price_hourly"])), _DIGITS)
        if price <= 0:
            continue
        here = set(size["regions"])
        for slug, opened in places:
            yield contract.Offer(
                machine_type=str(size["slug"]),
                location=slug,
                price_per_hour=price,
                currency=CURRENCY,
                in_stock=opened and bool(size["available"]) and slug in here,
            )


def _unix(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp).timestamp()
