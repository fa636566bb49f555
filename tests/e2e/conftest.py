"""Wire the scenarios: which autoscalers, one control plane, a world for each scenario."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e import binaries, controlplane, programs, world

ASK = "run tests/e2e/run (or pytest -m e2e) for the end-to-end tests"

Wrapped = Generator[None, pytest.TestReport, pytest.TestReport]

_lines = pytest.StashKey[list[str]]()
_worlds = pytest.StashKey[Sequence[world.World]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the timings of the run here."""
    config.stash[_lines] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run scenarios without a binary."""
    scenarios = [item for item in items if item.get_closest_marker("e2e")]
    if not scenarios or "e2e" not in config.option.markexpr:
        return
    try:
        binaries.find(os.environ)
    except binaries.MissingError as missing:
        raise pytest.UsageError(str(missing)) from missing
    # A killed run must stop what it started: SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every scenario with every autoscaler, one autoscaler after the other."""
    if "binary" not in metafunc.fixturenames:
        return
    try:
        paths = binaries.find(os.environ)
    except binaries.MissingError:
        paths = (Path(binaries.NAME),)
    metafunc.parametrize("binary", paths, ids=binaries.labels(paths), scope="session")


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Run a control plane for all scenarios; its programs are built when they are not there."""
    yield from _control_plane(tmp_path_factory.mktemp("plane"))


@pytest.fixture(scope="session")
def other_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Run the control plane of another cluster."""
    yield from _control_plane(tmp_path_factory.mktemp("other"))


def _control_plane(folder: Path) -> Iterator[controlplane.ControlPlane]:
    with programs.running(controlplane.ControlPlane(programs.built(), folder / "control")) as plane:
        yield plane


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    plane: controlplane.ControlPlane,
    binary: Path,
    tmp_path: Path,
) -> Iterator[world.World]:
    """Give a scenario its world, and print its timings."""
    built = world.World(tmp_path, plane, binary)
    with _reported(request, built):
        yield built


@pytest.fixture
def pair(
    request: pytest.FixtureRequest,
    plane: controlplane.ControlPlane,
    other_plane: controlplane.ControlPlane,
    binary: Path,
    tmp_path: Path,
) -> Iterator[tuple[world.World, world.World]]:
    """Give a scenario the worlds of two clusters; the first one's timings are printed."""
    first = world.World(tmp_path / "a", plane, binary, "a")
    second = world.World(tmp_path / "b", other_plane, binary, "b")
    with _reported(request, first, second):
        yield first, second


@contextlib.contextmanager
def _reported(request: pytest.FixtureRequest, *built: world.World) -> Iterator[None]:
    request.node.stash[_worlds] = built
    try:
        yield
    finally:
        for each in reversed(built):
            each.close()
        timings = ", ".join(built[0].timings) or "nothing came to pass"
        line = f"{request.node.name}: {timings}"
        request.config.stash[_lines].append(line)
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{line}\n")
            sys.stdout.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Wrapped:
    """Show the end of every program's log with a failure, and where the whole of it lies."""
    report = yield
    if report.failed and _worlds in item.stash:
        for built in item.stash[_worlds]:
            report.sections.append(("logs are kept in", str(built.folder)))
            report.sections += [(f"end of the log of {name}", end) for name, end in built.logs()]
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List every scenario's timings once more, together."""
    if config.stash[_lines]:
        terminalreporter.section("end to end")
        for line in config.stash[_lines]:
            terminalreporter.write_line(line)
