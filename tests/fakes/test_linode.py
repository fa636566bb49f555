"""The fake Linode serves clients that nobody here wrote: linode_api4's high-level objects, and
linode-cli where it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import linode_api4
import pytest
from linode_api4 import Instance

from providers.fakes import engine
from tests import absent
from tests.fakes import linode, linode_filters, linode_model, linode_orders
from tests.providers import linode_bench

ROOT = Path(__file__).parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ops@example.com"
CLI_VARIABLE = "LINODE_CLI"


@pytest.fixture
def fake() -> Iterator[linode.LinodeFake]:
    with linode_bench.serving() as it:
        yield it


def opened(fake: linode.LinodeFake, **settings: Any) -> linode_api4.LinodeClient:
    return linode_api4.LinodeClient(fake.token, base_url=fake.url, **settings)


def make(client: linode_api4.LinodeClient, label: str, **value: Any) -> Instance:
    return client.linode.instance_create(
        "g6-standard-2",
        "eu-central",
        image="linode/debian13",
        label=label,
        **{"authorized_keys": [KEY], **value},
    )


def test_create_list_over_three_pages_and_delete(fake: linode.LinodeFake) -> None:
    fake.create_s = fake.boot_s = fake.delete_s = 0.0
    fake.creates.limit = 1000
    client = opened(fake, page_size=25)
    for number in range(60):
        made = make(client, f"web-{number}", tags=["blue", f"odd-{number % 2}"])
        assert made.status == "running"
    assert len(list(client.linode.instances())) == 60
    odd = client.linode.instances(Instance.tags == "odd-1")
    assert sorted(each.label for each in odd) == sorted(f"web-{n}" for n in range(1, 60, 2))
    (one,) = client.linode.instances(Instance.tags == "blue", Instance.label == "web-7")
    assert one.label == "web-7"
    assert len(fake.log("GET", linode_bench.INSTANCES)) == 3 + 2 + 1
    for each in list(client.linode.instances()):
        assert each.delete()
    assert len(client.linode.instances()) == 0


def test_a_machine_goes_through_its_states(fake: linode.LinodeFake) -> None:
    booted: list[str] = []
    fake.on_boot = lambda machine: booted.append(machine.label)
    client = opened(fake)
    fields = {"label": "web-1", "root_pass": "aA1-xyz-12345"}
    made = client.linode.instance_create(
        "g6-nanode-1", "us-east", image="linode/debian12", **fields
    )

    def status() -> str:
        return str(client.load(Instance, made.id).status)

    seen = [status()]
    for seconds in (fake.create_s, fake.boot_s):
        fake.advance(seconds)
        seen.append(status())
    assert seen == ["provisioning", "booting", "running"]
    assert booted == ["web-1"]
    machine = fake.machines[made.id]
    assert machine.swap_mb == 512, "the vendor's own default, which nobody asked for here"
    fake.power_off(machine)
    assert status() == "offline"
    fake.advance(fake.lassie_s + fake.boot_s)
    assert status() == "running"
    # By hand: the SDK's own save() sends read-only fields back, which the document forbids.
    client.put(f"/linode/instances/{made.id}", data={"watchdog_enabled": False, "label": "web-2"})
    assert (machine.watchdog, machine.label) == (False, "web-2")
    fake.power_off(machine)
    fake.advance(3600)
    assert status() == "offline"
    assert client.load(Instance, made.id).delete()
    assert status() == "deleting"
    fake.advance(fake.delete_s)
    with pytest.raises(linode_api4.ApiError, match="Not found"):
        status()


def test_a_list_that_changes_breaks_the_sdks_own_paging(fake: linode.LinodeFake) -> None:
    for number in range(60):
        fake.add(f"web-{number}")
    client = opened(fake, page_size=25)
    listed = client.linode.instances()
    fake.machines.popitem()
    with pytest.raises(RuntimeError, match="changed since creation"):
        list(listed)


def test_everything_else_that_the_sdk_reads(fake: linode.LinodeFake) -> None:
    fake.add_firewall("wall"), fake.add_ssh_key("ops"), fake.add_vpc("inner", "us-east", "nodes")
    fake.add_placement_group("racks", "us-east")
    client = opened(fake)
    assert "g6-standard-2" in {each.id for each in client.linode.types()}
    assert "eu-central" in {each.id for each in client.regions()}
    assert "linode/debian13" in {each.id for each in client.images()}
    assert [each.label for each in client.networking.firewalls()] == ["wall"]
    assert [each.label for each in client.profile.ssh_keys()] == ["ops"]
    assert [each.label for each in client.vpcs()] == ["inner"]
    assert [each.label for each in client.placement.groups()] == ["racks"]
    fake.sell_out("g7-premium-2", "us-east", listed=True)
    assert [each.available for each in client.regions.availability()] == [False]


def test_what_is_refused_in_the_vendors_words(fake: linode.LinodeFake) -> None:
    client = opened(fake, retry=False)
    make(client, "web-1")
    full = fake.add_placement_group("racks", "eu-central")
    full["members"] = [{"linode_id": n, "is_compliant": True} for n in range(5)]
    away = fake.add_vpc("away", "us-east", "nodes")["subnets"][0]["id"]
    vpc = {"purpose": "vpc", "subnet_id": away}
    for result, words in (
        ({"label": "web-1"}, f"label: {linode_orders.TAKEN}"),
        ({"label": "1a"}, "label: Length"),
        ({"label": "a--b"}, "label: "),
        ({"tags": ["ab"]}, "tags: Length must be 3-50"),
        ({"tags": ["a,b,c"]}, "tags: "),
        ({"image": "linode/none"}, "image: image is not valid"),
        ({"authorized_keys": None, "root_pass": "password"}, "root_pass: Password"),
        ({"metadata": {"user_data": "AAAA" * 6000}}, "metadata.user_data: "),
        ({"placement_group": {"id": full["id"]}}, "placement_group.id: "),
        ({"interfaces": [vpc]}, "subnet_id: VPC is in another region"),
        ({"interface_generation": "linode", "private_ip": True}, "interface_generation: "),
    ):
        body = {
            "type": "g6-standard-2",
            "region": "eu-central",
            "image": "linode/debian13",
            "authorized_keys": [KEY],
            **result,
        }
        with pytest.raises(linode_api4.ApiError) as caught:
            client.post("/linode/instances", data={k: v for k, v in body.items() if v is not None})
        assert words in str(caught.value), result
    fake.exchanges.clear()  # some of these bodies are not the document's either
    fake.machine_limit = 1
    with pytest.raises(linode_api4.ApiError, match="Account Limit reached"):
        make(client, "web-2")
    fake.machine_limit = None
    fake.sell_out("*", "eu-central")
    with pytest.raises(linode_api4.ApiError, match="not currently available") as caught:
        make(client, "web-2")
    assert caught.value.status == 403
    fake.readonly_token = True
    with pytest.raises(linode_api4.ApiError, match="not authorized to use this endpoint"):
        make(client, "web-2")
    assert len(fake.machines) == 1


ROWS = [
    {"id": 1, "label": "a", "tags": ["g-1", "blue"]},
    {"id": 2, "label": "b", "tags": ["g-10", "blue"]},
    {"id": 3, "label": "c", "tags": []},
]


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ({}, "abc"),
        ({"tags": "g-1"}, "a"),
        ({"tags": "blue"}, "ab"),
        ({"tags": "blue,g-10"}, "b"),
        ({"tags": {"+contains": "g-1"}}, "ab"),
        ({"+and": [{"tags": "blue"}, {"label": "a"}]}, "a"),
        ({"+or": [{"tags": "g-10"}, {"label": "c"}]}, "bc"),
        ({"tags": {"+neq": "g-1"}}, "bc"),
        ({"id": {"+gt": 1}}, "bc"),
        ({"id": {"+gte": 2, "+lt": 3}}, "b"),
        ({"id": {"+lte": 1}}, "a"),
        ({"label": "b", "tags": "g-1"}, ""),
        ({"+order_by": "id", "+order": "desc"}, "cba"),
        ({"tags": "blue", "+order_by": "label"}, "ab"),
    ],
)
def test_the_grammar_of_filters(body: dict[str, Any], chosen: str) -> None:
    found = linode_filters.apply(json.dumps(body), list(ROWS), ("id", "label", "tags"))
    assert "".join(str(row["label"]) for row in found) == chosen


@pytest.mark.parametrize(
    "text", ['{"status": "running"}', '{"+order_by": "status"}', '{"id": {"+like": 1}}', "{"]
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(ValueError, match=r"Cannot|Unknown|Expecting"):
        linode_filters.apply(text, list(ROWS), ("id", "label", "tags"))


def test_the_limits_are_windows_of_their_own(fake: linode.LinodeFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    key = {"Authorization": f"Bearer {fake.token}"}
    with httpx.Client(base_url=fake.url, headers=key, trust_env=False) as client:
        for path, limit, window_s in (
            ("/linode/instances", 200, 60),
            ("/images", 20, 60),
            ("/regions/us-east", 1600, 60),
        ):
            first = client.get(path)
            fields = {name: first.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining")}
            assert fields == {"Limit": str(limit), "Remaining": str(limit - 1)}
            assert float(first.headers["X-RateLimit-Reset"]) == clock.now + window_s
        fake.lists.drain(clock.now)
        refused = client.get("/linode/instances")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert client.get("/linode/instances/1").status_code == 404
        clock.now += 60
        assert client.get("/linode/instances").status_code == 200
        fake.fail(engine.FaultKind.THROTTLED, reset_s=-1_509_450_059)
        assert client.get("/linode/instances").headers["Retry-After"] == "-1509450059"


def test_every_reply_is_as_the_document_says(fake: linode.LinodeFake) -> None:
    """Each route answers once here; what all tests send is checked in ``serving`` besides."""
    document = linode_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    key, wall = fake.add_ssh_key("ops"), fake.add_firewall("wall")
    group = fake.add_placement_group("racks", "eu-central")
    fake.add_vpc("inner", "eu-central", "nodes")
    fake.add_image("node")
    fake.sell_out("g7-premium-2", "us-east", listed=True)
    fields = {"ssh_keys": (str(key["id"]),), "networks": ("inner",)}
    with linode_bench.opened(fake) as provider:
        provider.offers()
        by_name = {"firewalls": ("wall",), "placement_group": "racks", "image": "node"}
        by_number = {"firewalls": (str(wall["id"]),), "placement_group": str(group["id"])}
        for number, names in enumerate((by_name, by_number)):
            order = linode_bench.order(f"web-{number}", **fields, **names)
            assert provider.check_order(order) == ()
            made = provider.create(order)
        provider.instances()
        provider.look_up(node_name="", instance_id=made.id, receipt="")
        provider.delete(made.id)
    assert document.problems(fake.exchanges) == []
    assert {each.template for each in fake.exchanges} == {
        "/linode/types",
        "/linode/instances",
        "/linode/instances/{id}",
        "/regions",
        "/regions/{id}",
        "/regions/availability",
        "/images",
        "/images/{owner}/{name}",
        "/profile/sshkeys",
        "/vpcs",
        "/networking/firewalls",
        "/networking/firewalls/{id}",
        "/placement/groups",
        "/placement/groups/{id}",
    }


def test_the_check_against_the_document_can_fail(fake: linode.LinodeFake) -> None:
    document = linode_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    key = {"Authorization": f"Bearer {fake.token}"}
    fake.add("web-1", word="on fire")
    with httpx.Client(base_url=fake.url, headers=key, trust_env=False) as client:
        client.get("/linode/instances", params={"page_size": "many"})
        client.get("/linode/instances")
        client.post("/linode/instances", json={"type": 5, "region": "us-east", "odd": 1})
    text = "\n".join(document.problems(fake.exchanges))
    for each in ("request GET /linode/instances", "on fire", "type: 5 is not", "'odd'"):
        assert each in text, text
    fake.exchanges.clear()


def test_another_process_sells_out_and_reads() -> None:
    arguments = "--port 0 --boot-s 0 --create-s 0 --latency-create 0.01 --servers 2"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.linode", *arguments.split()],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        knob = url.removesuffix("/v4") + "/_control"
        client = linode_api4.LinodeClient(engine.FAKE_TOKEN, base_url=url, retry=False)

        def turn(name: str, **value: object) -> None:
            httpx.post(f"{knob}/{name}", json=value, trust_env=False).raise_for_status()

        turn("stock", machine_type="g6-standard-2", location="eu-central", available=False)
        with pytest.raises(linode_api4.ApiError, match="not currently available"):
            make(client, "web-1")
        turn("stock", machine_type="g6-standard-2", location="eu-central", available=True)
        make(client, "web-1")
        turn("quota", servers=1)
        with pytest.raises(linode_api4.ApiError, match="Account Limit"):
            make(client, "web-2")
        turn("boot", delete_s=0)
        turn("budget", leave=0, of="creates")
        with pytest.raises(linode_api4.ApiError, match="Too many requests"):
            make(client, "web-2")
        state = httpx.get(f"{knob}/state", trust_env=False).json()
        (server,) = state["servers"]
        assert (server["name"], server["status"]) == ("web-1", "running")
        turn("machine", id=server["id"], power_off=True, tags=["abc"], label="web-9")
        (left,) = client.linode.instances()
        assert (left.status, left.tags, left.label) == ("offline", ["abc"], "web-9")
        turn("machine", add="web-10")
        turn("machine", id=server["id"], remove=True)
        assert [each.label for each in client.linode.instances()] == ["web-10"]
        log = httpx.get(f"{knob}/log", trust_env=False).json()
        assert [each["status"] for each in log] == [403, 200, 400, 429, 200, 200]
        process.terminate()
        assert process.wait(10) == 0


def test_a_model_shows_instants_as_the_api_does() -> None:
    assert linode_model.stamp(0) == "1970-01-01T00:00:00"


def test_the_vendors_command_line(fake: linode.LinodeFake, tmp_path: Path) -> None:
    """linode-cli creates, lists over three pages by tag, and deletes."""
    program = os.environ.get(CLI_VARIABLE) or shutil.which("linode-cli")
    if program is None:
        absent.skip(absent.Need.LINODE_CLI)
    fake.create_s = fake.boot_s = fake.delete_s = 0.0
    address = fake.url.removeprefix("http://").removesuffix("/v4")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LINODE_CLI_TOKEN": fake.token,
        "LINODE_CLI_API_HOST": address,
        "LINODE_CLI_API_SCHEME": "http",
        "LINODE_CLI_API_VERSION": "v4",
        "LINODE_CLI_SUPPRESS_VERSION_WARNING": "1",
    }

    def run(*words: str) -> Any:
        done = subprocess.run(
            [program, "linodes", *words, "--json", "--no-defaults", "--suppress-warnings"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    for number in range(58):
        fake.add(f"web-{number}", ["blue"])
    fake.add("other", ["blue-green"])
    order = "--type g6-standard-2 --region eu-central --image linode/debian13 --label cli-1"
    tagged = "--tags blue --tags second --swap_size 0 --metadata.user_data IyEvYmluL3NoCg=="
    (made,) = run("create", *order.split(), *tagged.split(), "--authorized_keys", KEY)
    assert (made["status"], made["tags"]) == ("running", ["blue", "second"])
    assert fake.machines[made["id"]].user_data == b"#!/bin/sh\n"
    listed = [
        row
        for page in ("1", "2", "3")
        for row in run("list", "--tags", "blue", "--page", page, "--page-size", "25")
    ]
    assert len({row["id"] for row in listed}) == 59
    run("delete", str(made["id"]))
    assert made["id"] not in fake.machines
    asked = {each.request.header("X-Filter") for each in fake.log("GET", linode_bench.INSTANCES)}
    assert asked == {json.dumps({"+and": [{"tags": "blue"}]})}
    assert {each.reply.status for each in fake.exchanges} == {200}
