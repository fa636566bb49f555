"""Run helm on the chart: lint it, render it, and look at what came out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.chart.prometheus import folder

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
VALUES = CHART / "ci"
NAMESPACE = "machines"
FOREIGN = ("monitoring.coreos.com/v1", "cert-manager.io/v1")
"""Kinds of others that our templates ask for."""

VERSION = "v4.3.1"
VERSION_3 = "v3.22.0"
REASON = "no helm: 'make chart' builds it with Go; or put it on PATH, or name it in HELM"

Object = dict[str, Any]


def find() -> str | None:
    """Find helm: HELM, PATH, or what was built here; raises LookupError when HELM names none."""
    named = os.environ.get("HELM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise LookupError(f"HELM names no program: {named}")
        return found
    built = folder() / "helm"
    return shutil.which("helm") or (str(built) if built.exists() else None)


def every() -> list[str]:
    """Name all that are here: what is found, and Helm 3 where it was built; may be none."""
    found = [find(), _helm_3() if Path(_helm_3()).exists() else None]
    return list(dict.fromkeys(each for each in found if each))


def _helm_3() -> str:
    return str(folder() / "helm3" / "helm")


def major() -> int:
    """Return of which major version the helm is that is run."""
    return int(run("version", "--template={{.Version}}").stdout.removeprefix("v").partition(".")[0])


def run(*argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm; never fails by itself. It sees no configuration of the person who runs it."""
    program = find()
    assert program is not None, REASON
    surroundings = {key: each for key, each in os.environ.items() if not key.startswith("HELM_")}
    return subprocess.run(
        [program, *argv],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**surroundings, "KUBECONFIG": os.devnull},
    )


def rendered(
    values: str | Object,
    *argv: str,
    release: str = "vps-autoscaler",
    kube: str = "1.36",
    chart: Path = CHART,
) -> subprocess.CompletedProcess[str]:
    """Render the chart with a file of ci/ or a mapping."""
    known = [each for api in FOREIGN for each in ("--api-versions", api)]
    return run(
        "template",
        release,
        str(chart),
        f"--namespace={NAMESPACE}",
        f"--kube-version={kube}",
        f"--values={'-' if isinstance(values, dict) else file_of(values)}",
        *known,
        *argv,
        stdin=json.dumps(values) if isinstance(values, dict) else None,
    )


def file_of(name: str) -> Path:
    """Return the path of values of ci/."""
    return VALUES / f"{name}-values.yaml"


def objects(values: str | Object, *argv: str, **how: Any) -> list[Object]:
    """Return what the chart makes; it must render."""
    done = rendered(values, *argv, **how)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def kind(of: Iterable[Object], name: str) -> list[Object]:
    """Pick the objects of a kind."""
    return [each for each in of if each["kind"] == name]


def build() -> None:
    """Build helm into our folder unless one is found; raises CalledProcessError."""
    if find() is None:
        go_install(f"helm.sh/helm/v4/cmd/helm@{VERSION}", folder())


def build_3() -> None:
    """Build Helm 3 beside it, likewise."""
    if not Path(_helm_3()).exists():
        go_install(f"helm.sh/helm/v3/cmd/helm@{VERSION_3}", Path(_helm_3()).parent)


def go_install(what: str, to: Path) -> None:
    """Build a program with Go; raises CalledProcessError."""
    if shutil.which("go") is None:
        sys.exit(f"{what} is not here, and neither is Go to build it with")
    sys.stderr.write(f"building {what}: minutes, once\n")
    environ = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(to), "GOWORK": "off"}
    subprocess.run(["go", "install", what], check=True, env=environ)


if __name__ == "__main__":
    build()
    if "3" in sys.argv[1:]:
        build_3()
