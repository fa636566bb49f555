"""A node group that is an object: the rules of the file's own, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from externalgrpc import config
from externalgrpc.config import objects
from tests.config import fake_clouds

FILE = """
kubernetes: {}
accounts:
- {name: second, provider: plain, tokenFile: token}
vpsNodes:
  defaults:
    plain: {image: debian-13, account: second}
"""
ENTRY = {
    "name": "web",
    "account": "second",
    "instanceType": "small",
    "region": "north",
    "maxSize": 3,
    "join": "image",
}


def source(folder: Path, text: str = FILE) -> config.Source:
    (folder / "token").write_text("a-token")
    path = folder / "config.yaml"
    path.write_text(text)
    return config.Source(
        path=path, cluster="demo", environ=fake_clouds.ENVIRON, installed=fake_clouds.CLOUDS
    )


def loaded(of: config.Source):
    return config.load(of.path, cluster=of.cluster, environ=of.environ, clouds=of.installed)


def judged(folder: Path, **changes: Any) -> objects.Judged:
    of = source(folder)
    entry = {key: each for key, each in {**ENTRY, **changes}.items() if each is not None}
    return objects.judge(entry, of, loaded(of))


def test_a_file_may_have_objects_in_place_of_nodes(tmp_path: Path) -> None:
    there = loaded(source(tmp_path))
    assert there.groups == ()
    assert there.vps_nodes.defaults == {"plain": {"image": "debian-13", "account": "second"}}


def test_an_entry_becomes_the_group_that_the_file_would_make_of_it(tmp_path: Path) -> None:
    text = FILE + (
        "nodes:\n- {name: web, account: second, instanceType: small, region: north, maxSize: 3,\n"
        "   join: image}\n"
    )
    of = source(tmp_path, text)
    there = loaded(of)
    found = objects.judge(ENTRY, of, there)
    assert found.wrong == ()
    assert found.group == there.groups[0]
    assert found.account == there.accounts["second"]


def test_an_account_that_the_file_does_not_list_is_implied(tmp_path: Path) -> None:
    of = source(tmp_path, "kubernetes: {}\nvpsNodes: {}\n")
    found = objects.judge({**ENTRY, "account": "plain"}, of, loaded(of))
    assert found.account is not None
    assert found.account.name == "plain"


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"minSize": 4}, "minSize", "4 is more than maxSize 3"),
        ({"account": "third"}, "account", '"third" is no account'),
        ({"maxSize": None}, "maxSize", "is missing"),
        ({"labels": {"node-role.kubernetes.io/x": "y"}}, "labels", "the label key"),
        ({"taints": [{"key": "a"}]}, "taints", "is missing"),
        ({"oops": 1}, "oops", "is not a known key"),
        ({"maxSize": "3"}, "maxSize", 'must be a whole number, not "3"'),
        ({"name": "No"}, "name", '"No" '),
    ],
)
def test_what_is_wrong_is_said_at_its_key(
    tmp_path: Path, changes: dict[str, Any], key: str, message: str
) -> None:
    found = judged(tmp_path, **changes)
    assert found.group is None
    assert [each.key for each in found.wrong] == [key]
    assert message in found.wrong[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{plain: {imag: x}}", "vpsNodes.defaults.plain.imag: is not a known key"),
        ("{nowhere: {image: x}}", "vpsNodes.defaults.nowhere: "),
        ("{plain: {account: third}}", 'vpsNodes.defaults.plain.account: "third" is no account'),
        ("{plain: {minSize: 1}}", "vpsNodes.defaults.plain.minSize: is not a known key"),
        ("{plain: {userDataFile: none}}", "vpsNodes.defaults.plain.userDataFile: "),
        ("{plain: {options: {oops: 1}}}", "vpsNodes.defaults.plain.options.oops: "),
    ],
)
def test_what_is_wrong_with_the_defaults_is_said_of_the_file(
    tmp_path: Path, text: str, message: str
) -> None:
    of = source(tmp_path, f"kubernetes: {{}}\nvpsNodes:\n  defaults: {text}\n")
    with pytest.raises(config.ConfigError) as caught:
        loaded(of)
    assert message in str(caught.value)


def test_without_a_cluster_there_are_no_objects(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="Add kubernetes:"):
        loaded(source(tmp_path, "vpsNodes: {}\n"))


def test_user_data_of_the_defaults_is_watched(tmp_path: Path) -> None:
    (tmp_path / "join").write_text("echo 1")
    text = "kubernetes: {}\nvpsNodes: {defaults: {plain: {userDataFile: join}}}\n"
    of = source(tmp_path, text)
    before = loaded(of)
    (tmp_path / "join").write_text("echo 2")
    assert loaded(of) != before
