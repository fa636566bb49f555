"""A machine that is ordered becomes the node that was promised, and leaves nothing behind."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from externalgrpc.model import quantity
from externalgrpc.pb import k8s_core_v1_pb2 as core
from tests.join import metadata, plane, pods, vm, world

pytestmark = [pytest.mark.join, pytest.mark.timeout(2400)]

CLOUDS = os.environ.get("CLOUDS", "hetzner").split(",")
"""The clouds whose metadata and user-data are tried: some of hetzner,linode,digitalocean,vultr."""

LABELS = {"paas-tier": "tenant", "example.org/disk": "fast"}
TAINT = {"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}
PACKS = "linode"
NOISE = base64.b64encode(random.Random(1).randbytes(4000)).decode()
"""Makes user-data longer than Linode takes unpacked."""
KUBELET = {"cpu": "100m", "memory": "200Mi"}
RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")


def test_a_bare_boot_for_comparison(scene: world.World) -> None:
    scene.cloud.add("bare", user_data="#cloud-config\n{}\n")
    scene.cloud.advance(0)
    machine = scene.booted()
    scene.alive(machine, lambda: "finished at" in machine.said(), "cloud-init is done")
    scene.note(f"cloud-init done {machine.uptime_of('Cloud-init v.* finished'):.0f} s")


@pytest.mark.parametrize("scene", CLOUDS, indirect=True)
def test_a_machine_joins_and_leaves(scene: world.World) -> None:
    lines = {"preJoin": [*world.PRE_JOIN, f"# {NOISE}"]} if scene.vendor.name == PACKS else {}
    server = scene.serve(join=lines, labels=LABELS, taints=[TAINT], kubelet=KUBELET)
    server.grow(1)

    machine = scene.booted()
    promised = server.template()
    name = machine.name
    scene.alive(machine, lambda: scene.node(name), "the machine is a Node")
    scene.alive(machine, lambda: world.is_ready(scene.node(name) or {}), "the Node is ready")
    scene.alive(machine, lambda: not _waits(scene.node(name) or {}), "it is said to be ready")
    scene.alive(machine, lambda: "the last lines ran" in machine.said(), "postJoin ran")
    scene.alive(machine, lambda: "finished at" in machine.said(), "cloud-init is done")
    node = scene.node(name)
    assert node is not None
    [number] = scene.rack.machines
    provider_id = f"{scene.vendor.scheme}://{number}"
    assert node["spec"]["providerID"] == provider_id
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{scene.mirror.version}"
    _is_as_promised(node, promised)
    _keeps_from_pods_what_it_should(node)

    scene.until(lambda: not scene.tokens(), "its token is gone", within_s=60.0)
    _runs_pods(scene, machine)
    [instance] = server.instances()
    assert instance.id == provider_id
    assert not instance.status.errorInfo.errorCode
    [shown] = server.machines()
    assert shown.step == "ready", "as ls --wide shows it"
    scene.note_join(machine, node)
    took = server.join_seconds()
    assert set(took) == {"running", "csr", "node", "ready", "total"}
    scene.note("by our metrics: " + ", ".join(f"{what} {s:.0f} s" for what, s in took.items()))
    ordered = scene.rack.reported[number]
    scene.note(f"user-data {len(ordered.user_data.encode())} bytes, packed {len(ordered.sent)}")
    if scene.vendor.name == PACKS:
        assert len(ordered.sent) < len(ordered.user_data), "it was to be gzip"
    scene.until(
        lambda: _amounts(server.template().status) == _amounts(node["status"]),
        "the template has learned from the node",
        within_s=60.0,
    )

    server.delete(name, provider_id)
    scene.until(lambda: machine.is_off, "the cloud has no such server", within_s=60.0)
    scene.until(lambda: scene.node(name) is None, "its Node is gone", within_s=60.0)
    assert server.target() == 0
    assert not scene.tokens()
    _is_clean(machine)
    found = machine.read("/var/lib/cloud/data/result.json")
    assert f'"datasource": "DataSource{scene.rack.sky.source}' in found
    assert '"errors": []' in found, "cloud-init took offence"
    assert scene.cloud.token not in server.program.log.read_text()


def _waits(node: Mapping[str, Any]) -> bool:
    """Return whether the cluster's controllers still hold a Node for not ready, a moment longer."""
    taints = node.get("spec", {}).get("taints", ())
    return not node or any(each["key"].startswith("node.kubernetes.io/") for each in taints)


