"""Build kwok, as the playground pins it, and run it: it plays the kubelets of fake Nodes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.e2e import programs

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "kind" / "playground"
MODULE = "sigs.k8s.io/kwok"
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "garbage-collector-controller",
)
STAGES = "stage-fast.yaml"
"""What a release calls its stages, and the one file that a build writes last."""


def version() -> str:
    """Return which release the playground's script takes."""
    found = re.search(r"^KWOK_VERSION=(v[0-9.]+)$", SCRIPT.read_text(), re.MULTILINE)
    assert found, f"{SCRIPT} pins no KWOK_VERSION"
    return found[1]


def folder() -> Path:
    """Name where the program and its stages are kept."""
    return Path.home() / ".cache" / "vps-autoscaler" / f"kwok-{version()}"


def build() -> Path:
    """Build it unless it is there; give its folder. Raises CalledProcessError."""
    there = folder()
    if (there / STAGES).exists():
        return there
    if shutil.which("go") is None:
        sys.exit("kwok is not built yet, and Go is not here to build it with")
    sys.stderr.write(f"building kwok {version()}: minutes, once\n")
    surroundings = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(there), "GOWORK": "off"}
    subprocess.run(
        ["go", "install", f"{MODULE}/cmd/kwok@{version()}"], check=True, env=surroundings
    )
    module = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{version()}"],
        check=True,
        env=surroundings,
        stdout=subprocess.PIPE,
    )
    parts = Path(json.loads(module.stdout)["Dir"]) / "kustomize"
    # The manifests of a release, as far as they can be without its image: kinds, and stages.
    kinds = _joined([parts / "crd" / "bases"], "CustomResourceDefinition")
    (there / "kwok.yaml").write_text(kinds)
    stages = [parts / "stage" / each for each in ("node/fast", "pod/fast")]
    stages.append(parts / "stage" / "node" / "heartbeat-with-lease")
    (there / STAGES).write_text(_joined(stages, "Stage"))
    return there


def _joined(folders: list[Path], kind: str) -> str:
    texts = [path.read_text() for folder in folders for path in sorted(folder.glob("*.yaml"))]
    return "\n---\n".join(each for each in texts if yaml.safe_load(each)["kind"] == kind)


def manager(tools: Path, kubeconfig: Path, logs: Path) -> programs.Program:
    """Make the controller manager, with what makes pods and cleans up after Nodes."""
    return programs.Program(
        "kube-controller-manager",
        [
            str(tools / "kube-controller-manager"),
            f"--kubeconfig={kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
        ],
        logs,
    )


def program(kubeconfig: Path, logs: Path, *, installed: bool = False) -> programs.Program:
    """Make kwok's process, with the options that its manifest in a cluster has.

    Its stages are the objects of a cluster that has them ``installed``, else those of a file.
    """
    there = build()
    stages = "--enable-crds=Stage" if installed else f"--config={there / STAGES}"
    return programs.Program(
        "kwok",
        [
            str(there / "kwok"),
            stages,
            f"--kubeconfig={kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            "--node-ip=127.0.0.1",
        ],
        logs,
        {"HOME": str(logs)},
    )
