"""An address of http:// to another machine is a mistake with its line, unless it is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.model import groups, installed_clouds, rules

AWAY = (
    "http://api.example.org/v1",
    "http://10.0.0.1:8080",
    "http://127.0.0.1.example.org/",
    "http://localhost.example.org",
    "http://[2001:db8::1]/",
    "http://0.0.0.0:80/",
    "http://[::]/",
    "HTTP://api.example.org/v1",
)
FINE = (
    "https://api.example.org/v1",
    "http://127.0.0.1:3142/deb/",
    "http://127.8.9.1/",
    "http://localhost:8080",
    "http://[::1]:8080/",
)
FILE = """\
cluster: demo
kubernetes: {{kubeconfig: k}}
accounts:
- name: a
  provider: hetzner
  endpoint: "{endpoint}"
{more}nodes:
- name: web
  account: a
  instanceType: cx23
  region: fsn1
  maxSize: 3
  image: debian-13
  joinOptions:
    timeoutSeconds: 600
{join}"""


def load(folder: Path, **text: str) -> groups.Config:
    path = folder / "pools.yaml"
    path.write_text(FILE.format(**{"endpoint": FINE[0], "more": "", "join": "", **text}))
    return config.load(
        path, cluster="", environ={"HCLOUD_TOKEN": "t"}, clouds=installed_clouds.installed()
    )


def mistakes(folder: Path, **text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(config.ConfigError) as caught:
        load(folder, **text)
    return [(each.line, each.path, each.message) for each in caught.value.mistakes]


@pytest.mark.parametrize("address", AWAY)
def test_an_endpoint_away_is_a_mistake_with_its_line(tmp_path: Path, address: str) -> None:
    ((line, path, message),) = mistakes(tmp_path, endpoint=address)
    assert (line, path) == (6, "accounts[0].endpoint")
    assert "plain http:// to another machine" in message
    assert load(tmp_path, endpoint=address, more="  allowHttp: true\n").accounts["a"].endpoint


@pytest.mark.parametrize("address", FINE)
def test_https_and_loopback_are_none(tmp_path: Path, address: str) -> None:
    assert load(tmp_path, endpoint=address).accounts["a"].endpoint == address
    assert rules.plain_http(address) == ""


KEYS = (
    "kubernetesPackages",
    "kubernetesKey",
    "containerdPackages",
    "containerdKey",
    "k3sInstaller",
)


@pytest.mark.parametrize("key", KEYS)
def test_what_machines_fetch(tmp_path: Path, key: str) -> None:
    bad = f"    {key}: http://mirror.example.org/{{minor}}/\n"
    ((line, path, _),) = mistakes(tmp_path, join=bad)
    assert (line, path) == (16, f"nodes[0].joinOptions.{key}")
    assert load(tmp_path, join=bad + "    allowHttp: true\n").groups[0].join_settings.allow_http
    load(tmp_path, join=f"    {key}: http://127.0.0.1:3142/{{minor}}/\n")
    load(tmp_path, join=f"    {key}: https://mirror.example.org/{{minor}}/\n")


def test_every_one_of_them_is_reported_at_once(tmp_path: Path) -> None:
    lines = "".join(f"    {key}: http://mirror.example.org/\n" for key in KEYS)
    found = mistakes(tmp_path, join=lines, endpoint=AWAY[0])
    assert [line for line, _, _ in found] == [6, 16, 17, 18, 19, 20]


def test_leave_for_one_is_no_leave_for_another(tmp_path: Path) -> None:
    bad = "    kubernetesKey: http://mirror.example.org/\n"
    ((_, path, _),) = mistakes(tmp_path, join=bad, more="  allowHttp: true\n", endpoint=AWAY[0])
    assert path == "nodes[0].joinOptions.kubernetesKey"
