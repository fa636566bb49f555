"""Talk to ourselves as each release of the autoscaler would, in that release's own messages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from google.protobuf.message import Message
from grpc_tools import protoc

from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import autoscaler_release, options


@dataclasses.dataclass(frozen=True)
class Release:
    """The fields that a release has in the messages that changed over time."""

    template: str
    node_price: str
    pod_price: str
    options: str
    generation: autoscaler_release.Generation


OLD_PRICE_TIMES = "k.Time from = 2; k.Time until = 3;"
THRESHOLDS = "double t1 = 1; double t2 = 2; "
OLD_TIMES = "OldDuration unneeded = 3; OldDuration unready = 4; "
FLAGS = "bool zero = 6; bool daemons = 7; "
NEW_TIMES = (
    "google.protobuf.Duration unneeded_new = 8; google.protobuf.Duration unready_new = 9; "
    "google.protobuf.Duration provision_new = 10; "
)
RELEASES = {
    "1.28": Release(
        template="k.Node node = 1;",
        node_price=OLD_PRICE_TIMES,
        pod_price="k.Pod pod = 1; " + OLD_PRICE_TIMES,
        options=THRESHOLDS + OLD_TIMES,
        generation=autoscaler_release.Generation.UP_TO_1_28,
    ),
    "1.29": Release(
        template="k.Node node = 1;",
        node_price=OLD_PRICE_TIMES,
        pod_price="k.Pod pod = 1; " + OLD_PRICE_TIMES,
        options=THRESHOLDS + OLD_TIMES + "OldDuration provision = 5;",
        generation=autoscaler_release.Generation.FROM_1_29,
    ),
    "1.33": Release(
        template="k.Node node = 1;",
        node_price=OLD_PRICE_TIMES,
        pod_price="k.Pod pod = 1; " + OLD_PRICE_TIMES,
        options=THRESHOLDS + OLD_TIMES + "OldDuration provision = 5; " + FLAGS,
        generation=autoscaler_release.Generation.FROM_1_29,
    ),
    "1.34.2": Release(
        template="k.Node node = 1; bytes node_bytes = 2;",
        node_price=OLD_PRICE_TIMES
        + "google.protobuf.Timestamp from_new = 4; google.protobuf.Timestamp until_new = 5;",
        pod_price="k.Pod pod = 1; bytes pod_bytes = 4; "
        + OLD_PRICE_TIMES
        + "google.protobuf.Timestamp from_new = 5; google.protobuf.Timestamp until_new = 6;",
        options=THRESHOLDS + OLD_TIMES + "OldDuration provision = 5; " + FLAGS + NEW_TIMES,
        generation=autoscaler_release.Generation.FROM_1_34_2,
    ),
    "1.35": Release(
        template="bytes node_bytes = 2;",
        node_price=(
            "google.protobuf.Timestamp from_new = 4; google.protobuf.Timestamp until_new = 5;"
        ),
        pod_price="bytes pod_bytes = 4; "
        "google.protobuf.Timestamp from_new = 5; google.protobuf.Timestamp until_new = 6;",
        options=THRESHOLDS + FLAGS + NEW_TIMES,
        generation=autoscaler_release.Generation.FROM_1_35,
    ),
}
TEXT = """
syntax = "proto3";
package release;
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
message k {{
  message Time {{ int64 seconds = 1; int32 nanos = 2; }}
  message Meta {{ string name = 1; }}
  message Node {{ Meta metadata = 1; }}
  message Pod {{ Meta metadata = 1; }}
}}
message OldDuration {{ int64 duration = 1; }}
message Template {{ {template} }}
message NodePrice {{ {node_price} }}
message PodPrice {{ {pod_price} }}
message Options {{ {options} }}
message OptionsRequest {{ string id = 1; Options defaults = 2; }}
message OptionsResponse {{ Options options = 1; }}
"""


class Peer:
    """A release's own messages, compiled from its shape; knows nothing of our proto."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.generation = release.generation
        source, compiled = folder / "release.proto", folder / "release.pb"
        source.write_text(TEXT.format(**dataclasses.asdict(release)))
        include = Path(protoc.__file__).parent / "_proto"
        assert (
            protoc.main(
                [
                    "",
                    f"-I{folder}",
                    f"-I{include}",
                    "--include_imports",
                    f"--descriptor_set_out={compiled}",
                    str(source),
                ]
            )
            == 0
        )
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
            self._pool.Add(file)

    def make(self, name: str) -> Message:
        found = self._pool.FindMessageTypeByName(f"release.{name}")
        return message_factory.GetMessageClass(found)()

    def read(self, name: str, ours: Message) -> Message:
        message = self.make(name)
        message.ParseFromString(ours.SerializeToString())
        return message


