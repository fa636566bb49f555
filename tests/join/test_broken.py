"""A machine that cannot join says why, switches off, and is deleted without anybody's help."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from externalgrpc.pb import externalgrpc_pb2 as pb
from tests.e2e import certificates
from tests.join import plane, world

pytestmark = [pytest.mark.join, pytest.mark.timeout(2400)]

GIVEN_UP_S = 300.0
"""Our patience for CA, a listing before it and one after."""


def test_a_machine_that_distrusts_the_cluster(scene: world.World, tmp_path: Path) -> None:
    with _renewed_in_silence(scene.plane, tmp_path):
        server = scene.serve()
        server.grow(1)
        machine = scene.booted()
        assert scene.tokens(), "it was given a token"
        scene.until(lambda: machine.is_off, "the machine switches itself off", within_s=600.0)

    [number] = scene.rack.machines
    line = rf"^vps-autoscaler: {machine.name}: join failed: (.+)$"
    match = re.search(line, machine.said(), re.MULTILINE)
    assert match, "the serial console does not say why"
    assert match[1].startswith("kubeadm: error")
    assert "certificate signed by unknown authority" in match[1]
    scene.note(f"off {machine.uptime_of('reboot: Power down'):.0f} s after power-on: {match[1]}")

    def failed() -> pb.Instance | None:
        return next((i for i in server.instances() if i.status.errorInfo.errorCode), None)

    shown = scene.until(failed, "CA is shown the failure", within_s=90.0)
    assert shown.id == f"hcloud://{number}"
    assert shown.status.instanceState == pb.InstanceStatus.InstanceState.instanceCreating
    assert shown.status.errorInfo.errorCode == "JoinFailed"
    assert f"{machine.name} went off before it became a node" in shown.status.errorInfo.errorMessage
    scene.until(lambda: not scene.tokens(), "its token is revoked", within_s=30.0)

    gone = "without CA, we delete it"
    scene.until(lambda: not scene.cloud.servers, gone, within_s=GIVEN_UP_S)
    scene.until(lambda: not server.instances(), "nothing is left of it", within_s=90.0)
    assert server.target() == 0
    assert scene.node(machine.name) is None

    machine.settle_disk()
    reason = machine.read("/var/lib/vps-autoscaler/failed").splitlines()
    assert reason[0] == machine.name
    assert reason[1].strip() == match[1].strip()
    assert machine.files("/etc/vps-autoscaler/secret") == []
    assert not [each for each in machine.files("/etc/kubernetes") if each.endswith(".conf")]
    log = machine.read("/var/lib/vps-autoscaler/log")
    assert "== kubeadm" in log
    assert "tlsBootstrapToken" not in log


@contextlib.contextmanager
def _renewed_in_silence(control: plane.Plane, folder: Path) -> Iterator[None]:
    """Let cluster-info name a CA that is no longer the API server's, as after half a renewal."""
    info = ("-n", "kube-public", "get", "configmap", "cluster-info", "-o", "json")
    before = json.loads(control.kubectl(*info))
    document = yaml.safe_load(before["data"]["kubeconfig"])
    old = certificates.Authority(folder / "old").certificate.read_bytes()
    document["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(
        old
    ).decode()
    try:
        _set(control, yaml.safe_dump(document))
        yield
    finally:
        _set(control, before["data"]["kubeconfig"])


def _set(control: plane.Plane, kubeconfig: str) -> None:
    patch = json.dumps({"data": {"kubeconfig": kubeconfig}})
    control.kubectl("-n", "kube-public", "patch", "configmap", "cluster-info", "-p", patch)
