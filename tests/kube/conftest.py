"""Run one real API server for all tests that need it; and a small one in memory for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from externalgrpc.kube import api
from tests.e2e import programs
from tests.kube import apiserver
from tests.kube import plane as planes


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[planes.Plane]:
    """Run a real API server; its programs are built when they are not there."""
    folder = tmp_path_factory.mktemp("plane") / "control"
    with programs.running(planes.Plane(programs.built(*planes.PROGRAMS), folder)) as plane:
        yield plane


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
    with programs.running(apiserver.FakeServer()) as server:
        yield server


@pytest.fixture
def link(server: apiserver.FakeServer, tmp_path: Path) -> api.Api:
    """Connect to it."""
    return server.api(tmp_path)
