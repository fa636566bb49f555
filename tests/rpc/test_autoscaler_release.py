from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.rpc import autoscaler_release

OLD = ("legacyScaleDownUnneededTime", "legacyScaleDownUnreadyTime")
OLD_PROVISION = "legacyMaxNodeProvisionTime"
NEW = ("scaleDownUnneededDuration", "scaleDownUnreadyDuration", "MaxNodeProvisionDuration")
SHAPES = {
    OLD: autoscaler_release.Generation.UP_TO_1_28,
    (*OLD, OLD_PROVISION): autoscaler_release.Generation.FROM_1_29,
    (*OLD, OLD_PROVISION, *NEW): autoscaler_release.Generation.FROM_1_34_2,
    NEW: autoscaler_release.Generation.FROM_1_35,
}


def asked(*fields: str) -> wire.NodeGroupAutoscalingOptionsRequest:
    """Make a request whose defaults hold these durations, all of them zero."""
    request = wire.NodeGroupAutoscalingOptionsRequest(id="pool")
    request.defaults.SetInParent()
    for field in fields:
        getattr(request.defaults, field).SetInParent()
    return wire.NodeGroupAutoscalingOptionsRequest.FromString(request.SerializeToString())


@pytest.mark.parametrize(("fields", "generation"), SHAPES.items())
def test_every_generation_is_recognised_by_its_shape(
    fields: tuple[str, ...], generation: autoscaler_release.Generation
) -> None:
    assert autoscaler_release.generation_of(asked(*fields)) is generation


def test_a_request_without_defaults_is_nobodys() -> None:
    bare = wire.NodeGroupAutoscalingOptionsRequest(id="pool")
    assert autoscaler_release.generation_of(bare) is autoscaler_release.Generation.UNKNOWN
    assert autoscaler_release.generation_of(asked()) is autoscaler_release.Generation.UNKNOWN


@given(st.sets(st.sampled_from((*OLD, OLD_PROVISION, *NEW))))
def test_a_mix_that_no_release_sends_is_nobodys(fields: set[str]) -> None:
    known = {frozenset(shape): generation for shape, generation in SHAPES.items()}
    expected = known.get(frozenset(fields), autoscaler_release.Generation.UNKNOWN)
    assert autoscaler_release.generation_of(asked(*fields)) is expected


def test_only_what_may_be_1_36_may_forget() -> None:
    assert {each for each in autoscaler_release.Generation if each.may_forget} == {
        autoscaler_release.Generation.FROM_1_35,
        autoscaler_release.Generation.UNKNOWN,
    }
