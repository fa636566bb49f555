"""An account that cannot be opened is told in a sentence, and takes nothing else with it."""

from __future__ import annotations

import pytest

from externalgrpc import assembly, clouds
from externalgrpc.fleet import state
from providers import datacenter, errors, memory
from tests import serving

BEFORE = """
cluster: test
accounts:
- {name: first, provider: memory, budgetShare: 0.5}
- {name: second, provider: memory}
nodes:
- {name: alpha, account: first, instanceType: small, region: north, maxSize: 5}
- {name: beta, account: second, instanceType: small, region: north, maxSize: 5}
"""
AFTER = BEFORE.replace("0.5", "0.7").replace(
    "second, provider: memory", "second, provider: memory, budgetShare: 0.3"
)


class Clouds:
    """Open accounts on one data centre, but for those that the test breaks."""

    def __init__(self) -> None:
        quick = datacenter.Options(boot_time_s=0.1, create_latency_s=0.0, list_latency_s=0.0)
        self.centre = datacenter.Datacenter(quick)
        self.broken: dict[str, Exception] = {}

    def open(self, _cloud, login):
        if login.account in self.broken:
            raise self.broken[login.account]
        return memory.MemoryCloud(login, cloud=self.centre)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("odd characters in the token"), "account second cannot be opened at memory"),
        (errors.BadCredentials("no token"), "no token"),
    ],
)
def test_a_reload_that_cannot_open_an_account_changes_nothing(tmp_path, error, told):
    made, installed = serving.loaded(tmp_path, BEFORE)
    there = Clouds()
    parts = assembly.Parts(open_provider=there.open, pace=state.Pace(busy_s=0.05, steady_s=0.2))
    plant = assembly.Assembly(made, installed, parts)
    plant.start()
    try:
        assert plant.reconciler.await_first_listings(10.0)
        seats = dict(plant.reconciler.seats())
        there.broken["second"] = error
        fresh, _ = serving.loaded(tmp_path, AFTER)
        with pytest.raises((clouds.BrokenCloud, errors.CloudError), match=told):
            plant.apply(fresh)
        assert dict(plant.reconciler.seats()) == seats
        plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(there.centre.servers)
        there.broken.clear()
        plant.apply(fresh)
        plant.reconciler.grow("beta", 1, cover=False)
        serving.until(lambda: len(there.centre.servers()) == 2)
    finally:
        plant.stop(5.0)


def test_a_start_that_cannot_open_an_account_says_which(tmp_path):
    made, installed = serving.loaded(tmp_path, BEFORE)
    there = Clouds()
    there.broken["second"] = ValueError("odd characters in the token")
    with pytest.raises(clouds.BrokenCloud, match=r"second .* odd characters in the token"):
        assembly.Assembly(made, installed, assembly.Parts(open_provider=there.open))
