"""The whole command against a real API server of a kubeadm cluster with our files of deploy/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest
import yaml

from externalgrpc import cli
from externalgrpc.kube import access
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

CONFIG = """\
cluster: demo
kubernetes: {kubernetes}
accounts: [{{name: ram, provider: memory}}]
nodes:
- {{name: web, account: ram, join: kubeadm, instanceType: small, region: north, maxSize: 3,
   image: debian-13}}
"""
SERVER = "system:serviceaccount:vps-autoscaler:vps-autoscaler"


def report(folder: Path, kubernetes: str, *more: object) -> dict[str, Any]:
    path = folder / "pools.yaml"
    path.write_text(CONFIG.format(kubernetes=kubernetes))
    words = ["doctor", "--config", str(path), "-o", "json", *map(str, more)]
    done = click.testing.CliRunner().invoke(cli.cli, words)
    assert "Traceback" not in done.output, done.output
    return dict(json.loads(done.stdout))


def reported(of: dict[str, Any], *subjects: str) -> list[str]:
    return [each["what"] for each in of["findings"] if each["subject"] in subjects]


def missed(of: dict[str, Any]) -> dict[str, str]:
    return {each["what"]: each["because"] for each in of["notLookedAt"]}


@pytest.fixture
def fenced(plane: planes.Plane):
    path = str(planes.ROOT / "deploy" / "admission-policy.yaml")
    plane.kubectl("apply", "-f", path)
    yield plane
    plane.kubectl("delete", "-f", path)


def test_the_servers_own_account_sees_little_and_says_so(
    plane: planes.Plane, tmp_path: Path
) -> None:
    of = report(tmp_path, f"{{kubeconfig: {plane.account()}}}")
    assert reported(of, "rights") == []
    assert "the server's rights" in of["lookedAt"]
    assert "Nodes" in of["lookedAt"]
    for what in (
        "Deployments, StatefulSets and DaemonSets",
        "pods of kube-system",
        "admission policies",
        "role bindings",
    ):
        assert missed(of)[what].startswith("these credentials may not (GET /api")


def test_an_administrator_sees_all(fenced: planes.Plane, tmp_path: Path) -> None:
    of = report(tmp_path, "{}", "--kubeconfig", fenced.kubeconfig)
    assert {each for each in missed(of) if "credentials" not in each} == {
        "the running server",
        "keys of package sources",
    }
    assert f"the server's rights ({SERVER})" in of["lookedAt"]
    # kubeadm's binding and our fence are seen, and the account is what deploy/rbac.yaml makes it.
    assert reported(of, "rights") == []
    assert reported(of, "autoscaler") == ["no cluster-autoscaler runs in this cluster"]
    # The API server of this test listens on loopback, with a certificate of kubeadm's own CA.
    assert any("which is each one itself" in each for each in reported(of, "API endpoint"))


def test_without_the_fence(plane: planes.Plane, tmp_path: Path) -> None:
    of = report(tmp_path, "{}", "--kubeconfig", plane.kubeconfig)
    (found,) = reported(of, "rights")
    assert "ValidatingAdmissionPolicy vps-autoscaler-tokens, vps-autoscaler-nodes" in found


def test_an_administrator_as_the_server_may_too_much(fenced: planes.Plane, tmp_path: Path) -> None:
    of = report(tmp_path, f"{{kubeconfig: {fenced.kubeconfig}}}")
    (found,) = reported(of, "rights")
    assert f"may do {len(access.EXCESS)} things" in found


def test_own_approval_before_and_after_its_file(fenced: planes.Plane, tmp_path: Path) -> None:
    words = ("{ownApproval: true}", "--kubeconfig", fenced.kubeconfig)
    before = "\n".join(reported(report(tmp_path, *words), "rights"))
    assert f"{SERVER} may not update certificatesigningrequests/approval" in before
    assert "lacks system:node-bootstrapper" in before
    assert "vps-autoscaler-approval is not there" in before
    path = str(planes.ROOT / "deploy" / "own-approval.yaml")
    fenced.kubectl("apply", "-f", path)
    try:
        after = reported(report(tmp_path, *words), "rights")
        unused = reported(report(tmp_path, "{}", *words[1:]), "rights")
    finally:
        fenced.kubectl("delete", "-f", path)
    (kubeadms,) = after
    assert "still has kubeadm's own tokens approved" in kubeadms
    assert any("ownApproval is not set" in each for each in unused)


def test_the_autoscaler_of_deploy_is_fine(fenced: planes.Plane, tmp_path: Path) -> None:
    path = str(planes.ROOT / "deploy" / "autoscaler.yaml")
    fenced.kubectl("apply", "-f", path)
    try:
        of = report(tmp_path, "{}", "--kubeconfig", fenced.kubeconfig)
    finally:
        fenced.kubectl("delete", "-f", path)
        # The account is in both files.
        fenced.kubectl("apply", "-f", str(planes.ROOT / "deploy" / "rbac.yaml"))
    assert reported(of, "autoscaler", "server", "cloud controller") == []
    # There both run in one pod, with one account: what is the autoscaler's is not too much.
    assert f"the server's rights ({SERVER})" in of["lookedAt"]
    assert reported(of, "rights") == []


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: vps-autoscaler, namespace: vps-autoscaler}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: a}}}}
  template:
    metadata: {{labels: {{app: a}}}}
    spec:
      serviceAccountName: vps-autoscaler
      containers:
      - {{name: vps-autoscaler, image: "vps-autoscaler:1", args: [serve, {flags}]}}
"""
OWN = "--leader-elect=own, --leader-elect-service=vps-autoscaler"


