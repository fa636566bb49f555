from __future__ import annotations

import collections
import dataclasses
import logging
import random
import sys
import threading
from collections.abc import Callable

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.control import account_runtime, audit_log, cloud_calls, reconciler
from externalgrpc.fleet import requests, state, view
from externalgrpc.model import fleet_errors, groups, ordering
from providers import contract, errors, memory
from providers.memory import datacenter
from tests.fleet import scene

GROUP = scene.group("g", "a", candidates=(scene.NORTH, scene.SOUTH), max_size=6)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return self.now


class SteppedLane:
    """A lane that runs a job when a test says so."""

    def __init__(self) -> None:
        self.waiting: collections.deque[tuple[str, Callable, Callable]] = collections.deque()
        self.closed: list[float] = []
        self.ends = True

        self.costs: list[tuple[str, int]] = []

    def read(self, operation, job, done, cost=1):
        self.costs.append((operation, cost))
        self.waiting.append((operation, job, done))

    def write(self, operation, job, done, cost=1):
        self.costs.append((operation, cost))
        self.waiting.append((operation, job, done))

    def close(self, timeout_s: float) -> bool:
        self.closed.append(timeout_s)
        return self.ends

    def step(self) -> str:
        operation, job, done = self.waiting.popleft()
        try:
            answer = job()
        except errors.CloudError as error:
            answer = error
        done(answer)
        return operation


class Plant:
    """A reconciler over the memory cloud whose requests run one by one."""

    def __init__(self, *node_groups: groups.NodeGroup) -> None:
        self.clock = Clock()
        settings = datacenter.Options(
            create_latency_s=0, list_latency_s=0, delete_latency_s=0, boot_time_s=20.0
        )
        self.cloud = datacenter.Datacenter(
            settings, clock=self.clock.unix, sleep=lambda _seconds: None
        )
        login = contract.Login(account="a", cluster="c", token="")
        self.provider = memory.MemoryCloud(login, cloud=self.cloud)
        self.lane = SteppedLane()
        self.woken = 0
        self.preparing = self.plain
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.reconciler = reconciler.Reconciler(
            time_source=self.clock,
            chance=random.Random(1),
            prepare=self.prepare,
            wake=self.wake,
            count=lambda name, labels: self.counted.append((name, dict(labels))),
        )
        self.runtime = account_runtime.AccountRuntime(
            account=groups.Account(name="a", provider="memory"),
            provider=self.provider,
            lane=self.lane,
        )
        self.reconciler.configure(node_groups or (GROUP,), {"a": self.runtime}, {})

    def prepare(self, request: requests.Create) -> contract.Order:
        return self.preparing(request)

    def plain(self, request: requests.Create) -> contract.Order:
        return ordering.order_for(
            request.group,
            cluster="c",
            node_name=request.name,
            machine_type=request.machine_type,
            location=request.candidate.location,
            user_data="",
        )

    def wake(self) -> None:
        self.woken += 1

    def run(self, seconds: float = 0.0) -> list[str]:
        """Let time pass, and everything that is due be done; return the operations."""
        done: list[str] = []
        until = self.clock.now + seconds
        while True:
            self.reconciler.pump()
            while self.lane.waiting:
                done.append(self.lane.step())
                self.reconciler.pump()
            if self.clock.now >= until:
                return done
            self.clock.now += min(1.0, until - self.clock.now)

    def settled(self) -> Plant:
        self.run(50.0)
        return self

    @property
    def names(self) -> list[str]:
        return [member.name for member in view.members(self.reconciler.fleet, "g")]


@pytest.fixture
def plant():
    return Plant().settled()


