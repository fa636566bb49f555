from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.model import groups
from tests import absent
from tests.config import fake_clouds

SEED = """\
# The file that the project began with.
apiVersion: v1
kind: ConfigMap
metadata:
  name: cluster-autoscaler-config
  namespace: kube-system
data:
  config: |
    nodes:
    - name: vps-pool
      minSize: 1
      maxSize: 10
      instanceType: cx21
      provider: hetzner
      region: fsn1
      labels:
        node-type: vps
        paas-tier: tenant
      taints:
      - key: paas-tier
        value: tenant
        effect: NoSchedule
"""
BARE = "".join(line.removeprefix("    ") for line in SEED.splitlines(keepends=True)[8:])


def load(
    folder: Path, text: str, *, cluster: str = "demo", environ: dict[str, str] | None = None
) -> groups.Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return config.load(
        path,
        cluster=cluster,
        environ=fake_clouds.ENVIRON if environ is None else environ,
        clouds=fake_clouds.CLOUDS,
    )


def mistakes(
    folder: Path, text: str, *, cluster: str = "demo", environ: dict[str, str] | None = None
) -> list[str]:
    """Load what must not load; give every mistake as ``line:column path: message. cure``."""
    with pytest.raises(config.ConfigError) as caught:
        load(folder, text, cluster=cluster, environ=environ)
    return [
        re.sub(r"^.*?config\.yaml:(\d+:\d+): ", r"\1 ", str(mistake))
        for mistake in caught.value.mistakes
    ]


@pytest.mark.parametrize("text", [SEED, BARE])
def test_the_seeds_file_loads_unmodified(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path, text)
    assert loaded == groups.Config(
        cluster="demo",
        accounts={
            "hetzner": groups.Account(
                name="hetzner",
                provider="hetzner",
                token=fake_clouds.TOKEN,
                settings=fake_clouds.contract.NoOptions(),
            )
        },
        groups=(
            groups.NodeGroup(
                name="vps-pool",
                account="hetzner",
                candidates=(groups.Candidate("cx21", "fsn1"),),
                min_size=1,
                max_size=10,
                labels={"node-type": "vps", "paas-tier": "tenant"},
                taints=(groups.Taint(key="paas-tier", value="tenant", effect="NoSchedule"),),
                options=fake_clouds.contract.NoOptions(),
            ),
        ),
    )


def test_the_seed_in_the_shared_folder_is_the_one_above() -> None:
    shared = Path(__file__).parents[2].parent / "shared" / "seed"
    documents = list(shared.glob("*.txt"))
    if not documents:
        absent.skip(absent.Need.SHARED)
    wanted = SEED.partition("\n")[2]
    assert wanted.rstrip() in documents[0].read_text()


