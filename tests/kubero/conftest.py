"""Run a real API server for what is said to it here: pytest -m e2e tests/kubero."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubero import cluster

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs built programs only when it is asked for."""
    if "e2e" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("e2e") and item.path.parent == HERE]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder of the programs; they are built when they are not there."""
    build = HERE.parent / "e2e" / "tools" / "build"
    built = subprocess.run(
        [sys.executable, str(build), *cluster.PROGRAMS], stdout=subprocess.PIPE, check=True
    )
    return Path(built.stdout.decode().strip())


@pytest.fixture(scope="module")
def plane(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """Run an API server with nothing in it, for one file of tests."""
    running = cluster.Cluster(tools, tmp_path_factory.mktemp("plane") / "control")
    try:
        running.start()
        yield running
    finally:
        running.stop()
