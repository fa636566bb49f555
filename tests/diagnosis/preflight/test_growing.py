"""`check` reports a maxSize far above what stands, with the money that it may cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import growing
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import groups
from providers import contract, errors
from tests.diagnosis.preflight.test_offline import offline
from tests.diagnosis.preflight.test_online import Vendor, checked, group, reported


class Silent(Vendor):
    """A cloud that cannot be reached."""

    def instances(self) -> tuple[contract.Instance, ...]:
        """Refuse."""
        raise errors.Unreachable("no way", account="hetzner", operation="instances")


def judged(most: int, least: int = 0, stands: int | None = None) -> list[Finding]:
    of = groups.NodeGroup(
        name="a",
        account="h",
        candidates=(groups.Candidate("cx23", "fsn1"),),
        min_size=least,
        max_size=most,
    )
    return list(growing.judge(of, stands=stands))


@pytest.mark.parametrize(
    ("most", "least", "stands", "far"),
    [
        (20, 0, None, False),
        (21, 0, None, True),
        (21, 4, None, True),
        (20, 4, 0, False),
        (25, 5, None, False),
        (26, 5, None, True),
        (100, 0, 20, False),
        (101, 0, 20, True),
        (100, 20, 3, False),
        (0, 0, 0, False),
    ],
)
def test_what_counts_as_far(most: int, least: int, stands: int | None, *, far: bool) -> None:
    assert bool(judged(most, least, stands)) is far


def test_offline_says_the_number_only(tmp_path: Path) -> None:
    (one,) = reported(offline(tmp_path, group(maxSize="500")))
    assert one.startswith(
        "WARNING maxSize: the group may grow to 500 machines, minSize is 0: what that costs, "
        "check --online tells. Lower maxSize"
    )


def test_online_says_what_it_may_cost_a_month(tmp_path: Path) -> None:
    rent = (("demo", "a"),) * 2
    report = checked(tmp_path, group(maxSize="500"), rent=rent)
    (one,) = [each for each in reported(report) if "maxSize" in each]
    (candidate,) = report.groups[0].candidates
    assert candidate.price_per_hour is not None
    month = candidate.price_per_hour * 730 * 500
    assert f"may grow to 500 machines, 2 stand and minSize is 0: up to {month:,.0f} EUR a m" in one
    assert "net" in one
    assert report.ok


def test_machines_that_stand_make_it_near(tmp_path: Path) -> None:
    rent = (("demo", "a"),) * 5
    assert not any(
        "maxSize" in each for each in reported(checked(tmp_path, group(maxSize="25"), rent=rent))
    )
    # Those of another group, or of another cluster, are not what stands of this one.
    for other in (("demo", "b"), ("else", "a")):
        report = checked(tmp_path, group(maxSize="25"), rent=(other,) * 5)
        assert any("maxSize" in each for each in reported(report)), other


def test_the_dearest_candidate_counts_and_the_currency_is_the_files(tmp_path: Path) -> None:
    prices = [("cheap", Decimal("0.01")), ("dear", Decimal("0.10")), ("unknown", None)]
    candidates = [
        CandidateReport(name=n, location="x", machine_type=None, offer=None, price_per_hour=price)
        for n, price in prices
    ]
    of = groups.NodeGroup(name="a", account="h", candidates=(), min_size=0, max_size=100)
    (one,) = growing.judge(of, stands=0, candidates=candidates, currency="USD")
    assert "up to 7,300 USD a month, net (0.1 USD an hour each)" in one.what
    assert one.severity is Severity.WARNING


def test_a_cloud_that_does_not_answer_leaves_the_offline_word(tmp_path: Path) -> None:
    report = checked(
        tmp_path, group(maxSize="500"), build=lambda login, center: Silent(login, cloud=center)
    )
    (one,) = [each for each in reported(report) if "maxSize" in each]
    assert "check --online tells" in one
