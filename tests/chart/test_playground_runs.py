"""examples/kind/playground itself, with everything real but kind: what it installs, plays.

Its kubectl and helm speak with a real API server. Nothing runs pods there, so that what waits for
one is answered by a stand-in, and the pod's processes are started as the installed chart says.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart import helm, rendered_pod
from tests.chart.installing import autoscalers
from tests.chart.test_real_autoscaler import REFUSED, minor
from tests.e2e import binaries, controlplane, kwok, programs, waiting

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.helm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not autoscalers(), reason=f"no {binaries.NAME}: {binaries.VARIABLE} names none"
    ),
    pytest.mark.parametrize("binary", autoscalers(), ids=lambda path: path.name),
]

KIND = helm.ROOT / "examples" / "kind"
CONTEXT = "kind-vps-playground"
NAMESPACE = RELEASE = "vps-autoscaler"
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
STAND_INS = {
    "kind": """\
case "$1 $2" in
  "get clusters") echo vps-playground ;;
  "export kubeconfig") ;;
  *) exit 1 ;;
esac
""",
    "kubectl": """\
case "$*" in
  *"rollout status"*) ;;
  *) exec {kubectl} "$@" ;;
esac
""",
    "helm": """\
for each; do
  shift
  [ "$each" = --wait ] || set -- "$@" "$each"
done
exec {helm} "$@"
""",
}
"""kind is not here, and nothing runs pods to wait for; all else is passed on."""


class Plane(controlplane.ControlPlane):
    """A control plane with the controllers that make pods, and nothing of ours."""

    def __init__(self, tools: Path, folder: Path) -> None:
        super().__init__(tools, folder)
        self.tools = tools
        self.folder = folder
        self.manager = kwok.manager(tools, self.kubeconfig, folder)
        self.kwok = kwok.program(self.kubeconfig, folder, installed=True)

    def start(self) -> None:
        """Start; call the cluster what kind would."""
        super().start()
        self.manager.start()
        document = yaml.safe_load(self.kubeconfig.read_text())
        document["contexts"].append({**document["contexts"][0], "name": CONTEXT})
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def stop(self) -> None:
        """Stop all."""
        self.kwok.stop()
        self.manager.stop()
        super().stop()

    def playground(self, *argv: str) -> str:
        """Run the script; it must succeed."""
        found = {"kubectl": str(self.tools / "kubectl"), "helm": str(helm.find())}
        path = self.folder / "bin"
        path.mkdir(exist_ok=True)
        for name, text in STAND_INS.items():
            (path / name).write_text(f"#!/bin/sh\n{text.format(**found)}\n")
            (path / name).chmod(0o755)
        done = subprocess.run(
            [str(KIND / "playground"), *argv],
            capture_output=True,
            text=True,
            timeout=300,
            env={
                "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(self.folder),
                "KUBECONFIG": str(self.kubeconfig),
                "KWOK_MANIFESTS": str(kwok.build()),
                "IMAGE": "registry.example/vps-autoscaler:0.1.0",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kubectl(self, *argv: str) -> str:
        """Run kubectl as the person at the terminal does."""
        return subprocess.run(
            [str(self.tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *argv],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout

    def ready(self) -> list[str]:
        """Name the Nodes that kubectl shows as ready."""
        lines = self.kubectl("get", "nodes", "--no-headers").splitlines()
        return [each.split()[0] for each in lines if each.split()[1] == "Ready"]

    def running(self) -> int:
        """Count the pods that kubectl shows as running."""
        return self.kubectl("get", "pods", "--no-headers").count(" Running ")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Run the control plane."""
    folder = tmp_path_factory.mktemp("plane") / "c"
    with programs.running(Plane(programs.built(*TOOLS), folder)) as plane:
        yield plane


def installed(plane: Plane) -> list[helm.Object]:
    """Return what helm says that it installed."""
    done = helm.run(
        *("get", "manifest", RELEASE, f"--namespace={NAMESPACE}"),
        f"--kubeconfig={plane.kubeconfig}",
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_what_the_script_installs_makes_nodes_come_and_go(
    plane: Plane, folder: Path, binary: Path
) -> None:
    if int(minor(binary).partition(".")[2]) < 32:
        pytest.skip("the chart takes the autoscaler of the cluster's own minor")
    said = plane.playground()
    assert f"kubectl --context {CONTEXT} get nodes -w" in said
    assert "going on with it" in plane.playground(), "a second start does no harm"
    if not plane.kwok.log.exists():
        plane.kwok.start()
    made = installed(plane)
    (deployment,) = helm.kind(made, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    pod = rendered_pod.Pod(spec, helm.kind(made, "ConfigMap"), folder)
    token = plane.kubectl("-n", NAMESPACE, "create", "token", RELEASE, "--duration=2h").strip()
    identity = rendered_pod.account(plane.kubeconfig, token, folder / "kubeconfig")
    document = yaml.safe_load(identity.read_text())
    for each in document["contexts"]:
        each["context"]["namespace"] = NAMESPACE  # in a pod it is the pod's
    identity.write_text(yaml.safe_dump(document))
    pod.join_as(identity)
    server, autoscaler = pod.server(), pod.autoscaler(binary, identity, NAMESPACE)
    beside = (plane.kwok, plane.manager, server, autoscaler)

    def until(condition: object, what: str) -> None:
        waiting.until(condition, what, meanwhile=lambda: [each.check() for each in beside])  # type: ignore[arg-type]

    try:
        server.start()
        server.says("serving")
        autoscaler.start()
        plane.kubectl("--context", CONTEXT, "apply", "-f", str(KIND / "deployment.yaml"))
        until(lambda: plane.running() == 4, "the pods run")
        first = plane.ready()
        assert len(first) == 2
        plane.kubectl("--context", CONTEXT, "scale", "deployment", "play", "--replicas=12")
        until(lambda: plane.running() == 12, "more pods run")
        assert set(first) < set(plane.ready())
        plane.kubectl("--context", CONTEXT, "delete", "deployment", "play")
        until(lambda: not plane.kubectl("get", "nodes", "-o=name"), "the Nodes go")
        assert not REFUSED.findall(autoscaler.output())
        assert not REFUSED.findall(server.output())
    finally:
        autoscaler.stop()
        server.stop()
        plane.kubectl("delete", "deployment", "play", "--ignore-not-found")
        plane.kubectl("delete", "nodes", "--all")
        plane.kubectl("-n", NAMESPACE, "delete", "lease/cluster-autoscaler", "--ignore-not-found")