class TestGrow:
    def test_it_answers_before_a_cloud_is_asked(self, plant):
        grown = plant.reconciler.grow("g", 2, cover=True)
        assert not plant.lane.waiting
        assert plant.names == list(grown.ordered)
        assert not plant.cloud.servers()

    def test_the_machines_are_made_and_become_members_by_their_ids(self, plant):
        grown = plant.reconciler.grow("g", 2, cover=True)
        plant.run(40.0)
        made = {server.node_name: server.id for server in plant.cloud.servers()}
        assert set(made) == set(grown.ordered)
        members = view.members(plant.reconciler.fleet, "g")
        assert {member.provider_id for member in members} == {
            f"memory://{server_id}" for server_id in made.values()
        }
        assert {member.showing for member in members} == {view.Showing.RUNNING}

    def test_it_wakes_whoever_pumps(self, plant):
        before = plant.woken
        plant.reconciler.grow("g", 1, cover=True)
        assert plant.woken == before + 1

    def test_a_refusal_changes_nothing(self, plant):
        before = plant.reconciler.fleet
        with pytest.raises(fleet_errors.OutOfBounds):
            plant.reconciler.grow("g", 7, cover=True)
        assert plant.reconciler.fleet is before

    def test_orders_are_counted_by_outcome(self, plant):
        plant.cloud.fail_next(errors.OutOfStock, "none", operation="create")
        plant.reconciler.grow("g", 1, cover=True)
        plant.run()
        orders = [labels for name, labels in plant.counted if name == "orders"]
        assert orders == [
            {"group": "g", "outcome": "OutOfStock"},
            {"group": "g", "outcome": "ok"},
        ]

    def test_failures_are_counted_once_and_reported(self, plant, caplog):
        plant.cloud.fail_next(errors.BadOrder, "no such image", operation="create")
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            plant.reconciler.grow("g", 1, cover=True)
            plant.run(20.0)
        failed = [labels for name, labels in plant.counted if name == "launches_failed"]
        assert failed == [{"group": "g", "code": "BadOrder"}]
        values = [each for each in caplog.records if each.getMessage() == "launch failed"]
        assert len(values) == 1
        assert values[0].fields["reason"] == "no such image"

    def test_a_covered_growth_is_reported_and_counted(self, plant, caplog):
        plant.reconciler.grow("g", 2, cover=True)
        plant.reconciler.autoscaler_started()
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            grown = plant.reconciler.grow("g", 2, cover=True)
        assert len(grown.covered) == 2
        assert ("growth_covered", {"group": "g"}) in plant.counted
        assert "growth covered" in caplog.text

    def test_a_mistake_in_preparing_an_order_is_an_answer(self, plant):
        def prepare(_request: requests.Create) -> contract.Order:
            raise errors.BadOrder("user-data is too large")

        plant.preparing = prepare
        plant.reconciler.grow("g", 1, cover=True)
        plant.run()
        (member,) = view.members(plant.reconciler.fleet, "g")
        assert member.failure.message == "user-data is too large"


class TestRetire:
    def test_a_machine_goes_at_once_for_ca_and_soon_in_the_cloud(self, plant):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(40.0)
        (member,) = view.members(plant.reconciler.fleet, "g")
        node = fleets.NodeRef(provider_id=member.provider_id, name=member.name)
        assert plant.reconciler.retire("g", [node]) == (member.name,)
        assert plant.names == []
        plant.run(30.0)
        assert not plant.cloud.servers()
        assert not plant.reconciler.fleet.retired
        outcomes = [labels["outcome"] for name, labels in plant.counted if name == "deletions"]
        assert outcomes == ["none"]

    def test_a_deletion_that_waited_while_the_machine_became_a_node_is_not_sent(self, plant):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(40.0)
        (member,) = view.members(plant.reconciler.fleet, "g")
        unseen = fleets.NodeRef(provider_id=member.provider_id, name=member.name, fake=True)
        plant.reconciler.retire("g", [unseen])
        plant.reconciler.pump()
        assert "delete" in [operation for operation, _, _ in plant.lane.waiting]
        plant.reconciler.registered({member.provider_id: member.name})
        plant.run(60.0)
        assert len(plant.cloud.servers()) == 1
        assert plant.names == [member.name]

    def test_a_lost_reply_to_a_delete_is_repeated(self, plant):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(40.0)
        (member,) = view.members(plant.reconciler.fleet, "g")
        plant.cloud.lose_next_reply(datacenter.Lost.BEFORE, operation="delete")
        plant.reconciler.retire(
            "g", [fleets.NodeRef(provider_id=member.provider_id, name=member.name)]
        )
        plant.run(40.0)
        assert not plant.cloud.servers()


