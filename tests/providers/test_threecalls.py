"""A cloud of three requests a machine passes the suite; naive ones, one mistake each, do not."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator

import pytest

from providers import contract as cloud
from providers import errors
from providers.memory import datacenter
from tests.providers import contract, test_memory, threecalls


class Controls(test_memory.MemoryControls):
    made: type[threecalls.ThreeCalls] = threecalls.ThreeCalls

    def cut(self, step: int, *, after_work: bool, for_good: bool) -> None:
        lost = datacenter.Lost.AFTER if after_work else datacenter.Lost.BEFORE
        self.center.fail_next(errors.Unreachable, "cut", lost=lost, skip=step - 1)
        for _ in range(20 if for_good else 0):
            self.center.fail_next(errors.Unreachable, "cut", skip=step - 1)

    def throttle_from(self, step: int) -> None:
        for _ in range(20):
            self.center.fail_next(errors.Throttled, "slow down", skip=step - 1)

    def open_again(self) -> cloud.Provider:
        return self.made(test_memory.login(account="the-account"), cloud=self.center)


class TestThreeCalls(contract.ProviderContract):
    machine_type, location, image = "small", "north", "debian-13"
    made: type[threecalls.ThreeCalls] = threecalls.ThreeCalls

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        time = test_memory.Time()
        center = datacenter.Datacenter(
            datacenter.Options(images=("debian-13",), unique_names=self.names_unique),
            clock=time,
            sleep=lambda _seconds: None,
        )
        entry = test_memory.login(cluster=cluster, account=account, token=token)
        controls = Controls(center, time)
        controls.made = self.made
        yield contract.Bench(
            provider=self.made(entry, cloud=center), controls=controls, again=controls.open_again
        )


class TestThreeCallsWithNamesThatMayRepeat(TestThreeCalls):
    names_unique = False


# Mistakes, one each; the suite must find every one.


class ShowsItAsStopped(threecalls.ThreeCalls):
    half_state = cloud.InstanceState.STOPPED


class ShowsItAsCreating(threecalls.ThreeCalls):
    half_state = cloud.InstanceState.CREATING


class CannotFinish(threecalls.ThreeCalls):
    finish = None


class MarksLater(threecalls.ThreeCalls):
    def first(self, order):
        return {**super().first(order), "cluster": "", "group": "", "node_name": ""}

    def go_on(self, order, server_id, operation):
        def mark(_request, _now):
            fields = {"cluster": order.cluster, "group": order.group}
            self._cloud.edit(server_id, node_name=order.node_name, **fields)

        self._write(operation, server_id, 0.0, mark)
        return super().go_on(order, server_id, operation)


class OnlyStartsIt(threecalls.ThreeCalls):
    def finish(self, order, instance):
        return self.power_on("finish", instance.id)


class LeavesTheOldUserData(threecalls.ThreeCalls):
    def finish(self, order, instance):
        there = self.server(instance.id)
        if there is not None and there.user_data:
            return self.power_on("finish", instance.id)
        return super().finish(order, instance)


class OverwritesWhatRuns(threecalls.ThreeCalls):
    def finish(self, order, instance):
        def put(server, _now):
            return dataclasses.replace(server, user_data=order.user_data)

        self.step("finish", instance.id, put)
        return self.power_on("finish", instance.id)


class LetsTheErrorOut(threecalls.ThreeCalls):
    def create(self, order):
        self.check(order, "create")
        return self.go_on(order, self.make(order).id, "create")


class TakesWhatIsOffForUnfinished(threecalls.ThreeCalls):
    def _instance(self, server, at, *, receipt=""):
        shown = super()._instance(server, at, receipt=receipt)
        off = shown.state is cloud.InstanceState.STOPPED
        return dataclasses.replace(shown, state=threecalls.UNFINISHED) if off else shown


class Remembers(threecalls.ThreeCalls):
    """Knows from memory which machines are half made, and forgets it when the process dies."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.half = set()

    def make(self, order):
        made = super().make(order)
        self.half.add(made.id)
        return dataclasses.replace(made, state=threecalls.UNFINISHED)

    def _instance(self, server, at, *, receipt=""):
        shown = super()._instance(server, at, receipt=receipt)
        half = shown.state is threecalls.UNFINISHED and server.id not in self.half
        return dataclasses.replace(shown, state=cloud.InstanceState.STOPPED) if half else shown


NAIVE = (
    ShowsItAsStopped,
    ShowsItAsCreating,
    CannotFinish,
    MarksLater,
    OnlyStartsIt,
    LeavesTheOldUserData,
    OverwritesWhatRuns,
    LetsTheErrorOut,
    TakesWhatIsOffForUnfinished,
    Remembers,
)


(STEPPING,) = (each for each in contract.ProviderContract.__mro__ if each.__name__ == "Stepping")


def failures(made: type[threecalls.ThreeCalls]) -> list[str]:
    """Run the part of the suite that is about steps; name what fails."""
    suite = TestThreeCalls()
    suite.made = made
    found = []
    for name, test in inspect.getmembers(suite, inspect.ismethod):
        if not name.startswith("test_") or not hasattr(STEPPING, name):
            continue
        takes = "after_work" in inspect.signature(test).parameters
        for fields in ({"after_work": False}, {"after_work": True}) if takes else ({},):
            with contextlib.contextmanager(suite.make)(
                cluster=suite.cluster, account=suite.account, token=suite.token
            ) as bench:
                try:
                    test(bench, **fields)
                except pytest.skip.Exception:
                    pass
                except (AssertionError, errors.CloudError):
                    found.append(name)
    return found


@pytest.mark.parametrize("made", NAIVE)
def test_a_naive_one_fails_the_suite(made):
    assert failures(made)


def test_and_a_good_one_does_not():
    assert failures(threecalls.ThreeCalls) == []
