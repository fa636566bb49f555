from __future__ import annotations

import collections
import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from rich import console as rich_console

from externalgrpc import standin
from externalgrpc.commands import demo
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.standin import client
from tests import absent, toyserver

TRACES = Path(__file__).parents[3] / "shared" / "traces"
Kind = standin.Kind


class Stage:
    """A stand-in, the server that it drives, and its events."""

    def __init__(self, toy: toyserver.ToyServer, channel: grpc.Channel, **settings) -> None:
        self.toy = toy
        self.channel = channel
        self.settings = settings
        self.events: list[standin.Event] = []
        self.driver = self.fresh()

    def fresh(self) -> standin.StandIn:
        """Start another autoscaler on the same server."""
        self.driver = standin.StandIn(
            self.channel, self.toy.time, self.events.append, **self.settings
        )
        return self.driver

    def loop(self, times: int = 1, every_s: float = 2.0) -> list[str]:
        """Run loops, time passing before each; give the RPCs of them all."""
        before = len(self.toy.requests)
        for _ in range(times):
            self.toy.time.pass_by(every_s)
            self.driver.loop()
        return self.toy.rpcs(before)

    def until(self, kind: Kind, most: int = 30) -> standin.Event:
        """Run loops until an event of a kind comes."""
        before = len(self.events)
        for _ in range(most):
            self.loop()
            for event in self.events[before:]:
                if event.kind is kind:
                    return event
        raise AssertionError(f"no {kind} in {most} loops: {self.events[before:]}")

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events]

    def sent(self, rpc: str) -> list:
        return [request for name, request in self.toy.requests if name == rpc]


@contextlib.contextmanager
def staged(*groups: toyserver.ToyGroup, **settings) -> Iterator[Stage]:
    toy = toyserver.ToyServer(toyserver.Time(), *groups or [toyserver.ToyGroup("web")])
    with toy.served() as address, grpc.insecure_channel(address) as channel:
        yield Stage(toy, channel, **settings)


