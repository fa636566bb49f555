from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.model import groups
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.rpc import options

S = 10**9
OVERRIDES = groups.AutoscalingOverrides(scale_down_unneeded_time_s=90.5)


def thresholds() -> wire.NodeGroupAutoscalingOptions:
    return wire.NodeGroupAutoscalingOptions(
        scaleDownUtilizationThreshold=0.6, scaleDownGpuUtilizationThreshold=0.7
    )


def legacy_defaults(*, provision: bool = True) -> wire.NodeGroupAutoscalingOptions:
    defaults = thresholds()
    defaults.legacyScaleDownUnneededTime.duration = 600 * S
    defaults.legacyScaleDownUnreadyTime.duration = 1200 * S
    if provision:
        defaults.legacyMaxNodeProvisionTime.duration = 900 * S
    return defaults


def google_defaults() -> wire.NodeGroupAutoscalingOptions:
    defaults = thresholds()
    defaults.zeroOrMaxNodeScaling = True
    defaults.ignoreDaemonSetsUtilization = True
    defaults.scaleDownUnneededDuration.seconds = 600
    defaults.scaleDownUnreadyDuration.seconds = 1200
    defaults.MaxNodeProvisionDuration.seconds = 900
    return defaults


def both_defaults() -> wire.NodeGroupAutoscalingOptions:
    both = google_defaults()
    both.MergeFrom(legacy_defaults())
    return both


ANSWERED = {
    "1.29": (legacy_defaults(), options.Caution.NONE),
    "1.34.2": (both_defaults(), options.Caution.NONE),
    "1.35": (google_defaults(), options.Caution.NO_STARTUP_TIME),
}


def replied(
    defaults: wire.NodeGroupAutoscalingOptions | None,
    overrides: groups.AutoscalingOverrides = OVERRIDES,
) -> tuple[wire.NodeGroupAutoscalingOptionsResponse, options.Caution]:
    request = wire.NodeGroupAutoscalingOptionsRequest(id="pool", defaults=defaults)
    reply = options.reply(request, overrides)
    return wire.NodeGroupAutoscalingOptionsResponse.FromString(reply.data), reply.caution


@pytest.mark.parametrize("defaults", [None, *(each for each, _ in ANSWERED.values())])
def test_without_overrides_nothing_is_set(
    defaults: wire.NodeGroupAutoscalingOptions | None,
) -> None:
    answer, caution = replied(defaults, groups.AutoscalingOverrides())
    assert not answer.HasField("nodeGroupAutoscalingOptions")
    assert caution is options.Caution.NONE


def test_the_constant_bytes_are_an_answer_without_options() -> None:
    assert wire.NodeGroupAutoscalingOptionsResponse().SerializeToString() == options.DEFAULTS


def test_overrides_are_withheld_where_they_would_delete_machines() -> None:
    answer, caution = replied(legacy_defaults(provision=False))
    assert not answer.HasField("nodeGroupAutoscalingOptions")
    assert caution is options.Caution.WITHHELD
    assert "5935" in caution.value


@pytest.mark.parametrize("defaults", [None, wire.NodeGroupAutoscalingOptions(), thresholds()])
def test_overrides_are_withheld_from_callers_whose_defaults_are_unknown(
    defaults: wire.NodeGroupAutoscalingOptions | None,
) -> None:
    answer, caution = replied(defaults)
    assert not answer.HasField("nodeGroupAutoscalingOptions")
    assert caution is options.Caution.UNRECOGNISED


