"""Machines become nodes, or do not: tokens, providerIDs, Node objects and the join watch."""

from __future__ import annotations

import dataclasses
import threading

import grpc
import pytest

from externalgrpc import assembly
from externalgrpc.bootstrap import preview
from externalgrpc.fleet import joins, proof, state, verdicts
from externalgrpc.joining import registrar
from externalgrpc.kube import cluster as kube
from externalgrpc.kube import errors as kube_errors
from externalgrpc.kube import events, nodes, reflector
from externalgrpc.model import credentials
from externalgrpc.nodes import kubeletconfig, template
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.support import clock
from providers import errors
from tests import serving
from tests.fleet import scene

IDENTITY = "c0ffee0123"
# Sweeps are the test's own, so that each is at a known instant.
BY_HAND = registrar.Pace(sweep_s=3600.0, gather_s=0.0, settle_s=0.0)
POOL = """
cluster: test
kubernetes: {}
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, minSize: 0, maxSize: 9,
   join: kubeadm, autoscalingOptions: {maxNodeProvisionTime: 600s}}
"""


class Cluster:
    """A cluster whose Nodes the test makes; it remembers what was asked of it."""

    def __init__(self) -> None:
        self.nodes: dict[str, nodes.Node] = {}
        self.minted: list[str] = []
        self.revoked: list[str] = []
        self.down = False
        self.annotation = ""
        self.complete = True
        self.silent_s = 0.0
        self.looks = 0
        self.reported: list[events.Event] = []
        self.kubelets: kubeletconfig.KubeletConfig | None = None
        self.listeners: kube.Listeners | None = None
        self._lock = threading.Lock()

    home = events.Regarding(kind="ConfigMap", name="pools", namespace="ours")
    skew_s = 0.0

    def connect(self, _config, _parts, listeners):
        self.listeners = listeners
        return self

    def identity(self):
        return None if self.down else IDENTITY

    def paused(self):
        return None if self.down else self.annotation

    def kubelet_config(self):
        if self.down:
            raise kube_errors.Unreachable("no answer")
        return self.kubelets

    def publish(self, event):
        self.reported.append(event)

    @property
    def node_list(self):
        self.looks += 1
        now = clock.SystemClock().monotonic() - self.silent_s
        return reflector.Listing(items=dict(self.nodes), complete=self.complete, heard_at=now)

    def credentials(self, node_name, group, *, provision_timeout_s):
        if self.down:
            raise kube_errors.Unreachable("no answer")
        with self._lock:
            self.minted.append(node_name)
        return credentials.example()

    def revoke(self, node_name):
        self.revoked.append(node_name)

    def adopt(self, node, provider_id):
        self.nodes[node.name] = dataclasses.replace(node, provider_id=provider_id)

    def remove(self, node, *, still):
        if still(self.nodes[node.name]):
            del self.nodes[node.name]

    def start(self):
        pass

    def stop(self, within_s=10.0):
        pass

    def join(self, machine, *, provider_id=None, ready=True, **more):
        provider_id_given = machine.provider_id if provider_id is None else provider_id
        node = nodes.Node(
            name=machine.node_name,
            uid=f"uid-{machine.node_name}",
            provider_id=provider_id_given,
            ready=ready,
            **more,
        )
        before, self.nodes[node.name] = self.nodes.get(node.name), node
        self.listeners.node(before, node)


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def house(tmp_path, cluster):
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND) as up:
        yield up


def machines(up):
    return dict(up.plant.reconciler.fleet.index.by_name)


def grown(up, count):
    up.plant.reconciler.grow("alpha", count, cover=False)
    serving.until(
        lambda: (
            len(machines(up)) == count
            and all(each.state.value == "running" for each in machines(up).values())
        )
    )
    return list(machines(up).values())


def proved(up):
    """Await the listings that prove that no machine of those that stand was a node."""

    def agreed():
        fleet = up.plant.reconciler.fleet
        (account,) = fleet.accounts
        there = fleet.index.by_provider_id.values()
        return all(proof.settled(fleet, each, account) for each in there)

    serving.until(agreed)


