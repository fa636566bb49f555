from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from externalgrpc import serving
from externalgrpc.control import metrics_server
from externalgrpc.support import clock
from tests import serving as house


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


@pytest.fixture
def up(tmp_path):
    with house.running(tmp_path) as running:
        http = metrics_server.MetricsServer(
            "127.0.0.1",
            0,
            running.plant.metrics,
            lambda: serving.health(running.plant, running.server, clock.SystemClock()),
        )
        http.start()
        yield running, http.port
        http.stop()


def test_groups_accounts_and_requests_are_reported(up):
    running, port = up
    running.cloud.sell_out("medium", "south")
    running.plant.reconciler.grow("beta", 2, cover=False)
    house.until(lambda: len(running.cloud.servers()) == 2)
    house.until(lambda: 'phase="running"} 2.0' in fetch(port, "/metrics")[1])
    text = fetch(port, "/metrics")[1]
    assert 'vps_autoscaler_group_size{group="beta",which="target"} 2.0' in text
    assert 'vps_autoscaler_group_served{group="alpha"} 1.0' in text
    assert 'outcome="OutOfStock"' in text
    assert 'vps_autoscaler_listing_age_seconds{account="memory"}' in text
    assert 'operation="instances",outcome="ok"' in text
    assert "process_resident_memory_bytes" in text


def test_health_is_reported_and_other_paths_are_not(up):
    _, port = up
    assert fetch(port, "/healthz") == (200, "ok\n")
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(port, "/admin")
    assert caught.value.code == 404


def test_a_heart_that_stopped_is_unhealthy(tmp_path):
    class Late:
        def monotonic(self):
            return clock.SystemClock().monotonic() + 1000

        unix = monotonic

    with house.running(tmp_path) as running:
        good, text = serving.health(running.plant, running.server, Late())
        assert not good
        assert "heartbeat" in text


def test_pauses_and_what_is_spent_are_gauged(up, tmp_path):
    running, port = up
    assert "vps_autoscaler_paused{" not in fetch(port, "/metrics")[1]
    text = house.TWO_POOLS.replace(
        "nodes:", "currency: EUR\nmaxPricePerHour: 3\npaused: true\nnodes:"
    )
    text = text.replace("name: beta,", "name: beta, paused: true, maxPricePerMonth: 365,")
    running.plant.apply(house.loaded(tmp_path, text)[0])
    text = fetch(port, "/metrics")[1]
    assert 'vps_autoscaler_paused{name="",scope="all"} 1.0' in text
    assert 'vps_autoscaler_paused{name="beta",scope="group"} 1.0' in text
    assert 'vps_autoscaler_not_now{account="memory",code="Paused"} 1.0' in text
    assert 'vps_autoscaler_spend_cap_per_hour{name="",scope="all"} 3.0' in text
    assert 'vps_autoscaler_spend_cap_per_hour{name="beta",scope="group"} 0.5' in text
    assert 'vps_autoscaler_spend_per_hour{name="beta",scope="group"} 0.0' in text