class TestShrink:
    def test_only_what_was_not_sent(self, plant, caplog):
        plant.reconciler.grow("g", 3, cover=True)
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            assert len(plant.reconciler.shrink("g", -1)) == 1
            plant.reconciler.pump()
            assert plant.reconciler.shrink("g", -2) == ()
        assert "target not lowered" in caplog.text


class TestListing:
    def test_a_listing_began_when_its_job_did(self, plant):
        plant.clock.now += 60
        plant.reconciler.pump()
        plant.clock.now += 5
        began = plant.clock.now
        plant.lane.step()
        assert plant.reconciler.fleet.accounts["a"].snapshot.begun_at == began

    def test_a_cloud_that_is_down_is_reported_and_tried_again(self, plant, caplog):
        plant.cloud.fail_all(errors.Unreachable, "503")
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            operations = plant.run(120.0)
        assert operations.count("instances") >= 3
        assert "listing failed" in caplog.text
        assert plant.reconciler.fleet.accounts["a"].trouble == "503"
        plant.cloud.mend()
        plant.run(70.0)
        assert plant.reconciler.fleet.accounts["a"].failures == 0

    def test_orphans_are_reported_once(self, plant, caplog):
        plant.cloud.add(name="x", cluster="c", group="left", node_name="x")
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            plant.run(200.0)
        values = [each for each in caplog.records if each.getMessage().startswith("orphan")]
        assert len(values) == 1
        assert values[0].fields["group"] == "left"
        assert len(plant.cloud.servers()) == 1

    def test_groups_that_cannot_work_are_reported(self, caplog):
        with caplog.at_level(logging.ERROR, logger="vps_autoscaler.reconciler"):
            Plant(scene.group("g", candidates=(groups.Candidate("cx21", "north"),))).settled()
        assert "group left out" in caplog.text


class TestFirstListings:
    def test_they_are_awaited(self):
        plant = Plant()
        assert not plant.reconciler.await_first_listings(0.0)
        reached = threading.Event()

        def wait() -> None:
            if plant.reconciler.await_first_listings(10.0):
                reached.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        plant.run()
        waiting.join(10.0)
        assert reached.is_set()

    def test_not_those_of_accounts_that_departed(self, plant):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(1.0)
        other = account_runtime.AccountRuntime(
            account=groups.Account(name="b", provider="memory"),
            provider=plant.provider,
            lane=plant.lane,
        )
        plant.reconciler.configure((scene.group("h", "b"),), {"b": other}, {})
        assert set(plant.reconciler.fleet.accounts) == {"a", "b"}
        assert not plant.reconciler.await_first_listings(0.0)
        plant.run(1.0)
        assert plant.reconciler.await_first_listings(0.0)


class TestConfigure:
    def test_an_account_that_changes_its_cloud_is_reported(self, plant, caplog):
        account = groups.Account(name="a", provider="other")
        other = account_runtime.AccountRuntime(
            account=account, provider=plant.provider, lane=plant.lane
        )
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            plant.reconciler.configure((GROUP,), {"a": other}, {})
        assert "another cloud now" in caplog.text

    def test_what_the_old_cloud_answers_then_is_not_taken(self, plant):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(40.0)
        plant.clock.now += 60.0
        plant.reconciler.pump()
        assert "instances" in [operation for operation, _, _ in plant.lane.waiting]
        account = groups.Account(name="a", provider="other")
        other = account_runtime.AccountRuntime(
            account=account, provider=plant.provider, lane=SteppedLane()
        )
        plant.reconciler.configure((GROUP,), {"a": other}, {})
        while plant.lane.waiting:
            plant.lane.step()
        fleet = plant.reconciler.fleet
        assert fleet.accounts["a"].snapshot is None
        assert fleet.accounts["a"].catalogue is None
        assert plant.names == []

    def test_no_request_for_the_old_cloud_goes_to_the_new_one(self, plant, monkeypatch):
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(40.0)
        (member,) = view.members(plant.reconciler.fleet, "g")
        node = fleets.NodeRef(provider_id=member.provider_id, name=member.name)
        plant.reconciler.retire("g", [node])
        account = groups.Account(name="a", provider="other")
        elsewhere = SteppedLane()
        other = account_runtime.AccountRuntime(
            account=account, provider=plant.provider, lane=elsewhere
        )
        spared = audit_log.spared

        def meanwhile(*fleets_: state.Fleet) -> None:
            spared(*fleets_)
            monkeypatch.setattr(audit_log, "spared", spared)
            plant.reconciler.configure((GROUP,), {"a": other}, {})

        monkeypatch.setattr(audit_log, "spared", meanwhile)
        plant.reconciler.pump()
        assert not elsewhere.waiting

    def test_the_same_again_is_not(self, plant, caplog):
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            plant.reconciler.configure((GROUP,), {"a": plant.runtime}, {})
        assert not caplog.records


