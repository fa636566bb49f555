"""The policies on a real API server: what becomes of Kubero's apps, of pods and of namespaces."""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import POOL, Cluster, Object, example
from tests.kubero.test_manifests import printed

pytestmark = pytest.mark.e2e

OPERATOR = "system:serviceaccount:kubero-operator-system:kubero-operator-controller-manager"
SELECTOR = {"provider": "hetzner", "region": "fsn1", "node-type": "vps"}
TOLERATION = {"key": "paas-tier", "operator": "Equal", "value": "tenant", "effect": "NoSchedule"}
SMALL = {"requests": {"cpu": "250m", "memory": "0.5Gi"}, "limits": {"cpu": "500m"}}
ABSENT: tuple[Object, ...] = (
    {},
    {"nodeSelector": {}, "tolerations": [], "affinity": {}, "resources": {}},
    {"nodeSelector": None, "tolerations": None, "affinity": None, "resources": None},
    {"affinity": {"nodeAffinity": {}, "podAntiAffinity": {}}},
)


@pytest.fixture(scope="module")
def tenants(plane: Cluster) -> Cluster:
    """Have a VPSNode, a namespace on it, one on the default pool, one of nobody's; the policies."""
    plane.install_crd(str(cluster.CRD))
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.apply(example())
    for name, tenant in ("shop", POOL), ("default-shop", "true"), ("lost", "nobody"), ("free", ""):
        plane.kubectl("create", "namespace", name)
        if tenant:
            plane.kubectl("label", "namespace", name, f"vps-autoscaler/tenant={tenant}")
    plane.kubectl("apply", "-f", "-", stdin=printed())
    waiting.until(lambda: in_force(plane, lambda: tried(plane, {})), "the apps' policy is in force")
    sized: Object = {"podsize": {"resources": SMALL}}
    waiting.until(lambda: "resources" in tried(plane, sized), "the sizes' policy is in force")
    waiting.until(lambda: in_force(plane, lambda: pod(plane)), "the pods' policy is in force")
    return plane


def in_force(plane: Cluster, make: Callable[[], Object]) -> bool:
    """Tell whether a policy counts; with a kind that was just made, writes are refused at first."""
    plane.check()
    with contextlib.suppress(AssertionError):
        return "nodeSelector" in make()
    return False


def app(spec: Object, name: str = "web", namespace: str = "shop") -> Object:
    return {
        "apiVersion": "application.kubero.dev/v1alpha1",
        "kind": "KuberoApp",
        "metadata": {"name": name, "namespace": namespace, "labels": {"manager": "kubero"}},
        "spec": spec,
    }


def path_of(namespace: str = "shop") -> str:
    return f"/apis/application.kubero.dev/v1alpha1/namespaces/{namespace}/kuberoapps"


def tried(plane: Cluster, spec: Object, namespace: str = "shop") -> Object:
    """Return what an app's spec would become."""
    return dict(plane.tried(path_of(namespace), app(spec, namespace=namespace))["spec"])


def pod(plane: Cluster, spec: Object | None = None, namespace: str = "shop") -> Object:
    """Return what a pod's spec would become."""
    what = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job", "namespace": namespace},
        "spec": {"containers": [{"name": "a", "image": "b"}], **(spec or {})},
    }
    return dict(plane.tried(f"/api/v1/namespaces/{namespace}/pods", what)["spec"])


def keys(spec: Object) -> list[str]:
    """Return the keys that a pod tolerates, but for those that every pod gets."""
    found = (each.get("key", "") for each in spec.get("tolerations", ()))
    return [each for each in found if not each.startswith("node.kubernetes.io/")]


# Apps.


@pytest.mark.parametrize("spec", ABSENT)
def test_an_app_that_says_nothing_is_placed(tenants: Cluster, spec: Object) -> None:
    made = tried(tenants, {**spec, "podsize": {"resources": SMALL}, "autoscale": True})
    assert made["nodeSelector"] == SELECTOR
    assert made["tolerations"] == [TOLERATION]
    assert made["resources"] == SMALL
    assert made["autoscaling"] == {"enabled": True}


