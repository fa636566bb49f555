"""Taints that never go."""

from __future__ import annotations

import pytest

from externalgrpc.diagnosis.judges import taints
from tests.diagnosis import given

STARTUP = "startup-taint.cluster-autoscaler.kubernetes.io/cni"
CILIUM = "node.cilium.io/agent-not-ready"


def tainted(*its: object, **changed: object) -> object:
    return given.facts(cluster={"nodes": (given.node(taints=its, **changed),)})


@pytest.mark.parametrize(
    "key",
    [
        STARTUP,
        "status-taint.cluster-autoscaler.kubernetes.io/x",
        "ignore-taint.cluster-autoscaler.kubernetes.io/x",
        CILIUM,
        "node.kubernetes.io/network-unavailable",
        "csi.example.org/agent-not-ready",
    ],
)
def test_a_start_up_taint_on_an_old_node_of_ours(key: str) -> None:
    found = given.trouble(tainted(given.taint(key)))
    assert found.what.startswith(f"{key} is still on Nodes")
    assert found.what.endswith(": web-bcdfgh")
    assert given.judged(tainted(given.taint(key), created_at=given.NOW - 599)) == []


def test_on_a_foreign_node_it_is_a_warning() -> None:
    foreign = given.node("metal", provider_id="", taints=(given.taint(CILIUM),))
    of = given.facts(cluster={"nodes": (given.node(), foreign)})
    assert given.warning(of).what.endswith("metal")


def test_not_ready_counts_from_when_it_became_so() -> None:
    key = given.taint("node.kubernetes.io/not-ready")
    assert given.judged(tainted(key, ready=False, ready_since=given.NOW - 599)) == []
    found = given.trouble(tainted(key, ready=False, ready_since=given.NOW - 601))
    assert "kubectl describe node web-bcdfgh" in found.cure


def test_not_ready_comes_with_two_effects_and_is_reported_once() -> None:
    key = "node.kubernetes.io/unreachable"
    both = (given.taint(key), given.taint(key, effect="NoExecute"))
    found = given.trouble(tainted(*both, ready=False, ready_since=given.NOW - 601))
    assert found.what.endswith("old: web-bcdfgh")


def test_a_node_without_machine_is_reported_as_that_and_no_more() -> None:
    key = given.taint("node.kubernetes.io/unreachable")
    gone = given.node("web-xxxxxx", provider_id="hcloud://9", ready=False, taints=(key,))
    of = given.facts(cluster={"nodes": (given.node(), gone)})
    assert given.warning(of).subject == "nodes"


def test_a_node_that_became_unready_and_well_again_counts_from_its_birth() -> None:
    of = tainted(given.taint(CILIUM), ready=True, ready_since=given.NOW - 10)
    assert CILIUM in given.trouble(of).what


@pytest.mark.parametrize(
    ("key", "word"),
    [
        (STARTUP, "Whoever takes it away does not"),
        (CILIUM, "See why the pod that removes it"),
        ("node.kubernetes.io/network-unavailable", "kubectl describe node web-bcdfgh"),
    ],
)
def test_each_kind_of_taint_has_its_cure(key: str, word: str) -> None:
    assert word in given.trouble(tainted(given.taint(key))).cure


def test_a_lasting_taint_with_a_number_is_no_deletion() -> None:
    old = str(int(given.NOW - 2000))
    assert given.judged(tainted(given.taint("example.org/since", old))) == []


def test_what_another_clouds_autoscaler_knows_is_of_no_use_here() -> None:
    group = given.group(taints=(given.taint(CILIUM),))
    other = given.autoscaler(f"--startup-taint={CILIUM}", "--cloud-provider=aws")
    cluster = {"workloads": (given.autoscaler(), other)}
    assert "look like start-up" in given.trouble(given.facts(group, cluster=cluster)).what


@pytest.mark.parametrize(
    "flag",
    [
        "--startup-taint-prefix=",
        "--startup-taint-prefix=node.calico",
        "--startup-taint=node.cilium.io",
    ],
)
def test_flags_that_name_another_taint_do_not_help(flag: str) -> None:
    group = given.group(taints=(given.taint(CILIUM),))
    cluster = {"workloads": (given.autoscaler(flag),)}
    assert "look like start-up" in given.trouble(given.facts(group, cluster=cluster)).what


def test_nothing_is_said_of_nodes_and_workloads_that_were_not_seen() -> None:
    of = given.facts(cluster={"nodes": None, "workloads": None})
    assert given.judged(of) == []


def test_a_lasting_taint_is_nobodys_trouble() -> None:
    assert given.judged(tainted(given.taint("dedicated", "gpu"))) == []


def test_a_deletion_that_does_not_come() -> None:
    def marked(ago_s: float) -> object:
        return tainted(given.taint(taints.TO_BE_DELETED, str(int(given.NOW - ago_s))))

    assert "since 15m" in given.trouble(marked(901)).what
    assert given.judged(marked(899)) == []
    assert given.judged(tainted(given.taint(taints.TO_BE_DELETED, "soon"))) == []


def test_a_groups_taint_that_looks_like_a_start_up_taint() -> None:
    group = given.group(taints=(given.taint(CILIUM),))
    found = given.trouble(given.facts(group))
    assert CILIUM in found.what
    assert f"--startup-taint={CILIUM}" in found.cure
    for flag in (
        f"--startup-taint={CILIUM}",
        f"--ignore-taint={CILIUM}",
        "--startup-taint-prefix=node.cilium.io/",
    ):
        cluster = {"workloads": (given.autoscaler(flag),)}
        assert given.judged(given.facts(group, cluster=cluster)) == []


def test_group_taints_that_the_autoscaler_understands() -> None:
    for each in (
        given.taint(STARTUP),
        given.taint(f"{taints.PREFIX}agent-not-ready"),
        given.taint("dedicated", "gpu"),
        given.taint(CILIUM, effect="PreferNoSchedule"),
    ):
        assert given.judged(given.facts(given.group(taints=(each,)))) == []
