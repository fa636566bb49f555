"""What selects pods selects the chart's, by labels and ports that they have; tokens arrive."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart import helm
from tests.chart.test_rendering import BESIDE, POOL, SMALL, container, deployment, flags, pod

pytestmark = pytest.mark.helm

EVERY: helm.Object = {
    "metrics": {
        "podMonitor": {"enabled": True},
        "serviceMonitor": {"enabled": True},
    },
    "networkPolicy": {"enabled": True},
}
LAYOUTS: dict[str, helm.Object] = {
    "in one pod": {**SMALL, **EVERY},
    "beside": {**BESIDE, **EVERY, "tls": {"existingSecret": "a"}},
    "named and labelled by others": {
        **SMALL,
        **EVERY,
        "nameOverride": "machines",
        "commonLabels": {"app.kubernetes.io/name": "theirs", "team": "infra"},
        "podLabels": {"app.kubernetes.io/instance": "theirs", "tier": "x"},
    },
    "two": {**SMALL, **EVERY, "replicas": 2},
}
CLOUDS = {
    "hetzner": ("HCLOUD_TOKEN", "hcloud"),
    "linode": ("LINODE_TOKEN", "linode"),
    "digitalocean": ("DIGITALOCEAN_TOKEN", "digitalocean"),
    "vultr": ("VULTR_API_KEY", "vultr"),
}


def labels(of: list[helm.Object]) -> dict[str, str]:
    return dict(deployment(of)["spec"]["template"]["metadata"]["labels"])


def ports(of: list[helm.Object]) -> dict[str, int]:
    """Return the ports that the pod's containers name, which must be distinct."""
    named = [each for one in pod(of)["containers"] for each in one.get("ports", ())]
    found = {each["name"]: each["containerPort"] for each in named}
    assert len(found) == len(named)
    return found


def selects(selector: dict[str, str], of: dict[str, str]) -> bool:
    assert selector, "an empty selector selects every pod of the namespace"
    return selector.items() <= of.items()


def the(of: list[helm.Object], kind: str) -> helm.Object:
    (found,) = helm.kind(of, kind)
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_who_selects_pods_selects_ours_and_not_the_doctors(layout: str) -> None:
    made = helm.objects(LAYOUTS[layout])
    (doctor,) = (each["metadata"]["labels"] for each in helm.kind(made, "Pod"))
    selectors: dict[str, dict[str, str]] = {
        "Deployment": deployment(made)["spec"]["selector"]["matchLabels"],
        "PodMonitor": the(made, "PodMonitor")["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": the(made, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    }
    for each in helm.kind(made, "PodDisruptionBudget"):
        selectors["PodDisruptionBudget"] = each["spec"]["selector"]["matchLabels"]
    for each in helm.kind(made, "Service"):
        selectors[f"Service {each['metadata']['name']}"] = each["spec"]["selector"]
    assert ("PodDisruptionBudget" in selectors) is (layout == "two")
    for what, selector in selectors.items():
        assert selects(selector, labels(made)), what
        assert not selects(selector, doctor), what


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ports_that_are_named_are_the_pods(layout: str) -> None:
    made = helm.objects(LAYOUTS[layout])
    there = ports(made)
    asked = [each["port"] for each in the(made, "PodMonitor")["spec"]["podMetricsEndpoints"]]
    wanted = {"metrics"} | ({"ca-metrics"} if layout != "beside" else set())
    assert set(asked) == wanted
    let_in = [
        each["port"]
        for rule in the(made, "NetworkPolicy")["spec"]["ingress"]
        for each in rule["ports"]
    ]
    assert sorted(let_in) == sorted(there), "each port of the pod is let in, and no other"
    for each in helm.kind(made, "Service"):
        for port in each["spec"]["ports"]:
            target = port["targetPort"]
            assert target in {*there, *there.values()}, each["metadata"]["name"]
    words = container(made, "vps-autoscaler")["args"]
    assert f"--metrics=0.0.0.0:{there['metrics']}" in words


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_service_monitor_selects_the_one_service_that_has_metrics(layout: str) -> None:
    made = helm.objects(LAYOUTS[layout])
    monitor = the(made, "ServiceMonitor")["spec"]
    chosen = [
        each
        for each in helm.kind(made, "Service")
        if selects(monitor["selector"]["matchLabels"], each["metadata"]["labels"])
    ]
    (service,) = chosen
    assert service["metadata"]["name"].endswith("-metrics")
    offered = {each["name"]: each["targetPort"] for each in service["spec"]["ports"]}
    asked = [each["port"] for each in monitor["endpoints"]]
    assert set(asked) == set(offered)
    assert set(offered.values()) <= set(ports(made))


def test_the_autoscaler_has_the_same_flags_by_chart_and_by_manifest() -> None:
    path = helm.ROOT / "deploy" / "autoscaler.yaml"
    every = [each for each in yaml.safe_load_all(path.read_text()) if each]
    (spec,) = (each["spec"]["template"]["spec"] for each in helm.kind(every, "Deployment"))
    (its,) = (each for each in spec["containers"] if each["name"] == "cluster-autoscaler")
    minor = its["image"].rpartition(":v")[2].rpartition(".")[0]
    made = helm.objects(SMALL, kube=minor)
    words = its["command"][1:]
    said = dict(each.removeprefix("--").split("=", 1) for each in words)
    assert len(said) == len(words)
    assert said.pop("namespace") == "vps-autoscaler"
    rendered = flags(made)
    assert rendered.pop("namespace") == helm.NAMESPACE
    assert rendered == said
    assert container(made, "cluster-autoscaler")["image"] == its["image"]


def pool(cloud: str) -> dict[str, Any]:
    return {**POOL, "provider": cloud, "maxSize": 1}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_token_comes_by_the_environment(cloud: str) -> None:
    variable, key = CLOUDS[cloud]
    made = helm.objects({"config": {"cluster": "c", "nodes": [pool(cloud)]}})
    (token,) = container(made, "vps-autoscaler")["env"]
    reference = {"name": "vps-autoscaler-tokens", "key": key, "optional": False}
    assert token == {"name": variable, "valueFrom": {"secretKeyRef": reference}}
    (doctor,) = helm.kind(made, "Pod")
    assert doctor["spec"]["containers"][0]["env"] == [token]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_token_comes_by_a_file_that_is_mounted_and_by_nothing_else(cloud: str) -> None:
    _, key = CLOUDS[cloud]
    path = f"/etc/vps-autoscaler-tokens/{key}"
    accounts = [{"name": "first", "provider": cloud, "tokenFile": path}]
    own = {**pool(cloud), "account": "first"}
    del own["provider"]
    values = {
        "config": {"cluster": "c", "accounts": accounts, "nodes": [own]},
        "tokens": {"existingSecret": "mine"},
    }
    made = helm.objects(values)
    doctor = the(made, "Pod")["spec"]
    for spec in (pod(made), doctor):
        its = spec["containers"][0]
        assert "env" not in its
        (mount,) = (
            each for each in its["volumeMounts"] if path.startswith(each["mountPath"] + "/")
        )
        assert mount["readOnly"] is True
        (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
        assert volume["secret"] == {"secretName": "mine", "optional": True}
        assert path == f"{mount['mountPath']}/{key}", "the Secret's key is the file's name"
