"""appPools: what the file may say, and the sentence for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.model import app_pools, groups, installed_clouds

HEAD = "cluster: test\nkubernetes: {}\nvpsNodes: {}\n"
WHOLE = (
    "appPools: {namespaces: [shop], providers: {memory: {regions: [north], instanceTypes: [small]}}"
    ", maxNodesPerApp: 2, maxNodes: 5}\n"
)


def load(folder: Path, text: str) -> groups.Config:
    path = folder / "pools.yaml"
    path.write_text(text)
    return config.load(path, cluster="", environ={}, clouds=installed_clouds.installed())


def test_it_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + WHOLE).app_pools == app_pools.AppPools(
        namespaces=("shop",),
        providers={"memory": app_pools.Sold(regions=("north",), instance_types=("small",))},
        max_nodes_per_app=2,
        max_nodes=5,
    )
    assert load(tmp_path, HEAD).app_pools is None


WRONG = {
    "nothing": ("appPools: {}\n", "appPools.namespaces: is missing"),
    "no bound": (WHOLE.replace(", maxNodes: 5", ""), "appPools.maxNodes: is missing"),
    "no namespace": (WHOLE.replace("[shop]", "[]"), "namespaces is empty"),
    "no cloud": (
        "appPools: {namespaces: [a], providers: {}, maxNodesPerApp: 1, maxNodes: 1}\n",
        "providers is empty",
    ),
    "no type": (WHOLE.replace("[small]", "[]"), "instanceTypes: is empty, and allows nothing"),
    "a cloud that is none": (WHOLE.replace("memory:", "memry:"), '"memry" is not an installed'),
    "a namespace that is none": (
        WHOLE.replace("[shop]", "['*']"),
        'namespaces[0]: "*" is',
    ),
    "an empty namespace": (WHOLE.replace("[shop]", "['']"), "is empty"),
    "an empty type": (WHOLE.replace("[small]", "['']"), 'instanceTypes[0]: "" is empty'),
    "none for an app": (WHOLE.replace("maxNodesPerApp: 2", "maxNodesPerApp: 0"), "between 1 and"),
    "less in all than for one": (WHOLE.replace("maxNodes: 5", "maxNodes: 1"), "raise it, or lower"),
    "a misspelled key": (WHOLE.replace("maxNodes:", "maxNode:"), "maxNode: is not a known key"),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused(tmp_path: Path, what: str) -> None:
    text, said = WRONG[what]
    with pytest.raises(config.ConfigError) as error:
        load(tmp_path, HEAD + text)
    assert said in str(error.value)


def test_it_needs_the_cluster(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="Add kubernetes: to the file, or remove appPools"):
        load(tmp_path, f"cluster: test\n{WHOLE}")
