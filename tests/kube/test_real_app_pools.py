"""Pools of apps on a real API server, with the rights of our account and Kubero's own CRD.

The provider is one that the CRD knows; its machines are the memory cloud's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from externalgrpc import assembly, config
from externalgrpc import fleet as fleets
from externalgrpc.fleet import state, view
from externalgrpc.joining import registrar
from externalgrpc.kube import access, errors, events, reflector
from externalgrpc.kubero import apps, pool_controller, pool_writing, pools
from externalgrpc.model import installed_clouds
from externalgrpc.support import clock, logs
from externalgrpc.vpsnodes import pace
from providers import memory
from providers.memory import datacenter
from tests import absent
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

Object = dict[str, Any]

DEPLOY = planes.ROOT / "deploy"
CRD = DEPLOY / "crds" / "vpsnodes.yaml"
KUBEROAPPS = planes.ROOT.parent / "shared" / "crds" / "kuberoapps.application.kubero.dev.yaml"
RIGHTS = (DEPLOY / "vpsnodes-rbac.yaml", DEPLOY / "app-pools.yaml")
CRD_OF_APPS = "kuberoapps.application.kubero.dev"
SHOP = "shop"
FAST = pace.Pace(object_s=0.2, a_minute=6000.0, burst=100)

FILE = """
cluster: test
kubernetes: {{kubeconfig: {kubeconfig}, apiServer: 'https://127.0.0.1:6443'}}
vpsNodes: {{defaults: {{hetzner: {{image: debian-13, join: image}}}}}}
"""
APP_POOLS = """
appPools:
  namespaces: [shop]
  providers: {hetzner: {regions: [north], instanceTypes: [small]}}
  maxNodesPerApp: 3
  maxNodes: 12
"""


def app(name: str = "web", *, namespace: str = SHOP, **spec: Any) -> Object:
    whole = {
        "customNodeSelector": {"provider": "hetzner", "region": "north", "instanceType": "small"},
        "autoScaling": {"enabled": True, "maxNodes": 2},
        "nodeSelector": apps.labels(namespace, name),
        **spec,
    }
    return {
        "apiVersion": apps.VERSION,
        "kind": apps.KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": whole,
    }


@dataclasses.dataclass
class World:
    plane: planes.Plane
    folder: Path
    cloud: datacenter.Datacenter
    plant: assembly.Assembly | None = None
    apart_s: float = 1.0

    def load(self, text: str) -> Any:
        path = self.folder / "pools.yaml"
        path.write_text(FILE.format(kubeconfig=self.plane.account()) + text)
        self.source = config.Source(
            path=path,
            cluster="",
            environ={"HCLOUD_TOKEN": "t" * 64},
            installed=installed_clouds.installed(),
        )
        return config.load(
            path, cluster="", environ=self.source.environ, clouds=self.source.installed
        )

    @contextlib.contextmanager
    def serving(self, text: str = APP_POOLS) -> Iterator[assembly.Assembly]:
        read = self.load(text)
        parts = assembly.Parts(
            chance=random.Random(7),
            pace=state.Pace(busy_s=0.05, steady_s=0.2),
            open_provider=lambda _cloud, login: memory.MemoryCloud(login, cloud=self.cloud),
            joining=registrar.Pace(sweep_s=0.1, gather_s=0.01),
            source=self.source,
            writing=FAST,
            app_pools=pool_controller.Timing(
                tick_s=0.1,
                apart_s=self.apart_s,
                retry_s=0.5,
                events=FAST,
                written=FAST,
                reflector=reflector.Timing(pause_s=0.1, longest_pause_s=0.5),
            ),
        )
        self.plant = assembly.Assembly(read, self.source.installed, parts)
        self.plant.start()
        try:
            yield self.plant
        finally:
            self.plant.stop(5.0)

    def apply(self, what: Object) -> None:
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(what))

    def delete(self, *names: str) -> None:
        self.plane.kubectl("-n", SHOP, "delete", "kuberoapp", *names)

    def serve_apps(self) -> None:
        """Have Kubero's kind again."""
        self.plane.kubectl("apply", "-f", str(KUBEROAPPS))
        self.plane.kubectl("wait", "--for=condition=Established", f"crd/{CRD_OF_APPS}")

    def vpsnode(self, name: str = "web", namespace: str = SHOP) -> Object:
        """Return the pool of an app; empty when there is none."""
        of = pools.name_of(namespace, name)
        found = self.plane.kubectl(
            *("get", "vpsnode", of, "--ignore-not-found", "-o", "json", "--show-managed-fields")
        )
        return dict(json.loads(found)) if found.strip() else {}

    def scale(self, name: str = "web") -> Object:
        return dict(self.vpsnode(name).get("spec", {}).get("autoScale", {}))

    def said(self, name: str = "web") -> list[tuple[str, str]]:
        """Return what Events say of an app, as kubectl describe finds them."""
        selector = f"--field-selector=involvedObject.kind=KuberoApp,involvedObject.name={name}"
        found = self.plane.kubectl("-n", SHOP, "get", "events", "-o", "json", selector)
        return [(each["reason"], each["message"]) for each in json.loads(found)["items"]]

    def refused(self, why: str, name: str = "web") -> bool:
        return any(reason == why for reason, _ in self.said(name))

    @property
    def fleet(self) -> state.Fleet:
        assert self.plant is not None
        return self.plant.reconciler.fleet

    def until(self, condition: Any, what: str, within_s: float = 20.0) -> None:
        waiting.until(condition, what, within_s=within_s)

    def grown(self, name: str = "web") -> str:
        """Let an app's pool have a machine."""
        assert self.plant is not None
        group = pools.name_of(SHOP, name)
        self.until(lambda: group in self.fleet.groups, "it is a group")
        self.plant.reconciler.grow(group, 1, cover=False)
        self.until(lambda: view.members(self.fleet, group), "it has a machine")
        return group