def required(terms: object) -> Object:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    "own",
    [
        {"nodeSelector": {"node-type": "cloud"}},
        {"affinity": required({"nodeSelectorTerms": [{"matchExpressions": []}]})},
        {"tolerations": [{"key": "other", "operator": "Exists"}]},
        {"resources": {"limits": {"cpu": 1}}},
        {"autoscaling": {"enabled": False}},
    ],
)
def test_what_a_user_has_set_stays(tenants: Cluster, own: Object) -> None:
    made = tried(tenants, {"podsize": {"resources": SMALL}, "autoscale": True, **own})
    assert {key: made[key] for key in own} == own
    assert ("nodeSelector" in made) is ("affinity" not in own)


@pytest.mark.parametrize(
    "odd",
    [
        {"nodeSelector": "text", "tolerations": "text", "affinity": "text", "resources": "text"},
        {"podsize": "small", "autoscale": "true"},
        {"podsize": {"resources": "text"}},
        {"podsize": {"resources": None}, "autoscale": None},
        {"podsize": None, "affinity": {"nodeAffinity": None}},
        {"podsize": {"name": "x"}, "affinity": {"nodeAffinity": "text"}},
        {"podsize": [], "affinity": [], "autoscale": 1},
        {"podsize": {"resources": []}, "affinity": {"nodeAffinity": []}, "autoscale": []},
        {"nodeSelector": [], "tolerations": 3, "affinity": 3, "podsize": 3, "autoscale": {}},
        {"nodeSelector": {"a": 1, "b": [2]}, "tolerations": [{}], "podsize": {"resources": 3}},
    ],
)
def test_an_app_of_odd_shapes_is_not_refused(tenants: Cluster, odd: Object) -> None:
    """The CRD has no schema: whatever stands there, an error in a policy would refuse the write."""
    made = tried(tenants, odd)
    assert ("resources" in made) is ("resources" in odd)
    assert "autoscaling" not in made


def test_an_app_without_spec_is_not_refused(tenants: Cluster) -> None:
    what = app({})
    del what["spec"]
    assert "spec" not in tenants.tried(path_of(), what)


