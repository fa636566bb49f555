"""`check` reports what a cap leaves of a group before anything is started."""

from __future__ import annotations

from decimal import Decimal

import pytest

from externalgrpc.diagnosis.findings import Severity
from externalgrpc.diagnosis.preflight import capping
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import groups

NONE = groups.SpendCap()


def hourly(amount: str) -> groups.SpendCap:
    return groups.SpendCap(per_hour=Decimal(amount))


def judged(
    *prices: str, own: groups.SpendCap = NONE, account: groups.SpendCap = NONE, every=NONE
) -> list[str]:
    group = groups.NodeGroup(
        name="web", account="h", candidates=(), min_size=0, max_size=5, cap=own
    )
    config = groups.Config(
        cluster="c",
        accounts={"h": groups.Account(name="h", provider="hetzner", cap=account)},
        groups=(group,),
        cap=every,
    )
    candidates = [
        CandidateReport(
            name="t",
            location="l",
            machine_type=None,
            offer=None,
            price_per_hour=Decimal(each) if each else None,
        )
        for each in prices
    ]
    return [
        f"{each.severity.name} {each.what}" for each in capping.judge(config, group, candidates)
    ]


def test_without_a_cap_there_is_nothing_to_say() -> None:
    assert judged("1") == []
    assert judged("") == []


def test_what_it_pays_for() -> None:
    (found,) = judged("1", "2", own=hourly("3.5"))
    assert found == (
        "NOTE its cap, 3.50000 EUR an hour, pays for 3 of 5 machines of the cheapest candidate"
    )
    assert judged("1", own=hourly("5")) == []


@pytest.mark.parametrize(
    ("caps", "whose"),
    [
        ({"own": hourly("0.5"), "every": hourly("9")}, "its cap"),
        ({"own": hourly("9"), "account": hourly("0.5")}, "the cap of account h"),
        ({"every": groups.SpendCap(per_month=Decimal(365))}, "the cap of all"),
    ],
)
def test_the_strictest_one_is_named_where_it_pays_for_none(caps, whose: str) -> None:
    (found,) = judged("1", **caps)
    assert found.startswith(f"{Severity.TROUBLE.name} {whose}, 0.50000 EUR an hour, is less than")


def test_without_prices_nothing_can_be_ordered_under_it() -> None:
    (found,) = judged("", own=hourly("1"))
    assert found.startswith("TROUBLE no price of what it orders is known: under its cap")
