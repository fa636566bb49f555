"""Rights and objects of headroom against a real API server: each verb, as our account."""

from __future__ import annotations

import datetime
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalgrpc.headroom import objects, wanted, writing
from externalgrpc.headroom.status import By
from externalgrpc.kube import access, errors, pods, usage
from externalgrpc.model import groups
from externalgrpc.support import clock
from tests import absent
from tests.e2e import waiting
from tests.fleet import scene
from tests.kube import plane as planes

CRDS = Path(__file__).resolve().parents[3] / "shared" / "crds"
BUFFERS = CRDS / "capacitybuffers.autoscaling.x-k8s.io.yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KEDA_CRD = os.environ.get("KEDA_CRD", "")
UNAPPROVED = {"api-approved.kubernetes.io": "unapproved, for a test"}

# As metrics-server serves it, but stored: what the API server does with our request is the same.
METRICS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "nodes.metrics.k8s.io", "annotations": UNAPPROVED},
    "spec": {
        "group": "metrics.k8s.io",
        "scope": "Cluster",
        "names": {"kind": "NodeMetrics", "plural": "nodes", "singular": "nodemetrics"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}

BALLOON = wanted.Balloon(cpu_millis=500, memory_bytes=1 << 29)
GROUP = scene.group(
    "web",
    labels={"pool": "web"},
    taints=(groups.Taint(key="tier", value="x", effect="NoSchedule"),),
)

pytestmark = [pytest.mark.e2e, absent.unless(BUFFERS.exists(), absent.Need.SHARED)]


def headroom_pods(namespace: str) -> tuple[access.Deed, ...]:
    """List what deploy/headroom-pods.yaml allows."""
    return tuple(
        access.Deed(verb=verb, group="apps", resource="deployments", namespace=namespace)
        for verb in ("list", "create", "patch", "delete")
    )


@pytest.fixture(scope="module")
def room(plane: planes.Plane) -> Iterator[planes.Plane]:
    """Give the cluster both kinds, and our account the rights of deploy/headroom.yaml."""
    buffers = yaml.safe_load(BUFFERS.read_text())
    buffers["metadata"]["annotations"].update(UNAPPROVED)
    files = [str(planes.ROOT / "deploy" / name) for name in ("headroom.yaml", "headroom-pods.yaml")]
    needs = access.needs_of_headroom(planes.NAMESPACE)
    before = access.missing(plane.link().api, needs)
    assert before == needs, "without the file none of it is allowed"
    plane.kubectl("apply", "-f", files[0])
    pod_needs = headroom_pods(planes.NAMESPACE)
    of = plane.link().api
    waiting.until(lambda: access.missing(of, needs) == (), "all of it is allowed", within_s=30)
    assert access.missing(of, pod_needs) == pod_needs
    plane.kubectl("apply", "-f", files[1])
    waiting.until(lambda: access.missing(of, pod_needs) == (), "pods too", within_s=30)
    for each in (METRICS, buffers):
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(each))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    waiting.until(lambda: _warm(plane), "both kinds are served", within_s=30)
    yield plane
    for name in files:
        plane.kubectl("delete", "-f", name)
    for each in (METRICS, buffers):
        plane.kubectl("delete", "crd", each["metadata"]["name"])


def _warm(plane: planes.Plane) -> bool:
    with plane.client() as admin:
        paths = (objects.path("CapacityBuffer", "default"), usage.METRICS_PATH)
        return all(admin.get(path).is_success for path in paths)


def writer(plane: planes.Plane) -> writing.Writer:
    return writing.Writer(plane.link().api, planes.NAMESPACE, clock.SystemClock())


def test_nothing_else_became_possible(room: planes.Plane) -> None:
    needed = (*access.needs_of_headroom(planes.NAMESPACE), *headroom_pods(planes.NAMESPACE))
    of = room.link().api
    assert access.excess(of, needed) == ()
    elsewhere = (*access.needs_of_headroom("default"), *headroom_pods("default"))
    lacking = access.missing(of, elsewhere)
    assert {each.namespace for each in lacking} == {"default"}
    assert len(lacking) == sum(each.namespace == "default" for each in elsewhere)