def shown(up):
    reply = up.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="alpha"))
    return {each.id: each.status for each in reply.instances}


def test_each_machine_gets_a_token_of_its_own_that_goes_when_it_is_a_node(house, cluster):
    first, second = grown(house, 2)
    assert sorted(cluster.minted) == sorted([first.node_name, second.node_name])
    house.plant.registrar.sweep()
    assert cluster.revoked == []
    cluster.join(first)
    house.plant.registrar.sweep()
    assert first.node_name in cluster.revoked
    assert second.node_name not in cluster.revoked
    assert first.provider_id in house.plant.reconciler.fleet.registered


def test_a_machine_that_is_given_up_loses_its_token(house, cluster):
    (machine,) = grown(house, 1)
    node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.node_name)
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[node]))
    house.plant.registrar.sweep()
    assert machine.node_name in cluster.revoked


def test_no_order_is_sent_while_no_token_can_be_minted(house, cluster):
    cluster.down = True
    with pytest.raises(errors.Throttled):
        house.plant.registrar.join_credentials("alpha-x", "alpha", provision_timeout_s=600)
    house.plant.reconciler.grow("alpha", 1, cover=False)
    serving.until(
        lambda: any(each.attempts for each in house.plant.reconciler.fleet.launches.values())
    )
    assert house.cloud.servers() == ()


def test_a_node_without_a_provider_id_gets_its_machines(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine, provider_id="")
    house.plant.registrar.sweep()
    assert cluster.nodes[machine.node_name].provider_id == machine.provider_id


def test_a_node_is_not_given_the_machine_of_another_because_a_label_says_so():
    there = scene.Scene(nodes={}, shown=(scene.machine(2, "g-5"),))
    assert registrar.only_one(there.fleet, "g-5").id == "2"
    of_another = dataclasses.replace(there.fleet, nodes={"g-2": state.Seen("sky://2", ready=True)})
    assert registrar.only_one(of_another, "g-5") is None
    was_another = dataclasses.replace(there.fleet, registered={"sky://2": "g-2"})
    assert registrar.only_one(was_another, "g-5") is None
    again = dataclasses.replace(there.fleet, registered={"sky://2": "g-5"})
    assert registrar.only_one(again, "g-5").id == "2"
    late = dataclasses.replace(there.fleet, minted={"g-5": "sky://5"})
    assert registrar.only_one(late, "g-5") is None


def test_a_machine_that_went_off_before_it_joined_is_shown_as_failed(house, cluster):
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    proved(house)
    house.plant.registrar.sweep()
    status = shown(house)[machine.provider_id]
    assert status.instanceState == pb.InstanceStatus.InstanceState.instanceCreating
    assert status.errorInfo.errorCode == "JoinFailed"
    assert status.errorInfo.instanceErrorClass == 99
    assert machine.node_name in status.errorInfo.errorMessage


def test_a_registered_machine_is_never_shown_as_failed(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    house.plant.registrar.sweep()
    cluster.nodes.clear()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    house.plant.registrar.sweep()
    assert not shown(house)[machine.provider_id].HasField("errorInfo")


def test_what_never_joins_is_let_go_at_last_and_its_group_held_back(tmp_path, cluster):
    hasty = dataclasses.replace(BY_HAND, patience_s=0.0)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=hasty) as house:
        never_joins(house, cluster)


