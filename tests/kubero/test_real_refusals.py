"""What the real API server refuses says where, why, and what to write instead.

Rules of ours have sentences of ours; bounds of the schema have the API server's, which must name
what is allowed: that is why no field of a spec has a regular expression for its only word.
"""

from __future__ import annotations

import pytest

from tests.e2e import waiting
from tests.kubero import cluster, refusals
from tests.kubero.cluster import Cluster, Object, example
from tests.kubero.refusals import Said

pytestmark = pytest.mark.e2e

BOUNDS = {name: (what, said) for name, what, said in refusals.bounds()}
EVERY = {**refusals.RULES, **BOUNDS}


@pytest.fixture(scope="module")
def served(plane: Cluster) -> Cluster:
    plane.install_crd(str(cluster.CRD))
    return plane


@pytest.mark.parametrize("what", EVERY)
def test_a_refusal_says_where_why_and_what_instead(served: Cluster, what: str) -> None:
    wrong, said = EVERY[what]
    message = served.refusal(wrong)
    assert said.of(message) == [], message


def test_so_does_that_of_a_change(served: Cluster) -> None:
    served.apply(example())
    try:
        message = served.refusal(example(provider="vultr"))
        assert refusals.MOVED.of(message) == [], message
    finally:
        served.kubectl("delete", "vpsnode", cluster.POOL)


def test_a_field_that_there_is_not_is_named(served: Cluster) -> None:
    """What is there instead says kubectl explain, as docs/vpsnode.md shows."""
    wrong: Object = example(autoScale={"targetCpu": 7})
    said = Said(field="spec.autoScale.targetCpu", wrong="unknown field", cure="VPSNode")
    message = served.refusal(wrong)
    assert said.of(message) == [], message
    assert "targetCPU" in served.kubectl("explain", "vpsnode.spec.autoScale")


def test_policies_without_the_kind_that_they_read_name_it(plane: Cluster, served: Cluster) -> None:
    """The one refusal of the admission policies; docs/kubero.md has its cure in a table."""
    del served
    from tests.kubero.test_manifests import printed  # noqa: PLC0415 - it needs no server
    from tests.kubero.test_real_tenants import app, path_of  # noqa: PLC0415 - as above

    plane.install_crd(cluster.shared(cluster.KUBEROAPPS))
    plane.kubectl("delete", "crd", "vpsnodes.kubero.dev")
    plane.kubectl("create", "namespace", "shop")
    plane.kubectl("label", "namespace", "shop", "vps-autoscaler/tenant=true")
    plane.kubectl("apply", "-f", "-", stdin=printed())
    said = Said(field="VPSNode", wrong="failed to find resource", cure="paramKind")

    def lacks() -> list[str]:
        with plane.client() as api:
            return said.of(api.post(path_of(), params={"dryRun": "All"}, json=app({})).text)

    waiting.until(lambda: lacks() == [], "apps are refused", within_s=60)
    (row,) = (
        line
        for line in (cluster.ROOT / "docs" / "kubero.md").read_text().splitlines()
        if "failed to find resource referenced by paramKind" in line
    )
    assert "Apply it" in row
