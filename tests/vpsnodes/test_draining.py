"""Which pods keep a machine that is to go: by the autoscaler's own rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from externalgrpc.kube import api, eviction
from externalgrpc.vpsnodes import draining
from tests.kube import apiserver

OWNED = {"ownerReferences": [{"kind": "ReplicaSet"}]}


def pod(name: str = "a", *, node: str = "n-1", **fields: Any) -> dict[str, Any]:
    about = {"name": name, "namespace": "shop", **OWNED, **fields.pop("metadata", {})}
    spec = {"nodeName": node, **fields.pop("spec", {})}
    return {"metadata": about, "spec": spec, **fields}


def annotated(key: str, value: str, **more: Any) -> dict[str, Any]:
    return {"annotations": {key: value}, **more}


def volumes(*its: dict[str, Any]) -> dict[str, Any]:
    return {"volumes": list(its)}


EMPTY = {"name": "cache", "emptyDir": {}}
BARE: dict[str, Any] = {"ownerReferences": []}


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (pod(), ""),
        (pod(metadata=BARE), "no controller makes it anew"),
        (pod(metadata=annotated(eviction.SAFE, "false")), "safe-to-evict: false"),
        (pod(metadata=annotated(eviction.SAFE, "true", **BARE)), ""),
        (pod(metadata={"ownerReferences": [{"kind": "DaemonSet"}]}, spec=volumes(EMPTY)), ""),
        (
            pod(
                metadata={"ownerReferences": [{"kind": "X"}, {"kind": "DaemonSet"}]},
                spec=volumes(EMPTY),
            ),
            "",
        ),
        (pod(metadata=annotated(eviction.MIRROR, "x", **BARE)), ""),
        (pod(metadata=BARE, status={"phase": "Succeeded"}), ""),
        (pod(metadata={**BARE, "deletionTimestamp": "2026-11-28T05:49:30Z"}), ""),
        (pod(spec=volumes(EMPTY)), "keeps data on the node: volume cache"),
        (pod(spec=volumes({"name": "h", "hostPath": {}})), "volume h"),
        (pod(spec=volumes({"name": "m", "emptyDir": {"medium": "Memory"}})), ""),
        (pod(spec=volumes({"name": "c", "configMap": {}})), ""),
        (pod(metadata=annotated(eviction.SAFE_VOLUMES, "x,cache"), spec=volumes(EMPTY)), ""),
        (pod(metadata={"namespace": "kube-system"}), "needs a PodDisruptionBudget"),
        ({}, "no controller makes it anew"),
        ({"metadata": 7, "spec": {"volumes": 7}, "status": []}, "no controller"),
    ],
)
def test_a_pod(of: dict[str, Any], words: str) -> None:
    found = draining.reason(eviction.read(of))
    assert words in found
    assert bool(found) is bool(words)


def test_pods_are_named_in_order_and_made_fit_to_be_shown() -> None:
    odd = pod("b\u202e", metadata=BARE)
    found = draining.keeping([odd, pod("a", metadata=BARE), pod("c"), pod(node="n-2"), 7], "n-1")
    assert [each.split()[0] for each in found] == ["shop/a", "shop/b\\u202e"]


@pytest.fixture
def server():
    running = apiserver.FakeServer()
    running.put("/api/v1/pods/a", pod("a", metadata=BARE))
    running.put("/api/v1/pods/b", pod("b", metadata=BARE, node="n-2"))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def of(server: apiserver.FakeServer, tmp_path: Path) -> api.Api:
    return server.api(tmp_path)


def asked(server: apiserver.FakeServer) -> int:
    return server.count("GET /api/v1/pods")


def test_nodes_are_asked_for_seldom(server: apiserver.FakeServer, of: api.Api) -> None:
    looker = draining.Looker(of)
    assert looker.look((), 0.0) == draining.NOTHING
    assert asked(server) == 0
    found = looker.look({"n-1"}, 0.0)
    assert dict(found.by_node) == {"n-1": ("shop/a (no controller makes it anew elsewhere)",)}
    server.put("/api/v1/pods/a", None)
    assert looker.look({"n-1"}, draining.AGAIN_S - 1) == found
    assert asked(server) == 1
    assert dict(looker.look({"n-1"}, draining.AGAIN_S).by_node) == {"n-1": ()}
    # Another Node is news.
    assert looker.look({"n-2"}, draining.AGAIN_S + 1).by_node["n-2"]
    many = {f"m-{number}" for number in range(30)}
    assert len(looker.look(many, 99.0).by_node) == draining.MOST_NODES


def test_without_the_right_it_says_so(server: apiserver.FakeServer, of: api.Api) -> None:
    server.fail("GET", 403, path="/api/v1/pods")
    assert draining.Looker(of).look({"n-1"}, 0.0) == draining.Held(unknown=draining.NO_RIGHT)
    server.fail("GET", 500, path="/api/v1/pods")
    found = draining.Looker(of).look({"n-1"}, 0.0)
    assert "could not be asked" in found.unknown
