"""Judge what caps leave of a group: one below a machine's price, or without prices, orders none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import groups
from externalgrpc.nodes import pricing

ABOUT: Final = "maxPrice"


def judge(
    configuration: groups.Config,
    group: groups.NodeGroup,
    candidates: Sequence[CandidateReport],
) -> Iterator[Finding]:
    """Say how far the strictest cap lets a group grow, were it the only one."""
    caps = [
        (cap.hourly, whose)
        for cap, whose in (
            (group.cap, "its cap"),
            (configuration.accounts[group.account].cap, f"the cap of account {group.account}"),
            (configuration.cap, "the cap of all"),
        )
        if cap.hourly is not None
    ]
    if not caps:
        return
    most, whose = min(caps)
    prices = [each.price_per_hour for each in candidates if each.price_per_hour]
    bound = f"{whose}, {pricing.short(most)} {configuration.currency} an hour,"
    if not prices:
        yield Finding(
            severity=Severity.TROUBLE,
            subject=ABOUT,
            what=f"no price of what it orders is known: under {bound} nothing is ordered",
            cure="Add exchangeRates for the cloud's currency, or take the cap out",
        )
        return
    fit = int(most / min(prices))
    if not fit:
        yield Finding(
            severity=Severity.TROUBLE,
            subject=ABOUT,
            what=f"{bound} is less than one machine costs ({pricing.short(min(prices))})",
            cure="Raise it; to order nothing say paused: true",
        )
    elif fit < group.max_size:
        yield Finding(
            severity=Severity.NOTE,
            subject=ABOUT,
            what=f"{bound} pays for {fit} of {group.max_size} machines of the cheapest candidate",
        )
