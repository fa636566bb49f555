"""A pool that exists only as a VPSNode: the seed's own example, scaled by the real autoscaler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from externalgrpc.vpsnodes import objects
from tests import absent
from tests.e2e import controlplane, waiting
from tests.e2e.vendors import HETZNER
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
CRD = ROOT / "deploy" / "crds" / "vpsnodes.yaml"
EXAMPLE = ROOT.parent / "shared" / "seed" / "blocks" / "06-vpsnode.yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = "vps-hetzner-fsn1"

_MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def kube(plane: controlplane.ControlPlane) -> Iterator[httpx.Client]:
    """Give an API server that knows VPSNodes, and knows them no more in the end."""
    if not CRD.exists():
        pytest.skip("deploy/crds/vpsnodes.yaml comes with another change")
    if not EXAMPLE.exists():
        absent.skip(absent.Need.SHARED)
    with plane.client() as client:
        assert client.post(CRDS, json=yaml.safe_load(CRD.read_text())).is_success
        waiting.until(lambda: client.get(objects.PATH).is_success, "the kind is served")
        try:
            yield client
        finally:
            for each in client.get(objects.PATH).json()["items"]:
                path = f"{objects.PATH}/{each['metadata']['name']}"
                client.patch(path, json={"metadata": {"finalizers": None}}, headers=_MERGE)
            client.delete(f"{CRDS}/vpsnodes.kubero.dev")
            waiting.until(lambda: client.get(objects.PATH).status_code == 404, "it is gone")


def conditions(kube: httpx.Client) -> dict[str, tuple[str, str]]:
    found: dict[str, Any] = kube.get(f"{objects.PATH}/{NAME}").json()
    there = found.get("status", {}).get("conditions", ())
    return {each["type"]: (each["status"], each["reason"]) for each in there}


def test_the_seeds_example_is_a_pool(scene: World, kube: httpx.Client) -> None:
    scene.build()
    defaults = {"image": HETZNER.image, "userDataFile": "join.sh"}
    scene.serve(known=True, vps_nodes={"hetzner": defaults}, settleS=4.0)
    example = yaml.safe_load(EXAMPLE.read_text())
    assert kube.post(objects.PATH, json=example).is_success
    scene.until(
        lambda: conditions(kube).get("Accepted") == ("False", "TypeGone"), "its type is gone"
    )
    successor = {"spec": {"instanceTypes": [HETZNER.machine_type]}}
    assert kube.patch(f"{objects.PATH}/{NAME}", json=successor, headers=_MERGE).is_success
    scene.autoscale("--enforce-node-group-min-size=true")
    scene.until(lambda: scene.alive() == {NAME: 1}, "the minimum is there")
    scene.note("minNodes")
    scene.until(lambda: conditions(kube).get("Ready") == ("True", "EnoughNodes"), "it is ready")
    scene.want("app", 2, selector={"node-type": "vps"}, tolerates="paas-tier")
    scene.scheduled()
    scene.until(lambda: scene.alive() == {NAME: 2}, "one more for the second pod")
    scene.cluster.delete_pods("app")
    scene.until(lambda: scene.alive() == {NAME: 1}, "back to the minimum")
    scene.note("shrunk")
    # The seed asks for 70 % of CPU and names no metrics: that is said, and holds nothing up.
    scene.until(lambda: "CPUTarget" in conditions(kube), "the target is spoken of")
    none = {"spec": {"autoScale": {"minNodes": 0}}}
    assert kube.patch(f"{objects.PATH}/{NAME}", json=none, headers=_MERGE).is_success
    scene.until(lambda: not scene.alive(), "a minimum of none leaves none")
    scene.note("zero")
    scene.want("again", 1, selector={"node-type": "vps"}, tolerates="paas-tier")
    scene.scheduled()
    scene.until(lambda: scene.alive() == {NAME: 1}, "one from zero")
    scene.cluster.delete_pods("again")
    scene.until(lambda: not scene.alive(), "and back to zero")
    scene.note("zero again")
    scene.want("last", 1, selector={"node-type": "vps"}, tolerates="paas-tier")
    scene.scheduled()
    scene.cluster.delete_pods("last")
    assert kube.delete(f"{objects.PATH}/{NAME}").is_success
    scene.until(lambda: not scene.alive(), "the last machine goes")
    scene.until(
        lambda: kube.get(f"{objects.PATH}/{NAME}").status_code == 404, "and the object with it"
    )
    scene.note("deleted")
