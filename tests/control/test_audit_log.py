"""What the log says of a change that no call shows by itself."""

from __future__ import annotations

import pytest

from externalgrpc.control import audit_log
from externalgrpc.fleet import tidying
from providers import contract
from tests.fleet.scene import Scene, machine


def test_a_spare_beside_a_machine_that_stands_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(shown=(machine(1, "g-1"),))
    spare = contract.Leftover(kind="volume", id="7", name="data", node_name="g-1", unused=True)
    for _ in range(2):
        before = scene.fleet
        scene.fleet = tidying.found(before, "a", (spare,), now=scene.now)
        audit_log.standing(before, scene.fleet)
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert "not deleted by itself" in line.message
    assert "volume data (7)" in str(vars(line))
