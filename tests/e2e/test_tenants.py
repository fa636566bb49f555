"""A tenant's app in Kubero brings machines of its pool from zero, and its deletion takes them away.

The pool exists only as a VPSNode; the policies of deploy/kubero give its labels and taint to apps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from externalgrpc.kubero import apps, pools
from tests import absent
from tests.e2e import controlplane, waiting
from tests.e2e.server import pool
from tests.e2e.vendors import HETZNER
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
KUBEROAPPS = ROOT.parent / "shared" / "crds" / "kuberoapps.application.kubero.dev.yaml"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PATHS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "MutatingAdmissionPolicy": f"{ADMISSION}/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": f"{ADMISSION}/mutatingadmissionpolicybindings",
    "VPSNode": "/apis/kubero.dev/v1alpha1/vpsnodes",
}
APPS = "/apis/application.kubero.dev/v1alpha1/namespaces/default/kuberoapps"
LABEL = "vps-autoscaler/tenant"
POOLS = "vps-autoscaler/app-pools"
MERGE = {"Content-Type": "application/merge-patch+json"}
LABELS = {"node-type": "vps"}
TENANTS = {
    "apiVersion": "kubero.dev/v1alpha1",
    "kind": "VPSNode",
    "metadata": {"name": "tenants"},
    "spec": {
        "provider": "hetzner",
        "region": "fsn1",
        "instanceType": HETZNER.machine_type,
        "autoScale": {"enabled": True, "minNodes": 0, "maxNodes": 3},
        "labels": LABELS,
        "taints": [{"key": "paas-tier", "value": "yes", "effect": "NoSchedule"}],
    },
}
APP = {
    "apiVersion": "application.kubero.dev/v1alpha1",
    "kind": "KuberoApp",
    "metadata": {"name": "shop"},
    "spec": {"podsize": {"resources": {"requests": {"cpu": "1500m", "memory": "512Mi"}}}},
}

Object = dict[str, Any]


@pytest.fixture
def tenant(plane: controlplane.ControlPlane) -> Iterator[httpx.Client]:
    """Make the namespace default a tenant's on the VPSNode, for one scenario."""
    if not KUBEROAPPS.exists():
        absent.skip(absent.Need.SHARED)
    texts = [
        (ROOT / "deploy" / "crds" / "vpsnodes.yaml").read_text(),
        KUBEROAPPS.read_text(),
        (ROOT / "deploy" / "kubero" / "policies.yaml").read_text(),
    ]
    objects = [each for text in texts for each in yaml.safe_load_all(text) if each]
    with plane.client() as api, contextlib.ExitStack() as undo:

        def make(what: Object) -> None:
            path = PATHS[what["kind"]]
            done = api.post(path, json=what)
            assert done.is_success, done.text
            undo.callback(api.delete, f"{path}/{what['metadata']['name']}")

        def label(value: str | None, pools: str | None) -> None:
            labels = {"metadata": {"labels": {LABEL: value, POOLS: pools}}}
            api.patch("/api/v1/namespaces/default", json=labels, headers=MERGE)

        for each in objects:
            make(each)
        label("tenants", "true")
        undo.callback(label, None, None)
        yield api
        # Pods and apps of the scenario are gone before the policies, callbacks in reverse.
        api.delete(APPS)
        for each in api.get(PATHS["VPSNode"]).json()["items"]:
            node = f"{PATHS['VPSNode']}/{each['metadata']['name']}"
            api.patch(node, json={"metadata": {"finalizers": None}}, headers=MERGE)
            api.delete(node)
        waiting.until(
            lambda: api.get(PATHS["VPSNode"]).json()["items"] == [], "the VPSNodes are gone"
        )


