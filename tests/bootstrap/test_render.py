"""The user-data that is rendered: its form, its size, and what hostile values do to it."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from externalgrpc.bootstrap import cloudconfig, joining, kubeadm, machine
from externalgrpc.model import credentials, groups, proxy
from providers.linode import LinodeCloud
from tests import absent
from tests.bootstrap import guest, orders

SCHEMA_PLACES = (
    os.environ.get("CLOUD_INIT_SCHEMA", ""),
    "/usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json",
)
OUR_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["hostname", "preserve_hostname", "manage_etc_hosts", "write_files", "runcmd"],
    "properties": {
        "hostname": {"type": "string"},
        "preserve_hostname": {"const": False},
        "manage_etc_hosts": {"const": "localhost"},
        "bootcmd": {"type": "array", "items": {"type": "string"}},
        "runcmd": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "write_files": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "content", "permissions"],
                "properties": {
                    "path": {"type": "string", "pattern": "^/"},
                    "content": {"type": "string", "minLength": 1},
                    "permissions": {"enum": ["0600", "0644", "0700"]},
                    "encoding": {"const": "gz+b64"},
                },
            },
        },
    },
}
EVERYTHING: dict[str, Any] = {
    "pre_join": ("echo 'one: #two'", 'if true; then\n\techo "$x"\nfi'),
    "post_join": ("é ü: {}",),
    "gateway": "10.0.0.1",
    "dns": ("1.1.1.1",),
    "private_subnet": "10.0.0.0/8",
    "sandbox_image": "registry.example.org/pause:3.10",
    "external_cloud_provider": True,
    "keep_failed_minutes": 30,
    "discovery": "token",
    "api_server": "https://[fd00::1]:6443",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": EVERYTHING,
    "bare": {"block_metadata": False, "node_address": "default"},
}


def cloud_init_schema() -> dict[str, Any] | None:
    for place in SCHEMA_PLACES:
        if place and Path(place).is_file():
            loaded: dict[str, Any] = json.loads(Path(place).read_text())
            return loaded
    return None


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", joining.METHODS)
def test_it_is_a_valid_cloud_config(method: str, variant: str) -> None:
    document = guest.parsed(orders.user_data(method=method, **VARIANTS[variant]))
    jsonschema.validate(document, OUR_SCHEMA)
    assert document["runcmd"] == [[cloudconfig.SCRIPT]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", joining.METHODS)
def test_cloud_inits_own_schema_takes_it(method: str, variant: str) -> None:
    schema = cloud_init_schema()
    if schema is None:
        absent.skip(absent.Need.CLOUD_INIT)
    document = guest.parsed(orders.user_data(method=method, **VARIANTS[variant]))
    jsonschema.Draft4Validator(schema).validate(document)


def test_our_rules_and_cloud_inits_refuse_what_is_wrong() -> None:
    wrong = {**guest.parsed(orders.user_data()), "runcmd": "reboot", "write_files": [{}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, OUR_SCHEMA)
    schema = cloud_init_schema()
    if schema is not None:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft4Validator(schema).validate(wrong)


@pytest.mark.parametrize("method", joining.METHODS)
def test_the_same_order_gives_the_same_text(method: str) -> None:
    assert orders.user_data(method=method) == orders.user_data(method=method)


@pytest.mark.parametrize("scheme", ["hcloud", "digitalocean", "linode", "vultr", "elsewhere"])
@pytest.mark.parametrize("method", joining.METHODS)
def test_the_size_leaves_room_below_the_smallest_limit(method: str, scheme: str) -> None:
    """Linode takes 16 KiB; a large group's labels and a 4096-bit CA leave 1 KiB unpacked."""
    group = {
        "join": method,
        "labels": {f"example.org/label-{n}": "value" for n in range(10)},
        "networks": ("4711",),
    }
    size = joining.worst_case_bytes(
        [orders.machine_of(scheme=scheme, group=group)], orders.K3S_WAY_IN
    )
    assert size < 15 * 1024


