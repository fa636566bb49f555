"""Nodes for machines that are only pretended: what is made, what is removed, what is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.joining import fake_nodes
from externalgrpc.kube import nodes
from externalgrpc.model import installed_clouds
from providers import contract, errors, memory
from providers.memory import datacenter
from tests.kube import apiserver

SHAPE = contract.NodeShape(
    labels={"tier": "web", "kubernetes.io/arch": "arm64", "kubernetes.io/hostname": "web"},
    taints=(contract.Taint(key="tier", value="web", effect="NoSchedule"),),
    capacity={"cpu": "2", "memory": "4Gi", "pods": "110"},
    allocatable={"cpu": "1900m", "memory": "3Gi", "pods": "110"},
)
FIRST = f"{nodes.PATH}/web-a"


@pytest.fixture
def server() -> Iterator[apiserver.FakeServer]:
    running = apiserver.FakeServer()
    running.start()
    try:
        yield running
    finally:
        running.stop()


class Scene:
    """A memory cloud, an API server, and what keeps Nodes between them; a round is ours to do."""

    def __init__(self, server: apiserver.FakeServer, folder: Path) -> None:
        self.time = 1_000.0
        self.server = server
        self.of = server.api(folder)
        self.known = True
        self.acts = True
        self.restart()

    def restart(self) -> None:
        """Begin anew: a process, and a cloud in its memory."""
        settings = datacenter.Options(nodes="kwok")
        self.center = datacenter.Datacenter(settings, clock=lambda: self.time, sleep=lambda _: None)
        login = contract.Login(account="ram", cluster="play", token="", settings=settings)
        self.cloud: Any = memory.MemoryCloud(login, cloud=self.center)
        self.keeper = fake_nodes.FakeNodes(
            self.of,
            "play",
            sources=lambda: (self.cloud,),
            shape=lambda _machine: SHAPE if self.known else None,
            acts=lambda: self.acts,
        )

    def machine(self, name: str = "web-a", cluster: str = "play") -> str:
        return self.center.add(name=name, cluster=cluster, group="web", node_name=name)

    def there(self) -> dict[str, str]:
        """Return the Nodes' providerIDs by name."""
        found = map(nodes.read, self.server.items.values())
        return {each.name: each.provider_id for each in found if each is not None}


@pytest.fixture
def scene(server: apiserver.FakeServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path)


def put(scene: Scene, name: str, **wrong: Any) -> None:
    """Put a Node there as we made it in another life, with something of it otherwise."""
    about = {
        "labels": {contract.FAKE_NODE: "play"},
        "annotations": dict([contract.POSED]),
        **wrong,
    }
    fields = {"metadata": about, "spec": {"providerID": "memory://1"}}
    scene.server.put(f"{nodes.PATH}/{name}", fields)


def test_a_machine_that_runs_gets_the_node_that_its_template_promises(scene: Scene) -> None:
    number = scene.machine()
    scene.keeper.sweep()
    made = scene.server.items[FIRST]
    assert made["spec"] == {
        "providerID": f"memory://{number}",
        "taints": [{"key": "tier", "value": "web", "effect": "NoSchedule"}],
    }
    assert made["metadata"]["labels"] == {
        "tier": "web",
        "kubernetes.io/arch": "arm64",
        "kubernetes.io/hostname": "web-a",
        "vps-autoscaler/fake-node": "play",
    }
    assert made["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert made["status"]["capacity"] == SHAPE.capacity
    assert made["status"]["allocatable"] == SHAPE.allocatable
    assert made["status"]["nodeInfo"]["architecture"] == "arm64"
    assert "conditions" not in made["status"], "Ready is kwok's to say"
    scene.keeper.sweep()
    assert scene.server.count("POST") == 1, "once is enough"


def test_one_that_boots_or_is_not_described_yet_gets_none_and_one_that_stops_keeps_it(
    scene: Scene,
) -> None:
    number = scene.machine()
    scene.center.edit(number, runs_at=scene.time + 5)
    scene.keeper.sweep()
    assert scene.there() == {}
    scene.time += 5
    scene.known = False
    scene.keeper.sweep()
    assert scene.there() == {}
    scene.known = True
    scene.keeper.sweep()
    assert set(scene.there()) == {"web-a"}
    scene.center.power_off(number)
    scene.known = False
    scene.keeper.sweep()
    assert set(scene.there()) == {"web-a"}


def test_the_node_goes_when_its_machine_is_being_deleted(scene: Scene) -> None:
    number = scene.machine()
    scene.machine("web-b")
    scene.keeper.sweep()
    scene.cloud.delete(number)
    scene.keeper.sweep()
    assert set(scene.there()) == {"web-b"}


def test_a_process_that_starts_removes_what_the_one_before_it_made(scene: Scene) -> None:
    first = scene.machine()
    scene.keeper.sweep()
    scene.restart()
    # The numbers of a memory cloud begin anew, so a machine of another name has the same one.
    assert scene.machine("web-b") == first
    scene.keeper.sweep()
    assert scene.there() == {"web-b": f"memory://{first}"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {contract.FAKE_NODE: "another"}},
        {"labels": {}},
        {"annotations": {}},
        {"annotations": {"kwok.x-k8s.io/node": "real"}},
        {"annotations": None},
        {"deletionTimestamp": "2026-11-28T05:00:00Z"},
    ],
)
def test_nothing_else_is_removed_whatever_the_server_lists(
    scene: Scene, wrong: Mapping[str, Any]
) -> None:
    """The small server knows no selectors: it lists all Nodes that there are."""
    put(scene, "stranger", **wrong)
    put(scene, "ours")
    scene.keeper.sweep()
    assert set(scene.there()) == {"stranger"}


