from __future__ import annotations

from externalgrpc.joining import observations
from externalgrpc.kube import nodes
from externalgrpc.nodes import template

BORN = 1000.0
SOME = template.Observed(cpu_millis=2000)


def node(**value: object) -> nodes.Node:
    fields = {"name": "g-1", "uid": "u", "provider_id": "sky://1", "created_at": BORN, **value}
    return nodes.Node(**fields)  # type: ignore[arg-type]


def seen(*there: nodes.Node, **asked: float) -> dict[str, object]:
    names = {name.replace("_", "-"): at for name, at in asked.items()}
    return dict(observations.observe(there, names, unix_now=5000.0))


def test_a_node_is_found_by_its_name_and_by_its_machine() -> None:
    found = seen(node(ready=True, ready_since=BORN + 9), g_1=BORN - 5)
    assert found["g-1"] is found["sky://1"]
    g_1 = observations.observe([node(ready=True, ready_since=BORN + 9)], {}, unix_now=0.0)["g-1"]
    assert (g_1.csr_at, g_1.node_at, g_1.ready_at) == (0.0, BORN, BORN + 9)


def test_one_without_a_providerid_by_its_name_alone() -> None:
    assert seen(node(provider_id="")).keys() == {"g-1"}


def test_a_request_counts_before_there_is_a_node() -> None:
    g_1 = observations.observe([], {"g-1": 7.0}, unix_now=0.0)["g-1"]
    assert (g_1.csr_at, g_1.node_at) == (7.0, 0.0)


def test_one_that_lost_its_readiness_late_was_ready_and_a_fresh_one_was_not() -> None:
    for changed_s, was_ready in ((0.0, False), (60.0, False), (observations.SETTLED_S + 1, True)):
        late = node(ready=False, ready_since=BORN + changed_s)
        g_1 = observations.observe([late], {}, unix_now=5000.0)["g-1"]
        assert not g_1.ready_at
        assert bool(g_1.was_ready_at) is was_ready


def test_a_node_that_does_not_tell_its_birth_is_born_now() -> None:
    g_1 = observations.observe([node(created_at=0.0, ready=True)], {}, unix_now=5000.0)["g-1"]
    assert (g_1.node_at, g_1.ready_at) == (5000.0, 5000.0)


def test_only_ready_nodes_with_a_machine_teach() -> None:
    there = [
        node(ready=True, capacity=SOME),
        node(name="g-2", provider_id="sky://2", ready=False, capacity=SOME),
        node(name="g-3", provider_id="", ready=True, capacity=SOME),
    ]
    assert observations.reports(there) == {"sky://1": template.Learned(capacity=SOME)}


def test_nodes_are_dated_by_our_clock() -> None:
    behind = node(created_at=BORN - 3600.0, ready_since=BORN - 3600.0, ready=False)
    g_1 = observations.observe([behind], {}, unix_now=BORN, ahead_s=-3600.0)["g-1"]
    assert (g_1.node_at, g_1.was_ready_at) == (BORN, 0.0)
    unborn = observations.observe([node(created_at=0.0)], {}, unix_now=BORN, ahead_s=-3600.0)["g-1"]
    assert unborn.node_at == BORN


def test_of_two_nodes_that_claim_one_machine_the_ready_one_counts() -> None:
    real = node(ready=True, ready_since=BORN + 9)
    left = node(name="old", ready=False)
    for there in ([real, left], [left, real]):
        assert observations.observe(there, {}, unix_now=5000.0)["sky://1"].ready_at