class TestClose:
    def test_lanes_stop_taking_work_before_any_is_awaited(self, plant):
        plant.reconciler.close(7.0)
        assert plant.lane.closed == [0.0, 7.0]

    def test_what_was_left_under_way_is_reported(self, plant, caplog):
        plant.lane.ends = False
        with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
            plant.reconciler.close(0.0)
        assert "left under way" in caplog.text


class TestErrands:
    def test_a_listing_costs_its_pages(self, plant):
        for number in range(120):
            plant.cloud.add(name=f"m{number}", cluster="c", group="g", node_name=f"m{number}")
        plant.run(200.0)
        fleet = plant.reconciler.fleet
        usual = contract.Costs()
        assert cloud_calls.of(requests.ListInstances("a")).cost(fleet, usual) == 3
        assert cloud_calls.of(requests.ListInstances("unknown")).cost(fleet, usual) == 1
        assert cloud_calls.of(requests.ReadCatalogue("a")).cost(fleet, usual) == 2
        assert cloud_calls.of(requests.Delete("a", "k", "1")).cost(fleet, usual) == 1
        assert cloud_calls.of(requests.Mark("a", "p", "1", {}, frozenset())).cost(fleet, usual) == 3
        its_own = contract.Costs(create=3, look_up=2, delete=4, page=20, catalogue=5)
        assert cloud_calls.of(requests.ListInstances("a")).cost(fleet, its_own) == 7
        assert cloud_calls.of(requests.ReadCatalogue("a")).cost(fleet, its_own) == 5
        assert cloud_calls.of(requests.LookUp("a", "n", "", "")).cost(fleet, its_own) == 2
        assert cloud_calls.of(requests.Delete("a", "k", "1")).cost(fleet, its_own) == 4

    def test_the_lane_hears_what_an_operation_costs(self, plant):
        plant.provider.costs = contract.Costs(create=3)
        plant.reconciler.grow("g", 2, cover=True)
        plant.run(20.0)
        creates = [cost for operation, cost in plant.lane.costs if operation == "create"]
        assert creates == [3, 3]


@pytest.mark.parametrize(
    ("logged", "change"),
    [
        ("learned", lambda made: made.learn({})),
        ("departed", lambda made: made.configure((GROUP,), {}, {}, cluster="c")),
        ("standing", lambda made: made.retire("g", [])),
        ("standing", lambda made: made.pump()),
    ],
)
def test_a_logged_difference_holds_no_other_threads_change(plant, monkeypatch, logged, change):
    """Another thread changes the fleet right before the lock is had."""
    plant.reconciler.identified("before")
    plant.clock.now += 1000.0
    differences: list[tuple[state.Fleet, state.Fleet]] = []
    lock = plant.reconciler._lock

    class Late:
        def __enter__(self):
            plant.reconciler._lock = lock
            plant.reconciler.identified("meanwhile")
            differences.clear()
            return lock.__enter__()

        def __exit__(self, *raised):
            return lock.__exit__(*raised)

    monkeypatch.setattr(audit_log, logged, lambda *pair: differences.append(pair))
    plant.reconciler._lock = Late()
    change(plant.reconciler)
    assert plant.reconciler.fleet.identity == "meanwhile"
    assert {before.identity for before, _ in differences} <= {"meanwhile"}


