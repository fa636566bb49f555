"""The whole command against a fake cloud, a small API server and a running server of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click.testing
import pytest

from externalgrpc import cli, config
from externalgrpc.commands import parameters
from externalgrpc.diagnosis import doctor
from externalgrpc.diagnosis.judges import autoscaler, machines
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.kube import events, identity, reflector
from externalgrpc.model import installed_clouds
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import client
from externalgrpc.support import clock
from providers.fakes import engine
from tests import certificates, serving
from tests.diagnosis import cluster
from tests.fakes import hetzner
from tests.kube import apiserver

MARK = "vps-autoscaler/cluster"
GROUP = "vps-autoscaler/group"
NAME = "vps-autoscaler/node"


def run(*words: object, code: int, width: int = 140, **environ: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(
        cli.cli,
        ["doctor", *map(str, words)],
        env={"COLUMNS": str(width), "HCLOUD_TOKEN": engine.FAKE_TOKEN, **environ},
    )
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def report(*words: object, code: int) -> dict[str, Any]:
    return dict(json.loads(run(*words, "-o", "json", code=code).stdout))


def reported(of: dict[str, Any]) -> list[str]:
    return [f"{each['severity']} {each['subject']}: {each['what']}" for each in of["findings"]]


@pytest.fixture
def kube() -> Iterator[apiserver.FakeServer]:
    with cluster.running() as server:
        yield server


@pytest.fixture
def cloud() -> Iterator[hetzner.HetznerFake]:
    with hetzner.HetznerFake() as fake:
        yield fake


def healthy(folder: Path, kube: apiserver.FakeServer) -> str:
    """Write a configuration of the memory cloud, kept in a file so that both processes see it."""
    path = cluster.kubeconfig(kube, folder)
    deployments = cluster.of_deploy("autoscaler.yaml", "Deployment")
    cluster.hold(kube, f"{cluster_probe.APPS}/deployments", *deployments)
    return (
        "cluster: test\n"
        f"kubernetes: {{kubeconfig: {path}}}\n"
        "accounts:\n- {name: ram, provider: memory, options: {stateFile: "
        f"{folder / 'cloud.json'}}}}}\n"
        "nodes:\n- {name: web, account: ram, instanceType: small, region: north, minSize: 1,"
        " maxSize: 3}\n"
    )


def test_a_healthy_installation_as_deploy_makes_it(
    tmp_path: Path, kube: apiserver.FakeServer
) -> None:
    text = healthy(tmp_path, kube)
    state_file = str(tmp_path / "cloud.json")
    with serving.running(
        tmp_path, text, state_file=state_file, connect=lambda *_: NoCluster(kube.uid)
    ) as server:
        request = pb.NodeGroupIncreaseSizeRequest(id="web", delta=1)
        server.stub.NodeGroupIncreaseSize(request)
        serving.until(lambda: _running(server))
        (machine,) = client.show(server.channel, server.address).machines
        node = cluster.node(machine.name, provider_id=machine.provider_id, old=1)
        cluster.put_nodes(kube, node)
        before = Path(state_file).read_text()
        words = ("--config", tmp_path / "pools.yaml", "--address", server.address)
        done = run(*words, code=0)
        found = report(*words, code=0)
    assert "cluster test: nothing is wrong in what was looked at" in done.stdout
    assert found["ok"]
    assert found["findings"] == []
    assert found["lookedAt"] == [
        "the configuration",
        "VPSNodes",
        "machines at account ram (memory)",
        "the running server",
        "the API server's release and clock",
        "Nodes",
        "Deployments, StatefulSets and DaemonSets",
        "pods of kube-system",
        "PodDisruptionBudgets of kube-system",
        "admission policies",
        "role bindings",
        "the cluster's identity",
        "policies of tenants",
        "objects that keep room in groups",
        "the server's rights",
    ]
    assert [each["what"] for each in found["notLookedAt"]] == [
        f"the credentials of {tmp_path / 'kubeconfig'}: their end",
        "the API server's address as machines see it",
    ]
    for each in found["lookedAt"]:
        assert each.split(" (")[0] in " ".join(done.stdout.split())
    assert cluster.only_read(kube)
    assert Path(state_file).read_text() == before


class NoCluster:
    """A cluster of no Nodes that a server of this test needs nothing else of."""

    node_list: reflector.Listing[Any] = reflector.Listing(
        items={}, complete=True, heard_at=float("inf")
    )
    skew_s = 0.0
    home = events.Regarding(kind="ConfigMap", name="x", namespace="y")

    def __init__(self, uid: str) -> None:
        self._uid = uid

    def identity(self) -> str:
        """Return what the API server would."""
        return identity.shortened(self._uid)

    def paused(self) -> str:
        """Pause nothing."""
        return ""

    def start(self) -> None:
        """Do nothing."""

    def stop(self, within_s: float = 10.0) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


def _running(server: serving.Running) -> bool:
    shown = server.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="web")).instances
    return bool(shown) and all(each.status.instanceState == 1 for each in shown)


SICK = """\
cluster: demo
kubernetes: {{kubeconfig: {kubeconfig}, ownApproval: true}}
accounts:
- {{name: h, provider: hetzner, endpoint: "{endpoint}"}}
nodes:
- name: web
  account: h
  instanceType: cx23
  region: fsn1
  image: debian-13
  minSize: 1
  maxSize: 3
  taints: [{{key: node.cilium.io/agent-not-ready, effect: NoSchedule}}]
  joinOptions: {{externalCloudProvider: true, timeoutSeconds: 880}}
