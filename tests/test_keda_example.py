"""The KEDA example: its queries say what they should, its ScaledObject is what KEDA knows.

The queries are run by promtool. What the example uses of KEDA's own kind is listed below; its CRD
(KEDA_CRD) and the other objects are put to a real API server (tests/kube/test_real_headroom.py).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalgrpc.headroom import wanted
from tests import absent
from tests.chart import prometheus

KEDA = Path(__file__).parents[1] / "examples" / "keda"
PROMTOOL = prometheus.find("promtool") or ""
OBJECTS = {each["kind"]: each for each in yaml.safe_load_all((KEDA / "balloons.yaml").read_text())}
SCALED = OBJECTS["ScaledObject"]
SPEC = {
    "scaleTargetRef": {"name"},
    "minReplicaCount": int,
    "maxReplicaCount": int,
    "pollingInterval": int,
    "cooldownPeriod": int,
    "fallback": {"failureThreshold", "replicas"},
    "advanced": {"horizontalPodAutoscalerConfig"},
    "triggers": list,
}
TRIGGER = {"serverAddress", "query", "threshold", "activationThreshold", "ignoreNullValues"}


def promtool(*argv: str) -> str:
    done = subprocess.run(
        [PROMTOOL, *argv], cwd=KEDA, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@absent.unless(PROMTOOL, absent.Need.PROMETHEUS)
def test_its_rules_are_rules() -> None:
    assert "SUCCESS: 4 rules found" in promtool("check", "rules", "rules.yaml")


@absent.unless(PROMTOOL, absent.Need.PROMETHEUS)
def test_its_queries_say_what_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules.test.yaml")


@absent.unless(PROMTOOL, absent.Need.PROMETHEUS)
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('pod!~"vps-balloon-.+"', 'pod!=""'),
        ("/ 0.70", "/ 0.90"),
        ("* 0), 0) / 0.5", "* 0), -9) / 0.5"),
        ('phase=~"Pending|Running"', 'phase=~".+"'),
        ("max by (node, pool) (vps_pool:node)", "vps_pool:node"),
        (" or vps_pool:cpu_used:cores * 0", ""),
    ],
)
def test_a_mistake_in_them_is_caught(tmp_path: Path, right: str, wrong: str) -> None:
    text = (KEDA / "rules.yaml").read_text()
    assert right in text
    (tmp_path / "rules.yaml").write_text(text.replace(right, wrong))
    shutil.copy(KEDA / "rules.test.yaml", tmp_path)
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "rules.test.yaml"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0


def test_its_figures_are_those_of_the_formula() -> None:
    load = wanted.Load(used_millis=1800, requested_millis=1000)
    assert wanted.for_target(load, target_percent=70, balloon_millis=500) == 4
    pod = OBJECTS["Deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"]["cpu"] == "500m"
    assert re.search(r"/ 0\.70\b.*/ 0\.5\)", (KEDA / "rules.yaml").read_text(), re.DOTALL)


def test_the_scaled_object_names_only_what_keda_knows() -> None:
    assert SCALED["apiVersion"] == "keda.sh/v1alpha1"
    spec: dict[str, Any] = SCALED["spec"]
    assert spec.keys() == SPEC.keys()
    for key, kind in SPEC.items():
        if isinstance(kind, set):
            assert spec[key].keys() == kind
        else:
            assert isinstance(spec[key], kind)
    (trigger,) = spec["triggers"]
    assert trigger.keys() == {"type", "metricType", "metadata"}
    assert trigger["metadata"].keys() == TRIGGER, "metricName is gone since 2.12"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_it_scales_the_balloons_beside_it_one_for_one() -> None:
    balloons = OBJECTS["Deployment"]["metadata"]
    assert SCALED["metadata"]["namespace"] == balloons["namespace"]
    assert SCALED["spec"]["scaleTargetRef"] == {"name": balloons["name"]}
    (trigger,) = SCALED["spec"]["triggers"]
    assert (trigger["metricType"], trigger["metadata"]["threshold"]) == ("AverageValue", "1")
    assert OBJECTS["PriorityClass"]["value"] == -10
    assert (
        int(OBJECTS["ResourceQuota"]["spec"]["hard"]["pods"]) == SCALED["spec"]["maxReplicaCount"]
    )
