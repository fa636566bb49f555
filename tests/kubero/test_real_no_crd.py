"""A cluster without the CRD of VPSNodes: what refuses, what helps, and what works without it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import Cluster, example
from tests.kubero.test_manifests import printed
from tests.kubero.test_real_tenants import SELECTOR, app, in_force, path_of, pod, tried

pytestmark = pytest.mark.e2e

VALUES = {"kubero": {"defaultAppConfig": {"nodeSelector": {"node-type": "vps"}}}}


@pytest.fixture(scope="module")
def bare(plane: Cluster) -> Cluster:
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.kubectl("create", "namespace", "shop")
    plane.kubectl("label", "namespace", "shop", "vps-autoscaler/tenant=true")
    return plane


def test_values_place_apps_without_the_crd(bare: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(VALUES))
    text = printed("--no-vpsnodes", "--values", str(path))
    bare.kubectl("apply", "-f", "-", stdin=text)
    try:
        waiting.until(lambda: in_force(bare, lambda: tried(bare, {})), "apps are placed")
        waiting.until(lambda: in_force(bare, lambda: pod(bare)), "pods are placed")
        assert pod(bare)["nodeSelector"] == {"node-type": "vps"}
    finally:
        bare.kubectl("delete", "-f", "-", stdin=text)
    waiting.until(lambda: not in_force(bare, lambda: pod(bare)), "the policies are gone")


def test_policies_before_the_crd_refuse_until_it_is_there(bare: Cluster) -> None:
    """As loudly as docs/kubero.md says, and nothing has to be done but to apply it."""
    text = printed()
    bare.kubectl("apply", "-f", "-", stdin=text)

    def refusal() -> str:
        with bare.client() as api:
            return api.post(path_of(), params={"dryRun": "All"}, json=app({})).text

    said = "failed to find resource referenced by paramKind"
    page = (cluster.ROOT / "docs" / "kubero.md").read_text()
    assert said in page
    waiting.until(lambda: said in refusal(), "apps are refused")
    bare.install_crd(str(cluster.CRD))
    bare.apply(example())
    bare.kubectl("label", "vpsnode", cluster.POOL, "vps-autoscaler/default-pool=true")
    waiting.until(lambda: in_force(bare, lambda: tried(bare, {})), "apps are placed", within_s=60)
    waiting.until(lambda: in_force(bare, lambda: pod(bare)), "pods are placed", within_s=60)
    assert tried(bare, {})["nodeSelector"] == pod(bare)["nodeSelector"] == SELECTOR

    bare.kubectl("delete", "vpsnodes", "--all")
    waiting.until(lambda: tried(bare, {}) == {}, "without a VPSNode nothing is placed")
    assert "nodeSelector" not in pod(bare), "and nothing is refused"
