"""The fake Vultr behaves as the facts say, and is steered from another process."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.fakes import engine
from tests.fakes import vultr

ROOT = Path(__file__).parents[2]
ORDER = {"label": "a", "region": "fra", "plan": "vc2-2c-4gb", "os_id": 2136}


@pytest.fixture
def fake() -> Iterator[vultr.VultrFake]:
    with vultr.VultrFake(clock=engine.StoppedClock(), requests_a_second=1000) as it:
        yield it


@pytest.fixture
def client(fake: vultr.VultrFake) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {fake.token}"}
    with httpx.Client(base_url=fake.url, headers=key, timeout=5, trust_env=False) as it:
        yield it


def make(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    reply = client.post("/instances", json={**ORDER, **changes})
    assert reply.status_code == 202, reply.text
    instance: dict[str, Any] = reply.json()["instance"]
    return instance


def labels(client: httpx.Client, **query: str) -> list[str]:
    return [row["label"] for row in client.get("/instances", params=query).json()["instances"]]


def refusal(client: httpx.Client, **changes: Any) -> tuple[int, str]:
    reply = client.post("/instances", json={**ORDER, **changes})
    document = reply.json()
    assert document["status"] == reply.status_code
    return reply.status_code, document["error"]


def test_an_instance_takes_time_and_lingers(fake: vultr.VultrFake, client: httpx.Client) -> None:
    booted: list[str] = []
    fake.on_boot = lambda instance: booted.append(instance.id)
    made = make(client)
    assert made["default_password"]
    assert (made["main_ip"], made["internal_ip"]) == ("0.0.0.0", "")  # noqa: S104

    def state() -> tuple[str, ...]:
        row = client.get(f"/instances/{made['id']}").json()["instance"]
        assert "default_password" not in row
        return row["status"], row["power_status"], row["server_status"]

    assert state() == ("pending", "running", "none")
    fake.advance(fake.create_s)
    assert state() == ("active", "running", "installingbooting")
    fake.advance(fake.boot_s)
    assert state() == ("active", "running", "ok")
    assert booted == [made["id"]]
    fake.limit = 1
    assert client.delete(f"/instances/{made['id']}").status_code == 204
    again = client.delete(f"/instances/{made['id']}")
    assert (again.status_code, again.json()["error"]) == (500, vultr.PENDING)
    fake.advance(fake.delete_s)
    gone = client.get(f"/instances/{made['id']}")
    assert (gone.status_code, gone.json()) == (404, {"error": "Invalid instance.", "status": 404})
    assert labels(client) == []
    assert refusal(client) == (400, vultr.OVER_LIMIT), "it still counts"
    fake.advance(fake.linger_s)
    make(client)


def test_a_locked_instance_answers_500(fake: vultr.VultrFake, client: httpx.Client) -> None:
    instance = fake.add("a", locked_until=fake.now() + 5)
    refused = client.delete(f"/instances/{instance.id}")
    assert (refused.status_code, refused.json()["error"]) == (500, vultr.LOCKED)
    fake.advance(5)
    assert client.delete(f"/instances/{instance.id}").status_code == 204


def test_labels_are_not_unique_and_tags_have_no_capitals(client: httpx.Client) -> None:
    make(client, tags=["Blue"])
    make(client, tags=["blue", "new"])
    make(client, tag="old")
    assert labels(client, label="a") == ["a"] * 3
    assert len(labels(client, tag="BLUE")) == 2
    assert len(labels(client, tag="old")) == 1
    assert labels(client, tag="blu") == labels(client, label="A") == []


def test_user_data_is_reported_decoded(fake: vultr.VultrFake, client: httpx.Client) -> None:
    coded = base64.b64encode(b"#!/bin/sh\n").decode()
    made = make(client, user_data=coded)
    assert fake.instances[made["id"]].user_data == b"#!/bin/sh\n"
    shown = client.get(f"/instances/{made['id']}/user-data").json()
    assert shown == {"user_data": {"data": coded}}
    assert refusal(client, user_data="#!/bin/sh")[0] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": "no-such-plan"},
        {"region": "mars"},
        {"os_id": 4711},
        {"os_id": None},
        {"snapshot_id": "x"},
        {"disable_public_ipv4": True},
        {"sshkey_id": ["x"]},
        {"attach_vpc": ["x"]},
        {"firewall_group_id": "x"},
    ],
)
def test_wrong_orders(client: httpx.Client, changes: dict[str, Any]) -> None:
    assert refusal(client, **changes)[0] == 400
    assert labels(client) == []


def test_stock(fake: vultr.VultrFake, client: httpx.Client) -> None:
    fake.sell_out("vc2-2c-4gb", "fra", listed=False)
    there = client.get("/regions/fra/availability").json()["available_plans"]
    assert "vc2-2c-4gb" in there, "lists and creates may disagree"
    assert refusal(client) == (400, vultr.SOLD_OUT)
    fake.restock("vc2-2c-4gb", "fra")
    make(client)
    fake.sell_out("*", "fra")
    assert client.get("/regions/fra/availability").json()["available_plans"] == []
    assert refusal(client) == (400, vultr.SOLD_OUT)


def test_pages_are_linked_by_cursors(fake: vultr.VultrFake, client: httpx.Client) -> None:
    for number in range(5):
        fake.add(f"n{number}")
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        document = client.get("/instances", params={"per_page": 2, "cursor": cursor}).json()
        seen += [row["label"] for row in document["instances"]]
        assert document["meta"]["total"] == 5
        cursor = document["meta"]["links"]["next"]
    assert cursor == ""
    assert seen == [f"n{number}" for number in range(5)]
    for wrong in ("501", "0", "x"):
        assert client.get("/instances", params={"per_page": wrong}).status_code == 422
    assert client.get("/instances", params={"cursor": "!"}).status_code == 400


def test_the_limit_is_of_an_address() -> None:
    with vultr.VultrFake(clock=engine.StoppedClock()) as fake:
        keys = ({"Authorization": f"Bearer {fake.token}"}, {"Authorization": "Bearer other"})
        values = [
            httpx.get(f"{fake.url}/os", headers=keys[0], trust_env=False).status_code
            for _ in range(31)
        ]
        assert values == [200] * 30 + [429]
        assert httpx.get(f"{fake.url}/os", headers=keys[1], trust_env=False).status_code == 401
        fake.advance(1)
        reply = httpx.get(f"{fake.url}/os", headers=keys[0], trust_env=False)
        assert reply.status_code == 200


def test_it_runs_as_a_program_and_is_steered() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.vultr", "--create-s", "0", "--boot-s", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        knob = f"{url.removesuffix('/v2')}/_control"
        with httpx.Client(
            base_url=url, headers={"Authorization": "Bearer fake-token"}, trust_env=False
        ) as client:
            client.post(f"{knob}/quota", json={"servers": 1})
            made = make(client, tags=["blue"])
            assert refusal(client)[0] == 400
            client.post(f"{knob}/quota", json={"servers": None})
            client.post(f"{knob}/stock", json={"machine_type": "*", "available": False})
            assert refusal(client)[0] == 400
            client.post(f"{knob}/stock", json={"machine_type": "*", "available": True})
            client.post(f"{knob}/boot", json={"boot_s": 30, "delete_s": 0, "linger_s": 0})
            slow = make(client)
            assert slow["server_status"] == "installingbooting"
            client.post(f"{knob}/advance", json={"seconds": 30})
            client.post(f"{knob}/instance", json={"id": made["id"], "power": "stopped"})
            shown = client.post(f"{knob}/instance", json={"add": "c", "tags": ["blue"]}).json()
            fields = {
                row["id"]: row["status"] for row in client.get(f"{knob}/state").json()["servers"]
            }
            assert fields == {
                made["id"]: "active stopped ok",
                slow["id"]: "active running ok",
                shown["id"]: "active running ok",
            }
            client.post(f"{knob}/instance", json={"id": made["id"], "remove": True})
            assert client.delete(f"/instances/{slow['id']}").status_code == 204
            assert labels(client) == ["c"]
        process.terminate()
        assert process.wait(10) == 0