@pytest.fixture(params=["1.31", "1.36"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(generation=request.param) as one:
        yield one


def test_demand_becomes_nodes_and_their_end_follows(stage: Stage):
    stage.driver.want("web", 3)
    stage.until(Kind.JOINED)
    stage.loop()
    assert [node.name for node in stage.driver.kubelets.nodes] == [
        "control-plane-1",
        "web-1",
        "web-2",
        "web-3",
    ]
    assert [r.delta for r in stage.sent("NodeGroupIncreaseSize")] == [3], "asked for once"
    assert stage.driver.at_rest
    labels = stage.driver.kubelets.nodes[1].labels
    assert labels == {"pool": "web", "kubernetes.io/hostname": "web-1"}

    stage.driver.want("web", 1)
    assert not stage.driver.at_rest
    stage.until(Kind.GONE)
    stage.loop(3)
    assert stage.driver.at_rest
    assert [node.name for node in stage.driver.kubelets.nodes] == ["control-plane-1", "web-1"]
    deletions = stage.sent("NodeGroupDeleteNodes")
    assert [[n.name for n in r.nodes] for r in deletions] == [["web-2"], ["web-3"]]
    assert all(not n.annotations for r in deletions for n in r.nodes)
    assert Kind.ABORTED not in stage.kinds()
    assert len(stage.sent("GPULabel")) == len(stage.sent("GetAvailableGPUTypes")) == 1


def test_a_failed_creation_is_cleaned_up_and_backed_off_from():
    group = toyserver.ToyGroup("web", stock=1)
    with staged(group, pace=standin.Pace(backoff_s=10)) as stage:
        stage.driver.want("web", 2)
        failed = stage.until(Kind.FAILED)
        assert "OutOfStock" in failed.text
        assert "sold out in north" in failed.text
        (deletion,) = stage.sent("NodeGroupDeleteNodes")
        (node,) = deletion.nodes
        assert node.name == node.providerID == "toy://launching/2"
        assert dict(node.annotations) == {client.FAKE_NODE_REASON: "create-error"}
        assert Kind.CLEANED in stage.kinds()

        group.stock = 5
        asked = len(stage.sent("NodeGroupIncreaseSize"))
        stage.loop(4)
        assert len(stage.sent("NodeGroupIncreaseSize")) == asked, "backed off"
        stage.loop(2)
        assert [r.delta for r in stage.sent("NodeGroupIncreaseSize")] == [2, 1]
        stage.loop(8)
        assert stage.driver.at_rest


def test_a_refused_increase_backs_the_group_off():
    with staged(pace=standin.Pace(backoff_s=10)) as stage:
        stage.toy.refusals["NodeGroupIncreaseSize"] = (grpc.StatusCode.UNAVAILABLE, "no listing")
        stage.driver.want("web", 1)
        assert "UNAVAILABLE: no listing" in stage.until(Kind.REFUSED).text
        stage.loop(4)
        assert len(stage.sent("NodeGroupIncreaseSize")) == 1
        stage.toy.refusals.clear()
        stage.until(Kind.JOINED)


def test_a_refused_deletion_is_asked_for_again(stage: Stage):
    stage.driver.want("web", 1)
    stage.until(Kind.JOINED)
    stage.toy.refusals["NodeGroupDeleteNodes"] = (grpc.StatusCode.INTERNAL, "no")
    stage.driver.want("web", 0)
    stage.until(Kind.REFUSED)
    assert len(stage.driver.kubelets.nodes) == 2
    stage.toy.refusals.clear()
    stage.until(Kind.GONE)


@pytest.mark.parametrize("rpc", ["Refresh", "NodeGroupTargetSize", "NodeGroupNodes"])
def test_an_error_aborts_the_loop_and_the_next_goes_on(stage: Stage, rpc: str):
    stage.loop()
    stage.toy.refusals[rpc] = (grpc.StatusCode.UNAVAILABLE, "down")
    stage.driver.want("web", 1)
    stage.loop(2)
    assert Kind.ABORTED in stage.kinds()
    stage.toy.refusals.clear()
    stage.until(Kind.JOINED)


def test_it_grows_to_the_largest_size_and_no_further():
    with staged(toyserver.ToyGroup("web", max=2)) as stage:
        stage.driver.want("web", 5)
        stage.loop(12)
        assert [r.delta for r in stage.sent("NodeGroupIncreaseSize")] == [2]


def test_it_shrinks_to_the_smallest_size_and_no_further():
    with staged(toyserver.ToyGroup("web", min=1)) as stage:
        stage.driver.want("web", 3)
        stage.until(Kind.JOINED)
        stage.driver.want("web", 0)
        stage.loop(15)
        assert len(stage.toy.members("web")) == 1


def test_machines_that_never_join_are_given_up():
    with staged(pace=standin.Pace(join_s=1e9, provision_s=20, backoff_s=1e9)) as stage:
        stage.driver.want("web", 2)
        assert "did not come in time" in stage.until(Kind.OVERDUE).text
        assert "never joined are given up" in stage.until(Kind.OVERDUE).text
        (withdrawal,) = stage.sent("NodeGroupDecreaseTargetSize")
        assert withdrawal.delta == -2
        (deletion,) = stage.sent("NodeGroupDeleteNodes")
        assert [dict(n.annotations) for n in deletion.nodes] == [
            {client.FAKE_NODE_REASON: "unregistered"}
        ] * 2
        assert [n.name for n in deletion.nodes] == ["toy://1", "toy://2"]


@pytest.mark.parametrize(("generation", "asked"), [("1.31", [3]), ("1.36", [3, 3])])
def test_a_restarted_autoscaler_forgets_since_1_36(generation: str, asked: list[int]):
    with staged(generation=generation) as stage:
        stage.driver.want("web", 3)
        stage.until(Kind.ASKED)
        stage.fresh().want("web", 3)
        stage.loop()
        assert [r.delta for r in stage.sent("NodeGroupIncreaseSize")] == asked
        assert len(stage.sent("GPULabel")) == 2


# What it costs: the counts of the idle loop, as measured and read for the real one.


@pytest.mark.parametrize(("generation", "strangers", "options"), [("1.31", 4, 2), ("1.36", 7, 4)])
def test_an_idle_loop_asks_what_the_real_one_asks(generation: str, strangers: int, options: int):
    names = ("a", "b", "c")
    with staged(*map(toyserver.ToyGroup, names), generation=generation) as stage:
        for name in names:
            stage.driver.want(name, 4)
        stage.loop(10)
        assert stage.driver.at_rest
        counts = collections.Counter(stage.loop())
        nodes = 3 * 4
        assert counts == {
            "Refresh": 1,
            "NodeGroups": 1,
            "NodeGroupForNode": nodes + strangers,
            "NodeGroupGetOptions": options * nodes,
            "NodeGroupTargetSize": 3 * 3,
        }
        # The instances of all groups are listed every two minutes, asked for or not.
        assert stage.loop(60, every_s=2).count("NodeGroupNodes") == 3


# The answers on which the real one crashes.


@pytest.mark.parametrize(
    ("generation", "field"), [("1.31", "nodeBytes"), ("1.36", "legacyNodeInfo")]
)
def test_a_template_without_the_field_of_the_release_is_a_panic(generation: str, field: str):
    with staged(generation=generation) as stage:
        stage.toy.template_fields = (field,)
        with pytest.raises(standin.Panic, match="holds no node"):
            stage.loop()


def test_options_without_the_old_fields_are_a_panic_for_an_old_release():
    with staged(generation="1.31") as stage:
        stage.toy.options = wire.NodeGroupAutoscalingOptions()
        stage.toy.options.scaleDownUnneededDuration.seconds = 1
        stage.driver.want("web", 1)
        with pytest.raises(standin.Panic, match="legacyScaleDownUnneededTime"):
            stage.loop()


def test_a_node_of_a_group_that_is_not_served_is_a_panic(stage: Stage):
    stage.toy.owner_of_strangers = "phantom"
    with pytest.raises(standin.Panic, match="phantom"):
        stage.loop()


def test_options_of_the_server_are_gone_by(stage: Stage):
    options = wire.NodeGroupAutoscalingOptions()
    options.legacyScaleDownUnneededTime.duration = 60 * 10**9
    options.legacyScaleDownUnreadyTime.duration = 60 * 10**9
    options.legacyMaxNodeProvisionTime.duration = 900 * 10**9
    options.scaleDownUnneededDuration.seconds = 60
    options.MaxNodeProvisionDuration.seconds = 900
    stage.toy.options = options
    stage.driver.want("web", 1)
    stage.until(Kind.JOINED)
    stage.driver.want("web", 0)
    stage.loop(29)
    assert not stage.sent("NodeGroupDeleteNodes")
    stage.until(Kind.DELETED, most=4)


# The wire.


def paths(message, prefix: str = "") -> set[str]:
    """Name every field that is set, nested ones by path; keys of maps do not matter."""
    found = set()
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        found.add(path)
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            # An instant's fraction or a whole second may happen to be zero.
            if not field.message_type.full_name.startswith("google.protobuf."):
                found |= paths(each, f"{path}.")
    return found


@pytest.mark.parametrize("generation", ["1.31", "1.36"])
def test_the_same_fields_are_set_as_the_real_one_sets(generation: str):
    if not TRACES.exists():
        absent.skip(absent.Need.SHARED)
    recorded: dict[str, set[str]] = collections.defaultdict(set)
    service = wire.DESCRIPTOR.services_by_name["CloudProvider"]
    for name in (f"ca-{generation}-up-down.jsonl", f"ca-{generation}-sold-out.jsonl"):
        for line in (TRACES / name).read_text().splitlines():
            document = json.loads(line)
            kind = getattr(wire, service.methods_by_name[document["rpc"]].input_type.name)
            recorded[document["rpc"]] |= paths(kind.FromString(bytes.fromhex(document["request"])))

    sent: dict[str, set[str]] = collections.defaultdict(set)
    with staged(toyserver.ToyGroup("web", stock=1), generation=generation) as stage:
        stage.driver.want("web", 2)
        stage.until(Kind.JOINED)
        stage.driver.want("web", 0)
        stage.until(Kind.GONE)
        for rpc, request in stage.toy.requests:
            sent[rpc] |= paths(request)
    # A machine that runs before the next loop is never asked for by a fake node.
    for document in (sent, recorded):
        document["NodeGroupForNode"].discard("node.annotations")
    assert dict(sent) == dict(recorded)


# The demonstration.


def play(*groups: toyserver.ToyGroup, terminal: bool = False) -> tuple[bool, str]:
    toy = toyserver.ToyServer(toyserver.Time(), *groups)
    sink = io.StringIO()
    # As high as its story is long: what does not fit a screen is not painted.
    console = rich_console.Console(file=sink, force_terminal=terminal, width=120, height=100)
    with toy.served() as address:
        done = demo.run_demo(address, console, time_source=toy.time, sleep=toy.time.pass_by)
    assert not [machine for group in groups for machine in toy.members(group.name)[group.min :]]
    return done, sink.getvalue()


def groups_of_the_show() -> list[toyserver.ToyGroup]:
    return [
        toyserver.ToyGroup("web"),
        toyserver.ToyGroup("batch", candidates=("small/south", "small/east"), location="east"),
        toyserver.ToyGroup("gpu", stock=2, max=4),
    ]


def test_the_demo_tells_its_story_line_by_line():
    done, result = play(*groups_of_the_show())
    assert done
    lines = result.splitlines()
    assert all(len(line) < 200 for line in lines)
    for expected in (
        "3 pods want a node of batch each",
        "3 more asked for",
        "small in east (its first choice had none)",
        "batch-3 joined the cluster",
        "one cannot be made: OutOfStock: small is sold out in north",
        "2 that could not be made are cleaned up",
        "web-1 is deleted",
        "web-1 is gone",
    ):
        assert any(expected in line for line in lines), expected
    assert "7 machines started, 7 joined" in lines[-1]
    seconds = float(lines[-1].split()[0])
    assert 45 <= seconds <= 75


def test_the_demo_paints_a_table_on_a_terminal():
    done, result = play(*groups_of_the_show(), terminal=True)
    assert done
    assert "cluster toy" in result
    assert "small/south, small/east" in result
    assert "batch-3 joined the cluster" in result


def test_a_demo_that_gets_nothing_says_so():
    done, result = play(toyserver.ToyGroup("web", stock=0))
    assert not done
    assert "0 joined" in result


def test_a_demo_keeps_the_smallest_sizes():
    toy = toyserver.ToyGroup("web", min=1, max=3)
    done, _ = play(toy)
    assert done


def test_no_server_is_reported_by_a_timeout():
    # Nobody listens on a port that was just given back.
    with toyserver.ToyServer(toyserver.Time()).served() as address:
        pass
    console = rich_console.Console(file=io.StringIO())
    with pytest.raises(grpc.FutureTimeoutError):
        demo.run_demo(address, console, patience_s=0.3)
