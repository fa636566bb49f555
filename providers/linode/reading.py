"""Read what the API shows: machines, machine types, offers.

Optional fields may be missing and new ones may appear; a field that the API always sends and does
not is an error (LookupError, TypeError, ValueError), which makes the whole answer unreadable.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from providers import contract
from providers.kit import marks
from providers.linode import vocabulary

SCHEME = "linode"
CURRENCY = "USD"

_MIB = 1024**2
_LINODES = "Linodes"
_CAPABILITIES = {
    "gpu": "GPU Linodes",
    "premium": "Premium Plans",
    "accelerated": "NETINT Quadra T1U",
}
"""What a region can where the plans of a class are sold; other classes are sold everywhere."""

_CARD = re.compile(r"(?:.*\+ )?(?P<model>.+?)(?: GPU)? x[0-9]+\b")

Row = Mapping[str, Any]


def tags(row: Row) -> frozenset[str]:
    """Return a machine's tags; raises TypeError when they are none."""
    shown_tags = row["tags"]
    if not isinstance(shown_tags, list) or not all(isinstance(tag, str) for tag in shown_tags):
        raise TypeError(f"these are no tags: {shown_tags!r}")
    return frozenset(shown_tags)


def whosever(row: Row) -> Row:
    """Return a machine of whomever for what only counts or shows it: no tags are none.

    The document requires none in an answer. Of one that may be ours :func:`tags` is asked as it is.
    """
    return row if row.get("tags") is not None else {**row, "tags": []}


def instance(row: Row, unknown_state: Callable[[str], None]) -> contract.Instance:
    """Read a machine; an unknown state is passed to ``unknown_state`` and means RUNNING."""
    number = str(int(row["id"]))
    found_marks = marks.read(tags(row))
    word = str(row["status"])
    state = vocabulary.STATES.get(word)
    if state is None:
        unknown_state(word)
        state = contract.InstanceState.RUNNING
    if word == vocabulary.BUSY and found_marks.unjoined:
        state = contract.InstanceState.CREATING
    created = row.get("created")
    return contract.Instance(
        id=number,
        provider_id=f"{SCHEME}://{number}",
        node_name=found_marks.node_name,
        group=found_marks.group,
        identity=found_marks.identity,
        unjoined=found_marks.unjoined,
        adopted=found_marks.adopted,
        machine_type=_text(row["type"] or ""),  # a plan of long ago has none
        location=_text(row["region"]),
        image=str(row.get("image") or ""),
        addresses=tuple(_addresses(row)),
        state=state,
        created_at=_unix(created) if created else 0.0,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _addresses(row: Row) -> Iterator[str]:
    """Yield the IPv4 addresses, public and private, and the IPv6 one; a VPC's are not shown."""
    for address in row.get("ipv4") or ():
        yield str(ipaddress.ip_address(address))
    if ipv6 := row.get("ipv6"):
        yield str(ipaddress.ip_interface(ipv6).ip)


def machine_type(row: Row) -> contract.MachineType:
    """Read a type.

    The API's MB of memory and of disk are MiB. All types are amd64. A type with a successor is
    of an older generation. Cards are whole; a VPU is none.
    """
    gpus = int(row.get("gpus") or 0)
    return contract.MachineType(
        name=str(row["id"]),
        cpu_millis=int(row["vcpus"]) * 1000,
        memory_bytes=int(row["memory"]) * _MIB,
        disk_bytes=int(row["disk"]) * _MIB,
        gpus=gpus,
        gpu_model=_card(str(row.get("label") or row["id"])) if gpus else "",
        deprecated=bool(row.get("successor")),
    )


def _card(label: str) -> str:
    """Read the card's name off a label such as "RTX4000 Ada x1 Small"."""
    found = _CARD.match(label)
    return found["model"] if found else label


def offers(
    types: Iterable[Row], regions: Iterable[Row], availability: Iterable[Row]
) -> Iterator[contract.Offer]:
    """Join types, regions and what the API shows of stock, which is only part of it.

    Every type is offered in every region that has machines; ``availability`` and the regions'
    capabilities say where limited plans cannot be had now. The public IPv4 is in the price. A
    price of zero is what the API shows for some plans: it means that the price is unknown, as none
    does: one such type must not hide the others.
    """
    stock = {(str(row["plan"]), str(row["region"])): bool(row["available"]) for row in availability}
    places = [row for row in regions if _LINODES in (row.get("capabilities") or ())]
    # A capability that no region names is a word that the API does not use (any more).
    used = {word for row in places for word in row["capabilities"]}
    for kind in types:
        name = str(kind["id"])
        needed = _CAPABILITIES.get(str(kind.get("class")), "")
        usual = (kind.get("price") or {}).get("hourly")
        extra = {str(row["id"]): row.get("hourly") for row in kind.get("region_prices") or ()}
        for place in places:
            location = str(place["id"])
            sold = needed not in used or needed in place["capabilities"]
            open_now = place.get("status") != "outage"
            yield contract.Offer(
                machine_type=name,
                location=location,
                price_per_hour=_price(extra.get(location, usual)),
                currency=CURRENCY,
                in_stock=sold and open_now and stock.get((name, location), True),
            )


def _price(value: object) -> Decimal:
    """Read a price an hour; floats as the API wrote them."""
    price = Decimal(0) if value is None else Decimal(str(value))
    if not price.is_finite() or price < 0:
        raise ValueError(f"{value!r} is no price")
    return price


def _unix(stamp: str) -> float:
    """Read an instant; the API means UTC and does not say so."""
    when = datetime.datetime.fromisoformat(stamp)
    return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
