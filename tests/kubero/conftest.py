"""Run a real API server for what is said to it here: pytest -m e2e tests/kubero."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import programs
from tests.kubero import cluster


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder of the programs; they are built when they are not there."""
    return programs.built(*cluster.PROGRAMS)


@pytest.fixture(scope="module")
def plane(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """Run an API server with nothing in it, for one file of tests."""
    folder = tmp_path_factory.mktemp("plane") / "control"
    with programs.running(cluster.Cluster(tools, folder)) as plane:
        yield plane
