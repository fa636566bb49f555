"""An account that cannot be opened is reported in a sentence, and breaks nothing else."""

from __future__ import annotations

import contextlib
import logging

import pytest

from externalgrpc import assembly
from externalgrpc.fleet import state
from externalgrpc.model import installed_clouds
from providers import errors, memory
from providers.memory import datacenter
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
    ("error", "value"),
    [
        (ValueError("odd characters in the token"), "account second cannot be opened at memory"),
        (errors.BadCredentials("no token"), "no token"),
    ],
)
def test_a_reload_that_cannot_open_an_account_changes_nothing(tmp_path, error, value):
    made, installed = serving.loaded(tmp_path, BEFORE)
    there = Clouds()
    parts = assembly.Parts(open_provider=there.open, pace=state.Pace(busy_s=0.05, steady_s=0.2))
    plant = assembly.Assembly(made, installed, parts)
    plant.start()
    try:
        assert plant.reconciler.await_first_listings(10.0)
        runtimes = dict(plant.reconciler.runtimes())
        there.broken["second"] = error
        fresh, _ = serving.loaded(tmp_path, AFTER)
        with pytest.raises((installed_clouds.BrokenCloud, errors.CloudError), match=value):
            plant.apply(fresh)
        assert dict(plant.reconciler.runtimes()) == runtimes
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
    with pytest.raises(
        installed_clouds.BrokenCloud, match=r"second .* odd characters in the token"
    ):
        assembly.Assembly(made, installed, assembly.Parts(open_provider=there.open))


@contextlib.contextmanager
def planted(folder, text=BEFORE):
    made, installed = serving.loaded(folder, text)
    there = Clouds()
    opened = []

    def open_provider(cloud, login):
        opened.append(login.account)
        return there.open(cloud, login)

    parts = assembly.Parts(open_provider=open_provider, pace=state.Pace(busy_s=0.05, steady_s=0.2))
    plant = assembly.Assembly(made, installed, parts)
    plant.start()
    try:
        assert plant.reconciler.await_first_listings(10.0)
        yield plant, there, opened
    finally:
        plant.stop(5.0)


WORDS = "foreign: {abcdef0123: gone}, believeVanished: true, maxOrdersPerHour: 7"


def test_the_operators_words_are_taken_and_no_account_is_reopened(tmp_path):
    with planted(tmp_path) as (plant, _, opened):
        lanes = {name: runtime.lane for name, runtime in plant.reconciler.runtimes().items()}
        fresh, _ = serving.loaded(
            tmp_path,
            BEFORE.replace("second, provider: memory", f"second, provider: memory, {WORDS}"),
        )
        plant.apply(fresh)
        account = plant.reconciler.fleet.accounts["second"]
        assert (account.foreign, account.believe_vanished) == ({"abcdef0123": "gone"}, True)
        assert account.max_orders_per_hour == 7
        runtimes = plant.reconciler.runtimes()
        assert runtimes["second"].account == fresh.accounts["second"]
        assert {name: runtime.lane for name, runtime in runtimes.items()} == lanes
        assert opened == ["first", "second"]
        # And they are taken back as easily.
        plant.apply(serving.loaded(tmp_path, BEFORE)[0])
        account = plant.reconciler.fleet.accounts["second"]
        assert (account.foreign, account.believe_vanished) == ({}, False)
        assert opened == ["first", "second"]


@pytest.mark.parametrize(
    "changed", ["budgetShare: 0.4", "options: {quota: 9}", "endpoint: 'https://x'"]
)
def test_what_a_login_depends_on_reopens_it(tmp_path, changed):
    with planted(tmp_path) as (plant, _, opened):
        plant.apply(
            serving.loaded(
                tmp_path,
                BEFORE.replace("second, provider: memory", f"second, provider: memory, {changed}"),
            )[0]
        )
        assert opened == ["first", "second", "second"]


def test_limits_and_surge_are_taken_on_reload(tmp_path):
    with planted(tmp_path) as (plant, _, _opened):
        text = "limits: {givenUpPerGroup: 3}" + BEFORE.replace(
            "maxSize: 5}", "maxSize: 5, surge: 0}"
        )
        plant.apply(serving.loaded(tmp_path, text)[0])
        assert plant.reconciler.fleet.limits.given_up_a_group == 3
        assert plant.reconciler.fleet.groups["alpha"].most_machines == 5


def test_a_reload_that_names_another_cluster_changes_nothing(tmp_path):
    with planted(tmp_path) as (plant, there, opened):
        plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(lambda: len(plant.reconciler.fleet.index.by_provider_id) == 1)
        before = plant.reconciler.fleet.groups
        fresh, _ = serving.loaded(
            tmp_path,
            BEFORE.replace("cluster: test", "cluster: other").replace("maxSize: 5", "maxSize: 9"),
        )
        with pytest.raises(assembly.AnotherCluster, match=r"cluster test, the file says other"):
            plant.apply(fresh)
        assert plant.reconciler.fleet.cluster == "test"
        assert plant.reconciler.fleet.groups == before
        assert opened == ["first", "second"]
        plant.reconciler.grow("beta", 1, cover=False)
        serving.until(lambda: len(there.centre.servers()) == 2)
        assert {server.cluster for server in there.centre.servers()} == {"test"}


def test_a_renamed_group_is_reported_with_its_machines(tmp_path, caplog):
    with planted(tmp_path) as (plant, _, _opened), caplog.at_level(logging.INFO):
        plant.reconciler.grow("alpha", 2, cover=False)
        serving.until(lambda: len(plant.reconciler.fleet.index.by_provider_id) == 2)
        fresh, _ = serving.loaded(
            tmp_path,
            BEFORE.replace("name: alpha", "name: omega").replace("name: beta", "name: other"),
        )
        plant.apply(fresh)
        plant.apply(fresh)
        assert plant.reconciler.fleet.groups["alpha"].departed
    values = [
        (record.levelname, "become orphans" in record.getMessage(), record.fields)
        for record in caplog.records
        if "group departed" in record.getMessage()
    ]
    cure = "put it back with minSize: 0 until it is empty"
    assert values == [
        ("WARNING", True, {"group": "alpha", "machines": 2, "cure": cure}),
        ("INFO", False, {"group": "beta"}),
    ]
