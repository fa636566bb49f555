from __future__ import annotations

import base64
import platform
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from externalgrpc import assembly
from externalgrpc.kube import api, approval, cluster, csr, errors, events, facts, nodes, tokens
from externalgrpc.model import credentials, groups
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import apiserver, idle, requests

INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
SECRETS = tokens.PATH
CA = credentials.example().ca_pem


class Side:
    """The Kubernetes side on a small server, and its callbacks' arguments."""

    def __init__(self, server: apiserver.FakeServer, folder: Path) -> None:
        self.asking: list[str] = []
        self.expected: set[str] = set()
        self.seen: list[str] = []
        self.cluster = cluster.Cluster(
            server.link(folder),
            cluster.Settings(name="prod", instance="test", own_approval=True),
            cluster.Listeners(
                node=self._node, asking=self.asking.append, expected=self.expected.__contains__
            ),
            time_source=clock.SystemClock(),
            chance=random.Random(1),
        )

    def _node(self, _before: nodes.Node | None, after: nodes.Node | None) -> None:
        self.seen.append(after.name if after else "")


@pytest.fixture
def side(server: apiserver.FakeServer, tmp_path: Path) -> Iterator[Side]:
    fields = {
        "clusters": [
            {
                "cluster": {
                    "server": "https://api.example.test:6443",
                    "certificate-authority-data": base64.b64encode(CA.encode()).decode(),
                }
            }
        ]
    }
    server.put(INFO, {"data": {"kubeconfig": yaml.safe_dump(fields)}})
    server.put("/version", {"gitVersion": "v1.36.2"})
    made = Side(server, tmp_path)
    made.cluster.start()
    yield made
    made.cluster.stop()


def _ask(server: apiserver.FakeServer, name: str, wants: str, token_id: str) -> str:
    fields: api.Object = {
        "spec": {
            "signerName": csr.SIGNER,
            "username": f"system:bootstrap:{token_id}",
            "groups": [tokens.OWN_GROUP],
            "usages": ["digital signature", "client auth"],
            "request": base64.b64encode(requests.pem(wants)).decode(),
        }
    }
    path = f"{approval.PATH}/{name}"
    server.put(path, fields)
    return path


def _approved(server: apiserver.FakeServer, path: str) -> bool:
    conditions = server.items[path].get("status", {}).get("conditions", [])
    return [each["type"] for each in conditions] == ["Approved"]


def test_credentials_are_made_of_what_the_cluster_tells(
    server: apiserver.FakeServer, side: Side
) -> None:
    made = side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    assert made.endpoint == "https://api.example.test:6443"
    assert made.server_version == "v1.36.2"
    assert made.ca_pem.strip() == CA.strip()
    assert side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600) == made
    assert server.count("GET /version") == 1
    assert server.count(f"GET {INFO}") == 1
    assert server.count(f"POST {SECRETS}") == 1


def test_credentials_say_that_nodes_have_no_ipv6(server: apiserver.FakeServer, side: Side) -> None:
    def ipv6() -> bool:
        return side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600).ipv6

    waiting.until(lambda: side.cluster.node_list.complete, "listed", within_s=20)
    assert ipv6(), "no Node says anything"
    server.put(f"{nodes.PATH}/control-1", {"spec": {"podCIDRs": ["10.244.0.0/24"]}})
    waiting.until(lambda: not ipv6(), "its Nodes say that it has none", within_s=20)


def test_nothing_is_minted_for_a_cluster_that_cannot_be_joined(
    server: apiserver.FakeServer, side: Side
) -> None:
    server.fail("GET", 500, path="/version")
    with pytest.raises(errors.Unreachable):
        side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    server.put("/version", {"gitVersion": "v2.0.0"})
    with pytest.raises(facts.Unusable):
        side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    assert server.count(f"POST {SECRETS}") == 0


def test_credentials_that_make_no_sense_leave_no_token(
    server: apiserver.FakeServer, side: Side
) -> None:
    fields = {"clusters": [{"cluster": {"server": "https://api.example.test:6443"}}]}
    server.put(INFO, {"data": {"kubeconfig": yaml.safe_dump(fields)}})
    with pytest.raises(facts.Unusable, match="which CA"):
        side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    fields["clusters"][0]["cluster"]["certificate-authority-data"] = "QUFBQQ=="
    server.put(INFO, {"data": {"kubeconfig": yaml.safe_dump(fields)}})
    with pytest.raises(facts.Unusable, match="cannot be joined"):
        side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    assert idle.wait(side.cluster, 10)
    assert not [each for each in server.items if each.startswith(SECRETS)]


def test_a_revocation_survives_an_outage(server: apiserver.FakeServer, side: Side) -> None:
    side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    server.fail("DELETE", apiserver.LOST)
    side.cluster.revoke("pool-aaaaaa")
    assert idle.wait(side.cluster, 20)
    assert not [each for each in server.items if each.startswith(SECRETS)]


