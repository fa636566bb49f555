"""``try`` against a real API server, with our rights only: nothing of it is left there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from externalgrpc.fleet import state
from externalgrpc.pb import fleet_pb2, fleet_pb2_grpc
from tests import serving
from tests.e2e import machines, waiting
from tests.kube import plane as planes
from tests.kube import test_real_approval, test_real_join
from tests.kube.test_real_join import NODES, POOL, minted, token_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def house(
    fenced: planes.Plane, approving: planes.Plane, tmp_path: Path
) -> Iterator[serving.Running]:
    often = test_real_join.registrar.Pace(sweep_s=0.2, settle_s=0.0)
    text = POOL.format(kubeconfig=approving.account())
    with serving.running(tmp_path, text, joining=often) as up:
        yield up
    with approving.client() as admin:
        admin.delete(test_real_approval.CSRS)
        admin.delete(NODES)


def registers(plane: planes.Plane, server: Any) -> None:
    """Make the Node that a kubelet would that was started with the order's taints."""
    assert "vps-autoscaler/trial" in server.user_data
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": server.node_name},
        "spec": {
            "providerID": f"memory://{server.id}",
            "taints": [{"key": "vps-autoscaler/trial", "value": "pool", "effect": "NoSchedule"}],
        },
    }
    with plane.client() as admin:
        assert admin.post(NODES, json=node).status_code == httpx.codes.CREATED
        patched = admin.patch(
            f"{NODES}/{server.node_name}/status",
            content=json.dumps({"status": {"conditions": [machines.ready()]}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert patched.is_success, patched.text


def test_a_trial_leaves_neither_machine_nor_node_nor_token(
    approving: planes.Plane, house: serving.Running
) -> None:
    stub = fleet_pb2_grpc.FleetStub(house.channel)

    def trial() -> fleet_pb2.Trial:
        return stub.GetTrial(fleet_pb2.GetTrialRequest())

    def until(phase: str) -> fleet_pb2.Trial:
        waiting.until(lambda: trial().phase == phase, f"the trial is {phase}")
        return trial()

    serving.until(lambda: house.plant.reconciler.fleet.identity)
    stub.StartTrial(fleet_pb2.StartTrialRequest(group="pool"))
    serving.until(house.cloud.servers)
    (server,) = house.cloud.servers()
    token = token_in(server.user_data)
    assert minted(approving, token)
    test_real_approval.ask(approving, token, server.node_name)
    waiting.until(
        lambda: test_real_join.step(house, server.node_name) is state.Step.CSR, "its request"
    )
    registers(approving, server)
    ready = until("ready")
    assert "certificate requested" in [each.name for each in ready.steps]
    waiting.until(lambda: trial().compared, "template and Node are compared")
    assert not [each for each in trial().differences if "trial" in each.what]
    stub.EndTrial(fleet_pb2.EndTrialRequest())
    over = until("over")
    assert list(over.left) == []
    assert any("join token" in each for each in over.proofs)
    assert not minted(approving, token)
    assert not house.cloud.servers()
    with approving.client() as admin:
        gone = admin.get(f"{NODES}/{server.node_name}").status_code
    assert gone == httpx.codes.NOT_FOUND


def test_the_token_of_a_machine_that_never_came_is_gone_in_the_end(
    approving: planes.Plane, house: serving.Running
) -> None:
    stub = fleet_pb2_grpc.FleetStub(house.channel)
    serving.until(lambda: house.plant.reconciler.fleet.identity)
    stub.StartTrial(fleet_pb2.StartTrialRequest(group="pool"))
    serving.until(house.cloud.servers)
    (server,) = house.cloud.servers()
    token = token_in(server.user_data)
    stub.EndTrial(fleet_pb2.EndTrialRequest())
    waiting.until(
        lambda: stub.GetTrial(fleet_pb2.GetTrialRequest()).phase == "over", "nothing is left"
    )
    assert not minted(approving, token)
    assert not house.cloud.servers()
