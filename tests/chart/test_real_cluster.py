"""The chart on a real API server: taken, upgraded, gone; its test run there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from tests import absent
from tests.chart import helm, rendered_pod
from tests.chart.installing import (
    FULL,
    JOINING,
    NAMESPACE,
    RELEASE,
    Plane,
    made_of,
)
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = [pytest.mark.e2e, pytest.mark.helm]

ALL = sorted(path.name.removesuffix("-values.yaml") for path in helm.VALUES.glob("*.yaml"))


@pytest.mark.parametrize("name", ALL)
def test_the_api_server_takes_everything(plane: Plane, name: str) -> None:
    made = [each for each in made_of(name) if each["apiVersion"] not in helm.FOREIGN]
    said = plane.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(made)
    )
    assert len(said.splitlines()) == len(made)


@pytest.mark.parametrize("name", sorted({*ALL} - {"everything"}))
def test_a_restricted_namespace_takes_its_pods(plane: Plane, name: str) -> None:
    """That with every switch on uses the host's network, which is not restricted."""
    made = made_of(name)
    (deployment,) = helm.kind(made, "Deployment")
    template = deployment["spec"]["template"]
    about = {"name": "probe", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"]}
    (test,) = helm.kind(made, "Pod")
    for each in pod, test:
        plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(each))
    pod["spec"]["containers"][0]["securityContext"].pop("capabilities")
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


@pytest.mark.usefixtures("each_helm")
def test_it_is_installed_upgraded_and_leaves_nothing(plane: Plane) -> None:
    said = plane.helm("install", RELEASE, str(helm.CHART), values=JOINING)
    try:
        assert f"helm test -n {NAMESPACE} {RELEASE}" in said, "the one next command"
        there = plane.ours()
        assert f"deployment.apps/{FULL}" in there
        assert any("validatingadmissionpolicy." in each for each in there)
        narrow = {**JOINING, "config": {**JOINING["config"], "cluster": "play"}}
        narrow["config"].pop("kubernetes")
        plane.helm("upgrade", RELEASE, str(helm.CHART), values=narrow)
        left = plane.ours()
        assert set(left) < set(there)
        assert not any("validatingadmissionpolicy." in each for each in left)
        plane.helm("rollback", RELEASE, "1")
        assert sorted(plane.ours()) == sorted(there)
    finally:
        plane.helm("uninstall", RELEASE)
    assert plane.ours() == []


@pytest.mark.usefixtures("each_helm")
def test_the_pages_one_line_makes_two_of_what_runs(plane: Plane, installed: helm.Object) -> None:
    """docs/high-availability.md: the values that a release was made with stay as they are."""
    page = (helm.ROOT / "docs" / "high-availability.md").read_text()
    (line,) = (each for each in page.splitlines() if each.startswith("helm upgrade"))
    said = shlex.split(line)[3:]  # helm upgrade RELEASE
    where, space = said.index("deploy/chart"), said.index("-n")
    flags = [each for at, each in enumerate(said) if at not in {where, space, space + 1}]
    plane.helm("upgrade", RELEASE, str(helm.CHART), *flags)
    get = ("-n", NAMESPACE, "get", "-o=json")
    made = json.loads(plane.kubectl(*get, "deployment", FULL))["spec"]
    assert made["replicas"] == 2
    (server,) = (
        each for each in made["template"]["spec"]["containers"] if each["name"] == "vps-autoscaler"
    )
    assert "--leader-elect=follow" in server["args"]
    assert json.loads(plane.kubectl(*get, "poddisruptionbudgets"))["items"]
    config = json.loads(plane.kubectl(*get, "configmap", FULL))["data"]["config"]
    assert yaml.safe_load(config)["nodes"] == installed["config"]["nodes"]


SEEDS_CRD = helm.ROOT.parent / "shared" / "seed" / "blocks" / "05-vpsnode.kubero.dev.yaml"
NODE = """
apiVersion: kubero.dev/v1alpha1
kind: VPSNode
metadata: {name: pool}
spec: {provider: hetzner, region: fsn1, instanceType: cx23}
"""


