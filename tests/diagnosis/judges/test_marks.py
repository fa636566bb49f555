"""Nodes and machines that disagree, and marks that are wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from externalgrpc.diagnosis import notes
from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.probes import cloud_probe
from providers import contract
from tests.diagnosis import given

OURS = "aaaaaaaaaa"


def test_a_node_that_claims_a_siblings_provider_id() -> None:
    sibling = given.machine("web-sibling", id="2")
    thief = given.node("web-bcdfgh", provider_id="hcloud://2")
    victim = given.node("web-sibling", provider_id="hcloud://2")
    of = given.facts(machines=(given.machine(), sibling), cluster={"nodes": (thief, victim)})
    (found,) = [each for each in given.judging.judge(of).findings if each.subject == "marks"]
    assert found.what == "Node web-bcdfgh has the providerID of web-sibling (hcloud://2)"
    assert "kubectl delete node web-bcdfgh" in found.cure
    # The thief's own machine is not called dead: it may be what lies.
    assert not any("never joined" in each for each in given.judged(of))


def test_a_node_of_another_name_is_reported_unless_its_group_names_nodes_so() -> None:
    renamed = given.node("renamed", provider_id="hcloud://1")
    found = given.trouble(given.facts(cluster={"nodes": (renamed,)}))
    assert found.what == "Node renamed has the providerID of web-bcdfgh (hcloud://1)"
    assert "anyNodeName: true" in found.cure
    fine = given.facts(given.group(any_node_name=True), cluster={"nodes": (renamed,)})
    assert given.judged(fine) == []


def test_machines_without_a_name_in_their_marks_contradict_nobody() -> None:
    nameless = given.machine("", id="1")
    assert given.judged(given.facts(machines=(nameless,))) == []


def marked(node_age_s: float = 3600.0, *, marking: bool = True, **changed: Any) -> Facts:
    of = given.facts(
        machines=(given.machine(**changed),),
        cluster={
            "identity": OURS,
            "nodes": (given.node(created_at=given.NOW - node_age_s),),
        },
    )
    listing = dataclasses.replace(of.listings[0], marking=marking)
    return given.change(of, listings=(listing,))


@pytest.mark.parametrize(
    "changed", [{"identity": OURS, "unjoined": True}, {"identity": ""}, {"unjoined": True}]
)
def test_a_node_whose_marks_do_not_say_so(changed: dict[str, Any]) -> None:
    found = given.warning(marked(**changed))
    assert "1 machines at account hetzner are nodes, and their marks do not say so" in found.what
    assert "machine not marked" in found.cure
    assert given.judged(marked(node_age_s=600.0, **changed)) == []


def test_what_needs_no_mark_is_no_finding() -> None:
    assert given.judged(marked(identity=OURS)) == []
    # A cloud that cannot change marks cannot be blamed for them.
    assert given.judged(marked(marking=False)) == []
    of = marked()
    unknown = dataclasses.replace(of.cluster, identity="")
    assert given.judged(given.change(of, cluster=unknown)) == []
    alone = dataclasses.replace(of.config, kubernetes=None)
    assert given.judged(given.change(of, config=alone)) == []
    leaving = marked(state=contract.InstanceState.DELETING)
    assert not any(" marks: " in each for each in given.judged(leaving))


class Fixed:
    """A cloud that lists, and cannot change what a machine carries."""

    def instances(self) -> tuple[contract.Instance, ...]:
        """List."""
        return (given.machine(),)

    def close(self) -> None:
        """Do nothing."""


class Changing(Fixed):
    """A cloud that can."""

    def mark(self, *_: object, **__: object) -> contract.Instance:
        """Never called here."""
        raise AssertionError


@pytest.mark.parametrize(("cloud", "marking"), [(Fixed, False), (Changing, True)])
def test_whether_a_cloud_can_change_marks_is_asked_of_it(
    cloud: type[Fixed], *, marking: bool
) -> None:
    (listing,) = cloud_probe.listings(given.facts().config, lambda _account: cloud(), notes.Notes())
    assert listing.marking is marking
