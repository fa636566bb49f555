"""The real autoscaler with the chart's flags, files and rights: its loops run and machines come."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from externalgrpc.rpc import client
from tests.chart import helm, rendered_pod
from tests.chart.installing import (
    JOINING,
    NAMESPACE,
    RELEASE,
    Plane,
    autoscalers,
    made_of,
    pod_of,
)
from tests.e2e import binaries, programs, waiting

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.helm,
    pytest.mark.skipif(
        not autoscalers(), reason=f"no {binaries.NAME}: {binaries.VARIABLE} names none"
    ),
    pytest.mark.parametrize("binary", autoscalers(), ids=lambda path: path.name),
]

REFUSED = re.compile(r".*(?:is forbidden|cannot (?:list|get|watch|create|update|patch)).*")

# As much of CapacityBuffer as the API server needs to hold one.
BUFFERS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: capacitybuffers.autoscaling.x-k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: autoscaling.x-k8s.io
  scope: Namespaced
  names: {kind: CapacityBuffer, plural: capacitybuffers, singular: capacitybuffer}
  versions:
  - &version
    name: v1beta1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - {<<: *version, name: v1alpha1, storage: false}
"""
BALLOONS = """
apiVersion: v1
kind: PodTemplate
metadata: {name: balloon, namespace: default}
template:
  spec:
    containers:
    - {name: room, image: none, resources: {requests: {cpu: 1500m, memory: 512Mi}}}
---
apiVersion: autoscaling.x-k8s.io/v1beta1
kind: CapacityBuffer
metadata: {name: web, namespace: default}
spec:
  podTemplateRef: {name: balloon}
  replicas: 2
  provisioningStrategy: buffer.x-k8s.io/active-capacity # what the real CRD fills in
"""


def minor(binary: Path) -> str:
    """Return an autoscaler's minor by the name of its file."""
    found = re.search(r"1\.\d+", binary.name)
    return found[0] if found else "1.36"


def _values(binary: Path, **more: object) -> helm.Object:
    values = copy.deepcopy(JOINING)
    values["autoscaler"] |= {"image": {"tag": f"v{minor(binary)}.0"}, **more}
    return values


@contextlib.contextmanager
def working(
    plane: Plane, values: helm.Object, folder: Path, binary: Path
) -> Iterator[tuple[rendered_pod.Pod, programs.Program]]:
    """Install the release and run its pod's processes as its account."""
    plane.helm("install", RELEASE, str(helm.CHART), values=values)
    pod = pod_of(made_of(values), folder)
    identity = rendered_pod.account(plane.kubeconfig, plane.token(), folder / "kubeconfig")
    pod.join_as(identity)
    server = pod.server()
    autoscaler = pod.autoscaler(binary, identity, NAMESPACE)
    try:
        plane.make_node("control-plane")
        server.start()
        server.says("serving")
        autoscaler.start()
        autoscaler.says("Starting main loop")
        yield pod, autoscaler
        assert not REFUSED.findall(autoscaler.output())
        assert not REFUSED.findall(server.output())
    finally:
        autoscaler.stop()
        server.stop()
        plane.kubectl("delete", "node", "control-plane")
        plane.kubectl(
            "-n",
            NAMESPACE,
            "delete",
            "lease/cluster-autoscaler",
            "configmap/cluster-autoscaler-status",
            "--ignore-not-found",
        )
        plane.helm("uninstall", RELEASE)


def _target(pod: rendered_pod.Pod) -> int:
    with client.Connection(address=pod.socket).open() as channel:
        return client.show(channel, pod.socket).groups[0].target


def test_it_leads_grows_and_tells(plane: Plane, folder: Path, binary: Path) -> None:
    with working(plane, _values(binary), folder, binary) as (pod, autoscaler):
        waiting.until(
            lambda: _target(pod) >= 1, "the group reaches its minSize", meanwhile=autoscaler.check
        )
        about = ("-n", NAMESPACE, "-o=name", "get")
        assert plane.kubectl(*about, "lease/cluster-autoscaler")
        waiting.until(
            lambda: plane.kubectl(
                *about, "configmap/cluster-autoscaler-status", "--ignore-not-found"
            ),
            "its status is written beside",
        )
        autoscaler.says("Calculating unneeded nodes|Starting main loop(?s:.*)Starting main loop")


def test_it_serves_buffers(plane: Plane, folder: Path, binary: Path) -> None:
    if int(minor(binary).partition(".")[2]) < 35:
        pytest.skip("this release knows no buffers")
    plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(yaml.safe_load(BUFFERS)))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    values = _values(binary, capacityBuffers={"enabled": True})
    values["config"]["nodes"][0] |= {"minSize": 0, "instanceType": "medium"}
    try:
        with working(plane, values, folder, binary) as (pod, autoscaler):
            plane.kubectl("apply", "-f", "-", stdin=BALLOONS)
            waiting.until(
                lambda: _target(pod) >= 1, "room is made for them", meanwhile=autoscaler.check
            )
            plane.kubectl("delete", "-f", "-", stdin=BALLOONS)
    finally:
        plane.kubectl("delete", "crd", "capacitybuffers.autoscaling.x-k8s.io")