FULL = """\
cluster: prod
currency: USD
exchangeRates: {EUR: 1.0850, GBP: "1.3"}
coverForgottenMachines: false
gpuLabel: example.org/gpu
limits: {givenUpPerGroup: 2, givenUpPercent: 25, within: 20m}
accounts:
- name: first
  provider: rich
  tokenFile: secrets/token
  endpoint: https://api.example.org/v1
  budgetShare: 0.25
  foreign: {"0123456789": gone, abcdef0123: adopt, none: ignore}
  believeVanished: true
  maxOrdersPerHour: 60
  options: {count: 1}
nodes:
- name: workers
  minSize: 0
  maxSize: 5
  surge: 0
  anyNodeName: true
  account: first
  instanceTypes: [big, bigger]
  regions: [east, west]
  labels: &labels {tier: web, example.org/x: ""}
  taints:
  - {key: dedicated, effect: NoExecute}
  - {key: dedicated, value: "yes", effect: NoSchedule}
  image: ubuntu-24.04
  userDataFile: join.sh
  sshKeys: [ops]
  networks: [inner]
  firewalls: [wall]
  placementGroup: spread
  publicIPv4: false
  publicIPv6: true
  serverLabels: {team: a}
  kubelet:
    maxPods: 50
    cpu: 100m
    memory: 256Mi
    ephemeralStorage: 1Gi
    evictionMemory: 200Mi
    evictionDiskPercent: 15
    memoryOverheadPercent: 5.5
    diskOverheadPercent: 3
  joinDeadlines: {running: 5m, csr: 90s, node: 1m, ready: 2m}
  autoscalingOptions:
    scaleDownUtilizationThreshold: 0.4
    scaleDownGpuUtilizationThreshold: 1
    scaleDownUnneededTime: 1h30m
    scaleDownUnreadyTime: 90s
    maxNodeProvisionTime: 8m
    ignoreDaemonSetsUtilization: true
  options:
    count: 3
    parts: [{name: a, weight: 1.5}]
    best: {name: b}
    byName: {c: {name: c}}
    chance: 1
    price: "0.01"
    fast: true
    mode: slow
    colour: blue
    names: [x, y]
    limit: 7
    publicIPv4: false
- name: dreamers
  maxSize: 2
  provider: dream
  instanceType: small
  region: north
  labels:
    <<: *labels
    tier: db
"""


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text(f"  {fake_clouds.TOKEN}\n")
    (tmp_path / "join.sh").write_text("#!/bin/sh\necho @@NODE_NAME@@\n")
    loaded = load(tmp_path, FULL, cluster="")
    assert loaded.cluster == "prod"
    assert loaded.currency == "USD"
    assert loaded.rates == {"EUR": Decimal("1.0850"), "GBP": Decimal("1.3")}
    assert not loaded.cover_forgotten
    assert loaded.gpu_label == "example.org/gpu"
    assert list(loaded.accounts) == ["first", "dream"]
    account = loaded.accounts["first"]
    assert (account.token, account.budget_share) == (fake_clouds.TOKEN, 0.25)
    assert account.endpoint == "https://api.example.org/v1"
    assert account.settings == fake_clouds.RichOptions(count=1)
    assert account.foreign == {"0123456789": "gone", "abcdef0123": "adopt", "none": "ignore"}
    assert account.believe_vanished
    assert account.max_orders_per_hour == 60
    assert loaded.limits == groups.Limits(given_up_a_group=2, given_up_share=0.25, within_s=1200.0)
    workers, dreamers = loaded.groups
    assert workers == groups.NodeGroup(
        name="workers",
        account="first",
        candidates=(
            groups.Candidate("big", "east"),
            groups.Candidate("big", "west"),
            groups.Candidate("bigger", "east"),
            groups.Candidate("bigger", "west"),
        ),
        min_size=0,
        max_size=5,
        labels={"tier": "web", "example.org/x": ""},
        taints=(
            groups.Taint(key="dedicated", effect="NoExecute"),
            groups.Taint(key="dedicated", value="yes", effect="NoSchedule"),
        ),
        image="ubuntu-24.04",
        join="raw",
        user_data="#!/bin/sh\necho @@NODE_NAME@@\n",
        ssh_keys=("ops",),
        networks=("inner",),
        firewalls=("wall",),
        placement_group="spread",
        public_ipv4=False,
        public_ipv6=True,
        server_labels={"team": "a"},
        reserve=groups.KubeletReserve(
            max_pods=50,
            cpu_millis=100,
            memory_bytes=256 * 2**20,
            disk_bytes=2**30,
            eviction_memory_bytes=200 * 2**20,
            eviction_disk_fraction=0.15,
            memory_overhead=0.055,
            disk_overhead=0.03,
            given=frozenset(
                {
                    "max_pods",
                    "cpu_millis",
                    "memory_bytes",
                    "disk_bytes",
                    "eviction_memory_bytes",
                    "eviction_disk_fraction",
                    "memory_overhead",
                    "disk_overhead",
                }
            ),
        ),
        join_deadlines=groups.JoinDeadlines(
            running_s=300.0, csr_s=90.0, node_s=60.0, ready_s=120.0
        ),
        overrides=groups.AutoscalingOverrides(
            scale_down_utilization_threshold=0.4,
            scale_down_gpu_utilization_threshold=1.0,
            scale_down_unneeded_time_s=5400.0,
            scale_down_unready_time_s=90.0,
            max_node_provision_time_s=480.0,
            ignore_daemonsets_utilization=True,
        ),
        options=fake_clouds.RichOptions(
            count=3,
            parts=(fake_clouds.Part(name="a", weight=Decimal("1.5")),),
            best=fake_clouds.Part(name="b"),
            by_name={"c": fake_clouds.Part(name="c")},
            chance=1.0,
            price=Decimal("0.01"),
            fast=True,
            mode="slow",
            colour=fake_clouds.Colour.BLUE,
            names=frozenset({"x", "y"}),
            limit=7,
            public_ipv4=False,
        ),
        any_node_name=True,
        surge=0,
    )
    assert (dreamers.any_node_name, dreamers.surge) == (False, None)
    assert dreamers.labels == {"tier": "db", "example.org/x": ""}
    assert dreamers.min_size == 0


