"""Replay fault histories, as many as a test run has time for."""

from __future__ import annotations

import os
import time

import pytest

from tests.laws import histories

HISTORIES = int(os.environ.get("HISTORIES", "200"))
AT_LEAST = 25
BUDGET_S = float(os.environ.get("HISTORIES_S", "8"))


@pytest.mark.timeout(300)
def test_histories_hold_the_laws(record_property):
    began = time.monotonic()
    played = 0
    for seed in range(HISTORIES):
        result = histories.play(seed)
        log = "\n".join(result.log)
        assert not result.broken, f"{log}\nseed {seed} LawBroken: {result.broken}"
        played += 1
        if played >= AT_LEAST and time.monotonic() - began > BUDGET_S:
            break
    record_property("histories", played)


def test_a_history_replays_exactly():
    first, again = histories.play(4711), histories.play(4711)
    assert first == again
    assert first.events > 200
