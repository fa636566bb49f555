"""The annotation that pauses everything, on a real API server, as our account and by kubectl."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from externalgrpc.kube import cluster, pause, refusals
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

OURS = ("-n", planes.NAMESPACE)
ROLE = "vps-autoscaler-pause"


@pytest.fixture
def ours(plane: planes.Plane) -> Iterator[cluster.Cluster]:
    made = cluster.Cluster(
        plane.link(),
        cluster.Settings(name="prod", instance="test"),
        cluster.Listeners(),
        time_source=clock.SystemClock(),
        chance=random.Random(1),
    )
    yield made
    made.api.close()


def test_what_the_documentation_says_pauses_and_ends_it(
    plane: planes.Plane, ours: cluster.Cluster
) -> None:
    assert ours.paused() == "", "it need not be there"
    name = "configmap/vps-autoscaler"
    plane.kubectl(*OURS, "create", "configmap", "vps-autoscaler")
    try:
        assert ours.paused() == ""
        plane.kubectl(*OURS, "annotate", name, f"{pause.ANNOTATION}=audit until Monday")
        where = f"{planes.NAMESPACE}/vps-autoscaler"
        wanted = f"annotation {pause.ANNOTATION}: audit until Monday of ConfigMap {where}"
        assert ours.paused() == wanted
        plane.kubectl(*OURS, "annotate", name, f"{pause.ANNOTATION}-")
        assert ours.paused() == ""
    finally:
        plane.kubectl(*OURS, "delete", name)


def test_without_the_right_nothing_is_paused_there(plane: planes.Plane) -> None:
    of = plane.link().api
    where = {"namespace": planes.NAMESPACE, "name": "vps-autoscaler"}
    assert pause.read(of, **where) == pause.Known("")
    plane.kubectl(*OURS, "delete", "rolebinding", ROLE)
    try:
        answer = waiting.until(
            lambda: (
                said if isinstance(said := pause.read(of, **where), refusals.Withheld) else None
            ),
            "the right is gone",
        )
        assert 'cannot get resource "configmaps"' in answer.why
    finally:
        plane.kubectl("apply", "-f", str(planes.ROOT / "deploy" / "rbac.yaml"))
    waiting.until(
        lambda: pause.read(of, **where) == pause.Known(""), "it is asked again, and may be read"
    )
