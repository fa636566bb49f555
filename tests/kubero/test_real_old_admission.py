"""Kubernetes before 1.36: two admission plugins place tenants by annotations of their namespace.

They are off by default; this API server is given the flag that docs/kubero.md names.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import waiting
from tests.kubero import cluster
from tests.kubero.cluster import Cluster, example
from tests.kubero.test_real_tenants import SELECTOR, in_force, keys, pod

pytestmark = pytest.mark.e2e

PAGE = (cluster.ROOT / "docs" / "kubero.md").read_text()


@pytest.fixture(scope="module")
def older(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run an API server with the plugins; annotate the namespace shop as the page says."""
    flags = re.findall(r"`(--(?:enable-admission-plugins|runtime-config)=[^`]+)`", PAGE)
    assert len(flags) == 2
    running = Cluster(tools, tmp_path_factory.mktemp("older") / "control", *flags)
    try:
        running.start()
        running.install_crd(str(cluster.CRD))
        for name in "shop", "free":
            running.kubectl("create", "namespace", name)
        (command,) = re.findall(
            r"^ *\$ kubectl ((?:annotate namespace .*\\\n)(?:.*\\\n)*.*)", PAGE, re.M
        )
        running.kubectl(*shlex.split(command.replace("\\\n", " ")))
        waiting.until(lambda: "nodeSelector" in pod(running), "the annotations count")
        yield running
    finally:
        running.stop()


def test_a_pod_that_says_nothing_is_placed(older: Cluster) -> None:
    made = pod(older)
    assert made["nodeSelector"] == {"node-type": "vps"}
    assert keys(made) == ["paas-tier"]


def test_another_namespace_is_left_alone(older: Cluster) -> None:
    made = pod(older, namespace="free")
    assert "nodeSelector" not in made
    assert keys(made) == []


def test_a_pod_keeps_what_it_adds(older: Cluster) -> None:
    own = {"key": "other", "operator": "Exists"}
    made = pod(older, {"nodeSelector": {"disk": "ssd"}, "tolerations": [own]})
    assert made["nodeSelector"] == {"disk": "ssd", "node-type": "vps"}
    assert sorted(keys(made)) == ["other", "paas-tier"]


def test_a_pod_that_contradicts_is_refused(older: Cluster) -> None:
    """Not as with the policies, where the user's own value wins; the page says so."""
    with pytest.raises(AssertionError, match="node label selector conflicts"):
        pod(older, {"nodeSelector": {"node-type": "cloud"}})


def test_the_policies_are_taken_in_their_older_version(older: Cluster) -> None:
    (command,) = re.findall(r"^\$ sed (.*) > tenants.yaml$", PAGE, re.MULTILINE)
    text = subprocess.run(
        ["sed", *shlex.split(command)], cwd=cluster.ROOT, capture_output=True, text=True
    ).stdout
    assert text.count("/v1beta1\n") == text.count("\nkind: ") == 10
    older.apply(example())
    older.kubectl("label", "namespace", "free", f"vps-autoscaler/tenant={cluster.POOL}")
    older.kubectl("apply", "-f", "-", stdin=text)
    try:
        made = waiting.until(
            lambda: (
                in_force(older, lambda: pod(older, namespace="free"))
                and pod(older, namespace="free")
            ),
            "they are in force",
        )
        assert made["nodeSelector"] == SELECTOR
    finally:
        older.kubectl("delete", "-f", "-", stdin=text)
