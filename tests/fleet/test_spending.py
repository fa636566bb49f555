"""No order is sent with which a group, an account or all would cost more than their cap."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from externalgrpc.control import cloud_calls
from externalgrpc.fleet import catalogue, spending, state
from externalgrpc.model import groups
from providers import contract, errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    LARGE,
    NORTH,
    SETTLE_S,
    SMALL,
    SOUTH,
    Scene,
    account,
    group,
    machine,
    node,
)

BIG = groups.Candidate("large", "north")


def hourly(amount: float | str) -> groups.SpendCap:
    return groups.SpendCap(per_hour=Decimal(amount))


def sells(scene: Scene, *, name: str = "a", currency: str = "EUR", ipv4: int = 0, **prices) -> None:
    """Have an account sell small (and large) machines in north and south at these prices."""
    wanted = {NORTH: "north", SOUTH: "south", BIG: "big"}
    offers = [
        contract.Offer(
            machine_type=candidate.machine_type,
            location=candidate.location,
            price_per_hour=Decimal(str(prices[key])),
            currency=currency,
            ipv4_per_hour=Decimal(ipv4),
        )
        for candidate, key in wanted.items()
        if key in prices
    ]
    scene.fleet = catalogue.read(scene.fleet, name, (SMALL, LARGE), offers, now=scene.now)


def cap_all(scene: Scene, cap: groups.SpendCap, currency: str = "EUR", **rates: Decimal) -> None:
    money = groups.Spending(cap=cap, currency=currency, rates=rates)
    scene.fleet = dataclasses.replace(scene.fleet, spending=money)


def failures(scene: Scene) -> list[str]:
    return [each.failure.message for each in scene.fleet.launches.values() if each.failure]


def test_orders_go_up_to_the_cap_and_the_next_fails_with_the_figures() -> None:
    scene = Scene(group(cap=hourly(3)), shown=(machine(1, "g-1"),))
    scene.grow(4)
    assert len(scene.creates()) == 2
    (one, other) = [each for each in scene.fleet.launches.values() if each.failure]
    assert one.failure == other.failure
    assert one.failure.code == "SpendCap"
    assert one.failure.error_class is state.ErrorClass.OUT_OF_RESOURCES
    text = (
        "with one more small in north (1) group g would cost 4 EUR an hour, and its "
        "maxPricePerHour is 3; 1 machine, 2 orders, 0 deletions cost 3"
    )
    assert text in one.failure.message


def test_a_month_has_730_hours_and_the_stricter_one_counts() -> None:
    scene = Scene(group(cap=groups.SpendCap(per_hour=Decimal(5), per_month=Decimal(1500))))
    scene.grow(3)
    assert len(scene.creates()) == 2
    assert "would cost 2190 EUR a month, and its maxPricePerMonth is 1500" in failures(scene)[0]


def test_an_account_and_everything_have_caps_of_their_own() -> None:
    two = (account("a", cap=hourly(2)), account("b"))
    scene = Scene(group("g"), group("h"), group("k", account="b"), accounts=two)
    cap_all(scene, hourly(3))
    for name in "ghk":
        scene.grow(2, name)
    assert [each.group.name for each in scene.creates()] == ["g", "g", "k"]
    texts = failures(scene)
    assert "account a would cost 3 EUR" in texts[0]
    assert "everything would cost 4 EUR" in texts[-1]


@pytest.mark.parametrize(
    "paid",
    [
        "deleted",
        "shown as going",
        "of no group",
        "not listed",
        "in the air",
        "unsure",
        "failed and may land",
    ],
)
def test_all_that_is_paid_for_counts(paid) -> None:
    scene = Scene(group(max_size=9), accounts=(account(cap=hourly(1), hands=9),), settled=True)
    match paid:
        case "deleted":
            scene.listed(machine(1, "g-1"))
            scene.retire(node(1, "g-1"))
        case "shown as going":
            scene.listed(machine(1, "g-1", state=DELETING))
        case "of no group":
            scene.listed(machine(1, "old-1", group="old"))
        case "not listed":
            scene.listed(machine(1, "g-1"))
            scene.now += 1
            scene.listed()
            assert scene.fleet.missing
        case _:
            (name,) = scene.grow(1)
            scene.creates()
            if paid != "in the air":
                scene.ordered(name, errors.Unreachable("cut"))
            if paid == "failed and may land":
                scene.now += 901
                scene.plan()
                assert scene.launch(name).failure is not None
                scene.listed()
    (name,) = scene.grow(1)
    assert scene.creates() == []
    assert scene.launch(name).failure.code == "SpendCap"


def test_what_is_gone_counts_no_more() -> None:
    scene = Scene(group(cap=hourly(1)), shown=(machine(1, "g-1"),))
    scene.retire(node(1, "g-1"))
    scene.plan()
    scene.deleted("g-1")
    scene.now += SETTLE_S
    scene.listed()
    scene.grow(1)
    assert len(scene.creates()) == 1


def test_a_tombstone_counts_as_what_was_ordered() -> None:
    scene = Scene(group(candidates=(BIG, NORTH), cap=hourly(5)))
    sells(scene, north=1, big=4)
    (name,) = scene.grow(1)
    scene.creates()
    scene.retire(node(f"launching/{name}", fake=True))
    scene.grow(2)
    assert [each.candidate for each in scene.creates()] == [NORTH]
    assert "0 machines, 1 order, 1 deletion cost 5" in failures(scene)[0]


def test_a_cheaper_candidate_is_tried_where_the_first_is_too_dear() -> None:
    scene = Scene(group(candidates=(BIG, NORTH), cap=hourly(5)))
    sells(scene, north=1, big=4)
    scene.grow(3)
    assert [each.candidate for each in scene.creates()] == [BIG, NORTH]
    (text,) = failures(scene)
    assert "with one more large in north (4)" in text
    assert "with one more small in north (1)" in text


def test_a_candidate_that_was_sold_out_leaves_what_is_too_dear_and_says_so() -> None:
    scene = Scene(group(candidates=(NORTH, BIG), cap=hourly(3)))
    sells(scene, north=1, big=4)
    (name,) = scene.grow(1)
    scene.creates()
    scene.ordered(name, errors.OutOfStock("none left"))
    assert scene.creates() == []
    assert scene.launch(name).failure.code == "SpendCap"


def test_the_public_ipv4_is_in_the_price_where_the_group_has_one() -> None:
    scene = Scene(group("g", cap=hourly(3)), group("h", cap=hourly(3), public_ipv4=False))
    sells(scene, north=1, ipv4=1)
    scene.grow(3, "g")
    scene.grow(3, "h")
    assert [each.group.name for each in scene.creates()] == ["g", "h", "h", "h"]


class TestUnknownPrices:
    def test_without_a_rate_nothing_is_ordered_under_a_cap(self):
        scene = Scene(group("g", cap=hourly(9)), group("h"))
        sells(scene, north=1, currency="USD")
        scene.grow(1, "g")
        scene.grow(1, "h")
        assert [each.group.name for each in scene.creates()] == ["h"]
        (text,) = failures(scene)
        assert "the price of small in north is not known in EUR" in text
        assert "account a says it in USD; add exchangeRates: {USD: ...}" in text

    def test_with_a_rate_it_is_converted(self):
        scene = Scene(group("g", cap=hourly("0.95")))
        sells(scene, north=1, currency="USD")
        cap_all(scene, groups.SpendCap(), USD=Decimal("0.9"))
        scene.grow(2)
        assert len(scene.creates()) == 1
        assert "(0.9)" in failures(scene)[0]

    def test_a_machine_whose_price_nobody_knows_makes_the_sum_unknown(self):
        odd = dataclasses.replace(machine(1, "g-1"), machine_type="old")
        scene = Scene(group(cap=hourly(100)), shown=(odd,))
        scene.grow(1)
        assert scene.creates() == []
        assert "g-1 counts against it: the price of old in north is not known" in failures(scene)[0]

    def test_what_is_sold_no_more_keeps_its_last_price(self):
        scene = Scene(group(candidates=(NORTH, SOUTH), cap=hourly(3)), shown=(machine(1, "g-1"),))
        sells(scene, south=1)
        scene.grow(3)
        assert [each.candidate for each in scene.creates()] == [SOUTH, SOUTH]

    def test_an_order_waits_while_another_account_is_not_known(self):
        scene = Scene(
            group("g"),
            group("k", account="b"),
            accounts=(account("a"), account("b")),
            settled=False,
        )
        cap_all(scene, hourly(9))
        for _ in range(2):
            scene.listed(account="a")
            scene.now += SETTLE_S + 1
        scene.listed(account="a")
        (name,) = scene.grow(1)
        assert scene.creates() == []
        assert scene.launch(name).phase is state.Phase.HELD
        for _ in range(2):
            scene.listed(account="b")
            scene.now += SETTLE_S + 1
        scene.listed(account="b")
        assert len(scene.creates()) == 1

    def test_and_says_for_what_when_its_time_is_over(self):
        scene = Scene(
            group("g"),
            group("k", account="b"),
            accounts=(account("a"), account("b")),
            settled=False,
        )
        cap_all(scene, hourly(9))
        for _ in range(3):
            scene.listed(account="a")
            scene.now += SETTLE_S + 1
        scene.grow(1)
        scene.now += 901
        scene.plan()
        assert "what account b has is not known yet" in failures(scene)[0]


def test_without_a_cap_no_price_is_looked_at() -> None:
    scene = Scene()
    sells(scene, north=1, currency="USD")
    scene.grow(3)
    assert len(scene.creates()) == 3


def test_a_cap_that_was_lowered_turns_back_what_waits_for_its_turn() -> None:
    scene = Scene(group(cap=hourly(2)))
    scene.grow(2)
    sent = scene.creates()
    assert [cloud_calls.of(each).not_wanted(scene.fleet) for each in sent] == ["", ""]
    scene.configure(group(cap=hourly(1)))
    assert "cap of group g" in cloud_calls.of(sent[0]).not_wanted(scene.fleet)
    scene.ordered(sent[0].name, errors.Throttled("not sent"))
    assert cloud_calls.of(sent[1]).not_wanted(scene.fleet) == "", "the other one fits"


def test_what_the_operator_says_is_not_ours_does_not_count() -> None:
    scene = Scene(group(cap=hourly(1)), shown=(machine(1, "g-1"),))
    held = state.Quarantine(state.Doubt.FOREIGN, "another's", since=0.0)
    for ignored, orders in ((False, 0), (True, 1)):
        scene.fleet = dataclasses.replace(
            scene.fleet,
            quarantine={"sky://1": dataclasses.replace(held, ignored=ignored)},
            launches={},
        )
        scene.grow(1)
        assert len(scene.creates()) == orders


def test_a_machine_counts_once_though_its_order_and_a_listing_show_it() -> None:
    scene = Scene(group(cap=hourly(2)))
    (name,) = scene.grow(1)
    scene.creates()
    scene.ordered(name, machine(1, name, state=CREATING))
    scene.listed(machine(1, name, state=CREATING))
    spent = spending.Ledger(scene.fleet).spent(spending.Scope("group", "g"))
    assert (spent.per_hour, spent.machines, spent.coming) == (Decimal(1), 1, 0)
    assert list(spending.capped(scene.fleet)) == [spending.Scope("group", "g")]
