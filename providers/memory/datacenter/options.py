"""Describe how the memory cloud behaves: what it sells, how slow, how scarce, how faulty it is."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A machine type that the memory cloud sells; ``locations`` empty means everywhere."""

    name: str
    cpu: int
    memory_gib: float
    disk_gib: float = 40
    arch: Literal["amd64", "arm64"] = "amd64"
    gpus: int = 0
    gpu_model: str = ""
    price_per_hour: Decimal = Decimal("0.01")
    locations: tuple[str, ...] = ()
    deprecated: bool = False


CATALOGUE = (
    Plan(name="small", cpu=2, memory_gib=4, disk_gib=40, price_per_hour=Decimal("0.0088")),
    Plan(name="medium", cpu=4, memory_gib=8, disk_gib=80, price_per_hour=Decimal("0.0136")),
    Plan(name="large", cpu=8, memory_gib=16, disk_gib=160, price_per_hour=Decimal("0.0256")),
    Plan(
        name="medium-arm",
        cpu=4,
        memory_gib=8,
        disk_gib=80,
        arch="arm64",
        price_per_hour=Decimal("0.0120"),
        locations=("north", "south"),
    ),
    Plan(
        name="gpu",
        cpu=8,
        memory_gib=32,
        disk_gib=200,
        gpus=1,
        gpu_model="M1",
        price_per_hour=Decimal("0.5200"),
        locations=("north", "east"),
    ),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a memory account.

    ``stock`` says how many places a ``type/location`` has, taken ones included: 0 is sold out,
    and what is not named has no end. ``quota`` bounds all machines of the account. ``images``
    empty means that any image will do.

    Rates are chances between 0 and 1: ``error_rate`` of any request failing before its work,
    ``lost_reply_rate`` of a write (a create, a delete, marks) being done and its reply lost,
    ``fail_after_accept_rate`` of an accepted create failing while the machine boots. Requests
    pass in a burst of ``burst`` and then at ``requests_per_hour``.

    ``late_listing_s`` is how long, at most, listings lag behind a creation or a deletion.
    ``state_file`` keeps the machines over restarts of the process, and over a change of these
    settings: an account that changes is opened anew. ``seed`` decides everything that is left to
    chance. ``nodes`` ``kwok`` asks for a Node of each machine in the cluster of the configuration,
    of the kind that kwok looks after.
    """

    machine_types: tuple[Plan, ...] = CATALOGUE
    locations: tuple[str, ...] = ("north", "south", "east")
    images: tuple[str, ...] = ()
    currency: str = "EUR"
    ipv4_per_hour: Decimal = Decimal("0.0008")
    boot_time_s: float = 20.0
    create_latency_s: float = 0.5
    list_latency_s: float = 0.1
    delete_latency_s: float = 0.2
    delete_time_s: float = 5.0
    late_listing_s: float = 0.0
    page_size: int = 50
    quota: int | None = None
    stock: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unique_names: bool = True
    requests_per_hour: int = 3600
    burst: int = 3600
    error_rate: float = 0.0
    lost_reply_rate: float = 0.0
    fail_after_accept_rate: float = 0.0
    seed: int = 0
    nodes: Literal["none", "kwok"] = dataclasses.field(
        default="none",
        metadata={
            "description": "kwok: make a Node of each machine in the cluster under kubernetes:, "
            "for kwok to keep Ready (docs/playground.md)."
        },
    )
    state_file: str = dataclasses.field(default="", metadata={"path": True})

    def __post_init__(self) -> None:
        """Refuse what makes no sense: ValueError, every mistake in one sentence for a person."""
        wrong = [*_wrong_numbers(self), *_wrong_catalogue(self), *_wrong_stock(self)]
        if wrong:
            raise ValueError("; ".join(wrong))

    def plan(self, name: str) -> Plan | None:
        """Find a machine type by name."""
        return next((plan for plan in self.machine_types if plan.name == name), None)

    def sold_in(self, plan: Plan) -> tuple[str, ...]:
        """Return where a machine type is sold."""
        return plan.locations or self.locations


def place(machine_type: str, location: str) -> str:
    """Write a machine type in a location the way ``stock`` names it."""
    return f"{machine_type}/{location}"


def _wrong_numbers(options: Options) -> Iterator[str]:
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name.endswith("_rate") and not 0 <= value <= 1:
            yield f"{field.name} {value} is not between 0 and 1"
        elif field.name.endswith(("_s", "_per_hour")) and value < 0:
            yield f"{field.name} {value} is negative"
    for name in ("page_size", "requests_per_hour", "burst"):
        if getattr(options, name) < 1:
            yield f"{name} {getattr(options, name)} is below 1"
    if options.quota is not None and options.quota < 0:
        yield f"quota {options.quota} is negative"


def _wrong_catalogue(options: Options) -> Iterator[str]:
    if not options.machine_types:
        yield "there are no machine types"
    if not options.locations:
        yield "there are no locations"
    counts = collections.Counter(plan.name for plan in options.machine_types)
    for name, count in counts.items():
        if count > 1:
            yield f"machine type {name!r} is there {count} times"
    for plan in options.machine_types:
        if not plan.name or "/" in plan.name:
            yield f"machine type {plan.name!r} needs a name without '/'"
        if min(plan.cpu, plan.memory_gib, plan.disk_gib, float(plan.price_per_hour)) <= 0:
            yield f"machine type {plan.name!r} needs cpu, memory, disk and price above 0"
        if plan.gpus < 0:
            yield f"machine type {plan.name!r} has a negative number of gpus"
        for location in plan.locations:
            if location not in options.locations:
                yield f"machine type {plan.name!r} is sold in {location!r}, which is no location"


def _wrong_stock(options: Options) -> Iterator[str]:
    for key, places in options.stock.items():
        machine_type, _, location = key.partition("/")
        plan = options.plan(machine_type)
        if plan is None or location not in options.sold_in(plan):
            yield f"stock names {key!r}, which is no type/location that is sold"
        if places < 0:
            yield f"stock of {key!r} is negative"
