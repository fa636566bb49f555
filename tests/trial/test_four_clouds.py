"""``try`` without a server, at the fakes of the four clouds: nothing stays, machines or beside.

With a cluster of the test's, in each way that we render: the taint of the trial is in what the
machine gets, and its Node ends the wait.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from externalgrpc import assembly
from externalgrpc.commands import alone, trialing
from externalgrpc.fleet import state
from externalgrpc.rpc import trial_client
from externalgrpc.support import clock
from tests import serving
from tests.bench import clouds as places
from tests.trial.test_trial import PACE, TAINT, Cluster

RAW = "kubelet --register-with-taints=@@TAINTS@@"


def quick(fake: Any) -> None:
    """Let machines boot and go at once."""
    for name in ("create_s", "boot_s", "delete_s"):
        if hasattr(fake, name):
            setattr(fake, name, 0.1)


def machines(fake: Any) -> dict[Any, Any]:
    names = ("servers", "machines", "droplets", "instances")
    return next(getattr(fake, name) for name in names if hasattr(fake, name))


def configuration(place: places.Place, fake: Any, folder, join: str) -> str:
    (folder / "token").write_text(fake.token)
    (folder / "user-data").write_text(f"#!/bin/sh\n{RAW}\n")
    more = "userDataFile: user-data" if join == "raw" else f"join: {join}"
    more += ", joinOptions: {k3sVersion: v1.36.2+k3s1}" if join == "k3s" else ""
    return (
        f"cluster: test\nkubernetes: {{}}\naccounts:\n"
        f"- {{name: a, provider: {place.provider}, endpoint: '{fake.url}', tokenFile: token,"
        f" options: {{settleS: 1}}}}\nnodes:\n"
        f"- {{name: alpha, account: a, instanceType: {place.machine_type},"
        f" region: {place.location}, image: '{place.image}', maxSize: 2, {more}}}\n"
    )


@pytest.mark.parametrize("place", places.ALL, ids=lambda place: place.provider)
def test_a_trial_leaves_nothing_at_any_cloud(tmp_path, place):
    said: list[str] = []
    with place.start() as fake:
        quick(fake)
        loaded, installed = serving.loaded(
            tmp_path, configuration(place, fake, tmp_path, "kubeadm")
        )
        over = tried(loaded, installed, said)
        assert machines(fake) == {} or all_gone(fake)
    assert over.phase == "over"
    assert list(over.left) == []
    assert [step.name for step in over.steps][-5:] == [
        "node ready",
        "deletion asked for",
        "deletion accepted",
        "machine gone",
        "nothing left",
    ]
    assert len(over.proofs) == 4
    assert any("order accepted" in line for line in said)


@pytest.mark.parametrize("join", ["kubeadm", "k3s", "raw"])
def test_the_machine_gets_the_taint_of_the_trial(tmp_path, join):
    place = places.ALL[0]
    with place.start() as fake:
        quick(fake)
        loaded, installed = serving.loaded(tmp_path, configuration(place, fake, tmp_path, join))
        rendered: list[str] = []
        tried(loaded, installed, [], rendered)
    assert "vps-autoscaler/trial" in rendered[0]


def all_gone(fake: Any) -> bool:
    return not [each for each in machines(fake).values() if not getattr(each, "deleted", False)]


def tried(loaded, installed, said: list[str], rendered: list[str] | None = None):
    """Try the group; its Node comes as soon as its machine runs."""
    cluster = Cluster()

    def watched(cloud, login):
        provider = cloud.open(login)
        create = provider.create

        def keep(order):
            if rendered is not None:
                rendered.append(order.user_data)
            return create(order)

        provider.create = keep
        return provider

    parts = assembly.Parts(
        connect=cluster.connect,
        joining=PACE,
        pace=state.Pace(busy_s=0.1, steady_s=0.3),
        open_provider=watched,
    )
    (group,) = loaded.groups
    with alone.serving(loaded, group, installed, parts) as (channel, where):
        client = trial_client.TrialClient(channel, where)
        stop = threading.Event()
        joins = threading.Thread(target=join, args=(client, cluster, stop), daemon=True)
        joins.start()
        try:
            return trialing.Following(
                client, group.name, said.append, time_source=clock.SystemClock(), late_labels_s=0.0
            ).to_its_end()
        finally:
            stop.set()
            joins.join(5.0)


def join(client, cluster, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        for each in client.show().machines:
            if each.phase == "running" and each.name not in cluster.nodes:
                joins_as(cluster, each)
                return


def joins_as(cluster, shown) -> None:
    from externalgrpc.kube import nodes  # noqa: PLC0415 - one reader

    node = nodes.Node(
        name=shown.name, uid="u", provider_id=shown.provider_id, ready=True, taints=(TAINT,)
    )
    cluster.nodes[node.name] = node
    cluster.listeners.node(None, node)
