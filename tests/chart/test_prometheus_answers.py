"""A real Prometheus that scrapes a demonstration answers every query of the dashboard."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich import console

from externalgrpc.commands import demo
from externalgrpc.control import metrics_server
from externalgrpc.joining import registrar
from externalgrpc.model import fleet_errors
from externalgrpc.nodes import template
from externalgrpc.rpc import fleet_service, server, service
from externalgrpc.support import clock
from providers import contract, errors
from tests import absent, certificates
from tests import serving as house
from tests.chart import helm, prometheus, rarities, scraper
from tests.chart.test_dashboard import BOARD, TARGETS
from tests.e2e import waiting
from tests.joining.test_registrar import Cluster

pytestmark = [
    pytest.mark.e2e,
    absent.unless(prometheus.find("prometheus"), absent.Need.PROMETHEUS),
]

STAND_IN = " or vector(0)"
"""A zero that stands in for no answer is no answer."""

POOLS = """
cluster: test
kubernetes: {}
nodes:
- {name: web, provider: memory, instanceType: small, region: north, maxSize: 10, join: kubeadm}
- {name: batch, provider: memory, instanceType: medium, regions: [south, east], maxSize: 20,
   join: kubeadm}
- {name: gpu, provider: memory, instanceType: gpu, region: north, maxSize: 3, join: kubeadm}
"""
CHANGED = (
    (
        POOLS.replace("maxSize: 10", "maxSize: 10, maxPricePerHour: 9")
        .replace("maxSize: 20", "maxSize: 20, repair: {notReadyFor: 15m}")
        .replace("maxSize: 3", "maxSize: 3, paused: true")
    )
    + """- {name: far, account: far, instanceType: small, region: north, maxSize: 1, join: kubeadm}
