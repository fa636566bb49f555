"""Judge what a group would order: types, places, shapes, prices, stock."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from externalgrpc.bootstrap import joining, machine, preview
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import places
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import credentials, groups, installed_clouds, names, ordering
from externalgrpc.nodes import pricing, successors, template
from providers import contract

_GIB = 1024**3
_NO_LABEL = "vps-autoscaler/none"


def judge(
    group: groups.NodeGroup,
    *,
    types: Mapping[str, contract.MachineType],
    offers: Sequence[contract.Offer],
    currency: str,
    rates: Mapping[str, Decimal],
    provider_name: str,
) -> tuple[tuple[CandidateReport, ...], list[Finding]]:
    """Compare a group's candidates with what its account can order."""
    there = {(offer.machine_type, offer.location): offer for offer in offers}

    def priced(offer: contract.Offer) -> Decimal | None:
        found = pricing.convert(offer, currency=currency, rates=rates)
        return None if found is None else found.total(public_ipv4=group.public_ipv4)

    money = successors.Money(currency=currency, price=priced)
    candidates = tuple(_candidate(each, types, there, priced) for each in group.candidates)
    findings = [
        *_types(group, types, offers, provider_name, money),
        *_places(group, offers, provider_name),
        *_offered(candidates),
        *_shapes(group, types),
        *_prices(candidates, currency, rates),
    ]
    return candidates, findings


def identity(
    group: groups.NodeGroup,
    node_labels: Callable[[contract.MachineType, str], Mapping[str, str]],
    types: Mapping[str, contract.MachineType] | None,
) -> list[Finding]:
    """Report labels that say of a machine what it is not; without types only where it is."""
    found: dict[str, Finding] = {}
    for each in group.candidates:
        kind = (types or {}).get(each.machine_type)
        named = kind or contract.MachineType(
            name=each.machine_type, cpu_millis=0, memory_bytes=0, disk_bytes=0
        )
        fields = dict(node_labels(named, each.location))
        if kind is not None:
            fields |= template.machine_labels(kind, gpu_label=_NO_LABEL)
        for key, real in template.contradictions(group.labels, fields):
            own = group.labels[key]
            message = (
                f"{key} says {own!r}, and {each.machine_type} in {each.location} is {real!r}: "
                "the label is not set"
            )
            cure = "Remove the label; the machine's own is set in its place"
            finding = Finding(severity=Severity.TROUBLE, subject="labels", what=message, cure=cure)
            found.setdefault(key, finding)
    return list(found.values())


def orders(
    config: groups.Config,
    group: groups.NodeGroup,
    candidates: Sequence[CandidateReport],
    provider: contract.Provider,
    join_credentials: credentials.JoinCredentials | None,
) -> tuple[tuple[contract.Order, ...], list[Finding]]:
    """Make an order of each candidate that is offered, as a machine would be ordered.

    ``join_credentials`` is what the cluster said; where it was not asked, or cannot be joined
    (which is found here), an example stands for it.
    """
    asked: list[contract.Order] = []
    refused: dict[str, Finding] = {}
    name = names.longest(group.name)
    for candidate in candidates:
        if candidate.machine_type is None or candidate.offer is None:
            continue
        render = functools.partial(
            preview.ordered,
            config,
            group,
            provider,
            node_name=name,
            machine_type=candidate.machine_type,
            location=candidate.location,
        )
        try:
            text = render(join_credentials=join_credentials)
        except machine.Unjoinable as error:
            message = f"its machines cannot join the cluster: {error}"
            refused[message] = Finding(severity=Severity.TROUBLE, subject="join", what=message)
            text = render()
        asked.append(
            ordering.order_for(
                group,
                cluster=config.cluster,
                node_name=name,
                machine_type=candidate.machine_type,
                location=candidate.location,
                user_data=text,
            )
        )
    return tuple(asked), list(refused.values())


def representative(asked: Sequence[contract.Order]) -> Iterator[contract.Order]:
    """Choose the orders that a cloud is asked about: each type and each place at least once."""
    types: set[str] = set()
    places: set[str] = set()
    for order in asked:
        if order.machine_type.name not in types or order.location not in places:
            types.add(order.machine_type.name)
            places.add(order.location)
            yield order


def size(
    group: groups.NodeGroup, asked: Sequence[contract.Order], cloud: contract.Provider
) -> list[Finding]:
    """Return when the user-data of any order is larger than the cloud takes."""
    limit_bytes = cloud.user_data_limit_bytes
    largest = max(
        (installed_clouds.user_data_bytes(cloud, order.user_data) for order in asked), default=0
    )
    if largest <= limit_bytes:
        return []
    message = f"{group.name}'s user-data becomes {largest} bytes; the cloud takes {limit_bytes}"
    ours = group.join in joining.METHODS
    what = "preJoin and postJoin" if ours else "the file"
    cure = f"Shorten {what}, or fetch the larger part at boot"
    about = "join" if ours else "userDataFile"
    return [Finding(severity=Severity.TROUBLE, subject=about, what=message, cure=cure)]


def _candidate(
    candidate: groups.Candidate,
    types: Mapping[str, contract.MachineType],
    there: Mapping[tuple[str, str], contract.Offer],
    priced: Callable[[contract.Offer], Decimal | None],
) -> CandidateReport:
    offer = there.get((candidate.machine_type, candidate.location))
    return CandidateReport(
        name=candidate.machine_type,
        location=candidate.location,
        machine_type=types.get(candidate.machine_type),
        offer=offer,
        price_per_hour=priced(offer) if offer is not None else None,
    )