def test_the_machine_that_asks_is_reported_and_approved(
    server: apiserver.FakeServer, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    side.expected.add("pool-aaaaaa")
    made = side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    token_id = made.token.partition(".")[0]
    path = _ask(server, "right", "pool-aaaaaa", token_id)
    waiting.until(lambda: _approved(server, path), "approved", within_s=20)
    wrong = _ask(server, "wrong", "control-plane-1", token_id)
    waiting.until(lambda: "left alone" in caplog.text, "judged", within_s=20)
    assert idle.wait(side.cluster, 20)
    assert not _approved(server, wrong)
    assert side.asking == ["pool-aaaaaa"]
    assert server.count("PUT") == 1


def test_a_machine_that_nobody_waits_for_is_approved_once_somebody_does(
    server: apiserver.FakeServer, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    made = side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    path = _ask(server, "early", "pool-aaaaaa", made.token.partition(".")[0])
    waiting.until(lambda: "job waits" in caplog.text, "judged", within_s=20)
    assert not _approved(server, path)
    side.expected.add("pool-aaaaaa")
    waiting.until(lambda: _approved(server, path), "approved", within_s=20)


def test_an_approval_that_meets_a_change_is_judged_again(
    server: apiserver.FakeServer, side: Side
) -> None:
    side.expected.add("pool-aaaaaa")
    made = side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    server.fail("PUT", 409)
    path = _ask(server, "right", "pool-aaaaaa", made.token.partition(".")[0])
    waiting.until(lambda: _approved(server, path), "approved", within_s=20)
    assert server.count("PUT") == 2


def test_a_request_that_somebody_decided_is_left_alone(
    server: apiserver.FakeServer, side: Side
) -> None:
    side.expected.add("pool-aaaaaa")
    made = side.cluster.credentials("pool-aaaaaa", "pool", provision_timeout_s=600)
    server.mute = True
    path = _ask(server, "denied", "pool-aaaaaa", made.token.partition(".")[0])
    denied = {**server.items[path], "status": {"conditions": [{"type": "Denied"}]}}
    server.put(path, denied)
    server.mute = False
    waiting.until(lambda: side.asking, "seen", within_s=20)
    assert idle.wait(side.cluster, 20)
    assert not _approved(server, path)
    assert server.count("PUT") == 0


def test_nodes_are_reported_and_kept(server: apiserver.FakeServer, side: Side) -> None:
    waiting.until(lambda: side.cluster.node_list.complete, "listed", within_s=20)
    server.put(f"{nodes.PATH}/pool-aaaaaa", {"spec": {"providerID": "memory://1"}})
    waiting.until(lambda: side.seen == ["pool-aaaaaa"], "the callback", within_s=20)
    assert side.cluster.node_list.complete
    assert side.cluster.node_list.items["pool-aaaaaa"].provider_id == "memory://1"


def test_a_node_job_survives_an_outage(server: apiserver.FakeServer, side: Side) -> None:
    path = f"{nodes.PATH}/pool-aaaaaa"
    server.put(path, {"spec": {}})
    waiting.until(lambda: side.seen, "the callback", within_s=20)
    node = side.cluster.node_list.items["pool-aaaaaa"]
    server.fail("PATCH", apiserver.LOST, after=True)
    side.cluster.adopt(node, "memory://7")
    assert idle.wait(side.cluster, 20)
    assert server.items[path]["spec"] == {"providerID": "memory://7"}
    server.fail("DELETE", apiserver.LOST, after=True)
    side.cluster.remove(node, still=lambda _node: True)
    assert idle.wait(side.cluster, 20)
    assert path not in server.items


def test_a_server_that_stops_says_what_it_leaves(
    server: apiserver.FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    side = Side(server, tmp_path)
    side.cluster.start()
    server.fail("DELETE", 500, times=100)
    side.cluster.revoke("pool-aaaaaa")
    waiting.until(lambda: server.count("DELETE"), "tried", within_s=20)
    side.cluster.stop()
    assert "job not done" in caplog.text


def test_events_about_one_object_are_all_written(server: apiserver.FakeServer, side: Side) -> None:
    assert side.cluster.home == events.Regarding(
        kind="ConfigMap", name="vps-autoscaler", namespace=side.cluster.home.namespace
    )
    said = [f"group {name}: held back" for name in ("a", "b", "c", "a")]
    for note in said:
        side.cluster.publish(
            events.Event(
                regarding=side.cluster.home, reason="GroupHeldBack", action="Join", note=note
            )
        )
    assert idle.wait(side.cluster, 10)
    found = {each.get("note") for each in server.items.values()} - {None}
    assert found == set(said)


def test_a_cluster_that_does_not_answer_is_let_go_in_the_time_given(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server.url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        side = Side(server, tmp_path)
        side.cluster.start()
        for name in ("pool-aaaaaa", "pool-bbbbbb"):
            side.cluster.revoke(name)
        deaf.accept()
        began = clock.SystemClock().monotonic()
        side.cluster.stop(1.0)
        assert clock.SystemClock().monotonic() - began < 2.0


def test_events_say_which_server_wrote_them(server: apiserver.FakeServer, tmp_path: Path) -> None:
    """Two servers of one cluster are distinguished by the machine or pod that each runs in."""
    path = tmp_path / "kubeconfig"
    fields = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(fields))
    config = groups.Config(
        cluster="prod",
        accounts={},
        groups=(),
        kubernetes=groups.Kubernetes(kubeconfig=str(path)),
    )
    made = assembly.connect(config, assembly.Parts(), cluster.Listeners())
    assert isinstance(made, cluster.Cluster)
    made.start()
    try:
        made.publish(
            events.Event(regarding=made.home, kind="Normal", reason="R", note="n", action="a")
        )
        assert idle.wait(made, 20)
    finally:
        made.stop(5.0)
    (event,) = [each for key, each in server.items.items() if "/events/" in key]
    assert event["reportingController"] == "vps-autoscaler"
    assert event["reportingInstance"] == f"vps-autoscaler-{platform.node()}"
