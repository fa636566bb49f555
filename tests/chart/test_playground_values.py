"""The chart takes the values of examples/kind, with what the playground's script says besides."""

from __future__ import annotations

import pytest
import yaml

from tests.chart import helm

pytestmark = pytest.mark.helm

VALUES = helm.ROOT / "examples" / "kind" / "values.yaml"


@pytest.mark.parametrize("kube", ["1.28", "1.29", "1.36", "1.37"])
def test_the_chart_takes_the_playgrounds_values(kube: str) -> None:
    where = [
        f"--kube-version={kube}",
        f"--values={VALUES}",
        *("--set-string", "image.repository=a/b"),
        *("--set-string", "image.tag=c"),
        *("--set-string", "image.digest="),
    ]
    linted = helm.run("lint", "--strict", str(helm.CHART), *where)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    made = helm.run("template", "vps-autoscaler", str(helm.CHART), *where)
    assert made.returncode == 0, made.stderr
    objects = [each for each in yaml.safe_load_all(made.stdout) if each]
    (pod,) = helm.kind(objects, "Deployment")
    assert pod["metadata"]["name"] == "vps-autoscaler", "the script's last words name it"
    containers = pod["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers] == ["vps-autoscaler", "cluster-autoscaler"]
    assert containers[0]["image"] == "a/b:c"
    makers = [
        role["metadata"]["name"]
        for role in helm.kind(objects, "ClusterRole")
        for rule in role["rules"]
        if "nodes" in rule["resources"] and "create" in rule["verbs"]
    ]
    assert makers == ["vps-autoscaler-fake-nodes"]


@pytest.mark.parametrize(("said", "noted"), [("true", False), ("false", True)])
def test_nodes_that_nothing_may_make_are_noted(said: str, *, noted: bool) -> None:
    done = helm.run(
        *("install", "vps-autoscaler", str(helm.CHART), "--dry-run=client"),
        *(f"--values={VALUES}", f"--set=rbac.fakeNodes={said}"),
    )
    assert done.returncode == 0, done.stderr
    assert ("set rbac.fakeNodes" in done.stdout) is noted
