"""What docs/clouds say of names is what the clouds do: each row is ordered at that cloud's fake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalgrpc import config
from externalgrpc.model import installed_clouds
from providers import errors
from tests.providers import (
    digitalocean_bench,
    hetzner_bench,
    linode_bench,
    naming_cases,
    vultr_bench,
)

PAGES = Path(__file__).parents[3] / "docs" / "clouds"
BENCHES: dict[str, Any] = {
    "digitalocean": digitalocean_bench,
    "hetzner": hetzner_bench,
    "linode": linode_bench,
    "vultr": vultr_bench,
}
CASES = {
    "digitalocean": naming_cases.DIGITALOCEAN,
    "hetzner": naming_cases.HETZNER,
    "linode": naming_cases.LINODE,
    "vultr": naming_cases.VULTR,
}
CREATES = {
    "digitalocean": "/droplets",
    "hetzner": "/servers",
    "linode": "/linode/instances",
    "vultr": "/instances",
}
AWKWARD = ("node = v2, (May) #1: 50 %/ä", "role=node", "a=b,c!=d", "=v2=", "stage in (a, b)")
NEWEST, REFUSED, ONE = "the newest", "refused, with their ids", "there is only one"
FREE = {  # what a vendor lets people write as they like
    ("digitalocean", "image", "name of an image of yours"),
    ("digitalocean", "sshKeys", "name"),
    ("hetzner", "image", "description of a snapshot"),
    ("hetzner", "sshKeys", "name"),
    ("hetzner", "networks", "name"),
    ("hetzner", "firewalls", "name"),
    ("hetzner", "placementGroup", "name"),
    ("linode", "image", "label"),
    ("linode", "image", "tag"),
    ("linode", "sshKeys", "label"),
    ("vultr", "image", "description of a snapshot"),
    ("vultr", "sshKeys", "name"),
    ("vultr", "networks", "description"),
    ("vultr", "firewalls", "description"),
}


def documented(cloud: str) -> list[tuple[str, str, str, str]]:
    """Read the rows of a page's table: setting, named by, for example, of several."""
    text = (PAGES / f"{cloud}.md").read_text().partition("## How things are named\n")[2]
    rows = re.findall(r"^\| (.*) \|$", text.partition("\n## ")[0], re.MULTILINE)[1:]
    cells = [row.split(" | ") for row in rows]
    return [(row[0].strip("`"), row[1], row[2].strip("`"), row[3]) for row in cells]


ROWS = [
    pytest.param(cloud, *row, id=f"{cloud}-{row[0]}-{row[1]}")
    for cloud in CASES
    for row in documented(cloud)
]


@pytest.fixture
def bench(cloud: str) -> Iterator[tuple[Any, Any, Any]]:
    made = BENCHES[cloud]
    with made.serving() as fake, made.opened(fake) as provider:
        yield made, fake, provider


def ordered(bench: tuple[Any, Any, Any], cloud: str, setting: str, written: str) -> Any:
    """Order a machine with one setting, by check_order and create; give what was asked for."""
    made, fake, provider = bench
    several = setting not in ("image", "placementGroup")
    value = (written,) if several else written
    order = made.order(**{naming_cases.FIELDS[setting]: value})
    assert provider.check_order(order) == ()
    provider.create(order)
    body = fake.log("POST", f"{CREATES[cloud]}$")[-1].request.json()
    return naming_cases.sent(cloud, setting, body)


@pytest.mark.parametrize("cloud", [*CASES, "memory"])
def test_each_cloud_says_how_each_thing_is_named(cloud: str) -> None:
    supported = installed_clouds.installed()[cloud].supports
    settings = {"image"} | {key for key, name in naming_cases.FIELDS.items() if name in supported}
    assert {row[0] for row in documented(cloud)} == settings
    assert all(row[3] in {NEWEST, REFUSED, ONE} for row in documented(cloud))
    if cloud in CASES:
        assert {row[:2] for row in documented(cloud)} == set(CASES[cloud])


@pytest.mark.parametrize(("cloud", "setting", "by", "example", "several"), ROWS)
def test_what_is_named_so_is_ordered(
    bench: tuple[Any, Any, Any], cloud: str, setting: str, by: str, example: str, several: str
) -> None:
    text = yaml.safe_load(example)
    assert isinstance(text, str)
    put = CASES[cloud][setting, by](bench[1], text)
    assert ordered(bench, cloud, setting, put.written) == put.sent


