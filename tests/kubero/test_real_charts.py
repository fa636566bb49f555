"""Kubero's own charts, rendered with what the policies made of an app: the Deployment carries it.

KUBERO_OPERATOR names a checkout of kubero-dev/kubero-operator; nothing of it is kept here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from externalgrpc.kubero import apps
from tests import absent
from tests.chart import helm
from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import Cluster, Object, example
from tests.kubero.test_manifests import printed
from tests.kubero.test_real_tenants import (
    OPERATOR,
    SELECTOR,
    SMALL,
    TOLERATION,
    app,
    in_force,
    keys,
    path_of,
    pod,
    tried,
)

CHECKOUT = os.environ.get("KUBERO_OPERATOR", "")

pytestmark = [
    pytest.mark.e2e,
    absent.unless(CHECKOUT, absent.Need.KUBERO),
    absent.unless(helm.find(), absent.Need.HELM),
]

NAMESPACE = "pipe-production"
FORM: Object = {
    "name": "web",
    "pipeline": "pipe",
    "phase": "production",
    "deploymentstrategy": "docker",
    "buildstrategy": "external",
    "image": {"repository": "nginx", "tag": "1", "containerPort": 80},
    "podsize": {"name": "small", "resources": SMALL},
    "autoscale": True,
    "web": {"replicaCount": 1},
    "worker": {"replicaCount": 1},
    "cronjobs": [
        {
            "name": "nightly",
            "schedule": "0 3 * * *",
            "image": "busybox",
            "command": ["true"],
            "restartPolicy": "Never",
        }
    ],
}
"""What Kubero's form sends of an app: a size and a switch, no resources, no selector."""

BUILD: Object = {
    "buildstrategy": "dockerfile",
    "id": "b1",
    "repository": {"image": "registry/web", "tag": "v1"},
}


def rendered(chart: str, values: Object, release: str = "web") -> list[Object]:
    """Render one of Kubero's charts as its operator does: the CR's spec is the values."""
    where = str(Path(CHECKOUT) / "helm-charts" / chart)
    asked = ("template", release, where, f"--namespace={NAMESPACE}", "--kube-version=1.36")
    done = helm.run(*asked, "--values=-", stdin=json.dumps(values))
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.fixture(scope="module")
def operated(plane: Cluster) -> Cluster:
    """Have a default pool, the policies with the seed's values, and a pipeline's namespace."""
    plane.install_crd(str(cluster.CRD))
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.apply(example())
    plane.kubectl("label", "vpsnode", cluster.POOL, "vps-autoscaler/default-pool=true")
    plane.kubectl("apply", "-f", "-", stdin=printed())
    made = rendered("kuberopipeline", {"name": "pipe"}, "pipe")
    (namespace,) = helm.kind(made, "Namespace")
    assert namespace["metadata"] == {"name": NAMESPACE}, "Kubero gives it no label"

    def labelled() -> bool:
        with plane.client() as api:
            api.headers["Impersonate-User"] = OPERATOR
            api.headers["Impersonate-Group"] = "system:masters"
            tried = api.post("/api/v1/namespaces", params={"dryRun": "All"}, json=namespace)
            found = tried.json()["metadata"].get("labels", {}).get("vps-autoscaler/tenant")
            return found == "true" and api.post("/api/v1/namespaces", json=namespace).is_success

    waiting.until(labelled, "the namespace is a tenant's")
    waiting.until(
        lambda: in_force(plane, lambda: tried(plane, {}, NAMESPACE)), "the apps' policy counts"
    )
    waiting.until(
        lambda: in_force(plane, lambda: pod(plane, namespace=NAMESPACE)), "the pods' policy counts"
    )
    return plane


def test_the_deployment_carries_what_the_policy_made_of_an_app(operated: Cluster) -> None:
    bare = rendered("kuberoapp", FORM)
    for each in helm.kind(bare, "Deployment"):
        before = each["spec"]["template"]["spec"]
        assert "nodeSelector" not in before
        assert before["containers"][0]["resources"] == {}
    assert not helm.kind(bare, "HorizontalPodAutoscaler"), "Kubero's form alone asks for none"

    made = operated.tried(path_of(NAMESPACE), app(FORM, namespace=NAMESPACE))
    deployments = helm.kind(rendered("kuberoapp", made["spec"]), "Deployment")
    assert {each["metadata"]["name"] for each in deployments} == {
        "web-kuberoapp-web",
        "web-kuberoapp-worker",
    }
    for each in deployments:
        spec = each["spec"]["template"]["spec"]
        assert spec["nodeSelector"] == SELECTOR
        assert spec["tolerations"] == [TOLERATION]
        assert spec["containers"][0]["resources"] == SMALL
        assert keys(pod(operated, spec, NAMESPACE)) == ["paas-tier"], "once, not twice"
    assert helm.kind(rendered("kuberoapp", made["spec"]), "HorizontalPodAutoscaler")


