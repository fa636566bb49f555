"""deploy/upstream-values.yaml: the server as a sidecar in the autoscaler's own chart.

Where UPSTREAM_CHART names that chart's folder (cluster-autoscaler/charts/cluster-autoscaler of
kubernetes/autoscaler), it is rendered and given to the API server; the rest needs neither.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
import yaml

from externalgrpc import cli
from tests import absent
from tests.chart import helm
from tests.chart.installing import NAMESPACE, Plane

VALUES = helm.ROOT / "deploy" / "upstream-values.yaml"
SAID = yaml.safe_load(VALUES.read_text())
UPSTREAM = os.environ.get("UPSTREAM_CHART", "")


def sidecar() -> helm.Object:
    (found,) = SAID["initContainers"]
    return dict(found)


def test_both_meet_at_one_socket() -> None:
    (listen,) = (each for each in sidecar()["args"] if each.startswith("--listen="))
    (config,) = (each["data"]["cloud-config.yaml"] for each in SAID["extraObjects"])
    assert yaml.safe_load(config)["address"] == listen.partition("=")[2]
    for mounts in sidecar()["volumeMounts"], SAID["extraVolumeMounts"]:
        assert {"name": "socket", "mountPath": "/run/vps-autoscaler"} in mounts
        assert {each["name"] for each in mounts} <= {each["name"] for each in SAID["extraVolumes"]}


def test_the_sidecar_is_called_as_the_server_is() -> None:
    serve = cli.cli.get_command(click.Context(cli.cli), "serve")
    assert serve is not None
    known = {name for each in serve.params for name in each.opts}
    name, *options = sidecar()["args"]
    assert name == "serve"
    assert {each.partition("=")[0] for each in options} <= known
    assert sidecar()["restartPolicy"] == "Always", "else it would have to end before the autoscaler"


def test_the_account_is_that_of_the_manifests() -> None:
    accounts = [
        each["metadata"]["name"]
        for each in yaml.safe_load_all((helm.ROOT / "deploy" / "rbac.yaml").read_text())
        if each["kind"] == "ServiceAccount"
    ]
    assert SAID["rbac"]["serviceAccount"] == {"create": False, "name": accounts[0]}


@pytest.mark.e2e
@pytest.mark.helm
@absent.unless(UPSTREAM, absent.Need.UPSTREAM_CHART)
def test_upstreams_chart_renders_it_and_the_api_server_takes_it(plane: Plane) -> None:
    where = ["cluster-autoscaler", str(Path(UPSTREAM)), f"--namespace={NAMESPACE}"]
    done = helm.run("template", *where, "--kube-version=1.36", f"--values={VALUES}")
    assert done.returncode == 0, done.stderr
    made = [each for each in yaml.safe_load_all(done.stdout) if each]
    (deployment,) = helm.kind(made, "Deployment")
    template = deployment["spec"]["template"]
    assert [each["name"] for each in template["spec"]["initContainers"]] == ["vps-autoscaler"]
    plane.kubectl(
        "-n", NAMESPACE, "apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(made)
    )
    about = {"name": "probe", "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"]}
    plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