def test_every_cell_where_people_write_as_they_like_is_a_cell() -> None:
    assert {row.values[:3] for row in ROWS} >= FREE


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize(
    ("cloud", "setting", "by"),
    [pytest.param(*cell, id="-".join(cell)) for cell in sorted(FREE)],
)
def test_any_text_that_the_vendor_takes_is_a_name(
    bench: tuple[Any, Any, Any], cloud: str, setting: str, by: str, text: str
) -> None:
    put = CASES[cloud][setting, by](bench[1], text)
    assert put.written == text
    assert ordered(bench, cloud, setting, text) == put.sent


@pytest.mark.parametrize(
    ("cloud", "setting", "by", "example"),
    [pytest.param(*row.values[:4], id=row.id) for row in ROWS if row.values[4] == NEWEST],
)
def test_of_several_images_the_newest_is_taken(
    bench: tuple[Any, Any, Any], cloud: str, setting: str, by: str, example: str
) -> None:
    case, fake = CASES[cloud][setting, by], bench[1]
    case(fake, example)
    fake.advance(60)
    newest = case(fake, example)
    assert ordered(bench, cloud, setting, newest.written) == newest.sent


@pytest.mark.parametrize(
    ("cloud", "setting", "by", "example"),
    [pytest.param(*row.values[:4], id=row.id) for row in ROWS if row.values[4] == REFUSED],
)
def test_a_name_of_several_things_is_refused_with_their_ids(
    bench: tuple[Any, Any, Any], cloud: str, setting: str, by: str, example: str
) -> None:
    made, fake, provider = bench
    case = CASES[cloud][setting, by]
    both = [case(fake, example), case(fake, example)]
    value = example if setting == "placementGroup" else (example,)
    order = made.order(**{naming_cases.FIELDS[setting]: value})
    (problem,) = provider.check_order(order)
    with pytest.raises(errors.BadOrder) as refused:
        provider.create(order)
    for each in both:
        assert each.id in problem
        assert each.id in refused.value.message
    assert not fake.log("POST", f"{CREATES[cloud]}$")


@pytest.mark.parametrize("label", ["web/node", "2026"])
def test_a_label_may_look_like_an_id(label: str) -> None:
    with linode_bench.serving() as fake, linode_bench.opened(fake) as provider:
        row = fake.add_image(label)
        order = linode_bench.order(image=label)
        assert provider.check_order(order) == ()
        provider.create(order)
        body = fake.log("POST", "/linode/instances$")[-1].request.json()
        assert body["image"] == row["id"]


def test_labels_and_a_description_of_one_text_are_no_name() -> None:
    with hetzner_bench.serving() as fake, hetzner_bench.opened(fake) as provider:
        both = [
            fake.add_image(None, labels={"role": "node"}),
            fake.add_image(None, description="role=node"),
        ]
        order = hetzner_bench.order(image="role=node")
        (problem,) = provider.check_order(order)
        assert all(str(row["id"]) in problem for row in both)
        fake.images.remove(both[0])
        assert provider.check_order(order) == ()
        fake.images.append(
            both[0] | {"description": "role=node", "created": "2099-01-01T00:00:00Z"}
        )
        assert provider.check_order(order) == ()  # one snapshot, found both ways


@pytest.mark.parametrize(("cloud", "setting", "by", "example", "several"), ROWS)
def test_an_example_is_written_so_in_the_file(
    tmp_path: Path, cloud: str, setting: str, by: str, example: str, several: str
) -> None:
    made = BENCHES[cloud]
    value = example if setting in ("image", "placementGroup") else f"[{example}]"
    if "," in example and value != example:
        pytest.fail("an example of a list must be quoted")
    group = {
        "name": "web",
        "provider": cloud,
        "maxSize": 1,
        "instanceType": made.TYPE,
        "region": made.PLACE,
        "image": made.IMAGE,
        "join": "image",
    }
    lines = [f"  {key}: {said}" for key, said in group.items() if key != setting]
    path = tmp_path / "pools.yaml"
    path.write_text("\n".join(["cluster: c", "nodes:", "-", *lines, f"  {setting}: {value}\n"]))
    variable = installed_clouds.installed()[cloud].token_variable
    loaded = config.load(
        path, cluster="", environ={variable: "t"}, clouds=installed_clouds.installed()
    )
    group_read = getattr(loaded.groups[0], naming_cases.FIELDS[setting])
    assert group_read in (yaml.safe_load(example), (yaml.safe_load(example),))
