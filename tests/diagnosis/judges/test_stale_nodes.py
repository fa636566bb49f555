"""Nodes without machine."""

from __future__ import annotations

from externalgrpc.diagnosis.judges import stale_nodes
from externalgrpc.model.groups import Kubernetes
from tests.diagnosis import given

DEAD = given.node("web-xxxxxx", provider_id="hcloud://9", ready=False)


def both(*more: object, **changed: object) -> dict:
    return {"nodes": (given.node(), *more), **changed}


def test_a_dead_node_whose_machine_is_gone() -> None:
    found = given.warning(given.facts(cluster=both(DEAD)))
    assert "Nodes without a machine: web-xxxxxx" in found.what
    assert found.cure == "kubectl delete node web-xxxxxx"


def test_who_does_not_remove_nodes_is_reported_that_the_server_could() -> None:
    of = given.facts(kubernetes=Kubernetes(remove_nodes=False), cluster=both(DEAD))
    assert "removeNodes: true" in given.only(of, stale_nodes.judge).cure


def test_one_that_is_ready_has_a_machine_that_nobody_knows() -> None:
    ready = given.node("web-xxxxxx", provider_id="hcloud://9")
    found = given.trouble(given.facts(cluster=both(ready)))
    assert "web-xxxxxx (hcloud://9)" in found.what


def test_one_without_provider_id_is_ours_by_its_name() -> None:
    nameless = given.node("web-xxxxxx", provider_id="", ready=False)
    assert "web-xxxxxx" in given.warning(given.facts(cluster=both(nameless))).what


def quiet(*more: object, **changed: object) -> None:
    assert list(stale_nodes.judge(given.facts(cluster=both(*more), **changed))) == []


def test_nodes_that_are_not_ours_are_left_alone() -> None:
    quiet(given.node("control-1", provider_id="hcloud://9", ready=False))
    quiet(given.node("web-xxxxxx", provider_id="other://9", ready=False))
    quiet(given.node("web-1", provider_id="hcloud://9", ready=False))


def test_nothing_is_said_of_a_cloud_that_was_not_listed() -> None:
    quiet(DEAD, listings=())


def test_a_young_node_may_be_ahead_of_the_listing() -> None:
    quiet(given.node("web-xxxxxx", provider_id="hcloud://9", created_at=given.NOW - 299))


def test_a_node_on_its_way_out_is_let_go() -> None:
    quiet(given.node("web-xxxxxx", provider_id="hcloud://9", ready=False, deleting=True))


def test_a_machine_of_its_name_or_its_provider_id_is_its_machine() -> None:
    quiet(given.node("web-xxxxxx", provider_id="hcloud://1", ready=False))
    quiet(given.node("web-bcdfgh", provider_id="hcloud://9", ready=False))


def test_only_the_cloud_of_the_provider_id_must_have_been_listed() -> None:
    two = {"hetzner": "hcloud", "other": "linode"}
    of = given.change(given.facts(cluster=both(DEAD)), schemes=two)
    assert "web-xxxxxx" in given.only(of, stale_nodes.judge).what
    # One without providerID may be of either.
    nameless = given.node("web-xxxxxx", provider_id="", ready=False)
    of = given.change(given.facts(cluster=both(nameless)), schemes=two)
    assert list(stale_nodes.judge(of)) == []


def test_one_without_provider_id_that_is_ready() -> None:
    nameless = given.node("web-xxxxxx", provider_id="")
    assert "web-xxxxxx (no providerID)" in given.trouble(given.facts(cluster=both(nameless))).what


def test_without_a_cluster_in_the_configuration_the_server_removes_none() -> None:
    of = given.facts(
        given.group(join="raw"), kubernetes=None, cluster=both(DEAD), endpoint_probes=()
    )
    assert "removeNodes: true" in given.warning(of).cure


def test_nodes_that_were_not_seen_are_not_missed() -> None:
    assert given.judged(given.facts(cluster={"nodes": None})) == []
    assert list(stale_nodes.judge(given.facts(cluster={"nodes": None}))) == []
