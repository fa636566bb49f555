"""What a demonstration on the memory cloud lacks: VPSNodes, pools of apps, kept room, halves.

Each is what the server has of it, run beside the demonstration's, and has a registry of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from externalgrpc.control import metrics, metrics_server
from externalgrpc.headroom import gauges
from externalgrpc.kubero import apps
from providers.memory import datacenter
from tests import serving, test_unfinished
from tests.headroom import stage
from tests.kube import apiserver
from tests.vpsnodes import conftest as vpsnodes

APP_POOLS = """
appPools: {namespaces: [shop], providers: {memory: {regions: [north], instanceTypes: [small]}},
  maxNodesPerApp: 2, maxNodes: 5}
"""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run them; gives where they are scraped."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        server = apiserver.FakeServer()
        server.put(apps.PATH, {"metadata": {"resourceVersion": "1"}, "items": []})
        server.start()
        stack.callback(server.stop)
        cloud = datacenter.Datacenter(datacenter.Options(**vpsnodes.QUICK))
        world = vpsnodes.World(server, folder, cloud)
        plant = stack.enter_context(world.serving(vpsnodes.FILE + APP_POOLS))
        world.put("objects")
        serving.until(lambda: world.status("objects"), 30.0)
        _keeps_room(plant.metrics)
        _finishes(plant.metrics)
        http = metrics_server.MetricsServer("127.0.0.1", 0, plant.metrics, lambda: (True, "ok"))
        http.start()
        stack.callback(http.stop)
        yield f"127.0.0.1:{http.port}"


def _keeps_room(of: metrics.Metrics) -> None:
    """Keep balloons in a group whose one node is busier than its target."""
    kept = stage.Stage(stage.group())
    kept.machines(1)
    kept.pod("app", "g-0", 500)
    kept.cores = 1.9
    kept.rounds(10)
    of.registry.register(gauges.Rooms(lambda: kept.controller.statuses))


def _finishes(of: metrics.Metrics) -> None:
    """Have the next process finish a machine whose create was cut in the middle."""
    halves = test_unfinished.Plant().settled()
    halves.cut(0, for_good=True)
    halves.reconciler.grow("g", 1, cover=True)
    halves.run(0.0)
    halves.cloud.mend()
    halves.start()
    halves.run(200.0)
    assert halves.finishes() == ["ok"]
    for name, labels in halves.counted:
        if name == "finishes":
            of.count(name, labels)
