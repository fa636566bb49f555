"""Start a whole server in this process on the memory cloud, for the tests."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from externalgrpc import assembly, config
from externalgrpc.fleet import state
from externalgrpc.model import installed_clouds
from externalgrpc.pb import externalgrpc_pb2_grpc, fleet_pb2
from externalgrpc.rpc import client, fleet_service, limits, server, service
from externalgrpc.support import clock
from providers import memory
from providers.memory import datacenter

TWO_POOLS = """
cluster: test
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, minSize: 0, maxSize: 5}
- {name: beta, provider: memory, instanceType: medium, regions: [south, east], minSize: 1,
   maxSize: 9, labels: {tier: batch}, taints: [{key: tier, value: batch, effect: NoSchedule}]}
"""


@dataclasses.dataclass
class Running:
    plant: assembly.Assembly
    cloud: datacenter.Datacenter
    server: server.Server
    address: str
    channel: grpc.Channel

    def show(self) -> fleet_pb2.ShowResponse:
        return client.show(self.channel, self.address)

    @property
    def stub(self) -> externalgrpc_pb2_grpc.CloudProviderStub:
        return externalgrpc_pb2_grpc.CloudProviderStub(self.channel)


def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Await a condition; fail when it does not come."""
    pause = threading.Event()
    source = clock.SystemClock()
    deadline = source.monotonic() + timeout_s
    while not condition():
        assert source.monotonic() < deadline, "the condition did not come in time"
        pause.wait(0.02)


def loaded(folder: Path, text: str) -> tuple:
    path = folder / "pools.yaml"
    path.write_text(text)
    installed = installed_clouds.installed()
    return config.load(path, cluster="", environ={}, clouds=installed), installed


@contextlib.contextmanager
def running(
    folder: Path,
    text: str = TWO_POOLS,
    *,
    listening: server.Listening | None = None,
    open_channel: Callable[[str], grpc.Channel] = grpc.insecure_channel,
    connect: Callable[..., object] | None = None,
    joining: object = None,
    bounds: limits.Limits | None = None,
    polls: bool = True,
    dry_run: bool = False,
    **options: object,
) -> Iterator[Running]:
    """Run a server whose cloud answers at once; ``options`` are the data centre's."""
    quick = {
        "boot_time_s": 0.2,
        "requests_per_hour": 3_600_000,
        "burst": 3_600_000,
        "create_latency_s": 0.0,
        "list_latency_s": 0.0,
        "delete_latency_s": 0.0,
        "delete_time_s": 0.1,
    }
    cloud = datacenter.Datacenter(datacenter.Options(**{**quick, **options}))
    made, installed = loaded(folder, text)
    parts = assembly.Parts(
        chance=random.Random(7),
        pace=state.Pace(busy_s=0.05, steady_s=0.2),
        open_provider=lambda _cloud, login: memory.MemoryCloud(login, cloud=cloud),
        connect=connect,
        joining=joining,
        dry_run=dry_run,
    )
    plant = assembly.Assembly(made, installed, parts)
    serving = server.Server(
        listening or server.Listening(address="127.0.0.1:0"),
        service.CloudProvider(plant.reconciler, plant.describer),
        fleet_service.Show(
            plant.reconciler,
            plant.describer,
            clock.SystemClock(),
            version="test",
            rooms=plant.rooms,
            trial=plant.trials,
        ),
        limits=bounds or limits.Limits(),
    )
    plant.start()
    assert plant.reconciler.await_first_listings(10.0)
    serving.start()
    until(lambda: serving.polls or not serving.may_poll or not polls)
    try:
        with open_channel(serving.address) as channel:
            yield Running(plant, cloud, serving, serving.address, channel)
    finally:
        serving.stop(0.2)
        plant.stop(5.0)
