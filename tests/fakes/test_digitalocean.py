"""The fake DigitalOcean behaves as the facts say, and is steered from another process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.fakes import engine
from tests.fakes import digitalocean

ROOT = Path(__file__).parents[2]
ORDER = {"name": "a", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-12-x64"}
GPU = {**ORDER, "region": "tor1", "size": "gpu-h100x1-80gb"}


@pytest.fixture
def fake() -> Iterator[digitalocean.DigitalOceanFake]:
    with digitalocean.DigitalOceanFake(clock=engine.StoppedClock()) as it:
        yield it


@pytest.fixture
def client(fake: digitalocean.DigitalOceanFake) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {fake.token}"}
    with httpx.Client(base_url=fake.url, headers=key, timeout=5, trust_env=False) as it:
        yield it


def make(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    reply = client.post("/droplets", json={**ORDER, **changes})
    assert reply.status_code == 202, reply.text
    document: dict[str, Any] = reply.json()
    return document


def names(client: httpx.Client, **query: str) -> list[str]:
    return [row["name"] for row in client.get("/droplets", params=query).json()["droplets"]]


def test_a_droplet_takes_time_and_leaves_late(
    fake: digitalocean.DigitalOceanFake, client: httpx.Client
) -> None:
    booted: list[int] = []
    fake.on_boot = lambda droplet: booted.append(droplet.id)
    made = make(client)
    number, action = made["droplet"]["id"], made["links"]["actions"][0]["id"]

    def state() -> tuple[str, str]:
        droplet = client.get(f"/droplets/{number}").json()["droplet"]
        return droplet["status"], client.get(f"/actions/{action}").json()["action"]["status"]

    assert state() == ("new", "in-progress")
    fake.advance(fake.boot_s)
    assert state() == ("active", "completed")
    assert booted == [number]
    assert client.delete(f"/droplets/{number}").status_code == 204
    assert client.get(f"/droplets/{number}").status_code == 200
    fake.advance(fake.delete_s)
    assert client.get(f"/droplets/{number}").json()["id"] == "not_found"
    assert client.delete(f"/droplets/{number}").status_code == 404


def test_names_are_not_unique(client: httpx.Client) -> None:
    make(client)
    make(client)
    assert names(client) == ["a", "a"]
    assert names(client, name="A") == ["a", "a"]


def test_a_tag_keeps_the_spelling_of_its_first_use(client: httpx.Client) -> None:
    assert make(client, tags=["Blue"])["droplet"]["tags"] == ["Blue"]
    assert make(client, tags=["blue"])["droplet"]["tags"] == ["Blue"]
    assert make(client, tags=["blue", "no.dots"])["droplet"]["tags"] == []
    assert len(names(client, tag_name="BLUE")) == 2
    assert names(client, tag_name="blu") == []


def test_lists_know_one_filter_and_hide_gpu_droplets(client: httpx.Client) -> None:
    make(client, tags=["blue"])
    reply = client.post("/droplets", json={**GPU, "name": "g", "tags": ["blue"]})
    assert reply.status_code == 202
    assert names(client) == names(client, tag_name="blue") == ["a"]
    assert names(client, type="gpus") == ["g"]
    for pair in ({"tag_name": "blue", "type": "gpus"}, {"name": "a", "tag_name": "blue"}):
        assert client.get("/droplets", params=pair).status_code == 422


def test_tags_are_indexed_late_and_names_are_not(
    fake: digitalocean.DigitalOceanFake, client: httpx.Client
) -> None:
    fake.lag_s = 9.0
    make(client, tags=["blue"])
    assert (names(client, tag_name="blue"), names(client)) == ([], ["a"])
    fake.advance(9)
    assert names(client, tag_name="blue") == ["a"]


def test_a_region_that_is_left_out_may_be_any(client: httpx.Client) -> None:
    body = {key: value for key, value in ORDER.items() if key != "region"}
    assert client.post("/droplets", json=body).status_code == 202
    assert make(client, region="nyc")["droplet"]["region"]["slug"].startswith("nyc")
    assert client.post("/droplets", json={**ORDER, "region": "mars1"}).status_code == 422


def test_deleting_by_tag_takes_everything(client: httpx.Client) -> None:
    make(client, tags=["blue"])
    make(client, tags=["blue"])
    make(client, tags=["green"])
    assert client.delete("/droplets", params={"tag_name": "blue"}).status_code == 204
    assert len(names(client)) == 1


def test_stock_and_quota(fake: digitalocean.DigitalOceanFake, client: httpx.Client) -> None:
    fake.sell_out("s-2vcpu-4gb", "fra1", listed=False)
    (size,) = (
        row
        for row in client.get("/sizes", params={"per_page": 200}).json()["sizes"]
        if row["slug"] == "s-2vcpu-4gb"
    )
    assert "fra1" in size["regions"], "lists and creates may disagree"
    assert client.post("/droplets", json=ORDER).json()["message"] == digitalocean.SOLD_OUT
    fake.restock("s-2vcpu-4gb", "fra1")
    fake.sell_out("*", "fra1")
    assert client.post("/droplets", json=ORDER).status_code == 422
    fake.restock("*", "fra1")
    fake.droplet_limit = 1
    make(client)
    assert client.post("/droplets", json=ORDER).json()["message"] == digitalocean.OVER_LIMIT
    fake.catalogue["regions"][5]["available"] = False
    slug = fake.catalogue["regions"][5]["slug"]
    reply = client.post("/droplets", json={**ORDER, "region": slug})
    assert reply.json()["message"] == "Region is not available"


def test_pages_are_linked(client: httpx.Client) -> None:
    for number in range(5):
        make(client, name=f"n{number}")
    values = [
        client.get("/droplets", params={"per_page": 2, "page": page}).json() for page in (1, 2, 3)
    ]
    assert [set(each["links"].get("pages", {})) for each in values] == [
        {"next", "last"},
        {"first", "prev", "next", "last"},
        {"first", "prev"},
    ]
    assert {each["meta"]["total"] for each in values} == {5}
    assert client.get("/droplets", params={"per_page": 201}).status_code == 422


def test_it_runs_as_a_program_and_is_steered() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.digitalocean", "--boot-s", "0", "--delete-s", "0"],
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
            assert client.post("/droplets", json=ORDER).status_code == 422
            client.post(f"{knob}/quota", json={"servers": None})
            stock = {"machine_type": "s-2vcpu-4gb", "available": False}
            client.post(f"{knob}/stock", json=stock)
            assert client.post("/droplets", json=ORDER).status_code == 422
            client.post(f"{knob}/stock", json={**stock, "available": True})
            client.post(f"{knob}/action", json={"leave": "gone"})
            client.post(f"{knob}/boot", json={"boot_s": 30})
            failing = make(client)["droplet"]["id"]
            client.post(f"{knob}/advance", json={"seconds": 30})
            assert client.get(f"/droplets/{failing}").status_code == 404
            number = made["droplet"]["id"]
            client.post(f"{knob}/droplet", json={"id": number, "power": "off", "name": "b"})
            shown = client.post(f"{knob}/droplet", json={"add": "c", "tags": ["blue"]}).json()
            (first, second) = client.get(f"{knob}/state").json()["servers"]
            assert (first["name"], first["status"]) == ("b", "off")
            assert second["id"] == shown["id"]
            client.post(f"{knob}/droplet", json={"id": number, "remove": True})
            client.post(f"{knob}/budget", json={"leave": 1})
            assert names(client) == ["c"]
            spent = client.get("/droplets")
            assert (spent.status_code, spent.headers["ratelimit-remaining"]) == (429, "0")
        process.terminate()
        assert process.wait(10) == 0