def knows(message: Message, field: str) -> bool:
    return field in message.DESCRIPTOR.fields_by_name


@pytest.fixture(params=RELEASES)
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Peer:
    return Peer(RELEASES[request.param], tmp_path)


def test_every_release_reads_our_template(peer: Peer) -> None:
    node = core.Node(metadata=core.ObjectMeta(name="n")).SerializeToString()
    read = peer.read(
        "Template", wire.NodeGroupTemplateNodeInfoResponse(legacyNodeInfo=node, nodeBytes=node)
    )
    if knows(read, "node"):
        assert read.node.metadata.name == "n"
    if knows(read, "node_bytes"):
        assert read.node_bytes == node


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("NodePrice", wire.PricingNodePriceRequest), ("PodPrice", wire.PricingPodPriceRequest)],
)
def test_we_read_the_period_of_every_release(peer: Peer, theirs: str, ours: type[Message]) -> None:
    asked = peer.make(theirs)
    for start, end in (("from", "until"), ("from_new", "until_new")):
        if knows(asked, start):
            getattr(asked, start).seconds = 1_795_428_608
            getattr(asked, end).seconds = 1_795_428_608 + 5400
    read = ours.FromString(asked.SerializeToString())
    assert len(unknown_fields.UnknownFieldSet(read)) == 0
    assert pricing.window_hours(read) * 2 == 3


def test_we_read_the_pod_of_every_release(peer: Peer) -> None:
    asked = peer.make("PodPrice")
    if knows(asked, "pod"):
        asked.pod.metadata.name = "p"
    if knows(asked, "pod_bytes"):
        asked.pod_bytes = core.Pod(metadata=core.ObjectMeta(name="p")).SerializeToString()
    read = wire.PricingPodPriceRequest.FromString(asked.SerializeToString())
    assert core.Pod.FromString(pricing.pod_of(read)).metadata.name == "p"


def defaults_of(peer: Peer) -> Message:
    asked = peer.make("OptionsRequest")
    asked.id = "pool"
    sent = asked.defaults
    sent.t1, sent.t2 = 0.5, 0.6
    for field, value in (("unneeded", 600), ("unready", 1200), ("provision", 900)):
        if knows(sent, field):
            getattr(sent, field).duration = value * 10**9
        if knows(sent, f"{field}_new"):
            getattr(sent, f"{field}_new").seconds = value
    return asked


def test_we_recognise_every_release(peer: Peer) -> None:
    read = wire.NodeGroupAutoscalingOptionsRequest.FromString(defaults_of(peer).SerializeToString())
    assert read.id == "pool"
    assert autoscaler_release.generation_of(read) is peer.generation


def test_every_release_reads_our_overrides(peer: Peer) -> None:
    read = wire.NodeGroupAutoscalingOptionsRequest.FromString(defaults_of(peer).SerializeToString())
    reply = options.reply(read, groups.AutoscalingOverrides(scale_down_unready_time_s=77))
    answer = peer.make("OptionsResponse")
    answer.ParseFromString(reply.data)
    if peer.generation is autoscaler_release.Generation.UP_TO_1_28:
        assert not answer.HasField("options")
        return
    got = answer.options
    assert (got.t1, got.t2) == (0.5, 0.6)
    for field, value in (("unneeded", 600), ("unready", 77), ("provision", 900)):
        if knows(got, field):
            assert getattr(got, field).duration == value * 10**9
        if knows(got, f"{field}_new"):
            assert getattr(got, f"{field}_new").ToSeconds() == value


def test_bytes_written_by_hand_in_the_old_generation() -> None:
    # Field 1 a node named "n", 2 and 3 metav1.Time: seconds 1 and 3601.
    asked = bytes.fromhex("0a03 12016e 1202 0801 1a03 08911c")
    read = wire.PricingNodePriceRequest.FromString(asked)
    assert (read.node.name, read.legacyStartTime.seconds) == ("n", 1)
    assert pricing.window_hours(read) == 1
    # Field 1 the id "pool", 2 the defaults: in their field 3 a metav1.Duration of 600 s in ns.
    asked = bytes.fromhex("0a04 706f6f6c 1209 1a07 0880e0a596bb11")
    options_read = wire.NodeGroupAutoscalingOptionsRequest.FromString(asked)
    assert options_read.id == "pool"
    assert options_read.defaults.legacyScaleDownUnneededTime.duration == 600 * 10**9
    assert options_read.SerializeToString() == asked
