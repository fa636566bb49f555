"""What the chart renders and deploy/ holds is valid on every Kubernetes release that we name.

kubectl-validate judges by each release's own published schemas (make chart-versions has them).
"""

from __future__ import annotations

import copy

import pytest
import yaml

from tests import absent
from tests.chart import helm, validating

MINORS = [
    pytest.param(
        each,
        marks=absent.unless(
            validating.find() and validating.schemas(each).exists(), absent.Need.VALIDATE
        ),
    )
    for each in validating.RELEASES
]
FILES = sorted(path.name.removesuffix("-values.yaml") for path in helm.VALUES.glob("*.yaml"))
DEPLOY = helm.ROOT / "deploy"
CRDS = DEPLOY / "crds"
NOT_OBJECTS = {"upstream-values.yaml"}
NEWEST = {"kubero/policies.yaml"}
"""MutatingAdmissionPolicies are v1 from 1.36 on."""


def judged(objects: list[helm.Object]) -> list[helm.Object]:
    """Leave out kinds of others, and rename what the program alone refuses.

    It takes the names of RBAC's objects for those of hosts; the API server takes any
    (test_real_cluster.py).
    """
    kept = [copy.deepcopy(each) for each in objects if each["apiVersion"] not in helm.FOREIGN]
    for each in kept:
        if each["apiVersion"].startswith("rbac."):
            each["metadata"]["name"] = each["metadata"]["name"].replace(":", "-")
    return kept


@pytest.mark.helm
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("minor", MINORS)
def test_what_the_chart_renders(minor: str, name: str) -> None:
    old = minor < "1.36" and name == "everything"  # it asks for buffers, which that release lacks
    without = ["--set=autoscaler.capacityBuffers.enabled=false"] if old else []
    made = judged(helm.objects(name, *without, kube=minor))
    assert len(made) > 5
    assert validating.validated(made, minor, CRDS) == ""


@pytest.mark.parametrize("minor", MINORS)
def test_the_manifests(minor: str) -> None:
    folders = (DEPLOY, CRDS, DEPLOY / "kubero")
    for path in sorted(path for each in folders for path in each.glob("*.yaml")):
        name = str(path.relative_to(DEPLOY))
        if name in NOT_OBJECTS or (name in NEWEST and minor < "1.36"):
            continue
        made = judged([each for each in yaml.safe_load_all(path.read_text()) if each])
        assert validating.validated(made, minor, CRDS) == "", name


@pytest.mark.parametrize("minor", MINORS)
def test_a_field_that_there_is_not_is_found(minor: str) -> None:
    wrong = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b"},
        "dada": {},
    }
    assert "dada" in validating.validated([wrong], minor, CRDS)
