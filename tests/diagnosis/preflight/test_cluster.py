"""`check --online` asks the cluster too, and refuses one that machines could not join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import cluster
from externalgrpc.kube import identity
from externalgrpc.model import credentials, groups
from externalgrpc.model import join_settings as settings
from tests.diagnosis import cluster as clusters
from tests.kube import apiserver

CA = credentials.example().ca_pem
ENDPOINT = "https://api.example.org:6443"


@pytest.fixture
def server() -> Iterator[apiserver.FakeServer]:
    with clusters.running() as running:
        clusters.cluster_info(running, ENDPOINT, CA)
        yield running


def ask(
    server: apiserver.FakeServer, folder: Path, join: str = "kubeadm", **join_settings: str
) -> list[Finding]:
    reported = groups.Kubernetes(kubeconfig=str(clusters.kubeconfig(server, folder)))
    group = groups.NodeGroup(
        name="a",
        account="m",
        candidates=(groups.Candidate("small", "north"),),
        min_size=0,
        max_size=3,
        join=join,
        join_settings=settings.JoinSettings(**join_settings),  # type: ignore[arg-type]
    )
    return list(
        cluster.ask(
            groups.Config(cluster="c", accounts={}, groups=(group,), kubernetes=reported)
        ).findings
    )


def failures(found: list[Finding]) -> list[str]:
    return [f"{each.subject}: {each.what}" for each in found if each.severity is Severity.TROUBLE]


def test_a_cluster_that_can_be_joined(server: apiserver.FakeServer, tmp_path: Path) -> None:
    found = ask(server, tmp_path)
    assert failures(found) == []
    assert [each.what for each in found] == [
        "v1.36.2 answers",
        f"{identity.shortened(server.uid)} tells it from other clusters of its name",
        f"machines reach it at {ENDPOINT}",
    ]
    assert clusters.only_read(server)


def test_one_that_is_too_old_is_refused_with_the_reason(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    server.put("/version", {"gitVersion": "v1.30.9"})
    (reported,) = failures(ask(server, tmp_path))
    assert reported.startswith("release: the cluster runs Kubernetes v1.30.9, and kubeadm reads")
    assert "upgrade the cluster" in reported
    assert failures(ask(server, tmp_path, "raw")) == []
    server.put("/version", {"gitVersion": "v1.31.0"})
    assert failures(ask(server, tmp_path)) == []


def test_k3s_needs_a_release_of_k3s(server: apiserver.FakeServer, tmp_path: Path) -> None:
    (reported,) = failures(ask(server, tmp_path, "k3s"))
    assert "v1.36.2, which is no release of k3s" in reported
    assert failures(ask(server, tmp_path, "k3s", k3s_version="v1.36.2+k3s1")) == []
    server.put("/version", {"gitVersion": "v1.36.2+k3s1"})
    assert failures(ask(server, tmp_path, "k3s")) == []


def test_an_address_that_no_machine_could_use(server: apiserver.FakeServer, tmp_path: Path) -> None:
    clusters.cluster_info(server, "http://10.0.0.1", CA)
    (reported,) = failures(ask(server, tmp_path))
    assert "address: http://10.0.0.1 must look like https://host:6443" in reported


def test_nobody_there_and_no_way_there_are_findings(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    server.faults.append(apiserver.Fault("GET", apiserver.LOST, times=9))
    (reported,) = failures(ask(server, tmp_path))
    assert reported.startswith("connection: ")
    nowhere = groups.Kubernetes(kubeconfig=str(tmp_path / "none"))
    config = groups.Config(cluster="c", accounts={}, groups=(), kubernetes=nowhere)
    (reported,) = failures(list(cluster.ask(config).findings))
    assert reported.startswith("connection: kubeconfig ")


def test_without_kubernetes_nothing_is_asked() -> None:
    assert (
        cluster.ask(groups.Config(cluster="c", accounts={}, groups=())) == cluster.ClusterAnswer()
    )


def test_an_identity_that_may_not_be_read_is_a_warning(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    server.fail("GET", 403, path=identity.PATH, times=9)
    found = ask(server, tmp_path)
    assert failures(found) == []
    (one,) = [each for each in found if each.subject == "identity"]
    assert one.severity is Severity.WARNING
    assert one.cure == "kubectl apply -f deploy/rbac.yaml"


def test_an_identity_that_nobody_tells_holds_all_orders(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    server.fail("GET", 500, path=identity.PATH)
    (one,) = failures(ask(server, tmp_path))
    assert one.startswith("identity: the cluster's identity cannot be read")
