"""Print what the image holds beside its base, by part (make sizes).

Runs the Dockerfile's steps into a scratch environment with the Python that runs this, and weighs
each distribution's files: as they lie, and as a gzip'd tar of their own (which is a little more
than their share of the image's layer, for nothing is packed across parts).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOWN = 10
PARTS = """
import importlib.metadata
for each in importlib.metadata.distributions():
    for file in each.files or ():
        print(each.name, file.locate(), sep="\\t")
"""


def main() -> None:
    """Install, weigh, print a Markdown table."""
    with tempfile.TemporaryDirectory(prefix="sizes-") as scratch:
        room = Path(scratch) / "vps-autoscaler"
        python = install(room)
        rows = [(name, *weigh(files)) for name, files in parts(python).items()]
        whole = ("all of /opt/vps-autoscaler", *weigh([room]))
    rows.sort(key=lambda row: -row[2])
    rest = rows[SHOWN:]
    rows = rows[:SHOWN]
    if rest:
        rows.append((f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest)))
    print("| part | MB | MB compressed |\n|---|---|---|")
    for name, plain, packed in [*rows, whole]:
        print(f"| {name} | {plain / 1e6:.1f} | {packed / 1e6:.1f} |")


def install(room: Path) -> Path:
    """Do what the Dockerfile's first stage does; give the environment's Python."""
    source = room.parent / "src"  # a build writes beside what it builds
    for each in ("externalgrpc", "providers"):
        shutil.copytree(ROOT / each, source / each, ignore=shutil.ignore_patterns("__pycache__"))
    for each in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / each, source)
    venv.create(room, with_pip=True, symlinks=True)
    python = room / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for step in (
        ["install", "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt")],
        ["install", "--no-deps", "--no-build-isolation", str(source)],
        ["uninstall", "--yes", "pip", "setuptools"],
    ):
        subprocess.run([*pip, *step], check=True, cwd=room)
    return python


def parts(python: Path) -> dict[str, list[Path]]:
    """Return every distribution's files; compiled ones lie beside them."""
    done = subprocess.run([python, "-c", PARTS], check=True, capture_output=True, text=True)
    found: dict[str, list[Path]] = {}
    for line in done.stdout.splitlines():
        name, _, file = line.partition("\t")
        if Path(file).is_file():
            found.setdefault(name, []).append(Path(file))
    return found


def weigh(paths: list[Path]) -> tuple[int, int]:
    """Return the bytes of files and folders, plain and as a gzip'd tar."""
    packed = io.BytesIO()
    plain = 0
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
        for path in paths:
            archive.add(path)
            files = path.rglob("*") if path.is_dir() else [path]
            plain += sum(each.lstat().st_size for each in files if not each.is_dir())
    return plain, len(packed.getvalue())


if __name__ == "__main__":
    main()
