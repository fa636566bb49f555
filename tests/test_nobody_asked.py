"""No cluster was asked: what stands for one in examples decides nothing, on any cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.bootstrap import joining, preview
from externalgrpc.model import credentials, groups, installed_clouds
from providers import contract
from tests import test_cli

REAL = ("digitalocean", "hetzner", "linode", "vultr")
NOBODY = "http://127.0.0.1:1"
ENVIRON = {installed_clouds.installed()[name].token_variable: "t0ken-of-nobody" for name in REAL}


def written(folder: Path, cloud: str, join: str, more: str = "") -> Path:
    path = folder / "pools.yaml"
    path.write_text(
        f"cluster: test\nkubernetes: {{}}\naccounts: [{{name: a, provider: {cloud}, "
        f"endpoint: '{NOBODY}'}}]\n"
        f"nodes:\n- {{name: pool, account: a, instanceType: small, region: here, maxSize: 3, "
        f"image: debian-13, join: {join}{more}}}\n"
    )
    return path


def loaded(path: Path) -> groups.Config:
    return config.load(path, cluster="", environ=ENVIRON, clouds=installed_clouds.installed())


@pytest.mark.parametrize("join", joining.METHODS)
@pytest.mark.parametrize("cloud", REAL)
def test_every_join_loads_and_renders_on_every_cloud(tmp_path: Path, cloud: str, join: str) -> None:
    found = loaded(written(tmp_path, cloud, join))
    login = contract.Login(account="a", cluster="test", token="t0ken-of-nobody", endpoint=NOBODY)
    provider = installed_clouds.installed()[cloud].open(login)
    try:
        text = preview.user_data(found, found.groups[0], provider)
        for label in provider.node_labels(
            contract.MachineType(name="small", cpu_millis=0, memory_bytes=0, disk_bytes=0), "here"
        ):
            assert f"{label}=here" in text or not label.endswith("region")
    finally:
        provider.close()
    assert text.startswith("#cloud-config\n")


@pytest.mark.parametrize("cloud", REAL)
def test_what_could_join_no_cluster_is_refused_on_every_cloud_alike(
    tmp_path: Path, cloud: str
) -> None:
    path = written(tmp_path, cloud, "kubeadm", ", labels: {node-restriction.kubernetes.io/a: b}")
    with pytest.raises(config.ConfigError, match="node-restriction"):
        loaded(path)


@pytest.mark.parametrize("version", ["v1.36.2", "v1.36.2+rke2r1", "v1.36.2k3s1"])
def test_a_release_that_the_user_names_is_the_users_and_judged_as_such(
    tmp_path: Path, version: str
) -> None:
    more = f", joinOptions: {{k3sVersion: {version}}}"
    with pytest.raises(config.ConfigError) as caught:
        loaded(written(tmp_path, "hetzner", "k3s", more))
    assert "k3sVersion must be a release of k3s, such as v1.36.2+k3s1" in str(caught.value)
    assert "the cluster runs" not in str(caught.value)


@pytest.mark.parametrize("version", ["v1.36.2+k3s1", "v1.37.0-rc1+k3s2", "v1.36.2+k3s-0a1b2c3d"])
def test_releases_of_k3s_are_taken(tmp_path: Path, version: str) -> None:
    more = f", joinOptions: {{k3sVersion: {version}}}"
    assert loaded(written(tmp_path, "linode", "k3s", more)).groups


@pytest.mark.parametrize("join", joining.METHODS)
def test_the_examples_are_of_a_cluster_that_the_method_joins(join: str) -> None:
    assert isinstance(joining.example(join), credentials.JoinCredentials)
    assert ("+k3s" in joining.example(join).server_version) == (join == "k3s")


@pytest.mark.parametrize("join", joining.METHODS)
def test_render_ends_in_a_sentence_where_nobody_answers(tmp_path: Path, join: str) -> None:
    path = written(tmp_path, "hetzner", join)
    done = test_cli.run_process("render", "--config", path, "pool", "-o", "json", code=1, **ENVIRON)
    assert "Traceback" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["userData"].startswith("#cloud-config\n")
    assert "no template: " in done.stderr
