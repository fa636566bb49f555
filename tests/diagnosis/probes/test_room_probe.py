"""What the API server shows of room that is kept, and of tenants' policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import cluster_probe, room_probe
from externalgrpc.headroom import objects
from externalgrpc.kube import api
from tests.kube import apiserver

GROUP = "/apis/kubero.dev/v1alpha1"


def made(name: str, replicas: int | None = None, **labels: str) -> dict[str, Any]:
    spec = {} if replicas is None else {"replicas": replicas}
    ours = {**objects.OWNER, objects.CLUSTER: "demo", "vps-autoscaler/balloon": name}
    about = {"name": f"vps-headroom-{name}", "namespace": "n", "labels": {**ours, **labels}}
    return {"metadata": about, "spec": spec}


@pytest.fixture
def server():
    running = apiserver.FakeServer()
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def of(server: apiserver.FakeServer, tmp_path: Path) -> api.Api:
    return server.api(tmp_path)


def test_room_is_found_by_its_labels(server: apiserver.FakeServer, of: api.Api) -> None:
    others = made("web", 9, **{"app.kubernetes.io/managed-by": "others"})
    server.put(room_probe.PATHS["Deployment"], {"items": [made("web", 2), others, {}]})
    server.put(room_probe.PATHS["PodTemplate"], {"items": [made("web")]})
    notes = Notes()
    found = room_probe.ask(of, notes)
    assert found is not None
    assert [(each.kind, each.name, each.group, each.replicas) for each in found] == [
        ("Deployment", "vps-headroom-web", "web", 2),
        ("PodTemplate", "vps-headroom-web", "web", 0),
    ]
    assert notes.unseen == ()


def test_who_may_not_look_knows_of_none(server: apiserver.FakeServer, of: api.Api) -> None:
    server.fail("GET", 403, path=room_probe.PATHS["Deployment"])
    notes = Notes()
    assert room_probe.ask(of, notes) is None
    assert [each.what for each in notes.unseen] == [room_probe.WHAT]


def policy(name: str, kind: str = "kubero.dev/v1alpha1") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"paramKind": {"apiVersion": kind}}}


def test_policies_that_read_vpsnodes(server: apiserver.FakeServer, of: api.Api) -> None:
    def read() -> tuple[frozenset[str] | None, bool | None]:
        found = cluster_probe.ask(of, Notes())
        assert found is not None
        return found.tenant_policies, found.vps_nodes_served

    server.put("/version", {"gitVersion": "v1.36.2"})
    assert read() == (frozenset(), False)
    policies = [policy("ours"), policy("loose"), policy("other", "v1"), {"metadata": {"name": "x"}}]
    server.put(cluster_probe.MUTATING, {"items": policies})
    bindings = [{"spec": {"policyName": each}} for each in ("ours", "other", "x")]
    server.put(cluster_probe.MUTATING_BINDINGS, {"items": bindings})
    server.put(GROUP, {"resources": [{"name": "others"}]})
    assert read() == (frozenset({"ours"}), False)
    server.put(GROUP, {"resources": [{"name": "vpsnodes"}]})
    assert read() == (frozenset({"ours"}), True)
    server.fail("GET", 500, path=GROUP)
    assert read() == (frozenset({"ours"}), None)