def _types(
    group: groups.NodeGroup,
    types: Mapping[str, contract.MachineType],
    offers: Sequence[contract.Offer],
    provider_name: str,
    money: successors.Money,
) -> Iterator[Finding]:
    """Report types that are gone, going, or no whole card, and what could stand in."""
    names = dict.fromkeys(candidate.machine_type for candidate in group.candidates)
    where = list(dict.fromkeys(candidate.location for candidate in group.candidates))
    siblings = [types[name] for name in names if name in types]
    for name in names:
        known = types.get(name)
        shape = known or (siblings[0] if siblings else None)
        near = successors.nearest(
            name,
            shape=shape,
            types=types.values(),
            offers=offers,
            locations=where,
            money=money,
        )
        cure = f"Nearest: {successors.line(near, money)}" if near else ""
        if known is None:
            message = f"{provider_name} has no machine type {name}, or has it no more"
            yield Finding(severity=Severity.TROUBLE, subject=name, what=message, cure=cure)
        elif known.deprecated:
            message = f"{provider_name} is going to withdraw {name}"
            yield Finding(severity=Severity.WARNING, subject=name, what=message, cure=cure)
        if known is not None and known.gpu_model and not known.gpus:
            message = f"{name} is a fraction of a {known.gpu_model}: Kubernetes counts whole cards"
            yield Finding(severity=Severity.TROUBLE, subject=name, what=message)


def _places(
    group: groups.NodeGroup, offers: Sequence[contract.Offer], provider_name: str
) -> Iterator[Finding]:
    known = {offer.location for offer in offers}
    for place in dict.fromkeys(candidate.location for candidate in group.candidates):
        if place not in known:
            message = f"{provider_name} has no region {place}, or offers nothing there"
            cure = places.nearest(place, known)
            yield Finding(severity=Severity.TROUBLE, subject=place, what=message, cure=cure)


def _offered(candidates: Sequence[CandidateReport]) -> Iterator[Finding]:
    """Report what is not offered, or sold out; stock is a hint that an order may disprove."""
    offered = [each for each in candidates if each.offer is not None]
    in_stock = [each for each in offered if each.offer is not None and each.offer.in_stock]
    for each in candidates:
        name = f"{each.name} in {each.location}"
        if each.machine_type is not None and each.offer is None:
            yield Finding(severity=Severity.NOTE, subject=name, what="is not offered")
        elif each.offer is not None and not each.offer.in_stock:
            yield Finding(severity=Severity.NOTE, subject=name, what="is sold out now")
    if any(each.machine_type for each in candidates) and not offered:
        message = "nothing that the group may order is offered where it may order it"
        cure = "Change its types or regions: offers differ by region"
        yield Finding(severity=Severity.TROUBLE, subject="offers", what=message, cure=cure)
    elif offered and not in_stock:
        message = "everything that the group may order is sold out now"
        cure = "Add types or regions to fall back to"
        yield Finding(severity=Severity.WARNING, subject="stock", what=message, cure=cure)


def _shapes(
    group: groups.NodeGroup, types: Mapping[str, contract.MachineType]
) -> Iterator[Finding]:
    """Report how a group's types differ: the autoscaler is shown one shape for all of them."""
    names = dict.fromkeys(candidate.machine_type for candidate in group.candidates)
    known = [types[name] for name in names if name in types]
    for other in known[1:]:
        first = known[0]
        differ = [
            f"{what} ({one} and {two})"
            for what, one, two in (
                ("architecture", first.arch, other.arch),
                ("gpus", first.gpus, other.gpus),
                ("cpu", f"{first.cpu_millis / 1000:g}", f"{other.cpu_millis / 1000:g}"),
                ("memory", _gib(first.memory_bytes), _gib(other.memory_bytes)),
                ("disk", _gib(first.disk_bytes), _gib(other.disk_bytes)),
            )
            if one != two
        ]
        if differ:
            apart = first.arch != other.arch or first.gpus != other.gpus
            yield Finding(
                severity=Severity.TROUBLE if apart else Severity.WARNING,
                subject=other.name,
                what=f"differs from {first.name} in {', '.join(differ)}; "
                "the autoscaler is shown one shape for the whole group",
                cure="Give types of another shape a group of their own",
            )


def _prices(
    candidates: Sequence[CandidateReport], currency: str, rates: Mapping[str, Decimal]
) -> Iterator[Finding]:
    foreign = {
        each.offer.currency
        for each in candidates
        if each.offer is not None
        and pricing.rate(each.offer.currency, currency=currency, rates=rates) is None
    }
    for code in sorted(foreign):
        yield Finding(
            severity=Severity.WARNING,
            subject="prices",
            what=f"prices are in {code}, and there is no rate to {currency}",
            cure=f"Add exchangeRates with what one {code} is worth in {currency}"
            + (f"; it has {', '.join(sorted(rates))} only" if rates else ""),
        )
    for each in candidates:
        offer = each.offer
        if offer is not None and each.price_per_hour is None and offer.currency not in foreign:
            message = "is listed without a price"
            yield Finding(
                severity=Severity.NOTE, subject=f"{each.name} in {each.location}", what=message
            )


def _gib(amount_bytes: int) -> str:
    return f"{amount_bytes / _GIB:g} GiB"
