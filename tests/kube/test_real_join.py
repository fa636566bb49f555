"""A whole server against a real API server: from the order to the Node's end, with our rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from externalgrpc.fleet import state
from externalgrpc.joining import registrar
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import k8s_core_v1_pb2 as core
from tests import serving
from tests.e2e import machines, waiting
from tests.kube import plane as planes
from tests.kube import test_real_approval

pytestmark = pytest.mark.e2e

NODES = "/api/v1/nodes"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
OURS = f"/apis/events.k8s.io/v1/namespaces/{planes.NAMESPACE}/events"
POOL = """
cluster: real
kubernetes: {{kubeconfig: {kubeconfig}, ownApproval: true}}
nodes:
- {{name: pool, provider: memory, instanceType: small, region: north, maxSize: 5, join: kubeadm,
   joinDeadlines: {{csr: 1s}}}}
"""


@pytest.fixture
def house(
    fenced: planes.Plane, approving: planes.Plane, tmp_path: Path
) -> Iterator[serving.Running]:
    text = POOL.format(kubeconfig=approving.account())
    often = registrar.Pace(sweep_s=0.2, settle_s=0.0)
    with serving.running(tmp_path, text, joining=often) as up:
        yield up
    with approving.client() as admin:
        admin.delete(test_real_approval.CSRS)
        admin.delete(NODES)


def ordered(up: serving.Running) -> Any:
    up.plant.reconciler.grow("pool", 1, cover=False)
    serving.until(up.cloud.servers)
    return up.cloud.servers()[-1]


def token_in(user_data: str) -> str:
    found = re.search(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", user_data)
    assert found is not None
    return found[0]


def minted(plane: planes.Plane, token: str) -> bool:
    path = f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{token.partition('.')[0]}"
    with plane.client() as admin:
        return admin.get(path).status_code == httpx.codes.OK


def events(plane: planes.Plane, path: str) -> list[tuple[str, str]]:
    with plane.client() as admin:
        items = admin.get(path).json()["items"]
    return [(each["reason"], each["regarding"]["name"]) for each in items]


def template(up: serving.Running) -> core.NodeStatus:
    request = pb.NodeGroupTemplateNodeInfoRequest(id="pool")
    return core.Node.FromString(up.stub.NodeGroupTemplateNodeInfo(request).nodeBytes).status


def step(up: serving.Running, name: str) -> state.Step | None:
    journey = up.plant.reconciler.fleet.journeys.get(name)
    return None if journey is None else journey.step


def registers(plane: planes.Plane, server: Any, *, memory: str, allocatable: str) -> None:
    """Make the Node that a kubelet would."""
    common = {"cpu": "2", "pods": "64", "ephemeral-storage": "20000000Ki"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": server.node_name},
        "spec": {"providerID": f"memory://{server.id}"},
    }
    status = {
        "capacity": {**common, "memory": memory},
        "allocatable": {**common, "memory": allocatable},
        "conditions": [machines.ready()],
    }
    with plane.client() as admin:
        assert admin.post(NODES, json=node).status_code == httpx.codes.CREATED
        patched = admin.patch(
            f"{NODES}/{server.node_name}/status",
            content=json.dumps({"status": status}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert patched.is_success, patched.text


def test_from_the_order_to_the_end_of_its_node(
    approving: planes.Plane, house: serving.Running
) -> None:
    # kubelet-config of the cluster says 64 pods and 250m, and we read it before any machine comes.
    waiting.until(lambda: template(house).allocatable["pods"].string == "64", "kubelet-config")
    server = ordered(house)
    name = server.node_name
    token = token_in(server.user_data)
    assert minted(approving, token)
    asked = test_real_approval.ask(approving, token, name).json()["metadata"]["name"]
    stolen = test_real_approval.ask(approving, token, "control-plane-1").json()["metadata"]["name"]
    approved = test_real_approval.conditions
    waiting.until(lambda: approved(approving, asked) == ["Approved"], "we approve our machine")
    waiting.until(lambda: step(house, name) is state.Step.CSR, "its request is seen")
    registers(approving, server, memory="1900000Ki", allocatable="1234000Ki")
    waiting.until(lambda: step(house, name) is state.Step.READY, "its Node is seen")
    waiting.until(lambda: not minted(approving, token), "its token is revoked")
    assert approved(approving, stolen) == [], "the token opens no other name"
    waiting.until(
        lambda: template(house).allocatable["memory"].string == "1234000Ki", "the template learns"
    )
    waiting.until(lambda: ("Joined", name) in events(approving, EVENTS), "its Event is written")
    node = pb.ExternalGrpcNode(name=name, providerID=f"memory://{server.id}")
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="pool", nodes=[node]))
    with approving.client() as admin:
        waiting.until(
            lambda: admin.get(f"{NODES}/{name}").status_code == httpx.codes.NOT_FOUND,
            "the Node goes after its machine",
        )
    assert not house.cloud.servers()


def test_a_machine_that_never_asks_is_reported_and_loses_its_token(
    approving: planes.Plane, house: serving.Running
) -> None:
    token = token_in(ordered(house).user_data)
    waiting.until(
        lambda: [
            each
            for each in house.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="pool")).instances
            if each.status.errorInfo.errorCode == "JoinTimeout"
        ],
        "CA is shown the error",
    )
    waiting.until(lambda: not minted(approving, token), "its token is revoked")
    value = ("JoinTimeout", "vps-autoscaler")
    waiting.until(lambda: value in events(approving, OURS), "the ConfigMap's Event is written")
