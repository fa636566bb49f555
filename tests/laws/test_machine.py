"""Run the state machine of :mod:`tests.laws.machine`.

The same examples at each run of the same tests, so that a red run speaks of the change and not of
luck; ``FLEET_RANDOM=yes`` (``make machine``) draws new ones, for as long as one likes.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.laws import machine

EXAMPLES = int(os.environ.get("FLEET_EXAMPLES", "60"))
STEPS = int(os.environ.get("FLEET_STEPS", "40"))
RANDOM = os.environ.get("FLEET_RANDOM", "no") == "yes"
SHRINK = os.environ.get("FLEET_SHRINK", "yes") == "yes"

TestFleet = pytest.mark.timeout(600 if not RANDOM else 36_000)(machine.FleetMachine.TestCase)
TestFleet.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not RANDOM,
    database=None,
    print_blob=True,
    phases=tuple(Phase) if SHRINK else (Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
