"""Objects of an API server, as they should be and as anybody may write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from externalgrpc.diagnosis.facts import Binding, Budget, Container
from externalgrpc.diagnosis.probes import cluster_probe, reading
from externalgrpc.kube import eviction
from tests.diagnosis import cluster
from tests.kube import apiserver

JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.sampled_from(
                [
                    "metadata",
                    "spec",
                    "template",
                    "containers",
                    "name",
                    "image",
                    "args",
                    "command",
                    "replicas",
                    "volumes",
                    "strategy",
                    "ownerReferences",
                    "annotations",
                    "labels",
                    "hostPath",
                    "emptyDir",
                    "selector",
                    "matchLabels",
                    "status",
                    "subjects",
                    "roleRef",
                    "validationActions",
                    "kind",
                    "initContainers",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
READERS = (
    lambda value: reading.workload("Deployment", value),
    reading.static_pod,
    reading.pod,
    reading.budget,
    reading.binding,
    reading.bound_policy,
    reading.name_of,
)


@hypothesis.given(value=strategies.dictionaries(strategies.just("metadata"), JSON) | JSON)
@hypothesis.settings(max_examples=200, deadline=None)
def test_no_object_however_odd_breaks_a_reader(value: Any) -> None:
    thing = (
        value if isinstance(value, dict) else {"metadata": value, "spec": value, "status": value}
    )
    for each in READERS:
        each(thing)


@pytest.mark.parametrize("fields", [{}, {"metadata": {"annotations": {eviction.MIRROR: "x"}}}])
def test_what_has_no_name_is_nothing(fields: dict[str, Any]) -> None:
    assert reading.workload("Deployment", fields) is None
    assert reading.static_pod(fields) is None
    assert reading.pod(fields) is None
    assert reading.binding(fields) is None


def test_a_deployment() -> None:
    (result,) = cluster.of_deploy("autoscaler.yaml", "Deployment")
    found = reading.workload("Deployment", result)
    assert found is not None
    assert (found.namespace, found.name) == ("vps-autoscaler", "cluster-autoscaler")
    assert (found.replicas, found.recreate, found.account) == (1, True, "vps-autoscaler")
    assert [each.name for each in found.containers] == ["vps-autoscaler", "cluster-autoscaler"]
    assert "--cloud-provider=externalgrpc" in found.containers[1].words


def test_sidecars_are_containers_and_init_containers_are_not() -> None:
    pods = {
        "initContainers": [
            {"name": "s", "image": "i", "restartPolicy": "Always", "command": ["a"], "args": ["b"]},
            {"name": "once", "image": "j"},
        ]
    }
    fields = {"metadata": {"name": "d"}, "spec": {"template": {"spec": pods}, "replicas": 0}}
    found = reading.workload("DaemonSet", fields)
    assert found is not None
    assert found.containers == (Container(name="s", image="i", words=("a", "b")),)
    assert found.replicas == 1
    other = reading.workload("StatefulSet", fields)
    assert other is not None
    assert other.replicas == 0


def test_a_static_pod_is_a_workload_and_another_is_not() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p", "namespace": "kube-system"}, "spec": {}}
    assert reading.static_pod(pod) is None
    pod["metadata"]["annotations"] = {eviction.MIRROR: "x"}
    found = reading.static_pod(pod)
    assert found is not None
    assert str(found) == "Pod kube-system/p"
    read = reading.pod(pod)
    assert read is not None
    assert read.owner == "Node"


@pytest.mark.parametrize(
    ("volume", "local"),
    [
        ({"hostPath": {"path": "/x"}}, True),
        ({"emptyDir": {}}, True),
        ({"emptyDir": {"medium": "Memory"}}, False),
        ({"configMap": {"name": "c"}}, False),
    ],
)
def test_which_volumes_are_local(volume: dict[str, Any], local: object) -> None:
    found = reading.pod({"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", **volume}]}})
    assert found is not None
    assert found.local_storage == (("v",) if local else ())


@pytest.mark.parametrize("over", [{"status": {"phase": "Succeeded"}}, {"deleting": True}])
def test_pods_that_are_over(over: dict[str, Any]) -> None:
    about = {"name": "p"} | ({"deletionTimestamp": "now"} if over.pop("deleting", None) else {})
    found = reading.pod({"metadata": about, **over})
    assert found is not None
    assert found.done


def test_budgets() -> None:
    about = {"metadata": {"name": "b"}}
    assert reading.budget({**about, "spec": {}}) is None
    fields = {
        **about,
        "spec": {"selector": {"matchLabels": {"a": "b"}}},
        "status": {"disruptionsAllowed": 2},
    }
    assert reading.budget(fields) == Budget(name="b", labels={"a": "b"}, allowed=2)
    odd = reading.budget({**about, "spec": {"selector": {"matchExpressions": [{}]}}})
    assert odd is not None
    assert odd.odd


def test_bindings_and_policies() -> None:
    fields = {
        "metadata": {"name": "b"},
        "roleRef": {"name": "r"},
        "subjects": [{"kind": "Group", "name": "g"}, {"kind": "User", "name": "u"}],
    }
    assert reading.binding(fields) == Binding(name="b", role="r", groups=("g",))
    spec = {"policyName": "p", "validationActions": ["Deny"]}
    assert reading.bound_policy({"spec": spec}) == "p"
    assert reading.bound_policy({"spec": {**spec, "validationActions": ["Audit"]}}) == ""


def test_long_lists_come_in_pages_and_whole(tmp_path: Path) -> None:
    with cluster.running() as server:
        cluster.put_nodes(server, *(cluster.node(f"n{number}") for number in range(1201)))
        found = cluster_probe.every(server.api(tmp_path), "/api/v1/nodes")
        assert len({each["metadata"]["name"] for each in found}) == 1201
        assert server.count("GET /api/v1/nodes") == 3


def test_a_page_that_is_lost_loses_the_list(tmp_path: Path) -> None:
    with cluster.running() as server:
        cluster.put_nodes(server, *(cluster.node(f"n{number}") for number in range(600)))
        of = server.api(tmp_path)
        of.get("/version")
        with server.changed:
            server.faults.insert(0, apiserver.Fault("GET", 200, path="/api/v1/nodes", body=_first))
            server.faults.insert(1, apiserver.Fault("GET", 500, path="/api/v1/nodes"))
        with pytest.raises(cluster_probe.errors.Unreachable):
            cluster_probe.every(of, "/api/v1/nodes")


def _first(_asked: object) -> str:
    return '{"metadata": {"continue": "500"}, "items": [{"metadata": {"name": "n0"}}]}'


def test_owners_and_accounts() -> None:
    owned = {"metadata": {"name": "p", "ownerReferences": ["x", {"kind": "ReplicaSet"}]}}
    for result, owner in ((owned, "ReplicaSet"), ({"metadata": {"name": "p"}}, "")):
        found = reading.pod(result)
        assert found is not None
        assert found.owner == owner
    plain = reading.workload("Deployment", {"metadata": {"name": "d"}, "spec": {}})
    assert plain is not None
    assert (plain.account, plain.replicas) == ("default", 1)
