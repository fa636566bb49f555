"""A whole reconciler over a cloud of three requests a machine: kills, lost answers, reloads."""

from __future__ import annotations

import dataclasses
import random

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.control import account_runtime, dryrun, reconciler
from externalgrpc.fleet import finishing, requests, view
from externalgrpc.model import groups
from providers import contract, errors
from tests.control import test_reconciler
from tests.providers import threecalls

PROVISION_S = 900.0


class Plant(test_reconciler.Plant):
    """The reconciler's plant, with that cloud; a second process can take its place."""

    def __init__(self) -> None:
        super().__init__()
        self.rendered: list[str] = []
        self.text = "#!/bin/sh\n# of the first process\n"
        self.start()

    def start(self, *node_groups: groups.NodeGroup, dry_run: bool = False) -> None:
        """Start a process that knows nothing; the one before it is dead."""
        login = contract.Login(account="a", cluster="c", token="")
        self.provider = threecalls.ThreeCalls(login, cloud=self.cloud)
        self.lane = test_reconciler.SteppedLane()
        self.reconciler = reconciler.Reconciler(
            time_source=self.clock,
            chance=random.Random(self.clock.now),
            prepare=self.prepare,
            wake=self.wake,
            count=lambda name, labels: self.counted.append((name, dict(labels))),
        )
        self.runtime = account_runtime.AccountRuntime(
            account=groups.Account(name="a", provider="memory"),
            provider=dryrun.DryRun(self.provider) if dry_run else self.provider,
            lane=self.lane,
        )
        self.reload(*(node_groups or (test_reconciler.GROUP,)))

    def reload(self, *node_groups: groups.NodeGroup) -> None:
        self.reconciler.configure(node_groups, {"a": self.runtime}, {})

    def prepare(self, request: requests.Create) -> contract.Order:
        self.rendered.append(request.name)
        return dataclasses.replace(self.plain(request), user_data=self.text)

    def finishes(self) -> list[str]:
        return [labels["outcome"] for name, labels in self.counted if name == "finishes"]

    def cut(self, step: int, *, for_good: bool = False) -> None:
        """Cut a create, or a finish, at one of its requests, after its work."""
        operation = "create"
        lost = test_reconciler.datacenter.Lost.AFTER
        self.cloud.fail_next(errors.Unreachable, "cut", operation=operation, lost=lost, skip=step)
        for _ in range(5 if for_good else 0):
            self.cloud.fail_next(errors.Unreachable, "cut", operation=operation, skip=step)

    @property
    def machine(self):
        (server,) = self.cloud.servers()
        return server


@pytest.fixture
def plant():
    return Plant().settled()


@pytest.mark.parametrize("step", [0, 1, 2])
class TestACreateThatIsCut:
    def test_is_brought_to_its_end_by_this_process(self, plant, step):
        plant.cut(step, for_good=True)
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(1.0)
        plant.cloud.mend()
        plant.run(120.0)
        assert plant.machine.state(plant.clock.now) is contract.InstanceState.RUNNING
        assert plant.machine.user_data == plant.text
        assert len(plant.names) == 1

    def test_is_brought_to_its_end_by_the_next_process(self, plant, step):
        plant.cut(step, for_good=True)
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(0.0)
        plant.cloud.mend()
        plant.text = "#!/bin/sh\n# of the second process\n"
        plant.start()
        half = plant.machine.state(plant.clock.now) is contract.InstanceState.CREATING
        plant.run(200.0)
        assert plant.machine.state(plant.clock.now) is contract.InstanceState.RUNNING
        assert half
        (member,) = view.members(plant.reconciler.fleet, "g")
        assert member.failure is None
        if step < 2:
            assert plant.machine.user_data == plant.text, "the credentials are those of now"
            assert plant.finishes() == ["ok"]
        else:
            assert plant.finishes() == []


class TestWhatANewProcessFinds:
    @pytest.fixture
    def half(self, plant):
        plant.cut(0, for_good=True)
        plant.reconciler.grow("g", 1, cover=True)
        plant.run(0.0)
        plant.cloud.mend()
        plant.counted.clear()
        return plant

    def test_counts_and_is_shown_as_creating_before_it_is_finished(self, half):
        half.start()
        half.run(0.0)
        (member,) = view.members(half.reconciler.fleet, "g")
        assert member.showing is view.Showing.CREATING
        assert member.provider_id == f"memory://{half.machine.id}"

    def test_is_rendered_for_the_group_as_it_is_after_a_reload(self, half):
        half.start()
        half.text = "#!/bin/sh\n# after the reload\n"
        half.reload(dataclasses.replace(test_reconciler.GROUP, max_size=5))
        half.run(100.0)
        assert half.machine.user_data == half.text

    def test_is_left_alone_in_a_dry_run(self, half, caplog):
        half.start(dry_run=True)
        half.run(100.0)
        assert half.machine.user_data == ""
        assert half.machine.state(half.clock.now) is contract.InstanceState.CREATING
        assert "dry run: would finish" in caplog.text

    def test_is_an_orphan_where_its_group_is_not_configured(self, half):
        half.start(dataclasses.replace(test_reconciler.GROUP, name="h"))
        half.run(2000.0)
        assert [each.id for each in view.orphans(half.reconciler.fleet)] == [half.machine.id]
        assert half.finishes() == []

    def test_is_reported_where_its_join_cannot_be_rendered(self, half):
        half.start()

        def prepare(_request):
            raise errors.BadOrder("no way to join")

        half.prepare = prepare
        half.reconciler._prepare = prepare
        half.run(200.0)
        (held,) = half.reconciler.fleet.finishes.values()
        assert held.failure is not None
        assert held.failure.message == "no way to join"
        (failed,) = half.reconciler.fleet.unjoined.values()
        assert failed.withheld, "without an identity nothing proves that it is ours"
        assert half.machine.deleted_at is None

    def test_what_ca_let_go_while_it_waited_is_not_finished(self, half):
        half.start()
        half.run(0.0)
        while "finish" not in [operation for operation, _, _ in half.lane.waiting]:
            half.clock.now += 1
            half.reconciler.pump()
            while half.lane.waiting and half.lane.waiting[0][0] != "finish":
                half.lane.step()
                half.reconciler.pump()
        (member,) = view.members(half.reconciler.fleet, "g")
        node = fleets.NodeRef(provider_id=member.provider_id, name=member.name)
        assert half.reconciler.retire("g", [node]) == (member.name,)
        assert half.lane.step() == "finish"
        assert half.machine.user_data == ""
        half.run(60.0)
        assert not half.cloud.servers()


def test_tries_of_a_cloud_that_never_answers_are_bounded_and_ca_hears_of_it(plant):
    plant.cut(0, for_good=True)
    plant.reconciler.grow("g", 1, cover=True)
    plant.run(0.0)
    plant.cloud.mend()
    for _ in range(200):
        plant.cloud.fail_next(errors.Unreachable, "cut", operation="finish")
    plant.run(PROVISION_S + 100.0)
    assert 1 <= len(plant.finishes()) <= finishing.TRIES
    (member,) = view.members(plant.reconciler.fleet, "g")
    assert member.failure is not None
    assert not plant.cloud.servers(), "another order would be beside it"