@pytest.fixture
def world(plane: planes.Plane, tmp_path: Path) -> Iterator[World]:
    if not KUBEROAPPS.exists():
        absent.skip(absent.Need.SHARED)
    files = [f"-f={each}" for each in (CRD, KUBEROAPPS, *RIGHTS)]
    plane.kubectl("apply", *files)
    for each in "vpsnodes.kubero.dev", CRD_OF_APPS:
        plane.kubectl("wait", "--for=condition=Established", f"crd/{each}")
    plane.kubectl("create", "namespace", SHOP)
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
        for name in plane.kubectl("get", "vpsnodes", "-o", "name").split():
            patch = '{"metadata":{"finalizers":null}}'
            plane.kubectl("patch", name, "--type=merge", "-p", patch)
        plane.kubectl("delete", "--ignore-not-found", *files)
        end(plane, SHOP)


def end(plane: planes.Plane, namespace: str) -> None:
    """Delete a namespace: no controller manager runs here that would end it."""
    plane.kubectl("delete", "namespace", namespace, "--wait=false")
    about = {"name": namespace}
    ended = {"apiVersion": "v1", "kind": "Namespace", "metadata": about, "spec": {"finalizers": []}}
    with plane.client() as api:
        api.put(f"/api/v1/namespaces/{namespace}/finalize", json=ended)


def test_from_the_app_to_the_pool_and_back(world: World) -> None:
    with world.serving() as plant:
        world.apply(app())
        world.until(world.vpsnode, "the app has a pool")
        made = world.vpsnode()
        assert made["spec"]["labels"] == apps.labels(SHOP, "web")
        assert made["metadata"]["annotations"][pools.APP] == "web"
        assert "ownerReferences" not in made["metadata"]
        assert {each["manager"] for each in made["metadata"]["managedFields"]} >= {
            pool_writing.MANAGER
        }
        group = world.grown()
        world.apply(app(autoScaling={"enabled": True, "minNodes": 1, "maxNodes": 3}))
        world.until(lambda: world.scale() == {"enabled": True, "minNodes": 1, "maxNodes": 3}, "3")
        world.delete("web")
        world.until(lambda: world.vpsnode()["metadata"].get("deletionTimestamp"), "it is deleted")
        (member,) = view.members(world.fleet, group)
        plant.reconciler.retire(
            group, [fleets.NodeRef(provider_id=member.provider_id, name=member.name)]
        )
        world.until(lambda: not world.vpsnode(), "and gone with its last machine")
        assert world.cloud.servers() == ()