def test_a_put_without_the_fields_gets_them_again(tenants: Cluster) -> None:
    """Kubero's UI saves so; a deploy patches the image's tag; builds merge."""
    where = f"{path_of()}/put"
    with tenants.client() as api:
        first = api.post(path_of(), json=app({"image": {"tag": "1"}}, "put")).json()
        assert first["spec"]["nodeSelector"] == SELECTOR
        again = app({"image": {"tag": "2"}}, "put")
        again["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]
        put = api.put(where, json=again).json()
        assert put["spec"] == {**first["spec"], "image": {"tag": "2"}}
        kind = {"Content-Type": "application/json-patch+json"}
        tag = [{"op": "replace", "path": "/spec/image/tag", "value": "3"}]
        patched = api.patch(where, json=tag, headers=kind).json()
        assert patched["spec"] == {**first["spec"], "image": {"tag": "3"}}
        kind = {"Content-Type": "application/merge-patch+json"}
        null = api.patch(where, json={"spec": {"nodeSelector": None}}, headers=kind).json()
        assert null["spec"] == patched["spec"]
        api.delete(where)


def test_gitops_sees_no_drift(tenants: Cluster) -> None:
    text = yaml.safe_dump(app({"image": {"tag": "1"}}, "git"))
    tenants.kubectl("apply", "-f", "-", stdin=text)
    assert "unchanged" in tenants.kubectl("apply", "-f", "-", stdin=text)
    assert tenants.run("diff", "-f", "-", stdin=text).returncode == 0
    server = ("apply", "--server-side", "--field-manager=git", "--force-conflicts", "-f", "-")
    for _ in range(2):
        tenants.kubectl(*server, stdin=text)
    made = tenants.get("-n=shop", "kuberoapp", "git", "--show-managed-fields")
    assert made["spec"]["nodeSelector"] == SELECTOR
    (git,) = (m for m in made["metadata"]["managedFields"] if m["manager"] == "git")
    assert "f:nodeSelector" not in git["fieldsV1"]["f:spec"]
    tenants.kubectl("-n", "shop", "delete", "kuberoapp", "git")


@pytest.mark.parametrize("namespace", ["free", "lost", "default-shop"])
def test_other_namespaces_are_not_placed(tenants: Cluster, namespace: str) -> None:
    """Neither is one whose label names no VPSNode, or the default pool where there is none."""
    made = tried(tenants, {"podsize": {"resources": SMALL}}, namespace)
    assert "nodeSelector" not in made
    assert "tolerations" not in made
    assert ("resources" in made) is (namespace != "free"), "sizes are every tenant's"
    assert "nodeSelector" not in pod(tenants, namespace=namespace)


# The VPSNode is read at every write.


@contextlib.contextmanager
def changed(plane: Cluster, name: str, patch: Object) -> Iterator[None]:
    plane.kubectl("patch", "vpsnode", name, "--type=merge", f"-p={yaml.safe_dump(patch)}")
    yield
    plane.kubectl("replace", "-f", "-", stdin=yaml.safe_dump(example(name)))


def test_a_change_of_the_pool_is_taken_at_the_next_write(tenants: Cluster) -> None:
    taints = [
        {"key": "soft", "effect": "PreferNoSchedule"},
        {"key": "bare", "effect": "NoExecute"},
        {"key": "empty", "value": "", "effect": "NoSchedule"},
    ]
    fresh = {"spec": {"labels": {"node-type": "big"}, "taints": taints}}
    with changed(tenants, POOL, fresh):
        made = waiting.until(
            lambda: (m := tried(tenants, {}))["nodeSelector"] != SELECTOR and m, "taken"
        )
        assert made["nodeSelector"]["node-type"] == "big"
        assert made["tolerations"] == [
            {"key": "bare", "operator": "Exists", "effect": "NoExecute"},
            {"key": "empty", "operator": "Exists", "effect": "NoSchedule"},
        ]
    with changed(tenants, POOL, {"spec": {"labels": None, "taints": None}}):
        made = waiting.until(lambda: (m := [tried(tenants, {})]) == [{}] and m, "nothing to add")
    waiting.until(lambda: tried(tenants, {}).get("nodeSelector") == SELECTOR, "back again")


def test_each_namespace_gets_the_pool_that_it_names(tenants: Cluster) -> None:
    tenants.apply(example("second", labels={"node-type": "second"}, taints=None))
    tenants.kubectl("label", "vpsnode", "second", "vps-autoscaler/default-pool=true")
    try:
        made = waiting.until(lambda: tried(tenants, {}, "default-shop"), "there is a default pool")
        assert made == {"nodeSelector": {"node-type": "second"}}
        assert pod(tenants, namespace="default-shop")["nodeSelector"] == {"node-type": "second"}
        assert tried(tenants, {})["nodeSelector"] == SELECTOR, "its label names the other"
        assert tried(tenants, {}, "lost") == {}
    finally:
        tenants.kubectl("delete", "vpsnode", "second")
    waiting.until(lambda: tried(tenants, {}, "default-shop") == {}, "the default pool is gone")


# Pods: what Kubero's chart gives no selector.


def test_a_pod_that_says_nothing_is_placed(tenants: Cluster) -> None:
    made = pod(tenants)
    assert made["nodeSelector"] == SELECTOR
    assert keys(made) == ["paas-tier"]


def test_a_system_or_an_architecture_chooses_no_nodes(tenants: Cluster) -> None:
    own = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}
    assert pod(tenants, {"nodeSelector": own})["nodeSelector"] == {**own, **SELECTOR}


@pytest.mark.parametrize(
    "own",
    [
        {"nodeSelector": {"node-type": "cloud"}},
        {"nodeSelector": {"disk": "ssd"}},
        {
            "affinity": required(
                {
                    "nodeSelectorTerms": [
                        {
                            "matchFields": [
                                {"key": "metadata.name", "operator": "In", "values": ["n"]}
                            ]
                        }
                    ]
                }
            )
        },
    ],
)
def test_nodes_that_a_pod_has_chosen_stay_its_choice(tenants: Cluster, own: Object) -> None:
    """A DaemonSet's pod too, which chooses its node by a required affinity."""
    made = pod(tenants, own)
    assert made.get("nodeSelector") == own.get("nodeSelector")
    assert keys(made) == ["paas-tier"], "to tolerate keeps nobody away"


def test_a_pod_that_is_on_a_node_is_left_alone(tenants: Cluster) -> None:
    made = pod(tenants, {"nodeName": "n"})
    assert "nodeSelector" not in made
    assert keys(made) == []


