"""VPSNodes on a real API server, with the rights of our account: from kubectl apply to a group.

The provider is one that the CRD knows; its machines are the memory cloud's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from externalgrpc import assembly, config
from externalgrpc import fleet as fleets
from externalgrpc.fleet import state, view
from externalgrpc.joining import registrar
from externalgrpc.kube import access
from externalgrpc.model import installed_clouds
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.rpc import client, fleet_service, server, service
from externalgrpc.support import clock
from externalgrpc.vpsnodes import draining, objects, pace
from providers import memory
from providers.memory import datacenter
from tests import absent
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

Object = dict[str, Any]

DEPLOY = planes.ROOT / "deploy"
CRD = DEPLOY / "crds" / "vpsnodes.yaml"
RIGHTS = DEPLOY / "vpsnodes-rbac.yaml"
SEED = planes.ROOT.parent / "shared" / "seed" / "blocks"
KIND = "vpsnodes.kubero.dev"

FILE = """
cluster: test
kubernetes: {{kubeconfig: {kubeconfig}, apiServer: 'https://127.0.0.1:6443'}}
vpsNodes: {{defaults: {{hetzner: {{image: debian-13, join: image}}}}}}
"""


def made(name: str, **spec: Any) -> str:
    scale = {"enabled": True, "minNodes": 0, "maxNodes": 5}
    whole = {
        "provider": "hetzner",
        "region": "north",
        "instanceType": "small",
        "autoScale": scale,
        **spec,
    }
    about = {"name": name}
    return json.dumps(
        {"apiVersion": objects.VERSION, "kind": objects.KIND, "metadata": about, "spec": whole}
    )


@dataclasses.dataclass
class World:
    plane: planes.Plane
    folder: Path
    cloud: datacenter.Datacenter
    plant: assembly.Assembly | None = None

    @contextlib.contextmanager
    def serving(self, text: str = FILE) -> Iterator[assembly.Assembly]:
        path = self.folder / "pools.yaml"
        path.write_text(text.format(kubeconfig=self.plane.account()))
        source = config.Source(
            path=path,
            cluster="",
            environ={"HCLOUD_TOKEN": "t" * 64},
            installed=installed_clouds.installed(),
        )
        read = config.load(path, cluster="", environ=source.environ, clouds=source.installed)
        parts = assembly.Parts(
            chance=random.Random(7),
            pace=state.Pace(busy_s=0.05, steady_s=0.2),
            open_provider=lambda _cloud, login: memory.MemoryCloud(login, cloud=self.cloud),
            joining=registrar.Pace(sweep_s=0.1, gather_s=0.01),
            source=source,
            writing=pace.Pace(object_s=0.2, a_minute=6000.0, burst=100),
        )
        self.plant = assembly.Assembly(read, source.installed, parts)
        self.plant.start()
        try:
            yield self.plant
        finally:
            self.plant.stop(5.0)

    def apply(self, text: str) -> None:
        self.plane.kubectl("apply", "-f", "-", stdin=text)

    def get(self, name: str) -> Object:
        found = self.plane.kubectl("get", KIND, name, "--ignore-not-found", "-o", "json")
        return dict(json.loads(found)) if found.strip() else {}

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        for each in self.get(name).get("status", {}).get("conditions", ()):
            if each["type"] == kind:
                return each["status"], each["reason"], each["message"]
        return "", "", ""

    @property
    def fleet(self) -> state.Fleet:
        assert self.plant is not None
        return self.plant.reconciler.fleet

    def served(self) -> list[str]:
        return [each.name for each in view.served(self.fleet)]

    def until(self, condition: Any, what: str, within_s: float = 20.0) -> None:
        waiting.until(condition, what, within_s=within_s)


@pytest.fixture
def world(plane: planes.Plane, tmp_path: Path) -> Iterator[World]:
    if not CRD.exists():
        pytest.skip("deploy/crds/vpsnodes.yaml comes with another change")
    plane.kubectl("apply", "-f", str(CRD), "-f", str(RIGHTS))
    plane.kubectl("wait", "--for=condition=Established", "crd/vpsnodes.kubero.dev")
    options = datacenter.Options(
        boot_time_s=0.1,
        requests_per_hour=3_600_000,
        burst=3_600_000,
        create_latency_s=0.0,
        list_latency_s=0.0,
        delete_latency_s=0.0,
        delete_time_s=0.1,
    )
    try:
        yield World(plane, tmp_path, datacenter.Datacenter(options))
    finally:
        names = plane.kubectl("get", KIND, "-o", "name").split()
        for name in names:
            patch = '{"metadata":{"finalizers":null}}'
            plane.kubectl("patch", name, "--type=merge", "-p", patch)
        plane.kubectl("delete", "-f", str(RIGHTS), "-f", str(CRD))


def test_our_account_may_do_what_it_needs_and_no_more(world: World) -> None:
    link = world.plane.link()
    assert access.missing(link.api, access.needs_of_vps_nodes()) == ()
    assert access.excess(link.api) == ()


@contextlib.contextmanager
def asked(plant: assembly.Assembly) -> Iterator[Callable[[], set[str]]]:
    """Serve gRPC; give what NodeGroups shows to the autoscaler."""
    serving = server.Server(
        server.Listening(address="127.0.0.1:0"),
        service.CloudProvider(plant.reconciler, plant.describer),
        fleet_service.Show(plant.reconciler, plant.describer, clock.SystemClock(), version="test"),
    )
    serving.start()
    try:
        with client.Connection(address=serving.address).open() as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)  # type: ignore[no-untyped-call]
            yield lambda: {
                each.id for each in stub.NodeGroups(pb.NodeGroupsRequest(), timeout=5.0).nodeGroups
            }
    finally:
        serving.stop(0.5)


@pytest.mark.parametrize("defaults", [True, False], ids=["known before", "with the object"])
def test_an_object_is_in_node_groups_within_three_seconds(world: World, *, defaults: bool) -> None:
    """The very first one too, by which an account is opened and listed that nobody spoke of."""
    text = FILE if defaults else FILE.partition("vpsNodes:")[0] + "vpsNodes: {{}}\n"
    own = {} if defaults else {"image": "debian-13", "join": "image"}
    with world.serving(text) as plant, asked(plant) as node_groups:
        world.until(lambda: not world.fleet.awaited, "the VPSNodes are listed")
        assert node_groups() == set()
        assert bool(world.fleet.accounts) is defaults
        there: set[str] = set()
        for name in ("first", "web"):
            began = clock.SystemClock().monotonic()
            world.apply(made(name, **own))
            there.add(name)
            world.until(lambda: node_groups() == there, f"{name} is shown", within_s=3.0)
            assert clock.SystemClock().monotonic() - began < 3.0, f"{name}, kubectl included"
        world.until(
            lambda: world.condition("web", "Accepted")[:2] == ("True", "Accepted"), "accepted"
        )
        assert world.get("web")["status"]["acceptedSpec"] == world.get("web")["spec"]


def test_what_is_deleted_names_the_pods_that_keep_it(world: World) -> None:
    """Without the right to list pods it names that; with it, the pod. Asked every half a minute."""
    lone = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lone", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    }
    rights = str(DEPLOY / "headroom.yaml")
    with world.serving() as plant:
        world.apply(made("web"))
        world.until(lambda: "web" in world.served(), "web is served")
        plant.reconciler.grow("web", 1, cover=False)
        world.until(world.cloud.servers, "a machine is ordered")
        world.until(lambda: view.members(world.fleet, "web")[0].provider_id, "it has an id")
        (member,) = view.members(world.fleet, "web")
        world.plane.make_node(member.name, provider_id=member.provider_id)
        world.until(lambda: member.provider_id in world.fleet.registered, "its Node is seen")
        lone["spec"] = {**lone["spec"], "nodeName": member.name}
        world.apply(json.dumps(lone))
        world.plane.kubectl("delete", KIND, "web", "--wait=false")
        try:
            world.until(
                lambda: draining.NO_RIGHT in world.condition("web", "Draining")[2],
                "the condition says that pods may not be listed",
            )
            world.plane.kubectl("apply", "-f", rights)
            kept = f"on {member.name} default/lone (no controller makes it anew elsewhere)"
            world.until(
                lambda: kept in world.condition("web", "Draining")[2],
                "the condition names the pod",
                within_s=90.0,
            )
        finally:
            world.plane.kubectl("delete", "-f", rights, "--ignore-not-found")
            world.plane.kubectl("delete", "pod", "lone", "--force", "--ignore-not-found")
            world.plane.kubectl("delete", "node", member.name)
            world.plane.kubectl("apply", "-f", str(DEPLOY / "rbac.yaml"))


def test_from_the_first_machine_to_the_last(world: World) -> None:
    with world.serving() as plant:
        world.apply(made("web"))
        world.until(lambda: "web" in world.served(), "web is served")
        plant.reconciler.grow("web", 1, cover=False)
        world.until(world.cloud.servers, "a machine is ordered")
        assert world.get("web")["metadata"]["finalizers"] == [objects.FINALIZER]
        world.until(lambda: world.get("web")["status"].get("nodes") == 1, "it is counted")
        world.plane.kubectl("delete", KIND, "web", "--wait=false")
        world.until(
            lambda: world.condition("web", "Draining")[:2] == ("True", "WaitingForEmpty"),
            "the condition says what holds it",
        )
        (member,) = view.members(world.fleet, "web")
        assert member.name in world.condition("web", "Draining")[2]
        plant.reconciler.retire(
            "web", [fleets.NodeRef(provider_id=member.provider_id, name=member.name)]
        )
        world.until(lambda: world.get("web") == {}, "the object is gone")
        assert world.cloud.servers() == ()


def test_the_last_good_spec_outlives_the_process(world: World) -> None:
    with world.serving():
        world.apply(made("web", labels={"tier": "web"}))
        world.until(lambda: world.condition("web", "Accepted")[0] == "True", "accepted")
    world.apply(made("web", labels={"tier": "web"}, region="nowhere"))
    with world.serving():
        world.until(lambda: world.condition("web", "Accepted")[0] == "False", "refused")
        assert world.served() == ["web"]
        (candidate,) = world.fleet.groups["web"].candidates
        assert candidate.location == "north"
        assert "does not sell small in nowhere" in world.condition("web", "Accepted")[2]
        world.plane.kubectl("scale", "vpsnode/web", "--replicas=2")
        world.apply(made("web", autoScale={"minNodes": 2}))
        world.until(lambda: world.fleet.groups["web"].min_size == 2, "the next good one is taken")


def test_the_seeds_example_says_what_became_of_its_type(world: World) -> None:
    if not SEED.exists():
        absent.skip(absent.Need.SHARED)
    with world.serving():
        world.plane.kubectl("apply", "-f", str(SEED / "06-vpsnode.yaml"))
        name = "vps-hetzner-fsn1"
        world.until(lambda: world.condition(name, "Accepted")[0] == "False", "refused")
        _, reason, message = world.condition(name, "Accepted")
        assert reason == "TypeGone"
        assert "Nearest: " in message
        spec = {"instanceTypes": ["small"], "regions": ["north"]}
        world.plane.kubectl("patch", KIND, name, "--type=merge", "-p", json.dumps({"spec": spec}))
        world.until(lambda: world.served() == [name], "served with another type")
        group = world.fleet.groups[name]
        assert (group.min_size, group.max_size) == (1, 5)
        assert group.labels == {"provider": "hetzner", "region": "fsn1", "node-type": "vps"}
        assert [taint.key for taint in group.taints] == ["paas-tier"]


def test_a_cluster_without_the_kind_is_served_as_ever(plane: planes.Plane, tmp_path: Path) -> None:
    there = World(plane, tmp_path, datacenter.Datacenter(datacenter.Options()))
    with there.serving():
        there.until(lambda: not there.fleet.awaited, "nothing is awaited")


def test_a_cluster_whose_rights_are_missing_is_served_as_ever(world: World) -> None:
    world.plane.kubectl("delete", "-f", str(RIGHTS))
    try:
        with world.serving():
            world.until(lambda: not world.fleet.awaited, "nothing is awaited")
            world.plane.kubectl("apply", "-f", str(RIGHTS))
            world.apply(made("web"))
            world.until(lambda: world.served() == ["web"], "served once it may", within_s=60.0)
    finally:
        world.plane.kubectl("apply", "-f", str(RIGHTS))


def test_under_the_seeds_own_schema_groups_are_served(plane: planes.Plane, tmp_path: Path) -> None:
    """It has no status of its own to write, and drops labels and taints: said, and served."""
    if not SEED.exists():
        absent.skip(absent.Need.SHARED)
    there = World(plane, tmp_path, datacenter.Datacenter(datacenter.Options(boot_time_s=0.1)))
    crd = str(SEED / "05-vpsnode.kubero.dev.yaml")
    plane.kubectl("apply", "-f", crd, "-f", str(RIGHTS))
    plane.kubectl("wait", "--for=condition=Established", "crd/vpsnodes.kubero.dev")
    try:
        with there.serving():
            there.apply(made("web"))
            there.until(lambda: there.served() == ["web"], "served")
            there.until(
                lambda: there.get("web")["metadata"].get("finalizers"), "its finalizer is there"
            )
            assert "status" not in there.get("web")
    finally:
        patch = '{"metadata":{"finalizers":null}}'
        plane.kubectl("patch", KIND, "web", "--type=merge", "-p", patch)
        plane.kubectl("delete", "-f", str(RIGHTS), "-f", crd)
