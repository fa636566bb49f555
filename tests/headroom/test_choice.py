"""Whether an autoscaler serves a buffer is read from what it wrote into it."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.headroom import choice
from externalgrpc.headroom.status import By

READY = {"type": "ReadyForProvisioning", "status": "True"}
INJECTED = {"type": "Provisioning", "status": "True"}
LIMITED = {"type": "LimitedByQuotas", "status": "True"}


def buffer(wants: int = 2, /, **status: Any) -> choice.Buffer:
    found = choice.read({"metadata": {"name": "b"}, "spec": {"replicas": wants}, "status": status})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "taken_up"),
    [
        ({"replicas": 2, "conditions": [READY, INJECTED]}, True),
        ({"replicas": 1, "conditions": [READY, INJECTED]}, False),
        ({"replicas": 1, "conditions": [READY, INJECTED, LIMITED]}, True),
        # The controller runs, and the loop does not look: one of the two flags lacks.
        ({"replicas": 2, "conditions": [READY]}, False),
        ({"replicas": 2, "conditions": [INJECTED]}, False),
        ({"replicas": 2}, False),
        ({"conditions": "odd", "replicas": "two"}, False),
        ({}, False),
    ],
)
def test_a_buffer_is_taken_up_when_both_of_its_halves_answered(
    status: dict[str, Any], *, taken_up: bool
) -> None:
    assert buffer(**status).taken_up is taken_up


def test_a_buffer_of_nothing_is_taken_up_too() -> None:
    """A status without replicas is one of none: the field is left out at 0 by some."""
    empty = {"type": "Provisioning", "status": "False", "reason": "BufferIsEmpty"}
    assert buffer(0, conditions=[READY, empty]).taken_up
    assert buffer(0, replicas=0, conditions=[READY, empty]).taken_up


def test_what_the_autoscaler_says_against_it_is_kept() -> None:
    no = {"type": "ReadyForProvisioning", "status": "False", "message": "cannot create pods"}
    assert buffer(conditions=[no]).message == "cannot create pods"
    assert buffer(conditions=[READY]).message == ""


def test_the_choice_waits_and_then_does_without() -> None:
    silent = {"b": buffer()}
    found = choice.choose(choice.Choice(), silent, now=100.0)
    assert (found.by, found.waits(100.0)) == (By.BUFFER, True)
    found = choice.choose(found, silent, now=100.0 + choice.PATIENCE_S - 1)
    assert found.by is By.BUFFER
    found = choice.choose(found, silent, now=100.0 + choice.PATIENCE_S)
    assert found.by is By.PODS
    assert "--capacity-buffer-pod-injection-enabled" in found.why
    taken = {"b": buffer(0, conditions=[READY, INJECTED])}
    assert choice.choose(found, taken, now=500.0).by is By.BUFFER


def test_a_change_is_not_missed_at_once() -> None:
    served = choice.choose(choice.Choice(), {"b": buffer(0, conditions=[READY, INJECTED])}, now=9.0)
    changed = choice.choose(served, {"b": buffer(1, conditions=[READY, INJECTED])}, now=20.0)
    assert not changed.waits(20.0)
    assert changed.waits(9.0 + choice.ANSWER_S + 12.0)


def test_without_the_kind_there_are_pods_at_once() -> None:
    assert choice.choose(choice.Choice(), None, now=0.0).by is By.PODS


def test_what_has_no_name_is_no_buffer() -> None:
    assert choice.read({"metadata": None, "spec": 3}) is None
