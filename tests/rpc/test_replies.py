"""What is asked again and again is serialized once for a state, and never outlives it."""

from __future__ import annotations

import dataclasses

import pytest
from google.protobuf import message as protobuf

from externalgrpc import fleet as fleets
from externalgrpc.fleet import claims, view
from externalgrpc.fleet import state as fleet_state
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import replies
from tests import serving


class Making:
    """Make replies, and count them."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> pb.NodeGroupTargetSizeResponse:
        self.times += 1
        return pb.NodeGroupTargetSizeResponse(targetSize=self.times)


@pytest.fixture
def house(tmp_path):
    with serving.running(tmp_path) as up:
        up.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=3))
        serving.until(lambda: len(running(up)) == 3)
        yield up


def running(up):
    shown = up.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="alpha")).instances
    return [each.id for each in shown if each.status.instanceState == 1]


def nodes(up):
    members = view.members(up.plant.reconciler.fleet, "alpha")
    return [pb.ExternalGrpcNode(providerID=each.provider_id, name=each.name) for each in members]


def test_a_reply_is_made_once_a_state_and_anew_in_the_next():
    kept, make, state = replies.Replies(), Making(), fleets.Fleet()
    first = kept.once(state, "a", make)
    assert kept.once(state, "a", make) is first
    kept.once(state, "b", make)
    assert make.times == 2
    assert kept.once(dataclasses.replace(state), "a", make) != first


def test_what_cannot_be_made_is_not_kept():
    kept, state = replies.Replies(), fleets.Fleet()
    with pytest.raises(ZeroDivisionError):
        kept.once(state, "a", lambda: 1 // 0)
    assert kept.once(state, "a", Making())


def test_a_thread_with_an_older_state_gets_and_leaves_nothing_of_the_newer():
    kept, old = replies.Replies(), fleets.Fleet()
    new, make = dataclasses.replace(old), Making()
    answers = [kept.once(each, "a", make) for each in (old, new, old, new)]
    assert len(set(answers)) == 4  # no reply of the other state among them


def quiet(up):
    """List no more, so that nothing changes the state but what a test does."""
    up.plant.ticker.stop()
    accounts = up.plant.reconciler.fleet.accounts
    serving.until(lambda: not any(up.plant.reconciler.fleet.accounts[n].listing for n in accounts))


def test_nodes_are_put_together_once_until_the_state_changes(house, monkeypatch):
    quiet(house)
    made = []
    leaving = view.leaving
    monkeypatch.setattr(view, "leaving", lambda *value: made.append(value) or leaving(*value))
    before = running(house)
    first = len(made)
    assert running(house) == running(house) == before
    assert len(made) == first
    house.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1))
    shown = house.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="alpha")).instances
    assert len(shown) == 4


def test_a_fresh_autoscaler_that_shows_its_nodes_makes_nothing_anew(house):
    quiet(house)
    seen = nodes(house)
    group = house.stub.NodeGroupForNode(pb.NodeGroupForNodeRequest(node=seen[0])).nodeGroup
    version = view.version(house.plant.reconciler.fleet)
    for node in seen[1:]:
        state = house.plant.reconciler.fleet
        node_group = house.stub.NodeGroupForNode(pb.NodeGroupForNodeRequest(node=node)).nodeGroup
        assert node_group == group
        assert house.plant.reconciler.fleet is not state  # the Node was news, and noted
        assert view.version(house.plant.reconciler.fleet) is version


def test_a_known_node_is_judged_once_a_call(house, monkeypatch):
    quiet(house)
    request = pb.NodeGroupForNodeRequest(node=nodes(house)[0])
    house.stub.NodeGroupForNode(request)
    judged = []
    fits = claims.fits
    monkeypatch.setattr(claims, "fits", lambda *value: judged.append(value) or fits(*value))
    assert house.stub.NodeGroupForNode(request).nodeGroup.id == "alpha"
    assert len(judged) == 1


def test_the_fleet_holds_no_bytes(house):
    house.stub.NodeGroups(pb.NodeGroupsRequest())
    for node in nodes(house):
        house.stub.NodeGroupForNode(pb.NodeGroupForNodeRequest(node=node))
    house.stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="alpha"))
    house.stub.NodeGroupTemplateNodeInfo(pb.NodeGroupTemplateNodeInfoRequest(id="alpha"))
    running(house)
    memo = house.plant.reconciler.fleet.memo
    assert memo.members["alpha"]
    found = [leaf for name in memo.__slots__ for leaf in _leaves(getattr(memo, name))]
    assert found
    assert not [leaf for leaf in found if isinstance(leaf, bytes | protobuf.Message)]


def _leaves(value: object) -> list[object]:
    """Return what a memo holds, out of its dictionaries and rows."""
    match value:
        case dict():
            return [leaf for each in value.values() for leaf in _leaves(each)]
        case tuple() | list() | frozenset():
            return [leaf for each in value for leaf in _leaves(each)]
    return [value]


def test_a_memo_is_seen_whole_or_not_at_all(house):
    """A reader takes no lock: what another thread still puts together must not be found."""
    state = house.plant.reconciler.fleet
    half: list[object] = []

    class Watched(dict):
        def items(self):
            for name, seen in super().items():
                half.append(fresh.memo.claims)
                yield name, seen

    fresh = dataclasses.replace(
        state, nodes=Watched({n: fleet_state.Seen(f"memory://{n}", ready=True) for n in "ab"})
    )
    assert len(claims.by_provider_id(fresh)) == 2
    assert half == [None, None]
