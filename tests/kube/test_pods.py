"""What is read of bound pods: requests as the scheduler adds them up, and whose they are."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.kube import pods
from externalgrpc.nodes import pods as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import apiserver

QUANTITIES = st.sampled_from(["100m", "1", "1.5", "250m", "64Mi", "1Gi", "nonsense", "-1"])
CONTAINERS = st.fixed_dictionaries(
    {},
    optional={
        "cpu": QUANTITIES,
        "memory": QUANTITIES,
        "always": st.just("Always"),
    },
)


def container(of: dict[str, str]) -> dict[str, Any]:
    requests = {key: of[key] for key in ("cpu", "memory") if key in of}
    made: dict[str, Any] = {"name": "c", "resources": {"requests": requests}}
    return {**made, "restartPolicy": "Always"} if "always" in of else made


def message(of: dict[str, Any]) -> core.Container:
    made = core.Container(restartPolicy=of.get("restartPolicy", ""))
    for name, text in of["resources"]["requests"].items():
        made.resources.requests[name].string = text
    return made


@given(
    main=st.lists(CONTAINERS, max_size=3),
    before=st.lists(CONTAINERS, max_size=4),
    overhead=st.dictionaries(st.sampled_from(["cpu", "memory"]), QUANTITIES),
)
def test_json_is_added_up_as_the_autoscalers_bytes_are(
    main: list[dict[str, str]], before: list[dict[str, str]], overhead: dict[str, str]
) -> None:
    spec = {
        "containers": [container(each) for each in main],
        "initContainers": [container(each) for each in before],
        "overhead": overhead,
    }
    pod = core.Pod()
    pod.spec.containers.extend(message(each) for each in spec["containers"])
    pod.spec.initContainers.extend(message(each) for each in spec["initContainers"])
    for name, text in overhead.items():
        pod.spec.overhead[name].string = text
    assert pods.requests(spec) == wire.requests(pod)


def pod(**more: Any) -> dict[str, Any]:
    about = {"name": "a", "namespace": "n", "uid": "u", **more.pop("metadata", {})}
    spec = {"nodeName": "node", "containers": [container({"cpu": "1", "memory": "1Ki"})], **more}
    return {"metadata": about, "spec": spec}


def test_a_pod_is_known_by_both_its_names() -> None:
    found = pods.read(pod())
    assert found == pods.Pod(name="n/a", uid="u", node="node", cpu_millis=1000, memory_bytes=1024)


def test_what_a_pod_says_for_all_its_containers_counts() -> None:
    found = pods.read(pod(resources={"requests": {"cpu": "3"}}))
    assert found is not None
    assert (found.cpu_millis, found.memory_bytes) == (3000, 1024)


def test_daemons_and_balloons_are_told_apart() -> None:
    daemon = pods.read(pod(metadata={"ownerReferences": [{"kind": "DaemonSet"}]}))
    balloon = pods.read(pod(metadata={"labels": {pods.BALLOON: "web"}}))
    assert daemon is not None
    assert balloon is not None
    assert (daemon.daemon, daemon.balloon) == (True, False)
    assert (balloon.daemon, balloon.balloon) == (False, True)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": None, "spec": None},
        {"metadata": {"name": "a"}, "spec": {"nodeName": 3}},
        {"metadata": {"name": "a"}, "spec": {}},
    ],
)
def test_what_has_no_node_is_left_out(odd: dict[str, Any]) -> None:
    assert pods.read(odd) is None


def test_odd_parts_count_as_nothing() -> None:
    found = pods.read(pod(containers=[None, {"resources": 7}, {"resources": {"requests": []}}]))
    assert found is not None
    assert found.cpu_millis == 0


def test_pods_of_one_name_in_two_namespaces_are_two(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    """The fake lists by path: the two lie beside each other under the kind's own."""
    followed = pods.Pods(
        server.api(tmp_path), time_source=clock.SystemClock(), chance=random.Random(1)
    )
    for namespace in ("a", "b"):
        made = pod(metadata={"name": "same", "namespace": namespace, "uid": namespace})
        server.put(f"{pods.PATH}/{namespace}-same", made)
    followed.start()
    try:
        waiting.until(lambda: set(followed.listing.items) == {"a/same", "b/same"}, "both are known")
        server.put(f"{pods.PATH}/a-same", None)
        waiting.until(lambda: set(followed.listing.items) == {"b/same"}, "one of them is gone")
    finally:
        followed.stop()
