"""Price nodes and pods for Cluster Autoscaler's price expander, in one currency.

CA asks for the price of one template node and of every pending pod over the coming hour, and
divides one by the other, so both must be in one unit and no pod may be worth nothing. An option
whose price is refused is dropped, hence a node is priced as long as anything sensible is known
of it: by its instance type and region, else by what its group orders first.

Prices are live offers: net, with the public IPv4 where the group has one. A price of zero is no
price: a cloud that lists its GPU plans at zero does not give them away.

A pod is worth what it requests, at unit prices taken from the same offers: half of a machine's
price buys its cpu, half its memory, and the cheapest of each counts. A machine's fill of pods is
therefore never worth more than the machine costs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Final

from google.protobuf import timestamp_pb2

from externalgrpc.model import groups
from externalgrpc.nodes import pods, template
from externalgrpc.pb import externalgrpc_pb2 as wire
from providers import contract

_UNKNOWN_UNIT: Final = Decimal("0.005")
"""Price of a cpu or GiB hour when nothing has a price: any number above zero does."""

_LEAST_CPU_MILLIS: Final = 100
_LEAST_MEMORY_BYTES: Final = 200 * 1024 * 1024
"""What the scheduler reckons for a container that requests nothing."""

_GIB: Final = 1024**3
_NANOS_PER_HOUR: Final = 3600 * 10**9
_INSTANCE_TYPE: Final = (template.INSTANCE_TYPE, "beta.kubernetes.io/instance-type")
_REGION: Final = (template.REGION, "failure-domain.beta.kubernetes.io/region")
_TEMPLATE_NAMES: Final = (
    re.compile(r"template-node-for-(.+)-[^-]+-upcoming-[0-9]+"),
    re.compile(r"template-node-for-(.+)-[^-]+"),
)
_CREDIBLE: Final = (Decimal("1e-12"), Decimal("1e12"))
"""What an hour may cost in any currency; outside, a float would end as zero or infinity."""


class NoPrice(LookupError):
    """Say which node has no price, and why, to a person."""


@dataclasses.dataclass(frozen=True, slots=True)
class PriceKey:
    """A machine type in a location of an account."""

    account: str
    machine_type: str
    location: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a machine costs an hour, and its public IPv4 on top, in the list's currency."""

    per_hour: Decimal
    ipv4_per_hour: Decimal

    def total(self, *, public_ipv4: bool) -> Decimal:
        """Return what a machine of a group costs an hour."""
        return self.per_hour + (self.ipv4_per_hour if public_ipv4 else 0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """The prices of everything that all accounts offer, in one currency.

    ``unrated`` names the accounts whose offers are in a currency without a rate.
    """

    currency: str
    prices: Mapping[PriceKey, Price] = dataclasses.field(default_factory=dict)
    cpu_per_hour: Decimal = _UNKNOWN_UNIT
    gib_per_hour: Decimal = _UNKNOWN_UNIT
    unrated: Mapping[str, str] = dataclasses.field(default_factory=dict)


def rate(money: str, *, currency: str, rates: Mapping[str, Decimal]) -> Decimal | None:
    """Return how much of ``currency`` one unit of another is worth; None when nobody said so."""
    found = Decimal(1) if money == currency else rates.get(money)
    return found if found is not None and _credible(found) else None


def convert(offer: contract.Offer, *, currency: str, rates: Mapping[str, Decimal]) -> Price | None:
    """Price an offer in one currency: the one rule of all commands and of CA's answers.

    None for an offer without a rate, and for one whose price is zero or cannot be meant.
    """
    factor = rate(offer.currency, currency=currency, rates=rates)
    if factor is None:
        return None
    per_hour = _converted(offer.price_per_hour, factor)
    if not per_hour:
        return None
    return Price(per_hour=per_hour, ipv4_per_hour=_converted(offer.ipv4_per_hour, factor))


def exact(amount: Decimal) -> str:
    """Write an amount for a program: as it is, without an exponent."""
    return f"{amount.normalize():f}"


def short(amount: Decimal) -> str:
    """Write an amount for a person: five decimals, or three digits where those would be zeros."""
    if amount and abs(amount) < Decimal("0.001"):
        return exact(Decimal(f"{amount:.2e}"))
    return f"{amount:.5f}"


def price_list(
    offers: Mapping[str, Iterable[contract.Offer]],
    machine_types: Mapping[str, Iterable[contract.MachineType]],
    *,
    currency: str,
    rates: Mapping[str, Decimal],
) -> PriceList:
    """Make the price list from the catalogues of all accounts (both mappings by account).

    ``rates`` gives how much of ``currency`` one unit of another is worth. Offers that are not
    above zero, or in a currency without a usable rate, get no price.
    """
    prices: dict[PriceKey, Price] = {}
    unrated: dict[str, str] = {}
    for account, listed in offers.items():
        for offer in listed:
            price = convert(offer, currency=currency, rates=rates)
            if price is not None:
                prices[PriceKey(account, offer.machine_type, offer.location)] = price
            elif rate(offer.currency, currency=currency, rates=rates) is None:
                unrated[account] = offer.currency
    shapes = {
        (account, kind.name): kind for account, kinds in machine_types.items() for kind in kinds
    }
    sold = [
        (price.per_hour, shapes[key.account, key.machine_type])
        for key, price in prices.items()
        if (key.account, key.machine_type) in shapes
    ]
    return PriceList(
        currency=currency,
        prices=prices,
        cpu_per_hour=min(
            (cost / 2 * 1000 / kind.cpu_millis for cost, kind in sold if kind.cpu_millis > 0),
            default=_UNKNOWN_UNIT,
        ),
        gib_per_hour=min(
            (cost / 2 * _GIB / kind.memory_bytes for cost, kind in sold if kind.memory_bytes > 0),
            default=_UNKNOWN_UNIT,
        ),
        unrated=unrated,
    )


def window_hours(request: wire.PricingNodePriceRequest | wire.PricingPodPriceRequest) -> Decimal:
    """Read the period of a pricing request of either generation, in hours, always above zero.

    A period that is missing, empty or reversed counts as one hour: that is what CA means to ask.
    """
    if request.HasField("startTimestamp") and request.HasField("endTimestamp"):
        length_ns = _nanos(request.endTimestamp) - _nanos(request.startTimestamp)
    elif request.HasField("legacyStartTime") and request.HasField("legacyEndTime"):
        length_ns = _nanos(request.legacyEndTime) - _nanos(request.legacyStartTime)
    else:
        length_ns = 0
    return Decimal(length_ns) / _NANOS_PER_HOUR if length_ns > 0 else Decimal(1)


def group_of_template(node_name: str, known: Container[str]) -> str:
    """Return which ``known`` group CA simulates under this node name; "" when it is none.

    The names are ``template-node-for-<group>-<random>``, with ``-upcoming-<number>`` for what is
    on its way.
    """
    matches = (pattern.fullmatch(node_name) for pattern in _TEMPLATE_NAMES)
    return next((match[1] for match in matches if match and match[1] in known), "")


def node_price(
    prices: PriceList,
    node: wire.ExternalGrpcNode,
    *,
    group: groups.NodeGroup | None,
    hours: Decimal,
) -> float:
    """Price a node for ``hours``; ``group`` is its group, None when it is of none that we know.

    Raises :class:`NoPrice`.
    """
    return float(_per_hour(prices, node, group) * hours)


def group_price_per_hour(prices: PriceList, group: groups.NodeGroup) -> Decimal:
    """Price an hour of what the group orders first (of what has a price); raises NoPrice."""
    for candidate in group.candidates:
        price = prices.prices.get(
            PriceKey(group.account, candidate.machine_type, candidate.location)
        )
        if price is not None:
            return price.total(public_ipv4=group.public_ipv4)
    wanted = ", ".join(f"{each.machine_type} in {each.location}" for each in group.candidates)
    raise NoPrice(
        f"group {group.name}: account {group.account} has no price for {wanted}"
        f"{_why_not(prices, group.account)}"
    )


def pod_price(prices: PriceList, pod_bytes: bytes, *, hours: Decimal) -> float:
    """Price what a pod (v1.Pod bytes) requests, for ``hours``; always above zero and finite.

    Raises :class:`externalgrpc.nodes.pods.UnreadablePod`.
    """
    cpu_millis, memory_bytes = pods.requests(pods.read(pod_bytes))
    cpu = (cpu_millis or _LEAST_CPU_MILLIS) * prices.cpu_per_hour / 1000
    memory = (memory_bytes or _LEAST_MEMORY_BYTES) * prices.gib_per_hour / _GIB
    return float((cpu + memory) * hours)


def pod_of(request: wire.PricingPodPriceRequest) -> bytes:
    """Take the v1.Pod bytes from a request of either generation."""
    return request.pod_bytes or request.legacyPod


def _per_hour(
    prices: PriceList, node: wire.ExternalGrpcNode, group: groups.NodeGroup | None
) -> Decimal:
    kind, region = _first(node.labels, _INSTANCE_TYPE), _first(node.labels, _REGION)
    if group is None:
        return _priced_anywhere(prices, node.name, kind, region)
    ordered = [each.location for each in group.candidates if each.machine_type == kind]
    for location in [region] if region else ordered:
        price = prices.prices.get(PriceKey(group.account, kind, location))
        if price is not None:
            return price.total(public_ipv4=group.public_ipv4)
    # The type is unknown, or not sold there any more: the next machine is another one anyhow.
    return group_price_per_hour(prices, group)


def _priced_anywhere(prices: PriceList, name: str, kind: str, region: str) -> Decimal:
    found = [
        price.total(public_ipv4=True)
        for key, price in prices.prices.items()
        if key.machine_type == kind and region in ("", key.location)
    ]
    if not found:
        sort = f"machine type {kind!r}" + (f" in {region!r}" if region else "")
        raise NoPrice(
            f"node {name!r} is of no group that we know, and no account has a price for "
            f"{sort if kind else 'a node without the label ' + template.INSTANCE_TYPE}"
            f"{_why_not(prices, '')}"
        )
    return min(found)


def _why_not(prices: PriceList, account: str) -> str:
    missing = sorted(
        {money for name, money in prices.unrated.items() if not account or name == account}
    )
    if not missing:
        return ""
    return (
        f" (offers in {', '.join(missing)} need a rate into {prices.currency}: add exchangeRates)"
    )


def _converted(amount: Decimal, rate: Decimal) -> Decimal:
    """Convert an hourly price; 0 when there is none, or none that can be meant."""
    converted = amount * rate if _credible(amount) else Decimal(0)
    return converted if _credible(converted) else Decimal(0)


def _credible(amount: Decimal) -> bool:
    return amount.is_finite() and _CREDIBLE[0] <= amount <= _CREDIBLE[1]


def _nanos(instant: timestamp_pb2.Timestamp) -> int:
    return instant.seconds * 10**9 + instant.nanos


def _first(labels: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((labels[key] for key in keys if labels.get(key)), "")
