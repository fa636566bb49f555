"""Cloud controller managers against what joins and clean-up expect."""

from __future__ import annotations

from externalgrpc.model.groups import Kubernetes
from tests.diagnosis import given

CCM = given.deployed("docker.io/hetznercloud/hcloud-cloud-controller-manager:v1.27.0", name="ccm")
OTHER = given.deployed("linode/linode-cloud-controller-manager:v0.8", name="ccm")
KEPT = Kubernetes(remove_nodes=False)
WAITING = given.taint("node.cloudprovider.kubernetes.io/uninitialized")


def of(*workloads: object, external: bool, kubernetes: Kubernetes = KEPT, **changed: object):
    group = given.group(join_external_cloud_provider=external)
    cluster = {"workloads": (given.autoscaler(), *workloads)}
    return given.facts(group, kubernetes=kubernetes, cluster={**cluster, **changed})


def test_waiting_for_one_that_is_not_there() -> None:
    for there in ((), (OTHER,)):
        found = given.trouble(of(*there, external=True))
        assert "externalCloudProvider is set for web, and no hcloud-cloud-" in found.what


def test_ignoring_one_that_is_there() -> None:
    assert "not set for web" in given.warning(of(CCM, external=False)).what


def test_expected_and_there() -> None:
    assert given.judged(of(CCM, external=True)) == []
    assert given.judged(of(OTHER, external=False)) == []


def test_both_remove_nodes() -> None:
    found = given.warning(of(CCM, external=True, kubernetes=Kubernetes()))
    assert "removeNodes is on, and a controller manager runs for hcloud" in found.what


def test_nothing_is_said_of_workloads_that_were_not_seen() -> None:
    assert given.judged(of(external=True, workloads=None)) == []


def test_nodes_that_wait() -> None:
    old = given.node(taints=(WAITING,), created_at=given.NOW - 301)
    young = given.node(taints=(WAITING,), created_at=given.NOW - 299)
    found = given.trouble(of(CCM, external=True, nodes=(old,)))
    assert "for up to 5m: web-bcdfgh" in found.what
    assert "log of hcloud-cloud-controller-manager" in found.cure
    assert given.judged(of(CCM, external=True, nodes=(young,))) == []
    assert "No controller manager runs" in given.trouble(of(external=False, nodes=(old,))).cure
    unseen = of(external=False, nodes=(old,), workloads=None)
    assert "See whether" in given.trouble(unseen).cure


def test_a_controller_without_pods_is_none() -> None:
    away = given.deployed("hetznercloud/hcloud-cloud-controller-manager:v1", replicas=0)
    assert "no hcloud-cloud-" in given.trouble(of(away, external=True)).what


def test_who_removes_nodes_alone_is_not_warned() -> None:
    assert given.judged(of(external=False, kubernetes=Kubernetes())) == []
    assert given.judged(of(OTHER, external=False, kubernetes=Kubernetes())) == []
    raw = given.group(join="raw")
    cluster = {"workloads": (given.autoscaler(), CCM)}
    assert (
        given.judged(given.facts(raw, kubernetes=None, endpoint_probes=(), cluster=cluster)) == []
    )
