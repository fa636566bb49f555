"""Pods of kube-system that keep a group from going to zero."""

from __future__ import annotations

import pytest

from externalgrpc.diagnosis.facts import Budget
from externalgrpc.kube import eviction
from externalgrpc.kube.eviction import Pod
from tests.diagnosis import given

COVER = Budget(name="b", labels={"app": "dns"}, allowed=1)


def pod(**changed: object) -> Pod:
    fields = {
        "name": "dns-1",
        "node_name": "web-bcdfgh",
        "labels": {"app": "dns"},
        "owner": "ReplicaSet",
    }
    return Pod(**{**fields, **changed})


def with_pod(*budgets: Budget, flag: str = "", **changed: object) -> object:
    its = () if not flag else (flag,)
    return given.facts(
        cluster={
            "pods": (pod(**changed),),
            "budgets": budgets,
            "workloads": (given.autoscaler(*its),),
        }
    )


def test_a_system_pod_without_budget() -> None:
    found = given.warning(with_pod())
    assert "have no PodDisruptionBudget" in found.what
    assert "dns-1 (on web-bcdfgh)" in found.what
    assert given.judged(with_pod(COVER)) == []
    other = Budget(name="b", labels={"app": "other"}, allowed=1)
    assert "no PodDisruptionBudget" in given.warning(with_pod(other)).what
    assert given.judged(with_pod(flag="--skip-nodes-with-system-pods=false")) == []


def test_a_budget_that_allows_nothing() -> None:
    assert (
        "allows no disruption"
        in given.warning(with_pod(Budget(name="b", labels={}, allowed=0))).what
    )


def test_a_budget_whose_selector_we_do_not_read_counts_as_fine() -> None:
    assert given.judged(with_pod(Budget(name="b", labels={"x": "y"}, odd=True))) == []


def test_a_pod_that_nobody_would_start_elsewhere() -> None:
    assert "no controller" in given.warning(with_pod(COVER, owner="")).what


def test_a_pod_that_must_not_be_evicted() -> None:
    assert (
        "safe-to-evict=false"
        in given.warning(with_pod(COVER, annotations={eviction.SAFE: "false"})).what
    )


def test_local_storage() -> None:
    assert "have local storage" in given.warning(with_pod(COVER, local_storage=("tmp",))).what
    named = {eviction.SAFE_VOLUMES: "x,tmp"}
    assert given.judged(with_pod(COVER, local_storage=("tmp",), annotations=named)) == []
    flag = "--skip-nodes-with-local-storage=false"
    assert given.judged(with_pod(COVER, local_storage=("tmp",), flag=flag)) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": "DaemonSet"},
        {"owner": "Node"},
        {"annotations": {eviction.SAFE: "true"}},
        {"node_name": "control-1"},
        {"done": True},
    ],
)
def test_pods_that_never_block(changed: dict) -> None:
    assert given.judged(with_pod(**changed)) == []


def test_budgets_that_were_not_seen_are_not_missed() -> None:
    of = given.facts(cluster={"pods": (pod(),), "budgets": None})
    assert given.judged(of) == []


def test_pods_and_nodes_that_were_not_seen_are_not_missed() -> None:
    assert given.judged(given.facts(cluster={"pods": None})) == []
    assert given.judged(given.facts(cluster={"pods": (pod(),), "nodes": None})) == []


def test_a_node_whose_machine_is_nobodys_of_ours_may_be_blocked() -> None:
    of = given.facts(
        machines=(), cluster={"pods": (pod(),), "nodes": (given.node("x"), given.node())}
    )
    assert not any("PodDisruptionBudget" in each for each in given.judged(of))
    nameless = given.node("web-bcdfgh", provider_id="")
    of = given.facts(cluster={"pods": (pod(),), "nodes": (nameless,)})
    assert not any("PodDisruptionBudget" in each for each in given.judged(of))


def test_only_the_flags_of_our_autoscaler_count() -> None:
    other = given.autoscaler("--skip-nodes-with-system-pods=false", without="cloud-provider")
    of = given.facts(cluster={"pods": (pod(),), "workloads": (given.autoscaler(), other)})
    assert "no PodDisruptionBudget" in given.warning(of).what
    of = given.facts(cluster={"pods": (pod(),), "workloads": None})
    assert "no PodDisruptionBudget" in given.warning(of).what