def never_joins(house, cluster):
    machines_ = grown(house, joins.STRIKES)
    house.plant.registrar.sweep()
    for machine in machines_:
        house.cloud.power_off(machine.id)
    serving.until(lambda: all(m.state.value == "stopped" for m in machines(house).values()))
    house.plant.registrar.sweep()
    with pytest.raises(grpc.RpcError, match="held back"):
        house.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1))
    reasons = [(each.regarding, each.reason, each.kind) for each in cluster.reported]
    assert reasons.count((cluster.home, "JoinFailed", "Warning")) == joins.STRIKES
    assert reasons.count((cluster.home, "GroupHeldBack", "Warning")) == 1
    proved(house)
    house.plant.registrar.sweep()
    house.plant.registrar.sweep()
    serving.until(lambda: len(house.cloud.servers()) == joins.STRIKES - 1)
    house.plant.registrar.sweep()
    withheld = [held.withheld for held in house.plant.reconciler.fleet.unjoined.values()]
    assert withheld == [verdicts.CAPPED] * (joins.STRIKES - 1), "one in ten minutes, no more"
    fleet = house.plant.reconciler.fleet
    let_go = (*fleet.retired.values(), *fleet.gone.values())
    assert let_go
    assert all(each.own for each in let_go), "CA asked for none of it"
    assert len(cluster.reported) == joins.STRIKES + 1


def test_nothing_is_judged_on_a_list_of_nodes_that_is_not_whole(house, cluster):
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    proved(house)
    cluster.complete = False
    house.plant.registrar.sweep()
    assert not shown(house)[machine.provider_id].HasField("errorInfo")
    cluster.complete, cluster.silent_s = True, registrar.FRESH_S + 1
    house.plant.registrar.sweep()
    assert house.plant.reconciler.fleet.nodes_stale
    assert not shown(house)[machine.provider_id].HasField("errorInfo")
    cluster.silent_s = 0.0
    house.plant.registrar.sweep()
    assert shown(house)[machine.provider_id].HasField("errorInfo")


def listed_again(up):
    before = up.plant.reconciler.fleet.accounts["memory"].snapshot
    serving.until(
        lambda: up.plant.reconciler.fleet.accounts["memory"].snapshot.begun_at > before.begun_at
    )


def test_the_node_of_a_deleted_machine_is_removed_after_two_listings(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    house.plant.registrar.sweep()
    node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.node_name)
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[node]))
    serving.until(lambda: machine.provider_id in house.plant.reconciler.fleet.gone)
    house.plant.registrar.sweep()
    assert machine.node_name in cluster.nodes
    listed_again(house)
    house.plant.registrar.sweep()
    assert machine.node_name not in cluster.nodes