def test_where_a_cloud_or_the_api_server_does_not_answer_nothing_is_removed(scene: Scene) -> None:
    put(scene, "ours")
    before, posing = scene.server.count("DELETE"), scene.cloud

    class Silent:
        def posing(self) -> tuple[contract.Instance, ...]:
            raise errors.Unreachable("its file cannot be read", account="ram", operation="posing")

    scene.cloud = Silent()
    scene.keeper.sweep()
    scene.cloud = posing
    scene.server.fail("GET", 503)
    scene.keeper.sweep()
    scene.server.fail("GET", 200, body=lambda _asked: "{}")
    scene.keeper.sweep()
    assert scene.server.count("DELETE") == before
    assert set(scene.there()) == {"ours"}


def test_a_node_that_changed_since_it_was_read_is_judged_again(scene: Scene) -> None:
    put(scene, "ours")
    read = scene.keeper._ours()
    put(scene, "ours", labels={})
    for each in read:
        scene.keeper._remove(each)
    assert set(scene.there()) == {"ours"}


def test_a_name_that_is_taken_is_left_to_whom_it_belongs(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.server.put(FIRST, {"spec": {"providerID": "kind://docker/kind/web-a"}})
    scene.machine()
    scene.keeper.sweep()
    scene.keeper.sweep()
    assert scene.there() == {"web-a": "kind://docker/kind/web-a"}
    assert [each.message for each in caplog.records] == ["node not made: another's has the name"]


def test_who_may_not_make_nodes_reads_once_what_to_do(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.machine()
    scene.server.fail("POST", 403, times=2)
    scene.keeper.sweep()
    scene.keeper.sweep()
    (said,) = [each for each in caplog.records if each.message == "node not made: we may not"]
    assert "deploy/fake-nodes.yaml" in str(said.__dict__)
    scene.keeper.sweep()
    assert set(scene.there()) == {"web-a"}


def test_an_object_without_our_marks_is_never_written(scene: Scene) -> None:
    scene.machine()
    honest = scene.cloud.node_object
    for key in ("labels", "annotations"):

        def bare(*given: Any, key: str = key) -> Mapping[str, Any]:
            fields = honest(*given)
            return {**fields, "metadata": {**fields["metadata"], key: {}}}

        scene.cloud.node_object = bare
        scene.keeper.sweep()
    assert scene.server.count("POST") == 0


def test_other_clusters_machines_are_not_ours_to_show(scene: Scene) -> None:
    scene.machine(cluster="another")
    scene.keeper.sweep()
    assert scene.there() == {}


# -- never for a real cloud ------------------------------------------------------------------------


def test_no_cloud_but_that_in_memory_can_make_nodes() -> None:
    posing = {
        name
        for name, cloud in installed_clouds.installed().items()
        if any(hasattr(cloud, each) for each in ("makes_nodes", "posing", "node_object"))
    }
    assert posing == {"memory"}


def test_a_cloud_of_real_machines_is_not_asked_whatever_its_class_says() -> None:
    class Boasting(memory.MemoryCloud):
        joins_by_itself = False

        @classmethod
        def makes_nodes(cls, settings: object) -> bool:
            raise AssertionError("it was asked")

    assert not installed_clouds.makes_nodes(Boasting, datacenter.Options(nodes="kwok"))
    assert installed_clouds.makes_nodes(memory.MemoryCloud, datacenter.Options(nodes="kwok"))
    assert not installed_clouds.makes_nodes(memory.MemoryCloud, datacenter.Options())
    assert not installed_clouds.makes_nodes(memory.MemoryCloud, None)


def test_the_word_of_kwok_stands_in_the_contract_and_in_memory_alone() -> None:
    """By construction: nothing of a real cloud's could write kwok's annotation."""
    root = Path(__file__).parents[2]
    found = {
        path.relative_to(root).parts[:2]
        for path in (root / "providers").rglob("*.py")
        if "kwok" in path.read_text()
    }
    assert found == {("providers", "contract"), ("providers", "memory")}


def test_a_server_that_stands_by_makes_and_removes_none(scene: Scene) -> None:
    put(scene, "old")
    scene.machine()
    scene.acts = False
    scene.keeper.sweep()
    assert scene.there() == {"old": "memory://1"}
    scene.acts = True
    scene.keeper.sweep()
    assert scene.there().keys() == {"web-a"}