@pytest.mark.parametrize("method", joining.METHODS)
def test_four_kilobytes_of_a_users_own_find_room(method: str) -> None:
    """At Linode, the smallest: lines that nobody can pack, beside many labels and a proxy."""
    lines = base64.b64encode(random.Random(1).randbytes(3072)).decode()
    assert len(lines) == 4096
    url = "http://someone:a-password@proxy.example.org:3128"
    group = {
        "join": method,
        "labels": {f"example.org/label-{n}": "value" for n in range(10)},
        "networks": ("4711",),
    }
    through = proxy.Proxy(http=url, https=url, no_proxy=("mirror.example.org",))
    of = orders.machine_of(scheme="linode", group=group, pre_join=(f"# {lines}",), proxy=through)
    size = joining.worst_case_bytes([of], orders.K3S_WAY_IN, LinodeCloud.user_data_bytes)
    assert size < LinodeCloud.user_data_limit_bytes


def test_secrets_are_for_root_and_stand_in_their_own_files() -> None:
    for method in joining.METHODS:
        data = orders.user_data(method=method)
        holding = [
            (each["path"], each["permissions"])
            for each in guest.parsed(data)["write_files"]
            if orders.TOKEN in guest.content(each)
        ]
        assert holding
        assert {mode for _, mode in holding} == {"0600"}
        assert all(path.startswith(cloudconfig.SECRETS) for path, _ in holding)


def test_lines_of_users_are_for_root_alone() -> None:
    document = guest.parsed(orders.user_data(pre_join=("a=1",), post_join=("b=2",)))
    modes = {each["path"]: each["permissions"] for each in document["write_files"]}
    assert modes["/etc/vps-autoscaler/pre-join"] == "0600"
    assert modes["/etc/vps-autoscaler/post-join"] == "0600"


def test_nothing_secret_shows() -> None:
    shown = (
        repr(orders.WAY_IN)
        + repr(orders.machine_of())
        + repr(cloudconfig.secret("x", {"a": "hush"}))
    )
    assert orders.TOKEN not in shown
    assert "hush" not in shown


