"""The server starts and answers as its rendered pod says: arguments, files, certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc.rpc import client
from tests import certificates
from tests.chart import helm
from tests.chart.installing import FULL, NAMESPACE, healthy, made_of, pod_of
from tests.e2e import waiting

pytestmark = pytest.mark.helm

POOLS = {
    "cluster": "play",
    "nodes": [
        {
            "name": "web",
            "provider": "memory",
            "instanceType": "small",
            "region": "north",
            "maxSize": 5,
        }
    ],
}


def test_the_server_starts_as_its_pod_says(folder: Path) -> None:
    pod = pod_of(made_of("memory"), folder)
    server = pod.server()
    server.start()
    try:
        server.says("serving")
        waiting.until(
            lambda: healthy(pod.metrics), "the probes' page is well", meanwhile=server.check
        )
        with client.Connection(address=pod.socket).open() as channel:
            (group,) = client.show(channel, pod.socket).groups
        assert group.id == "web"
    finally:
        server.stop()


def test_beside_it_answers_to_the_right_certificate_alone(folder: Path) -> None:
    """Under the name that the Service has, with what a Secret of type tls holds."""
    authority = certificates.Authority(folder, "ca")
    host = f"{FULL}.{NAMESPACE}.svc"
    for stem in "server", "client":
        authority.issue(stem, dns=(host,) if stem == "server" else ("cluster-autoscaler",))
    secret = {
        "ca.crt": authority.path.read_text(),
        "tls.crt": (folder / "server.pem").read_text(),
        "tls.key": (folder / "server.key").read_text(),
    }
    made = made_of(
        {"config": POOLS, "autoscaler": {"enabled": False}, "tls": {"existingSecret": "mine"}}
    )
    pod = pod_of(made, folder, mine=secret)
    server = pod.server()
    server.start()
    try:
        server.says("serving")
        waiting.until(lambda: healthy(pod.metrics), "it is well", meanwhile=server.check)
        known = client.Connection(
            address=pod.port,
            ca=authority.path,
            certificate=folder / "client.pem",
            key=folder / "client.key",
            server_name=host,
        )
        with known.open() as channel:
            assert client.show(channel, pod.port).groups[0].id == "web"
        stranger = client.Connection(address=pod.port, ca=authority.path, server_name=host)
        with stranger.open() as channel, pytest.raises(client.CannotReach):
            client.show(channel, pod.port)
    finally:
        server.stop()


def test_what_it_serves_is_bound_to_where_the_values_say() -> None:
    values: helm.Object = {"config": POOLS, "server": {"bindAddress": "[::]"}}
    (deployment,) = helm.kind(made_of(values), "Deployment")
    assert "--metrics=[::]:9090" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
