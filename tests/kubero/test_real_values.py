"""What the seed's values file adds on a real API server: apps' defaults, the operator's place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import POOL, Cluster, Object, example
from tests.kubero.test_manifests import printed
from tests.kubero.test_real_tenants import SMALL, TOLERATION, in_force, keys, pod, tried

pytestmark = pytest.mark.e2e

HOME = "kubero-operator-system"
NAME = "kubero-operator-controller-manager"
SEEDS_RESOURCES = {
    "requests": {"memory": "256Mi", "cpu": "100m"},
    "limits": {"memory": "512Mi", "cpu": "500m"},
}


@pytest.fixture(scope="module")
def valued(plane: Cluster) -> Cluster:
    """Have the operator before the policies; a namespace of the default, and one on a pool."""
    plane.install_crd(str(cluster.CRD))
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.apply(example(labels={"pool": "a"}))
    for name, tenant in ("shop", "true"), ("named", POOL), ("lost", "nobody"):
        plane.kubectl("create", "namespace", name)
        plane.kubectl("label", "namespace", name, f"vps-autoscaler/tenant={tenant}")
    plane.kubectl("create", "namespace", HOME)
    plane.apply(operator())
    seeds = cluster.shared(cluster.SEED / "10-values-custom.yaml")
    plane.kubectl("apply", "-f", "-", stdin=printed("--values", seeds))
    waiting.until(lambda: in_force(plane, lambda: tried(plane, {})), "the apps' policy is in force")
    waiting.until(lambda: "resources" in tried(plane, {}), "the sizes' policy is in force")
    waiting.until(lambda: in_force(plane, lambda: pod(plane)), "the pods' policy is in force")
    return plane


def operator(name: str = NAME, **spec: object) -> Object:
    labels = {"control-plane": "controller-manager"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    template["spec"] |= {"containers": [{"name": "manager", "image": "operator"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def placed(plane: Cluster, what: Object) -> Object:
    made = plane.tried(
        f"/apis/apps/v1/namespaces/{what['metadata']['namespace']}/deployments", what
    )
    return dict(made["spec"]["template"]["spec"])


def test_apps_get_what_the_values_say(valued: Cluster) -> None:
    assert tried(valued, {}) == {
        "nodeSelector": {"node-type": "vps"},
        "tolerations": [TOLERATION],
        "resources": SEEDS_RESOURCES,
    }
    made = pod(valued)
    assert made["nodeSelector"] == {"node-type": "vps"}
    assert keys(made) == ["paas-tier"]


def test_what_an_app_says_itself_counts_before_the_values(valued: Cluster) -> None:
    own = {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "resources": SMALL}
    assert tried(valued, own) == own
    for _ in range(3):  # whichever policy comes first
        assert tried(valued, {"podsize": {"resources": SMALL}})["resources"] == SMALL


def test_a_namespace_that_names_a_pool_gets_the_pools(valued: Cluster) -> None:
    made = tried(valued, {}, "named")
    assert made["nodeSelector"] == {"pool": "a"}
    assert made["resources"] == SEEDS_RESOURCES
    assert pod(valued, namespace="named")["nodeSelector"] == {"pool": "a"}


def test_a_namespace_that_names_no_pool_is_not_placed(valued: Cluster) -> None:
    assert tried(valued, {}, "lost") == {"resources": SEEDS_RESOURCES}
    assert "nodeSelector" not in pod(valued, namespace="lost")


def test_a_default_pool_and_values_do_not_mix(valued: Cluster) -> None:
    """One of them wins whole; docs/kubero.md says to have one."""
    valued.kubectl("label", "vpsnode", POOL, "vps-autoscaler/default-pool=true")
    try:
        made = [tried(valued, {})["nodeSelector"], pod(valued)["nodeSelector"]]
        assert all(each in ({"pool": "a"}, {"node-type": "vps"}) for each in made)
    finally:
        valued.kubectl("label", "vpsnode", POOL, "vps-autoscaler/default-pool-")


def test_an_operator_that_is_there_is_placed_when_it_is_restarted(valued: Cluster) -> None:
    """As docs/kubero.md says it."""
    restart = f"kubectl -n {HOME} rollout restart deployment/{NAME}"
    assert f"$ {restart}\n" in (cluster.ROOT / "docs" / "kubero.md").read_text()

    def selector() -> object:
        valued.kubectl(*restart.split()[1:])
        there = valued.get(f"-n={HOME}", "deployment", NAME)
        return there["spec"]["template"]["spec"].get("nodeSelector")

    assert waiting.until(selector, "it is placed") == {"node-type": "cloud"}


def test_the_operator_is_placed(valued: Cluster) -> None:
    valued.kubectl("-n", HOME, "delete", "deployment", "--all")
    assert placed(valued, operator())["nodeSelector"] == {"node-type": "cloud"}
    assert "tolerations" not in placed(valued, operator())
    own = {"nodeSelector": {"own": "yes"}}
    assert placed(valued, operator(**own))["nodeSelector"] == own["nodeSelector"]
    assert "nodeSelector" not in placed(valued, operator("another"))


def test_values_of_mixed_types_are_taken(valued: Cluster, tmp_path: Path) -> None:
    """A number beside texts has to be dyn(); a toleration of everything has no key."""
    tolerations = [
        {"key": "slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
        {"operator": "Exists", "effect": "NoSchedule"},
    ]
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"kubero": {"defaultAppConfig": {"tolerations": tolerations}}}))
    seeds = cluster.shared(cluster.SEED / "10-values-custom.yaml")
    valued.kubectl("apply", "-f", "-", stdin=printed("--values", str(path)))
    try:
        waiting.until(lambda: len(tried(valued, {})["tolerations"]) == 2, "they are in force")
        assert tried(valued, {})["tolerations"] == tolerations
        own = {"tolerations": [{"key": "slow", "operator": "Exists"}]}
        made = waiting.until(
            lambda: tolerations[1] in (m := pod(valued, own)["tolerations"]) and m, "for pods too"
        )
        assert tolerations[0] not in made, "its own tolerates that already"
    finally:
        valued.kubectl("apply", "-f", "-", stdin=printed("--values", seeds))
