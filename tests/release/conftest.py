"""Build and install a release only when it is asked for: pytest -m e2e (make release-test)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what installs from a package index."""
    if "e2e" in config.option.markexpr:
        return
    left = [i for i in items if i.path.parent == HERE and i.get_closest_marker("e2e")]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
