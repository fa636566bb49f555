"""Write a version everywhere it stands (make version VERSION=0.2.0): pyproject.toml leads."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = {
    "pyproject.toml": r'^version = "(.+)"$',
    "externalgrpc/support/version.py": r'^VERSION = "(.+)"$',
    "deploy/chart/Chart.yaml": r"^(?:version|appVersion): (.+)$",
    "deploy/upstream-values.yaml": r"^ *image: vps-autoscaler:(.+)$",
}
"""Where it stands, by file: a pattern whose group is the version, for every line that has it."""
FORM = re.compile(r"\d+\.\d+\.\d+")
"""Of PEP 440 and of SemVer at once: a suffix is written differently by the two."""


def current() -> str:
    """Return the version that pyproject.toml says."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def said(root: Path = ROOT) -> dict[str, set[str]]:
    """Return the versions that each file says."""
    return {
        name: set(re.findall(pattern, (root / name).read_text(), re.MULTILINE))
        for name, pattern in PLACES.items()
    }


def write(version: str, root: Path = ROOT) -> None:
    """Write it; raises SystemExit, and writes nothing, when its form is not that of a release."""
    if not FORM.fullmatch(version):
        raise SystemExit(f"{version!r} is no version: three numbers with dots, as in 0.2.0")
    for name, pattern in PLACES.items():
        path = root / name
        text = re.sub(
            pattern,
            lambda line: line[0].replace(line[1], version),
            path.read_text(),
            flags=re.MULTILINE,
        )
        path.write_text(text)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else "")
