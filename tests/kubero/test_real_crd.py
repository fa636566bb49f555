"""The CRD of VPSNodes on a real API server: what it takes, what it refuses, what kubectl does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import POOL, Cluster, Object, example

pytestmark = pytest.mark.e2e

NAME = "vpsnodes.kubero.dev"


@pytest.fixture(scope="module")
def served(plane: Cluster) -> Cluster:
    """Install our CRD."""
    plane.install_crd(str(cluster.CRD))
    return plane


@pytest.fixture
def pool(served: Cluster) -> Cluster:
    """Make the example."""
    served.apply(example())
    return served


def spec(plane: Cluster, name: str = POOL) -> Object:
    return dict(plane.get("vpsnode", name)["spec"])


def test_ours_takes_the_place_of_the_seeds(plane: Cluster) -> None:
    """The seed's example, emptied under the seed's CRD, stays, and is whole when it comes again."""
    seeds = cluster.shared(cluster.SEED / "05-vpsnode.kubero.dev.yaml")
    plane.install_crd(seeds)
    one = cluster.shared(cluster.SEED / "06-vpsnode.yaml")
    assert "unknown field" in plane.run("apply", "-f", one).stderr
    plane.apply(one, more=("--validate=ignore",))
    before = plane.get("vpsnode", POOL)
    assert (before["spec"]["labels"], before["spec"]["taints"]) == ({}, [{}])

    plane.apply(str(cluster.CRD))
    waiting.until(lambda: plane.run("get", "vps").returncode == 0, "the short name is served")
    after = plane.get("vps", POOL)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    plane.apply(one)
    whole = spec(plane)
    assert whole["labels"] == {"provider": "hetzner", "region": "fsn1", "node-type": "vps"}
    assert whole["taints"] == [{"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}]
    assert whole["autoScale"] == {"enabled": True, "minNodes": 1, "maxNodes": 5, "targetCPU": 70}
    assert plane.get("vps", POOL)["metadata"]["uid"] == before["metadata"]["uid"]


BARE: Object = {"labels": None, "taints": None}
OLD: dict[str, Object] = {
    "emptied": example("emptied", labels={}, taints=[{}]),
    "of nothing": {**example("of-nothing"), "spec": {}},
    "without spec": {key: each for key, each in example("without").items() if key != "spec"},
    "of a bad name": example("bad.name", **BARE),
    "of a bad size": example("size", autoScale={"minNodes": 9, "maxNodes": 3}, **BARE),
    "of no size": example("no-size", autoScale={"enabled": True}, **BARE),
}


@pytest.fixture(scope="module")
def old(plane: Cluster) -> Cluster:
    """Have objects from before our schema, all of which it would refuse."""
    plane.install_crd(cluster.shared(cluster.SEED / "05-vpsnode.kubero.dev.yaml"))
    for each in OLD.values():
        plane.apply(each)
    plane.install_crd(str(cluster.CRD))
    waiting.until(lambda: plane.run("get", "vps").returncode == 0, "the short name is served")
    return plane


@pytest.mark.parametrize("what", OLD)
def test_a_status_is_taken_for_what_ours_would_refuse(old: Cluster, what: str) -> None:
    """Else nobody could say there what is wrong with it."""
    name = OLD[what]["metadata"]["name"]
    assert old.refusal({**OLD[what], "metadata": {"name": f"{name}x"}})
    for nodes in 1, 2:
        status(old, {"nodes": nodes}, name)
        assert old.get("vps", name)["status"]["nodes"] == nodes
    old.kubectl("patch", "vps", name, "--type=merge", '-p={"metadata":{"finalizers":["a/b"]}}')
    old.kubectl("patch", "vps", name, "--type=merge", '-p={"metadata":{"finalizers":null}}')
    old.kubectl("delete", "vps", name)


def test_what_the_seed_says_of_the_kind_stands() -> None:
    """Every name, type, enum and bound of the seed's CRD is in ours."""
    path = cluster.shared(cluster.SEED / "05-vpsnode.kubero.dev.yaml")
    seeds = yaml.safe_load(Path(path).read_text())
    ours = yaml.safe_load(cluster.CRD.read_text())

    def within(small: object, large: object, path: str = "") -> list[str]:
        if isinstance(small, dict) and isinstance(large, dict):
            return [
                wrong
                for key, each in small.items()
                for wrong in within(each, large.get(key), f"{path}.{key}")
            ]
        if isinstance(small, list) and isinstance(large, list) and "versions" in path[-10:]:
            return within(small[0], large[0], f"{path}[0]")
        return [] if small == large else [path]

    assert within(seeds, ours) == []