def test_rights_to_elect_before_and_after_the_cure_that_it_names(
    fenced: planes.Plane, tmp_path: Path
) -> None:
    words = ("{}", "--kubeconfig", fenced.kubeconfig)

    def elected(flags: str) -> list[dict[str, Any]]:
        fenced.kubectl("apply", "-f", "-", stdin=DEPLOYMENT.format(flags=flags))
        of = report(tmp_path, *words)
        assert "the rights to elect one of several servers" in of["lookedAt"]
        assert reported(of, "server") == [], "two replicas are no second server"
        assert reported(of, "rights") == []
        return [each for each in of["findings"] if each["subject"] == "election"]

    undo = []
    try:
        (own,) = elected(OWN)
        assert (
            "may not get leases.coordination.k8s.io vps-autoscaler in vps-autoscaler"
            in (own["what"])
        )
        assert own["cure"] == "kubectl apply -f deploy/leader-election.yaml"
        path = planes.ROOT / own["cure"].rpartition(" ")[2]
        undo.append(("delete", "-f", str(path)))
        fenced.kubectl("apply", "-f", str(path))
        assert elected(OWN) == []

        (follow,) = elected("--leader-elect=follow")
        assert "leases.coordination.k8s.io cluster-autoscaler" in follow["what"]
        for each in follow["cure"].split("; "):
            program, *argv = each.split()
            assert program == "kubectl"
            kind, name = argv[argv.index("create") + 1 :][:2]
            undo.append(("-n", "vps-autoscaler", "delete", kind, name))
            fenced.kubectl(*argv)
        assert elected("--leader-elect=follow") == []
    finally:
        fenced.kubectl("-n", "vps-autoscaler", "delete", "deployment", "vps-autoscaler")
        for each in undo:
            fenced.kubectl(*each)


def test_rights_to_elect_are_not_known_without_the_workloads(
    plane: planes.Plane, tmp_path: Path
) -> None:
    of = report(tmp_path, f"{{kubeconfig: {plane.account()}}}")
    assert "flags are in its workload" in missed(of)["the rights to elect one of several servers"]


def test_the_kubeconfig_of_an_administrator_ends_one_day(
    plane: planes.Plane, tmp_path: Path
) -> None:
    user = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]
    of = report(tmp_path, "{}", "--kubeconfig", plane.kubeconfig)
    what = f"the credentials of {plane.kubeconfig}"
    if "client-certificate-data" in user or "client-certificate" in user:
        assert what in of["lookedAt"]
    else:
        assert f"{what}: their end" in missed(of)
    of = report(tmp_path, f"{{kubeconfig: {plane.account()}}}")
    # Its token lasts two hours.
    assert any("ends in" in each for each in reported(of, "expiry"))
