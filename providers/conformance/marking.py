# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold the marks: identity and ``unjoined`` on every machine, and what can be done to them.

What needs an optional method of the contract (:class:`~providers.contract.Marking`,
:class:`~providers.contract.Neighbourly`, :class:`~providers.contract.Tidying`) is skipped where
the cloud has none, and needs its hooks of :class:`~providers.conformance.Controls` where it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from providers import contract, errors
from providers.conformance import ground
from providers.conformance.controls import Bench
from providers.contract import Mark

OURS, THEIRS = "0123456789", "98765abcde"
REMOVE = frozenset({Mark.UNJOINED})

UNFIT: tuple[tuple[dict[Mark, str], frozenset[Mark]], ...] = (
    ({Mark.IDENTITY: contract.NOBODYS}, frozenset()),
    ({Mark.IDENTITY: ""}, frozenset()),
    ({Mark.IDENTITY: OURS.upper() + "A"}, frozenset()),
    ({Mark.UNJOINED: "no"}, frozenset()),
    ({Mark.CLUSTER: ""}, frozenset()),
    ({Mark.IDENTITY: OURS}, frozenset({Mark.IDENTITY})),
)


class Marking(ground.Ground):
    """Marks come back as they went, change one by one, and are counted.

    ``leaves_beside`` are the changes to an order with which the cloud makes something beside the
    machine, for a cloud that has :meth:`~providers.contract.Tidying.tidy`.
    """

    leaves_beside: ClassVar[Mapping[str, Any]] = {}

    def described(self, one: contract.Instance | None) -> tuple[str, str, str, bool]:
        """Return every mark that a machine shows."""
        assert one is not None
        return one.node_name, one.group, one.identity, one.unjoined

    def marking(self, bench: Bench) -> contract.Marking:
        """Return the cloud as one that changes marks, or skip."""
        if not isinstance(bench.provider, contract.Marking):
            pytest.skip("this cloud has no mark()")
        return bench.provider

    def tidying(self, bench: Bench) -> contract.Tidying:
        """Return the cloud as one that tidies up, or skip."""
        if not isinstance(bench.provider, contract.Tidying):
            pytest.skip("this cloud has no tidy()")
        return bench.provider

    def standing(self, bench: Bench, node_name: str = "web-a1", **changes: Any) -> str:  # noqa: ANN401
        """Order a machine and let it run; return its id."""
        made = bench.provider.create(self.order(bench, node_name, **changes))
        bench.controls.run(made.id)
        bench.controls.settle()
        return made.id

    # On every machine.

    @pytest.mark.parametrize("identity", [OURS, ""])
    def test_identity_and_unjoined_come_back_as_they_went(
        self, bench: Bench, identity: str
    ) -> None:
        provider = bench.provider
        made = provider.create(self.order(bench, "web-a1", identity=identity))
        bench.controls.run(made.id)
        bench.controls.settle()
        (listed,) = provider.instances()
        by_id = provider.look_up(node_name="web-a1", instance_id=made.id, receipt="")
        by_name = provider.look_up(node_name="web-a1", instance_id="", receipt="")
        for found in (made, listed, by_id, by_name):
            assert self.described(found) == ("web-a1", "web", identity, True)

    def test_machines_of_our_name_are_ours_to_see_whatever_their_identity(
        self, bench: Bench
    ) -> None:
        bench.controls.add(cluster=self.cluster, group="web", node_name="web-a0")
        self.standing(bench, "web-a1", identity=OURS)
        self.standing(bench, "web-a2", identity=THEIRS)
        shown = {self.described(one) for one in bench.provider.instances()}
        assert shown == {
            ("web-a0", "web", "", False),
            ("web-a1", "web", OURS, True),
            ("web-a2", "web", THEIRS, True),
        }
        found = bench.provider.look_up(node_name="web-a2", instance_id="", receipt="")
        assert self.described(found) == ("web-a2", "web", THEIRS, True)

    @pytest.mark.parametrize("length", [30, 45, 63, 64, 128, 300])
    @pytest.mark.parametrize("field", ["group", "node_name"])
    def test_a_long_mark_is_whole_or_refused(self, bench: Bench, field: str, length: int) -> None:
        """Cut, it would be another group's machine, or two machines of one name."""
        name = ("web-" + "a1b2c3d4e5f6" * 30)[:length]
        changes: dict[str, Any] = {field: name}
        order = dataclasses.replace(self.order(bench, "web-a1"), **changes)
        try:
            made = bench.provider.create(order)
        except errors.BadOrder as error:
            self.check_error(error, "create")
            assert bench.controls.count() == 0
            return
        bench.controls.run(made.id)
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        for shown in (made, listed):
            assert (shown.node_name, shown.group) == (order.node_name, order.group)

    @pytest.mark.parametrize("length", [45, 63, 64, 300])
    def test_a_long_group_that_is_put_is_whole_or_refused(self, bench: Bench, length: int) -> None:
        provider = self.marking(bench)
        ours = self.standing(bench, "web-a1")
        name = ("web-" + "a1b2c3d4e5f6" * 30)[:length]
        group = "web"
        try:
            provider.mark(ours, put={Mark.GROUP: name})
            group = name
        except errors.BadOrder as error:
            self.check_error(error, "mark")
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        assert listed.group == group

    @pytest.mark.parametrize("other", [THEIRS, ""])
    def test_a_machine_of_another_identity_is_not_taken_for_the_order_s(
        self, bench: Bench, other: str
    ) -> None:
        theirs = self.standing(bench, "web-a1", identity=OURS)
        order = self.order(bench, "web-a1", identity=other)
        if not self.names_unique:
            assert bench.provider.create(order).id != theirs
            return
        with pytest.raises(errors.BadOrder) as caught:
            bench.provider.create(order)
        self.check_error(caught.value, "create")
        assert bench.controls.count() == 1

    def test_the_same_order_finds_its_machine_after_it_joined(self, bench: Bench) -> None:
        provider = self.marking(bench)
        if not self.names_unique:
            return  # the same order makes another machine
        ours = self.standing(bench, "web-a1", identity=OURS)
        provider.mark(ours, put={}, remove=REMOVE)
        assert bench.provider.create(self.order(bench, "web-a1", identity=OURS)).id == ours
        assert bench.controls.count() == 1

    @pytest.mark.parametrize("identity", [contract.NOBODYS, "0123", "0123456789a", "ABCDEF0123"])
    def test_an_order_with_what_is_no_identity_is_refused(
        self, bench: Bench, identity: str
    ) -> None:
        with pytest.raises(errors.BadOrder) as caught:
            bench.provider.create(self.order(bench, "web-a1", identity=identity))
        self.check_error(caught.value, "create")
        assert bench.controls.count() == 0

    # mark()

    def test_marks_are_taken_off_and_put_on(self, bench: Bench) -> None:
        provider = self.marking(bench)
        ours = self.standing(bench, "web-a1", labels={"team": "infra"}, identity=OURS)
        before = bench.controls.labels(ours)
        assert before
        for _ in range(2):
            result = provider.mark(ours, put={}, remove=REMOVE)
            assert self.described(result) == ("web-a1", "web", OURS, False)
            assert result.id == ours
        for _ in range(2):
            result = provider.mark(ours, put={Mark.IDENTITY: THEIRS, Mark.GROUP: "db"})
            assert self.described(result) == ("web-a1", "db", THEIRS, False)
        provider.mark(ours, put={Mark.UNJOINED: contract.UNJOINED_VALUE})
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        assert self.described(listed) == ("web-a1", "db", THEIRS, True)
        assert bench.controls.labels(ours) == before, "the user's own must stay as they were"

    def test_a_machine_of_an_older_version_gets_its_identity(self, bench: Bench) -> None:
        provider = self.marking(bench)
        older = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a0")
        other = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        result = provider.mark(older, put={Mark.IDENTITY: OURS}, remove=REMOVE)
        assert self.described(result) == ("web-a0", "web", OURS, False)
        bench.controls.settle()
        shown = {one.id: one.identity for one in bench.provider.instances()}
        assert shown == {older: OURS, other: ""}

    def test_a_mark_that_is_put_leaves_the_others(self, bench: Bench) -> None:
        """A machine that lost ``unjoined`` so would be a node that nobody has seen."""
        provider = self.marking(bench)
        ours = self.standing(bench, "web-a1")
        result = provider.mark(ours, put={Mark.IDENTITY: OURS})
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        for shown in (result, listed):
            assert self.described(shown) == ("web-a1", "web", OURS, True)

    @pytest.mark.parametrize("after_work", [True, False])
    def test_marking_outlives_a_lost_answer(self, bench: Bench, after_work: bool) -> None:  # noqa: FBT001
        provider = self.marking(bench)
        ours = self.standing(bench, "web-a1", identity=OURS)
        bench.controls.lose_mark_reply(after_work=after_work)
        with pytest.raises(errors.Unreachable) as caught:
            provider.mark(ours, put={}, remove=REMOVE)
        self.check_error(caught.value, "mark")
        bench.controls.mend()
        assert self.described(provider.mark(ours, put={}, remove=REMOVE))[3] is False
        bench.controls.settle()
        (listed,) = bench.provider.instances()
        assert self.described(listed) == ("web-a1", "web", OURS, False)

    def test_a_machine_that_is_gone_gets_no_mark(self, bench: Bench) -> None:
        provider = self.marking(bench)
        ours = self.standing(bench)
        self.delete(bench, ours)
        bench.controls.settle()
        for lost in (ours, "no id at all"):
            with pytest.raises(errors.BadOrder) as caught:
                provider.mark(lost, put={Mark.IDENTITY: OURS})
            self.check_error(caught.value, "mark")
        assert bench.controls.count() == 0

    @pytest.mark.parametrize(("put", "remove"), UNFIT)
    def test_marks_that_do_not_fit_are_not_put(
        self, bench: Bench, put: dict[Mark, str], remove: frozenset[Mark]
    ) -> None:
        provider = self.marking(bench)
        ours = self.standing(bench, "web-a1", identity=THEIRS)
        before = bench.controls.requests()
        with pytest.raises(errors.BadOrder) as caught:
            provider.mark(ours, put=put, remove=remove)
        self.check_error(caught.value, "mark")
        assert bench.controls.requests() == before
        (listed,) = bench.provider.instances()
        assert self.described(listed) == ("web-a1", "web", THEIRS, True)

    # neighbours()

    def test_neighbours_are_counted_by_cluster_and_identity(self, bench: Bench) -> None:
        if not isinstance(bench.provider, contract.Neighbourly):
            pytest.skip("this cloud has no neighbours()")
        assert bench.provider.neighbours() == ()
        for number in range(self.page_size + 3):
            bench.controls.add(cluster="green", group="web", node_name=f"web-{number}")
        bench.controls.add(cluster="", group="", node_name="someone-s-mail")
        bench.controls.add(cluster=self.cluster, group="", node_name="lost-1")
        self.standing(bench, "web-a1", identity=OURS)
        self.standing(bench, "web-a2", identity=OURS)
        self.standing(bench, "web-a3", identity=THEIRS)
        assert bench.provider.neighbours() == tuple(
            contract.Neighbour(cluster=cluster, identity=identity, count=count)
            for cluster, identity, count in (
                (self.cluster, "", 1),
                (self.cluster, OURS, 2),
                (self.cluster, THEIRS, 1),
                ("green", "", self.page_size + 3),
            )
        )

    # tidy()

    def test_what_stays_beside_machines_goes_when_they_are_gone(self, bench: Bench) -> None:
        provider = self.tidying(bench)
        before = set(bench.controls.beside())
        ours = self.standing(bench, "web-a1", **self.leaves_beside)
        made = set(bench.controls.beside()) - before
        assert made, "leaves_beside says how to order so that something is left"
        assert provider.tidy(groups=("web",), nodes=("web-a1",)) == (), "a machine is there yet"
        assert set(bench.controls.beside()) == before | made
        self.delete(bench, ours)
        bench.controls.forget()
        result = provider.tidy(groups=("web", "never-was"), nodes=("web-a1", "never-was-1"))
        assert result
        assert all(isinstance(each, str) and each for each in result)
        left = set(bench.controls.beside())
        assert len(before | made) - len(left) == len(result)
        assert before <= left, "what was there before is not ours"
        assert provider.tidy(groups=("web",), nodes=("web-a1",)) == ()
        assert bench.provider.create(self.order(bench, "web-a2", **self.leaves_beside))

    def test_tidying_leaves_what_is_not_ours(self, bench: Bench) -> None:
        provider = self.tidying(bench)
        self.standing(bench, "db-b1", group="db", **self.leaves_beside)
        bench.controls.add_beside()
        before = set(bench.controls.beside())
        assert provider.tidy(groups=("web", "db"), nodes=("web-a1", "db-b1")) == ()
        assert set(bench.controls.beside()) == before
        assert bench.controls.count() == 1

    # leftovers()

    def leaving(self, bench: Bench) -> contract.Leaving:
        """Return the cloud as one that lists what lies beside, or skip."""
        if not isinstance(bench.provider, contract.Leaving):
            pytest.skip("this cloud has no leftovers()")
        return bench.provider

    def test_what_lies_beside_is_found_by_who_comes_after_a_kill(self, bench: Bench) -> None:
        """Killed before, between and after the steps: the cloud's listing is all there is."""
        provider, tidying = self.leaving(bench), self.tidying(bench)
        assert provider.leftovers() == ()
        before = set(bench.controls.beside())
        ours = self.standing(bench, "web-a1", **self.leaves_beside)
        assert {each.group for each in provider.leftovers()} == {"web"}, "in use, and listed"
        self.delete(bench, ours)
        bench.controls.forget()
        assert bench.again is not None, "a cloud with leftovers() needs a bench with again"
        later = bench.again()
        assert isinstance(later, contract.Leaving)
        assert isinstance(later, contract.Tidying)
        result = later.leftovers()
        assert {each.group for each in result} == {"web"}
        assert all(each.kind and each.name for each in result)
        groups = {each.group for each in result if not each.node_name}
        nodes = {each.node_name for each in result if each.node_name}
        assert len(later.tidy(groups=groups, nodes=nodes)) == len(result)
        assert set(bench.controls.beside()) == before
        assert later.leftovers() == provider.leftovers() == ()
        assert tidying.tidy(groups=groups, nodes=nodes) == ()
        later.close()

    def test_what_is_somebody_elses_is_not_among_it(self, bench: Bench) -> None:
        provider = self.leaving(bench)
        self.standing(bench, "db-b1", group="db", **self.leaves_beside)
        mine = provider.leftovers()
        there = set(bench.controls.beside())
        bench.controls.add_beside()
        added = provider.leftovers()[len(mine) :]
        assert all(each.group not in ("web", "db") for each in added)
        assert len(added) < len(set(bench.controls.beside()) - there), "some is another's"