WRONG: dict[str, tuple[Object, str]] = {
    "a cloud that is none": (example(provider="aws"), 'supported values: "hetzner"'),
    "nothing": (
        {key: each for key, each in example().items() if key != "spec"},
        "say at least provider",
    ),
    "no region": (example(region=None), "say where to order"),
    "no type": (example(instanceType=None), "say which machine type to order"),
    "more at least than at most": (
        example(autoScale={"enabled": True, "minNodes": 4, "maxNodes": 3}),
        "minNodes is greater than maxNodes",
    ),
    "no most": (example(autoScale={"enabled": True}), "needs maxNodes"),
    "a negative size": (example(autoScale={"minNodes": -1}), "minNodes"),
    "a percentage that is none": (example(autoScale={"targetCPU": 170}), "targetCPU"),
    "a dot in the name": (example("a.b"), "at most 40 lower-case letters"),
    "two dashes": (example("a--b"), "at most 40 lower-case letters"),
    "a long name": (example("a" * 41), "at most 40 lower-case letters"),
    "a digit first": (example("1a"), "at most 40 lower-case letters"),
    "a label that no kubelet may set": (
        example(labels={"node-role.kubernetes.io/worker": ""}),
        "would never join",
    ),
    "another's host name": (example(labels={"kubernetes.io/hostname": "a"}), "own name"),
    "a label of another type": (example(labels={"gpu": True}), "must be of type string"),
    "a label with a blank": (example(labels={"a": "b c"}), "spec.labels[a]"),
    "an effect that is none": (
        example(taints=[{"key": "a", "effect": "NoShedule"}]),
        'supported values: "NoSchedule"',
    ),
    "a taint without key": (example(taints=[{"effect": "NoSchedule"}]), "key: Required"),
    "one taint twice": (
        example(taints=[{"key": "a", "effect": "NoExecute", "value": v} for v in "bc"]),
        "same key and effect",
    ),
    "a misspelled field": (example(autoScale={"targetCpu": 7}), 'unknown field "spec.autoScale.t'),
    "too many places": (
        example(instanceTypes=[f"t{n}" for n in range(9)], regions=[f"r{n}" for n in range(8)]),
        "more than 64 combinations",
    ),
    "a repair too soon": (example(repair={"notReadyFor": "4m59s"}), "say 5m at least"),
    "a repair without unit": (example(repair={"notReadyFor": "15"}), "spec.repair.notReadyFor"),
    "a misspelled repair": (
        example(repair={"unreadyFor": "15m"}),
        'unknown field "spec.repair.unreadyFor"',
    ),
    "a policy that is none": (example(deletionPolicy="Delete"), 'supported values: "WaitForEmpty"'),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_refuses(served: Cluster, what: str) -> None:
    wrong, said = WRONG[what]
    assert said in served.refusal(wrong)


RIGHT: dict[str, Object] = {
    "the least": example(autoScale=None, labels=None, taints=None),
    "a fixed number": example(autoScale={"enabled": False, "minNodes": 3}),
    "from zero": example(autoScale={"enabled": True, "minNodes": 0, "maxNodes": 3}),
    "several types and regions": example(
        instanceType=None, region=None, instanceTypes=["cx23", "cpx22"], regions=["fsn1", "nbg1"]
    ),
    "a successor beside a type that is gone": example(instanceType="cx21", instanceTypes=["cx23"]),
    "everything": example(
        image="ubuntu-24.04",
        account="hetzner",
        join="kubeadm",
        paused=True,
        repair={"notReadyFor": "1h30m"},
        deletionPolicy="Orphan",
        taints=[{"key": "example.com/a", "effect": each} for each in ("NoSchedule", "NoExecute")],
        labels={"example.com/a_b.c": "", "node.kubernetes.io/x": "D"},
    ),
    "the least repair": example(repair={"notReadyFor": "5m"}),
    "no repair": example(repair={}),
    "the longest name": example("a" * 40),
}


@pytest.mark.parametrize("what", RIGHT)
def test_it_takes(served: Cluster, what: str) -> None:
    served.apply(RIGHT[what], more=("--dry-run=server",))


def test_a_pool_does_not_move_to_another_cloud(pool: Cluster) -> None:
    assert "do not move from cloud to cloud" in pool.refusal(example(provider="vultr"))


# What docs/vpsnode.md shows of kubectl.


def status(plane: Cluster, fields: Object, name: str = POOL) -> None:
    """Write a status as the server does: server-side apply."""
    body = {
        "apiVersion": "kubero.dev/v1alpha1",
        "kind": "VPSNode",
        "metadata": {"name": name},
        "status": fields,
    }
    with plane.client() as api:
        done = api.patch(
            f"/apis/kubero.dev/v1alpha1/vpsnodes/{name}/status",
            params={"fieldManager": "vps-autoscaler", "force": "true"},
            content=json.dumps(body),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
    assert done.is_success, done.text


def condition(kind: str, value: str, reason: str, message: str = "") -> Object:
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-28T02:00:00Z",
    }


def test_get_shows_what_a_person_asks_first(pool: Cluster) -> None:
    status(
        pool,
        {
            "state": "ready",
            "nodes": 2,
            "readyNodes": 1,
            "pricePerHour": "0.0120 EUR",
            "machines": [{"name": f"{POOL}-bcdfgh", "state": "ready", "providerID": "hcloud://1"}],
            "acceptedSpec": {"anything": {"at": ["all"]}},
            "conditions": [condition("Accepted", "True", "Accepted")],
        },
    )
    head, line = pool.kubectl("get", "vpsnodes").splitlines()
    assert head.split() == [
        *("NAME", "PROVIDER", "REGION", "TYPE", "MIN", "MAX"),
        *("NODES", "READY", "STATE", "ACCEPTED", "AGE"),
    ]
    said = [POOL, "hetzner", "fsn1", "cx23", "1", "5", "2", "1", "ready", "True"]
    assert line.split()[:-1] == said
    assert "0.0120 EUR" in pool.kubectl("get", "vps", "-o=wide")
    assert pool.get("vps", POOL)["status"]["acceptedSpec"] == {"anything": {"at": ["all"]}}
    assert POOL in pool.kubectl("get", "vps-autoscaler"), "the category"


def test_every_command_of_the_page_is_run(served: Cluster) -> None:
    """On the object that the page makes."""
    page = (cluster.ROOT / "docs" / "vpsnode.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (made,) = (each for block in blocks if (each := yaml.safe_load(block)).get("kind") == "VPSNode")
    name = made["metadata"]["name"]
    served.apply(made)
    status(served, {"conditions": [condition("Ready", "True", "Ready")]}, name)
    _, _, section = page.partition("## kubectl")
    commands = re.findall(r"^\$ kubectl (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert {each.split()[0] for each in commands} >= {"get", "wait", "scale", "explain"}
    for each in commands:
        served.kubectl(*shlex.split(each, comments=True))


def test_wait_ends_when_the_condition_holds(pool: Cluster) -> None:
    status(pool, {"conditions": [condition("Ready", "False", "TooFew")]})
    wait = ("wait", "--for=condition=Ready", f"vpsnode/{POOL}")
    assert "timed out" in pool.run(*wait, "--timeout=1s").stderr
    status(pool, {"conditions": [condition("Ready", "True", "Ready")]})
    assert "condition met" in pool.kubectl(*wait, "--timeout=30s")


def test_scale_sets_the_fewest_machines(pool: Cluster) -> None:
    before = pool.get("vps", POOL)["metadata"]["generation"]
    assert "scaled" in pool.kubectl("scale", f"vpsnode/{POOL}", "--replicas=3")
    after = pool.get("vps", POOL)
    assert after["spec"]["autoScale"] == {"enabled": True, "minNodes": 3, "maxNodes": 5}
    assert after["metadata"]["generation"] == before + 1
    beyond = pool.run("scale", f"vpsnode/{POOL}", "--replicas=6")
    assert "minNodes is greater than maxNodes" in beyond.stderr


@pytest.mark.parametrize("before", [None, {"enabled": False}, {"minNodes": 1}])
def test_scale_sets_the_number_of_a_pool_of_fixed_size(served: Cluster, before: object) -> None:
    served.apply(example("fixed", autoScale=before))
    try:
        served.kubectl("scale", "vpsnode/fixed", "--replicas=4")
        assert spec(served, "fixed")["autoScale"]["minNodes"] == 4
    finally:
        served.kubectl("delete", "vpsnode/fixed")


def test_explain_says_what_each_field_is(served: Cluster) -> None:
    def fields_of(schema: Object, path: str) -> list[str]:
        inner = schema.get("items", schema)
        return [path] + [
            each
            for key, value in inner.get("properties", {}).items()
            for each in fields_of(value, f"{path}.{key}")
        ]

    assert "Most machines that may exist" in served.kubectl(
        "explain", "vpsnode.spec.autoScale.maxNodes"
    )
    (version,) = served.get("crd", NAME)["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    silent = [
        path
        for part in ("spec", "status")
        for path in fields_of(properties[part], part)
        if not _described(properties, path)
    ]
    assert silent == []


def _described(properties: Object, path: str) -> bool:
    at: Object = {"properties": properties}
    for step in path.split("."):
        at = at.get("items", at)["properties"][step]
    return bool(at.get("description"))
