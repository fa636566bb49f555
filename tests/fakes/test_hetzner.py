"""The fake Hetzner serves a client that nobody here wrote: hcloud's own high-level objects."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import hcloud
import httpx
import pytest
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import Server as HcloudServer

from providers.fakes import engine
from tests import absent
from tests.fakes import hetzner, hetzner_model, selectors
from tests.providers import hetzner_bench

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake() -> Iterator[hetzner.HetznerFake]:
    with hetzner_bench.serving() as it:
        yield it


@pytest.fixture
def client(fake: hetzner.HetznerFake) -> hcloud.Client:
    return hcloud.Client(fake.token, api_endpoint=fake.url, timeout=10, poll_interval=0.01)


def make(client: hcloud.Client, name: str, **labels: str) -> hcloud.servers.CreateServerResponse:
    return client.servers.create(
        name=name,
        server_type=ServerType(name="cx23"),
        image=Image(name="debian-13"),
        location=Location(name="nbg1"),
        labels=labels,
    )


def test_create_list_over_three_pages_and_delete(
    fake: hetzner.HetznerFake, client: hcloud.Client
) -> None:
    fake.create_s = fake.boot_s = fake.delete_s = 0.0
    for number in range(120):
        made = make(client, f"s-{number}", cluster="blue", odd=str(number % 2))
        assert made.root_password
    assert len(client.servers.get_all()) == 120
    assert len(client.servers.get_all(label_selector="cluster==blue,odd!=1")) == 60
    assert [s.name for s in client.servers.get_all(name="s-7")] == ["s-7"]
    assert len(fake.log("GET", "/servers$")) == 3 + 2 + 1
    for server in client.servers.get_all():
        client.servers.delete(server).wait_until_finished()
    assert client.servers.get_all() == []


def test_a_server_goes_through_its_states(fake: hetzner.HetznerFake, client: hcloud.Client) -> None:
    booted: list[str] = []
    fake.on_boot = lambda server: booted.append(server.name)
    made = make(client, "a")
    number = made.server.id
    assert number is not None

    def status() -> tuple[str | None, str | None]:
        return client.servers.get_by_id(number).status, client.actions.get_by_id(
            made.action.id
        ).status

    assert status() == (HcloudServer.STATUS_INIT, "running")
    with pytest.raises(hcloud.APIException, match="locked"):
        client.servers.delete(made.server)
    fake.advance(fake.create_s)
    assert status() == (HcloudServer.STATUS_STARTING, "success")
    assert booted == []
    fake.advance(fake.boot_s)
    assert status() == (HcloudServer.STATUS_RUNNING, "success")
    assert booted == ["a"]
    client.servers.delete(made.server)
    assert status()[0] == HcloudServer.STATUS_DELETING
    fake.advance(fake.delete_s)
    assert client.servers.get_all() == []


def test_an_action_may_fail_after_the_answer(
    fake: hetzner.HetznerFake, client: hcloud.Client
) -> None:
    fake.fail_action("resource_unavailable", "error during placement", leave="off")
    made = make(client, "a")
    fake.advance(fake.create_s)
    with pytest.raises(hcloud.actions.ActionFailedException, match="error during placement"):
        made.action.wait_until_finished()
    assert [each.status for each in client.servers.get_all()] == ["off"]


def test_everything_else_that_the_sdk_reads(
    fake: hetzner.HetznerFake, client: hcloud.Client
) -> None:
    fake.add_network("n"), fake.add_firewall("f"), fake.add_ssh_key("k")
    assert {each.name for each in client.locations.get_all()} >= {"fsn1", "nbg1", "hel1", "ash"}
    assert client.server_types.get_by_name("cax11").architecture == "arm"  # type: ignore[union-attr]
    assert {i.architecture for i in client.images.get_all(name="debian-13")} == {"x86", "arm"}
    assert [each.name for each in client.networks.get_all()] == ["n"]
    assert [each.name for each in client.firewalls.get_all()] == ["f"]
    assert [each.name for each in client.ssh_keys.get_all()] == ["k"]
    group = client.placement_groups.create(name="g", type="spread").placement_group
    assert group.id is not None
    assert client.placement_groups.get_by_id(group.id).name == "g"
    with pytest.raises(hcloud.APIException, match="uniqueness_error"):
        client.placement_groups.create(name="g", type="spread")
    assert client.request("GET", "/pricing")["pricing"]["currency"] == "EUR"


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", "abc"),
        ("env", "ab"),
        ("!env", "c"),
        ("env=prod", "a"),
        ("env==prod", "a"),
        ("env!=prod", "bc"),
        ("env in (prod, dev)", "ab"),
        ("env notin (prod)", "bc"),
        ("env,x/y=1", "b"),
        ("env in (prod,dev),!x/y", "a"),
        ("env=", ""),
        ("env=pro", ""),
    ],
)
def test_the_grammar_of_selectors(selector: str, chosen: str) -> None:
    rows = {"a": {"env": "prod"}, "b": {"env": "dev", "x/y": "1"}, "c": {"x/y": "2"}}
    test = selectors.parse(selector)
    assert "".join(name for name, labels in rows.items() if test(labels)) == chosen


@pytest.mark.parametrize("selector", ["a b", "=x", "a in prod", "a,,b"])
def test_what_is_no_selector(selector: str) -> None:
    with pytest.raises(ValueError, match="no label selector"):
        selectors.parse(selector)


def test_every_reply_is_as_the_document_says(fake: hetzner.HetznerFake) -> None:
    """Each route answers once here; what all tests send is checked in ``serving`` besides."""
    document = hetzner_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    fake.add_network("n")
    with hetzner_bench.opened(fake) as provider:
        provider.machine_types()
        provider.offers()
        order = hetzner_bench.order(
            networks=("n",), ssh_keys=(str(fake.add_ssh_key("k")["id"]),), placement_group="spread"
        )
        provider.check_order(order)
        made = provider.create(order)
        provider.create(order)
        provider.look_up(node_name="a", instance_id=made.id, receipt=made.receipt)
        fake.advance(20)
        provider.instances()
        provider.delete(made.id)
    before = set(document.used)
    assert document.problems(fake.exchanges) == []
    assert {each.template for each in fake.exchanges} == {
        "/server_types",
        "/pricing",
        "/locations",
        "/images",
        "/ssh_keys/{id}",
        "/networks",
        "/placement_groups",
        "/servers",
        "/servers/{id}",
        "/servers/{id}/actions",
        "/actions/{id}",
    }
    assert document.used >= before
    assert document.used == set(hetzner_bench.KNOWN), "a known error of the document is none now"


def test_the_check_against_the_document_can_fail(fake: hetzner.HetznerFake) -> None:
    document = hetzner_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    key = {"Authorization": f"Bearer {fake.token}"}
    fake.add("a", word="on fire")
    httpx.get(f"{fake.url}/servers", params={"per_page": "many"}, headers=key, trust_env=False)
    httpx.get(f"{fake.url}/servers", headers=key, trust_env=False)
    httpx.post(f"{fake.url}/servers", json={"name": 5}, headers=key, trust_env=False)
    text = "\n".join(document.problems(fake.exchanges))
    for each in ("request GET /servers", "on fire", "request POST /servers: name", "server_type"):
        assert each in text
    fake.exchanges.clear()


def test_another_process_sells_out_and_reads() -> None:
    arguments = "--port 0 --boot-s 0 --create-s 0 --latency-create 0.01 --servers 2"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.hetzner", *arguments.split()],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        knob = url.removesuffix("/v1") + "/_control"
        client = hcloud.Client(engine.FAKE_TOKEN, api_endpoint=url, timeout=10)

        def turn(name: str, **value: object) -> None:
            httpx.post(f"{knob}/{name}", json=value, trust_env=False).raise_for_status()

        turn("stock", machine_type="cx23", location="nbg1", available=False, listed=False)
        with pytest.raises(hcloud.APIException, match="error during placement"):
            make(client, "a")
        turn("stock", machine_type="cx23", location="nbg1", available=True)
        make(client, "a")
        turn("quota", servers=1)
        with pytest.raises(hcloud.APIException, match="server limit exceeded"):
            make(client, "b")
        state = httpx.get(f"{knob}/state", trust_env=False).json()
        assert [(each["name"], each["status"]) for each in state["servers"]] == [("a", "running")]
        turn("server", id=state["servers"][0]["id"], remove=True)
        assert client.servers.get_all() == []
        log = httpx.get(f"{knob}/log", trust_env=False).json()
        assert [each["status"] for each in log] == [412, 201, 403, 200]
        process.terminate()
        assert process.wait(10) == 0


def test_a_model_shows_instants_as_the_api_does() -> None:
    assert hetzner_model.stamp(0) == "1970-01-01T00:00:00Z"


def test_the_limit_is_an_hours_requests_refilled_by_the_second(
    fake: hetzner.HetznerFake, client: hcloud.Client
) -> None:
    fake.clock = engine.StoppedClock()
    fake.bucket.drain(fake.now(), leave=1)
    client.locations.get_list()
    client._client._retry_max_retries = 0
    with pytest.raises(hcloud.APIException, match="rate_limit_exceeded"):
        client.locations.get_list()
    fake.advance(1)
    client.locations.get_list()
    headers = fake.exchanges[-1].reply.headers
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3600", "0")
    assert float(headers["RateLimit-Reset"]) == fake.now() + 3600


def test_hands_may_be_many(fake: hetzner.HetznerFake, client: hcloud.Client) -> None:
    hands = [threading.Thread(target=make, args=(client, f"s-{number}")) for number in range(16)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(20)
    assert len(fake.servers) == 16
