from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.model import rules


@pytest.mark.parametrize(
    "key",
    [
        "tier",
        "example.org/tier",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "kubelet.kubernetes.io/anything",
        "node.kubernetes.io/anything",
        "x.node.kubernetes.io/anything",
        "x.kubelet.kubernetes.io/anything",
        "csi.hetzner.cloud/location",
        "notkubernetes.io/x",
        "k8s.io.example.org/x",
        "kubernetes.io",
    ],
)
def test_a_kubelet_may_set(key: str) -> None:
    assert rules.key(key) == ""
    assert rules.node_label(key) == ""


@pytest.mark.parametrize(
    ("key", "value", "wrong"),
    [
        ("kubernetes.io/hostname", "a", "own name"),
        ("kubernetes.io/os", "linux", ""),
        ("kubernetes.io/os", "windows", "linux"),
        ("beta.kubernetes.io/os", "Linux", "linux"),
        ("kubernetes.io/arch", "arm64", ""),
        ("beta.kubernetes.io/arch", "x86_64", "neither amd64"),
        ("node.kubernetes.io/instance-type", "cx23", ""),
        ("node.kubernetes.io/instance-type", "cx33", "type cx23"),
        ("beta.kubernetes.io/instance-type", "cx33", "type cx23"),
        ("topology.kubernetes.io/zone", "rack-7", ""),
        ("tier", "web", ""),
    ],
)
def test_a_label_says_nothing_else_than_the_machine_is(key: str, value: str, wrong: str) -> None:
    identity = rules.identity(key, value, ["cx23"])
    assert wrong in identity
    assert bool(identity) is bool(wrong)


@pytest.mark.parametrize(
    "key",
    [
        "node-role.kubernetes.io/worker",
        "node-restriction.kubernetes.io/pool",
        "kubernetes.io/role",
        "kubernetes.io/hostnames",
        "k8s.io/x",
        "cluster-autoscaler.k8s.io/x",
        "x.kubernetes.io/y",
        "topology.kubernetes.io/rack",
        "failure-domain.beta.kubernetes.io/rack",
        "xnode.kubernetes.io/y",
    ],
)
def test_a_kubelet_may_not_set(key: str) -> None:
    assert rules.key(key) == ""
    assert "NodeRestriction" in rules.node_label(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "a/",
        "/a",
        "a/b/c",
        "A.b/c",
        "-a",
        "a-",
        "a b",
        "ä",
        "a" * 64,
        f"{'a' * 254}/b",
        "a\n",
    ],
)
def test_a_key_is_refused(key: str) -> None:
    assert rules.key(key)


@pytest.mark.parametrize("value", ["-a", "a-", "a b", "ä", "a" * 64, "a/b", "a\n", "$(x)", "a'b"])
def test_a_value_is_refused(value: str) -> None:
    assert rules.value(value)


@given(st.text(max_size=70))
def test_a_name_is_a_dns_label_that_every_cloud_takes(text: str) -> None:
    fine = (
        re.fullmatch(r"[a-z0-9-]{1,63}", text) is not None
        and text[0].isalpha()
        and text[-1] != "-"
        and "--" not in text
    )
    assert (rules.name(text, 63) == "") is fine


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True))
def test_a_plausible_name_is_refused_for_double_dashes_only(text: str) -> None:
    assert (rules.name(text, 63) == "") is ("--" not in text)
