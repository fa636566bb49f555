"""Nodes, Events and what the cluster says of itself, on a real API server, as our account."""

from __future__ import annotations

import concurrent.futures
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from externalgrpc.kube import (
    cluster,
    connection,
    events,
    facts,
    identity,
    nodes,
    reflector,
    refusals,
)
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import idle
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

EVENTS = "/apis/events.k8s.io/v1/namespaces"


class Seen:
    """A cluster side that keeps what it saw of Nodes."""

    def __init__(self, plane: planes.Plane) -> None:
        self.reported: list[tuple[str, bool, bool]] = []
        self.cluster = cluster.Cluster(
            plane.link(),
            cluster.Settings(name="prod", instance="test"),
            cluster.Listeners(node=self._node),
            time_source=clock.SystemClock(),
            chance=random.Random(1),
        )

    def _node(self, before: nodes.Node | None, after: nodes.Node | None) -> None:
        which = after or before
        assert which is not None
        self.reported.append((which.name, before is not None, after is not None))

    def node(self, name: str) -> nodes.Node:
        """Wait for a Node, with the Ready condition that it is made with."""
        items = self.cluster.node_list.items
        waiting.until(
            lambda: (found := self.cluster.node_list.items.get(name)) and found.ready_since,
            f"node {name} is seen among {list(items)}",
        )
        return self.cluster.node_list.items[name]


@pytest.fixture
def seen(plane: planes.Plane) -> Iterator[Seen]:
    running = Seen(plane)
    running.cluster.start()
    waiting.until(lambda: running.cluster.node_list.complete, "listed", within_s=30)
    try:
        yield running
    finally:
        running.cluster.stop()
        with plane.client() as admin:
            admin.delete("/api/v1/nodes")


def _provider_id(plane: planes.Plane, name: str) -> str:
    with plane.client() as admin:
        return str(admin.get(f"/api/v1/nodes/{name}").json()["spec"].get("providerID", ""))


def _there(plane: planes.Plane, name: str) -> bool:
    with plane.client() as admin:
        return admin.get(f"/api/v1/nodes/{name}").status_code == httpx.codes.OK


def test_the_cluster_tells_of_itself(plane: planes.Plane) -> None:
    link = plane.link()
    version = facts.version(link.api)
    assert version.minor >= 36
    assert version.git_version.startswith(f"v1.{version.minor}.")
    address = facts.address(link)
    assert address.endpoint == plane.url
    assert "BEGIN CERTIFICATE" in address.ca_pem
    result = facts.kubelet_config(link.api)
    assert result is not None
    reserve = result.reserve(
        cpu_millis=2000, memory_bytes=4 << 30, disk_bytes=40 << 30, memory_overhead=0.05
    )
    assert reserve.max_pods == 64
    assert reserve.cpu_millis == 250
    assert reserve.memory_bytes == 500 << 20
    assert reserve.disk_bytes == 1 << 30
    assert reserve.eviction_memory_bytes == 150 << 20
    assert reserve.eviction_disk_fraction == 0.12


def test_a_pods_own_account_is_a_way_in(plane: planes.Plane, tmp_path: Path) -> None:
    document = yaml.safe_load(plane.account().read_text())
    (tmp_path / "token").write_text(document["users"][0]["user"]["token"])
    trust = Path(document["clusters"][0]["cluster"]["certificate-authority"])
    (tmp_path / "ca.crt").write_text(trust.read_text())
    (tmp_path / "namespace").write_text(planes.NAMESPACE)
    port = plane.url.rpartition(":")[2]
    link = connection.connect(
        time_source=clock.SystemClock(),
        environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port},
        account=tmp_path,
    )
    assert (link.in_cluster, link.namespace) == (True, planes.NAMESPACE)
    assert link.api.get(nodes.PATH)["kind"] == "NodeList"
    assert facts.address(link).endpoint == plane.url


def test_the_cluster_says_which_it_is(plane: planes.Plane) -> None:
    with plane.client() as admin:
        uid = admin.get(identity.PATH).json()["metadata"]["uid"]
    wanted = identity.Known(hashlib.sha256(uid.encode()).hexdigest()[:10])
    assert identity.read(plane.link().api) == wanted


