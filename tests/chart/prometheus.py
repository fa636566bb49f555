"""Have Prometheus and promtool: from PATH, named, or unpacked from Debian's package.

Unpacked, not installed: the package would start a service. What is unpacked is kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ("promtool", "prometheus")


def folder() -> Path:
    """Name the folder of what is made here; an empty VPS_CHART_BIN counts as unset."""
    chosen = os.environ.get("VPS_CHART_BIN")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path.home() / ".cache" / "vps-autoscaler" / "chart-bin"


def find(program: str) -> str | None:
    """Find one: PROMTOOL or PROMETHEUS, PATH, or what was unpacked here.

    Raises LookupError when the variable names no program.
    """
    named = os.environ.get(program.upper())
    if named:
        found = shutil.which(named)
        if found is None:
            raise LookupError(f"{program.upper()} names no program: {named}")
        return found
    kept = folder() / program
    return shutil.which(program) or (str(kept) if kept.exists() else None)


def unpack() -> None:
    """Unpack both into our folder unless they are found; says why when that cannot be."""
    if all(find(each) for each in PROGRAMS):
        return
    if not all(shutil.which(each) for each in ("apt-get", "dpkg-deb")):
        sys.exit("Prometheus is not here, and neither is apt-get to have Debian's package")
    sys.stderr.write("unpacking Debian's prometheus: once\n")
    folder().mkdir(parents=True, exist_ok=True)
    # On one file system, so that each appears whole, and two who unpack do not meet.
    with tempfile.TemporaryDirectory(dir=folder()) as scratch:
        got = subprocess.run(
            ["apt-get", "download", "-qq", "prometheus"],
            cwd=scratch,
            capture_output=True,
            text=True,
        )
        packages = list(Path(scratch).glob("prometheus_*.deb"))
        if not packages:
            sys.exit(f"Debian's prometheus cannot be downloaded: {got.stderr.strip()}")
        subprocess.run(["dpkg-deb", "-x", packages[0], scratch], check=True)
        for program in PROGRAMS:
            (Path(scratch) / "usr" / "bin" / program).replace(folder() / program)


if __name__ == "__main__":
    unpack()
