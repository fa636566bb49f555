"""Build the image from the Dockerfile with buildah or docker, whichever is there (make image).

Times in it are the commit's: with buildah in every layer, with docker in the image's own record
and in what is compiled. The base is a tag unless BASE names one by digest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LABEL = "org.opencontainers.image"
NONE = (
    "no engine builds images here: install buildah, which needs no daemon (Debian, Ubuntu: "
    "apt-get install buildah; Fedora: dnf install buildah), or start Docker"
)


def main() -> None:
    """Build; raises SystemExit with a sentence when there is nothing to build with."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    image = sys.argv[1] if len(sys.argv) > 1 else f"vps-autoscaler:{version}"
    engine = find()
    if engine is None:
        raise SystemExit(NONE)
    commit, epoch = _git("rev-parse", "HEAD"), _git("show", "-s", "--format=%ct", "HEAD")
    if _git("status", "--porcelain"):
        commit += "-dirty"
        print(f"the work tree has changes, and they go into the image: its revision is {commit}")
    labels = {"version": version, "revision": commit, "licenses": "Apache-2.0"}
    argv = [engine, *(["bud", "--timestamp", epoch] if engine == "buildah" else ["build"])]
    argv += [each for key, of in labels.items() for each in ("--label", f"{LABEL}.{key}={of}")]
    argv += ["--build-arg", f"SOURCE_DATE_EPOCH={epoch}"]
    if base := os.environ.get("BASE"):
        argv += ["--build-arg", f"BASE={base}"]
    done = subprocess.run([*argv, "--tag", image, "."], cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{engine} could not build the image; its own words are above")
    print(f"built {image} with {engine}")


def find() -> str | None:
    """Name the engine: buildah, or docker where its daemon answers."""
    if shutil.which("buildah"):
        return "buildah"
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "version"], capture_output=True)
        return None if asked.returncode else "docker"
    return None


def _git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