- {{name: six, account: h, instanceType: cx23, region: fsn1, image: debian-13, maxSize: 3,
   publicIPv4: false}}
"""


@pytest.fixture
def sick(tmp_path: Path, kube: apiserver.FakeServer, cloud: hetzner.HetznerFake) -> Path:
    """Put one of each trouble there."""
    hour = 3600

    def rent(name: str, group: str, mark: str = "demo", old: float = 10 * hour) -> int:
        labels = {MARK: mark, GROUP: group, NAME: name}
        return cloud.add(name, labels, created=cloud.now() - old).id

    rent("old-bcdfgh", "old")
    rent("web-bcdfgh", "web")
    twins = [rent("web-twntwn", "web"), rent("web-twntwn", "web")]
    joined = rent("web-jjjjjj", "web")
    rent("else-bcdfgh", "else", mark="other")

    cluster.put_nodes(
        kube,
        cluster.node(
            "web-jjjjjj",
            provider_id=f"hcloud://{joined}",
            taints=[
                {
                    "key": "node.cloudprovider.kubernetes.io/uninitialized",
                    "effect": "NoSchedule",
                },
                {"key": "node.cilium.io/agent-not-ready", "effect": "NoSchedule"},
            ],
        ),
        cluster.node("web-twntwn", provider_id=f"hcloud://{twins[0]}"),
        cluster.node("web-ghstgh", provider_id="hcloud://99999", ready=False),
    )
    flags = ("--cloud-provider=externalgrpc", "--scale-down-enabled=false", "--nodes=1:2:web")
    image = "registry.k8s.io/autoscaling/cluster-autoscaler:v1.25.0"
    cluster.hold(
        kube,
        f"{cluster_probe.APPS}/deployments",
        cluster.deployment(image, *flags, "--max-node-provision-time=10m", name="ca"),
        cluster.deployment("vps-autoscaler:1", "serve", name="vps", replicas=2),
    )
    pod = {
        "metadata": {
            "name": "coredns-1",
            "labels": {"app": "dns"},
            "ownerReferences": [{"kind": "ReplicaSet"}],
        },
        "spec": {"nodeName": "web-jjjjjj"},
    }
    cluster.hold(kube, cluster_probe.SYSTEM_PODS, pod)
    cluster.approve(kube)
    cluster.allow(kube, missing="delete secrets", excess="impersonate")
    authority = certificates.Authority(tmp_path, "ca")
    cluster.cluster_info(kube, "https://127.0.0.1:1", authority.path.read_text())
    kube.put("/version", {"gitVersion": "v1.30.1"})
    path = tmp_path / "pools.yaml"
    path.write_text(SICK.format(kubeconfig=cluster.kubeconfig(kube, tmp_path), endpoint=cloud.url))
    return path


TROUBLES = (
    ("trouble machines", "1 of group old, which nobody configures: old-bcdfgh"),
    ("trouble machines", "web-bcdfgh (hcloud://"),
    ("trouble machines", "2 machines are called web-twntwn"),
    ("trouble server", "more than one server runs"),
    ("trouble autoscaler", "has no --cloud-config"),
    ("trouble autoscaler", "--scale-down-enabled=false"),
    ("trouble autoscaler", "lacks --enforce-node-group-min-size"),
    ("trouble cloud controller", "no hcloud-cloud-controller-manager runs"),
    ("trouble cloud controller", "Nodes wait for a controller manager"),
    ("trouble taints", "node.cilium.io/agent-not-ready is still on Nodes"),
    ("trouble taints", "group web has taints that look like start-up taints"),
    ("trouble rights", "may not delete secrets in kube-system"),
    ("trouble rights", "ownApproval is set, and system:bootstrappers:vps-autoscaler lacks"),
    ("trouble API endpoint", "https://127.0.0.1:1, which is each one itself"),
    ("trouble versions", "the API server is v1.30.1"),
    ("warning marks", "are nodes, and their marks do not say so: web-twntwn, web-jjjjjj"),
    ("warning server", "is updated by starting the new server beside the old one"),
    ("warning autoscaler", "--nodes, which externalgrpc ignores"),
    ("warning autoscaler", "joins of group web may take 14m"),
    ("warning autoscaler", "gives machines 10m to register, less than groups are meant to have"),
    ("warning autoscaler", "lacks --node-info-cache-expire-time"),
    ("warning autoscaler", "is release 1.25"),
    ("warning rights", "may do 3 things that the server never needs"),
    ("warning rights", "ValidatingAdmissionPolicy vps-autoscaler-tokens, vps-autoscaler-nodes"),
    ("warning rights", "ValidatingAdmissionPolicy vps-autoscaler-approval is not there"),
    ("warning rights", "kubeadm:node-autoapprove-bootstrap still has"),
    ("warning API endpoint", "https://127.0.0.1:1 does not answer here"),
    ("warning API endpoint", "machines of six have IPv6 and no way to IPv4"),
    ("warning versions", "kubelets are newer than the API server"),
    ("warning expiry", "the cluster's CA ends in"),
    ("warning nodes", "Nodes without a machine: web-ghstgh"),
    ("warning pods", "have no PodDisruptionBudget"),
)


def test_one_of_each_trouble(
    sick: Path, kube: apiserver.FakeServer, cloud: hetzner.HetznerFake
) -> None:
    found = report("--config", sick, "--address", "127.0.0.1:1", code=1)
    lines = reported(found)
    lines = [each for each in lines if "signed with" not in each]  # comes with the calendar
    assert lines[3].startswith("trouble server: no answer from 127.0.0.1:1")
    del lines[3]
    unmatched = [
        (head, what)
        for (head, what), line in zip(TROUBLES, lines, strict=True)
        if not (line.startswith(head) and what in line)
    ]
    assert not unmatched, "\n".join(lines)
    assert not any("else-bcdfgh" in each for each in lines)
    assert not found["ok"]
    assert all(each["why"].endswith(".") and each["cure"] for each in found["findings"])


def test_nothing_is_changed_anywhere(
    sick: Path, kube: apiserver.FakeServer, cloud: hetzner.HetznerFake
) -> None:
    cluster_before = {path: thing["metadata"] for path, thing in kube.items.items()}
    servers_before = json.dumps(cloud.state()["servers"])  # type: ignore[index]
    run("--config", sick, "--address", "127.0.0.1:1", code=1)
    assert kube.count("GET") > 10
    assert cluster.only_read(kube)
    assert {path: thing["metadata"] for path, thing in kube.items.items()} == cluster_before
    asked = cloud.log()
    assert asked
    assert {each.request.method for each in asked} == {"GET"}
    assert json.dumps(cloud.state()["servers"]) == servers_before  # type: ignore[index]


@pytest.mark.parametrize("width", [80, 140])
def test_the_screen_tells_everything_at_any_width(sick: Path, width: int) -> None:
    done = run("--config", sick, "--address", "127.0.0.1:1", code=1, width=width)
    assert max(map(len, done.stdout.splitlines())) <= width
    flat = " ".join(done.stdout.split())
    assert flat.startswith("TROUBLE machines:")
    assert "vps-autoscaler purge --config FILE --machine hcloud://" in flat
    assert "kubectl delete node web-ghstgh" in flat
    assert "16 troubles that cost money or block scaling" in flat
    assert "asking" not in done.stdout


def test_progress_goes_to_standard_error(sick: Path) -> None:
    done = run("--config", sick, "-o", "json", code=1)
    assert json.loads(done.stdout)["cluster"] == "demo"


def test_a_cloud_that_does_not_answer_keeps_nobody_from_the_rest(
    sick: Path, cloud: hetzner.HetznerFake
) -> None:
    cloud.refuse()
    found = report("--config", sick, code=1)
    missed = {each["what"]: each["because"] for each in found["notLookedAt"]}
    assert "machines at account h (hetzner)" in missed
    assert missed["the running server"].startswith("nobody answers at the usual address")
    lines = reported(found)
    assert not any(" machines: " in each for each in lines)
    # What no listing shows is no ground for calling a Node's machine gone.
    assert not any("web-ghstgh" in each and "without a machine" in each for each in lines)
    assert any(each.startswith("trouble rights") for each in lines)


def test_an_api_server_that_does_not_answer_is_one_note(
    sick: Path, kube: apiserver.FakeServer
) -> None:
    kube.fail("GET", apiserver.LOST, times=1000)
    found = report("--config", sick, code=1)
    (missed,) = [each for each in found["notLookedAt"] if each["what"] == "the cluster"]
    assert missed["because"].startswith("its API server does not answer")
    assert {each["subject"] for each in found["findings"]} <= {
        machines.SUBJECT,
        "API endpoint",
        "taints",
        "expiry",
    }


def test_what_credentials_may_not_see_is_reported(sick: Path, kube: apiserver.FakeServer) -> None:
    kube.fail("GET", 403, times=1000, path=f"{cluster_probe.APPS}/")
    found = report("--config", sick, code=1)
    (missed,) = [each for each in found["notLookedAt"] if each["what"].startswith("Deployments")]
    assert missed["because"].startswith("these credentials may not (GET /apis/apps/v1/deployments")
    assert autoscaler.SUBJECT not in {each["subject"] for each in found["findings"]}


def test_an_administrator_asks_for_the_servers_rights(
    tmp_path: Path, sick: Path, kube: apiserver.FakeServer
) -> None:
    text = sick.read_text()
    admin = tmp_path / "kubeconfig"
    sick.write_text(text.replace(f"kubeconfig: {admin}, ", ""))
    found = report("--config", sick, "--kubeconfig", admin, code=1)
    who = "system:serviceaccount:kube-system:default"
    assert any(f"{who} may not delete secrets" in each for each in reported(found))
    assert not any("selfsubject" in each for each in kube.asked)
    sick.write_text(text)
    found = report("--config", sick, "--kubeconfig", admin, code=1)
    (missed,) = [each for each in found["notLookedAt"] if each["what"] == "the server's rights"]
    assert "other credentials than the server's" in missed["because"]


def test_an_account_that_is_nowhere_is_not_taken_for_one_without_rights(
    tmp_path: Path, sick: Path, kube: apiserver.FakeServer
) -> None:
    cluster.hold(kube, f"{cluster_probe.APPS}/deployments")
    admin = tmp_path / "kubeconfig"
    sick.write_text(sick.read_text().replace(f"kubeconfig: {admin}, ", ""))
    found = report("--config", sick, "--kubeconfig", admin, code=1)
    (missed,) = [each for each in found["notLookedAt"] if "rights" in each["what"]]
    assert missed["what"].endswith("(system:serviceaccount:vps-autoscaler:vps-autoscaler)")


def test_without_a_cluster_the_clouds_are_still_looked_at(
    tmp_path: Path, cloud: hetzner.HetznerFake
) -> None:
    cloud.add("old-b", {MARK: "demo", GROUP: "old", NAME: "old-b"})
    (tmp_path / "join.sh").write_text("#!/bin/sh\n")
    path = tmp_path / "pools.yaml"
    path.write_text(
        f'cluster: demo\naccounts: [{{name: h, provider: hetzner, endpoint: "{cloud.url}"}}]\n'
        "nodes: [{name: web, account: h, instanceType: cx23, region: fsn1, maxSize: 3,"
        " image: debian-13, userDataFile: join.sh}]\n"
    )
    found = report("--config", path, code=1)
    assert [each.split(":")[0] for each in reported(found)] == ["trouble machines"]
    missed = {each["what"]: each["because"] for each in found["notLookedAt"]}
    assert missed["the cluster"].startswith("the configuration has no kubernetes:")


def test_a_cluster_without_credentials_is_a_note(tmp_path: Path, sick: Path) -> None:
    sick.write_text(sick.read_text().replace(f"kubeconfig: {tmp_path / 'kubeconfig'}, ", ""))
    found = report("--config", sick, code=1)
    missed = {each["what"]: each["because"] for each in found["notLookedAt"]}
    assert "this is no pod of a cluster" in missed["the cluster"]
    assert "--kubeconfig names one" in missed["the cluster"]


def test_a_configuration_with_mistakes_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text("cluster: Demo\nnodes: []\n")
    assert "pools.yaml:1" in run("--config", path, code=1).stderr


def test_keys_are_fetched_only_when_asked_for(sick: Path) -> None:
    text = sick.read_text().replace(
        "{externalCloud", "{kubernetesKey: http://127.0.0.1:1/key, externalCloud"
    )
    sick.write_text(text)
    missed = {each["what"] for each in report("--config", sick, code=1)["notLookedAt"]}
    assert "keys of package sources" in missed
    missed = {each["what"] for each in report("--config", sick, "--online", code=1)["notLookedAt"]}
    assert "keys of package sources" not in missed
    assert "the key at http://127.0.0.1:1/key" in missed


class Late(clock.SystemClock):
    """A clock that goes ten minutes after."""

    def unix(self) -> float:
        """Give Unix time, as it was."""
        return super().unix() - 600


def test_a_clock_that_is_late_is_seen_by_the_api_servers(
    tmp_path: Path, kube: apiserver.FakeServer
) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(healthy(tmp_path, kube))
    installed = installed_clouds.installed()
    config_ = config.load(path, cluster="", environ={}, clouds=installed)

    def nobody() -> NoReturn:
        raise client.CannotReach("nobody")

    ways = doctor.Ways(
        open_lister=lambda account: parameters.open_account(config_, account),
        show=nobody,
        time_source=Late(),
    )
    found = doctor.examine(config_, installed, ways)
    (one,) = [each for each in found.findings if each.subject == "clocks"]
    assert one.severity is doctor.Severity.TROUBLE
    assert re.match(r"the API server's clock is (599|60[01]) s ahead of", one.what)


def test_what_others_wrote_does_not_steer_the_terminal(
    sick: Path, kube: apiserver.FakeServer
) -> None:
    flag = "--cloud-provider=\x1b]0;title\x07"
    made = cluster.deployment("cluster-autoscaler:v1.36.1", flag)
    cluster.hold(kube, f"{cluster_probe.APPS}/deployments", made)
    done = run("--config", sick, code=1)
    assert "title" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_help_tells_every_option_and_the_exit_code() -> None:
    done = run("--help", code=0)
    for word in ("--config", "--address", "--kubeconfig", "--context", "--online", "--output"):
        assert word in done.stdout
    flat = " ".join(done.stdout.split())
    assert "It changes nothing, anywhere." in flat
    assert "Exit code 1 when something costs money or blocks scaling" in flat


def test_an_identity_that_may_not_be_read_is_a_note_with_its_reason(
    sick: Path, kube: apiserver.FakeServer
) -> None:
    kube.fail("GET", 403, path=identity.PATH, times=50)  # and whatever lies below that
    found = report("--config", sick, code=1)
    missed = {each["what"]: each["because"] for each in found["notLookedAt"]}
    assert "403" in missed["the cluster's identity"]
    assert not any(" marks: " in each for each in reported(found))


def test_what_could_not_be_seen_does_not_read_as_health(tmp_path: Path) -> None:
    """A cluster that does not answer, and a server that nobody finds, may be ill."""
    config = tmp_path / "pools.yaml"
    pools = (
        "cluster: test\nnodes:\n- {name: web, provider: memory, instanceType: small,"
        " region: north, minSize: 1, maxSize: 3}\n"
    )
    config.write_text(pools)
    with serving.running(tmp_path, pools) as up:
        asked = ("--config", config, "--address", up.address)
        done = run(*asked, code=0)
        assert done.stdout.rstrip().endswith("nothing is wrong in what was looked at")
        found = report(*asked, code=0)
        assert (found["ok"], found["complete"]) == (True, True)
        assert [each["failed"] for each in found["notLookedAt"]] == [False]
        nowhere = tmp_path / "kubeconfig"
        nowhere.write_text("nothing")
        done = run(*asked, "--kubeconfig", nowhere, code=3)
        last = done.stdout.rstrip().splitlines()[-1]
        assert last == "cluster test: health is not known: 1 thing could not be looked at"
        found = report(*asked, "--kubeconfig", nowhere, code=3)
        assert (found["ok"], found["complete"]) == (True, False)
