"""What helm makes of the chart: values that are accepted, those that are refused, and pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalgrpc import config
from externalgrpc.model import installed_clouds
from tests import absent
from tests.chart import helm

pytestmark = pytest.mark.helm

FILES = sorted(path.name.removesuffix("-values.yaml") for path in helm.VALUES.glob("*.yaml"))
POOL = {"name": "web", "provider": "memory", "instanceType": "small", "region": "north"}
SMALL: helm.Object = {"config": {"cluster": "play", "nodes": [{**POOL, "maxSize": 5}]}}
BESIDE: helm.Object = {**SMALL, "autoscaler": {"enabled": False}}


def with_(**more: Any) -> helm.Object:
    return {**SMALL, **more}


def deployment(of: list[helm.Object]) -> helm.Object:
    (found,) = helm.kind(of, "Deployment")
    return found


def pod(of: list[helm.Object]) -> helm.Object:
    return dict(deployment(of)["spec"]["template"]["spec"])


def container(of: list[helm.Object], name: str) -> helm.Object:
    (found,) = (each for each in pod(of)["containers"] if each["name"] == name)
    return dict(found)


def flags(of: list[helm.Object]) -> dict[str, str]:
    words = container(of, "cluster-autoscaler")["command"][1:]
    return dict(each.removeprefix("--").split("=", 1) for each in words)


# What is linted.


@pytest.mark.parametrize("name", [*FILES, ""])
def test_lint_is_content(name: str) -> None:
    values = [f"--values={helm.file_of(name)}"] if name else []
    done = helm.run("lint", "--strict", "--kube-version=1.36", str(helm.CHART), *values)
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = {
    "a misspelled value": (with_(replicaz=1), "replicaz"),
    "a misspelled value further down": (with_(image={"tagg": "x"}), "tagg"),
    "a value of another type": (with_(image={"tag": 1}), "want string"),
    "a digest that is none": (with_(image={"digest": "sha256:abc"}), "digest"),
    "an unknown expander": (with_(autoscaler={"expander": "cheapest"}), "expander"),
    "a flag with its dashes": (with_(autoscaler={"extraArgs": {"--v": 4}}), "extraArgs"),
    "a pool without its largest size": ({"config": {"cluster": "c", "nodes": [POOL]}}, "maxSize"),
    "a pool's misspelled key": (
        {"config": {"cluster": "c", "nodes": [{**POOL, "maxSize": 1, "instancetype": "x"}]}},
        "instancetype",
    ),
    "a pool's size in words": (
        {"config": {"cluster": "c", "nodes": [{**POOL, "maxSize": "many"}]}},
        "maxSize",
    ),
    "no pools": ({"config": {"cluster": "c", "nodes": []}}, "nodes"),
    "an account's misspelled key": (
        {"config": {**SMALL["config"], "accounts": [{"name": "a", "provider": "b", "token": "c"}]}},
        "token",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_lint_names(what: str, tmp_path: Path) -> None:
    values, named = WRONG[what]
    path = tmp_path / "values.yaml"
    path.write_text(json.dumps(values))
    done = helm.run("lint", "--strict", "--kube-version=1.36", str(helm.CHART), f"--values={path}")
    assert done.returncode != 0
    assert named in done.stdout + done.stderr


# What is refused, in a sentence with the cure.

REFUSED = {
    "no pools at all": ({}, {}, "config is empty"),
    "pools in two places": (with_(existingConfigMap="mine"), {}, "in one or in the other"),
    "files without a place": ({"existingConfigMap": "a", "files": {"b": ""}}, {}, "into that"),
    "a page that nobody can switch on": (
        {"existingConfigMap": "mine", "statusPage": {"enabled": True}},
        {},
        "write that line into its file",
    ),
    "no name of the cluster": ({"config": {"nodes": SMALL["config"]["nodes"]}}, {}, "cluster is"),
    "a file called config": (with_(files={"config": ""}), {}, "configuration itself"),
    "two servers without an election": (
        with_(replicas=2, autoscaler={"extraArgs": {"leader-elect": False}}),
        {},
        "would both act",
    ),
    "beside, in plain text": (BESIDE, {}, "tls.existingSecret"),
    "certificates from nobody": (
        {**BESIDE, "tls": {"certManager": {"enabled": True}}},
        {},
        "issuerRef.name is missing",
    ),
    "certificates from two": (
        {**BESIDE, "tls": {"existingSecret": "a", "certManager": {"enabled": True}}},
        {},
        "take one",
    ),
    "a cluster from before": (SMALL, {"kube": "1.27"}, "kubeVersion"),
    "a cluster from later": (SMALL, {"kube": "1.38"}, "Set autoscaler.image.tag"),
    "buffers of an old autoscaler": (
        with_(autoscaler={"capacityBuffers": {"enabled": True}}),
        {"kube": "1.34"},
        "needs Cluster Autoscaler 1.35",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses(what: str) -> None:
    values, how, said = REFUSED[what]
    done = helm.rendered(values, **how)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize("switch", ["podMonitor", "serviceMonitor", "prometheusRule"])
def test_kinds_that_the_cluster_lacks_are_refused_by_name(switch: str) -> None:
    values = json.dumps(with_(metrics={switch: {"enabled": True}}))
    done = helm.run(
        "template", "x", str(helm.CHART), "--kube-version=1.36", "--values=-", stdin=values
    )
    assert done.returncode != 0
    assert f"metrics.{switch}.enabled is on" in done.stderr
    assert "Prometheus operator" in done.stderr


# The autoscaler's release follows the cluster's.


@pytest.mark.parametrize("minor", range(28, 38))
def test_the_autoscaler_is_of_the_clusters_minor(minor: int) -> None:
    made = helm.objects(SMALL, kube=f"1.{minor}")
    repository, tag = container(made, "cluster-autoscaler")["image"].rsplit(":", 1)
    assert repository == "registry.k8s.io/autoscaling/cluster-autoscaler"
    assert tag.startswith(f"v1.{minor}.")
    assert ("force-delete-unregistered-nodes" in flags(made)) is (minor >= 32)
    assert flags(made)["enforce-node-group-min-size"] == "true"


@pytest.mark.parametrize("minor", [35, 36, 37])
def test_buffers_are_served_with_json_where_the_release_does_not_ask_for_it(minor: int) -> None:
    more = {"autoscaler": {"capacityBuffers": {"enabled": True}}}
    made = flags(helm.objects(with_(**more), kube=f"1.{minor}"))
    assert made["capacity-buffer-controller-enabled"] == "true"
    assert made.get("kube-api-content-type") == ("application/json" if minor == 35 else None)


def test_a_tag_of_ones_own_decides_about_flags() -> None:
    made = helm.objects(with_(autoscaler={"image": {"tag": "v1.30.1"}}), kube="1.40")
    assert container(made, "cluster-autoscaler")["image"].endswith(":v1.30.1")
    assert "force-delete-unregistered-nodes" not in flags(made)


def test_minors_with_a_plus_are_read() -> None:
    assert (
        "v1.33."
        in container(helm.objects(SMALL, kube="v1.33.4-gke.1"), "cluster-autoscaler")["image"]
    )


def test_flags_of_ones_own_win() -> None:
    made = flags(helm.objects(with_(autoscaler={"extraArgs": {"v": 4, "expander": "random"}})))
    assert made["v"] == "4"
    assert made["expander"] == "random"


def test_a_digest_counts_before_the_tag() -> None:
    made = helm.objects("everything")
    assert container(made, "vps-autoscaler")["image"].startswith(
        "registry.example/vps-autoscaler@sha256:"
    )


# The configuration arrives as it was said.


def test_what_the_file_says_of_the_status_page_counts_before_the_value() -> None:
    off = {**SMALL["config"], "statusPage": False}
    made = helm.objects({"config": off, "statusPage": {"enabled": True}})
    (maps,) = (each for each in helm.kind(made, "ConfigMap") if "config" in each["data"])
    assert yaml.safe_load(maps["data"]["config"])["statusPage"] is False


@pytest.mark.parametrize("name", FILES)
def test_the_server_loads_what_is_rendered(name: str, tmp_path: Path) -> None:
    made = helm.objects(name)
    said = yaml.safe_load(helm.file_of(name).read_text())["config"]
    (maps,) = (each for each in helm.kind(made, "ConfigMap") if "config" in each["data"])
    for file, text in maps["data"].items():
        (tmp_path / file).write_text(text.replace("/etc/vps-autoscaler-tokens", str(tmp_path)))
    for account in said.get("accounts", ()):
        (tmp_path / Path(account["tokenFile"]).name).write_text("t0ken")
    names = [each["name"] for each in container(made, "vps-autoscaler").get("env", ())]
    environ = dict.fromkeys(names, "t0ken")
    loaded = config.load(
        tmp_path / "config", cluster="", environ=environ, clouds=installed_clouds.installed()
    )
    assert loaded is not None
    again = yaml.safe_load(maps["data"]["config"])
    said_of_page = yaml.safe_load(helm.file_of(name).read_text()).get("statusPage", {})
    assert again.pop("statusPage", False) == said_of_page.get("enabled", False)
    if "kubernetes" in said:
        assert again["kubernetes"].pop("configMap") == maps["metadata"]["name"]
    assert again == said


def test_only_the_tokens_that_are_asked_for_are_needed() -> None:
    env = container(helm.objects("default"), "vps-autoscaler")["env"]
    assert [each["name"] for each in env] == ["HCLOUD_TOKEN"]
    assert not env[0]["valueFrom"]["secretKeyRef"].get("optional")
    assert "env" not in container(helm.objects("memory"), "vps-autoscaler")
    assert "env" not in container(helm.objects("raw"), "vps-autoscaler"), "it reads a file"
    all_of_them = container(helm.objects({"existingConfigMap": "mine"}), "vps-autoscaler")["env"]
    assert len(all_of_them) == 4


def test_the_file_with_the_token_is_where_accounts_say() -> None:
    (token,) = (v for v in pod(helm.objects("raw"))["volumes"] if v["name"] == "tokens")
    assert token["secret"] == {"secretName": "vps-autoscaler-tokens", "optional": True}


def test_a_change_of_kubernetes_starts_the_pod_anew_and_one_of_pools_does_not() -> None:
    def mark(values: helm.Object) -> str:
        about = deployment(helm.objects(values))["spec"]["template"]["metadata"]
        return str(about["annotations"]["checksum/kubernetes"])

    other = {"cluster": "play", "nodes": [{**POOL, "maxSize": 6}]}
    assert mark(SMALL) == mark({"config": other})
    assert mark(SMALL) != mark({"config": {**other, "kubernetes": {}}})


# Pods.


@pytest.mark.parametrize("name", FILES)
def test_pods_are_locked(name: str) -> None:
    made = helm.objects(name)
    pods = [pod(made), *(each["spec"] for each in helm.kind(made, "Pod"))]
    assert len(pods) == 2
    for spec in pods:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        mounted = {each["name"] for each in spec["volumes"]}
        for each in spec["containers"]:
            assert each["securityContext"]["readOnlyRootFilesystem"] is True
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert each["resources"]["requests"]
            assert each["resources"]["limits"]["memory"]
            assert {mount["name"] for mount in each["volumeMounts"]} <= mounted


def test_one_pod_is_recreated_and_has_no_budget() -> None:
    made = helm.objects(SMALL)
    assert deployment(made)["spec"]["strategy"] == {"type": "Recreate"}
    assert not helm.kind(made, "PodDisruptionBudget")


def test_two_pods_have_a_budget_and_follow_the_autoscalers_lease() -> None:
    made = helm.objects(with_(replicas=2))
    (budget,) = helm.kind(made, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment(made)["spec"]["selector"]
    assert deployment(made)["spec"]["strategy"]["type"] == "RollingUpdate"
    (spread,) = pod(made)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"] == budget["spec"]["selector"]
    words = container(made, "vps-autoscaler")["args"]
    assert [each for each in words if "leader" in each] == [
        "--leader-elect=follow",
        "--leader-elect-resource-name=cluster-autoscaler",
    ]
    other = {"extraArgs": {"leader-elect-resource-name": "ca"}}
    made = helm.objects(with_(replicas=2, autoscaler=other))
    assert "--leader-elect-resource-name=ca" in container(made, "vps-autoscaler")["args"]
    assert [
        rule["resourceNames"]
        for role in helm.kind(made, "Role")
        for rule in role["rules"]
        if rule["resources"] == ["leases"] and "resourceNames" in rule
    ] == [["ca"]]


def test_two_pods_beside_it_hold_a_lease_and_their_service_leads_to_one() -> None:
    values = {**BESIDE, "replicas": 2, "tls": {"existingSecret": "a"}}
    made = helm.objects(values)
    here = container(made, "vps-autoscaler")
    assert [each for each in here["args"] if "leader" in each] == [
        "--leader-elect=own",
        "--leader-elect-resource-name=vps-autoscaler",
        "--leader-elect-service=vps-autoscaler",
        "--leader-elect-endpoint=$(POD_IP):8086",
    ]
    (address,) = (each for each in here["env"] if each["name"] == "POD_IP")
    assert address["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    (service,) = helm.kind(made, "Service")
    assert "selector" not in service["spec"]
    assert service["spec"]["ports"] == [{"name": "grpc", "port": 8086, "targetPort": 8086}]
    (alone,) = helm.kind(helm.objects({**values, "replicas": 1}), "Service")
    assert alone["spec"]["selector"]
    assert not [each for each in here["args"] if "follow" in each]


@pytest.mark.parametrize("name", FILES)
def test_every_helm_renders_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = helm.every()
    if not others:
        absent.skip(absent.Need.HELM_3)
    monkeypatch.setenv("HELM", first)
    wanted = helm.objects(name)
    for each in others:
        monkeypatch.setenv("HELM", each)
        assert helm.objects(name) == wanted


def test_by_default_nothing_of_others_is_needed() -> None:
    apis = {each["apiVersion"] for each in helm.objects("default")}
    assert not apis & set(helm.FOREIGN)
    assert not helm.kind(helm.objects("default"), "NetworkPolicy")
    assert not helm.kind(helm.objects("default"), "Service"), "a socket needs none"


def test_beside_it_is_served_by_mtls_only() -> None:
    made = helm.objects("beside")
    words = container(made, "vps-autoscaler")["args"]
    assert [each["name"] for each in pod(made)["containers"]] == ["vps-autoscaler"]
    assert "--listen=0.0.0.0:8086" in words
    assert "--tls-client-ca=/etc/vps-autoscaler-tls/ca.crt" in words
    (service,) = helm.kind(made, "Service")
    host = f"{service['metadata']['name']}.{helm.NAMESPACE}.svc"
    server, client = helm.kind(made, "Certificate")
    assert host in server["spec"]["dnsNames"]
    assert client["spec"]["usages"] == ["client auth"]
    (volume,) = (each for each in pod(made)["volumes"] if each["name"] == "tls")
    assert volume["secret"]["secretName"] == server["spec"]["secretName"]
    (test,) = helm.kind(made, "Pod")
    assert f"--address={host}:8086" in test["spec"]["containers"][0]["args"]
    assert not [each for each in made if "cluster-autoscaler" in each["metadata"]["name"]]


def test_labels_of_ones_own_are_on_everything_and_break_no_selector() -> None:
    made = [
        each
        for each in helm.objects("everything")
        if each["metadata"]["name"] != "vps-autoscaler-more"
    ]
    assert all(each["metadata"]["labels"]["owner"] == "infra" for each in made)
    hostile = with_(commonLabels={"app.kubernetes.io/name": "other"})
    made = helm.objects(hostile)
    asked = deployment(made)["spec"]["selector"]["matchLabels"].items()
    assert asked <= deployment(made)["spec"]["template"]["metadata"]["labels"].items()


def test_the_doctors_pod_is_no_pod_of_the_service() -> None:
    made = helm.objects("beside")
    (service,) = helm.kind(made, "Service")
    (test,) = helm.kind(made, "Pod")
    assert not service["spec"]["selector"].items() <= test["metadata"]["labels"].items()


def test_every_alert_is_rendered_whole() -> None:
    (rule,) = helm.kind(helm.objects("everything"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((helm.CHART / "files" / "alerts.yaml").read_text())


def crd(values: helm.Object) -> helm.Object:
    (found,) = helm.kind(helm.objects(values), "CustomResourceDefinition")
    return found


def test_the_crd_is_that_of_the_manifests() -> None:
    made = crd(SMALL)
    said = yaml.safe_load((helm.ROOT / "deploy" / "crds" / "vpsnodes.yaml").read_text())
    assert made["spec"] == said["spec"]
    assert made["metadata"]["name"] == said["metadata"]["name"]
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_crd_may_go_with_the_release_or_not_come_at_all() -> None:
    assert "annotations" not in crd(with_(crds={"keep": False}))["metadata"]
    made = helm.objects(with_(crds={"enabled": False}))
    assert not helm.kind(made, "CustomResourceDefinition")


def test_clouds_of_ones_own_are_providers_of_vpsnodes() -> None:
    def providers(values: helm.Object) -> list[str]:
        (version,) = crd(values)["spec"]["versions"]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        return list(spec["properties"]["provider"]["enum"])

    more = providers(with_(crds={"moreProviders": ["toy", "hetzner"]}))
    assert more == [*providers(SMALL), "toy"]


@pytest.mark.parametrize("url", ["https://example.org/docs", "https://example.org/docs/"])
def test_alerts_lead_to_where_the_runbook_is_published(url: str) -> None:
    rule = {"enabled": True, "runbookUrl": url}
    made = helm.objects(with_(metrics={"prometheusRule": rule}))
    (of,) = helm.kind(made, "PrometheusRule")
    for each in of["spec"]["groups"][0]["rules"]:
        place = f"https://example.org/docs/runbook.md#{each['alert'].lower()}"
        assert each["annotations"].pop("runbook_url") == place
        assert "runbook" not in each["annotations"]


def test_grafana_finds_the_dashboard_whole() -> None:
    (made,) = (
        each
        for each in helm.kind(helm.objects("everything"), "ConfigMap")
        if each["metadata"]["name"].endswith("-dashboard")
    )
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Autoscaling"}
    (text,) = made["data"].values()
    assert text == (helm.CHART / "files" / "dashboard.json").read_text()
    assert not [each for each in helm.objects(SMALL) if "dashboard" in each["metadata"]["name"]]


def test_names_follow_the_release() -> None:
    assert deployment(helm.objects(SMALL))["metadata"]["name"] == "vps-autoscaler"
    made = helm.objects("default", release="grow")
    assert deployment(made)["metadata"]["name"] == "grow-vps-autoscaler"
    assert all(
        len(each["metadata"]["name"]) <= 63 for each in helm.objects(SMALL, release="r" * 53)
    )
