"""docs/the-seed.md is true: every YAML block of the seed, unmodified, on a real API server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests import absent
from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import Cluster
from tests.kubero.test_manifests import printed

DOCS = cluster.ROOT / "docs"
PAGE = (DOCS / "the-seed.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w.-]+\.yaml)` \| (.*?) \| ", PAGE, re.MULTILINE))
INSTEAD = {
    name: yaml.safe_load(block)
    for name, block in re.findall(r"^### `([\w.-]+)`\n.*?^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    if name != "11-deployment.yaml"
}


def test_every_block_has_its_row() -> None:
    if not cluster.SEED.exists():
        absent.skip(absent.Need.SHARED)
    blocks = {each.name for each in cluster.SEED.iterdir() if each.suffix in {".yaml", ".go"}}
    assert set(ROWS) == {each for each in blocks if each.endswith(".yaml")}
    go = re.findall(r"^\| `([\w.-]+\.go)` \|", PAGE, re.MULTILINE)
    assert sorted([*ROWS, *go]) == sorted(blocks)


def test_a_row_says_yes_or_the_refusal() -> None:
    assert all(re.fullmatch(r"yes|no: `.+`", said) for said in ROWS.values())
    assert set(INSTEAD) < set(ROWS)
    assert len(INSTEAD) == 3


@pytest.fixture(scope="module")
def ready(plane: Cluster) -> Cluster:
    """Have both CRDs and the policies; the seed's own CRD was there before."""
    plane.install_crd(cluster.shared(cluster.SEED / "05-vpsnode.kubero.dev.yaml"))
    plane.install_crd(str(cluster.CRD))
    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    waiting.until(lambda: plane.run("get", "vps").returncode == 0, "our CRD is served")
    plane.kubectl("apply", "-f", "-", stdin=printed())
    return plane


@pytest.mark.e2e
@pytest.mark.parametrize("name", ROWS)
def test_a_block_is_applied_as_the_page_says(ready: Cluster, name: str) -> None:
    path = cluster.shared(cluster.SEED / name)
    # What the first one says would take the place of ours.
    tried = ("--dry-run=server",) if name.startswith("05-") else ()
    done = ready.run("apply", "-f", path, *tried)
    said = ROWS[name]
    assert (done.returncode == 0) is (said == "yes"), done.stderr
    if said != "yes":
        assert said.removeprefix("no: ").strip("`") in done.stderr
    elif not tried:
        whole = yaml.safe_load(Path(path).read_text())
        kind, about = whole["kind"], whole["metadata"]
        there = ready.get(kind, about["name"], f"-n={about.get('namespace', 'default')}")
        part = "spec" if "spec" in whole else "data"
        assert there[part] == whole[part], "nothing of it is lost"


@pytest.mark.e2e
@pytest.mark.parametrize("name", INSTEAD)
def test_what_to_write_instead_is_applied(ready: Cluster, name: str) -> None:
    ready.apply(INSTEAD[name], more=("--dry-run=server",))


@pytest.mark.e2e
@pytest.mark.parametrize("page", ["kubero.md", "vpsnode.md"])
def test_objects_of_the_pages_are_applied(ready: Cluster, page: str) -> None:
    found = re.findall(r"^ *```yaml\n(.*?)^ *```", (DOCS / page).read_text(), re.M | re.S)
    objects = [each for block in found if "apiVersion" in (each := yaml.safe_load(block))]
    assert objects
    for each in objects:
        ready.apply(each, more=("--dry-run=server",))
