"""An app's own fields on a real API server: what the policies make of them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml

from externalgrpc.kubero import apps
from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import POOL, Cluster, Object, example
from tests.kubero.test_manifests import printed
from tests.kubero.test_real_tenants import SELECTOR, TOLERATION, app, path_of

pytestmark = pytest.mark.e2e

FORM = "--as=system:serviceaccount:kubero:kubero"
CHOICE = {"provider": "hetzner", "region": "fsn1", "instanceType": "cx23"}
ASKS: Object = {
    "customNodeSelector": CHOICE,
    "autoScaling": {"enabled": True, "minNodes": 0, "maxNodes": 3, "targetCPU": 70},
}
OWN = [
    {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
    for key, value in apps.labels("shop", "web").items()
]
REGION, TYPE = "topology.kubernetes.io/region", "node.kubernetes.io/instance-type"


@pytest.fixture(scope="module")
def fields(plane: Cluster) -> Cluster:
    """Have a namespace whose apps may have pools, one whose may not, both tenants'."""
    plane.install_crd(str(cluster.CRD))
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.apply(example())
    for name in "shop", "plain", "free":
        plane.kubectl("create", "namespace", name)
    for name in "shop", "plain":
        plane.kubectl("label", "namespace", name, f"vps-autoscaler/tenant={POOL}")
    plane.kubectl("label", "namespace", "shop", "vps-autoscaler/app-pools=true")
    group = "--group=system:serviceaccounts:kubero"
    plane.kubectl("create", "clusterrolebinding", "kubero", "--clusterrole=cluster-admin", group)
    plane.kubectl("apply", "-f", "-", stdin=printed())

    def in_force() -> bool:
        plane.check()
        with contextlib.suppress(AssertionError):
            own = tried(plane, ASKS).get("nodeSelector") == apps.labels("shop", "web")
            return own and tried(plane, {}).get("nodeSelector") == SELECTOR
        return False

    waiting.until(in_force, "the policies are in force")
    return plane


def tried(plane: Cluster, spec: Object, namespace: str = "shop", name: str = "web") -> Object:
    what = app(spec, name=name, namespace=namespace)
    return dict(plane.tried(path_of(namespace), what)["spec"])


def saved(plane: Cluster, spec: Object, *who: str) -> Object:
    """Replace an app whole, as Kubero's form does, and give its spec."""
    before = plane.get("kuberoapp", "web", "-n=shop")
    what = {**app(spec), "metadata": {**app(spec)["metadata"]}}
    what["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    plane.kubectl("replace", "-f", "-", *who, stdin=yaml.safe_dump(what))
    return dict(plane.get("kuberoapp", "web", "-n=shop")["spec"])


@pytest.fixture
def made(fields: Cluster) -> Any:
    """Have an app with a pool of its own."""
    fields.apply(app(ASKS))
    yield fields
    fields.kubectl("-n", "shop", "delete", "kuberoapp", "--all")


def test_kuberos_kind_keeps_the_fields(fields: Cluster) -> None:
    """Its spec has no schema: nothing of it is pruned."""
    made = tried(fields, ASKS, "free")
    assert made == ASKS


def test_an_app_with_a_pool_of_its_own_is_placed_there(fields: Cluster) -> None:
    made = tried(fields, ASKS)
    assert made["nodeSelector"] == apps.labels("shop", "web")
    assert made["tolerations"] == OWN
    seen = apps.read({**app(made), "metadata": {**app(made)["metadata"], "uid": "1"}})
    assert seen is not None
    assert seen.placed


@pytest.mark.parametrize(
    "own",
    [
        {"nodeSelector": {}, "tolerations": []},
        {"nodeSelector": None, "tolerations": None},
        {"affinity": "text", "tolerations": {}},
    ],
)
def test_what_is_as_good_as_absent_is_filled(fields: Cluster, own: Object) -> None:
    made = tried(fields, {**ASKS, **own})
    assert made["nodeSelector"] == apps.labels("shop", "web")
    assert made["tolerations"] == OWN


def test_what_a_user_has_set_stays(fields: Cluster) -> None:
    mine = [{"key": "mine", "operator": "Exists"}]
    made = tried(fields, {**ASKS, "tolerations": mine})
    assert made["tolerations"] == [*mine, *OWN]
    made = tried(fields, {**ASKS, "nodeSelector": {"a": "b"}, "tolerations": mine})
    assert made["nodeSelector"] == {"a": "b"}
    assert made["tolerations"] == mine
    required = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
        }
    }
    assert "nodeSelector" not in tried(fields, {**ASKS, "affinity": required})