def test_a_buffer_is_made_changed_read_and_removed(room: planes.Plane) -> None:
    made = writer(room)
    assert made.buffers() == {}
    made.buffer("c", GROUP, BALLOON, 2, None)
    (found,) = (made.buffers() or {}).values()
    assert (found.name, found.group, found.replicas) == ("vps-headroom-web", "web", 2)
    assert (found.served, found.taken_up) == (None, False)
    made.buffer("c", GROUP, BALLOON, 3, found)
    assert (made.buffers() or {})["vps-headroom-web"].replicas == 3
    shown = yaml.safe_load(
        room.kubectl(
            "-n",
            planes.NAMESPACE,
            "get",
            "podtemplate",
            "vps-headroom-web",
            "-o=yaml",
            "--show-managed-fields",
        )
    )
    spec = shown["template"]["spec"]
    assert spec["nodeSelector"] == {"pool": "web"}
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "512Mi"}
    assert {each["manager"] for each in shown["metadata"]["managedFields"]} == {writing.MANAGER}
    made.remove(By.BUFFER, "vps-headroom-web")
    made.remove(By.BUFFER, "vps-headroom-web")
    assert made.buffers() == {}


def test_what_an_autoscaler_says_of_a_buffer_is_read_and_survives_our_writes(
    room: planes.Plane,
) -> None:
    made = writer(room)
    made.buffer("c", GROUP, BALLOON, 2, None)
    path = objects.path("CapacityBuffer", planes.NAMESPACE, "vps-headroom-web")
    at = "2026-11-23T12:00:00Z"
    conditions = [
        {"type": kind, "status": "True", "reason": "A", "message": "", "lastTransitionTime": at}
        for kind in ("ReadyForProvisioning", "Provisioning")
    ]
    with room.client() as admin:
        done = admin.patch(
            f"{path}/status",
            json={"status": {"replicas": 2, "conditions": conditions}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert done.is_success, done.text
    (found,) = (made.buffers() or {}).values()
    assert found.taken_up
    made.buffer("c", GROUP, BALLOON, 5, found)
    (found,) = (made.buffers() or {}).values()
    assert (found.replicas, found.served, found.taken_up) == (5, 2, False)
    made.remove(By.BUFFER, "vps-headroom-web")


def test_a_deployment_is_taken_with_its_priority(room: planes.Plane) -> None:
    made = writer(room)
    made.pods("c", GROUP, BALLOON, 0, None)
    assert made.deployments() == {}
    made.pods("c", GROUP, BALLOON, 2, None)
    (found,) = made.deployments().values()
    assert found == writing.Pods(name="vps-headroom-web", replicas=2)
    pod = objects.deployment("c", GROUP, BALLOON, 2)["spec"]["template"]
    pod |= {"apiVersion": "v1", "kind": "Pod"}
    pod["metadata"]["name"] = "balloon"
    with room.client() as admin:
        taken = admin.post(f"/api/v1/namespaces/{planes.NAMESPACE}/pods?dryRun=All", json=pod)
        assert taken.is_success, taken.text
        assert taken.json()["spec"]["priority"] == -10
        assert taken.json()["spec"]["preemptionPolicy"] == "Never"
        room.kubectl("label", "namespace", planes.NAMESPACE, RESTRICTED)
        try:
            strict = admin.post(f"/api/v1/namespaces/{planes.NAMESPACE}/pods?dryRun=All", json=pod)
            assert strict.is_success, strict.text
        finally:
            room.kubectl("label", "namespace", planes.NAMESPACE, RESTRICTED.partition("=")[0] + "-")
    made.remove(By.PODS, "vps-headroom-web")
    assert made.deployments() == {}


RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def test_bound_pods_are_followed_and_finished_ones_left_out(room: planes.Plane) -> None:
    followed = pods.Pods(room.link().api, time_source=clock.SystemClock(), chance=random.Random(1))
    room.make_node("carries")
    spec = {
        "nodeName": "carries",
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "300m"}}}],
    }
    with room.client() as admin:
        for name in ("app", "job"):
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
            made = admin.post("/api/v1/namespaces/default/pods", json=body)
            assert made.is_success, made.text
        unbound = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "waits"},
            "spec": {"containers": spec["containers"], "nodeSelector": {"no": "where"}},
        }
        admin.post("/api/v1/namespaces/default/pods", json=unbound)
        followed.start()
        try:
            names = {"default/app", "default/job"}
            waiting.until(lambda: set(followed.listing.items) == names, "both are known")
            assert followed.listing.items["default/app"].cpu_millis == 300
            done = admin.patch(
                "/api/v1/namespaces/default/pods/job/status",
                json={"status": {"phase": "Succeeded"}},
                headers={"Content-Type": "application/merge-patch+json"},
            )
            assert done.is_success, done.text
            waiting.until(lambda: set(followed.listing.items) == {"default/app"}, "one is done")
        finally:
            followed.stop()
            for name in ("app", "job", "waits"):
                admin.request(
                    "DELETE",
                    f"/api/v1/namespaces/default/pods/{name}",
                    json={"gracePeriodSeconds": 0},
                )
            admin.delete("/api/v1/nodes/carries")


