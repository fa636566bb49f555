from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import pytest
import yaml

from externalgrpc.kube import connection, errors, facts
from tests.kube import apiserver

INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
KUBELET = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"


@pytest.fixture
def link(server: apiserver.FakeServer, tmp_path: Path) -> connection.Connection:
    made = server.link(tmp_path)
    return dataclasses.replace(made, host="https://10.0.0.1:6443", ca_pem="OURS", in_cluster=True)


def _info(server: str = "https://api.example.test:6443", ca: str = CA) -> dict[str, object]:
    data = base64.b64encode(ca.encode()).decode()
    cluster = {"server": server, "certificate-authority-data": data}
    fields = {"clusters": [{"name": "", "cluster": cluster}]}
    return {"data": {"kubeconfig": yaml.safe_dump(fields)}}


@pytest.mark.parametrize(
    ("text", "minor"), [("v1.36.2", 36), ("v1.31.0+k3s1", 31), ("1.40", 40), ("v1.9-gke.1", 9)]
)
def test_the_release_is_read(
    server: apiserver.FakeServer, link: connection.Connection, text: str, minor: int
) -> None:
    server.put("/version", {"gitVersion": text})
    assert facts.version(link.api) == facts.Version(git_version=text, minor=minor)


@pytest.mark.parametrize("text", ["", "v2.0.0", "what"])
def test_a_release_that_makes_no_sense_is_reported(
    server: apiserver.FakeServer, link: connection.Connection, text: str
) -> None:
    server.put("/version", {"gitVersion": text})
    with pytest.raises(facts.Unusable, match=r"not Kubernetes 1\.x"):
        facts.version(link.api)


def test_machines_are_reported_what_cluster_info_says(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    server.put(INFO, _info())
    found = facts.address(link)
    assert found == facts.Address(endpoint="https://api.example.test:6443", ca_pem=CA)
    assert "BEGIN" not in repr(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://api.example.test", "https://api.example.test:443"),
        ("https://api.example.test/", "https://api.example.test:443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("https://10.0.0.7:6443/", "https://10.0.0.7:6443"),
        ("https://x:y", "https://x:y"),
    ],
)
def test_an_address_without_port_gets_its_own(
    server: apiserver.FakeServer, link: connection.Connection, text: str, wanted: str
) -> None:
    server.put(INFO, _info(text))
    assert facts.address(link).endpoint == wanted


def test_the_configured_address_comes_first(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    server.put(INFO, _info())
    found = facts.address(link, endpoint="https://10.1.1.1:6443")
    assert found == facts.Address(endpoint="https://10.1.1.1:6443", ca_pem=CA)


def test_without_cluster_info_a_pod_cannot_know_the_address(
    link: connection.Connection,
) -> None:
    with pytest.raises(facts.Unusable, match="configure its address"):
        facts.address(link)
    found = facts.address(link, endpoint="https://10.1.1.1:6443")
    assert found == facts.Address(endpoint="https://10.1.1.1:6443", ca_pem="OURS")


def test_without_cluster_info_our_own_address_is_what_we_know(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    server.fail("GET", 403)
    outside = dataclasses.replace(link, in_cluster=False)
    assert facts.address(outside).endpoint == "https://10.0.0.1:6443"


def test_a_cluster_that_nobody_vouches_for_is_reported(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    server.put(INFO, _info(ca=""))
    assert facts.address(link).ca_pem == "OURS"
    with pytest.raises(facts.Unusable, match="which CA"):
        facts.address(dataclasses.replace(link, ca_pem=""))


def test_trouble_is_not_taken_for_absence(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    server.fail("GET", 500, times=2)
    with pytest.raises(errors.Unreachable):
        facts.address(link)
    with pytest.raises(errors.Unreachable):
        facts.kubelet_config(link.api)


ODD = [
    {},
    {"data": None},
    {"data": {"kubeconfig": 7, "kubelet": 7}},
    {"data": {"kubeconfig": "a: [", "kubelet": "a: ["}},
    {"data": {"kubeconfig": "clusters: 7", "kubelet": "7"}},
    {"data": {"kubeconfig": "clusters: [7]", "kubelet": "[]"}},
    {"data": {"kubeconfig": "a: 2023-13-45", "kubelet": "a: 2023-13-45"}},
    {"data": {"kubeconfig": f"a: {'9' * 5000}", "kubelet": f"maxPods: {'9' * 5000}"}},
    {"data": {"kubeconfig": "[" * 3000, "kubelet": "[" * 3000}},
    {"data": {"kubeconfig": "clusters: [{cluster: {server: 7, certificate-authority-data: ä}}]"}},
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_configmaps_say_nothing(
    server: apiserver.FakeServer, link: connection.Connection, odd: dict[str, object]
) -> None:
    server.put(INFO, odd)
    server.put(KUBELET, odd)
    with pytest.raises(facts.Unusable, match="configure its address"):
        facts.address(link)
    assert facts.kubelet_config(link.api) is None


def test_kubelets_settings_are_read_where_they_may_be(
    server: apiserver.FakeServer, link: connection.Connection
) -> None:
    assert facts.kubelet_config(link.api) is None
    server.put(KUBELET, {"data": {"kubelet": "kubeReserved: {cpu: 200m}\n"}})
    found = facts.kubelet_config(link.api)
    assert found is not None
    assert found.cpu_millis == 200
    server.fail("GET", 403)
    assert facts.kubelet_config(link.api) is None
