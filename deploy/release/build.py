"""Write a release into a folder (make release): wheel, sdist, chart, bill of materials, checksums.

All of it comes from a commit, never from the work tree, and no clock goes into it: times are the
commit's, modes and owners are one for all. So two runs with the same tools give the same bytes.
The Python that runs this needs requirements/release.txt.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = "vps-autoscaler"
SUMS = "SHA256SUMS"
HOOK = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
BY_HAND = {"protobuf": "BSD-3-Clause"}
"""Licences of packages whose metadata says none; read in their source."""
UNRUN = ("pip", "setuptools")
"""In a fresh environment, but not in the image."""


def main(argv: list[str] | None = None) -> None:
    """Build; raises SystemExit with a sentence when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--helm", required=True, help="path of helm")
    parser.add_argument("--no-sbom", action="store_true", help="leave the bill of materials out")
    parser.add_argument("into", type=Path)
    said = parser.parse_args(argv)
    os.umask(0o022)  # a wheel carries the modes of what its build writes, too
    into = said.into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise SystemExit(f"{into} is not empty: a release is written into an empty folder")
    if _git("status", "--porcelain", "--untracked-files=no"):
        print(f"the work tree has changes: they are not in the release of {said.commit}")
    epoch = int(_git("show", "-s", "--format=%ct", f"{said.commit}^{{commit}}"))
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        tree = Path(scratch) / "tree"
        export(said.commit, tree)
        project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
        packages(tree, into, epoch)
        chart(tree, into, said.helm, project["version"], epoch)
        if not said.no_sbom:
            sbom(tree, into, Path(scratch) / "run", project["version"], epoch)
    (into / SUMS).write_text(checksums(into))
    print((into / SUMS).read_text(), end="")


def _git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def _run(*argv: str | Path, epoch: int, cwd: Path | None = None) -> None:
    """Run a program quietly, unless it fails."""
    done = subprocess.run(
        [str(each) for each in argv],
        cwd=cwd,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{argv[0]} failed:\n{done.stdout}{done.stderr}")


def export(commit: str, tree: Path) -> None:
    """Unpack a commit with one mode for all files: a wheel carries them along."""
    done = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(tree, filter="data")
    for path in tree.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def packages(tree: Path, into: Path, epoch: int) -> None:
    """Build wheel and sdist."""
    for hook in ("build_sdist", "build_wheel"):
        _run(sys.executable, "-c", HOOK, hook, into, epoch=epoch, cwd=tree)
    for path in into.glob("*.tar.gz"):
        pack_again(path, epoch)


def chart(tree: Path, into: Path, helm: str, version: str, epoch: int) -> None:
    """Package the chart; its versions are the project's."""
    said = ("--version", version, "--app-version", version)
    source = tree / "deploy" / "chart"
    _run(helm, "package", source, *said, "--destination", into, epoch=epoch)
    pack_again(into / f"{NAME}-{version}.tgz", epoch)


def pack_again(path: Path, epoch: int) -> None:
    """Write a .tar.gz anew: members sorted, no owners, one time, one mode for files of a kind."""
    inner = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=inner, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.linkname = member.type, member.size, member.linkname
            plain.mtime = epoch
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(plain, old.extractfile(member) if member.isfile() else None)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=epoch) as zipped:
        zipped.write(inner.getvalue())


def sbom(tree: Path, into: Path, room: Path, version: str, epoch: int) -> None:
    """Install what the image holds, and write down what that is, with licences.

    Ours is installed by its name out of ``into``, for a path would be written down too.
    """
    venv.create(room, with_pip=True)
    python = room / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    locked = tree / "requirements" / "run.txt"
    _run(*pip, "--no-compile", "--require-hashes", "-r", locked, epoch=epoch)
    ours = ("--no-index", "--no-deps", "--only-binary=:all:", "--find-links", into)
    _run(*pip, *ours, f"{NAME}=={version}", epoch=epoch)
    _run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *UNRUN, epoch=epoch)
    path = into / f"{NAME}-{version}.cdx.json"
    program = Path(sys.executable).parent / "cyclonedx-py"
    about = ("--pyproject", tree / "pyproject.toml", "--mc-type", "application")
    _run(
        *(program, "environment", "--output-reproducible", "--sv", "1.6", "-o", path),
        *(*about, python),
        epoch=epoch,
    )
    complete(path)


def complete(path: Path) -> None:
    """Add the licences that we know by hand; raises SystemExit when one is still missing."""
    bill = json.loads(path.read_text())
    for each in bill["components"]:
        if not each.get("licenses") and (known := BY_HAND.get(each["name"])):
            each["licenses"] = [{"license": {"id": known, "acknowledgement": "concluded"}}]
    bare = [each["name"] for each in bill["components"] if not each.get("licenses")]
    if bare:
        raise SystemExit(
            f"no licence is said by {', '.join(bare)}: read its source, and add it to BY_HAND"
        )
    path.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")


def checksums(folder: Path) -> str:
    """Return the lines that sha256sum --check reads."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != SUMS
    )


if __name__ == "__main__":
    main()
