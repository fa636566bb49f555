"""Pauses and spend caps in the file: at three places, in a currency that is said."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from externalgrpc.model import groups
from tests.config.test_loading import load, mistakes

FILE = """\
currency: EUR
maxPricePerMonth: 1000
paused: true
accounts:
- {name: one, provider: plain, tokenFile: token, maxPricePerHour: "0.75", paused: true}
nodes:
- {name: web, account: one, instanceType: small, region: north, maxSize: 3, join: image,
   maxPricePerHour: 0.05, maxPricePerMonth: 20, paused: true}
- {name: api, account: one, instanceType: small, region: north, maxSize: 3, join: image}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("a-token")
    return tmp_path


def test_they_are_said_of_a_group_an_account_and_everything(folder: Path) -> None:
    config = load(folder, FILE)
    web, api = config.groups
    one = config.accounts["one"]
    assert (config.paused, one.paused, web.paused, api.paused) == (True, True, True, False)
    assert config.spending.cap == groups.SpendCap(per_month=Decimal(1000))
    assert one.cap == groups.SpendCap(per_hour=Decimal("0.75"))
    assert web.cap == groups.SpendCap(per_hour=Decimal("0.05"), per_month=Decimal(20))
    assert web.cap.hourly == Decimal(20) / 730
    assert api.cap.hourly is None


def test_neither_opens_an_account_anew(folder: Path) -> None:
    before = load(folder, FILE).accounts["one"]
    text = FILE.replace('maxPricePerHour: "0.75", paused: true', "paused: false")
    after = load(folder, text).accounts["one"]
    assert before != after
    assert before.login == after.login


def test_a_cap_without_a_currency_is_refused_wherever_it_stands(folder: Path) -> None:
    found = mistakes(folder, FILE.replace("currency: EUR\n", ""))
    places = [each.partition(": ")[0].partition(" ")[2] for each in found]
    assert places == [
        "maxPricePerMonth",
        "accounts[0].maxPricePerHour",
        "nodes[0].maxPricePerHour",
        "nodes[0].maxPricePerMonth",
    ]
    assert "Add currency: EUR, or whichever is meant" in found[0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "0 is not above zero. To order nothing say paused: true"),
        ("-1", "-1 is not above zero"),
        ("much", "must be a number"),
        ("true", "must be a number"),
    ],
)
def test_what_is_no_amount(folder: Path, value: str, message: str) -> None:
    (found,) = mistakes(
        folder, FILE.replace("maxPricePerMonth: 1000", f"maxPricePerMonth: {value}")
    )
    assert message in found


def test_a_pause_is_true_or_false(folder: Path) -> None:
    (found,) = mistakes(folder, FILE.replace("paused: true\naccounts", 'paused: "yes"\naccounts'))
    assert "must be true or false" in found
