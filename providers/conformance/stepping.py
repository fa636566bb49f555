# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold a create of any number of requests: each may be the last, and somebody else goes on.

The answer of every request of a create is lost in turn, and after every request whoever sends them
dies. What is left then must be nothing at all, a machine that runs by itself, or one that says that
it is UNFINISHED and that a provider which knows nothing but the login can finish.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from providers import contract, errors
from providers.conformance import ground
from providers.conformance.controls import Bench

_FIRST = "#!/bin/sh\necho the first credentials\n"
_LATER = "#!/bin/sh\necho the credentials of now\n"
_MOST = 12
"""No create takes more requests than this."""


class Stepping(ground.Ground):
    """A create that stops between two requests leaves nothing that nobody can finish."""

    @pytest.mark.parametrize("after_work", [False, True])
    def test_a_create_that_loses_one_answer(self, bench: Bench, after_work: bool) -> None:  # noqa: FBT001
        for step, order in self._steps(bench):
            bench.controls.cut(step, after_work=after_work, for_good=False)
            said = self._ordered(bench, order)
            self._ends_well(bench, bench.provider, order, said)

    @pytest.mark.parametrize("after_work", [False, True])
    def test_a_create_whose_process_dies(self, bench: Bench, after_work: bool) -> None:  # noqa: FBT001
        for step, order in self._steps(bench):
            bench.controls.cut(step, after_work=after_work, for_good=True)
            self._ordered(bench, order)
            bench.controls.mend()
            with self._another(bench) as provider:
                self._ends_well(bench, provider, order, None)

    @pytest.mark.parametrize("after_work", [False, True])
    def test_a_finish_that_loses_one_answer(self, bench: Bench, after_work: bool) -> None:  # noqa: FBT001
        self._finishing(bench)
        steps = range(1, self._requests(bench) + 1)
        finished = 0
        for step in steps:
            for again in steps:
                order = self.order(bench, f"web-s{step}x{again}", user_data=_FIRST)
                bench.controls.cut(step, after_work=after_work, for_good=True)
                self._ordered(bench, order)
                bench.controls.mend()
                bench.controls.settle()
                half = self._found(bench.provider, order.node_name)
                if half is not None and half.state is contract.InstanceState.UNFINISHED:
                    bench.controls.cut(again, after_work=after_work, for_good=True)
                    with contextlib.suppress(errors.Unreachable):
                        self._finishing(bench).finish(_anew(order), half)
                    bench.controls.mend()
                    finished += 1
                self._ends_well(bench, bench.provider, order, None)
        assert finished, "no step of a create leaves a machine UNFINISHED: what is finish() for?"

    def test_a_finish_of_what_was_started_changes_nothing(self, bench: Bench) -> None:
        provider = self._finishing(bench)
        made = bench.provider.create(self.order(bench, "web-a1", user_data=_FIRST))
        for _ in range(2):
            again = provider.finish(self.order(bench, "web-a1", user_data=_LATER), made)
            assert again.id == made.id
            assert again.state is not contract.InstanceState.UNFINISHED
            assert bench.controls.user_data(made.id) == _FIRST.encode()
            bench.controls.run(made.id)

    def test_a_finish_of_what_is_gone_is_a_bad_order(self, bench: Bench) -> None:
        provider = self._finishing(bench)
        made = bench.provider.create(self.order(bench, "web-a1"))
        self.delete(bench, made.id)
        bench.controls.settle()
        with pytest.raises(errors.BadOrder) as caught:
            provider.finish(self.order(bench, "web-a1"), made)
        self.check_error(caught.value, "finish")

    def test_what_ran_and_is_off_is_not_unfinished(self, bench: Bench) -> None:
        self._finishing(bench)
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        bench.controls.power_off(made.id)
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        assert listed.state is contract.InstanceState.STOPPED, "it would be started anew"

    def test_a_no_in_the_middle_does_not_say_that_there_is_no_machine(self, bench: Bench) -> None:
        """Throttled would have the order sent again, and NoCapacity another one in its place."""
        for step, order in self._steps(bench):
            bench.controls.throttle_from(step)
            try:
                bench.provider.create(order)
            except errors.Unreachable:
                pass
            except errors.CloudError as error:
                bench.controls.mend()
                bench.controls.settle()
                message = f"{type(error).__name__} says that nothing was made, at request {step}"
                assert self._found(bench.provider, order.node_name) is None, message
            bench.controls.mend()
            self._ends_well(bench, bench.provider, order, None)

    # What they stand on.

    def _steps(self, bench: Bench) -> Iterator[tuple[int, contract.Order]]:
        """Yield each request of a create, and an order to try it with."""
        requests = self._requests(bench)
        if requests == 1 and not isinstance(bench.provider, contract.Finishing):
            pytest.skip("a create is one request here, of which other tests lose the answer")
        assert requests <= _MOST
        for step in range(1, requests + 1):
            yield step, self.order(bench, f"web-s{step}", user_data=_FIRST)

    def _requests(self, bench: Bench) -> int:
        """Count what one whole create takes."""
        order = self.order(bench, "web-counted", user_data=_FIRST)
        before = bench.controls.requests()
        made = bench.provider.create(order)
        taken = bench.controls.requests() - before
        self._gone(bench, made.id)
        return taken

    def _ordered(self, bench: Bench, order: contract.Order) -> contract.Instance | None:
        try:
            return bench.provider.create(order)
        except errors.Unreachable:
            return None

    def _ends_well(
        self,
        bench: Bench,
        provider: contract.Provider,
        order: contract.Order,
        said: contract.Instance | None,
    ) -> None:
        """See that an order has no machine, or one that runs with the user-data of its own."""
        name = order.node_name
        bench.controls.mend()
        bench.controls.settle()
        found = self._found(provider, name)
        there = bench.controls.count()
        message = f"after a create of {name} that was cut there is a machine that no listing shows"
        assert there == (found is not None), message
        if found is None:
            assert said is None
            return
        assert (found.node_name, found.group, found.unjoined) == (name, "web", True)
        wanted = {_FIRST.encode(), _LATER.encode()}
        if found.state is contract.InstanceState.UNFINISHED:
            assert isinstance(provider, contract.Finishing), "UNFINISHED, and nothing finishes it"
            done = provider.finish(_anew(order), found)
            assert done.id == found.id
            assert done.state in {contract.InstanceState.CREATING, contract.InstanceState.RUNNING}
            wanted = {_LATER.encode()}
        bench.controls.run(found.id)
        bench.controls.settle()
        (runs,) = provider.instances()
        assert runs.id == found.id
        assert runs.state is contract.InstanceState.RUNNING, "it stands, and nobody will start it"
        assert bench.controls.user_data(found.id) in wanted, "it runs without its user-data"
        self._gone(bench, found.id)

    def _found(self, provider: contract.Provider, name: str) -> contract.Instance | None:
        listed = [one for one in provider.instances() if one.node_name == name]
        assert len(listed) <= 1, f"two machines of the one order {name}"
        looked_up = provider.look_up(node_name=name, instance_id="", receipt="")
        assert [one.id for one in listed] == ([looked_up.id] if looked_up is not None else [])
        if looked_up is not None:
            assert looked_up.state is listed[0].state
        return looked_up

    def _gone(self, bench: Bench, instance_id: str) -> None:
        bench.controls.run(instance_id)
        self.delete(bench, instance_id)
        bench.controls.settle()
        assert bench.controls.count() == 0

    def _finishing(self, bench: Bench) -> contract.Finishing:
        if not isinstance(bench.provider, contract.Finishing):
            pytest.skip("this cloud has no finish()")
        return bench.provider

    @contextlib.contextmanager
    def _another(self, bench: Bench) -> Iterator[contract.Provider]:
        """Open the login once more, as a new process does."""
        provider = bench.controls.open_again()
        try:
            yield provider
        finally:
            provider.close()


def _anew(order: contract.Order) -> contract.Order:
    """Render an order anew, as a server does that starts: the same but for its user-data."""
    return dataclasses.replace(order, user_data=_LATER)
