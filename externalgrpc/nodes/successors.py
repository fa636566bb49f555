"""Suggest machine types in place of one that a cloud has no more."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from externalgrpc.nodes import pricing
from providers import contract

_GIB = 1024**3
_HAIRS_BREADTH = 0.1
"""How far names may be from the nearest and still count as equally near."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What an offer costs a group an hour in the configuration's currency; None where unknown."""

    currency: str
    price: Callable[[contract.Offer], Decimal | None]

    def rank(self, offer: contract.Offer) -> tuple[bool, Decimal]:
        """Return what sorts the cheapest first and the unknown last."""
        price = self.price(offer)
        return (price is None, price or Decimal(0))

    def line(self, offer: contract.Offer) -> str:
        """Write a price for a person."""
        price = self.price(offer)
        return "price unknown" if price is None else f"{pricing.exact(price)} {self.currency}/h"


def nearest(
    name: str,
    *,
    shape: contract.MachineType | None,
    types: Iterable[contract.MachineType],
    offers: Iterable[contract.Offer],
    locations: Sequence[str],
    money: Money,
    count: int = 3,
) -> tuple[tuple[contract.MachineType, contract.Offer], ...]:
    """Return the types most like the one called ``name``, each with its cheapest offer.

    What is in stock in the wanted ``locations`` comes before what is elsewhere. With ``shape``
    known (the type is deprecated, or its siblings in the group say), those of the same
    architecture, cpu and memory come first, cheapest first; without it, likeness of name
    decides, then price.
    """
    ranked: list[tuple[tuple[object, ...], contract.MachineType, contract.Offer]] = []
    every = [offer for offer in offers if offer.machine_type != name]
    for machine_type in types:
        its = [offer for offer in every if offer.machine_type == machine_type.name]
        here = [offer for offer in its if offer.location in locations and offer.in_stock]
        part_of_a_card = machine_type.gpu_model and not machine_type.gpus
        if machine_type.deprecated or part_of_a_card or machine_type.name == name or not its:
            continue
        offer = min(here or its, key=money.rank)
        key = (not here, *_unlike(name, shape, machine_type), money.rank(offer), machine_type.name)
        ranked.append((key, machine_type, offer))
    ranked.sort(key=lambda each: each[0])
    return tuple((machine_type, offer) for _key, machine_type, offer in ranked[:count])


def line(found: Iterable[tuple[contract.MachineType, contract.Offer]], money: Money) -> str:
    """Write suggestions for a person: name, shape, price and place of each."""
    return ", ".join(
        f"{machine_type.name} ({describe(machine_type)}, {money.line(offer)} in {offer.location})"
        for machine_type, offer in found
    )


def describe(machine_type: contract.MachineType) -> str:
    """Write a type's shape for a person."""
    cpu = f"{machine_type.cpu_millis / 1000:g} cpu"
    memory = f"{machine_type.memory_bytes / _GIB:g} GiB"
    gpus = f", {machine_type.gpus} gpu" if machine_type.gpus else ""
    return f"{cpu}, {memory}, {machine_type.arch}{gpus}"


def _unlike(
    name: str, shape: contract.MachineType | None, other: contract.MachineType
) -> tuple[float, ...]:
    """Measure how unlike a type is, most important first; smaller is nearer."""
    common = sum(1 for _ in itertools.takewhile(_same, zip(name, other.name, strict=False)))
    letters = difflib.SequenceMatcher(None, name.lower(), other.name.lower()).ratio()
    by_name = (-float(common), round(-letters / _HAIRS_BREADTH))
    if shape is None:
        return by_name
    return (
        float(shape.arch != other.arch),
        float(shape.gpus != other.gpus),
        abs(shape.cpu_millis - other.cpu_millis) / max(shape.cpu_millis, 1)
        + abs(shape.memory_bytes - other.memory_bytes) / max(shape.memory_bytes, 1),
    )


def _same(pair: tuple[str, str]) -> bool:
    return pair[0].lower() == pair[1].lower()
