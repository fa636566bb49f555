"""Leave out what there is no tool for, with one reason; the cluster only when it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart import helm

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
    if helm.find() is None:
        for item in here:
            if item.get_closest_marker("helm"):
                item.add_marker(pytest.mark.skip(reason=helm.REASON))