@pytest.mark.parametrize("method", joining.METHODS)
def test_the_rendered_script_is_one_that_bash_reads(method: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(cloudconfig.script(method))
    subprocess.run(["bash", "-n", str(script)], check=True)
    comments = [
        line for line in script.read_text().splitlines()[1:] if line.lstrip().startswith("#")
    ]
    assert all("shellcheck" in line for line in comments)


def shell_files() -> list[Path]:
    return sorted(Path(cloudconfig.__file__).parent.glob("*.sh"))


@absent.unless(shutil.which("shellcheck"), absent.Need.SHELLCHECK)
def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    looked_at = shell_files()
    assert len(looked_at) == 4
    for method in joining.METHODS:
        for name, data in (("hooks", EVERYTHING), ("plain", {})):
            for path, text in guest.written(orders.user_data(method=method, **data)).items():
                if path in {cloudconfig.SCRIPT, f"{cloudconfig.FOLDER}/join.env"}:
                    target = tmp_path / f"{method}-{name}-{Path(path).name}"
                    # SC2034: join.env is read by another file.
                    quiet = "# shellcheck disable=SC2034\n" if path.endswith("env") else ""
                    target.write_text(quiet + text)
                    looked_at.append(target)
    found = subprocess.run(
        ["shellcheck", "--shell=bash", "--format=gcc", *map(str, looked_at)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")


def real_kubeadm() -> str | None:
    folder = os.environ.get("VPS_E2E_BIN") or str(Path.home() / ".cache/vps-autoscaler/e2e-bin")
    return shutil.which("kubeadm", path=os.pathsep.join((folder, os.environ.get("PATH", ""))))


@absent.unless(real_kubeadm(), absent.Need.KUBEADM)
@pytest.mark.parametrize("variant", VARIANTS)
def test_kubeadm_takes_the_configuration(variant: str, tmp_path: Path) -> None:
    group = {"taints": ()} if variant == "bare" else {}
    files = guest.written(orders.user_data(group=group, **VARIANTS[variant]))
    for path, text in files.items():
        target = tmp_path / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("/etc/", f"{tmp_path}/etc/"))
    found = subprocess.run(
        [
            str(real_kubeadm()),
            *(
                "config",
                "validate",
                "--config",
                str(tmp_path / "etc/vps-autoscaler/secret/join.yaml"),
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "unknown field" not in found.stderr


def join_configuration(**join: Any) -> dict[str, Any]:
    files = guest.written(orders.user_data(**join))
    loaded: dict[str, Any] = json.loads(files["/etc/vps-autoscaler/secret/join.yaml"])
    return loaded


def test_the_join_configuration() -> None:
    assert join_configuration() == {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "file": {"kubeConfigPath": "/etc/vps-autoscaler/secret/discovery.conf"},
            "tlsBootstrapToken": orders.TOKEN,
        },
        "nodeRegistration": {
            "name": "workers-x7k2pq",
            "criSocket": "unix:///run/containerd/containerd.sock",
            "taints": [{"key": "dedicated", "value": "web", "effect": "NoSchedule"}],
            "kubeletExtraArgs": [
                {
                    "name": "node-labels",
                    "value": "csi.hetzner.cloud/location=fsn1,example.org/x=,"
                    "node.kubernetes.io/instance-type=cx23,tier=web,"
                    "topology.kubernetes.io/region=fsn1,topology.kubernetes.io/zone=fsn1-dc14",
                },
                {"name": "provider-id", "value": "hcloud://@ID@"},
            ],
        },
        "patches": {"directory": "/etc/vps-autoscaler/patches"},
        "timeouts": {"discovery": "1m0s"},
    }


def test_no_taints_are_said_to_be_none() -> None:
    """Left out, kubeadm would choose; an empty list is what makes it choose nothing."""
    assert join_configuration(group={"taints": ()})["nodeRegistration"]["taints"] == []


def test_discovery_by_file_pins_the_ca() -> None:
    files = guest.written(orders.user_data())
    config = json.loads(files["/etc/vps-autoscaler/secret/discovery.conf"])
    (cluster,) = config["clusters"]
    assert cluster["cluster"] == {
        "server": "https://api.example.invalid:6443",
        "certificate-authority": "/etc/vps-autoscaler/ca.crt",
    }
    assert files["/etc/vps-autoscaler/ca.crt"] == orders.WAY_IN.ca_pem


def test_discovery_by_token_pins_the_ca_by_its_hash() -> None:
    files = guest.written(orders.user_data(discovery="token", api_server="https://10.0.0.2:6443"))
    discovery = json.loads(files["/etc/vps-autoscaler/secret/join.yaml"])["discovery"]
    assert discovery["bootstrapToken"] == {
        "token": orders.TOKEN,
        "apiServerEndpoint": "10.0.0.2:6443",
        "caCertHashes": list(orders.WAY_IN.ca_key_hashes),
    }
    assert not [each for each in files if each.endswith("discovery.conf")]


@pytest.mark.parametrize(("minor", "taken"), [(27, False), (30, False), (31, True), (37, True)])
def test_clusters_too_old_for_the_configuration_are_refused(minor: int, *, taken: bool) -> None:
    join_credentials = dataclasses.replace(orders.WAY_IN, server_version=f"v1.{minor}.4")
    if taken:
        assert f"MINOR=1.{minor}\n" in kubeadm.user_data(orders.machine_of(), join_credentials)
    else:
        with pytest.raises(machine.Unjoinable, match=rf"v1\.{minor}\.4.*upgrade the cluster"):
            kubeadm.user_data(orders.machine_of(), join_credentials)


def test_the_deadline_never_passes_the_groups_own() -> None:
    short = groups.AutoscalingOverrides(max_node_provision_time_s=120.0)
    data = orders.user_data(group={"overrides": short}, timeout_seconds=3600)
    assert "TIMEOUT_S=120\n" in data


@pytest.mark.parametrize(
    ("networks", "join", "private"),
    [
        ((), {}, False),
        (("1",), {}, True),
        ((), {"private_subnet": "10.0.0.0/16"}, True),
        ((), {"gateway": "10.0.0.1"}, True),
        (("1",), {"node_address": "default"}, False),
        ((), {"node_address": "private"}, True),
    ],
)
def test_when_the_nodes_address_is_the_private_one(
    networks: tuple[str, ...], join: dict[str, Any], *, private: bool
) -> None:
    data = orders.user_data(group={"networks": networks}, **join)
    assert ("@NODE_IP@" in data) is private
    assert ("PRIVATE=1\n" in data) is private


def test_a_cloud_controller_is_waited_for_only_when_there_is_one() -> None:
    assert "cloud-provider" not in orders.user_data()
    arguments = join_configuration(external_cloud_provider=True)["nodeRegistration"]
    assert {"name": "cloud-provider", "value": "external"} in arguments["kubeletExtraArgs"]


def test_a_group_that_joins_in_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match="'raw' is not a join method"):
        joining.user_data(orders.machine_of(group={"join": "raw"}), orders.WAY_IN)


def test_the_example_credentials_pass_for_real_ones() -> None:
    assert credentials.example().minor == "1.36"
