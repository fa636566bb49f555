"""Read what the API shows: instances, plans, regions.

An address or an image may be missing; without its id, tags and plan an instance cannot be judged,
and the answer is an error (LookupError, TypeError, ValueError).
"""

from __future__ import annotations

import datetime
import ipaddress
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from providers import contract
from providers.kit import marks
from providers.vultr import vocabulary

SCHEME = "vultr"
CURRENCY = "USD"

_MIB = 1024**2
_GB = 1000**3
_HOURS_A_MONTH = 672  # the most that a month is billed for
_DIGITS = 6

Row = Mapping[str, Any]


def is_id(text: str) -> bool:
    """Return whether a text is an id: a UUID in its usual form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def identity(row: Row) -> str:
    """Return an instance's id; anything but a UUID is no id (ValueError)."""
    value = row["id"]
    if not isinstance(value, str) or not is_id(value):
        raise ValueError(f"{value!r} is no id")
    return value


def tags(row: Row) -> tuple[str, ...]:
    """Return an instance's tags; one without the field cannot be judged (TypeError)."""
    shown_tags = row["tags"]
    if not isinstance(shown_tags, list):
        raise TypeError(f"tags are a {type(shown_tags).__name__}, not a list")
    return tuple(str(tag) for tag in shown_tags)


def whosever(row: Row) -> Row:
    """Return an instance of whomever for what only counts or shows it: no tags are none.

    The document requires none in an answer. Of one that may be ours :func:`tags` is asked as it is.
    """
    return row if row.get("tags") is not None else {**row, "tags": []}


def instance(
    row: Row, mark: marks.Marks, unknown_state: Callable[[str], None]
) -> contract.Instance:
    """Read an instance of ours; an unknown state is passed to ``unknown_state``."""
    number = identity(row)
    state, unknown = vocabulary.state(row, unjoined=mark.unjoined)
    if unknown:
        unknown_state(unknown)
    created = row.get("date_created")
    return contract.Instance(
        id=number,
        provider_id=f"{SCHEME}://{number}",
        node_name=mark.node_name,
        group=mark.group,
        identity=mark.identity,
        unjoined=mark.unjoined,
        adopted=mark.adopted,
        machine_type=str(row["plan"]),
        location=str(row.get("region") or ""),
        image=str(row.get("snapshot_id") or row.get("image_id") or row.get("os_id") or ""),
        addresses=tuple(_addresses(row)),
        state=state,
        created_at=_unix(str(created)) if created else 0.0,
    )


def _addresses(row: Row) -> Iterator[str]:
    """Yield the public IPv4, the public IPv6 and the private address; 0.0.0.0 is none yet."""
    for field in ("main_ip", "v6_main_ip", "internal_ip"):
        if value := row.get(field):
            address = ipaddress.ip_address(value)
            if not address.is_unspecified:
                yield str(address)


def machine_type(row: Row) -> contract.MachineType:
    """Read a plan: MB of memory are MiB, GB of disk are taken for decimal.

    GPU plans are sold by memory of a card: ``gpus`` counts whole cards, and is 0 for a fraction
    and for a card that we do not know.
    """
    model = str(row.get("gpu_type") or "")
    card_gb = vocabulary.CARDS_GB.get(model, 0)
    memory_gb = int(row.get("gpu_vram_gb") or 0)
    return contract.MachineType(
        name=str(row["id"]),
        cpu_millis=int(row["vcpu_count"]) * 1000,
        memory_bytes=int(row["ram"]) * _MIB,
        disk_bytes=int(row["disk"] or 0) * _GB,  # null or 0: it has no disk of its own
        arch="arm64" if row.get("cpu_vendor") == "Ampere" else "amd64",
        gpus=memory_gb // card_gb if card_gb and memory_gb % card_gb == 0 else 0,
        gpu_model=model,
    )


def offers(plans: Iterable[Row], regions: Iterable[Row]) -> Iterator[contract.Offer]:
    """Yield an offer for each plan in each region, sold out where the plan does not name it.

    An empty list of locations, or null, is a plan that is sold out everywhere. Some regions have a
    price of their own. A plan without a price is no offer.
    """
    places = [str(region["id"]) for region in regions]
    for plan in plans:
        here = set(plan["locations"] or ())
        special = plan.get("location_cost") or {}
        for place in places:
            price = _price(special.get(place) or {}) or _price(plan)
            if price > 0:
                yield contract.Offer(
                    machine_type=str(plan["id"]),
                    location=place,
                    price_per_hour=price,
                    currency=CURRENCY,
                    in_stock=place in here,
                )


def _price(row: Row) -> Decimal:
    """Read the hourly price, from the monthly one where there is none; 0 without either."""
    if row.get("hourly_cost"):
        return round(Decimal(str(row["hourly_cost"])), _DIGITS)
    return round(Decimal(str(row.get("monthly_cost") or 0)) / _HOURS_A_MONTH, _DIGITS)


def _unix(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp).timestamp()
