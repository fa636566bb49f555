"""VPSNodes in bulk: memory and RPCs as with the file, and what they cost the API server.

Run as a program it is our server, on the memory cloud and a small API server in the parent's
process: its groups come from the file or from objects, and some of its machines change for ever.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from externalgrpc import assembly, config
from externalgrpc.kube import identity
from externalgrpc.model import installed_clouds
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import fleet_service, server, service
from externalgrpc.support import clock
from externalgrpc.vpsnodes import objects, pace
from providers import memory
from providers.memory import datacenter
from tests.bench import rig
from tests.kube import apiserver

HEAD = """
cluster: bench
kubernetes: {kubeconfig: kubeconfig}
vpsNodes: {defaults: {memory: {join: image}}}
"""
WATCHED_S = 60.0
"""For so long writes are counted."""

_RPCS = ("NodeGroups", "NodeGroupTargetSize", "NodeGroupNodes", "NodeGroupTemplateNodeInfo")


SHOWN = 10
"""So many objects are made one after the other, each timed until CA is shown it."""


def run(say: Callable[[str], None]) -> None:
    """Compare 200 groups of 2,000 machines; count writes; time objects until they are groups."""
    _compare(say)
    _count(say)
    _time(say)


def _compare(say: Callable[[str], None]) -> None:
    say("\n200 groups, 2,000 machines: from the file, and as VPSNodes (interleaved rounds)")
    with _server(200, 2000, "file") as (file, _), _server(200, 2000, "objects") as (own, kube):
        _until(lambda: _answered(kube) == 200)
        measured = {(rpc, of): rig.Measured() for rpc in _RPCS for of in ("file", "objects")}
        for _ in range(15):
            for rpc in _RPCS:
                for of, process in (("file", file), ("objects", own)):
                    calls = [(process.call(rpc), _request(rpc, n)) for n in range(200)]
                    measured[rpc, of].add(process, calls)
        for rpc in _RPCS:
            one, other = measured[rpc, "file"].median_us, measured[rpc, "objects"].median_us
            say(f"{rpc:<28}{one:>8.0f} us{other:>8.0f} us{other / one:>7.2f}")
        say(f"{'RSS':<28}{file.rss_mib():>8.0f} MiB{own.rss_mib():>7.0f} MiB")


def _count(say: Callable[[str], None]) -> None:
    """Count all that is written: statuses, finalizers, Events; of 100 groups, 1,000 machines."""
    limit = pace.Pace()
    say(f"\n100 VPSNodes, 1,000 machines: writes a minute, of {limit.a_minute:.0f} at most")
    for churn in (0.0, 20.0):
        with _server(100, 1000, "objects", churn=churn) as (_, kube):
            began = time.monotonic()
            _until(lambda: _answered(kube) == 100)
            say(f"all were answered after {time.monotonic() - began:.0f} s")
            # What a start brings about, and the burst that a rest has earned, are over by then.
            time.sleep(2 * WATCHED_S)
            before = _written(kube)
            time.sleep(WATCHED_S)
            writes = (_written(kube) - before) * 60.0 / WATCHED_S
            say(f"machines that come or go a second: {churn:>4.0f}; writes a minute: {writes:.0f}")


def _time(say: Callable[[str], None]) -> None:
    """Time objects from the instant the API server has them until NodeGroups shows them."""
    say(f"\n{SHOWN} VPSNodes, one after the other: from kubectl apply until NodeGroups shows it")
    with _server(0, 0, "objects") as (process, kube):
        groups = process.call("NodeGroups")
        waited = []
        for number in range(SHOWN):
            name = f"pool-{number:03}"
            began = time.monotonic()
            _put(kube, name)
            _until(lambda name=name: name.encode() in groups(b""), every_s=0.005)
            waited.append((time.monotonic() - began) * 1000)
        first, *rest = waited
        say(
            f"the very first: {first:.0f} ms; the others: {statistics.median(rest):.0f} ms, "
            f"at most {max(rest):.0f} ms"
        )


def _written(kube: apiserver.FakeServer) -> int:
    return sum(kube.count(method) for method in ("POST", "PUT", "PATCH", "DELETE"))


def _answered(kube: apiserver.FakeServer) -> int:
    return sum(bool(each.get("status")) for each in kube.items.values())


def _until(condition: Callable[[], bool], within_s: float = 300.0, every_s: float = 0.2) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            raise RuntimeError("it did not come")
        time.sleep(every_s)


def _request(rpc: str, number: int) -> bytes:
    if rpc == "NodeGroups":
        return b""
    return pb.NodeGroupTargetSizeRequest(id=f"pool-{number % 200:03}").SerializeToString()


def _put(kube: apiserver.FakeServer, name: str) -> None:
    spec = {
        "provider": "memory",
        "instanceType": "small",
        "region": "north",
        "autoScale": {"enabled": True, "minNodes": 0, "maxNodes": 100},
        "labels": {"pool": name},
    }
    about = {"name": name, "generation": 1}
    kube.put(f"{objects.PATH}/{name}", {"metadata": about, "spec": spec})


@contextlib.contextmanager
def _server(
    pools: int, machines: int, by: str, *, churn: float = 0.0
) -> Iterator[tuple[rig.Process, apiserver.FakeServer]]:
    kube = apiserver.FakeServer()
    if by == "objects":
        for number in range(pools):
            _put(kube, f"pool-{number:03}")
    kube.start()
    with tempfile.TemporaryDirectory() as folder:
        kube.link(Path(folder))
        try:
            with rig.running(
                "tests.bench.vpsnodes",
                *("--folder", folder, "--by", by, "--churn", str(churn)),
                *("--pools", str(pools), "--machines", str(machines)),
                *("--identity", identity.shortened(kube.uid)),
            ) as process:
                yield process, kube
        finally:
            kube.stop()


def main() -> None:
    """Serve; print the address; end when the input closes."""
    arguments = argparse.ArgumentParser()
    for name, kind in (("pools", int), ("machines", int), ("churn", float)):
        arguments.add_argument(f"--{name}", type=kind, required=True)
    for name in ("folder", "by", "identity"):
        arguments.add_argument(f"--{name}", required=True)
    chosen = arguments.parse_args()
    center = datacenter.Datacenter(
        datacenter.Options(requests_per_hour=3_600_000, burst=3_600_000, list_latency_s=0.0)
    )

    def add(number: int) -> str:
        group = f"pool-{number % chosen.pools:03}"
        name = f"{group}-{number:06d}"
        marks = {"cluster": "bench", "group": group, "identity": chosen.identity}
        return center.add(name=name, node_name=name, **marks)

    ids = [add(number) for number in range(chosen.machines)]
    path = Path(chosen.folder, "pools.yaml")
    text = HEAD
    if chosen.by == "file":
        entries = (
            f"- {{name: pool-{number:03}, provider: memory, instanceType: small, region: north,"
            f" minSize: 0, maxSize: 100, join: image, labels: {{pool: pool-{number:03}}}}}\n"
            for number in range(chosen.pools)
        )
        text += "nodes:\n" + "".join(entries)
    path.write_text(text)
    source = config.Source(
        path=path, cluster="", environ={}, installed=installed_clouds.installed()
    )
    loaded = config.load(path, cluster="", environ={}, clouds=source.installed)
    parts = assembly.Parts(
        chance=random.Random(1),
        open_provider=lambda _cloud, login: memory.MemoryCloud(login, cloud=center),
        source=source,
    )
    logging.disable(logging.CRITICAL)
    plant = assembly.Assembly(loaded, source.installed, parts)
    serving = server.Server(
        server.Listening(address="127.0.0.1:0"),
        service.CloudProvider(plant.reconciler, plant.describer),
        fleet_service.Show(plant.reconciler, plant.describer, clock.SystemClock(), version="bench"),
    )
    plant.start()
    if not plant.reconciler.await_first_listings(60.0):
        sys.exit("the first listing did not come")
    serving.start()
    stop = threading.Event()

    def change() -> None:
        number, chance = chosen.machines, random.Random(3)
        while not stop.wait(1.0 / chosen.churn):
            if chance.random() < 0.5 or not ids:
                ids.append(add(number))
                number += 1
            else:
                center.vanish(ids.pop(chance.randrange(len(ids))))
            plant.reconciler.nudge()

    changing = threading.Thread(target=change, daemon=True)
    if chosen.churn:
        changing.start()
    print(serving.address, flush=True)  # noqa: T201 - the parent process reads it
    sys.stdin.read()
    stop.set()
    serving.stop(0.5)
    plant.stop(1.0)


if __name__ == "__main__":
    main()