def test_a_ready_node_and_a_stranger_stay(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    stranger = dataclasses.replace(machine, node_name="someone", provider_id="memory://99999")
    cluster.join(stranger, ready=False)
    other = dataclasses.replace(machine, node_name="alpha-zzzzzz", provider_id="hcloud://7")
    cluster.join(other, ready=False)
    house.plant.registrar.sweep()
    house.cloud.vanish(machine.id)
    fleet = lambda: house.plant.reconciler.fleet  # noqa: E731
    serving.until(lambda: fleet().missing and fleet().missing[machine.provider_id].absences)
    for _ in range(3):
        house.plant.registrar.sweep()
        listed_again(house)
    assert machine.node_name in cluster.nodes
    assert machine.provider_id in fleet().missing, "a Node that is ready is a machine that lives"
    cluster.join(machine, ready=False)
    house.plant.registrar.sweep()
    serving.until(lambda: machine.provider_id in fleet().gone)
    for _ in range(2):
        listed_again(house)
        house.plant.registrar.sweep()
    assert machine.node_name not in cluster.nodes
    assert {"someone", "alpha-zzzzzz"} <= cluster.nodes.keys()


def test_a_cluster_that_cannot_be_reached_is_reported_at_the_start(tmp_path):
    with (
        pytest.raises(assembly.NoCluster, match="kubernetes: this is no pod"),
        serving.running(tmp_path, POOL, connect=assembly.connect),
    ):
        pass


def has(of):
    """Read what a template promises, by resource."""
    reply = of.stub.NodeGroupTemplateNodeInfo(pb.NodeGroupTemplateNodeInfoRequest(id="alpha"))
    result = core.Node.FromString(reply.nodeBytes)
    return {name: amount.string for name, amount in result.status.allocatable.items()}


def metric(of, name, **labels):
    return of.plant.metrics.registry.get_sample_value(f"vps_autoscaler_{name}", labels)


def test_the_first_node_of_a_make_teaches_the_template(house, cluster):
    (machine,) = grown(house, 1)
    before = has(house)
    real = template.Observed(
        cpu_millis=1900, memory_bytes=1_700_000 * 1024, disk_bytes=10**10 + 1, pods=110
    )
    cluster.join(machine, ready=False, capacity=real, allocatable=real)
    house.plant.registrar.sweep()
    assert has(house) == before
    free = dataclasses.replace(real, memory_bytes=1_590_000 * 1024, disk_bytes=9 * 10**9 + 7)
    cluster.join(machine, capacity=real, allocatable=free)
    house.plant.registrar.sweep()
    assert has(house) == {
        "cpu": "1900m",
        "memory": "1590000Ki",
        "ephemeral-storage": "9000000007",
        "pods": "110",
    }
    house.cloud.vanish(machine.id)
    cluster.nodes.clear()
    house.plant.registrar.sweep()
    serving.until(lambda: machine.provider_id in house.plant.reconciler.fleet.gone)
    house.plant.registrar.sweep()
    assert has(house)["memory"] == "1590000Ki"


def test_the_clusters_kubelet_config_is_read_and_promised_and_ordered(tmp_path, cluster):
    cluster.kubelets = kubeletconfig.KubeletConfig(max_pods=64, cpu_millis=250)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND) as up:
        serving.until(lambda: has(up)["pods"] == "64")
        assert has(up)["cpu"] == "1750m"
        grown(up, 1)
        (server,) = up.cloud.servers()
        user_data = server.user_data
        # The kubelet has it from the cluster itself: nothing is patched.
        assert "maxPods" not in user_data
        assert "systemReserved" not in user_data


@pytest.mark.parametrize(
    "join",
    [
        "kubeadm",
        "k3s, joinOptions: {k3sVersion: v1.36.2+k3s1}",
        "raw, userDataFile: boot.sh, labels: {tier: web}",
    ],
)
def test_what_check_and_render_show_is_what_is_ordered(tmp_path, cluster, join):
    (tmp_path / "boot.sh").write_text(
        "#!/bin/sh\n# @@NODE_NAME@@ @@GROUP@@ @@CLUSTER@@ @@NODE_LABELS@@ @@REGION@@ "
        "@@INSTANCE_TYPE@@ @@PROVIDER@@ @@PROVIDER_ID_SCHEME@@\n"
    )
    pool = POOL.replace("join: kubeadm", f"join: {join}")
    with serving.running(tmp_path, pool, connect=cluster.connect, joining=BY_HAND) as up:
        grown(up, 1)
        (server,) = up.cloud.servers()
        found, runtime = up.plant._config, up.plant.reconciler.runtimes()["memory"]
        types = {each.name: each for each in runtime.provider.machine_types()}
        shown = preview.ordered(
            found,
            found.groups[0],
            runtime.provider,
            node_name=server.node_name,
            machine_type=types["small"],
            location="north",
            join_credentials=credentials.example(),
        )
    assert server.user_data == shown


def test_what_kubelets_of_k3s_keep_is_not_in_kubeadms_kubelet_config(tmp_path, cluster):
    cluster.kubelets = kubeletconfig.KubeletConfig(max_pods=64)
    pool = POOL.replace("join: kubeadm", "join: k3s, joinOptions: {k3sVersion: v1.36.2+k3s1}")
    with serving.running(tmp_path, pool, connect=cluster.connect, joining=BY_HAND) as up:
        serving.until(lambda: up.plant.reconciler.fleet.kubelets)
        assert has(up)["pods"] == "110"


