"""What holds for all tests: which are left out, properties without deadlines, clean logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from tests import absent, purity

pytest.register_assert_rewrite("providers.conformance")
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")


LOGGERS = ("", "vps_autoscaler", "providers")
"""What ``support.logs.set_up`` changes; the empty one is the root."""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a test's ``logs.set_up`` does: a command run in this process calls it, too."""
    root = logging.getLogger()
    levels = [(logger, logger.level) for logger in map(logging.getLogger, LOGGERS)]
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--pure", action="store_true", help="skip what opens a socket or a process")


def pytest_configure(config: Any) -> None:
    if config.getoption("--pure"):
        purity.enforce()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs built programs only where the marker is named: pytest -m e2e tests/kube."""
    if "e2e" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("e2e")]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in absent.lines(terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(line)
