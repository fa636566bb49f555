"""What the server imports is what it declares: an image holds nothing else."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"externalgrpc", "providers"}
CONFORMANCE = ROOT / "providers" / "conformance"
"""For authors of clouds, with dependencies of its own (the extra `conformance`)."""


def imported(folder: Path) -> dict[str, str]:
    """Return the top-level modules that a package's files import, each with one of the files."""
    found: dict[str, str] = {}
    for path in folder.rglob("*.py"):
        if CONFORMANCE in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], str(path.relative_to(ROOT)))
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_of_the_server_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[^\w.-]", each)[0]) for each in project["dependencies"]}
    packages = importlib.metadata.packages_distributions()
    undeclared = {
        f"{module} ({path})"
        for package in sorted(OURS)
        for module, path in imported(ROOT / package).items()
        if module not in sys.stdlib_module_names | OURS
        and not {normal(each) for each in packages.get(module, [module])} & declared
    }
    assert undeclared == set()


def test_what_is_locked_for_the_image_holds_all_that_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        normal(line.partition("==")[0])
        for line in (ROOT / "requirements" / "run.txt").read_text().splitlines()
        if "==" in line and not line.startswith(" ")
    }
    assert {normal(re.split(r"[^\w.-]", each)[0]) for each in project["dependencies"]} <= locked


STUBS = {
    "grpcio": (r"GRPC_GENERATED_VERSION = '([\d.]+)'", "*_pb2_grpc.py"),
    "protobuf": (r"Protobuf Python Version: ([\d.]+)", "*_pb2.py"),
}
"""What generated code refuses to be loaded with, each with what says it and where."""


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def floors() -> dict[str, tuple[int, ...]]:
    """Return the oldest version of each dependency that we say to work with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pairs = (each.split(">=") for each in project["dependencies"])
    return {normal(name): numbers(version) for name, version in pairs}


@pytest.mark.parametrize("library", STUBS)
def test_the_oldest_version_that_is_declared_loads_the_stubs(library: str) -> None:
    pattern, files = STUBS[library]
    stubs = list((ROOT / "externalgrpc" / "pb").glob(files))
    made_by = {found for each in stubs for found in re.findall(pattern, each.read_text())}
    assert stubs
    assert {numbers(each) for each in made_by} == {floors()[library]}


def test_what_comes_with_grpcio_is_of_its_version() -> None:
    held = floors()
    assert held["grpcio-health-checking"] == held["grpcio-reflection"] == held["grpcio"]


def test_what_is_locked_is_no_older_than_what_is_declared() -> None:
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    locked = {
        normal(found[1]): numbers(found[2])
        for line in lines
        if (found := re.match(r"([\w.-]+)==([\d.]+)", line))
    }
    assert [name for name, oldest in floors().items() if locked[name] < oldest] == []