def test_a_cluster_that_is_away_takes_nothing_back(tmp_path, cluster):
    cluster.kubelets = kubeletconfig.KubeletConfig(max_pods=64)
    often = dataclasses.replace(BY_HAND, sweep_s=0.01, kubelets_s=0.0, retry_s=0.0)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=often) as up:
        serving.until(lambda: has(up)["pods"] == "64")
        cluster.down = True
        serving.until(lambda: not up.plant.registrar.sweep())
        assert has(up)["pods"] == "64"
        cluster.down, cluster.kubelets = False, None
        serving.until(lambda: has(up)["pods"] == "110")


def test_a_pause_is_read_again_and_again_and_orders_wait_for_the_first_answer(tmp_path, cluster):
    cluster.down, cluster.annotation = True, "somebody said so"
    often = dataclasses.replace(BY_HAND, sweep_s=0.01, pause_s=0.0, retry_s=0.0)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=often) as up:

        def fleet():
            return up.plant.reconciler.fleet

        assert fleet().annotation is None
        cluster.down = False
        serving.until(lambda: fleet().annotation == "somebody said so")
        assert up.show().accounts[0].not_now_code == "Paused"
        cluster.down = True
        serving.until(lambda: not up.plant.registrar.sweep())
        assert fleet().annotation == "somebody said so", "who does not answer takes nothing back"
        cluster.down, cluster.annotation = False, ""
        serving.until(lambda: fleet().annotation == "")


def test_a_kubelet_config_that_could_not_be_read_is_asked_for_again_soon(tmp_path, cluster):
    cluster.kubelets, cluster.down = kubeletconfig.KubeletConfig(max_pods=64), True
    soon = dataclasses.replace(BY_HAND, sweep_s=0.01, retry_s=0.0)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=soon) as up:
        assert has(up)["pods"] == "110"
        cluster.down = False
        serving.until(lambda: has(up)["pods"] == "64")


def test_certificate_requests_of_machines_that_are_gone_are_forgotten(house, cluster):
    (machine,) = grown(house, 1)
    cluster.listeners.asking(machine.node_name)
    cluster.listeners.asking("nobody-we-know")
    house.plant.registrar.sweep()
    assert house.plant.registrar.asking == {machine.node_name}
    house.cloud.change(create_latency_s=2.0)
    house.plant.reconciler.grow("alpha", 1, cover=False)
    (early,) = set(house.plant.reconciler.fleet.launches) - {machine.node_name}
    cluster.listeners.asking(early)
    house.plant.registrar.sweep()
    assert house.plant.registrar.asking == {machine.node_name, early}
    house.cloud.vanish(machine.id)
    serving.until(lambda: machine.provider_id in house.plant.reconciler.fleet.gone)
    house.plant.registrar.sweep()
    assert house.plant.registrar.asking == {early}


def test_a_join_is_followed_timed_and_reported(tmp_path, cluster):
    slow = {"boot_time_s": 3.0}
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND, **slow) as house:
        house.plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(lambda: machines(house))
        house.plant.registrar.sweep()
        (name,) = machines(house)
        journeys = lambda: house.plant.reconciler.fleet.journeys[name]  # noqa: E731
        assert journeys().step is state.Step.CREATED
        serving.until(lambda: machines(house)[name].state.value == "running")
        house.plant.registrar.sweep()
        assert journeys().step is state.Step.RUNNING
        cluster.listeners.asking(name)
        house.plant.registrar.sweep()
        assert journeys().step is state.Step.CSR
        cluster.join(machines(house)[name], ready=False)
        house.plant.registrar.sweep()
        assert journeys().step is state.Step.NODE
        cluster.join(machines(house)[name])
        house.plant.registrar.sweep()
        assert journeys().step is state.Step.READY
        for phase in ("running", "csr", "node", "ready", "total"):
            count = metric(house, "join_phase_seconds_count", group="alpha", phase=phase)
            assert count == 1.0, phase
        assert metric(house, "time_to_ready_seconds_count", group="alpha") == 1.0
        (joined,) = cluster.reported
        assert (joined.reason, joined.kind, joined.regarding.name) == ("Joined", "Normal", name)
        house.plant.registrar.sweep()
        assert len(cluster.reported) == 1
        (shown_,) = house.show().machines
        assert shown_.step == "ready"


