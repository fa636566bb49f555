"""Read what the API shows: servers, machine types, offers.

Optional fields may be missing and new ones may appear; a field that the API always sends and does
not is an error (LookupError, TypeError, ValueError), which makes the whole answer unreadable.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from providers import contract
from providers.hetzner import vocabulary
from providers.kit import marks as rules

SCHEME = "hcloud"
CLUSTER = "vps-autoscaler/cluster"
GROUP = "vps-autoscaler/group"
NODE = "vps-autoscaler/node"
IDENTITY = "vps-autoscaler/identity"
UNJOINED = "vps-autoscaler/unjoined"
ADOPTED = "vps-autoscaler/adopted"
KEYS: Mapping[contract.Mark, str] = {
    contract.Mark.CLUSTER: CLUSTER,
    contract.Mark.GROUP: GROUP,
    contract.Mark.NODE: NODE,
    contract.Mark.IDENTITY: IDENTITY,
    contract.Mark.UNJOINED: UNJOINED,
    contract.Mark.ADOPTED: ADOPTED,
}

_GIB = 1024**3
_GB = 1000**3

Row = Mapping[str, Any]


def marks(order: contract.Order) -> dict[str, str]:
    """Return the labels of the server that an order asks for; ours win over the user's."""
    ours = {CLUSTER: order.cluster, GROUP: order.group, NODE: order.node_name}
    if order.identity:
        ours[IDENTITY] = order.identity
    ours[UNJOINED] = contract.UNJOINED_VALUE
    return {**order.labels, **ours}


def changed(
    labels: Mapping[str, str],
    put: Mapping[contract.Mark, str],
    remove: Collection[contract.Mark],
) -> dict[str, str]:
    """Return a server's labels with marks put on and taken off; the others stay as they are."""
    gone = {KEYS[mark] for mark in remove}
    kept = {key: value for key, value in labels.items() if key not in gone}
    return {**kept, **{KEYS[mark]: value for mark, value in put.items()}}


def identity(row: Row) -> str:
    """Return the identity of the cluster whose server it is, as Instance has it."""
    value = row["labels"].get(IDENTITY)
    return rules.identity_of(() if value is None else (str(value),))


def whose(row: Row) -> tuple[str, str] | None:
    """Return the cluster and the identity that a server's marks name; None where none is named."""
    cluster = row["labels"].get(CLUSTER)
    return None if cluster is None else (str(cluster), identity(row))


def selector(**labels: str) -> str:
    """Select what carries exactly these marks: ``cluster``, ``group``, ``node``."""
    keys = {"cluster": CLUSTER, "group": GROUP, "node": NODE}
    return ",".join(f"{keys[name]}=={value}" for name, value in labels.items())


def is_ours(row: Row, cluster: str) -> bool:
    """Return whether a server carries our cluster's mark, whatever the API's filter let through."""
    return bool(row["labels"].get(CLUSTER) == cluster)


def instance(
    row: Row, unknown_state: Callable[[str], None], receipt: str = ""
) -> contract.Instance:
    """Read a server; an unknown state is passed to ``unknown_state`` and means RUNNING."""
    number = str(int(row["id"]))
    labels = row["labels"]
    word = str(row["status"])
    state = vocabulary.STATES.get(word)
    if state is None:
        unknown_state(word)
        state = contract.InstanceState.RUNNING
    image = row.get("image") or {}
    created = row.get("created")
    return contract.Instance(
        id=number,
        provider_id=f"{SCHEME}://{number}",
        node_name=str(labels.get(NODE, "")),
        group=str(labels.get(GROUP, "")),
        identity=identity(row),
        unjoined=labels.get(UNJOINED) == contract.UNJOINED_VALUE,
        adopted=labels.get(ADOPTED) == contract.UNJOINED_VALUE,
        machine_type=str(row["server_type"]["name"]),
        location=str(row["location"]["name"]),
        image=str(image.get("name") or image.get("id") or ""),
        addresses=tuple(_addresses(row)),
        state=state,
        created_at=_unix(created) if created else 0.0,
        receipt=receipt,
    )


def candidate(row: Row, unknown_state: Callable[[str], None]) -> contract.Candidate:
    """Read a server, whosever it is."""
    ours = frozenset(KEYS.values())
    labels = {str(key): str(value) for key, value in row["labels"].items()}
    return contract.Candidate(
        instance=instance(row, unknown_state),
        cluster=labels.get(CLUSTER, ""),
        name=str(row["name"]),
        labels=frozenset(pair for pair in labels.items() if pair[0] not in ours),
    )


def _addresses(row: Row) -> Iterator[str]:
    """Yield the public IPv4 address, the first of the public IPv6 network, the private ones."""
    public = row.get("public_net") or {}
    if ipv4 := (public.get("ipv4") or {}).get("ip"):
        yield str(ipaddress.ip_address(ipv4))
    if ipv6 := (public.get("ipv6") or {}).get("ip"):
        yield str(ipaddress.ip_network(ipv6, strict=False)[1])
    for network in row.get("private_net") or ():
        if address := network.get("ip"):
            yield str(ipaddress.ip_address(address))


def machine_type(row: Row) -> contract.MachineType:
    """Read a server type.

    The API's GB of memory are GiB (a 4 GB type has 4096 MiB before the kernel takes its share),
    its GB of disk are decimal. There are no GPUs.
    """
    places = row.get("locations") or ()
    gone = bool(places) and all(place.get("deprecation") for place in places)
    architecture = str(row["architecture"])
    return contract.MachineType(
        name=str(row["name"]),
        cpu_millis=int(row["cores"] * 1000),
        memory_bytes=int(row["memory"] * _GIB),
        disk_bytes=int(row["disk"] * _GB),
        arch=vocabulary.ARCHITECTURES.get(architecture, architecture),
        deprecated=gone or bool(row.get("deprecation")) or bool(row.get("deprecated")),
    )


def offers(types: Iterable[Row], pricing: Row, now: float) -> Iterator[contract.Offer]:
    """Join types, their prices and what they say of stock, as of ``now`` (Unix seconds).

    A price alone is no offer: a type also has prices where it is not sold. All prices are net.
    """
    currency = str(pricing["currency"])
    ipv4 = {
        str(price["location"]): Decimal(str(price["price_hourly"]["net"]))
        for kind in pricing["primary_ips"]
        if kind["type"] == "ipv4"
        for price in kind["prices"]
    }
    for row in types:
        places = {str(place["name"]): place for place in row["locations"]}
        for price in row["prices"]:
            location = str(price["location"])
            if location not in places:
                continue
            yield contract.Offer(
                machine_type=str(row["name"]),
                location=location,
                price_per_hour=Decimal(str(price["price_hourly"]["net"])),
                currency=currency,
                ipv4_per_hour=ipv4.get(location, Decimal(0)),
                in_stock=_in_stock(places[location], now),
            )


def _in_stock(place: Row, now: float) -> bool:
    ends = (place.get("deprecation") or {}).get("unavailable_after")
    return bool(place.get("available", True)) and not (ends and _unix(ends) <= now)


def _unix(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp).timestamp()