def test_without_the_new_right_it_says_nothing_and_that_is_reported(plane: planes.Plane) -> None:
    # The account as an older deploy/rbac.yaml made it.
    at = "/apis/rbac.authorization.k8s.io/v1/clusterroles/vps-autoscaler"
    with plane.client() as admin:
        role = admin.get(at).json()
        older = [each for each in role["rules"] if each["resources"] != ["namespaces"]]
        assert len(older) == len(role["rules"]) - 1
        merge = {"Content-Type": "application/merge-patch+json"}
        link = plane.link().api
        try:
            admin.patch(at, json={"rules": older}, headers=merge)
            waiting.until(
                lambda: isinstance(identity.read(link), refusals.Withheld), "the right is gone"
            )
            # No rights at all are no word on this one.
            admin.patch(at, json={"rules": []}, headers=merge)
            waiting.until(
                lambda: isinstance(identity.read(link), refusals.NotYet), "all rights are gone"
            )
        finally:
            admin.patch(at, json={"rules": role["rules"]}, headers=merge)
            waiting.until(lambda: isinstance(identity.read(link), identity.Known), "all is back")


def test_a_restart_of_the_api_server_is_never_taken_for_a_refusal(plane: planes.Plane) -> None:
    link = plane.link().api
    seen: list[type] = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        restart = pool.submit(plane.restart_api)
        while not restart.done():
            seen.append(type(identity.read(link)))
        restart.result()
    waiting.until(lambda: isinstance(identity.read(link), identity.Known), "it is known again")
    assert refusals.Withheld not in seen
    assert refusals.NotYet in seen


def test_credentials_are_complete(plane: planes.Plane, seen: Seen) -> None:
    made = seen.cluster.credentials("pool-xxxxxx", "pool", provision_timeout_s=600)
    assert made.endpoint == plane.url
    assert made.minor_number >= 36
    assert len(made.ca_key_hashes) >= 1
    assert made.token not in repr(made)
    seen.cluster.revoke("pool-xxxxxx")
    assert idle.wait(seen.cluster, 10)


