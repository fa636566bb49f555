"""Every example loads, says what it should, and its scripts do what they say."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from externalgrpc import config
from externalgrpc.bootstrap import raw
from externalgrpc.config import schema
from externalgrpc.diagnosis import preflight
from externalgrpc.diagnosis.findings import Severity
from externalgrpc.model import groups, installed_clouds
from tests import absent

EXAMPLES = Path(__file__).parents[1] / "examples"
CONFIGS = sorted(EXAMPLES.glob("*.yaml"))
USER_DATA = sorted(EXAMPLES.glob("user-data/*.yaml"))
ENVIRON = {"HCLOUD_TOKEN": "an-example"}


def load(path: Path) -> groups.Config:
    return config.load(path, cluster="", environ=ENVIRON, clouds=installed_clouds.installed())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_loads_and_can_join(path: Path) -> None:
    loaded = load(path)
    report = preflight.check_offline(loaded, installed_clouds.installed())
    bad = [each for each in report.findings() if each.severity >= Severity.WARNING]
    assert bad == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_an_editor_finds_nothing_wrong_with_it(path: Path) -> None:
    described = schema.generate(schema.own_clouds())
    document = yaml.safe_load(path.read_text())
    if document.get("kind") == "ConfigMap":
        document = yaml.safe_load(document["data"]["config"])
    assert list(jsonschema.Draft202012Validator(described).iter_errors(document)) == []


def test_every_user_data_file_is_used() -> None:
    used = {group.user_data for path in CONFIGS for group in load(path).groups if group.user_data}
    assert used == {path.read_text() for path in USER_DATA}


def rendered(path: Path) -> dict[str, Any]:
    """Fill in a user-data file for the first group that uses it; give the cloud-config."""
    (group, loaded) = next(
        (group, loaded)
        for loaded in map(load, CONFIGS)
        for group in loaded.groups
        if group.user_data == path.read_text()
    )
    text = raw.fill(
        group,
        cluster=loaded.cluster,
        node_name="node-x7k2p",
        machine_type=group.candidates[0].machine_type,
        location=group.candidates[0].location,
        provider="hetzner",
        scheme="hcloud",
    )
    assert "@@" not in text
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


def script(path: Path) -> str:
    files = {each["path"]: each for each in rendered(path)["write_files"]}
    (command,) = rendered(path)["runcmd"]
    assert files[command[0]]["permissions"] == "0700"
    return str(files[command[0]]["content"])


@pytest.mark.parametrize("path", USER_DATA, ids=lambda path: path.name)
def test_it_is_a_cloud_config(path: Path) -> None:
    document = rendered(path)
    assert set(document) == {"hostname", "write_files", "runcmd"}
    assert document["hostname"] == "node-x7k2p"
    for each in document["write_files"]:
        assert set(each) <= {"path", "permissions", "content"}
        assert each["path"].startswith("/")
        if "token" in each["content"] and "#!" not in each["content"]:
            assert each["permissions"] == "0600"


@pytest.mark.parametrize("path", USER_DATA, ids=lambda path: path.name)
def test_its_script_is_good_shell(path: Path) -> None:
    text = script(path)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@absent.unless(shutil.which("shellcheck"), absent.Need.SHELLCHECK)
@pytest.mark.parametrize("path", USER_DATA, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_it(path: Path) -> None:
    linter = ["shellcheck", "--enable=all", "-"]
    subprocess.run(linter, input=script(path), text=True, check=True)


class Metadata(http.server.BaseHTTPRequestHandler):
    """Hetzner's metadata service: it fails once before it answers."""

    answers = ("", "4711")

    def do_GET(self) -> None:
        asked = self.server.asked  # type: ignore[attr-defined]
        asked.append(self.path)
        body = self.server.answers[min(len(asked), 2) - 1]  # type: ignore[attr-defined]
        self.send_response(200 if body else 503)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Metadata)
    server.asked = []  # type: ignore[attr-defined]
    server.answers = Metadata.answers  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


STUB = """#!/bin/bash
printf '%s' "${0##*/}" >>"${CALLS}"
printf ' %s' "$@" >>"${CALLS}"
echo >>"${CALLS}"
if [[ "${0##*/}" == "${FAILING:-none}" ]]; then exit 7; fi
if [[ "${0##*/}" == curl && "${*: -1}" == http://127.0.0.1* ]]; then exec "${CURL}" "$@"; fi
if [[ "${0##*/}" == kubeadm ]]; then cat "${*: -1}" >"${CALLS}.join"; fi
"""
CURL = """
import sys, urllib.request
try:
    sys.stdout.write(urllib.request.urlopen(sys.argv[-1], timeout=5).read().decode())
except OSError:
    sys.exit(22)
"""
REAL = ("sed", "cat", "mkdir")
STUBBED = (
    *("curl", "apt-get", "apt-mark", "systemctl", "modprobe", "sysctl", "swapoff"),
    *("sleep", "kubeadm", "sh", "rm"),
)


