"""Have kubectl-validate, and the schemas of the Kubernetes releases that it does not bring itself.

The schemas are those that each release publishes beside its source, taken from its Go module.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chart import helm
from tests.chart.prometheus import folder

PROGRAM = "kubectl-validate"
VERSION = "v0.0.4"
RELEASES = {
    "1.31": "v1.31.14",
    "1.32": "v1.32.13",
    "1.33": "v1.33.9",
    "1.34": "v1.34.9",
    "1.35": "v1.35.4",
    "1.36": "v1.36.2",
    "1.37": "v1.37.0",
}
_SUFFIX = "_openapi.json"


def find() -> str | None:
    """Find the program: on PATH, or built here."""
    built = folder() / PROGRAM
    return shutil.which(PROGRAM) or (str(built) if built.exists() else None)


def schemas(minor: str) -> Path:
    """Return where the schemas of a release lie, or would lie."""
    return folder() / "openapi" / RELEASES[minor]


def validated(objects: Sequence[helm.Object], minor: str, crds: Path) -> str:
    """Return what the program finds wrong with objects on a release; empty for nothing."""
    program = find()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="validate-") as scratch:
        for number, each in enumerate(objects):
            (Path(scratch) / f"{number:03}.json").write_text(json.dumps(each))
        # Its own newest release is 1.30: without a version it would ask a cluster or GitHub.
        done = subprocess.run(
            [
                program,
                "--version=",
                f"--local-schemas={schemas(minor)}",
                f"--local-crds={crds}",
                scratch,
            ],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "KUBECONFIG": os.devnull},
        )
    said = (done.stdout + done.stderr).strip()
    assert done.returncode or said.count("OK") == len(objects), said
    return said if done.returncode else ""


def build() -> None:
    """Build it, and copy the schemas; raises CalledProcessError."""
    if find() is None:
        helm.go_install(f"sigs.k8s.io/kubectl-validate@{VERSION}", folder())
    for minor, release in RELEASES.items():
        if not schemas(minor).exists():
            _copy(release, schemas(minor))


def _copy(release: str, to: Path) -> None:
    sys.stderr.write(f"fetching the schemas of Kubernetes {release}: once\n")
    got = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{release}"],
        check=True,
        stdout=subprocess.PIPE,
        cwd=tempfile.gettempdir(),  # no module's folder
    )
    source = Path(json.loads(got.stdout)["Dir"]) / "api" / "openapi-spec" / "v3"
    to.parent.mkdir(parents=True, exist_ok=True)
    # On one file system, so that they appear all at once.
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        for file in source.glob(f"api*{_SUFFIX}"):
            *path, version = file.name.removesuffix(_SUFFIX).split("__")
            if path == ["api"] or len(path) == 2:  # the others are lists of groups and versions
                at = Path(scratch, "all", *path)
                at.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, at / f"{version}.json")
        Path(scratch, "all").replace(to)


if __name__ == "__main__":
    build()