def test_a_node_that_comes_is_swept_for_at_once(tmp_path, cluster):
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND) as house:
        (machine,) = grown(house, 1)
        cluster.join(machine)
        serving.until(lambda: machine.node_name in cluster.revoked)


def test_a_failed_join_is_counted_by_group_and_code(house, cluster):
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    house.plant.registrar.sweep()
    house.plant.registrar.sweep()
    assert metric(house, "joins_failed_total", group="alpha", code="JoinFailed") == 1.0
    (result,) = cluster.reported
    assert result.note.startswith(f"group alpha: {machine.node_name} went off")


def test_only_machines_on_their_way_are_expected(house, cluster):
    expected = cluster.listeners.expected
    assert not expected("alpha-zzzzzz")
    house.cloud.change(create_latency_s=2.0)
    house.plant.reconciler.grow("alpha", 1, cover=False)
    (name,) = house.plant.reconciler.fleet.launches
    assert expected(name)
    serving.until(lambda: name in machines(house))
    assert expected(name)
    cluster.join(machines(house)[name])
    house.plant.registrar.sweep()
    assert not expected(name)
    house.cloud.change(create_latency_s=0.0)
    house.plant.reconciler.grow("alpha", 1, cover=False)
    serving.until(lambda: len(machines(house)) == 2)
    (other,) = machines(house).keys() - {name}
    assert expected(other)
    ref = pb.ExternalGrpcNode(providerID=machines(house)[other].provider_id, name=other)
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[ref]))
    assert not expected(other)


def test_a_machine_that_failed_is_not_expected_any_more(house, cluster):
    expected = cluster.listeners.expected
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    assert expected(machine.node_name)
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    proved(house)
    house.plant.registrar.sweep()
    assert not expected(machine.node_name)
    house.plant.registrar.sweep()
    assert machine.node_name in cluster.revoked
    assert machines(house), "it is still there: its token is not"
    house.cloud.fail_all(errors.BadOrder, "no such image")
    house.plant.reconciler.grow("alpha", 1, cover=False)
    (name,) = house.plant.reconciler.fleet.launches
    serving.until(lambda: house.plant.reconciler.fleet.launches[name].phase is state.Phase.FAILED)
    assert not expected(name)


class Busy:
    """A reconciler of which one more machine is ordered right after anybody looked at its fleet."""

    def __init__(self, real):
        self.real, self.ordered, self.mint = real, [], None

    def __getattr__(self, name):
        return getattr(self.real, name)

    @property
    def fleet(self):
        seen = self.real.fleet
        if self.mint is not None and len(self.ordered) < 6:
            (name,) = self.real.grow("alpha", 1, cover=False).ordered
            self.mint(name, "alpha", provision_timeout_s=600)
            self.ordered.append(name)
        return seen


def test_a_token_that_is_minted_while_we_look_is_not_revoked(house, cluster):
    busy = Busy(house.plant.reconciler)
    second = registrar.Registrar(
        lambda _listeners: cluster,
        busy,
        time_source=clock.SystemClock(),
        remove_nodes=True,
        pace=BY_HAND,
    )
    busy.mint = second.join_credentials
    second.sweep()
    assert busy.ordered
    assert not set(busy.ordered) & set(cluster.revoked)


def restarted(house, cluster, *, pace=BY_HAND, time_source=None, remove_nodes=True):
    """Another process on the same fleet: it knows nothing of tokens, requests or Nodes."""
    made = registrar.Registrar(
        lambda _listeners: cluster,
        house.plant.reconciler,
        time_source=time_source or clock.SystemClock(),
        remove_nodes=remove_nodes,
        pace=pace,
    )
    cluster.revoked.clear()
    return made


