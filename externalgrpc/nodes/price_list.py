"""Compare what all accounts sell: one list, one currency, cheapest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from providers import contract

GIB = 1024**3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a machine must at least be."""

    cpu_millis: int = 0
    memory_bytes: int = 0
    arch: str = ""
    gpu: bool = False
    region_like: str = ""
    sold_out: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A machine type in a location of an account; ``price`` per hour in one currency, or None.

    ``public_ipv4`` says whether a public IPv4 is in the price.
    """

    account: str
    machine_type: contract.MachineType
    offer: contract.Offer
    price: Decimal | None
    public_ipv4: bool = True

    def plain(self) -> dict[str, Any]:
        """Return what a script reads."""
        return {
            "account": self.account,
            "instanceType": self.machine_type.name,
            "region": self.offer.location,
            "cpuMillis": self.machine_type.cpu_millis,
            "memoryBytes": self.machine_type.memory_bytes,
            "diskBytes": self.machine_type.disk_bytes,
            "arch": self.machine_type.arch,
            "gpus": self.machine_type.gpus,
            "pricePerHour": None if self.price is None else pricing.exact(self.price),
            "publicIPv4": self.public_ipv4,
            "inStock": self.offer.in_stock,
        }


def deals(
    config: groups.Config,
    account: groups.Account,
    provider: contract.Provider,
    *,
    public_ipv4: bool | None = None,
) -> list[Deal]:
    """Ask an account what it sells; raises CloudError.

    ``public_ipv4`` says whether prices have a public IPv4 in them; None goes by the account's
    groups: not when all of them say ``publicIPv4: false``.
    """
    if public_ipv4 is None:
        its = [group.public_ipv4 for group in config.groups if group.account == account.name]
        public_ipv4 = not its or any(its)
    types = {each.name: each for each in provider.machine_types()}
    return [
        Deal(
            account=account.name,
            machine_type=types[offer.machine_type],
            offer=offer,
            price=price.total(public_ipv4=public_ipv4) if price is not None else None,
            public_ipv4=public_ipv4,
        )
        for offer in provider.offers()
        if offer.machine_type in types
        for price in (pricing.convert(offer, currency=config.currency, rates=config.rates),)
    ]


def choose(found: Iterable[Deal], wanted: Wanted) -> list[Deal]:
    """Keep what is wanted, cheapest first; what has no price comes last."""
    kept = [
        deal
        for deal in found
        if deal.machine_type.cpu_millis >= wanted.cpu_millis
        and deal.machine_type.memory_bytes >= wanted.memory_bytes
        and (not wanted.arch or deal.machine_type.arch == wanted.arch)
        and (not wanted.gpu or deal.machine_type.gpus > 0)
        and wanted.region_like.lower() in deal.offer.location.lower()
        and (wanted.sold_out or deal.offer.in_stock)
        and not deal.machine_type.deprecated
    ]
    return sorted(
        kept,
        key=lambda deal: (
            deal.price is None,
            deal.price or Decimal(0),
            deal.account,
            deal.machine_type.name,
            deal.offer.location,
        ),
    )
