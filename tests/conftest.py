"""What holds for all tests: properties are judged without a clock; what is left out is listed."""

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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in absent.lines(terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(line)