def test_an_hours_limit_that_planning_reaches_is_told(plant, caplog):
    """Every change of the fleet is logged, also that of a plan."""
    account = groups.Account(name="a", provider="memory", max_orders_per_hour=1)
    runtime = dataclasses.replace(plant.runtime, account=account)
    plant.reconciler.configure((GROUP,), {"a": runtime}, {}, cluster="c")
    plant.settled()
    plant.reconciler.grow("g", 1, cover=False)
    with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
        plant.run(10.0)
    assert "no machine is ordered for now" in caplog.text


def test_what_enters_quarantine_is_told_with_the_line_that_deletes_it(caplog):
    there = scene.Scene(identity=scene.IDENTITY, nodes={})
    before = there.fleet
    there.listed(scene.machine(1, "g-1", identity="ffffffffff"))
    with caplog.at_level(logging.WARNING, logger="vps_autoscaler.reconciler"):
        audit_log.standing(before, there.fleet)
    (record,) = [each for each in caplog.records if "in quarantine" in each.getMessage()]
    assert record.fields["code"] == "Foreign"
    assert record.fields["name"] == "g-1"
    assert "ffffffffff" in record.fields["why"]
    assert "purge" in record.fields["delete_by_hand"]
    assert "sky://1" in record.fields["delete_by_hand"]


def test_writers_from_many_threads_lose_nothing():
    """Every growth and every registration must show, whoever else writes at the time."""
    plant = Plant(scene.group("g", max_size=4000)).settled()
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for each in range(100):
            plant.reconciler.grow("g", 1, cover=False)
            plant.reconciler.registered({f"memory://{number}-{each}": f"g-{number}-{each}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert view.target(plant.reconciler.fleet, "g") == 800
    assert len(plant.reconciler.fleet.registered) == 800


def test_a_launch_looked_up_is_folded_in():
    plant = Plant().settled()
    plant.cloud.lose_next_reply(operation="create")
    (name,) = plant.reconciler.grow("g", 1, cover=True).ordered
    plant.reconciler.pump()
    while plant.lane.step() != "create":
        pass
    assert plant.reconciler.fleet.launches[name].phase is state.Phase.UNSURE
    plant.run(60.0)
    assert plant.names == [name]
    assert len(plant.cloud.servers()) == 1


def test_a_machine_that_vanishes_is_looked_up_and_let_go():
    plant = Plant().settled()
    plant.reconciler.grow("g", 1, cover=True)
    plant.run(60.0)
    (server,) = plant.cloud.servers()
    plant.cloud.vanish(server.id)
    operations = plant.run(60.0)
    assert "look_up" in operations
    assert plant.names == []


@pytest.mark.parametrize("rubbish", [None, (None,), "machines", 7])
def test_an_answer_that_is_none_of_the_contracts_values_ends_its_request(plant, caplog, rubbish):
    """A cloud from outside may give anything: its account must not stay unlisted for ever."""
    plant.settled()
    good = plant.provider.instances
    plant.provider.instances = lambda: rubbish
    assert "instances" in plant.run(200.0)
    account = plant.reconciler.fleet.accounts["a"]
    assert account.failures
    assert "could not be used" in account.trouble
    assert "answer cannot be used" in caplog.text
    plant.provider.instances = good
    plant.run(600.0)
    assert plant.reconciler.fleet.accounts["a"].failures == 0


@pytest.mark.parametrize("rubbish", [7, "1001", errors.CloudError])
def test_an_order_with_such_an_answer_is_looked_up(plant, rubbish):
    plant.settled()
    make = plant.provider.create

    def create(order):
        make(order)
        return rubbish

    plant.provider.create = create
    plant.reconciler.grow("g", 1, cover=False)
    plant.run(200.0)
    assert len(plant.cloud.servers()) == 1
    assert view.target(plant.reconciler.fleet, "g") == 1
    assert not plant.reconciler.fleet.launches
