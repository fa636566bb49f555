"""From a pod that has no node to its node and back, with all that the chart renders and Hetzner.

The release is installed, its pod runs with the arguments, files, variables and account that it has;
the cloud is the fake of Hetzner's API, its token lies in the Secret that the chart's notes ask for.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart import helm, rendered_pod
from tests.chart.installing import NAMESPACE, RELEASE, Plane, autoscalers, made_of, pod_of
from tests.chart.test_real_autoscaler import REFUSED, minor
from tests.e2e import binaries, cloud, machines, programs, vendors, waiting
from tests.e2e.cluster import Cluster, Want

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.helm,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not autoscalers(), reason=f"no {binaries.NAME}: {binaries.VARIABLE} names none"
    ),
    pytest.mark.parametrize("binary", autoscalers(), ids=lambda path: path.name),
]

SECRET = "vps-autoscaler-tokens"
TAINT = "tier"


def values(endpoint: str, binary: Path) -> helm.Object:
    """Say what a person would, and flags that make idle nodes go within seconds."""
    vendor = vendors.HETZNER
    return {
        "config": {
            "cluster": cloud.CLUSTER,
            "kubernetes": {},
            "accounts": [{"name": "project", "provider": "hetzner", "endpoint": endpoint}],
            "nodes": [
                {
                    "name": "web",
                    "account": "project",
                    "instanceType": vendor.machine_type,
                    "region": vendor.region,
                    "image": vendor.image,
                    "maxSize": 3,
                    "userDataFile": "join.sh",
                    "labels": {"tier": "tenant"},
                    "taints": [{"key": TAINT, "value": "tenant", "effect": "NoSchedule"}],
                }
            ],
        },
        "files": {"join.sh": machines.USER_DATA},
        "autoscaler": {
            "image": {"tag": f"v{minor(binary)}.0"},
            "verbosity": 4,
            "extraArgs": {
                "scan-interval": "1s",
                "scale-down-delay-after-add": "1s",
                "scale-down-unneeded-time": "2s",
            },
        },
    }


@contextlib.contextmanager
def running(fake: cloud.Cloud, cluster: Cluster, *started: programs.Program) -> Iterator[None]:
    """Run the pod's processes, and what its machines run."""
    kubelets = machines.Machines(fake, cluster)
    try:
        for each in started:
            each.start()
            each.says("serving|Starting main loop")
        kubelets.start()
        yield
        kubelets.check()
    finally:
        for each in reversed(started):
            each.stop()
        kubelets.stop()


def tokens(plane: Plane, made: list[helm.Object]) -> dict[str, str]:
    """Take the server's variables from the Secrets that its pod names, as a kubelet does."""
    (deployment,) = helm.kind(made, "Deployment")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    (server,) = (each for each in containers if each["name"] == rendered_pod.SERVER)
    found = {}
    for each in server["env"]:
        ref = each["valueFrom"]["secretKeyRef"]
        path = f"-o=jsonpath={{.data.{ref['key']}}}"
        held = plane.kubectl("-n", NAMESPACE, "get", "secret", ref["name"], path)
        found[each["name"]] = base64.b64decode(held).decode()
    return found


def test_a_pending_pod_gets_a_machine_and_its_end_deletes_it(
    plane: Plane, folder: Path, binary: Path
) -> None:
    fake = cloud.Cloud(folder, create_s=0.2, boot_s=0.5, delete_s=0.2)
    fake.start()
    said = values(fake.endpoint, binary)
    literal = f"--from-literal=hcloud={cloud.TOKEN}"
    plane.kubectl("-n", NAMESPACE, "create", "secret", "generic", SECRET, literal)
    plane.helm("install", RELEASE, str(helm.CHART), values=said)
    try:
        made = made_of(said)
        pod = pod_of(made, folder)
        identity = rendered_pod.account(plane.kubeconfig, plane.token(), folder / "kubeconfig")
        pod.join_as(identity)
        server = pod.server(**tokens(plane, made))
        autoscaler = pod.autoscaler(binary, identity, NAMESPACE)
        with plane.client() as api:
            cluster = Cluster(api)
            plane.make_node("control-plane")
            cluster.cordon("control-plane")
            with running(fake, cluster, server, autoscaler):
                want = Want(selector={"tier": "tenant"}, tolerates=TAINT)
                cluster.add_pods("app", 1, want)
                waiting.until(
                    lambda: cluster.pods() and not cluster.pending(),
                    "the pod is on a node",
                    meanwhile=autoscaler.check,
                )
                (machine,) = fake.servers()
                assert {machine.name, "control-plane"} == set(cluster.nodes())
                assert machine.group == "web"
                assert cluster.nodes()[machine.name]["spec"]["providerID"] == machine.provider_id
                cluster.delete_pods("app")
                waiting.until(
                    lambda: not fake.servers() and set(cluster.nodes()) == {"control-plane"},
                    "nothing is left of it",
                    meanwhile=autoscaler.check,
                )
                assert fake.created() == 1
                assert not REFUSED.findall(autoscaler.output() + server.output())
            cluster.clear()
    finally:
        plane.helm("uninstall", RELEASE)
        plane.kubectl("-n", NAMESPACE, "delete", "secret", SECRET)
        lease, status = "lease/cluster-autoscaler", "configmap/cluster-autoscaler-status"
        plane.kubectl("-n", NAMESPACE, "delete", lease, status, "--ignore-not-found")
        fake.stop()
