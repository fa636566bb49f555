"""Skip what needs helm where there is none; run an API server for the rest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart import helm, installing
from tests.e2e import programs
from tests.kube import plane as planes

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs helm."""
    try:
        found = helm.find()
    except LookupError as wrong:
        raise pytest.UsageError(str(wrong)) from wrong
    if found is None:
        for item in items:
            if item.path.parent == HERE and item.get_closest_marker("helm"):
                item.add_marker(pytest.mark.skip(reason=helm.REASON))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installing.Plane]:
    """Run a real API server; its programs are built when they are not there."""
    folder = tmp_path_factory.mktemp("plane") / "c"
    with programs.running(installing.Plane(programs.built(*planes.PROGRAMS), folder)) as plane:
        yield plane


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short name: a socket's path has 108 bytes at most."""
    made = Path(tempfile.mkdtemp(prefix="chart-"))
    yield made
    shutil.rmtree(made)


def _helms() -> list[str]:
    try:
        return helm.every()
    except LookupError:
        return []  # the hook above says it


@pytest.fixture(params=_helms(), ids=lambda path: Path(path).parent.name + "/" + Path(path).name)
def each_helm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with every Helm that is here, 3 and 4 (make chart-versions)."""
    path: str = request.param
    monkeypatch.setenv("HELM", path)
    return path


@pytest.fixture
def installed(plane: installing.Plane) -> Iterator[helm.Object]:
    """Install the release that joins machines; give its values."""
    plane.helm("install", installing.RELEASE, str(helm.CHART), values=installing.JOINING)
    try:
        yield installing.JOINING
    finally:
        plane.helm("uninstall", installing.RELEASE)
