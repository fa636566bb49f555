"""What people have in a cluster becomes a file that loads, with every loss said and no token."""

from __future__ import annotations

import base64
import gzip
import json
import stat
from pathlib import Path

import click.testing
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from externalgrpc import cli, config
from externalgrpc.commands import converting, setups
from externalgrpc.model import groups, installed_clouds
from providers import contract
from providers.hetzner import HetznerCloud
from tests.depth import examples
from tests.diagnosis import cluster

TOKEN = "hcl0ud-t0ken-0123456789"
JOIN_TOKEN = "K10secret::node:abcdef"
CLOUD_INIT = (
    f"#cloud-config\nruncmd:\n- curl -sfL https://get.k3s.io | K3S_TOKEN={JOIN_TOKEN} sh -\n"
)
MIME = (
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    f"Content-Type: text/cloud-config\n\n{CLOUD_INIT}\n--b--\n"
)
ZIPPED = base64.b64encode(gzip.compress(MIME.encode(), mtime=0)).decode()


def b64(value) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.b64encode(text.encode()).decode()


def deployment(*flags, env=(), volumes=(), mounts=(), key="command", **more):
    container = {
        "name": "cluster-autoscaler",
        "image": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.3",
        key: ["./cluster-autoscaler", "--cloud-provider=hetzner", *flags],
        "env": list(env),
        "volumeMounts": list(mounts),
        **more,
    }
    side = {"name": "proxy", "image": "proxy", "args": ["--verbose"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cluster-autoscaler", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [side, container], "volumes": list(volumes)}}},
    }


def literal(**values):
    return [{"name": name, "value": value} for name, value in values.items()]


def secret(name, key, variable="HCLOUD_TOKEN"):
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


CONFIG = {
    "imagesForArch": {"arm64": "1002", "amd64": "role=node"},
    "nodeConfigs": {
        "prod-web": {
            "cloudInit": ZIPPED,
            "labels": {"tier": "web"},
            "taints": [{"key": "tier", "value": "web", "effect": "NoSchedule"}],
            "serverLabels": {"team": "infra"},
            "placementGroup": "spread-web",
            "firewalls": ["extra"],
        },
        "prod-arm": {"cloudInit": ZIPPED, "imagesForArch": {"arm64": "arm-image"}},
    },
}

KUBE_HETZNER = deployment(
    "--v=4",
    "--nodes=0:5:CX33:FSN1:prod-web",
    "--nodes=1:3:cax21:nbg1:prod-arm",
    "--scale-down-unneeded-time=5m",
    env=[
        secret("hcloud", "token"),
        *literal(
            HCLOUD_CLOUD_INIT=b64(CLOUD_INIT),
            HCLOUD_CLUSTER_CONFIG=b64(CONFIG),
            HCLOUD_SSH_KEY="17",
            HCLOUD_IMAGE="4711",
            HCLOUD_NETWORK="12",
            HCLOUD_FIREWALL="13",
            HCLOUD_PUBLIC_IPV4="true",
            HCLOUD_PUBLIC_IPV6="false",
            HCLOUD_SERVER_CREATION_TIMEOUT="15",
        ),
    ],
)

K3S_CONFIG = {
    "imagesForArch": {"arm64": "ubuntu-24.04", "amd64": "ubuntu-24.04"},
    "nodeConfigs": {"edge-burst": {"cloudInit": CLOUD_INIT, "labels": {"burst": "yes"}}},
}
HETZNER_K3S = [
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cluster-autoscaler-config", "namespace": "kube-system"},
        "data": {"config.json": json.dumps(K3S_CONFIG)},
    },
    deployment(
        "--nodes=0:4:CPX32:FSN1:edge-burst",
        "--enforce-node-group-min-size=true",
        env=[
            secret("hcloud", "token"),
            *literal(
                HCLOUD_CLUSTER_CONFIG_FILE="/etc/cluster-autoscaler/config.json",
                HCLOUD_FIREWALL="edge",
                HCLOUD_SSH_KEY="edge",
                HCLOUD_NETWORK="edge",
            ),
        ],
        mounts=[{"name": "config", "mountPath": "/etc/cluster-autoscaler", "readOnly": True}],
        volumes=[{"name": "config", "configMap": {"name": "cluster-autoscaler-config"}}],
    ),
]
LEGACY = deployment(
    "--nodes=1:10:CPX51:FSN1:pool1",
    "--nodes",
    "1:10:CX41:NBG1:Pool.Two",
    key="args",
    env=literal(HCLOUD_TOKEN=TOKEN, HCLOUD_CLOUD_INIT=b64(CLOUD_INIT)),
)
ENV_FILE = f"""
# as the systemd unit had it
export HCLOUD_TOKEN={TOKEN}
HCLOUD_CLOUD_INIT='{b64(CLOUD_INIT)}'
HCLOUD_IMAGE="debian-13"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convert(*words, code=0):
    runner = click.testing.CliRunner()
    done = runner.invoke(cli.cli, ["convert", "--cluster", "prod", *map(str, words)])
    whole = done.stdout + done.stderr
    assert done.exit_code == code, whole
    for hidden in (TOKEN, JOIN_TOKEN, ZIPPED, b64(CLOUD_INIT)):
        assert hidden not in whole
    assert "Traceback" not in whole
    return done.stdout, done.stderr


def given_file(name, *objects):
    Path(name).write_text(yaml.safe_dump_all(objects))
    return name


def loaded(text, folder) -> groups.Config:
    path = folder / "pools.yaml"
    path.write_text(text)
    return config.load(
        path,
        cluster="",
        environ={"HCLOUD_TOKEN": "t"},
        clouds=installed_clouds.installed(),
    )


def test_kube_hetzner(here):
    text, lost = convert(given_file("ca.yaml", KUBE_HETZNER))
    found = loaded(text, here)
    assert found.cluster == "prod"
    assert found.kubernetes is not None
    web, arm = found.groups
    assert (web.name, web.min_size, web.max_size) == ("prod-web", 0, 5)
    assert web.candidates == (groups.Candidate("cx33", "fsn1"),)
    assert (web.image, arm.image) == ("role=node", "arm-image")
    assert web.labels == {"tier": "web"}
    assert web.taints == (groups.Taint(key="tier", value="web", effect="NoSchedule"),)
    assert web.server_labels == {"team": "infra"}
    assert (web.placement_group, arm.placement_group) == ("spread-web", "")
    assert (web.firewalls, arm.firewalls) == (("13", "extra"), ("13",))
    assert (web.networks, web.ssh_keys) == (("12",), ("17",))
    assert (web.public_ipv4, web.public_ipv6) == (True, False)
    assert web.join == "raw"
    assert web.user_data == ZIPPED
    assert (here / "prod-web.user-data").read_text() == ZIPPED
    mode = stat.S_IMODE((here / "prod-web.user-data").stat().st_mode)
    assert mode == 0o600
    for words in (
        "HCLOUD_SERVER_CREATION_TIMEOUT (15 minutes) has no counterpart",
        "HCLOUD_CLOUD_INIT was not read",
        "HCLOUD_IMAGE was not read",
        "prod-web: its nodes were promised to carry the label hcloud/node-group=prod-web",
        "labels and taints were only promised",
    ):
        assert words in lost
    assert "Secret kube-system/hcloud, key token" in text
    assert "--v=4 --scale-down-unneeded-time=5m" in text
    for line in lost.splitlines():
        sentence = line.removeprefix("lost: ").split(": ", 1)[-1]
        assert sentence in text, "every loss is a comment too"


def test_hetzner_k3s_with_its_config_in_a_configmap(here):
    text, _ = convert(given_file("ca.yaml", *HETZNER_K3S))
    (pool,) = loaded(text, here).groups
    assert (pool.name, pool.image, pool.labels) == ("edge-burst", "ubuntu-24.04", {"burst": "yes"})
    assert pool.user_data == CLOUD_INIT
    assert (pool.firewalls, pool.networks, pool.ssh_keys) == (("edge",), ("edge",), ("edge",))
    assert "--enforce-node-group-min-size=true" in text


def test_the_oldest_way_with_one_cloud_init_for_all(here):
    text, lost = convert(given_file("ca.yaml", LEGACY))
    one, two = loaded(text, here).groups
    assert (one.name, two.name) == ("pool1", "pool-two")
    assert one.image == "ubuntu-20.04", "its default"
    assert one.user_data == two.user_data == CLOUD_INIT
    assert "it was called 'Pool.Two'" in lost
    assert "vps-autoscaler adopt pool-two --config FILE --label hcloud/node-group=Pool.Two" in lost
    assert "the Deployment itself, where whoever reads it has it" in text


def test_an_env_file_with_sizes_by_hand(here):
    (here / "ca.env").write_text(ENV_FILE)
    text, _ = convert("ca.env", "--nodes", "0:2:cx23:hel1:burst")
    (pool,) = loaded(text, here).groups
    assert (pool.name, pool.image, pool.max_size) == ("burst", "debian-13", 2)
    assert "give the Deployment" in convert("ca.env", code=1)[1]


@pytest.mark.parametrize("plain", [True, False])
def test_a_cluster_config_alone_plain_or_in_base64(here, plain):
    (here / "config").write_text(json.dumps(K3S_CONFIG) if plain else b64(K3S_CONFIG))
    text, _ = convert("config", "--nodes", "0:2:cx23:hel1:edge-burst")
    (pool,) = loaded(text, here).groups
    assert pool.labels == {"burst": "yes"}


def test_a_cluster_config_beside_a_deployment_whose_configmap_is_not_there(here):
    (here / "config.json").write_text(json.dumps(K3S_CONFIG))
    manifest = given_file("ca.yaml", HETZNER_K3S[1])
    output = convert(manifest, code=1)[1]
    assert "nothing that was given holds it" in output
    text, _ = convert(manifest, "config.json")
    assert [each.name for each in loaded(text, here).groups] == ["edge-burst"]


def test_from_the_cluster_with_reads_only_and_never_the_token_s_secret(here):
    with cluster.running() as server:
        way = cluster.kubeconfig(server, here)
        held, workload = HETZNER_K3S
        place = "namespaces/kube-system"
        server.put(f"/apis/apps/v1/{place}/deployments/cluster-autoscaler", workload)
        server.put(f"/api/v1/{place}/configmaps/cluster-autoscaler-config", held)
        server.put(f"/api/v1/{place}/secrets/hcloud", {"data": {"token": b64(TOKEN)}})
        words = ("--from-deployment", "kube-system/cluster-autoscaler", "--kubeconfig", way)
        text, _ = convert(*words)
        assert [each.name for each in loaded(text, here).groups] == ["edge-burst"]
        assert cluster.only_read(server), "no write, and no Secret"
        output = convert("--from-deployment", "kube-system/none", "--kubeconfig", way, code=1)[1]
        assert "the cluster has no Deployment kube-system/none" in output


def test_a_config_in_a_secret_that_a_volume_mounts_under_another_name(here):
    workload = deployment(
        "--nodes=0:4:CPX32:FSN1:edge-burst",
        env=literal(HCLOUD_CLUSTER_CONFIG_FILE="/config/cluster-config"),
        mounts=[{"name": "c", "mountPath": "/config"}],
        volumes=[
            {
                "name": "c",
                "secret": {
                    "secretName": "conf",
                    "items": [{"key": "config.json", "path": "cluster-config"}],
                },
            }
        ],
    )
    held = {
        "kind": "Secret",
        "metadata": {"name": "conf", "namespace": "kube-system"},
        "data": {"config.json": b64(K3S_CONFIG)},
    }
    text, _ = convert(given_file("ca.yaml", workload, held))
    assert [each.name for each in loaded(text, here).groups] == ["edge-burst"]


def test_what_the_loader_refuses_is_left_out_with_its_words(here):
    bad = {
        "imagesForArch": {"amd64": "debian-13"},
        "nodeConfigs": {
            "web": {
                "cloudInit": CLOUD_INIT,
                "labels": {"node-role.kubernetes.io/worker": "", "tier": "web"},
                "taints": [
                    {"key": "a b", "effect": "NoSchedule"},
                    {"key": "ok", "effect": "NoSchedule"},
                ],
                "serverLabels": {"vps-autoscaler/cluster": "mine"},
                "subnetIPRange": "10.0.1.0/24",
                "nodeTemplate": {},
            },
            "talos": {"cloudInit": "version: v1alpha1\nmachine: {}\n"},
            "none": {"cloudInit": "#!/bin/sh\necho @@WRONG@@\n"},
            "orphan": {"cloudInit": CLOUD_INIT},
        },
    }
    (here / "config.json").write_text(json.dumps(bad))
    workload = deployment(
        "--nodes=3:1:cx23:fsn1:web",
        "--nodes=0:1:cx23:fsn1:talos",
        "--nodes=0:1:cx23:fsn1:none",
        env=literal(
            HCLOUD_CLUSTER_CONFIG_FILE="/x", HCLOUD_NETWORK="net", HCLOUD_PUBLIC_IPV4="maybe",
            HCLOUD_DEBUG="1", HCLOUD_ENDPOINT="http://somewhere.example/v1",
        ),
    )  # fmt: skip
    text, lost = convert(given_file("ca.yaml", workload), "config.json")
    web, talos = loaded(text, here).groups
    assert web.labels == {"tier": "web"}
    assert [each.key for each in web.taints] == ["ok"]
    assert (web.min_size, web.max_size, web.server_labels) == (1, 1, {})
    assert talos.user_data_format == "other"
    for words in (
        "web: labels.node-role.kubernetes.io/worker is left out",
        "may not be set by a kubelet",
        "web: taints[0] is left out",
        "web: serverLabels.vps-autoscaler/cluster is left out",
        "the subnet 10.0.1.0/24, which cannot be asked for",
        "its 'nodetemplate' in the cluster config is not known",
        "minimum of 3 does not go with its maximum of 1",
        "talos: its user-data is not what cloud-init reads",
        "the pool 'none' is not converted",
        "a pool 'orphan' for which no --nodes was found",
        "HCLOUD_PUBLIC_IPV4 is 'maybe'",
        "HCLOUD_DEBUG is not known",
        "the account's endpoint is left out",
    ):
        assert words in lost, words
    assert not (here / "none.user-data").exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.yaml": "just: text\n"}, "holds nothing to convert"),
        ({"a.yaml": "a: [\n"}, "is neither YAML"),
        ({"a.json": '{"nodeConfigs": {}}'}, "has no nodeConfigs"),
        ({"a.json": '{"nodeConfigs": {"x": {}}}'}, "has no such under nodeConfigs"),
        ({"a.env": "HCLOUD_CLOUD_INIT=???"}, "HCLOUD_CLOUD_INIT is not base64 of a text"),
        ({"a.env": f"HCLOUD_CLUSTER_CONFIG={b64('{oops')}"}, "is not JSON: line 1, column 2"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(here, files, words):
    for name, text in files.items():
        (here / name).write_text(text)
    assert words in convert(*files, "--nodes", "0:1:cx23:fsn1:web", code=1)[1]


def test_nodes_that_make_no_sense_are_one_sentence(here):
    (here / "ca.env").write_text(ENV_FILE)
    for wrong in ("0:1:cx23:web", "a:1:cx23:fsn1:web", ""):
        assert "MIN:MAX:TYPE:REGION:NAME" in convert("ca.env", "--nodes", wrong, code=1)[1]


def test_user_data_that_is_there_is_not_written_over(here):
    manifest = given_file("ca.yaml", LEGACY)
    convert(manifest)
    convert(manifest)  # the same once more
    (here / "pool1.user-data").chmod(0o600)
    (here / "pool1.user-data").write_text("mine")
    assert "is there already" in convert(manifest, code=1)[1]
    text, _ = convert(manifest, "--user-data-dir", "joins")
    assert loaded(text, here).groups[0].user_data == CLOUD_INIT
    away = here / "far" / "away"
    text, _ = convert(manifest, "--user-data-dir", away)
    assert loaded(text, here).groups[0].user_data == CLOUD_INIT
    assert stat.S_IMODE((away / "pool1.user-data").stat().st_mode) == 0o600


def test_nothing_is_written_where_nothing_is_converted(here):
    config_file = {"nodeConfigs": {"web": {"cloudInit": "#!/bin/sh\necho @@WRONG@@\n"}}}
    (here / "config.json").write_text(json.dumps(config_file))
    nodes = ("--nodes", "0:1:cx23:fsn1:web")
    output = convert("config.json", *nodes, "--user-data-dir", here / "out", code=1)[1]
    assert "no pool could be converted" in output
    assert "@@WRONG@@" in output
    assert not (here / "out").exists()


@pytest.mark.parametrize("manifests", [[KUBE_HETZNER], HETZNER_K3S, [LEGACY]])
def test_check_finds_nothing_wrong_with_what_people_have(here, monkeypatch, manifests):
    text, _ = convert(given_file("ca.yaml", *manifests))
    (here / "pools.yaml").write_text(text)
    monkeypatch.setenv("HCLOUD_TOKEN", TOKEN)
    done = click.testing.CliRunner().invoke(cli.cli, ["check", "--config", "pools.yaml"])
    assert done.exit_code == 0, done.output
    assert "trouble" not in done.output


def test_a_command_line_for_a_shell_and_variables_in_it(here):
    workload = deployment(env=literal(MOST="7", HCLOUD_CLOUD_INIT=b64(CLOUD_INIT)))
    container = workload["spec"]["template"]["spec"]["containers"][1]
    container["command"] = ["sh", "-c"]
    container["args"] = [
        "./cluster-autoscaler --cloud-provider=hetzner --nodes=0:$(MOST):cx23:fsn1:w"
    ]
    text, _ = convert(given_file("ca.yaml", workload))
    (pool,) = loaded(text, here).groups
    assert pool.max_size == 7


def test_variables_of_a_whole_configmap(here):
    workload = deployment(
        "--nodes=0:4:cx23:fsn1:w", envFrom=[{"configMapRef": {"name": "vars"}}],
        env=[secret("missing", "x", "HCLOUD_SSH_KEY")],
    )  # fmt: skip
    held = {
        "kind": "ConfigMap",
        "metadata": {"name": "vars", "namespace": "kube-system"},
        "data": {"HCLOUD_CLOUD_INIT": b64(CLOUD_INIT), "HCLOUD_NETWORK": "n"},
    }
    text, lost = convert(given_file("ca.yaml", {"kind": "List", "items": [workload, held]}))
    assert loaded(text, here).groups[0].networks == ("n",)
    assert "the variable HCLOUD_SSH_KEY comes of Secret kube-system/missing" in lost


def test_the_cluster_must_be_named_and_something_given(here):
    runner = click.testing.CliRunner()
    manifest = given_file("ca.yaml", LEGACY)
    assert "--cluster names the cluster" in runner.invoke(cli.cli, ["convert", manifest]).output
    assert "give a FILE" in runner.invoke(cli.cli, ["convert", "--cluster", "x"]).output
    wrong = runner.invoke(cli.cli, ["convert", "--cluster", "X Y", manifest])
    assert wrong.exit_code == 2


def test_the_token_is_in_nothing_that_is_handed_on():
    whole = {"kind": "Secret", "metadata": {"name": "all"}, "stringData": {"HCLOUD_TOKEN": TOKEN}}
    held = setups.Given(objects=[whole], environ={"HCLOUD_TOKEN": TOKEN})
    workload = deployment("--nodes=0:1:cx23:fsn1:w", envFrom=[{"secretRef": {"name": "all"}}])
    words = {"nodes": (), "token_variable": "HCLOUD_TOKEN", "config_variable": "X"}
    found = setups.setup(held, workload, held.fetch, **words)
    assert TOKEN not in found.setup.environ.values()
    assert found.token == "variable HCLOUD_TOKEN"
    found = setups.setup(setups.Given(objects=[whole]), workload, held.fetch, **words)
    assert TOKEN not in found.setup.environ.values()
    assert "envFrom" in found.token


def test_two_names_that_become_one_are_told_apart():
    pools = tuple(
        contract.Pool(
            name=name,
            settings={"minSize": 0, "maxSize": 1, "instanceType": "cx23", "region": "fsn1"},
        )
        for name in ("web-a", "Web.A", "web_a", "9", "x" * 60, "X" * 60)
    )
    written = converting.draft(
        contract.Converted(pools=pools), cluster="prod", provider="hetzner", label="l"
    )
    converting.fit(written, (), installed_clouds.installed(), "HCLOUD_TOKEN")
    names = [each.name for each in written.groups]
    assert names == ["web-a", "web-a-2", "web-a-3", "pool-9", "x" * 40, "x" * 38 + "-2"]


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "no",
            "1:30",
            "kubernetes.io/os",
            "tier",
            "a/b",
            "x\ny",
            "@@NODE_NAME@@",
            "#cloud-config\n",
        ]
    ),
)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
POOLS = st.builds(
    contract.Pool,
    name=TEXTS,
    settings=st.fixed_dictionaries(
        {
            "minSize": st.integers(-1, 3),
            "maxSize": st.integers(0, 2000),
            "instanceType": TEXTS,
            "region": TEXTS,
        },
        optional={
            "image": TEXTS,
            "labels": MAPS,
            "serverLabels": MAPS,
            "taints": st.lists(
                st.fixed_dictionaries({"key": TEXTS, "effect": TEXTS}), min_size=1, max_size=2
            ),
            "firewalls": st.lists(TEXTS, min_size=1, max_size=2),
            "publicIPv4": st.booleans(),
        },
    ),
    user_data=st.sampled_from(["", CLOUD_INIT, ZIPPED, "what is this", "#!/bin/sh\n@@NO@@\n"]),
    losses=st.lists(TEXTS, max_size=2).map(tuple),
)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(POOLS, max_size=4))
def test_whatever_comes_of_it_loads(tmp_path_factory, pools):
    written = converting.draft(
        contract.Converted(pools=tuple(pools)),
        cluster="prod",
        provider="hetzner",
        label=HetznerCloud.group_label,
    )
    clouds = installed_clouds.installed()
    head = converting.header(setups.Found(contract.Setup(), "a\nb"), "HCLOUD_TOKEN")
    try:
        text = converting.fit(written, head, clouds, "HCLOUD_TOKEN")
    except converting.Inconvertible as error:
        assert not written.groups, error
        return
    folder = tmp_path_factory.mktemp("made")
    for each in written.groups:
        if each.file:
            (folder / each.file).write_text(each.user_data)
    found = loaded(text, folder)
    assert [each.name for each in found.groups] == [each.name for each in written.groups]
    assert all(line.startswith("#") for line in text.splitlines() if "Lost: " in line)
