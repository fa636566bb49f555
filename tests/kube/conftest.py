"""Leave the tests with a real API server out unless asked for, and run one for all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from externalgrpc.kube import api
from tests.kube import apiserver
from tests.kube import plane as planes

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs built programs only when it is asked for: pytest -m e2e tests/kube."""
    if "e2e" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("e2e") and item.path.parent == HERE]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[planes.Plane]:
    """Run a real API server; its programs are built when they are not there."""
    build = HERE.parent / "e2e" / "tools" / "build"
    built = subprocess.run(
        [sys.executable, str(build), *planes.PROGRAMS], stdout=subprocess.PIPE, check=True
    )
    folder = tmp_path_factory.mktemp("plane") / "control"
    running = planes.Plane(Path(built.stdout.decode().strip()), folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def fenced(plane: planes.Plane) -> Iterator[planes.Plane]:
    """Put the admission policy of deploy/ in force."""
    yield from _applied(plane, "admission-policy.yaml", planes.await_fence)


@pytest.fixture(scope="module")
def approving(plane: planes.Plane) -> Iterator[planes.Plane]:
    """Put the optional approval of deploy/ in force."""
    yield from _applied(plane, "own-approval.yaml", planes.await_approval)


def _applied(
    plane: planes.Plane, name: str, in_force: Callable[[planes.Plane], None]
) -> Iterator[planes.Plane]:
    path = str(planes.ROOT / "deploy" / name)
    plane.kubectl("apply", "-f", path)
    try:
        in_force(plane)
        yield plane
    finally:
        plane.kubectl("delete", "-f", path)


@pytest.fixture
def server() -> Iterator[apiserver.FakeServer]:
    """Run a small API server in memory."""
    running = apiserver.FakeServer()
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def link(server: apiserver.FakeServer, tmp_path: Path) -> api.Api:
    """Connect to it."""
    return server.api(tmp_path)
