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
OK = ("True", "Accepted")

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


def conditions(kube: httpx.Client, name: str = NAME) -> dict[str, tuple[str, str]]:
    found: dict[str, Any] = kube.get(f"{objects.PATH}/{name}").json()
    there = found.get("status", {}).get("conditions", ())
    return {each["type"]: (each["status"], each["reason"]) for each in there}


def said(kube: httpx.Client, kind: str, name: str = NAME) -> str:
    """Return the sentence of a condition."""
    found: dict[str, Any] = kube.get(f"{objects.PATH}/{name}").json()
    there = found.get("status", {}).get("conditions", ())
    return next((str(each["message"]) for each in there if each["type"] == kind), "")


def test_the_seeds_example_is_a_pool(scene: World, kube: httpx.Client) -> None:
    scene.build()
    defaults = {"image": HETZNER.image, "userDataFile": "join.sh"}
    scene.serve(known=True, vps_nodes={"hetzner": defaults}, settleS=4.0)
    example = yaml.safe_load(EXAMPLE.read_text())
    assert kube.post(objects.PATH, json=example).is_success
    scene.until(
        lambda: conditions(kube).get("Accepted") == ("False", "TypeGone"), "its type is gone"
    )
    gone = said(kube, "Accepted")
    assert gone.startswith("hetzner has no machine type cx21, or sells it no more. Nearest: cx23")
    assert gone.endswith("Write it as spec.instanceTypes: [cx23], which counts before instanceType")
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


FIXED = {
    "apiVersion": objects.VERSION,
    "kind": objects.KIND,
    "metadata": {"name": "fixed"},
    "spec": {
        "provider": "hetzner",
        "region": HETZNER.region,
        "instanceType": HETZNER.machine_type,
        "autoScale": {"enabled": False, "minNodes": 2, "maxNodes": 9},
    },
}


def of_fixed_size(scene: World, kube: httpx.Client) -> None:
    scene.build()
    defaults = {"image": HETZNER.image, "userDataFile": "join.sh"}
    scene.serve(
        known=True,
        vps_nodes={"hetzner": defaults},
        settleS=4.0,
        module="tests.e2e.quick_minimum",
    )
    assert kube.post(objects.PATH, json=FIXED).is_success
    scene.until(lambda: conditions(kube, "fixed").get("Accepted") == OK, "it is accepted")


def test_a_fixed_number_comes_up_where_the_minimum_is_enforced(
    scene: World, kube: httpx.Client
) -> None:
    """And stays: idle as they are, min is max, and neither the autoscaler nor we go below."""
    of_fixed_size(scene, kube)
    scene.autoscale("--enforce-node-group-min-size=true")
    scene.until(lambda: scene.alive() == {"fixed": 2}, "as many machines as it says")
    scene.note("both there")
    assert scene.server.most() == {"fixed": 2}, "maxNodes counts only where autoScale is enabled"
    ready, may = ("True", "EnoughNodes"), ("True", "Scalable")
    scene.until(lambda: conditions(kube, "fixed").get("Ready") == ready, "both are ready")
    scene.until(lambda: conditions(kube, "fixed").get("Scalable") == may, "nothing is amiss")
    scene.rests(created=2, fixed=2)


def test_a_fixed_number_is_missed_aloud_where_the_minimum_is_not_enforced(
    scene: World, kube: httpx.Client
) -> None:
    """The server orders nothing by itself: it says what is missing, and which flag brings it."""
    of_fixed_size(scene, kube)
    scene.autoscale()
    missed = ("False", "MinimumNotEnforced")
    scene.until(lambda: conditions(kube, "fixed").get("Scalable") == missed, "it is said")
    scene.note("said")
    message = said(kube, "Scalable", "fixed")
    assert message.startswith("0 of at least 2 machines are there or ordered")
    assert "run cluster-autoscaler with --enforce-node-group-min-size" in message
    scene.later()
    assert (scene.cloud.created(), scene.alive()) == (0, {}), "nothing was ordered"
    assert conditions(kube, "fixed")["Ready"] == ("False", "TooFewNodes")
    scene.autoscaler.program.kill()
    scene.autoscale("--enforce-node-group-min-size=true")
    scene.until(lambda: scene.alive() == {"fixed": 2}, "the flag brings them")
    scene.until(
        lambda: conditions(kube, "fixed").get("Scalable") == ("True", "Scalable"), "it is unsaid"
    )
    scene.note("cured")
