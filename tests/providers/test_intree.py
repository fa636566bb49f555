"""What the variables and flags of Cluster Autoscaler's own Hetzner provider mean."""

from __future__ import annotations

import base64
import json

import pytest

from providers import contract
from providers.hetzner import HetznerCloud

INIT = "#cloud-config\n"


def read(*specs, config=None, files=None, **environ):
    if config is not None:
        whole = base64.b64encode(json.dumps(config).encode()).decode()
        environ["HCLOUD_CLUSTER_CONFIG"] = whole
    return HetznerCloud.convert(
        contract.Setup(
            arguments=tuple(f"--nodes={each}" for each in specs),
            environ=environ,
            files=files or {},
        )
    )


def of(config_of_pool, **more):
    return {"nodeConfigs": {"web": {"cloudInit": INIT, **config_of_pool}}, **more}


def test_it_is_a_cloud_that_converts():
    assert isinstance(HetznerCloud, contract.Converting)
    assert (HetznerCloud.group_label, HetznerCloud.config_variable) == (
        "hcloud/node-group",
        "HCLOUD_CLUSTER_CONFIG_FILE",
    )


def test_keys_are_taken_in_any_case_as_go_takes_them():
    config = {
        "ImagesForArch": {"AMD64": "debian-13"},
        "NODECONFIGS": {"web": {"CloudInit": INIT, "placementgroup": "pg", "Taints": [
            {"Key": "a", "Effect": "NoSchedule"}]}},
    }  # fmt: skip
    (pool,) = read("0:1:CX23:FSN1:web", config=config).pools
    assert pool.user_data == INIT
    assert pool.settings["image"] == "debian-13"
    assert pool.settings["placementGroup"] == "pg"
    assert pool.settings["taints"] == [{"key": "a", "effect": "NoSchedule"}]
    assert (pool.settings["instanceType"], pool.settings["region"]) == ("cx23", "fsn1")


def test_a_pool_s_name_keeps_its_case_and_its_colons():
    (pool,) = read(
        "0:1:cx23:fsn1:We:B", config={"nodeConfigs": {"We:B": {"cloudInit": INIT}}}
    ).pools
    assert pool.name == "We:B"


@pytest.mark.parametrize(
    ("own", "shared", "image"),
    [
        ({}, {"amd64": "all"}, "all"),
        ({"imagesForArch": {"amd64": "mine"}}, {"amd64": "all"}, "mine"),
        ({"imagesForArch": {"arm64": "mine"}}, {"amd64": "all"}, None),
        ({}, {}, None),
    ],
)
def test_the_image_is_the_pool_s_list_s_or_else_everybody_s(own, shared, image):
    (pool,) = read("0:1:cx23:fsn1:web", config=of(own, imagesForArch=shared)).pools
    assert pool.settings.get("image") == image
    assert any("names no image for amd64" in each for each in pool.losses) is (image is None)


def test_the_config_goes_before_the_older_variables():
    converted = read(
        "0:1:cx23:fsn1:web",
        config=of({}, imagesForArch={"amd64": "new"}),
        HCLOUD_IMAGE="old",
        HCLOUD_CLOUD_INIT=base64.b64encode(b"old").decode(),
    )
    assert converted.pools[0].settings["image"] == "new"
    assert converted.pools[0].user_data == INIT
    assert sum("was not read" in each for each in converted.losses) == 2


@pytest.mark.parametrize("where", ["pool", "all"])
@pytest.mark.parametrize("network", ["", "net"])
def test_a_subnet_is_lost_where_there_is_a_network(where, network):
    config = of({"subnetIPRange": "10.0.1.0/24"} if where == "pool" else {})
    if where == "all":
        config["defaultSubnetIPRange"] = "10.0.1.0/24"
    environ = {"HCLOUD_NETWORK": network} if network else {}
    (pool,) = read("0:1:cx23:fsn1:web", config=config, **environ).pools
    assert any("10.0.1.0/24" in each for each in pool.losses) is bool(network)


def test_firewalls_are_all_of_them_and_each_once():
    (pool,) = read(
        "0:1:cx23:fsn1:web", config=of({"firewalls": ["b", "a"]}), HCLOUD_FIREWALL="a"
    ).pools
    assert pool.settings["firewalls"] == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "kept"), [("true", {}), ("T", {}), ("0", False), ("False", False), ("nope", {})]
)
def test_public_addresses_are_read_as_go_reads_a_truth(said, kept):
    converted = read("0:1:cx23:fsn1:web", config=of({}), HCLOUD_PUBLIC_IPV6=said)
    assert converted.pools[0].settings.get("publicIPv6", {}) == kept
    assert any("neither true nor false" in each for each in converted.losses) is (said == "nope")


def test_of_two_pools_of_one_name_the_last_counts():
    converted = read("0:1:cx23:fsn1:web", "2:5:cx33:nbg1:web", config=of({}))
    (pool,) = converted.pools
    assert pool.settings["maxSize"] == 5
    assert any("more than once" in each for each in converted.losses)


def test_an_endpoint_is_the_account_s():
    converted = read("0:1:cx23:fsn1:web", config=of({}), HCLOUD_ENDPOINT="https://x.example/v1")
    assert converted.account == {"endpoint": "https://x.example/v1"}


def test_the_old_label_is_no_server_label_of_ours():
    config = of({"serverLabels": {"hcloud/node-group": "web", "team": "infra"}})
    (pool,) = read("0:1:cx23:fsn1:web", config=config).pools
    assert pool.settings["serverLabels"] == {"team": "infra"}


@pytest.mark.parametrize(
    "own",
    [
        {"labels": ["a"]},
        {"taints": ["a"]},
        {"taints": "a"},
        {"firewalls": "a"},
        {"serverLabels": 1},
    ],
)
def test_what_has_the_wrong_shape_is_lost_and_said(own):
    (pool,) = read("0:1:cx23:fsn1:web", config=of(own)).pools
    (key,) = own
    assert key not in pool.settings
    assert any(f"say {key}" in each for each in pool.losses)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ([], "is no JSON object"),
        ({"nodeConfigs": {"web": "x"}}, "is no JSON object"),
        ({"nodeConfigs": {"db": {}}}, "has no such under nodeConfigs"),
        ({"nodeConfigs": {}}, "has no nodeConfigs"),
    ],
)
def test_what_it_would_not_start_with_is_one_sentence(config, words):
    with pytest.raises(ValueError, match=words):
        read("0:1:cx23:fsn1:web", config=config)


def test_no_secret_is_in_a_repr_or_an_error():
    secret = "K10s3cret"
    converted = read("0:1:cx23:fsn1:web", config=of({"cloudInit": secret}))
    assert secret in converted.pools[0].user_data
    assert secret not in repr(converted)
    files = {"/x": f'{{"nodeConfigs": {secret}'}
    setup = contract.Setup(
        arguments=("--nodes=0:1:a:b:c",),
        environ={"HCLOUD_CLUSTER_CONFIG_FILE": "/x"},
        files=files,
    )
    assert secret not in repr(setup)
    with pytest.raises(ValueError, match="is not JSON: line 1") as caught:
        HetznerCloud.convert(setup)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None