class Later:
    """The system's clock, and so many seconds."""

    def __init__(self, by_s=0.0):
        self.by_s = by_s

    def monotonic(self):
        return clock.SystemClock().monotonic() + self.by_s

    def unix(self):
        return clock.SystemClock().unix() + self.by_s


def test_tokens_of_the_process_before_us_go_too_even_where_ca_saw_the_node_first(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    house.plant.reconciler.registered({machine.provider_id: machine.node_name})
    after = restarted(house, cluster)
    after.sweep()
    after.sweep()
    assert cluster.revoked == [machine.node_name]


def test_a_node_that_claims_another_machine_has_nothing_revoked_and_is_reported_once(
    house, cluster, caplog
):
    (machine,) = grown(house, 1)
    cluster.join(dataclasses.replace(machine, node_name="named-by-hand"))
    sweeper = restarted(house, cluster)
    for _ in range(3):
        sweeper.sweep()
        house.plant.registrar.sweep()
    assert cluster.revoked == []
    assert machine.provider_id not in house.plant.reconciler.fleet.registered
    assert caplog.text.count("node claim ignored: the machine's mark has another name") == 2


def test_nobody_asks_for_tokens_that_cannot_live_any_more(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    cluster.silent_s = -registrar.TOKENS_S
    restarted(house, cluster, time_source=Later(registrar.TOKENS_S + 60)).sweep()
    assert cluster.revoked == []


def test_a_request_that_came_before_the_first_listing_is_not_forgotten(tmp_path, cluster):
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND) as house:
        (machine,) = grown(house, 1)
        fleet = house.plant.reconciler.fleet
        unseen = dataclasses.replace(fleet.accounts["memory"], snapshot=None)
        house.plant.ticker.stop()
        blank = dataclasses.replace(
            fleet, accounts={"memory": unseen}, index=state.Index(), journeys={}
        )
        after = restarted(house, cluster)
        after._asking(machine.node_name)
        house.plant.reconciler.fleet = blank
        after.sweep()
        assert after.asking == {machine.node_name}
        house.plant.reconciler.fleet = fleet
        after.sweep()
        assert house.plant.reconciler.fleet.journeys[machine.node_name].step is state.Step.CSR


def test_a_kubelet_config_that_nobody_can_read_stops_no_sweep(tmp_path, cluster):
    class Odd(Cluster):
        def kubelet_config(self):
            raise RuntimeError("nobody thought of this")

    cluster = Odd()
    often = dataclasses.replace(BY_HAND, sweep_s=0.01)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=often) as house:
        (machine,) = grown(house, 1)
        cluster.join(machine)
        serving.until(lambda: machine.node_name in cluster.revoked)


def failed_by(sweeper, house):
    sweeper.sweep()
    return set(house.plant.reconciler.fleet.unjoined)


def test_after_a_start_and_after_a_gap_nobody_is_judged_for_a_while(house, cluster):
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    now = Later()
    slow = dataclasses.replace(BY_HAND, settle_s=60.0)
    after = restarted(house, cluster, pace=slow, time_source=now)
    for at_s, silent_s in ((0, 0), (59, 0), (60, registrar.FRESH_S + 1), (70, 0), (129, 0)):
        now.by_s, cluster.silent_s = at_s, silent_s - at_s
        assert not failed_by(after, house), at_s
    now.by_s, cluster.silent_s = 130, -130
    assert failed_by(after, house) == {machine.node_name}


def test_nodes_of_an_api_server_whose_clock_is_behind_are_not_late(house, cluster):
    (machine,) = grown(house, 1)
    cluster.skew_s = -3600.0
    made_at = clock.SystemClock().unix() + cluster.skew_s
    cluster.join(machine, ready=False, created_at=made_at, ready_since=made_at)
    assert not failed_by(house.plant.registrar, house)
    assert not house.plant.reconciler.fleet.journeys[machine.node_name].watched