def run(
    folder: Path, path: Path, server: http.server.HTTPServer, *, failing: str = "none"
) -> tuple[int, list[str]]:
    """Run a script as a machine would, with every command that would touch one recorded."""
    commands = folder / "bin"
    commands.mkdir()
    for name in STUBBED:
        (commands / name).write_text(STUB)
        (commands / name).chmod(0o755)
    for name in REAL:
        found = shutil.which(name)
        assert found
        (commands / name).symlink_to(found)
    curl = folder / "curl"
    curl.write_text(f"#!{sys.executable}\n{CURL}")
    curl.chmod(0o755)
    host = f"http://127.0.0.1:{server.server_address[1]}"
    for each in rendered(path)["write_files"]:
        there = folder / "root" / each["path"].lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        text = each["content"].replace("http://169.254.169.254", host)
        for place in ("/etc/vps-autoscaler", "/etc/rancher", "/etc/apt/keyrings"):
            text = text.replace(place, f"{folder}/root{place}")
        there.write_text(text)
    done = subprocess.run(
        ["/bin/bash", str(folder / "root/usr/local/sbin/join-cluster")],
        env={
            "PATH": str(commands),
            "CALLS": str(folder / "calls"),
            "CURL": str(curl),
            "FAILING": failing,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    calls = (folder / "calls").read_text().splitlines()
    if failing == "none":
        assert done.returncode == 0, done.stderr
    return done.returncode, [call.replace(str(folder), "") for call in calls]


def test_kubeadm_joins_with_our_provider_id(
    tmp_path: Path, metadata: http.server.HTTPServer
) -> None:
    _code, calls = run(tmp_path, EXAMPLES / "user-data" / "kubeadm-hetzner.yaml", metadata)
    assert metadata.asked == ["/hetzner/v1/metadata/instance-id"] * 2  # type: ignore[attr-defined]
    assert "kubeadm join --config /root/etc/vps-autoscaler/join.yaml" in calls
    assert calls[-1].startswith("rm -f /root/etc/vps-autoscaler/join.yaml /var/lib/cloud/")
    join = yaml.safe_load((tmp_path / "calls.join").read_text())
    assert (join["apiVersion"], join["kind"]) == ("kubeadm.k8s.io/v1beta4", "JoinConfiguration")
    node = join["nodeRegistration"]
    assert node["name"] == "node-x7k2p"
    assert {each["name"]: each["value"] for each in node["kubeletExtraArgs"]} == {
        "provider-id": "hcloud://4711",
        "node-labels": "node.kubernetes.io/instance-type=cx23,topology.kubernetes.io/region=fsn1,"
        "paas-tier=tenant",
        "register-with-taints": "paas-tier=tenant:NoSchedule",
    }


def test_k3s_joins_with_our_provider_id(tmp_path: Path, metadata: http.server.HTTPServer) -> None:
    _code, calls = run(tmp_path, EXAMPLES / "user-data" / "k3s-hetzner.yaml", metadata)
    assert "sh /run/k3s-install" in calls
    folder = tmp_path / "root/etc/rancher/k3s"
    assert yaml.safe_load((folder / "config.yaml").read_text())["node-name"] == "node-x7k2p"
    assert yaml.safe_load((folder / "config.yaml.d" / "node.yaml").read_text()) == {
        "kubelet-arg": ["provider-id=hcloud://4711"],
        "node-label": [
            "node.kubernetes.io/instance-type=cx23",
            "topology.kubernetes.io/region=nbg1",
            "tier=web",
        ],
        "node-taint": ["burst=:PreferNoSchedule"],
    }


@pytest.mark.parametrize("path", USER_DATA, ids=lambda path: path.name)
def test_a_machine_without_an_id_does_not_join(
    tmp_path: Path, metadata: http.server.HTTPServer, path: Path
) -> None:
    metadata.answers = ("x", "x")  # type: ignore[attr-defined]
    code, calls = run(tmp_path, path, metadata, failing="no such command")
    assert code == 1
    assert {call.split()[0] for call in calls} == {"curl"}


@pytest.mark.parametrize(
    ("name", "failing", "reached"),
    [("kubeadm", "apt-get", "modprobe"), ("kubeadm", "kubeadm", "apt-mark"), ("k3s", "sh", "curl")],
)
def test_a_step_that_fails_is_tried_again_and_then_ends_it(
    tmp_path: Path, metadata: http.server.HTTPServer, name: str, failing: str, reached: str
) -> None:
    path = EXAMPLES / "user-data" / f"{name}-hetzner.yaml"
    code, calls = run(tmp_path, path, metadata, failing=failing)
    assert code != 0
    commands = [call.split()[0] for call in calls]
    assert reached in commands
    assert commands.count(failing) == 6
    assert "rm" not in commands
