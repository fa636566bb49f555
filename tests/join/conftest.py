"""Leave the joins out unless asked for; one control plane and one package source for all."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import programs
from tests.join import fake_metadata, metadata, mirror, plane, world
from tests.join import image as images

ASK = "run tests/join/run (make e2e-join)"
NEEDED = ("qemu-system-x86_64", "debugfs", "e2fsck", "gpg", "dpkg-deb")

Wrapped = Generator[None, pytest.TestReport, pytest.TestReport]

_lines = pytest.StashKey[list[str]]()
_worlds = pytest.StashKey[world.World]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the timings of the run here."""
    config.stash[_lines] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the joins when they are asked for, and then refuse to run where they cannot."""
    joins = [item for item in items if item.get_closest_marker("join")]
    if not joins:
        return
    if "join" not in config.option.markexpr.split():
        items[:] = [item for item in items if item not in joins]
        config.hook.pytest_deselected(items=joins)
        return
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise pytest.UsageError(f"not installed: {', '.join(missing)}")
    for address in (metadata.ADDRESS, plane.HOST):
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError as error:
                raise pytest.UsageError(f"{address} is not this network's: {ASK}") from error
    # A killed run must stop what it started: SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def image() -> Path:
    """Return the system that machines boot; tests/join/run builds it, where there is a network."""
    found = images.folder()
    assert (found / "disk").exists(), f"{found} was not built: {ASK}"
    return found


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder of the built programs."""
    return programs.built(*plane.PROGRAMS)


@pytest.fixture(scope="session")
def source(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[mirror.Mirror]:
    """Serve kubelet and kubeadm as packages."""
    running = mirror.Mirror(tools, tmp_path_factory.mktemp("mirror"), mirror.version_of(tools))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def control(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[plane.Plane]:
    """Run a control plane."""
    folder = tmp_path_factory.mktemp("plane") / "control"
    with programs.running(plane.Plane(tools, folder, mirror.version_of(tools))) as control:
        yield control


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    image: Path,
    control: plane.Plane,
    source: mirror.Mirror,
    tmp_path: Path,
) -> Iterator[world.World]:
    """Give a scenario its world, and print its timings; a scenario may name the cloud."""
    sky = fake_metadata.ALL[getattr(request, "param", fake_metadata.HETZNER.vendor.name)]
    built = world.World(tmp_path, image, control, source, sky)
    request.node.stash[_worlds] = built
    try:
        yield built
    finally:
        built.close()
        for machine in built.rack.machines.values():
            machine.disk.unlink(missing_ok=True)
        values = [f"{request.node.name}: {line}" for line in built.timings]
        request.config.stash[_lines] += values
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write("".join(f"\n{line}" for line in values) + "\n")
            sys.stdout.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Wrapped:
    """Show consoles and logs with a failure, and where the whole of them lies."""
    report = yield
    if report.failed and _worlds in item.stash:
        report.sections += item.stash[_worlds].evidence()
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List all timings once more, together."""
    if config.stash[_lines]:
        terminalreporter.section("joins")
        for line in config.stash[_lines]:
            terminalreporter.write_line(line)
