"""Judge how far groups may grow: a maxSize far above what stands is money that nobody meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import groups
from externalgrpc.nodes import pricing

ENOUGH: Final = 20
"""Groups up to this size are never called large."""

FAR: Final = 5
"""So many times what stands, or minSize, is far above it."""

ABOUT: Final = "maxSize"


def judge(
    group: groups.NodeGroup,
    *,
    stands: int | None = None,
    candidates: Sequence[CandidateReport] = (),
    currency: str = "",
) -> Iterator[Finding]:
    """Warn of a group that may grow far beyond what stands, and say what that may cost.

    ``stands`` is how many machines it has, None where no cloud was asked. The cost is that of the
    dearest candidate whose price is known, net, in ``currency``.
    """
    most, base = group.max_size, max(stands or 0, group.min_size)
    if most <= ENOUGH or most <= FAR * base:
        return
    if stands is None:
        than = f"minSize is {group.min_size}"
    else:
        than = f"{stands} stand{'s' if stands == 1 else ''} and minSize is {group.min_size}"
    prices = [each.price_per_hour for each in candidates if each.price_per_hour]
    yield Finding(
        severity=Severity.WARNING,
        subject=ABOUT,
        what=f"the group may grow to {most} machines, {than}: {_money(most, prices, currency)}",
        cure="Lower maxSize to what you would pay for; pods that ask for too much can fill it",
    )


def _money(most: int, prices: Sequence[Decimal], currency: str) -> str:
    if not prices:
        return "what that costs, check --online tells"
    month = max(prices) * groups.HOURS_A_MONTH * most
    return (
        f"up to {month:,.0f} {currency} a month, net ({pricing.exact(max(prices))} {currency} an "
        f"hour each)"
    )
