"""``why POD`` from the command line: a server on the memory cloud, a small API server."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from externalgrpc import cli
from externalgrpc.pb import externalgrpc_pb2, fleet_pb2, fleet_pb2_grpc
from externalgrpc.rpc import client
from tests import serving
from tests.kube import apiserver

SHOP = "/api/v1/namespaces/shop"
DAEMONS = "/apis/apps/v1/daemonsets"
STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.123456 +0000 UTC")


def status(**groups: str) -> dict[str, Any]:
    """Make the ConfigMap of a healthy autoscaler: each group, and how its growth stands."""
    written = {
        "time": now(),
        "autoscalerStatus": "Running",
        "clusterWide": {"health": {"status": "Healthy"}, "scaleUp": {"status": "NoActivity"}},
        "nodeGroups": [
            {"name": name, "health": {"status": "Healthy"}, "scaleUp": {"status": said}}
            for name, said in groups.items()
        ],
    }
    return {"data": {"status": json.dumps(written)}}


def pod(cpu: str = "100m", *, conditions: Any = (UNSCHEDULABLE,), **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1"},
        "spec": {
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}],
            **spec,
        },
        "status": {"phase": "Pending", "conditions": list(conditions)},
    }


@pytest.fixture
def cluster() -> Iterator[apiserver.FakeServer]:
    running = apiserver.FakeServer()
    running.put(DAEMONS, {"items": []})
    running.put(f"{SHOP}/events", {"items": []})
    running.put(f"{SHOP}/pods/web-0", pod())
    running.put(STATUS, status(alpha="NoActivity", beta="NoActivity"))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[serving.Running]:
    with serving.running(tmp_path) as running:
        serving.until(lambda: running.show().groups[0].why.code == "NotAsked")
        yield running


@pytest.fixture
def ask(cluster: apiserver.FakeServer, up: serving.Running, tmp_path: Path):
    cluster.link(tmp_path)

    def run(*words: str, address: str = up.address, **environ: str) -> Result:
        env = {"KUBECONFIG": str(tmp_path / "kubeconfig"), **environ}
        done = CliRunner().invoke(cli.cli, ["why", *words, "--address", address], env=env)
        assert "Traceback" not in done.output, done.output
        return done

    return run


def flat(done: Result) -> str:
    return " ".join(done.output.split())


def as_json(done: Result) -> dict[str, Any]:
    assert done.exit_code in (0, 3), done.output
    return dict(json.loads(done.stdout))


def groups(of: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in of["groups"]}


@pytest.mark.parametrize(
    "words",
    [("shop/web-0",), ("pod/web-0", "-n", "shop"), ("pod", "web-0", "-n", "shop"),
     ("web-0", "-n", "shop"), ("po/web-0", "--namespace", "shop")],
)  # fmt: skip
def test_a_pod_is_named_as_for_kubectl(ask, words) -> None:
    done = ask(*words)
    assert done.exit_code == 0, done.output
    assert "pod shop/web-0: It has no node. A node of alpha would take it" in flat(done)
    assert "group beta: Does not fit: its nodes bear tier=batch:NoSchedule" in flat(done)
    assert "autoscaler: Its state is Running, it calls the cluster Healthy" in flat(done)


def test_json_says_all_of_it(ask, cluster) -> None:
    cluster.put(f"{SHOP}/pods/web-0", pod("64"))
    event = {
        "reason": "NotTriggerScaleUp",
        "message": "pod didn't trigger scale-up: 1 Insufficient cpu",
        "involvedObject": {"kind": "Pod", "name": "web-0", "uid": "u-1"},
        "source": {"component": "cluster-autoscaler"},
        "lastTimestamp": now().replace(" ", "T", 1)[:19] + "Z",
    }
    cluster.put(f"{SHOP}/events", {"items": [event]})
    found = as_json(ask("shop/web-0", "-o", "json"))
    assert found["pod"]["requests"] == {"cpu": 64000, "pods": 1}
    alpha, beta = groups(found)["alpha"], groups(found)["beta"]
    assert [each["code"] for each in alpha["misfits"]] == ["TooSmall"]
    assert [each["code"] for each in beta["misfits"]] == ["Taint", "TooSmall"]
    assert "no group would take it" in found["findings"][0]["what"]
    assert found["events"][0]["message"] == event["message"]
    assert found["autoscaler"]["state"] == "Running"
    assert found["autoscaler"]["ageSeconds"] < 60
    assert found["notLookedAt"] == []


def test_daemon_sets_take_their_share_of_a_node_they_come_to(ask, cluster) -> None:
    def daemon(cpu: str, **spec: Any) -> dict[str, Any]:
        return {"spec": {"template": {"spec": {**pod(cpu)["spec"], **spec}}}}

    cluster.put(f"{SHOP}/pods/web-0", pod("1500m"))
    assert groups(as_json(ask("shop/web-0", "-o", "json")))["alpha"]["fits"]
    cluster.put(DAEMONS, {"items": [daemon("900m", nodeSelector={"tier": "batch"})]})
    assert groups(as_json(ask("shop/web-0", "-o", "json")))["alpha"]["fits"]
    cluster.put(DAEMONS, {"items": [daemon("900m")]})
    alpha = groups(as_json(ask("shop/web-0", "-o", "json")))["alpha"]
    assert "of which DaemonSets take 900m" in alpha["misfits"][0]["sentence"]


def test_what_the_autoscaler_has_against_a_group_is_said(ask, cluster) -> None:
    cluster.put(STATUS, status(alpha="Backoff"))
    found = as_json(ask("shop/web-0", "-o", "json"))
    assert groups(found)["alpha"]["autoscaler"].startswith("backs off from the group")
    assert groups(found)["beta"]["autoscaler"] == "does not list the group"
    assert "none can come for now" in found["findings"][0]["what"]


def test_what_the_server_has_against_a_group_is_said(ask, up) -> None:
    up.stub.NodeGroupIncreaseSize(_increase("alpha", 5))
    serving.until(lambda: up.show().groups[0].why.code != "NotAsked")
    found = as_json(ask("shop/web-0", "-o", "json"))
    alpha = groups(found)["alpha"]
    assert alpha["fits"]
    assert alpha["code"] in ("Settling", "OnTheWay")
    assert found["findings"][0]["severity"] == "note"
    assert "would take it, was asked for, and is on the way" in found["findings"][0]["what"]


def test_a_trial_under_way_is_no_group_that_a_pod_could_come_to(ask, up) -> None:
    stub = fleet_pb2_grpc.FleetStub(up.channel)
    stub.StartTrial(fleet_pb2.StartTrialRequest(group="alpha"))
    assert "vps-trial-alpha" in {each.id for each in up.show().groups}
    done = ask("shop/web-0", "-o", "json")
    assert done.exit_code == 0
    assert set(groups(as_json(done))) == {"alpha", "beta"}


def test_a_pod_that_has_a_node(ask, cluster) -> None:
    cluster.put(f"{SHOP}/pods/web-0", pod(nodeName="node-7"))
    done = ask("shop/web-0")
    assert done.exit_code == 0
    assert "It has a node: node-7." in flat(done)
    assert "group" not in flat(done)


def test_a_pod_that_is_not_there(ask, cluster) -> None:
    done = ask("shop/web-1")
    assert done.exit_code == 1
    assert "there is no pod web-1 in namespace shop" in done.stderr
    cluster.put("/api/v1/pods", {"items": [{"metadata": {"name": "web-1", "namespace": "blog"}}]})
    assert "there is one in blog: name it with -n" in flat(ask("shop/web-1"))


def test_a_bare_name_of_nothing_else_is_a_pods_in_the_contexts_namespace(ask, cluster) -> None:
    cluster.put("/api/v1/namespaces/default/pods/lonely", pod())
    assert "It has no node" in flat(ask("lonely"))
    done = ask("nobody")
    assert done.exit_code == 1
    for words in (
        "neither a group nor a machine 'nobody'",
        "alpha, beta",
        "there is no pod nobody",
    ):
        assert words in flat(done)


def test_a_name_of_two_things_is_answered_twice_and_says_so(ask, cluster) -> None:
    assert "is that of" not in flat(ask("alpha"))
    cluster.put(f"{SHOP}/pods/alpha", pod())
    done = ask("alpha", "-n", "shop")
    assert "group alpha: Nothing keeps it from growing" in flat(done)
    assert "pod shop/web-0: It has no node" in flat(done)
    assert "The name is that of a group and a pod" in flat(done)
    assert "group/alpha or pod/alpha names one" in flat(done)
    assert "pod shop" not in flat(ask("group/alpha"))
    assert "no machine 'alpha'" in flat(ask("machine/alpha"))


def test_a_group_is_answered_without_a_cluster(ask, cluster) -> None:
    before = len(cluster.asked)
    assert ask("alpha", KUBECONFIG="").exit_code == 0
    assert ask("alpha").exit_code == 0
    assert len(cluster.asked) == before


def test_no_kubeconfig_is_no_pod(ask, tmp_path) -> None:
    done = ask("pod/web-0", KUBECONFIG="", HOME=str(tmp_path))
    assert done.exit_code == 1
    assert "--kubeconfig names one" in done.stderr


def test_what_could_not_be_seen_is_said_and_is_exit_code_3(ask, cluster) -> None:
    cluster.fail("GET", 403, times=9, path=STATUS)
    cluster.fail("GET", 403, times=9, path=DAEMONS)
    done = ask("shop/web-0", "-o", "json")
    assert done.exit_code == 3
    assert [each["what"] for each in json.loads(done.stdout)["notLookedAt"]] == [
        "the autoscaler's own words, ConfigMap cluster-autoscaler-status",
        "DaemonSets",
    ]


def test_templates_that_are_not_to_be_had_leave_it_open(ask, monkeypatch) -> None:
    def refuses(_channel: object, group: str) -> None:
        raise client.CannotReach(f"no template of group {group}: DEADLINE_EXCEEDED")

    monkeypatch.setattr(client, "template", refuses)
    done = ask("shop/web-0", "-o", "json")
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert [each["fits"] for each in found["groups"]] == [None, None]
    assert "no group is known whose next node would take it" in found["findings"][0]["what"]
    (missed,) = found["notLookedAt"]
    assert missed["what"] == "templates of groups, such as alpha, beta"


def test_without_a_server_the_clusters_half_is_answered(ask) -> None:
    done = ask("shop/web-0", address="127.0.0.1:1")
    assert done.exit_code == 3
    assert "whether a group would take it is not known: no server answered" in flat(done)
    assert "autoscaler: Its state is Running" in flat(done)


def _increase(group: str, delta: int) -> Any:
    return externalgrpc_pb2.NodeGroupIncreaseSizeRequest(id=group, delta=delta)


CLAIM = f"{SHOP}/persistentvolumeclaims/data"
CLASS = "/apis/storage.k8s.io/v1/storageclasses/fast"
NORTH = {"matchLabelExpressions": [{"key": "topology.kubernetes.io/region", "values": ["north"]}]}
SOUTH = {"matchLabelExpressions": [{"key": "topology.kubernetes.io/region", "values": ["south"]}]}
IN_SOUTH = {
    "nodeAffinity": {
        "required": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {
                            "key": "topology.kubernetes.io/region",
                            "operator": "In",
                            "values": ["south"],
                        }
                    ]
                }
            ]
        }
    }
}


@pytest.mark.parametrize(
    ("there", "fits", "words"),
    [
        ({}, True, "Its claim data is not there."),
        ({CLAIM: {"spec": {}}}, True, "has no StorageClass, and is bound to no volume"),
        (
            {CLAIM: {"spec": {"storageClassName": "fast"}}},
            True,
            "asks for StorageClass fast, which is not there",
        ),
        (
            {CLAIM: {"spec": {"storageClassName": "fast"}}, CLASS: {}},
            True,
            "makes the volume before there is a node, and has not",
        ),
        (
            {
                CLAIM: {"spec": {"storageClassName": "fast"}},
                CLASS: {
                    "volumeBindingMode": "WaitForFirstConsumer",
                    "allowedTopologies": [SOUTH],
                },
            },
            False,
            "topology.kubernetes.io/region=south, and its nodes have "
            "topology.kubernetes.io/region=north",
        ),
        (
            {
                CLAIM: {"spec": {"storageClassName": "fast"}},
                CLASS: {
                    "volumeBindingMode": "WaitForFirstConsumer",
                    "allowedTopologies": [SOUTH, NORTH],
                },
            },
            True,
            "A node of alpha would take it",
        ),
        (
            {
                CLAIM: {"spec": {"volumeName": "vol-1"}},
                "/api/v1/persistentvolumes/vol-1": {"spec": IN_SOUTH},
            },
            False,
            "the volume of its claim data: it asks for topology.kubernetes.io/region=south",
        ),
        (
            {
                CLAIM: {"spec": {"volumeName": "vol-1"}},
                "/api/v1/persistentvolumes/vol-1": {"spec": {}},
            },
            True,
            "A node of alpha would take it",
        ),
    ],
)
def test_volumes(ask, cluster, there, fits, words) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    cluster.put(f"{SHOP}/pods/web-0", pod(volumes=[volume]))
    for path, thing in there.items():
        cluster.put(path, thing)
    assert words in flat(ask("shop/web-0"))
    assert groups(as_json(ask("shop/web-0", "-o", "json")))["alpha"]["fits"] is fits


def test_a_status_in_no_known_form_and_one_elsewhere(ask, cluster) -> None:
    cluster.put(STATUS, {"data": {"status": "something else"}})
    assert "in no form that a release of it writes" in flat(ask("shop/web-0"))
    cluster.put(STATUS, None)
    assert "no autoscaler runs, it writes none, or it runs elsewhere" in flat(ask("shop/web-0"))
    cluster.put(STATUS.replace("kube-system", "scaling"), status(alpha="NoActivity"))
    done = ask("shop/web-0", "--autoscaler-namespace", "scaling", "-o", "json")
    assert as_json(done)["autoscaler"]["namespace"] == "scaling"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "b", "c"), "name one pod, group or machine"),
        (("node", "x"), "'node' is no kind of thing"),
        (("a/b/c",), "is neither KIND/NAME nor"),
        (("/x",), "is neither KIND/NAME nor"),
        (("pod/",), "is no name of a pod"),
        (("pod/shop/web-0",), "its namespace is given by -n"),
        (("shop/web-0", "-n", "blog"), "leave one out"),
        (("group/web", "-n", "blog"), "a group is in no namespace"),
    ],
)
def test_what_names_nothing_says_how_it_is_written(words, said) -> None:
    done = CliRunner().invoke(cli.cli, ["why", *words])
    assert done.exit_code == 2
    assert said in flat(done)