@pytest.mark.parametrize(("defaults", "caution"), ANSWERED.values(), ids=ANSWERED)
def test_one_override_is_laid_over_the_callers_own_defaults(
    defaults: wire.NodeGroupAutoscalingOptions, caution: options.Caution
) -> None:
    answer, result = replied(defaults)
    laid = answer.nodeGroupAutoscalingOptions
    assert result is caution
    assert laid.scaleDownUtilizationThreshold == 0.6
    assert laid.scaleDownGpuUtilizationThreshold == 0.7
    assert laid.zeroOrMaxNodeScaling == defaults.zeroOrMaxNodeScaling
    assert laid.ignoreDaemonSetsUtilization == defaults.ignoreDaemonSetsUtilization
    assert laid.legacyScaleDownUnneededTime.duration == 90_500_000_000
    assert laid.legacyScaleDownUnreadyTime.duration == 1200 * S
    assert laid.legacyMaxNodeProvisionTime.duration == 900 * S
    assert laid.scaleDownUnneededDuration.ToNanoseconds() == 90_500_000_000
    assert laid.scaleDownUnreadyDuration.ToNanoseconds() == 1200 * S
    assert laid.MaxNodeProvisionDuration.ToNanoseconds() == 900 * S


def test_where_both_generations_were_sent_the_newer_counts() -> None:
    defaults = both_defaults()
    defaults.legacyScaleDownUnreadyTime.duration = 7
    answer, _ = replied(defaults)
    laid = answer.nodeGroupAutoscalingOptions
    assert laid.legacyScaleDownUnreadyTime.duration == 1200 * S


def test_overriding_by_zero_or_no_is_overriding() -> None:
    overrides = groups.AutoscalingOverrides(
        scale_down_utilization_threshold=0.0,
        scale_down_gpu_utilization_threshold=0.0,
        scale_down_unneeded_time_s=0.0,
        ignore_daemonsets_utilization=False,
    )
    answer, _ = replied(google_defaults(), overrides)
    laid = answer.nodeGroupAutoscalingOptions
    assert laid.scaleDownUtilizationThreshold == 0.0
    assert laid.scaleDownGpuUtilizationThreshold == 0.0
    assert laid.ignoreDaemonSetsUtilization is False
    # Zero is sent, not left out: releases up to 1.34 panic on a duration that is missing.
    assert laid.HasField("legacyScaleDownUnneededTime")
    assert laid.HasField("scaleDownUnneededDuration")


seconds = st.none() | st.floats(0, 10**8)
shares = st.none() | st.floats(0, 1)


@given(
    st.sampled_from([each for each, _ in ANSWERED.values()]),
    st.builds(
        groups.AutoscalingOverrides,
        scale_down_utilization_threshold=shares,
        scale_down_gpu_utilization_threshold=shares,
        scale_down_unneeded_time_s=seconds,
        scale_down_unready_time_s=seconds,
        max_node_provision_time_s=seconds,
        ignore_daemonsets_utilization=st.none() | st.booleans(),
    ),
)
def test_every_override_arrives_in_both_generations_and_no_duration_is_missing(
    defaults: wire.NodeGroupAutoscalingOptions, overrides: groups.AutoscalingOverrides
) -> None:
    answer, _ = replied(defaults, overrides)
    assert answer.HasField("nodeGroupAutoscalingOptions") == overrides.any
    if not overrides.any:
        return
    laid = answer.nodeGroupAutoscalingOptions
    for override, old, new, default_s in (
        (
            overrides.scale_down_unneeded_time_s,
            "legacyScaleDownUnneededTime",
            "scaleDownUnneededDuration",
            600,
        ),
        (
            overrides.scale_down_unready_time_s,
            "legacyScaleDownUnreadyTime",
            "scaleDownUnreadyDuration",
            1200,
        ),
        (
            overrides.max_node_provision_time_s,
            "legacyMaxNodeProvisionTime",
            "MaxNodeProvisionDuration",
            900,
        ),
    ):
        expected = default_s if override is None else override
        assert laid.HasField(old)
        assert laid.HasField(new)
        assert getattr(laid, old).duration == getattr(laid, new).ToNanoseconds()
        assert getattr(laid, old).duration / S == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_every_override_that_exists_is_carried() -> None:
    # A field added to the overrides and forgotten here would silently do nothing.
    for field in dataclasses.fields(groups.AutoscalingOverrides):
        value = False if "ignore" in field.name else 0.123
        changed, _ = replied(google_defaults(), groups.AutoscalingOverrides(**{field.name: value}))
        assert changed.nodeGroupAutoscalingOptions != options.overlay(
            google_defaults(), groups.AutoscalingOverrides()
        ), field.name