def test_an_app_brings_machines_from_zero_and_its_deletion_takes_them_away(
    scene: World, tenant: httpx.Client
) -> None:
    scene.build()
    scene.until(lambda: tenant.get(PATHS["VPSNode"]).is_success, "VPSNodes are served")
    assert tenant.post(PATHS["VPSNode"], json=TENANTS).is_success
    defaults = {"image": HETZNER.image, "userDataFile": "join.sh"}
    scene.serve(pool("others"), known=True, vps_nodes={"hetzner": defaults}, settleS=4.0)
    scene.autoscale("--scale-down-unneeded-time=3s", "--scale-down-delay-after-add=1s")

    def placed_app() -> Object | None:
        made = tenant.post(APPS, params={"dryRun": "All"}, json=APP)
        spec = made.json()["spec"] if made.is_success else {}
        return dict(spec) if "nodeSelector" in spec else None

    scene.until(placed_app, "the policies are in force")
    scene.later(2)
    assert scene.alive() == {}, "no app, no machine"

    made = tenant.post(APPS, json=APP)
    assert made.is_success, made.text
    spec = made.json()["spec"]
    (toleration,) = spec["tolerations"]
    requests = spec["resources"]["requests"]
    # What Kubero's chart makes of the app: tests/kubero/test_real_charts.py.
    scene.want("shop", 2, selector=spec["nodeSelector"], tolerates=toleration["key"], **requests)
    scene.scheduled("the app's pods have nodes")
    # A cronjob's pod, to which that chart gives nothing.
    scene.want("nightly", 1, cpu="100m", memory="64Mi")
    scene.scheduled("a cronjob's pod has one")
    assert scene.placed("shop") == scene.placed("nightly") == {"tenants"}
    scene.rests(created=2, tenants=2)

    assert tenant.delete(f"{APPS}/shop").is_success
    scene.cluster.delete_pods("shop")
    scene.cluster.delete_pods("nightly")
    scene.until(lambda: scene.alive() == {}, "its machines are gone")
    scene.note("gone after the app")
    scene.rests(created=2)


OWN = {
    **APP,
    "metadata": {"name": "own"},
    "spec": {
        **APP["spec"],
        "customNodeSelector": {
            "provider": "hetzner",
            "region": HETZNER.region,
            "instanceType": HETZNER.machine_type,
        },
        "autoScaling": {"enabled": True, "minNodes": 0, "maxNodes": 2},
    },
}


def test_an_app_with_a_pool_of_its_own_brings_it_and_takes_it_away(
    scene: World, tenant: httpx.Client
) -> None:
    scene.build()
    scene.until(lambda: tenant.get(PATHS["VPSNode"]).is_success, "VPSNodes are served")
    assert tenant.post(PATHS["VPSNode"], json=TENANTS).is_success
    bounds = {"regions": [HETZNER.region], "instanceTypes": [HETZNER.machine_type]}
    scene.serve(
        pool("others"),
        known=True,
        vps_nodes={"hetzner": {"image": HETZNER.image, "userDataFile": "join.sh"}},
        settleS=4.0,
        more={
            "appPools": {
                "namespaces": ["default"],
                "providers": {"hetzner": bounds},
                "maxNodesPerApp": 2,
                "maxNodes": 2,
            }
        },
        module="tests.e2e.quick_looks",
    )
    scene.autoscale("--scale-down-unneeded-time=3s", "--scale-down-delay-after-add=1s")
    own = pools.name_of("default", "own")
    place = f"{PATHS['VPSNode']}/{own}"

    def placed_apart() -> bool:
        made = tenant.post(APPS, params={"dryRun": "All"}, json=OWN)
        spec = made.json()["spec"] if made.is_success else {}
        return bool(spec.get("nodeSelector") == apps.labels("default", "own"))

    scene.until(placed_apart, "the policies are in force")
    made = tenant.post(APPS, json=OWN)
    assert made.is_success, made.text
    spec = made.json()["spec"]
    scene.until(lambda: tenant.get(place).is_success, "the app has a pool")
    scene.note("pool")
    scene.later(2)
    assert scene.alive() == {}, "no pod, no machine"

    requests = spec["resources"]["requests"]
    wanted = {"selector": spec["nodeSelector"], "tolerations": spec["tolerations"], **requests}
    scene.want("own", 1, **wanted)
    # Another's pod, with the namespace's pool alone.
    scene.want("cron", 1, cpu="100m", memory="64Mi")
    scene.scheduled("both have nodes")
    assert scene.placed("own") == {own}
    assert scene.placed("cron") == {"tenants"}
    scene.rests(created=2, tenants=1, **{own: 1})

    assert tenant.delete(f"{APPS}/own").is_success
    scene.until(
        lambda: tenant.get(place).json()["metadata"].get("deletionTimestamp"),
        "two looks later its pool is deleted",
    )
    scene.note("two looks")
    scene.later(2)
    assert scene.alive() == {"tenants": 1, own: 1}, "the pod still runs there: nothing is forced"
    scene.cluster.delete_pods("own")
    scene.until(lambda: scene.alive() == {"tenants": 1}, "its machine is gone")
    scene.until(lambda: tenant.get(place).status_code == httpx.codes.NOT_FOUND, "and its pool")
    scene.note("gone after the app")
    scene.rests(created=2, tenants=1)
