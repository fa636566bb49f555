"""A real API server without anything of ours, kubectl, and what of others is put on it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests import absent
from tests.e2e import controlplane, waiting

ROOT = Path(__file__).parents[2]
PROGRAMS = ("etcd", "kube-apiserver", "kube-scheduler", "kubectl")
CRD = ROOT / "deploy" / "crds" / "vpsnodes.yaml"
SHARED = ROOT.parent / "shared"
SEED = SHARED / "seed" / "blocks"
KUBEROAPPS = SHARED / "crds" / "kuberoapps.application.kubero.dev.yaml"
POOL = "vps-hetzner-fsn1"
"""The name that the seed's example has."""

Object = dict[str, Any]


def shared(path: Path) -> str:
    """Name a file of ../shared; skips the test where that is not there."""
    if not path.exists():
        absent.skip(absent.Need.SHARED)
    return str(path)


def example(name: str = POOL, **spec: Any) -> Object:
    """Return a VPSNode that says what the seed's example says, with fields set (None removes)."""
    said: Object = {
        "provider": "hetzner",
        "region": "fsn1",
        "instanceType": "cx23",
        "autoScale": {"enabled": True, "minNodes": 1, "maxNodes": 5},
        "labels": {"provider": "hetzner", "region": "fsn1", "node-type": "vps"},
        "taints": [{"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}],
        **spec,
    }
    return {
        "apiVersion": "kubero.dev/v1alpha1",
        "kind": "VPSNode",
        "metadata": {"name": name},
        "spec": {key: each for key, each in said.items() if each is not None},
    }


class Cluster(controlplane.ControlPlane):
    """A control plane, and kubectl as its administrator."""

    def __init__(self, tools: Path, folder: Path, *flags: str) -> None:
        super().__init__(tools, folder)
        self._tools = tools
        (server,) = (each for each in self.programs if each.name == "kube-apiserver")
        # As kubeadm's clusters have it; Kubero's builds ask for it.
        server.argv += ["--allow-privileged=true", *flags]

    def run(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; never fails by itself."""
        return subprocess.run(
            [str(self._tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        """Run kubectl; it must succeed."""
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(argv)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, *what: Object | str, more: tuple[str, ...] = ()) -> str:
        """Apply objects, or files by their path."""
        said = ""
        for each in what:
            if isinstance(each, str):
                said += self.kubectl("apply", "-f", each, *more)
            else:
                said += self.kubectl("apply", "-f", "-", *more, stdin=yaml.safe_dump(each))
        return said

    def refusal(self, what: Object) -> str:
        """Return what kubectl says when it is refused; it must be."""
        done = self.run("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(what))
        assert done.returncode != 0, done.stdout
        return done.stderr

    def get(self, *argv: str) -> Object:
        """Get an object."""
        return dict(yaml.safe_load(self.kubectl("get", *argv, "-o=yaml")))

    def tried(self, path: str, what: Object) -> Object:
        """Return what would become of an object that is created, or say why it would not."""
        with self.client() as api:
            done = api.post(path, params={"dryRun": "All"}, json=what)
        assert done.is_success, done.text
        return dict(done.json())

    def install_crd(self, path: str) -> None:
        """Apply a CRD and wait until its kind is served as it says."""
        name = yaml.safe_load(Path(path).read_text())["metadata"]["name"]
        self.kubectl("apply", "-f", path)
        self.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
        waiting.until(
            lambda: self.run("get", name).returncode == 0, f"{name} is served", meanwhile=self.check
        )
