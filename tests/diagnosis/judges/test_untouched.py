"""What is not touched and why nothing is ordered, each with the word that it waits for."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Severity
from externalgrpc.diagnosis.judges import untouched
from externalgrpc.pb import fleet_pb2 as pb
from tests.diagnosis import given

OURS, OTHERS = "aaaaaaaaaa", "bbbbbbbbbb"


def doubted(doubt: str, **changed: object) -> pb.Machine:
    fields = {
        "name": "web-bcdfgh",
        "group": "web",
        "account": "hetzner",
        "provider_id": "hcloud://1",
        "phase": "quarantine",
        "doubt": doubt,
        "doubt_message": "so it is",
        "doubt_seconds_ago": 7200.0,
    }
    return pb.Machine(**{**fields, **changed})


def shown(*machines: pb.Machine, **changed: object) -> Facts:
    return given.facts(shown=given.show(given.group(), machines=machines, **changed))


def saying(of: Facts, **words: object) -> Facts:
    account = dataclasses.replace(of.config.accounts["hetzner"], **words)
    config = dataclasses.replace(of.config, accounts={"hetzner": account})
    return given.change(of, config=config)


@pytest.mark.parametrize(
    ("doubt", "identity", "cure"),
    [
        ("Foreign", OTHERS, f"vps-autoscaler purge --config FILE --identity {OTHERS}"),
        ("Unclaimed", "", "accounts[].foreign: {none: ignore}"),
        ("Unregistered", OURS, "vps-autoscaler purge --config FILE --machine hcloud://1"),
    ],
)
def test_quarantine_is_reported_by_doubt_with_its_cure(
    doubt: str, identity: str, cure: str
) -> None:
    found = given.trouble(shown(doubted(doubt, identity=identity)))
    assert found.what == (f"1 in quarantine as {doubt}, for 2h: web-bcdfgh (hcloud://1): so it is")
    assert cure in found.cure


def test_many_of_one_doubt_are_one_finding() -> None:
    many = [doubted("Foreign", name=f"w-{n}", identity=OTHERS) for n in range(30)]
    assert given.trouble(shown(*many)).what.startswith("30 in quarantine as Foreign, for 2h: w-0")
    of = shown(*many, doubted("Foreign", identity="cccccccccc"), doubted("Unclaimed"))
    assert len(list(untouched.judge(of))) == 3


def test_misnamed_ones_are_reported_by_their_nodes_where_those_are_known() -> None:
    of = shown(doubted("Misnamed"))
    assert given.judged(of) == []
    blind = given.change(of, cluster=dataclasses.replace(of.cluster, nodes=None))
    found = given.trouble(blind)
    assert "in quarantine as Misnamed" in found.what
    assert "anyNodeName: true" in found.cure


def test_what_the_operator_excused_is_reported_only_when_it_should_be_gone() -> None:
    of = shown(doubted("Foreign", identity=OTHERS, excused=True))
    assert given.judged(saying(of, foreign={OTHERS: "ignore"})) == []
    found = given.warning(saying(of, foreign={OTHERS: "gone"}))
    assert "1 machines of a cluster that the file calls gone are still there: hcl" in found.what
    assert found.cure == f"vps-autoscaler purge --config FILE --identity {OTHERS}"
    nobodys = shown(doubted("Unclaimed", excused=True))
    found = given.warning(saying(nobodys, foreign={"none": "gone"}))
    assert found.cure == "vps-autoscaler purge --config FILE --identity none"


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("Outage", "believeVanished: true"),
        ("ForeignMachines", "accounts[].foreign"),
        ("ClusterRenamed", "purge --cluster OLD"),
        ("OrderRate", "maxOrdersPerHour"),
        ("SomethingNew", "the server's log"),
    ],
)
def test_an_account_that_orders_nothing(code: str, word: str) -> None:
    account = pb.Account(
        name="hetzner",
        listed_seconds_ago=3,
        budget_limit=-1,
        not_now_code=code,
        not_now_reason="that is why",
    )
    found = given.trouble(shown(accounts=[account]))
    assert found.what == f"nothing is ordered at account hetzner: {code}: that is why"
    assert word in found.cure


def test_a_second_server_by_its_machines() -> None:
    found = given.trouble(shown(pb.Machine(name="w", provider_id="hcloud://9", strange=True)))
    assert "1 machines of this cluster were made by somebody else" in found.what
    assert "w (hcloud://9)" in found.what
    assert "second server" in found.why.lower()


def test_orders_that_wait_for_the_identity_and_an_outage() -> None:
    assert given.trouble(shown(orders_held="why")).what == "orders are held: why"
    assert given.trouble(shown(outage="5 of 6 nodes are lost")).what == "5 of 6 nodes are lost"


def test_a_word_that_was_meant_for_one_night() -> None:
    of = saying(shown(), believe_vanished=True)
    assert "has believeVanished: true" in given.warning(of).what
    account = pb.Account(
        name="hetzner", listed_seconds_ago=3, budget_limit=-1, not_now_code="Outage"
    )
    findings = given.judged(saying(shown(accounts=[account]), believe_vanished=True))
    assert not any("believeVanished" in each for each in findings)


def test_foreign_machines_are_reported_without_a_server_too() -> None:
    theirs = given.machine("web-xxxxxx", id="7", identity=OTHERS)
    of = given.facts(machines=(given.machine(), theirs), cluster={"identity": OURS})
    for server in (of.server, None):
        found = given.warning(given.change(of, server=server))
        assert f"1 machines of this cluster's name carry the identity {OTHERS}" in found.what
    seen = given.show(
        given.group(), machines=[doubted("Foreign", provider_id="hcloud://7", identity=OTHERS)]
    )
    (one,) = untouched.judge(given.change(of, server=seen))
    assert one.severity is Severity.TROUBLE
    # Whoever does not know his own identity calls nobody foreign.
    unknown = given.facts(machines=(given.machine(identity=OTHERS),))
    assert given.judged(unknown) == []


def test_one_in_quarantine_is_reported_as_that_and_as_nothing_else() -> None:
    lone = given.machine("web-xxxxxx", id="7")
    server = given.show(
        given.group(), machines=[doubted("Unclaimed", name="web-xxxxxx", provider_id="hcloud://7")]
    )
    of = given.facts(machines=(given.machine(), lone), shown=server)
    assert "in quarantine as Unclaimed" in given.trouble(of).what


def test_a_pause_is_a_warning_said_once_at_its_place() -> None:
    why = {"not_now_code": "Paused", "not_now_reason": "paused: true in the file"}
    account = pb.Account(name="hetzner", listed_seconds_ago=3, budget_limit=-1, **why)
    of = shown(accounts=[account], paused="paused: true in the file")
    found = given.warning(of)
    assert found.what == "nothing is ordered at all: Paused: paused: true in the file"
    assert "vps-autoscaler/paused-" in found.cure
    assert "Nothing is deleted but what it asks for" in found.why
    group = pb.Group(id="web", not_now_code="Paused", not_now_reason="paused: true of group web")
    found = given.only(shown(groups=[group]), untouched.judge)
    assert "for group web: Paused" in found.what


def test_a_paused_vpsnode_is_resumed_at_the_object() -> None:
    why = {"not_now_code": "Paused", "not_now_reason": "spec.paused of VPSNode web"}
    found = given.only(shown(groups=[pb.Group(id="web", vps_node=True, **why)]), untouched.judge)
    assert "spec.paused of VPSNode web" in found.what
    assert found.cure == """kubectl patch vpsnode web --type=merge -p '{"spec":{"paused":false}}'"""
    why["not_now_reason"] = "paused: true of account hetzner"
    found = given.only(shown(groups=[pb.Group(id="web", vps_node=True, **why)]), untouched.judge)
    assert "out of the file" in found.cure


def test_a_cap_under_which_nobody_knows_what_is_spent() -> None:
    known = pb.Spend(scope="account", name="hetzner", per_hour="1", cap_per_hour="2")
    unknown = pb.Spend(scope="group", name="web", cap_per_hour="2", unknown="the price of x")
    found = given.trouble(shown(spending=[known, unknown]))
    assert found.what == "nothing is ordered under the cap of group web: the price of x"
    assert "exchangeRates" in found.cure
