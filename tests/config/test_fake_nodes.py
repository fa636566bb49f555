"""Nodes for pretended machines are asked for by an account of the memory cloud, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.model import groups, installed_clouds

POOL = """\
nodes:
- {name: web, account: ram, instanceType: small, region: north, maxSize: 1}
"""
RAM = "{name: ram, provider: memory, options: {nodes: kwok}}"


def read(folder: Path, *accounts: str, kubernetes: bool = True) -> groups.Config:
    path = folder / "pools.yaml"
    known = "kubernetes: {}\n" if kubernetes else ""
    listed = "".join(f"- {each}\n" for each in accounts)
    path.write_text(f"cluster: play\n{known}accounts:\n{listed}{POOL}")
    tokens = ("HCLOUD_TOKEN", "LINODE_TOKEN", "DIGITALOCEAN_TOKEN", "VULTR_API_KEY")
    return config.load(
        path,
        cluster="",
        environ=dict.fromkeys(tokens, "a-token"),
        clouds=installed_clouds.installed(),
    )


def mistakes(folder: Path, *accounts: str, kubernetes: bool = True) -> list[str]:
    with pytest.raises(config.ConfigError) as refused:
        read(folder, *accounts, kubernetes=kubernetes)
    return [f"{each.path}: {each.message}. {each.cure}" for each in refused.value.mistakes]


def test_an_account_in_memory_may_ask(tmp_path: Path) -> None:
    account = read(tmp_path, RAM).accounts["ram"]
    assert installed_clouds.makes_nodes(
        installed_clouds.installed()[account.provider], account.settings
    )


def test_it_does_not_ask_by_itself(tmp_path: Path) -> None:
    account = read(tmp_path, "{name: ram, provider: memory}").accounts["ram"]
    assert not installed_clouds.makes_nodes(
        installed_clouds.installed()[account.provider], account.settings
    )


@pytest.mark.parametrize("cloud", sorted(set(installed_clouds.installed()) - {"memory"}))
def test_no_real_cloud_may_and_it_is_said_why(tmp_path: Path, cloud: str) -> None:
    real = f"{{name: real, provider: {cloud}, options: {{nodes: kwok}}}}"
    assert mistakes(tmp_path, RAM, real) == [
        "accounts[1].options.nodes: is for machines that are only pretended: those of "
        f"{cloud} are real, and their kubelets make their Nodes. Remove it, or take provider: "
        "memory to play (docs/playground.md)"
    ]


def test_there_must_be_a_cluster_to_make_them_in(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "{name: other, provider: memory}", RAM, kubernetes=False) == [
        "accounts[1].options.nodes: asks for Nodes in a cluster that the file does not name. "
        "Add kubernetes: to the file, or remove nodes"
    ]


def test_a_word_that_is_none_of_the_two_is_refused(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "{name: ram, provider: memory, options: {nodes: fake}}")
    assert said == ["accounts[0].options.nodes: \"fake\" is not one of 'none' or 'kwok'. "]


def test_one_account_asks_for_machines_in_memory_have_one_numbering(tmp_path: Path) -> None:
    second = "{name: second, provider: memory, options: {nodes: kwok}}"
    assert mistakes(tmp_path, RAM, second) == [
        "accounts[1].options.nodes: asks for Nodes as account ram does, and their machines have "
        "one number. Let one account ask, and put all groups on it"
    ]
    assert len(read(tmp_path, RAM, "{name: second, provider: memory}").accounts) == 2


def test_a_second_account_of_the_name_is_one_mistake(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, RAM, RAM)
    assert said.startswith("accounts[1].name")
