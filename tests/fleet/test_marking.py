"""Marks are changed on what a Node of ours claims by name and id, one at a time."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from externalgrpc.fleet import marking, proof, registering, requests, state
from providers import contract, errors
from tests.fleet.scene import IDENTITY, Scene, account, machine, node, unjoined

OTHER = "feedc0ffee"
MARK = contract.Mark


class Marked(Scene):
    def __init__(self, *shown, foreign=None, identity=IDENTITY, **of_account) -> None:
        marks = {"marking": True, "foreign": foreign or {}, **of_account}
        super().__init__(accounts=(account(**marks),), identity=identity, nodes={}, shown=shown)

    def see(self, **nodes: str) -> None:
        seen = {name: state.Seen(each, ready=True) for name, each in nodes.items()}
        seen = {name.replace("_", "-"): each for name, each in seen.items()}
        self.fleet = registering.see_nodes(self.fleet, seen, now=self.now, unix_now=self.now)

    def marks(self) -> list[requests.Mark]:
        return [each for each in self.plan() if isinstance(each, requests.Mark)]

    def answer(self, mark: requests.Mark, error: errors.CloudError | None = None) -> None:
        self.fleet = marking.marked(self.fleet, mark, error, now=self.now, wait_s=0.0)


def test_unjoined_goes_when_the_node_comes_and_not_before() -> None:
    there = Marked(unjoined(1, "g-1"))
    assert there.marks() == []
    there.see(g_1="sky://1")
    (mark,) = there.marks()
    assert (mark.instance_id, dict(mark.put), mark.remove) == ("1", {}, {MARK.UNJOINED})
    assert there.marks() == [], "it is under way"
    there.answer(mark)
    there.now += 100
    assert there.marks() == [], "the next listing shows whether it is still to be done"


@pytest.mark.parametrize("claim", [{"g_2": "sky://1"}, {"g_1": "sky://9"}, {"g_1": ""}])
def test_half_a_claim_changes_no_mark(claim) -> None:
    there = Marked(unjoined(1, "g-1"), machine(2, "g-2", identity=IDENTITY))
    there.see(**claim)
    assert there.marks() == []


def test_what_an_older_version_made_gets_our_identity() -> None:
    there = Marked(machine(1, "g-1"))
    there.see(g_1="sky://1")
    (mark,) = there.marks()
    assert (dict(mark.put), mark.remove) == ({MARK.IDENTITY: IDENTITY}, frozenset())


@pytest.mark.parametrize("word", ["", "ignore", "gone", "adopt"])
def test_another_clusters_identity_is_changed_on_the_operators_word_alone(word) -> None:
    there = Marked(machine(1, "g-1", identity=OTHER), foreign={OTHER: word} if word else {})
    there.see(g_1="sky://1")
    assert [dict(each.put) for each in there.marks()] == (
        [{MARK.IDENTITY: IDENTITY}] if word == "adopt" else []
    )


def test_a_cluster_without_identity_gives_none_and_takes_unjoined_off() -> None:
    there = Marked(machine(1, "g-1", unjoined=True), identity="")
    there.fleet = dataclasses.replace(there.fleet, nodes=None)
    there.register("sky://1")
    (mark,) = there.marks()
    assert (dict(mark.put), mark.remove) == ({}, {MARK.UNJOINED})


def test_one_at_a_time_and_paced_by_the_budget() -> None:
    there = Marked(*(unjoined(n, f"g-{n}") for n in range(3)), rate_per_s=1.0)
    there.see(**{f"g_{n}": f"sky://{n}" for n in range(3)})
    (first,) = there.marks()
    there.answer(first)
    assert there.marks() == []
    there.now += contract.Costs().mark / marking.SHARE
    (second,) = there.marks()
    assert second.provider_id != first.provider_id


def test_a_cloud_that_changes_no_marks_is_asked_less_and_less_often() -> None:
    there = Marked(unjoined(1, "g-1"), machine(2, "g-2", identity=IDENTITY))
    there.see(g_1="sky://1")
    asked = []
    for _ in range(4000):
        if found := there.marks():
            asked.append(there.now)
            there.answer(found[0], errors.BadCredentials("no right to"))
        there.now += 10
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits[0] == marking.RETRY_S
    assert waits == sorted(waits)
    assert waits[-1] == marking.MAX_RETRY_S


def test_while_marks_cannot_be_taken_off_those_that_are_there_prove_nothing() -> None:
    there = Marked(unjoined(1, "g-1"), unjoined(2, "g-2"))
    there.see(g_1="sky://1")
    assert proof.never_joined(there.fleet, there.member("g-2").instance, "a")
    (mark,) = there.marks()
    there.answer(mark, errors.BadCredentials("the token has no right to"))
    assert not proof.never_joined(there.fleet, there.member("g-2").instance, "a")
    there.answer(mark)
    assert proof.never_joined(there.fleet, there.member("g-2").instance, "a")


def test_where_the_cloud_cannot_nobody_asks() -> None:
    there = Marked(unjoined(1, "g-1"), marking=False)
    there.see(g_1="sky://1")
    assert there.marks() == []


@pytest.mark.parametrize("identity", [IDENTITY, ""])
def test_a_mark_that_somebody_puts_back_proves_nothing(identity) -> None:
    """Seeds 21, 60 and 1943: a raw cluster's server had seen the other's node without it."""
    there = Marked(machine(1, "g-1", identity=identity, created_at=990.0), identity=identity)
    there.fleet = dataclasses.replace(there.fleet, started_at=999.0, nodes={} if identity else None)
    for _ in range(3):
        there.now += 100
        there.listed(machine(1, "g-1", identity=identity, unjoined=True, created_at=990.0))
    shown = there.fleet.index.by_provider_id["sky://1"]
    assert shown.unjoined
    assert not proof.never_joined(there.fleet, shown, "a")
    there.retire(node(1, fake=True))
    assert not there.fleet.retired
    assert there.fleet.quarantine["sky://1"].doubt is state.Doubt.UNREGISTERED
    there.listed()
    there.missing_looked_up("sky://1", None)
    there.listed()
    assert not there.fleet.remarked