def test_metrics_are_read_as_our_account(room: planes.Plane) -> None:
    source = usage.MetricsServer(room.link().api)
    with pytest.raises(usage.NoUsage, match="says nothing of any node"):
        source.read()
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "NodeMetrics",
        "metadata": {"name": "web-1"},
        "timestamp": at,
        "window": "15s",
        "usage": {"cpu": "512m", "memory": "1Gi"},
    }
    with room.client() as admin:
        made = admin.post("/apis/metrics.k8s.io/v1beta1/nodes", json=fields)
        assert made.is_success, made.text
    assert source.read()["web-1"].cpu_millis == 512


def test_without_the_kind_it_is_known_that_there_is_none(room: planes.Plane) -> None:
    made = writing.Writer(_Elsewhere(room.link().api), planes.NAMESPACE, clock.SystemClock())  # type: ignore[arg-type]
    assert made.buffers() is None


class _Elsewhere:
    """The same API server, asked for a kind that it does not have."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def get(self, path: str, query: Any = None) -> Any:
        with pytest.raises((errors.NotFound, errors.Denied)) as caught:
            self._of.get(path.replace("v1beta1", "v9"), query)
        raise caught.value


def test_the_objects_of_the_keda_example_are_taken(room: planes.Plane) -> None:
    """All but the ScaledObject, whose kind is KEDA's."""
    text = (planes.ROOT / "examples" / "keda" / "balloons.yaml").read_text()
    every = list(yaml.safe_load_all(text))
    ours = [each for each in every if each["apiVersion"] != "keda.sh/v1alpha1"]
    assert len(ours) == len(every) - 1
    stdin = yaml.safe_dump_all(ours)
    strict = ("--server-side", "--validate=strict")
    try:
        room.kubectl("apply", *strict, "-f", "-", stdin=stdin)
        pod = next(each for each in ours if each["kind"] == "Deployment")["spec"]["template"]
        pod |= {"apiVersion": "v1", "kind": "Pod"}
        pod["metadata"]["name"] = "balloon"
        with room.client() as admin:
            path = "/api/v1/namespaces/vps-balloons/pods?dryRun=All"
            taken = admin.post(path, json=pod)
            assert taken.is_success, taken.text
            assert taken.json()["spec"]["priority"] == -10
    finally:
        room.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=stdin)


@absent.unless(KEDA_CRD, absent.Need.KEDA_CRD)
def test_keda_takes_the_scaled_object(room: planes.Plane) -> None:
    text = (planes.ROOT / "examples" / "keda" / "balloons.yaml").read_text()
    (scaled,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "ScaledObject")
    scaled["metadata"]["namespace"] = "default"
    room.kubectl("apply", "--server-side", "-f", KEDA_CRD)
    room.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    try:
        argv = ("apply", "--server-side", "--validate=strict", "-f", "-")
        assert "applied" in room.kubectl(*argv, stdin=yaml.safe_dump(scaled))
        del scaled["spec"]["triggers"][0]["metadata"]
        with pytest.raises(AssertionError, match="metadata"):
            room.kubectl(*argv, stdin=yaml.safe_dump(scaled))
    finally:
        room.kubectl("delete", "-f", KEDA_CRD)