def test_our_account_may_do_what_it_needs_and_no_more(world: World) -> None:
    link = world.plane.link()
    needs = (*access.needs_of_vps_nodes(), *access.needs_of_app_pools())
    assert access.missing(link.api, needs) == ()
    assert access.excess(link.api, needs) == ()
    world.plane.kubectl("delete", "-f", str(RIGHTS[1]))
    waiting.until(
        lambda: len(access.missing(link.api, needs)) == len(access.needs_of_app_pools()) - 1,
        "without the file none of it is allowed, but to patch VPSNodes",
    )
    world.plane.kubectl("apply", "-f", str(RIGHTS[1]))


APP = f"/apis/{apps.VERSION}/namespaces/{SHOP}/kuberoapps"
REFUSED: dict[str, tuple[str, str]] = {
    "create an app": ("POST", APP),
    "change an app": ("PATCH", f"{APP}/web"),
    "replace an app": ("PUT", f"{APP}/web"),
    "delete an app": ("DELETE", f"{APP}/web"),
    "delete all apps": ("DELETE", APP),
    "replace a VPSNode": ("PUT", "/apis/kubero.dev/v1alpha1/vpsnodes/tenants"),
    "delete all VPSNodes": ("DELETE", "/apis/kubero.dev/v1alpha1/vpsnodes"),
    "read events": ("GET", f"/apis/events.k8s.io/v1/namespaces/{SHOP}/events"),
    "change an event": ("PATCH", f"/apis/events.k8s.io/v1/namespaces/{SHOP}/events/e"),
    "read a pipeline": ("GET", f"/apis/{apps.VERSION}/namespaces/{SHOP}/kuberopipelines"),
}


def test_our_account_cannot_do_anything_else(world: World) -> None:
    with world.plane.ourselves() as api:
        for what, (method, path) in REFUSED.items():
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            reply = api.request(method, path, json={}, headers={"Content-Type": kind})
            assert reply.status_code == httpx.codes.FORBIDDEN, (what, reply.text)


def test_what_is_beyond_the_bounds_is_said_once_on_the_app(world: World) -> None:
    world.apply(app(autoScaling={"enabled": True, "maxNodes": 4}))
    with world.serving():
        world.until(lambda: world.refused(pools.LIMIT), "it is said")
        ((_, message),) = world.said()
        assert "autoScaling.maxNodes is 4, and one app may have 3" in message
        assert "autoScaling.maxNodes is 4" in world.plane.kubectl(
            "-n", SHOP, "describe", "kuberoapp", "web"
        )
        world.apply(app("sign"))
        world.until(lambda: world.vpsnode("sign"), "others get theirs meanwhile")
        assert len(world.said()) == 1
        assert not world.vpsnode()
        world.apply(app(autoScaling={"enabled": True, "maxNodes": 3}))
        world.until(world.vpsnode, "within them it gets one")


def test_the_operator_names_the_namespaces_and_none_is_reached_from_another(world: World) -> None:
    """Nothing that a tenant writes into an app of his own makes it an app of somebody else."""
    world.plane.kubectl("create", "namespace", "evil")
    try:
        hostile = app(namespace="evil")
        owner = {pools.NAMESPACE: SHOP, pools.APP: "web", pools.UID: "x"}
        hostile["metadata"] |= {"annotations": owner, "labels": apps.labels(SHOP, "web")}
        hostile["spec"] |= {"namespace": SHOP, "nodeSelector": apps.labels(SHOP, "web")}
        world.apply(hostile)
        world.apply(app())
        with world.serving():
            world.until(world.vpsnode, "the other app has its pool")
            mine = world.vpsnode()["metadata"]
            assert mine["annotations"][pools.NAMESPACE] == SHOP
            assert not world.vpsnode(namespace="evil")
            world.plane.kubectl("-n", "evil", "delete", "kuberoapp", "web")
            world.apply(app("sign"))
            world.until(lambda: world.vpsnode("sign"), "time passed")
            assert world.vpsnode()["metadata"]["uid"] == mine["uid"]
    finally:
        end(world.plane, "evil")


