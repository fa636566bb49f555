"""Leave out what there is no tool for, with one reason; the cluster only when it is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart import helm, installing
from tests.kube import plane as planes

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs an API server (pytest -m e2e), skip what needs helm."""
    here = [item for item in items if item.path.parent == HERE]
    if "e2e" not in config.option.markexpr:
        left = [item for item in here if item.get_closest_marker("e2e")]
        if left:
            items[:] = [item for item in items if item not in left]
            config.hook.pytest_deselected(items=left)
    try:
        found = helm.find()
    except LookupError as wrong:
        raise pytest.UsageError(str(wrong)) from wrong
    if found is None:
        for item in here:
            if item.get_closest_marker("helm"):
                item.add_marker(pytest.mark.skip(reason=helm.REASON))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installing.Plane]:
    """Run a real API server; its programs are built when they are not there."""
    build = helm.ROOT / "tests" / "e2e" / "tools" / "build"
    built = subprocess.run(
        [sys.executable, str(build), *planes.PROGRAMS], stdout=subprocess.PIPE, check=True
    )
    running = installing.Plane(
        Path(built.stdout.decode().strip()), tmp_path_factory.mktemp("plane") / "c"
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


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
