"""Our server on the memory cloud with N machines, for the benchmarks: prints its port."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from google.protobuf import duration_pb2

from externalgrpc import assembly, config
from externalgrpc.model import installed_clouds
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import fleet_service, server, service
from externalgrpc.support import clock
from providers import memory
from providers.memory import datacenter

POOLS = 5

DEFAULTS = pb.NodeGroupAutoscalingOptions(
    scaleDownUtilizationThreshold=0.5,
    scaleDownGpuUtilizationThreshold=0.5,
    scaleDownUnneededDuration=duration_pb2.Duration(seconds=600),
    scaleDownUnreadyDuration=duration_pb2.Duration(seconds=1200),
    MaxNodeProvisionDuration=duration_pb2.Duration(seconds=900),
)
"""What CA sends with NodeGroupGetOptions."""


def configuration(machines: int) -> str:
    share = -(-machines // POOLS)
    pools = "\n".join(
        f"- {{name: pool-{number}, provider: memory, instanceType: small, region: north,"
        f" minSize: 0, maxSize: {share + 1000}, labels: {{pool: pool-{number}}}}}"
        for number in range(POOLS)
    )
    return f"cluster: bench\nnodes:\n{pools}\n"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--machines", type=int, required=True)
    arguments.add_argument("--create-latency", type=float, default=0.0)
    arguments.add_argument("--workers-only", action="store_true")
    chosen = arguments.parse_args()
    center = datacenter.Datacenter(
        datacenter.Options(
            requests_per_hour=3_600_000,
            burst=3_600_000,
            create_latency_s=chosen.create_latency,
            list_latency_s=0.0,
        )
    )
    for number in range(chosen.machines):
        group = f"pool-{number % POOLS}"
        name = f"{group}-{number:06d}"
        center.add(name=name, cluster="bench", group=group, node_name=name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pools.yaml")
        path.write_text(configuration(chosen.machines))
        installed = installed_clouds.installed()
        loaded = config.load(path, cluster="", environ={}, clouds=installed)
    parts = assembly.Parts(
        chance=random.Random(1),
        open_provider=lambda _cloud, login: memory.MemoryCloud(login, cloud=center),
    )
    plant = assembly.Assembly(loaded, installed, parts)
    serving = server.Server(
        server.Listening(address="127.0.0.1:0", polling=not chosen.workers_only),
        service.CloudProvider(plant.reconciler, plant.describer),
        fleet_service.Show(plant.reconciler, plant.describer, clock.SystemClock(), version="bench"),
    )
    plant.start()
    if not plant.reconciler.await_first_listings(60.0):
        sys.exit("the first listing did not come")
    serving.start()
    print(serving.address, flush=True)  # noqa: T201 - the parent process reads it
    sys.stdin.read()
    serving.stop(0.5)
    plant.stop(1.0)


if __name__ == "__main__":
    main()
