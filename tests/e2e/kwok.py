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


def version() -> str:
    """Tell which release the playground's script takes."""
    found = re.search(r"^KWOK_VERSION=(v[0-9.]+)$", SCRIPT.read_text(), re.MULTILINE)
    assert found, f"{SCRIPT} pins no KWOK_VERSION"
    return found[1]


def folder() -> Path:
    """Name where the program and its stages are kept."""
    return Path.home() / ".cache" / "vps-autoscaler" / f"kwok-{version()}"


def build() -> Path:
    """Build it unless it is there; give its folder. Raises CalledProcessError."""
    there = folder()
    if (there / "stages.yaml").exists():
        return there
    if shutil.which("go") is None:
        sys.exit("kwok is not built yet, and Go is not here to build it with")
    sys.stderr.write(f"building kwok {version()}: minutes, once\n")
    surroundings = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(there), "GOWORK": "off"}
    subprocess.run(
        ["go", "install", f"{MODULE}/cmd/kwok@{version()}"], check=True, env=surroundings
    )
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{version()}"],
        check=True,
        env=surroundings,
        stdout=subprocess.PIPE,
    )
    stages = Path(json.loads(told.stdout)["Dir"]) / "kustomize" / "stage"
    # What the manifest stage-fast.yaml of a release consists of.
    parts = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
    found = [
        path.read_text()
        for part in parts
        for path in sorted((stages / part).glob("*.yaml"))
        if yaml.safe_load(path.read_text())["kind"] == "Stage"
    ]
    # Last: a build that broke off is done again.
    (there / "stages.yaml").write_text("\n---\n".join(found))
    return there


def program(kubeconfig: Path, logs: Path) -> programs.Program:
    """Make the process, with the options that its manifest in a cluster has."""
    there = build()
    return programs.Program(
        "kwok",
        [
            str(there / "kwok"),
            f"--config={there / 'stages.yaml'}",
            f"--kubeconfig={kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            "--node-ip=127.0.0.1",
        ],
        logs,
        {"HOME": str(logs)},
    )
