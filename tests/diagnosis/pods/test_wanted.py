"""What is read of a pod that anybody may have written."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.diagnosis.pods import wanted

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def read(status: Any = None, **spec: Any) -> wanted.Pod:
    about = {"name": "a", "namespace": "n", "uid": "u"}
    return wanted.read({"metadata": about, "spec": spec, "status": status or {}})


def test_claims_are_those_it_names_and_those_made_for_it() -> None:
    found = read(
        volumes=[
            {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "tmp", "emptyDir": {}},
        ]
    )
    assert found.claims == ("shared", "a-scratch")


def test_what_only_the_autoscaler_can_judge_is_named() -> None:
    hard = {"whenUnsatisfiable": "DoNotSchedule"}
    found = read(
        affinity={"podAffinity": {REQUIRED: [{}]}, "podAntiAffinity": {REQUIRED: [{}]}},
        topologySpreadConstraints=[hard],
        resourceClaims=[{"name": "gpu"}],
    )
    assert found.unjudged == (
        "pod affinity",
        "pod anti-affinity",
        "topology spread constraints",
        "resource claims",
    )
    soft = {"whenUnsatisfiable": "ScheduleAnyway"}
    assert read(topologySpreadConstraints=[soft], affinity={"podAffinity": {}}).unjudged == ()


def condition(**fields: str) -> dict[str, Any]:
    return {
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", **fields}]
    }


@pytest.mark.parametrize(
    ("status", "judged"),
    [
        (condition(status="False", reason="Unschedulable", message="0/1"), True),
        (condition(status="False", reason="SchedulingGated"), False),
        (condition(status="True"), False),
        ({}, False),
    ],
)
def test_whether_the_scheduler_called_it_unschedulable(
    status: dict[str, Any], *, judged: bool
) -> None:
    found = read(status)
    assert found.judged is judged
    assert found.unschedulable == ("0/1" if judged else "")


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": 7, "spec": [], "status": "x"},
        {"spec": {"containers": 7, "tolerations": [None], "priority": "high", "volumes": {}}},
        {"spec": {"affinity": {"nodeAffinity": []}, "nodeSelector": {"a": 7}}},
        {"status": {"conditions": [None, {"type": "PodScheduled", "message": 7}]}},
    ],
)
def test_nonsense_is_not_said(odd: dict[str, Any]) -> None:
    found = wanted.read(odd)
    assert found.needs.requests == {"pods": 1}
    assert (found.priority, found.node, found.claims) == (0, "", ())