def test_a_machine_that_a_listing_lacks_for_now_fails_in_its_group(house, cluster):
    (machine,) = grown(house, 1)
    house.plant.registrar.sweep()
    reconciler = house.plant.reconciler
    house.plant.ticker.stop()
    fleet = reconciler.fleet
    off = dataclasses.replace(machine, state=type(machine.state).STOPPED)
    missing = {machine.provider_id: state.Missing(instance=off, account="memory")}
    reconciler.fleet = dataclasses.replace(fleet, index=state.Index(), missing=missing)
    house.plant.registrar.sweep()
    assert metric(house, "joins_failed_total", group="alpha", code="JoinFailed") == 1.0
    (result,) = cluster.reported
    assert result.note.startswith("group alpha: ")


def test_one_that_is_never_ready_is_reported_once_and_left_to_ca(tmp_path, cluster):
    pool = POOL.replace("join: kubeadm", "join: kubeadm, joinDeadlines: {ready: 1s}")
    with serving.running(tmp_path, pool, connect=cluster.connect, joining=BY_HAND) as house:
        (machine,) = grown(house, 1)
        house.plant.registrar.sweep()
        cluster.join(machine, ready=False)
        house.plant.registrar.sweep()
        serving.until(lambda: failed_by(house.plant.registrar, house))
        node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.node_name)
        for _ in range(3):
            house.stub.NodeGroupForNode(pb.NodeGroupForNodeRequest(node=node))
            house.plant.registrar.sweep()
            status = shown(house)[machine.provider_id]
            assert status.instanceState == pb.InstanceStatus.InstanceState.instanceRunning
            assert not status.HasField("errorInfo"), "CA would delete it, and it is a node"
        (held,) = house.plant.reconciler.fleet.unjoined.values()
        assert (held.failure.code, held.withheld) == ("NodeNotReady", verdicts.UNPROVED)
        size = lambda: (  # noqa: E731
            house.stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="alpha")).targetSize
        )
        assert size() == 1
        for _ in range(2):
            house.stub.NodeGroupDeleteNodes(
                pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[node])
            )
            assert size() == 0
        assert metric(house, "joins_failed_total", group="alpha", code="NodeNotReady") == 1.0


def test_the_news_of_a_moment_are_swept_for_once(tmp_path, cluster):
    gathers = dataclasses.replace(BY_HAND, gather_s=0.5)
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=gathers) as house:
        (machine,) = grown(house, 1)
        cluster.looks = 0
        for _ in range(300):
            cluster.join(machine, ready=False)
            cluster.join(machine, ready=True)
        serving.until(lambda: machine.node_name in cluster.revoked)
        assert cluster.looks <= 3


class Deaf(Cluster):
    """A cluster that takes its time to let go, as much as it is given."""

    def __init__(self):
        super().__init__()
        self.given_s = []
        self.asked, self.answers = threading.Event(), threading.Event()

    def kubelet_config(self):
        self.asked.set()
        self.answers.wait(60)

    def stop(self, within_s=10.0):
        self.given_s.append(within_s)


def test_a_cluster_that_does_not_answer_holds_up_the_end_for_seconds_only(tmp_path):
    cluster = Deaf()
    with serving.running(tmp_path, POOL, connect=cluster.connect, joining=BY_HAND) as house:
        assert cluster.asked.wait(10)
        began = clock.SystemClock().monotonic()
        house.plant.registrar.stop_sweeping()
        assert clock.SystemClock().monotonic() - began < 0.5, "deletions under way come first"
        house.plant.registrar.close(1.0)
        assert clock.SystemClock().monotonic() - began < 2.0
        assert 0.3 < cluster.given_s[0] < 0.7
        cluster.answers.set()


def test_an_outage_is_reported_when_it_begins_and_when_it_ends(house, cluster, caplog):
    caplog.set_level("INFO")
    there = grown(house, 4)
    for ready in (True, False, False, True, True):
        for machine in there:
            cluster.join(machine, ready=ready)
        house.plant.registrar.sweep()
    assert caplog.text.count("outage: no join is judged") == 1
    assert caplog.text.count("outage over") == 1
