"""Describe /status.json: every key, its type and what it says.

docs/status.schema.json is made of it. Instants are Unix seconds; null is what nobody knows or has
seen. Prices are decimal texts, net, in ``currency``. Keys are those of the configuration where it
has them. A key is added without a new ``version``; one that goes, or says something else, brings
one.

No addresses, no labels, no user-data and no tokens: whoever reads the page sees what exists and
what it costs, and nothing to log in with.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any, Final, Literal

import pydantic
from pydantic import alias_generators

VERSION: Final = 1

_CONFIG: Final = pydantic.ConfigDict(
    alias_generator=alias_generators.to_camel, use_attribute_docstrings=True
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """The process that answers."""

    __pydantic_config__ = _CONFIG

    version: str
    started_at: float
    dry_run: bool
    """Nothing is created or deleted."""
    watches_nodes: bool
    """It follows the cluster's Nodes (kubernetes: in the file). Else the last step of a way is
    node, when the autoscaler showed it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What the machines that exist cost, those included that are being deleted or in doubt."""

    __pydantic_config__ = _CONFIG

    per_hour: Decimal
    per_month: Decimal
    """Of 730 hours. Vendors that cap a month bill less."""
    machines: int
    unpriced: int
    """So many of them have no price that is known: they are not in the sums."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Why:
    """The answer to: why is there no node? The first reason of all that hold."""

    __pydantic_config__ = _CONFIG

    code: str
    sentence: str
    cure: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class NotNow:
    """Why nothing is ordered for now."""

    __pydantic_config__ = _CONFIG

    code: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a group may order, in the order in which it tries."""

    __pydantic_config__ = _CONFIG

    instance_type: str
    region: str
    price_per_hour: Decimal | None
    """A public IPv4 is in it where the group has one."""
    sold: bool
    """The cloud has an offer of it at all."""
    in_stock: bool
    """The cloud's own hint; an order is tried all the same."""
    refused_until: float | None
    refused_because: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """A group of like machines."""

    __pydantic_config__ = _CONFIG

    name: str
    account: str
    min_size: int
    max_size: int
    target_size: int
    """The machines that count: what exists, and what is on the way."""
    nodes: int
    """So many of them are nodes."""
    shown_max_size: int
    """What the autoscaler is shown as maxSize: the target while nothing may be ordered."""
    phases: dict[str, int]
    """All its machines by phase, those included that do not count."""
    price_per_hour: Decimal | None
    """Of the first candidate."""
    cost_per_hour: Decimal
    departed: bool
    vps_node: bool
    """An object of the cluster, and not an entry of the file."""
    trouble: str
    """Why it is left out or held back; empty when it is not."""
    not_now: NotNow | None
    candidates: tuple[Candidate, ...]
    why: Why


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepTaken:
    """A step on the way to a ready node; ``at`` is null where nobody was looking."""

    __pydantic_config__ = _CONFIG

    step: Literal["asked", "ordered", "created", "running", "joined", "node", "ready"]
    at: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine with our mark, or an order of one."""

    __pydantic_config__ = _CONFIG

    name: str
    group: str
    account: str
    provider_id: str
    instance_type: str
    region: str
    phase: str
    """One of those of docs/operating.md."""
    price_per_hour: Decimal | None
    way: tuple[StepTaken, ...]
    """The steps that it took, in their order."""
    awaits: str
    """The step that is next; empty where the way is at its end, or ended."""
    code: str
    """What is wrong with it, as a code; empty for nothing."""
    message: str
    """The same as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """A machine, or an order, that is no more."""

    __pydantic_config__ = _CONFIG

    name: str
    group: str
    account: str
    instance_type: str
    region: str
    way: tuple[StepTaken, ...]
    end: Literal["failed", "drained", "deleted", "vanished", "withdrawn", "doubted"]
    ended_at: float
    code: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refused:
    """What a cloud said no to, and until when that puts it behind the others."""

    __pydantic_config__ = _CONFIG

    what: str
    code: str
    message: str
    at: float
    until: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """The rate budget as the cloud's last answer showed it."""

    __pydantic_config__ = _CONFIG

    remaining: int
    limit: int
    reset_at: float
    seen_at: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """A login at one cloud."""

    __pydantic_config__ = _CONFIG

    name: str
    provider: str
    machines: int
    listed_at: float | None
    """When the last complete listing began."""
    listing_failures: int
    """In a row."""
    trouble: str
    budget: Budget | None
    orders_last_hour: int
    max_orders_per_hour: int
    not_now: NotNow | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened, the latest first; numbers count from 1 and have no gaps."""

    __pydantic_config__ = _CONFIG

    number: int
    at: float
    weight: Literal["note", "good", "warning", "trouble"]
    text: str
    group: str
    machine: str
    account: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
    """All that the status page shows."""

    __pydantic_config__ = _CONFIG

    version: Literal[1]
    now: float
    """The server's clock as this was made."""
    cluster: str
    identity: str
    """What distinguishes the cluster from others of its name; empty where that is not known."""
    currency: str
    server: Server
    troubles: tuple[str, ...]
    """What holds the whole, in sentences."""
    cost: Cost
    groups: tuple[Group, ...]
    machines: tuple[Machine, ...]
    """All that exist and all orders; what is of no group that is configured has phase orphan, and
    what a trial left has phase trial."""
    ended: tuple[Ended, ...]
    """The last 50 since the server started, the latest first."""
    refused: tuple[Refused, ...]
    accounts: tuple[Account, ...]
    happenings: tuple[Happening, ...]
    """The last 100 since the server started, the latest first."""


_ADAPTER: Final[pydantic.TypeAdapter[Status]] = pydantic.TypeAdapter(Status)


def as_json(status: Status) -> bytes:
    """Write a status; its texts must be UTF-8 already."""
    return _ADAPTER.dump_json(status, by_alias=True)


def schema() -> dict[str, Any]:
    """Return the JSON schema of what is written."""
    made = _ADAPTER.json_schema(mode="serialization", by_alias=True)
    for each in (made, *made["$defs"].values()):
        for described in each["properties"].values():
            described.pop("title", None)  # the key again, in other letters
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