def test_a_choice_without_a_pool_is_labels_that_every_node_has(fields: Cluster) -> None:
    for namespace in "shop", "plain":
        made = tried(fields, {"customNodeSelector": CHOICE}, namespace)
        assert made["nodeSelector"] == {REGION: "fsn1", TYPE: "cx23"}
        assert made["tolerations"] == [TOLERATION], "those of the namespace's pool"
    one = tried(fields, {"customNodeSelector": {"region": "fsn1"}})
    assert one["nodeSelector"] == {REGION: "fsn1"}
    other = tried(fields, {"customNodeSelector": {"instanceType": "cx23", "region": ""}})
    assert other["nodeSelector"] == {TYPE: "cx23"}
    none = tried(fields, {"customNodeSelector": {"provider": "hetzner"}})
    assert none["nodeSelector"] == SELECTOR


def test_where_the_namespace_has_no_pools_for_apps_the_choice_counts(fields: Cluster) -> None:
    made = tried(fields, ASKS, "plain")
    assert made["nodeSelector"] == {REGION: "fsn1", TYPE: "cx23"}
    assert tried(fields, {"autoScaling": ASKS["autoScaling"]}, "plain")["nodeSelector"] == SELECTOR


def test_a_name_that_no_label_holds_is_not_refused_and_not_placed(fields: Cluster) -> None:
    assert "nodeSelector" not in tried(fields, ASKS, name="a" * 64)
    longest = tried(fields, ASKS, name="a" * 63)
    assert longest["nodeSelector"] == apps.labels("shop", "a" * 63)


ODD: tuple[object, ...] = (
    None,
    "text",
    3,
    True,
    [],
    {},
    [{}],
    {"enabled": []},
    {"enabled": 1},
)


@pytest.mark.parametrize("odd", ODD)
def test_an_app_of_odd_shapes_is_not_refused(fields: Cluster, odd: object) -> None:
    made = tried(fields, {"autoScaling": odd, "customNodeSelector": odd})
    assert made["nodeSelector"] == SELECTOR
    inside = {"region": odd, "instanceType": odd, "provider": odd}
    tried(fields, {**ASKS, "customNodeSelector": inside, "tolerations": odd, "affinity": odd})
    tried(fields, {"customNodeSelector": inside, "nodeSelector": odd, "tolerations": [odd]})


def test_the_forms_saves_keep_the_fields_and_a_persons_do_not(made: Cluster) -> None:
    kept = saved(made, {"image": {"tag": "2"}}, FORM, "--as-group=system:serviceaccounts:kubero")
    assert kept == {
        **ASKS,
        "image": {"tag": "2"},
        "nodeSelector": apps.labels("shop", "web"),
        "tolerations": OWN,
    }
    gone = saved(made, {"image": {"tag": "3"}})
    assert "autoScaling" not in gone
    assert "customNodeSelector" not in gone
    assert gone["nodeSelector"] == SELECTOR


def test_an_app_that_asks_no_more_goes_back_to_the_pool_of_its_namespace(made: Cluster) -> None:
    off = '{"spec":{"autoScaling":{"enabled":false},"customNodeSelector":null}}'
    made.kubectl("-n", "shop", "patch", "kuberoapp", "web", "--type=merge", "-p", off)
    spec = made.get("kuberoapp", "web", "-n=shop")["spec"]
    assert spec["nodeSelector"] == SELECTOR
    assert spec["tolerations"] == [TOLERATION]
    on = '{"spec":{"autoScaling":{"enabled":true},"nodeSelector":null,"tolerations":null}}'
    made.kubectl("-n", "shop", "patch", "kuberoapp", "web", "--type=merge", "-p", on)
    spec = made.get("kuberoapp", "web", "-n=shop")["spec"]
    assert spec["nodeSelector"] == apps.labels("shop", "web")
    assert spec["tolerations"] == OWN


def test_with_a_values_file_in_place_of_a_vpsnode_it_is_the_same(
    fields: Cluster, tmp_path: Any
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("kubero: {defaultAppConfig: {nodeSelector: {from: values}}}")
    more = printed("--no-vpsnodes", "--values", str(path))
    fields.kubectl("label", "namespace", "shop", "vps-autoscaler/tenant=true", "--overwrite")
    try:
        fields.kubectl("apply", "-f", "-", stdin=more)
        waiting.until(
            lambda: tried(fields, {}).get("nodeSelector") == {"from": "values"}, "it is in force"
        )
        assert tried(fields, ASKS)["nodeSelector"] == apps.labels("shop", "web")
        off = tried(fields, {**ASKS, "autoScaling": {}, "customNodeSelector": {}})
        assert off["nodeSelector"] == {"from": "values"}
    finally:
        for each in yaml.safe_load_all(more):
            if each["metadata"]["name"].endswith("-default"):
                fields.kubectl("delete", each["kind"].lower(), each["metadata"]["name"])
        label = f"vps-autoscaler/tenant={POOL}"
        fields.kubectl("label", "namespace", "shop", label, "--overwrite")