def test_a_vpsnode_of_the_name_that_is_not_ours_is_left_alone(world: World) -> None:
    name = pools.name_of(SHOP, "web")
    spec = {"provider": "hetzner", "region": "north", "instanceType": "small"}
    other = {"apiVersion": "kubero.dev/v1alpha1", "kind": "VPSNode", "spec": spec}
    world.apply({**other, "metadata": {"name": name}})
    world.apply(app())
    with world.serving():
        world.until(lambda: world.refused(pools.TAKEN), "it is said")
        world.delete("web")
        world.apply(app("sign"))
        world.until(lambda: world.vpsnode("sign"), "time passed")
        assert world.vpsnode()["spec"] == spec


def test_one_that_came_between_our_look_and_our_write_is_not_taken_over(world: World) -> None:
    name = pools.name_of(SHOP, "web")
    spec = {"provider": "hetzner", "region": "south", "instanceType": "small"}
    other = {"apiVersion": "kubero.dev/v1alpha1", "kind": "VPSNode", "spec": spec}
    world.apply({**other, "metadata": {"name": name}})
    api = world.plane.link().api
    notices = events.EventWriter(api, instance="i", time_source=clock.SystemClock())
    seen = apps.read({**app(), "metadata": {"name": "web", "namespace": SHOP, "uid": "u"}})
    assert seen is not None
    bounds = world.load(APP_POOLS).app_pools
    (wanted,) = pools.plan([seen], {}, {}, bounds).write.values()
    with pytest.raises(errors.Conflict):
        pool_writing.Writer(api, notices).apply(wanted, None)
    assert world.vpsnode()["spec"] == spec


def test_an_app_that_asks_no_more_loses_its_pool(world: World) -> None:
    world.apply(app())
    world.apply(app("sign"))
    with world.serving():
        world.until(lambda: world.vpsnode() and world.vpsnode("sign"), "both have pools")
        world.apply(app(autoScaling={"enabled": False, "maxNodes": 2}))
        gone = app("sign")
        del gone["spec"]["autoScaling"], gone["spec"]["customNodeSelector"]
        world.apply(gone)
        world.until(lambda: not world.vpsnode() and not world.vpsnode("sign"), "both lose them")


def test_another_app_of_the_name_gets_another_pool(world: World) -> None:
    world.apply(app())
    with world.serving():
        world.until(world.vpsnode, "the app has a pool")
        before = world.vpsnode()["metadata"]
        world.delete("web")
        world.apply(app())
        world.until(lambda: world.refused(pools.WAITING), "the new one waits")

        def uid() -> str:
            return str(world.vpsnode().get("metadata", before)["uid"])

        world.until(lambda: uid() != before["uid"], "it has its own")
        after = world.vpsnode()["metadata"]["annotations"]
        assert after[pools.UID] != before["annotations"][pools.UID]


def test_an_app_that_comes_back_between_the_looks_keeps_its_pool(world: World) -> None:
    """Asked no more and asked again: one look in between is no proof."""
    world.apart_s = 3.0
    world.apply(app())
    with world.serving():
        world.until(world.vpsnode, "the app has a pool")
        uid = world.vpsnode()["metadata"]["uid"]
        world.apply(app(autoScaling={"enabled": False, "maxNodes": 2}))
        world.apply(app())
        world.apply(app("sign", autoScaling={"enabled": True, "maxNodes": 1}))
        world.until(lambda: world.vpsnode("sign"), "time passed")
        world.delete("sign")
        world.until(lambda: not world.vpsnode("sign"), "more than lies between two looks")
        assert world.vpsnode()["metadata"]["uid"] == uid
        assert "deletionTimestamp" not in world.vpsnode()["metadata"]


NAMES = ("a", "b", "c", "d")


