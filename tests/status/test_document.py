"""/status.json says what the server knows, in the shape that is documented, and nothing secret."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from externalgrpc.fleet import history, state
from externalgrpc.nodes import pricing
from externalgrpc.status import document, known, shape
from providers import contract, masking
from tests import serving, zoo
from tests.fleet import scene
from tests.fleet.scene import machine
from tests.fleet.test_ways import Seen, made, running
from tests.status import seen

SCHEMA = Path(__file__).parents[2] / "docs" / "status.schema.json"
PRICES = pricing.PriceList(
    currency="EUR",
    prices={
        pricing.PriceKey("a", "small", "north"): pricing.Price(
            per_hour=Decimal("0.01"), ipv4_per_hour=Decimal("0.001")
        )
    },
)


def of(at: Seen, **fields) -> shape.Status:
    past = at.look()
    given = {
        "fleet": at.fleet,
        "past": past,
        "prices": PRICES,
        "budgets": {},
        "now": at.now,
        "unix_now": at.now + 5000,
        "started_at": 0.0,
        "version": "test",
        "dry_run": False,
        "watches_nodes": False,
        **fields,
    }
    return document.build(known.Known(**given))


def valid(status: shape.Status) -> dict:
    read = json.loads(shape.as_json(status))
    jsonschema.validate(read, json.loads(SCHEMA.read_text()), jsonschema.Draft202012Validator)
    return read


def test_the_published_schema_is_that_of_the_code():
    assert json.loads(SCHEMA.read_text()) == shape.schema(), "docs/status.schema.json: make schema"


def test_every_key_that_is_written_is_in_the_schema_and_none_else():
    text = SCHEMA.read_text()
    closed = json.loads(text)
    for each in (closed, *closed["$defs"].values()):
        each["additionalProperties"] = False
    at = Seen()
    running(at)
    jsonschema.validate(json.loads(shape.as_json(of(at))), closed)


def test_an_empty_fleet_is_a_status():
    assert valid(of(Seen()))["machines"] == []


def test_a_group_has_bounds_target_price_candidates_and_the_answer():
    at = Seen(scene.group(min_size=1))
    running(at)
    at.register("sky://7")
    (group,) = valid(of(at))["groups"]
    assert (group["minSize"], group["targetSize"], group["maxSize"]) == (1, 1, 10)
    assert (group["nodes"], group["phases"]) == (1, {"running": 1})
    assert group["pricePerHour"] == "0.011"
    assert group["costPerHour"] == "0.011"
    assert [each["region"] for each in group["candidates"]] == ["north", "south"]
    assert [each["pricePerHour"] for each in group["candidates"]] == ["0.011", None]
    assert group["why"]["code"] == "NotAsked"


def test_a_group_that_is_an_object_says_so():
    found = valid(of(Seen(scene.group(), scene.group("h", vps_node=True))))["groups"]
    assert [(each["name"], each["vpsNode"]) for each in found] == [("g", False), ("h", True)]


def test_cost_is_of_what_exists_and_says_what_it_does_not_know():
    at = Seen(shown=(machine(1, "g-1"), dataclasses.replace(machine(2, "g-2"), location="moon")))
    at.grow()
    cost = valid(of(at))["cost"]
    assert cost == {"perHour": "0.011", "perMonth": "8.030", "machines": 2, "unpriced": 1}


def test_what_is_being_deleted_and_what_is_in_doubt_costs_as_well():
    at = Seen(
        identity="a" * 10,
        nodes={},
        shown=(
            machine(1, "g-1", identity="b" * 10),
            machine(2, "h-2", group="h", identity="a" * 10),
            machine(3, "g-3", state=contract.InstanceState.DELETING, identity="a" * 10),
        ),
    )
    read = valid(of(at))
    assert sorted(each["phase"] for each in read["machines"]) == [
        "deleting",
        "orphan",
        "quarantine",
    ]
    assert read["cost"]["machines"] == 3
    doubted = next(each for each in read["machines"] if each["phase"] == "quarantine")
    assert doubted["code"] == "Foreign"
    assert "identity" in doubted["message"]
    assert read["groups"][0]["notNow"]["code"] == "ForeignMachines"
    assert read["accounts"][0]["notNow"]["code"] == "ForeignMachines"


def test_a_machine_shows_its_way_and_what_is_awaited():
    at = Seen()
    name = made(at)
    (one,) = valid(of(at))["machines"]
    assert (one["name"], one["phase"], one["awaits"]) == (name, "creating", "running")
    assert [each["step"] for each in one["way"]] == ["asked", "ordered", "created"]
    assert [each["at"] for each in one["way"]] == sorted(each["at"] for each in one["way"])


@pytest.mark.parametrize(("watches", "awaits"), [(False, ""), (True, "ready")])
def test_the_last_step_is_ready_only_where_nodes_are_watched(watches, awaits):
    at = Seen()
    running(at)
    at.register("sky://7")
    (one,) = of(at, watches_nodes=watches).machines
    assert one.awaits == awaits


def test_a_machine_that_is_not_given_up_says_why():
    at = Seen()
    name = running(at)
    failure = state.Failure(state.ErrorClass.OTHER, "JoinTimeout", "no Node in 15m")
    held = state.Unjoined(at.now, failure, "its mark is gone", provider_id="sky://7")
    at.fleet = dataclasses.replace(at.fleet, unjoined={name: held})
    (one,) = of(at).machines
    assert one.code == "JoinTimeout"
    assert one.message == "no Node in 15m; it is not given up: its mark is gone"


def test_what_was_refused_and_until_when():
    at = Seen()
    refusal = state.Refusal(at.now, state.Failure(state.ErrorClass.OTHER, "OutOfStock", "gone"))
    at.fleet = dataclasses.replace(at.fleet, refusals={state.SoldOut("a", scene.NORTH): refusal})
    at.later(10)
    (refused,) = of(at).refused
    assert refused.what == "small in north at a"
    assert (refused.at, refused.until) == (at.now - 10 + 5000, at.now + 290 + 5000)
    candidate = of(at).groups[0].candidates[0]
    assert candidate.refused_until == refused.until
    at.later(291)
    assert of(at).refused == ()
    assert of(at).groups[0].candidates[0].refused_until is None


def test_an_account_has_its_budget_and_the_age_of_its_listing():
    at = Seen()
    at.later(5)
    budget = contract.Budget(limit=3600, remaining=7, reset_at=1.0, seen_at=2.0)
    (account,) = of(at, budgets={"a": budget}).accounts
    assert account.listed_at == at.now - 5 + 5000
    assert account.budget == shape.Budget(remaining=7, limit=3600, reset_at=1.0, seen_at=2.0)
    assert of(at).accounts[0].budget is None


def test_troubles_of_the_whole():
    at = Seen()
    at.fleet = dataclasses.replace(at.fleet, outage="all nodes are gone")
    troubles = of(at, dry_run=True).troubles
    assert troubles[0] == "Dry run: nothing is created or deleted."
    assert "all nodes are gone" in troubles[1]


def test_it_is_a_pure_function():
    at = Seen()
    running(at)
    assert of(at) == of(at)
    assert history.record(at.past, at.fleet, at.fleet, now=at.now, unix_now=1.0) == at.past


def with_trouble(page, trouble, word):
    """Let an account be in trouble that no listing ends, and give the JSON that says so."""

    def troubled(fleet):
        account = dataclasses.replace(fleet.accounts["memory"], catalogue_trouble=trouble)
        return dataclasses.replace(fleet, accounts={"memory": account})

    page.up.plant.reconciler._change(troubled)
    serving.until(lambda: word in page.ask("/status.json").body.decode())
    return page.ask("/status.json").body.decode()


def test_a_whole_server_says_no_secret(tmp_path):
    masking.know("s3cr3t-t0ken-of-ours")
    (tmp_path / "join.yaml").write_text(
        "#cloud-config\nruncmd: ['join --token abcdef.0123456789abcdef']\n"
    )
    text = serving.TWO_POOLS.replace(
        "minSize: 0, maxSize: 5}", "minSize: 0, maxSize: 5, userDataFile: join.yaml}"
    )
    with seen.looking(tmp_path, text) as page:
        page.up.plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(lambda: page.group("alpha")["phases"].get("running"))
        body = with_trouble(page, "denied: s3cr3t-t0ken-of-ours abcdef.0123456789abcdef", "denied")
    assert "denied: (our token)" in body
    assert "s3cr3t-t0ken-of-ours" not in body
    assert "abcdef.0123456789abcdef" not in body
    assert "cloud-config" not in body
    assert "10.0." not in body, "addresses are none of a page's business"


def test_hostile_words_are_characters(tmp_path):
    with seen.looking(tmp_path) as page:
        body = with_trouble(page, " ".join(zoo.WORDS), "forged")
    zoo.harmless(body)
    trouble = json.loads(body)["accounts"][0]["trouble"]
    zoo.harmless(trouble)
    assert "\\u2028" in trouble