accounts: [{name: far, provider: memory}]
currency: EUR
"""
)
"""The file as it is changed in the end, while the cloud answers nobody."""

STOCK = {"medium/south": 0, "gpu/north": 2}
QUICK = registrar.Pace(sweep_s=0.2, gather_s=0.05, settle_s=0.0)
HASTE = 4.0
"""The demonstration of a minute in a quarter of it."""

REAL = template.Observed(
    cpu_millis=1900, memory_bytes=1_700_000 * 1024, disk_bytes=10**10, pods=110
)


class Hasty(clock.SystemClock):
    """A clock for the stand-in autoscaler and its kubelets."""

    def monotonic(self) -> float:
        return time.monotonic() * HASTE


class Kubelets:
    """Let machines that run ask for a certificate, register, and become ready, one by one."""

    def __init__(self, up: house.Running, cluster: Cluster) -> None:
        self._up = up
        self._cluster = cluster
        self._ticks: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelets", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_of: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            fleet = self._up.plant.reconciler.fleet
            shown = fleet.index.by_name
            for name in self._ticks.keys() & self._cluster.nodes.keys() - shown.keys():
                del self._cluster.nodes[name]
            for name, machine in shown.items():
                runs = machine.state is contract.InstanceState.RUNNING
                if not runs or name not in fleet.minted:
                    continue
                self._ticks[name] = tick = self._ticks.get(name, 0) + 1
                if tick == 2:
                    self._cluster.listeners.asking(name)
                elif tick in (3, 4):
                    self._cluster.join(machine, ready=tick == 4, capacity=REAL, allocatable=REAL)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scraper.Prometheus]:
    """Give the Prometheus that has seen a demonstration, and what went wrong after it."""
    folder = tmp_path_factory.mktemp("scraped")
    cluster = Cluster()
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(
            house.running(
                folder, POOLS, connect=cluster.connect, joining=QUICK, stock=STOCK, boot_time_s=0.8
            )
        )
        up.plant.metrics.watch_certificates(lambda: _second_door(folder, up, stack))
        http = metrics_server.MetricsServer("127.0.0.1", 0, up.plant.metrics, lambda: (True, "ok"))
        http.start()
        stack.callback(http.stop)
        targets = (
            f"127.0.0.1:{http.port}",
            stack.enter_context(rarities.served(folder / "rarities")),
        )
        seen = stack.enter_context(
            scraper.running(folder, targets, helm.CHART / "files" / "alerts.yaml")
        )
        waiting.until(
            lambda: len(seen.over_the_run("up == 1")) == len(targets), "a first scrape of each"
        )
        with Kubelets(up, cluster):
            _forgets(up)
            page = console.Console(file=io.StringIO())
            assert demo.run_demo(
                up.address,
                page,
                time_source=Hasty(),
                sleep=lambda wait_s: time.sleep(wait_s / HASTE),
            )
            _goes_wrong(up, cluster)
            _changes(folder, up)
            yield seen


_doors: dict[Path, server.Server] = {}


def _second_door(folder: Path, up: house.Running, stack: contextlib.ExitStack) -> dict[str, float]:
    """Serve the same by TLS too: the demonstration speaks plain text, and has no certificate."""
    if folder not in _doors:
        certificates.Authority(folder, "ca").issue("server", ips=("127.0.0.1",))
        tls = server.TLS(
            certificate=folder / "server.pem",
            key=folder / "server.key",
            client_ca=folder / "ca.pem",
        )
        plant = up.plant
        _doors[folder] = server.Server(
            server.Listening(address="127.0.0.1:0", tls=tls),
            service.CloudProvider(plant.reconciler, plant.describer),
            fleet_service.Show(
                plant.reconciler, plant.describer, clock.SystemClock(), version="test"
            ),
        )
        stack.callback(_doors[folder].stop, 0.2)
    return _doors[folder].certificate_ends


def _forgets(up: house.Running) -> None:
    """Let an autoscaler start anew and ask again for what is in the air."""
    up.plant.reconciler.grow("web", 1, cover=False)
    up.plant.reconciler.autoscaler_started()
    assert up.plant.reconciler.grow("web", 1, cover=True).covered


def _goes_wrong(up: house.Running, cluster: Cluster) -> None:
    """Show what no good demonstration has."""
    with contextlib.suppress(fleet_errors.OutOfBounds):
        up.plant.reconciler.grow("web", 100, cover=False)
    of = {"cluster": "test", "group": "web", "machine_type": "small", "location": "north"}
    up.cloud.add(name="theirs", node_name="web-theirs", identity="0123456789", **of)
    waiting.until(lambda: up.plant.reconciler.fleet.quarantine, "another's machine is doubted")
    (provider_id,) = up.plant.reconciler.fleet.quarantine
    cluster.join(
        contract.Instance(
            id="1",
            provider_id=provider_id,
            node_name="liar",
            group="web",
            machine_type="small",
            location="north",
            state=contract.InstanceState.RUNNING,
        )
    )


def _changes(folder: Path, up: house.Running) -> None:
    """Cap, pause, repair, and add an account whose cloud does not answer: its group is left out."""
    up.cloud.fail_all(errors.Unreachable, "no answer")
    made, _ = house.loaded(folder, CHANGED)
    up.plant.apply(made)


def _filled(query: str) -> str:
    for name in ("job", "group", "account"):
        query = query.replace(f'=~"${name}"', '=~".*"')
    filled = query.replace("$__rate_interval", scraper.RATE_INTERVAL)
    assert "$" not in filled
    return filled


def test_every_query_has_an_answer(asked: scraper.Prometheus) -> None:
    open_: dict[tuple[str, str], str] = {
        (panel["title"], target["legendFormat"]): _filled(target["expr"].removesuffix(STAND_IN))
        for panel, target in TARGETS
    }
    total = len(open_)

    def all_answered() -> bool:
        for key, query in list(open_.items()):
            if asked.over_the_run(query):
                del open_[key]
        return not open_

    with contextlib.suppress(waiting.NotInTimeError):
        waiting.until(all_answered, "all queries answered", within_s=30)
    assert not open_
    print(f"{total - len(open_)} of {total} queries answered")  # noqa: T201 - for -s


@pytest.mark.parametrize("variable", BOARD["templating"]["list"][1:], ids=lambda it: it["name"])
def test_every_variable_has_values(asked: scraper.Prometheus, variable: dict[str, Any]) -> None:
    series, label = variable["definition"].removeprefix("label_values(")[:-1].rsplit(", ", 1)
    values = asked.ask(f"label/{label}/values", **{"match[]": _filled(series)})
    assert (
        values
        == {
            "job": ["vps-autoscaler"],
            "group": ["batch", "far", "gpu", "objects", "web"],
            "account": ["far", "memory"],
        }[variable["name"]]
    )


def test_figures_are_those_of_the_demonstration(asked: scraper.Prometheus) -> None:
    """What the script asked for: two, three and three machines, of which one is not to be had."""

    def most(query: str) -> dict[str, float]:
        return {
            each["metric"].get("group", ""): max(float(value) for _, value in each["values"])
            for each in asked.over_the_run(_filled(query))
        }

    running = 'max by (group) (vps_autoscaler_machines{phase="running"})'
    found = most(running)
    assert (found["batch"], found["gpu"]) == (3.0, 2.0)
    assert found["web"] >= 2.0
    failed = most('max by (group) (vps_autoscaler_launches_failed_total{code="OutOfStock"})')
    assert failed["gpu"] >= 1.0
    assert failed["web"] == failed["batch"] == 0.0
    price = most("max by (group) (vps_autoscaler_group_price_per_hour)")
    cost = most("max by (group) (vps_autoscaler_cost_per_hour)")
    assert cost["gpu"] == pytest.approx(2 * price["gpu"])
    ready = most("max by (group) (vps_autoscaler_time_to_ready_seconds_count)")
    assert all(ready[group] >= 1.0 for group in ("web", "batch", "gpu"))


def test_every_alert_is_reckoned_and_none_fires_without_a_reason(
    asked: scraper.Prometheus,
) -> None:
    def active_ones() -> set[str]:
        (group,) = asked.ask("rules")["groups"]
        assert "err" not in {each["health"] for each in group["rules"]}, group
        if any(each["health"] != "ok" for each in group["rules"]):
            return set()
        return {each["name"] for each in group["rules"] if each["state"] != "inactive"}

    def expected() -> set[str]:
        active = active_ones()
        return active if went_wrong <= active else set()

    went_wrong = {
        "VpsAutoscalerQuarantine",
        "VpsAutoscalerGroupLeftOut",
        "VpsAutoscalerCloudNotListed",
    }
    active = waiting.until(expected, "every rule reckoned, and those raised", within_s=30)
    assert active <= {
        *went_wrong,
        "VpsAutoscalerNothingOrdered",
        "VpsAutoscalerCertificateEnds",
        "VpsAutoscalerSecondServer",
        "VpsAutoscalerLaunchesFailing",
    }
