"""What holds for all tests: properties are judged without a clock; what is left out is listed."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest

from tests import absent, purity

pytest.register_assert_rewrite("providers.conformance")
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--pure", action="store_true", help="skip what opens a socket or a process")


def pytest_configure(config: Any) -> None:
    if config.getoption("--pure"):
        purity.enforce()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in absent.lines(terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(line)