def test_words_that_nobody_said_are_the_cautious_ones(tmp_path: Path) -> None:
    loaded = load(tmp_path, BARE)
    (account,) = loaded.accounts.values()
    assert (account.foreign, account.believe_vanished) == ({}, False)
    assert account.max_orders_per_hour is None
    assert loaded.limits == groups.Limits()
    only_one = load(tmp_path, "limits: {within: 1h}\n" + BARE).limits
    assert only_one == groups.Limits(within_s=3600.0)


OURS = {
    'labels: ["a=b", "example.org/c=true"]': 'Write {a: b, example.org/c: "true"}',
    'labels: "a=b,c=d"': "Write {a: b, c: d}",
    'labels: [{key: a, value: b}, {name: c, value: "yes"}]': 'Write {a: b, c: "yes"}',
    "labels: [{a: b}, c]": 'Write {a: b, c: ""}',
    'serverLabels: ["a=7"]': 'Write {a: "7"}',
    'taints: ["a=b:NoSchedule", "c:NoExecute"]': (
        "Write [{key: a, value: b, effect: NoSchedule}, {key: c, effect: NoExecute}]"
    ),
    "taints: a=b:NoSchedule": "Write [{key: a, value: b, effect: NoSchedule}]",
    "taints: {key: a, value: b, effect: NoSchedule}": (
        "Write [{key: a, value: b, effect: NoSchedule}]"
    ),
    'taints: {a: "b:NoSchedule"}': "Write [{key: a, value: b, effect: NoSchedule}]",
}
ONE = "nodes:\n- {name: a, provider: hetzner, instanceType: x, region: y, maxSize: 1}\n"


@pytest.mark.parametrize("theirs", OURS)
def test_other_tools_spelling_is_refused_with_ours(tmp_path: Path, theirs: str) -> None:
    key = theirs.partition(":")[0]
    (result,) = mistakes(tmp_path, ONE.replace("maxSize: 1", f"maxSize: 1, {theirs}"))
    assert f"nodes[0].{key}: must be" in result
    assert OURS[theirs] in result
    written = result.partition("Write ")[2]
    load(tmp_path, ONE.replace("maxSize: 1", f"maxSize: 1, {key}: {written}"))


def test_what_nobody_understands_is_refused_as_before(tmp_path: Path) -> None:
    (result,) = mistakes(tmp_path, ONE.replace("maxSize: 1", "maxSize: 1, labels: [[a]]"))
    assert result.endswith("nodes[0].labels: must be a mapping, not a list")
    (result,) = mistakes(tmp_path, ONE.replace("maxSize: 1", "maxSize: 1, taints: [nonsense]"))
    assert 'taints[0]: must be a mapping, not "nonsense"' in result


def test_a_typo_in_a_provider_is_one_mistake(tmp_path: Path) -> None:
    text = "accounts: [{name: main, provider: hetzne}]\n" + ONE.replace(
        "provider: hetzner", "account: main"
    )
    (result,) = mistakes(tmp_path, text)
    assert 'accounts[0].provider: "hetzne" is not an installed cloud. Did you mean' in result
    (result,) = mistakes(tmp_path, ONE.replace("hetzner", "hetzne"))
    assert 'nodes[0].provider: "hetzne" is not an installed cloud. Did you mean' in result
    (result,) = mistakes(tmp_path, text.replace("account: main", "account: mian"))[1:]
    assert "Did you mean main?" in result


@pytest.mark.parametrize("written", ["kubeconfig", "./sub/../kubeconfig", "/etc/kc", "~/kc"])
def test_a_kubeconfig_is_relative_to_the_file(
    tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    one = ONE.replace("maxSize: 1", "maxSize: 1, join: image")
    loaded = load(tmp_path, f"kubernetes: {{kubeconfig: {written}}}\n{one}")
    assert loaded.kubernetes is not None
    expected = {"/etc/kc": "/etc/kc", "~/kc": "/home/somebody/kc"}
    assert loaded.kubernetes.kubeconfig == expected.get(written, str(tmp_path / written))
    loaded = load(tmp_path, f"kubernetes: {{}}\n{one}")
    assert loaded.kubernetes is not None
    assert loaded.kubernetes.kubeconfig == ""