@pytest.mark.parametrize(
    ("own", "added"),
    [
        ({"operator": "Exists"}, 0),
        ({"key": "paas-tier", "operator": "Exists"}, 0),
        ({"key": "paas-tier", "value": "tenant"}, 0),
        ({"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}, 0),
        ({"key": "paas-tier", "value": "tenant", "effect": "NoExecute"}, 1),
        ({"key": "paas-tier", "value": "other"}, 1),
        ({"key": "other", "operator": "Exists"}, 1),
    ],
)
def test_a_toleration_is_added_unless_the_pod_has_it(
    tenants: Cluster, own: Object, added: int
) -> None:
    made = pod(tenants, {"tolerations": [own]})["tolerations"]
    ours = [each for each in made if each == TOLERATION and each != own]
    assert len(ours) == added
    assert {**own, **made[0]} == made[0], "its own comes first, unchanged"


# Namespaces, and what is there already.


def namespaces(plane: Cluster, labels: Object | None, user: str) -> Object:
    about: Object = {"name": "pipe-production"} | ({"labels": labels} if labels else {})
    what = {"apiVersion": "v1", "kind": "Namespace", "metadata": about}
    with plane.client() as api:
        api.headers["Impersonate-User"] = user
        api.headers["Impersonate-Group"] = "system:masters"
        done = api.post("/api/v1/namespaces", params={"dryRun": "All"}, json=what)
    assert done.is_success, done.text
    return dict(done.json()["metadata"].get("labels", {}))


@pytest.mark.parametrize(
    ("labels", "user", "tenant"),
    [
        (None, OPERATOR, "true"),
        ({"a": "b"}, OPERATOR, "true"),
        ({"vps-autoscaler/tenant": POOL}, OPERATOR, POOL),
        (None, "somebody", None),
    ],
)
def test_namespaces_that_kubero_makes_are_tenants(
    tenants: Cluster, labels: Object | None, user: str, tenant: str | None
) -> None:
    made = namespaces(tenants, labels, user)
    assert made.get("vps-autoscaler/tenant") == tenant
    assert (labels or {}).items() <= made.items() | {("vps-autoscaler/tenant", tenant)}


def test_two_commands_place_apps_that_are_there_already(tenants: Cluster) -> None:
    """The first says which namespace is a tenant's, the second writes every app once."""
    tenants.kubectl("create", "namespace", "old-production")
    tenants.kubectl("label", "vpsnode", POOL, "vps-autoscaler/default-pool=true")
    tenants.apply(app({"image": {}}, "old", "old-production"))
    assert "nodeSelector" not in tenants.get("-n=old-production", "kuberoapp", "old")["spec"]
    page = (cluster.ROOT / "docs" / "kubero.md").read_text()
    _, _, section = page.partition("## Apps that are there already")
    label, annotate, *_ = re.findall(r"^ *\$ kubectl (.*)$", section, re.MULTILINE)
    tenants.kubectl(*shlex.split(label))
    tries = itertools.count()

    def placed() -> Any:
        tenants.kubectl(*shlex.split(annotate.replace("$(date)", str(next(tries)))))
        return tenants.get("-n=old-production", "kuberoapp", "old")["spec"].get("nodeSelector")

    try:
        assert waiting.until(placed, "the app is placed") == SELECTOR
    finally:
        tenants.kubectl("label", "vpsnode", POOL, "vps-autoscaler/default-pool-")


def test_a_limit_range_gives_requests(tenants: Cluster) -> None:
    """A pod without requests makes no room for itself: Cluster Autoscaler sees nothing in it."""
    *_, limits = yaml.safe_load_all(printed("--limit-range", "shop"))
    tenants.apply(limits)

    def requests() -> Any:
        (container,) = pod(tenants)["containers"]
        return container["resources"].get("requests")

    try:
        assert waiting.until(requests, "it counts") == {"cpu": "100m", "memory": "128Mi"}
        own = {"containers": [{"name": "a", "image": "b", "resources": {"requests": {"cpu": "2"}}}]}
        (container,) = pod(tenants, own)["containers"]
        assert container["resources"] == {"requests": {"cpu": "2", "memory": "128Mi"}}
    finally:
        tenants.kubectl("-n", "shop", "delete", "limitrange", "vps-tenant")
