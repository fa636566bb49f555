"""The fake Vultr serves a client that nobody here wrote: libcloud's driver for Vultr v2.

libcloud is no dependency of ours; ``pip install apache-libcloud`` beside the development tools
makes this run. It knows old fields only (``tag``, no ``tags``), asks for bare metal machines with
every list, sends an image's number as text, and parses the SSH keys that it is shown.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from providers.fakes import engine
from tests import absent
from tests.fakes import spec, vultr
from tests.providers import vultr_bench

KIND = engine.FaultKind
KNOWN = (
    *vultr_bench.KNOWN,
    *(
        spec.Known(
            where=where,
            route="^GET /v?2?/?bare-metals",
            problem="PathNotFound",
            why="libcloud lists bare metal machines too, which our document leaves out",
        )
        for where in ("request", "reply")
    ),
    spec.Known(
        where="request",
        route="^POST /instances$",
        problem=r"^os_id: '\d+' is not of type 'integer'",
        why="libcloud turns every image's id into text",
    ),
)


@pytest.fixture
def fake() -> Iterator[vultr.VultrFake]:
    with vultr.VultrFake(requests_a_second=10_000) as it:
        yield it
    document = spec.load("vultr", KNOWN)
    if document is not None:
        wrong = document.problems(it.exchanges)
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def driver(fake: vultr.VultrFake) -> Any:
    try:
        types = importlib.import_module("libcloud.compute.types")
        providers = importlib.import_module("libcloud.compute.providers")
    except ImportError:
        absent.skip(absent.Need.LIBCLOUD)
    made = providers.get_driver(types.Provider.VULTR)
    port = int(fake.root.rsplit(":", 1)[1])
    return made(fake.token, api_version="2", secure=False, host="127.0.0.1", port=port)


def named(rows: list[Any], wanted: str) -> Any:
    return next(row for row in rows if row.id == wanted)


def test_create_list_over_three_pages_and_delete(fake: vultr.VultrFake, driver: Any) -> None:
    size = named(driver.list_sizes(ex_list_bare_metals=False), vultr_bench.TYPE)
    place = named(driver.list_locations(), vultr_bench.PLACE)
    image = named(driver.list_images(), "2136")
    for number in range(5):
        made = driver.create_node(
            f"web-{number}", size, place, image=image, ex_tag="vps-cluster:blue"
        )
        assert made.state == "pending"
        assert made.public_ips == ["0.0.0.0"]  # noqa: S104
    fake.advance(fake.create_s + fake.boot_s)
    fake.max_per_page = 2
    nodes = driver.list_nodes()
    assert len(fake.log("GET", "/instances$")) == 3
    assert [node.name for node in nodes] == [f"web-{n}" for n in range(5)]
    assert {node.state for node in nodes} == {"running"}
    assert {node.extra["server_status"] for node in nodes} == {"ok"}
    assert all(node.public_ips[0].startswith("198.18.") for node in nodes)
    for node in nodes:
        assert driver.destroy_node(node)
    fake.advance(fake.delete_s)
    assert driver.list_nodes(ex_list_bare_metals=False) == []
    assert fake.instances == {}


def test_labels_are_not_unique(fake: vultr.VultrFake, driver: Any) -> None:
    size = named(driver.list_sizes(ex_list_bare_metals=False), vultr_bench.TYPE)
    place = named(driver.list_locations(), vultr_bench.PLACE)
    image = named(driver.list_images(), "2136")
    made = [driver.create_node("twin", size, place, image=image) for _ in range(2)]
    assert len({node.id for node in made}) == 2


def test_it_reads_the_errors_as_the_vendors(fake: vultr.VultrFake, driver: Any) -> None:
    exceptions = importlib.import_module("libcloud.common.vultr")
    size = named(driver.list_sizes(ex_list_bare_metals=False), vultr_bench.TYPE)
    place = named(driver.list_locations(), vultr_bench.PLACE)
    image = named(driver.list_images(), "2136")
    fake.sell_out(vultr_bench.TYPE, vultr_bench.PLACE)
    with pytest.raises(exceptions.VultrException, match="any more capacity"):
        driver.create_node("web-1", size, place, image=image)
    fake.add("web-2", locked_until=fake.now() + 60)
    (node,) = driver.list_nodes(ex_list_bare_metals=False)
    with pytest.raises(exceptions.VultrException, match="currently locked"):
        driver.destroy_node(node)


def test_what_else_it_reads(fake: vultr.VultrFake, driver: Any) -> None:
    fake.add_ssh_key("ops")
    snapshot = fake.add_snapshot("golden")
    assert [key.name for key in driver.list_key_pairs()] == ["ops"]
    assert [each.id for each in driver.ex_list_snapshots()] == [snapshot["id"]]
    assert {each.id for each in driver.list_sizes(ex_list_bare_metals=False)} >= {vultr_bench.TYPE}
