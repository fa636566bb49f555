"""Leave the tests with a real API server out unless asked for: pytest -m e2e tests/diagnosis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube.conftest import plane  # noqa: F401 - a fixture

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs built programs only when it is asked for."""
    if "e2e" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("e2e") and item.path.parent == HERE]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
