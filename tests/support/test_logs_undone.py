"""What one test does to logging ends with it: else the next one's ``caplog`` may be empty."""

from __future__ import annotations

import logging

import pytest

from externalgrpc.support import logs


@pytest.mark.parametrize("level", ["error", "critical"])
def test_a_level_that_a_command_set_is_not_the_next_test_s(level, caplog):
    logs.Log("test").warning("heard")
    assert "heard" in caplog.text
    logs.set_up(level=level, as_json=False)
    assert not logging.getLogger("vps_autoscaler").isEnabledFor(logging.WARNING)
