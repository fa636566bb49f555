"""Releases that do not go together, and clocks."""

from __future__ import annotations

import pytest

from tests.diagnosis import given


def test_kubeadm_wants_1_31() -> None:
    old = {"minor": 30, "version": "v1.30.4", "nodes": ()}
    found = given.trouble(given.facts(machines=(), cluster=old))
    assert "the API server is v1.30.4, and groups join by kubeadm: web" in found.what
    assert given.judged(given.facts(given.group(join="k3s"), machines=(), cluster=old)) == []
    assert given.judged(given.facts(machines=(), cluster={**old, "minor": 31})) == []


@pytest.mark.parametrize(
    ("kubelet", "word"),
    [
        ("v1.37.0", "newer than the API server"),
        ("v1.32.9", "more than 3 minors older"),
        ("v1.33.0", ""),
        ("v1.36.9", ""),
        ("", ""),
        ("v2", ""),
    ],
)
def test_kubelets_against_the_api_server(kubelet: str, word: str) -> None:
    of = given.facts(cluster={"nodes": (given.node(kubelet_version=kubelet),)})
    if word:
        found = given.warning(of)
        assert word in found.what
        assert f"web-bcdfgh ({kubelet})" in found.what
    else:
        assert given.judged(of) == []


def test_foreign_kubelets_are_not_ours_to_judge() -> None:
    foreign = given.node("metal", provider_id="", kubelet_version="v1.20.0")
    assert given.judged(given.facts(cluster={"nodes": (given.node(), foreign)})) == []


def test_without_the_servers_release_nothing_is_said() -> None:
    of = given.facts(cluster={"minor": None, "nodes": (given.node(kubelet_version="v1.9.0"),)})
    assert given.judged(of) == []


@pytest.mark.parametrize(
    ("skew_s", "severity"),
    [(30.0, ""), (-30.0, ""), (31.0, "WARNING"), (-300.0, "WARNING"), (301.0, "TROUBLE")],
)
def test_clocks_apart(skew_s: float, severity: str) -> None:
    findings = given.judged(given.facts(cluster={"skew_s": skew_s}))
    assert [each.split()[0] for each in findings] == ([severity] if severity else [])


def test_the_direction_is_reported() -> None:
    assert "40 s ahead of" in given.warning(given.facts(cluster={"skew_s": 40.0})).what
    assert "40 s behind" in given.warning(given.facts(cluster={"skew_s": -40.0})).what


def test_a_clock_that_was_not_seen() -> None:
    assert given.judged(given.facts(cluster={"skew_s": None})) == []