@pytest.mark.usefixtures("each_helm")
def test_vpsnodes_outlive_the_release(plane: Plane) -> None:
    """And the CRD is taken over again by a release of that name."""
    try:
        plane.helm("install", RELEASE, str(helm.CHART), values=JOINING)
        plane.kubectl("wait", "--for=condition=Established", "crd/vpsnodes.kubero.dev")
        plane.kubectl("apply", "-f", "-", stdin=NODE)
        plane.helm("uninstall", RELEASE)
        assert plane.kubectl("get", "vpsnodes", "-o=name").split() == ["vpsnode.kubero.dev/pool"]
        plane.helm("install", RELEASE, str(helm.CHART), values=JOINING)
        plane.helm("uninstall", RELEASE)
    finally:
        plane.kubectl("delete", "--ignore-not-found", "crd", "vpsnodes.kubero.dev")


@pytest.mark.usefixtures("each_helm")
def test_a_crd_that_is_there_is_taken_over_when_it_is_said(plane: Plane) -> None:
    if not SEEDS_CRD.exists():
        absent.skip(absent.Need.SHARED)
    plane.kubectl("apply", "-f", str(SEEDS_CRD))
    try:
        plane.kubectl("wait", "--for=condition=Established", "crd/vpsnodes.kubero.dev")
        plane.kubectl("apply", "-f", "-", stdin=NODE)
        with pytest.raises(AssertionError, match="invalid ownership metadata"):
            plane.helm("install", RELEASE, str(helm.CHART), values=JOINING)
        taken = ["--take-ownership", *(["--force-conflicts"] if helm.major() > 3 else [])]
        plane.helm("install", RELEASE, str(helm.CHART), *taken, values=JOINING)
        plane.kubectl("get", "vps", "pool")
        plane.helm("uninstall", RELEASE)
    finally:
        plane.kubectl("delete", "--ignore-not-found", "crd", "vpsnodes.kubero.dev")


@pytest.mark.usefixtures("each_helm")
def test_the_next_command_makes_the_secret_that_is_missing(plane: Plane) -> None:
    values = yaml.safe_load(helm.file_of("default").read_text())
    said = plane.helm("install", RELEASE, str(helm.CHART), values=values)
    try:
        (line,) = (each for each in said.splitlines() if each.strip().startswith("kubectl"))
        plane.kubectl(*line.split()[1:])
        said = plane.helm("upgrade", RELEASE, str(helm.CHART), values=values)
        assert "helm test" in said
        key = plane.kubectl(
            "-n", NAMESPACE, "get", "secret", "vps-autoscaler-tokens", "-o=jsonpath={.data.hcloud}"
        )
        assert key
    finally:
        plane.helm("uninstall", RELEASE)
        secret = ("secret", "vps-autoscaler-tokens", "--ignore-not-found")
        plane.kubectl("-n", NAMESPACE, "delete", *secret)


def test_the_fences_hold_for_this_account_alone(plane: Plane, installed: helm.Object) -> None:
    assert installed
    path = "/api/v1/namespaces/kube-system/secrets?dryRun=All"
    with plane.as_account() as api:
        waiting.until(
            lambda: "bootstrap tokens only" in api.post(path, json=planes.opaque()).text,
            "the fence is in force",
        )
    with plane.client() as admin:
        assert admin.post(path, json=planes.opaque()).is_success


def test_its_test_runs_doctor(plane: Plane, installed: helm.Object, folder: Path) -> None:
    made = made_of(installed)
    (test,) = helm.kind(made, "Pod")
    pod = rendered_pod.Pod(test["spec"], helm.kind(made, "ConfigMap"), folder)
    pod.join_as(rendered_pod.account(plane.kubeconfig, plane.token(), folder / "kubeconfig"))
    status, said = pod.run("doctor")
    assert status == 0, said
    assert "vps-autoscaler-tokens" not in said, "the fences are there"
    (folder / "config" / "config").write_text("nodes: nothing\n")
    status, said = pod.run("doctor")
    assert status not in {0, 3}, said