def test_the_deployment_of_an_app_with_a_pool_of_its_own_leads_there(operated: Cluster) -> None:
    operated.kubectl("label", "namespace", NAMESPACE, "vps-autoscaler/app-pools=true")
    choice = {"provider": "hetzner", "region": "fsn1", "instanceType": "cx23"}
    asks = {"customNodeSelector": choice, "autoScaling": {"enabled": True, "maxNodes": 3}}

    def leads() -> list[Object]:
        made = operated.tried(path_of(NAMESPACE), app({**FORM, **asks}, namespace=NAMESPACE))
        deployments = helm.kind(rendered("kuberoapp", made["spec"]), "Deployment")
        specs = [dict(each["spec"]["template"]["spec"]) for each in deployments]
        own = apps.labels(NAMESPACE, "web")
        return specs if all(each["nodeSelector"] == own for each in specs) else []

    specs = waiting.until(leads, "the label of the namespace counts")
    assert len(specs) == 2
    for spec in specs:
        own = {each["key"]: each["value"] for each in spec["tolerations"]}
        assert own == apps.labels(NAMESPACE, "web")
        made = pod(operated, spec, NAMESPACE)
        assert made["nodeSelector"] == spec["nodeSelector"], "not that of the namespace's pool"
    operated.kubectl("label", "namespace", NAMESPACE, "vps-autoscaler/app-pools-")


def test_pods_of_cronjobs_and_builds_are_placed_one_by_one(operated: Cluster) -> None:
    made = operated.tried(path_of(NAMESPACE), app(FORM, namespace=NAMESPACE))["spec"]
    (cron,) = helm.kind(rendered("kuberoapp", made), "CronJob")
    template = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (build,) = helm.kind(rendered("kuberobuild", BUILD), "Job")
    for spec in template, build["spec"]["template"]["spec"]:
        assert "nodeSelector" not in spec, "Kubero's chart gives it none"
        placed = pod(operated, spec, NAMESPACE)
        assert placed["nodeSelector"] == SELECTOR
        assert keys(placed) == ["paas-tier"]


ADDONS = (
    *("kuberoaddonmemcached", "kuberoaddonmongodb", "kuberoaddonmysql", "kuberoaddonpostgres"),
    *("kuberoaddonrabbitmq", "kuberoaddonredis"),
    # Of older versions, which Kubero still installs: with several kinds of pods, and affinities.
    *("kuberopostgresql", "kuberoredis", "kuberokafka", "kuberoelasticsearch"),
)


@pytest.mark.parametrize("chart", ADDONS)
def test_pods_of_addons_are_placed_one_by_one(operated: Cluster, chart: str) -> None:
    """Each chart would have a selector at another depth, and Kubero's form sends none."""
    made = rendered(chart, {}, "db")
    owners = [*helm.kind(made, "StatefulSet"), *helm.kind(made, "Deployment")]
    assert owners
    for each in owners:
        spec = each["spec"]["template"]["spec"]
        assert not spec.get("nodeSelector"), "the chart gives it none"
        assert not spec.get("tolerations")
        claims = [
            {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-db-0"}}
            for claim in each["spec"].get("volumeClaimTemplates", ())
            if (name := claim["metadata"]["name"])
        ]
        # As the controller of StatefulSets makes a pod of it.
        placed = pod(
            operated, {**spec, "volumes": [*(spec.get("volumes") or ()), *claims]}, NAMESPACE
        )
        assert placed["nodeSelector"] == SELECTOR, each["metadata"]["name"]
        assert keys(placed) == ["paas-tier"]


def test_the_operators_own_deployment_is_placed(operated: Cluster) -> None:
    seeds = cluster.shared(cluster.SEED / "10-values-custom.yaml")
    operated.kubectl("apply", "-f", "-", stdin=printed("--values", seeds))
    text = (Path(CHECKOUT) / "deploy" / "operator.yaml").read_text()
    (deployment,) = (
        each for each in yaml.safe_load_all(text) if each and each["kind"] == "Deployment"
    )
    home = deployment["metadata"]["namespace"]
    operated.kubectl("create", "namespace", home)

    def selector() -> object:
        made = operated.tried(f"/apis/apps/v1/namespaces/{home}/deployments", deployment)
        return made["spec"]["template"]["spec"].get("nodeSelector")

    assert waiting.until(selector, "the policy is in force") == {"node-type": "cloud"}


def node(name: str, labels: Object, taints: list[Object]) -> Object:
    about = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": {"taints": taints}}


def test_the_scheduler_puts_an_app_on_its_pools_node(operated: Cluster) -> None:
    pool = example()["spec"]
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    with operated.client() as api:
        for name, labels, taints in (
            ("vps-1", pool["labels"], pool["taints"]),
            ("cloud-1", {"node-type": "cloud"}, []),
        ):
            made = api.post("/api/v1/nodes", json=node(name, labels, taints))
            assert made.is_success, made.text
            ready = {"type": "Ready", "status": "True", "reason": "Test", "message": ""}
            status = {"capacity": room, "allocatable": room, "conditions": [ready]}
            kind = {"Content-Type": "application/merge-patch+json"}
            at = f"/api/v1/nodes/{name}/status"
            assert api.patch(at, json={"status": status}, headers=kind).is_success
    # Not for its Deployment, whose pods a controller would make: for the pod that it would make.
    made = operated.tried(path_of(NAMESPACE), app(FORM, namespace=NAMESPACE))["spec"]
    deployment, *_ = helm.kind(rendered("kuberoapp", made), "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    for name, namespace, what in (("app", NAMESPACE, spec), ("other", "default", {})):
        about = {"name": name, "namespace": namespace}
        body = {"containers": [{"name": "a", "image": "b"}], **what, "serviceAccountName": ""}
        operated.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": body})

    def on(name: str, namespace: str) -> object:
        return operated.get(f"-n={namespace}", "pod", name)["spec"].get("nodeName")

    assert waiting.until(lambda: on("app", NAMESPACE), "the app has a node") == "vps-1"
    assert waiting.until(lambda: on("other", "default"), "the other has one") == "cloud-1"
