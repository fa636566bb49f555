"""What a person adds by values arrives, once, where it belongs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart import helm

pytestmark = pytest.mark.helm

POOL = {"name": "w", "provider": "memory", "instanceType": "small", "region": "north", "maxSize": 3}
VALUES: helm.Object = {
    "config": {"cluster": "c", "nodes": [POOL]},
    "server": {
        "extraArgs": ["--no-reflection"],
        "extraEnv": [{"name": "OURS", "value": "1"}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/ours"}],
    },
    "autoscaler": {
        "extraArgs": {"scan-interval": "33s"},
        "extraEnv": [{"name": "THEIRS", "value": "2"}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/theirs"}],
        "extraRules": [{"apiGroups": ["x.io"], "resources": ["ys"], "verbs": ["get"]}],
    },
    "extraVolumes": [{"name": "more", "emptyDir": {"sizeLimit": "7Mi"}}],
    "extraObjects": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "{{ .Release.Name }}-more",
                "namespace": "{{ .Release.Namespace }}",
            },
            "data": {"a": "b"},
        }
    ],
    "podLabels": {"team": "infra"},
    "podAnnotations": {"note": "yes"},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "c", "operator": "Exists"}],
}


def the_pod(made: list[helm.Object]) -> Any:
    (deployment,) = helm.kind(made, "Deployment")
    return deployment["spec"]["template"]


def test_what_is_added_to_a_container_is_in_it_and_in_no_other() -> None:
    spec = the_pod(helm.objects(VALUES))["spec"]
    ours, theirs = (
        next(each for each in spec["containers"] if each["name"] == name)
        for name in ("vps-autoscaler", "cluster-autoscaler")
    )
    assert ours["args"].count("--no-reflection") == 1
    assert {"name": "OURS", "value": "1"} in ours["env"]
    assert {"name": "more", "mountPath": "/ours"} in ours["volumeMounts"]
    assert theirs["command"].count("--scan-interval=33s") == 1
    assert {"name": "THEIRS", "value": "2"} in theirs["env"]
    assert {"name": "more", "mountPath": "/theirs"} in theirs["volumeMounts"]
    assert "THEIRS" not in str(ours)
    assert "OURS" not in str(theirs)
    assert {"name": "more", "emptyDir": {"sizeLimit": "7Mi"}} in spec["volumes"]


def test_what_is_added_to_the_pod_is_on_it() -> None:
    template = the_pod(helm.objects(VALUES))
    spec = template["spec"]
    assert template["metadata"]["labels"]["team"] == "infra"
    assert template["metadata"]["annotations"]["note"] == "yes"
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert spec["nodeSelector"] == {"a": "b"}
    assert spec["tolerations"] == [{"key": "c", "operator": "Exists"}]


CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}


@pytest.mark.usefixtures("each_helm")
@pytest.mark.parametrize(
    ("said", "wanted"),
    [({}, CONTROL_PLANE), ({"nodeSelector": {}}, None), ({"nodeSelector": {"a": "b"}}, {"a": "b"})],
)
def test_it_stands_on_the_control_plane_unless_something_else_is_said(
    said: helm.Object, wanted: helm.Object | None
) -> None:
    """Helm merges maps: a default that stood in values.yaml would stay whatever a person says."""
    made = helm.objects({"config": VALUES["config"], **said})
    (doctor,) = helm.kind(made, "Pod")
    for spec in the_pod(made)["spec"], doctor["spec"]:
        assert spec.get("nodeSelector") == wanted


def test_objects_and_rules_of_ones_own_are_made() -> None:
    made = helm.objects(VALUES)
    (own,) = (each for each in made if each["metadata"]["name"] == "vps-autoscaler-more")
    assert (own["metadata"]["namespace"], own["data"]) == (helm.NAMESPACE, {"a": "b"})
    rules = [rule for each in helm.kind(made, "ClusterRole") for rule in each.get("rules") or ()]
    assert VALUES["autoscaler"]["extraRules"][0] in rules


def test_artifact_hub_is_told_what_is_there() -> None:
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())
    said = {
        key.removeprefix("artifacthub.io/"): yaml.safe_load(each)
        for key, each in chart["annotations"].items()
    }
    assert f'license = "{said["license"]}"' in (helm.ROOT / "pyproject.toml").read_text()
    crd = yaml.safe_load((helm.ROOT / "deploy" / "crds" / "vpsnodes.yaml").read_text())
    (told,) = said["crds"]
    versions = [each["name"] for each in crd["spec"]["versions"] if each["served"]]
    assert (told["kind"], told["name"]) == (crd["spec"]["names"]["kind"], crd["metadata"]["name"])
    assert told["version"] in versions
    assert {"kind", "description"} <= said["changes"][0].keys()
    assert said["operator"] is said["prerelease"] or {said["operator"], said["prerelease"]}