def _is_as_promised(node: Mapping[str, Any], promised: core.Node) -> None:
    labels, result = node["metadata"]["labels"], dict(promised.metadata.labels)
    result["kubernetes.io/hostname"] = node["metadata"]["name"]
    assert {key: labels.get(key) for key in result} == result, (
        "a promised label is missing, or another"
    )
    kubelets = {key for key in labels if "kubernetes.io/" in key}
    assert kubelets <= result.keys(), "the kubelet sets a label that is not promised"
    assert {key: labels[key] for key in LABELS} == LABELS
    lasting = [each for each in node["spec"]["taints"] if "timeAdded" not in each]
    assert lasting == [TAINT]
    for promise, real in zip(_amounts(promised.status), _amounts(node["status"]), strict=True):
        too_much = {key: (promise[key], real[key]) for key in promise if promise[key] > real[key]}
        assert not too_much, "promised, and there"


def _keeps_from_pods_what_it_should(node: Mapping[str, Any]) -> None:
    capacity, allocatable = _amounts(node["status"])
    kept = {key: capacity[key] - allocatable[key] for key in ("cpu", "memory")}
    assert kept["cpu"] == quantity.parse("100m"), "the group's own reserve"
    assert kept["memory"] == quantity.parse("300Mi"), "the reserve and the eviction threshold"
    assert allocatable["pods"] == plane.MAX_PODS, "the cluster's own setting"


def _runs_pods(scene: world.World, machine: vm.Machine) -> None:
    """See that pods run, and that only those on the host's network reach the metadata service."""
    urls = {
        "network": f"{scene.mirror.url(plane.HOST).partition('core')[0]}",
        "metadata": f"http://{metadata.ADDRESS}/",
    }
    expected = {
        "tenant": "network=open metadata=closed",
        "system": "network=open metadata=open",
    }
    for name in expected:
        pod = pods.probe(name, urls=urls, tolerates=TAINT["key"], host_network=name == "system")
        scene.plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))

    def words() -> dict[str, str] | None:
        fields = {name: pods.last_word(pod) for name, pod in scene.cluster.pods().items()}
        return fields if all(fields.values()) else None

    assert scene.alive(machine, words, "the pods came to their ends") == expected
    for name in expected:
        scene.cluster.delete_pod(name)


def _amounts(status: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read capacity and allocatable, out of the API's JSON or out of a template."""
    if isinstance(status, core.NodeStatus):
        value = (status.capacity, status.allocatable)
        texts = [{key: each[key].string for key in RESOURCES} for each in value]
    else:
        texts = [{key: status[kind][key] for key in RESOURCES} for kind in _KINDS]
    capacity, allocatable = (
        {key: quantity.parse(text) for key, text in each.items()} for each in texts
    )
    return capacity, allocatable


_KINDS = ("capacity", "allocatable")


def _is_clean(machine: vm.Machine) -> None:
    """See that the disk holds neither the token nor any copy of the user-data."""
    machine.settle_disk()
    assert machine.read("/var/lib/vps-autoscaler/joined").strip() == machine.name
    [instance] = machine.files("/var/lib/cloud/instances")
    left = machine.files(f"/var/lib/cloud/instances/{instance}")
    assert left, "cloud-init left nothing at all: this looks at the wrong place"
    secret = [each for each in left if each.startswith(("user-data", "cloud-config", "obj.pkl"))]
    assert not secret
    assert machine.files(f"/var/lib/cloud/instances/{instance}/scripts") == []
    assert machine.files("/etc/vps-autoscaler/secret") == []
    assert "bootstrap-kubelet.conf" not in machine.files("/etc/kubernetes")
    assert "kubelet.conf" in machine.files("/etc/kubernetes")
    assert "left" in machine.files("/root"), "postJoin did not look for copies"
    assert machine.read(world.LEFT).strip() == ""
