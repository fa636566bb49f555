"""The fake DigitalOcean serves a client that nobody here wrote: the vendor's own pydo.

pydo is heavy (some 80 MB) and no dependency of ours; ``pip install pydo`` beside the development
tools makes this run. Its guards are those that anyone must know: it refuses plain http with a
bearer token, repeats creates, and hands a 404 back as if it were data.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from providers.fakes import engine
from tests import absent
from tests.fakes import digitalocean
from tests.providers import digitalocean_bench

KIND = engine.FaultKind


@pytest.fixture
def fake() -> Iterator[digitalocean.DigitalOceanFake]:
    with digitalocean_bench.serving() as it:
        yield it


@pytest.fixture
def client(fake: digitalocean.DigitalOceanFake) -> Iterator[Any]:
    try:
        pydo = importlib.import_module("pydo")
        credentials = importlib.import_module("azure.core.credentials")
        policies = importlib.import_module("azure.core.pipeline.policies")
    except ImportError:
        absent.skip(absent.Need.PYDO)
    key = credentials.AzureKeyCredential(fake.token)
    plain = policies.AzureKeyCredentialPolicy(key, "Authorization", prefix="Bearer")
    made = pydo.Client(
        fake.token,
        endpoint=fake.root,
        authentication_policy=plain,
        retry_total=0,
        connection_timeout=2,
        read_timeout=10,
    )
    yield made
    made.close()


def asked_for(name: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "name": name,
        "region": "fra1",
        "size": digitalocean_bench.TYPE,
        "image": digitalocean_bench.IMAGE,
        "tags": digitalocean_bench.tags(node=name),
    }
    return {**fields, **changes}


def test_create_list_over_three_pages_and_delete(
    fake: digitalocean.DigitalOceanFake, client: Any
) -> None:
    for number in range(5):
        made = client.droplets.create(body=asked_for(f"web-{number}"))
        assert made["droplet"]["status"] == "new"
        action = client.actions.get(made["links"]["actions"][0]["id"])
        assert action["action"]["status"] == "in-progress"
    client.droplets.create(body=asked_for("other", tags=["vps-cluster:green"]))
    fake.advance(fake.boot_s)
    listed: list[Any] = []
    for page in (1, 2, 3):
        result = client.droplets.list(tag_name="vps-cluster:blue", per_page=2, page=page)
        assert result["meta"]["total"] == 5
        assert ("next" in result["links"].get("pages", {})) == (page < 3)
        listed += result["droplets"]
    assert [row["name"] for row in listed] == [f"web-{n}" for n in range(5)]
    assert {row["status"] for row in listed} == {"active"}
    for row in listed:
        client.droplets.destroy(row["id"])
    fake.advance(fake.delete_s)
    assert client.droplets.list(tag_name="vps-cluster:blue")["droplets"] == []
    gone = client.droplets.get(listed[0]["id"])
    assert gone["id"] == "not_found", "pydo hands a 404 back as data"
    assert [each.name for each in fake.droplets.values()] == ["other"]


def test_names_are_not_unique_and_ten_may_be_made_at_once(
    fake: digitalocean.DigitalOceanFake, client: Any
) -> None:
    body = {**asked_for("x"), "names": ["twin", "twin"]}
    del body["name"]
    made = client.droplets.create(body=body)
    assert len({row["id"] for row in made["droplets"]}) == 2
    assert len(made["links"]["actions"]) == 2


def test_gpu_droplets_hide_from_lists_by_tag(
    fake: digitalocean.DigitalOceanFake, client: Any
) -> None:
    gpu = asked_for("g", size=digitalocean_bench.GPU_TYPE, region=digitalocean_bench.GPU_PLACE)
    client.droplets.create(body=gpu)
    assert client.droplets.list(tag_name="vps-cluster:blue")["droplets"] == []
    assert client.droplets.list()["droplets"] == []
    (shown,) = client.droplets.list(type="gpus")["droplets"]
    assert shown["gpu_info"]["count"] == 1


def test_what_else_it_reads(fake: digitalocean.DigitalOceanFake, client: Any) -> None:
    fake.add_ssh_key("ops")
    fake.add_vpc("private", "fra1")
    fake.add_firewall("nodes", "fw")
    fake.add_image("golden")
    assert client.account.get()["account"]["droplet_limit"] == 25
    assert client.sizes.list(per_page=200)["sizes"]
    assert client.regions.list(per_page=200)["regions"]
    assert client.ssh_keys.list()["ssh_keys"][0]["name"] == "ops"
    assert client.vpcs.list()["vpcs"][0]["region"] == "fra1"
    assert client.firewalls.list()["firewalls"][0]["tags"] == ["fw"]
    assert [row["name"] for row in client.images.list(private=True)["images"]] == ["golden"]


def test_it_reads_the_errors_as_the_vendors(
    fake: digitalocean.DigitalOceanFake, client: Any
) -> None:
    exceptions = importlib.import_module("azure.core.exceptions")
    fake.sell_out(digitalocean_bench.TYPE, "fra1")
    with pytest.raises(exceptions.HttpResponseError) as caught:
        client.droplets.create(body=asked_for("web-1"))
    assert caught.value.status_code == 422
    assert digitalocean.SOLD_OUT in caught.value.response.text()
    fake.fail(KIND.THROTTLED)
    with pytest.raises(exceptions.HttpResponseError) as caught:
        client.droplets.list()
    assert caught.value.status_code == 429


def test_the_trap_is_real(fake: digitalocean.DigitalOceanFake) -> None:
    """As it comes, the same client sends a lost create again: two droplets of one name."""
    try:
        pydo = importlib.import_module("pydo")
    except ImportError:
        absent.skip(absent.Need.PYDO)
    client = pydo.Client(fake.token, endpoint=fake.root, retry_backoff_factor=0)
    fake.fail(KIND.ERROR, method="POST", status=500, after=True)
    client.droplets.create(body=asked_for("web-1"), enforce_https=False)
    client.close()
    assert [each.name for each in fake.droplets.values()] == ["web-1", "web-1"]
