"""Understand every byte that five real releases of the autoscaler sent."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import message_factory, unknown_fields
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from externalgrpc.model import groups
from externalgrpc.nodes import pods, pricing
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import autoscaler_release, options
from tests import absent

TRACES = Path(__file__).resolve().parent.parent.parent / "shared" / "traces"
SERVICE = wire.DESCRIPTOR.services_by_name["CloudProvider"]
GENERATIONS = {
    "ca-1.29": autoscaler_release.Generation.FROM_1_29,
    "ca-1.31": autoscaler_release.Generation.FROM_1_29,
    "ca-1.34": autoscaler_release.Generation.FROM_1_34_2,
    "ca-1.36": autoscaler_release.Generation.FROM_1_35,
    "ca-1.37": autoscaler_release.Generation.FROM_1_35,
}
RECORDED = sorted(TRACES.glob("*.jsonl"))

Call = tuple[str, bytes, Message]


@pytest.fixture(params=RECORDED or [None], ids=[path.stem for path in RECORDED] or ["absent"])
def trace(request: pytest.FixtureRequest) -> Path:
    if request.param is None:
        absent.skip(absent.Need.SHARED)
    return request.param


def calls(trace: Path) -> Iterator[Call]:
    """Decode a trace: what was called, the request's bytes, and what we read in them."""
    for line in trace.read_text().splitlines():
        entry = json.loads(line)
        rpc = entry["rpc"].rpartition("/")[2]
        data = bytes.fromhex(entry["request"])
        kind = message_factory.GetMessageClass(SERVICE.methods_by_name[rpc].input_type)
        yield rpc, data, kind.FromString(data)


def parts(message: Message) -> Iterator[Message]:
    """Walk a message and every message inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for inner in value.values():
                    yield from parts(inner)
        else:
            for inner in value if field.is_repeated else [value]:
                yield from parts(inner)


def unknown(message: Message) -> list[str]:
    return [
        f"{part.DESCRIPTOR.full_name}.{field.field_number}"
        for part in parts(message)
        for field in unknown_fields.UnknownFieldSet(part)
    ]


def leaves(data: bytes, message: Message) -> collections.Counter[tuple[object, ...]]:
    """Cut bytes into (number, wire type, raw value), nested where we know a message.

    Reads the wire format itself, so that it does not agree with the library by construction. The
    order of fields is left aside, and so are zeros of known fields: Kubernetes writes them, proto3
    does not.
    """
    found: collections.Counter[tuple[object, ...]] = collections.Counter()
    fields = message.DESCRIPTOR.fields_by_number
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        field = fields.get(number)
        value: object
        match wire_type:
            case 0:
                value, position = varint(data, position)
            case 1 | 5:
                end = position + (8 if wire_type == 1 else 4)
                value, position = data[position:end], end
            case 2:
                length, position = varint(data, position)
                value, position = data[position : position + length], position + length
            case _:
                pytest.fail(f"wire type {wire_type} in {data.hex()}")
        assert position <= len(data)
        if field is not None and field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = message_factory.GetMessageClass(field.message_type)()
            value = frozenset(leaves(value, inner).items())
        elif field is not None and not field.is_repeated and not value:
            continue
        found[number, wire_type, value] += 1
    return found


def varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def test_nothing_that_was_sent_is_unknown_to_us(trace: Path) -> None:
    seen = 0
    for rpc, data, read in calls(trace):
        assert unknown(read) == [], rpc
        again = read.SerializeToString()
        assert leaves(again, read) == leaves(data, read), rpc
        seen += 1
    assert seen > 50


def test_the_walk_would_find_what_is_unknown() -> None:
    # Field 9 in a node in a list: the check above must be able to fail, at any depth.
    request = wire.NodeGroupDeleteNodesRequest.FromString(bytes.fromhex("0a05 0a0161 4801"))
    assert unknown(request) == [
        "clusterautoscaler.cloudprovider.v1.externalgrpc.ExternalGrpcNode.9"
    ]
    pod = core.Pod.FromString(bytes.fromhex("1206 1204 4202 4800"))
    assert unknown(pod) == ["vpsautoscaler.k8s.core.v1.ResourceRequirements.9"]


def test_the_cut_tells_lost_and_changed_fields() -> None:
    request = wire.NodeGroupIncreaseSizeRequest(id="pool", delta=3)
    data = request.SerializeToString()
    for other in (b"", data[:2], data[:1] + b"\x04" + data[2:], data + b"\x18\x00"):
        assert leaves(other, request) != leaves(data, request)


def test_every_pod_is_priced_whichever_field_it_came_in(trace: Path) -> None:
    prices = pricing.price_list({}, {}, currency="EUR", rates={})
    asked = [read for rpc, _, read in calls(trace) if rpc == "PricingPodPrice"]
    assert asked
    for request in asked:
        sent = [data for data in (request.legacyPod, request.pod_bytes) if data]
        assert sent
        for data in sent:
            pod = pods.read(data)
            # A real pod holds much that a price does not need: unknown here, and kept.
            assert unknown(pod)
            assert leaves(pod.SerializeToString(), pod) == leaves(data, pod)
            assert pod.metadata.name
            assert min(pods.requests(pod)) > 0
        hours = pricing.window_hours(request)
        assert hours == 1
        assert pricing.pod_price(prices, pricing.pod_of(request), hours=hours) > 0


def test_the_stabilizing_pod_requests_what_upstream_says(trace: Path) -> None:
    stabilizing = [
        pods.requests(pod)
        for rpc, _, read in calls(trace)
        if rpc == "PricingPodPrice"
        and (pod := pods.read(pricing.pod_of(read))).metadata.name == "stabilize"
    ]
    assert stabilizing
    assert set(stabilizing) == {(500, 500 * 1024**2)}


def test_every_simulated_node_tells_its_group_and_type(trace: Path) -> None:
    asked = [read for rpc, _, read in calls(trace) if rpc == "PricingNodePrice"]
    assert asked
    for request in asked:
        assert pricing.group_of_template(request.node.name, {"toy"}) == "toy"
        assert request.node.labels["node.kubernetes.io/instance-type"] == "toy2"
        assert pricing.window_hours(request) == 1


def test_every_release_is_recognised_and_its_defaults_carried(trace: Path) -> None:
    expected = GENERATIONS[trace.stem[:7]]
    asked = [read for rpc, _, read in calls(trace) if rpc == "NodeGroupGetOptions"]
    assert asked
    for request in asked:
        assert autoscaler_release.generation_of(request) is expected
        laid = options.overlay(request.defaults, groups.AutoscalingOverrides())
        # Whatever the release sent, it gets back unchanged.
        for field, value in request.defaults.ListFields():
            assert getattr(laid, field.name) == value
        assert laid.MaxNodeProvisionDuration.ToSeconds() == 900
        assert laid.legacyMaxNodeProvisionTime.duration == 900 * 10**9