def test_a_node_is_followed_from_first_to_last(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-aaaaaa", provider_id="memory://1")
    found = seen.node("pool-aaaaaa")
    assert found.provider_id == "memory://1"
    waiting.until(lambda: seen.node("pool-aaaaaa").ready, "ready")
    assert seen.node("pool-aaaaaa").capacity.memory_bytes == 4000 << 20
    plane.set_ready("pool-aaaaaa", ready=False)
    waiting.until(lambda: not seen.node("pool-aaaaaa").ready, "not ready")
    with plane.client() as admin:
        admin.delete("/api/v1/nodes/pool-aaaaaa")
    waiting.until(lambda: "pool-aaaaaa" not in seen.cluster.node_list.items, "gone")
    assert seen.reported[0] == ("pool-aaaaaa", False, True)
    assert seen.reported[-1] == ("pool-aaaaaa", True, False)


def test_a_node_without_machine_is_given_its_own_once(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-bbbbbb")
    node = seen.node("pool-bbbbbb")
    seen.cluster.adopt(node, "memory://7")
    assert idle.wait(seen.cluster, 10)
    assert _provider_id(plane, "pool-bbbbbb") == "memory://7"
    nodes.adopt(seen.cluster.api, node, "memory://7")
    with pytest.raises(nodes.NotOurs, match="another machine"):
        nodes.adopt(seen.cluster.api, node, "memory://8")
    assert _provider_id(plane, "pool-bbbbbb") == "memory://7"


def test_a_node_is_not_named_after_another_took_its_name(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-cccccc")
    node = seen.node("pool-cccccc")
    with plane.client() as admin:
        admin.delete("/api/v1/nodes/pool-cccccc")
    with pytest.raises(nodes.NotOurs, match="gone"):
        nodes.adopt(seen.cluster.api, node, "memory://7")
    plane.make_node("pool-cccccc")
    with pytest.raises(nodes.NotOurs, match="taken the name"):
        nodes.adopt(seen.cluster.api, node, "memory://7")
    assert _provider_id(plane, "pool-cccccc") == ""


def test_a_node_whose_machine_is_gone_is_removed(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-dddddd", ready=False)
    node = seen.node("pool-dddddd")
    seen.cluster.remove(node, still=lambda found: not found.ready)
    assert idle.wait(seen.cluster, 10)
    assert not _there(plane, "pool-dddddd")
    assert nodes.remove(seen.cluster.api, node, still=lambda _: True)


def test_a_node_that_came_back_to_life_is_kept(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-eeeeee", ready=False)
    node = seen.node("pool-eeeeee")
    plane.set_ready("pool-eeeeee", ready=True)
    assert not nodes.remove(seen.cluster.api, node, still=lambda found: not found.ready)
    assert _there(plane, "pool-eeeeee")


def test_a_node_that_changes_while_it_is_judged_is_judged_again(
    plane: planes.Plane, seen: Seen
) -> None:
    plane.make_node("pool-ffffff", ready=False)
    node = seen.node("pool-ffffff")
    judged: list[bool] = []

    def still(found: nodes.Node) -> bool:
        judged.append(found.ready)
        if len(judged) == 1:
            plane.set_ready("pool-ffffff", ready=True)
        return not found.ready

    assert not nodes.remove(seen.cluster.api, node, still=still)
    assert judged == [False, True]
    assert _there(plane, "pool-ffffff")


def test_another_node_of_the_name_is_left_alone(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-gggggg", ready=False)
    node = seen.node("pool-gggggg")
    with plane.client() as admin:
        admin.delete("/api/v1/nodes/pool-gggggg")
    plane.make_node("pool-gggggg", ready=False)
    assert nodes.remove(seen.cluster.api, node, still=lambda _: True)
    assert _there(plane, "pool-gggggg")


def test_the_copy_survives_a_restart_of_the_api_server(plane: planes.Plane, seen: Seen) -> None:
    plane.make_node("pool-hhhhhh")
    seen.node("pool-hhhhhh")
    listed_at = seen.cluster.node_list.listed_at
    # Other objects move the cluster's version past what our watch has heard of: the API server
    # that starts anew knows nothing older, and answers our version with 410.
    for number in range(20):
        plane.kubectl("create", "configmap", f"mover-{number}")
    plane.restart_api()
    with plane.client() as admin:
        admin.delete("/api/v1/nodes/pool-hhhhhh")
    plane.make_node("pool-jjjjjj")
    waiting.until(
        lambda: set(seen.cluster.node_list.items) == {"pool-jjjjjj"}, "the copy is right again"
    )
    assert ("pool-hhhhhh", True, False) in seen.reported
    waiting.until(
        lambda: seen.cluster.node_list.listed_at > listed_at, "the version that was too old"
    )


def test_a_version_that_is_too_old_means_to_list_again(
    plane: planes.Plane, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="vps_autoscaler")
    # An API server that was started anew knows no versions from before.
    plane.restart_api()
    parts: list[str] = []
    link = plane.link()
    follower = nodes.Nodes(
        link.api,
        on_change=lambda _before, after: parts.append(after.name if after else "-"),
        time_source=clock.SystemClock(),
        chance=random.Random(1),
        timing=reflector.Timing(watch_s=2.0, pause_s=0.1),
    )
    follower._version = "1"
    follower._relist_at = float("inf")
    follower.start()
    try:
        waiting.until(lambda: follower.listing.complete, "complete", within_s=30)
        assert "watch expired: listing again" in caplog.text
    finally:
        follower.stop()


def test_events_about_a_node_and_a_configmap(plane: planes.Plane, seen: Seen) -> None:
    node = plane.make_node("pool-kkkkkk")["metadata"]
    about = events.Regarding(kind="Node", name="pool-kkkkkk", uid=node["uid"])
    never = events.Event(
        regarding=about,
        reason="NeverJoined",
        action="Removing",
        note="powered off before it joined",
        kind="Warning",
    )
    seen.cluster.publish(never)
    home = events.Regarding(kind="ConfigMap", name="vps-autoscaler", namespace=planes.NAMESPACE)
    seen.cluster.publish(
        events.Event(regarding=home, reason="GroupHeldBack", action="Waiting", note="é" * 2000)
    )
    assert idle.wait(seen.cluster, 10)
    assert "powered off before it joined" in plane.kubectl("describe", "node", "pool-kkkkkk")
    listed = plane.kubectl("-n", planes.NAMESPACE, "get", "events")
    assert "GroupHeldBack" in listed
    assert "configmap/vps-autoscaler" in listed


def test_an_event_reported_again_is_counted(plane: planes.Plane) -> None:
    class Later(clock.SystemClock):
        """A clock that can be put forward."""

        ahead_s = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead_s

    plane.make_node("pool-mmmmmm")
    time_source = Later()
    link: connection.Connection = plane.link()
    writer = events.EventWriter(link.api, instance="test", time_source=time_source)
    event = events.Event(
        regarding=events.Regarding(kind="Node", name="pool-mmmmmm"),
        reason="Waits",
        action="Waiting",
        note="still not there",
    )
    counts = []
    for ahead_s in (0.0, 1.0, 70.0, 75.0, 140.0, 1000.0):
        time_source.ahead_s = ahead_s
        writer.publish(event)
        with plane.client() as admin:
            listed = admin.get(f"{EVENTS}/default/events").json()["items"]
        ours = [each for each in listed if each["regarding"]["name"] == "pool-mmmmmm"]
        counts.append([each.get("series", {}).get("count", 1) for each in ours])
    assert [sorted(each) for each in counts] == [[1], [1], [3], [3], [5], [1, 5]]