def log(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(map(logs.KeyValueFormatter().format, list(caplog.records)))


def test_many_apps_that_vanish_at_once_are_an_outage(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for name in NAMES:
        world.apply(app(name))
    with caplog.at_level(logging.WARNING), world.serving():
        world.until(lambda: all(map(world.vpsnode, NAMES)), "each has its pool")
        world.delete(*NAMES)
        world.until(lambda: "pools have lost their apps at once" in log(caplog), "it is said")
        world.apply(app("sign"))
        world.until(lambda: world.vpsnode("sign"), "time passed")
        world.apply(app("sign", autoScaling={"enabled": True, "maxNodes": 1}))
        world.until(lambda: world.scale("sign")["maxNodes"] == 1, "and more")
        assert all(map(world.vpsnode, NAMES))
        assert world.plant is not None
        of = world.plant.metrics.registry
        gone = {
            state: of.get_sample_value("vps_autoscaler_app_pools", {"state": state})
            for state in ("there", "gone", "held", "refused")
        }
        assert gone == {"there": 5, "gone": 4, "held": 4, "refused": 0}
        assert log(caplog).count("pools have lost their apps at once") == 1
        world.plane.kubectl("delete", "vpsnode", pools.name_of(SHOP, "a"))
        world.until(lambda: not any(map(world.vpsnode, NAMES)), "three are no outage any more")
        assert world.vpsnode("sign")


def test_while_the_kind_is_not_served_nothing_is_deleted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.apply(app())
    with caplog.at_level(logging.WARNING), world.serving():
        world.until(world.vpsnode, "the app has a pool")
        world.plane.kubectl("delete", "-f", str(KUBEROAPPS))
        world.until(lambda: "no KuberoApps can be read" in log(caplog), "it is said")
        world.until(lambda: "is not looked after" in log(caplog), "and its app cannot be looked up")
        assert "deletionTimestamp" not in world.vpsnode()["metadata"]
        world.serve_apps()
        world.until(lambda: not world.vpsnode(), "the app really is gone")


def test_a_cluster_without_the_kind_is_served_as_ever(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.plane.kubectl("delete", "-f", str(KUBEROAPPS))
    with caplog.at_level(logging.WARNING), world.serving():
        world.until(lambda: not world.fleet.awaited, "nothing is awaited")
        world.until(lambda: "no KuberoApps can be read" in log(caplog), "it is said")
        world.serve_apps()
        world.apply(app())
        world.until(world.vpsnode, "once the kind is there the app has a pool")
        assert log(caplog).count("kuberoapps: Not Found (HTTP 404)") == 1


def test_a_cluster_whose_rights_are_missing_is_served_as_ever(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.plane.kubectl("delete", "-f", str(RIGHTS[1]))
    world.apply(app())
    with caplog.at_level(logging.WARNING), world.serving():
        world.until(lambda: not world.fleet.awaited, "nothing is awaited")
        world.until(lambda: "no KuberoApps can be read" in log(caplog), "it is said")
        assert "kubectl apply -f deploy/app-pools.yaml" in log(caplog)
        world.plane.kubectl("apply", "-f", str(RIGHTS[1]))
        world.until(world.vpsnode, "once it may the app has a pool")


def test_a_file_that_allows_less_pauses_what_is_there(world: World) -> None:
    world.apply(app())
    with world.serving() as plant:
        world.until(world.vpsnode, "the app has a pool")
        plant.apply(world.load(APP_POOLS.replace("[small]", "[large]")))
        world.until(lambda: world.vpsnode()["spec"].get("paused"), "it is paused")
        world.until(lambda: world.refused(pools.NOT_ALLOWED), "and it is said why")
        plant.apply(world.load(APP_POOLS))
        world.until(lambda: "paused" not in world.vpsnode()["spec"], "it goes on")


def test_without_app_pools_in_the_file_no_app_is_looked_at(world: World) -> None:
    world.apply(app())
    with world.serving("") as plant:
        world.until(lambda: not world.fleet.awaited, "nothing is awaited")
        assert plant.app_pools is None
        plant.apply(world.load(APP_POOLS))
        world.until(world.vpsnode, "a reload with it is enough")
