"""What Cluster Autoscaler writes of itself, in both its forms, and Events on a pod."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.diagnosis.pods import autoscaler

AT = 1_795_844_970.0  # 2026-11-28 05:49:30 UTC

NEW = """\
time: 2026-11-28 05:49:30.123456789 +0000 UTC
autoscalerStatus: Running
clusterWide:
  health:
    status: Healthy
    nodeCounts: {registered: {total: 1, ready: 1, notStarted: 0}, longUnregistered: 0}
    lastProbeTime: "2026-11-28T05:49:30Z"
  scaleUp: {status: InProgress}
  scaleDown: {status: NoCandidates}
nodeGroups:
- name: web
  health: {status: Healthy, cloudProviderTarget: 1, minSize: 0, maxSize: 5}
  scaleUp:
    status: Backoff
    backoffInfo: {errorCode: OUT_OF_RESOURCES, errorMessage: cx22 is sold out}
- name: batch
  health: {status: Unhealthy}
  scaleUp: {status: NoActivity}
"""
OLD = """\
Cluster-autoscaler status at 2026-11-28 06:49:30.123456789 +0100 CET:
Cluster-wide:
  Health:      Healthy (ready=1 unready=0 (resourceUnready=0) notStarted=0 registered=1)
               LastProbeTime:      2026-11-28 05:49:30.1 +0000 UTC m=+12.1
               LastTransitionTime: 2026-11-28 05:49:30.1 +0000 UTC m=+12.1
  ScaleUp:     InProgress (ready=1 registered=1)
               LastProbeTime:      2026-11-28 05:49:30.1 +0000 UTC m=+12.1
  ScaleDown:   NoCandidates (candidates=0)

NodeGroups:
  Name:        web
  Health:      Healthy (ready=1 cloudProviderTarget=1 (minSize=0, maxSize=5))
  ScaleUp:     Backoff (ready=1 cloudProviderTarget=1)
  ScaleDown:   NoCandidates (candidates=0)

  Name:        batch
  Health:      Unhealthy (ready=0 cloudProviderTarget=1 (minSize=0, maxSize=5))
  ScaleUp:     NoActivity (ready=0 cloudProviderTarget=1)

"""


def read(text: str) -> autoscaler.Status | None:
    return autoscaler.read_status({"data": {"status": text}})


@pytest.mark.parametrize(
    ("text", "why"),
    [(NEW, "OUT_OF_RESOURCES: cx22 is sold out"), (OLD, "it does not say why")],
    ids=["since 1.30", "up to 1.29"],
)
def test_both_forms(text: str, why: str) -> None:
    found = read(text)
    assert found is not None
    assert (found.written_at, found.state) == (AT, "Running")
    assert (found.health, found.scale_up) == ("Healthy", "InProgress")
    assert dict(found.groups) == {
        "web": autoscaler.GroupStatus(health="Healthy", scale_up="Backoff", backoff=why),
        "batch": autoscaler.GroupStatus(health="Unhealthy", scale_up="NoActivity"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "Cluster-autoscaler status at 2026-11-28 05:49:30.1 +0000 UTC:\nInitializing",
        "time: 2026-11-28 05:49:30.1 +0000 UTC\nautoscalerStatus: Initializing\n",
    ],
)
def test_one_that_begins(text: str) -> None:
    found = read(text)
    assert found is not None
    assert (found.state, found.written_at, dict(found.groups)) == ("Initializing", AT, {})


@pytest.mark.parametrize("text", ["", "nonsense", "[1, 2]", "{", "time: now", "\t", "a: b: c"])
def test_what_no_release_writes_is_nothing(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("odd", [{}, {"data": None}, {"data": {"status": 7}}, {"data": []}])
def test_an_odd_config_map_is_nothing(odd: dict[str, Any]) -> None:
    assert autoscaler.read_status(odd) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-28T05:49:30Z", AT),
        ("2026-11-28T05:49:30.123456Z", AT),
        ("2026-11-28T06:49:30+01:00", AT),
        ("2026-11-28 05:49:30.1 +0000 UTC", AT),
        ("2026-11-28 05:49:30 +0000 UTC m=+12", AT),
        ("2026-13-28T05:49:30Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_instant(text: str, at: float | None) -> None:
    assert autoscaler.instant(text) == at


def event(reason: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "reason": reason,
        "message": message,
        "involvedObject": {"uid": "u"},
        "source": {"component": "cluster-autoscaler"},
        **more,
    }


def test_the_newest_event_of_each_reason() -> None:
    found = autoscaler.read_events(
        [
            event("NotTriggerScaleUp", "old", lastTimestamp="2026-11-28T05:00:00Z"),
            event("NotTriggerScaleUp", "new", lastTimestamp="2026-11-28T05:49:30Z"),
            event("NotTriggerScaleUp", "older", lastTimestamp="2026-11-28T04:00:00Z"),
            event("Pulled", "of no interest", lastTimestamp="2026-11-28T05:49:31Z"),
            event(
                "FailedScheduling",
                "0/1 nodes are available",
                source={},
                reportingComponent="default-scheduler",
                eventTime="2026-11-28T05:40:00.000000Z",
                series={"lastObservedTime": "2026-11-28T05:48:30.000000Z"},
            ),
            event("TriggeredScaleUp", "of its namesake", involvedObject={"uid": "another"}),
        ],
        "u",
    )
    assert [(each.reason, each.message, each.source, each.at) for each in found] == [
        ("NotTriggerScaleUp", "new", "cluster-autoscaler", AT),
        ("FailedScheduling", "0/1 nodes are available", "default-scheduler", AT - 60),
    ]


def test_an_event_without_any_time_is_shown_all_the_same() -> None:
    (found,) = autoscaler.read_events([event("TriggeredScaleUp", "said")], "u")
    assert found.at is None
