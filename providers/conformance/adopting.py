# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold adoption: everybody's machines are listed, and one of them becomes ours and nobody's again.

What needs :class:`~providers.contract.Adopting` is skipped where the cloud has it not.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from providers import contract, errors
from providers.conformance import ground
from providers.conformance.controls import Bench
from providers.contract import Mark

OURS, THEIRS = "0123456789", "98765abcde"
OLD_NAME = "pool1-5f3a9c1e22b04d77"
"""A name as Cluster Autoscaler's own providers make them, which is none of ours."""
EVERY = frozenset(Mark)


class Cloud(contract.Marking, contract.Adopting, contract.Provider, Protocol):
    """A cloud where machines can be adopted."""


class Adopting(ground.Ground):
    """A machine that was not made for us becomes a member, and is given back."""

    def adopter(self, bench: Bench) -> Cloud:
        """Return the cloud as one that adopts, or skip."""
        provider = bench.provider
        if not isinstance(provider, contract.Adopting):
            pytest.skip("this cloud has no candidates()")
        assert isinstance(provider, contract.Marking), "what is adopted is marked"
        return provider

    def adoption(self, group: str = "web", node_name: str = OLD_NAME) -> dict[Mark, str]:
        """Return the marks of an adoption, the cluster's last."""
        return {
            Mark.ADOPTED: contract.UNJOINED_VALUE,
            Mark.IDENTITY: OURS,
            Mark.NODE: node_name,
            Mark.GROUP: group,
            Mark.CLUSTER: self.cluster,
        }

    def only(self, bench: Bench, instance_id: str) -> contract.Candidate:
        """Return what is shown of one machine."""
        shown = self.adopter(bench).candidates()
        (found,) = [each for each in shown if each.instance.id == instance_id]
        return found

    def test_everybody_s_machines_are_candidates(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        assert cloud.candidates() == ()
        alone = bench.controls.add(cluster="", group="", node_name=OLD_NAME)
        green = bench.controls.add(cluster="green", group="db", node_name="db-a1")
        ours = cloud.create(self.order(bench, "web-a1", identity=OURS)).id
        bench.controls.run(ours)
        bench.controls.settle()
        shown = {each.instance.id: each for each in cloud.candidates()}
        assert shown.keys() == {alone, green, ours}
        assert shown[alone].name == OLD_NAME
        marks = {
            number: (
                each.cluster,
                each.instance.group,
                each.instance.node_name,
                each.instance.identity,
                each.instance.unjoined,
                each.instance.adopted,
            )
            for number, each in shown.items()
        }
        assert marks == {
            alone: ("", "", "", "", False, False),
            green: ("green", "db", "db-a1", "", False, False),
            ours: (self.cluster, "web", "web-a1", OURS, True, False),
        }
        (listed,) = cloud.instances()
        assert shown[ours].instance == listed, "as the listing shows it"
        prefix = f"{type(cloud).scheme}://"
        assert all(each.instance.provider_id.startswith(prefix) for each in shown.values())

    def test_labels_of_others_are_shown_and_ours_are_not(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        labels = {"team": "infra"}
        ours = cloud.create(self.order(bench, "web-a1", identity=OURS, labels=labels)).id
        bench.controls.run(ours)
        bench.controls.settle()
        assert self.only(bench, ours).labels == {("team", "infra")}

    def test_candidates_are_read_whole_or_not_at_all(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        if not self.page_size:
            pytest.skip("the listing is one answer")
        for number in range(self.page_size + 3):
            bench.controls.add(cluster="", group="", node_name=f"mail-{number}")
        before = bench.controls.requests()
        assert len(cloud.candidates()) == self.page_size + 3
        if bench.controls.requests() == before + 1:
            return
        bench.controls.fail_page(2)
        with pytest.raises(errors.Unreachable) as caught:
            cloud.candidates()
        self.check_error(caught.value, "candidates")

    def test_a_machine_is_adopted_and_let_go_again(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        number = bench.controls.add(cluster="", group="", node_name=OLD_NAME)
        other = bench.controls.add(cluster="", group="", node_name="mail")
        before, name = bench.controls.labels(number), self.only(bench, number).name
        put = self.adoption()
        for _ in range(2):
            result = cloud.mark(number, put=put, remove=frozenset({Mark.UNJOINED}))
            assert result.adopted
            assert (result.node_name, result.group, result.identity) == (OLD_NAME, "web", OURS)
            assert not result.unjoined, "nothing may ever prove that it was no node"
        bench.controls.settle()
        (listed,) = cloud.instances()
        assert listed == result
        found = cloud.look_up(node_name=OLD_NAME, instance_id="", receipt="")
        assert found is not None
        assert found.id == number
        assert bench.controls.labels(number) == before
        cloud.mark(number, put={}, remove=frozenset({Mark.CLUSTER}))
        assert cloud.instances() == ()
        half = self.only(bench, number)
        assert half.cluster == ""
        assert (half.instance.adopted, half.instance.identity) == (True, OURS), "found again"
        cloud.mark(number, put={}, remove=EVERY - {Mark.CLUSTER})
        free = self.only(bench, number)
        assert (free.instance.adopted, free.instance.identity, free.name) == (False, "", name)
        assert bench.controls.labels(number) == before
        assert self.only(bench, other).cluster == ""
        assert bench.controls.count() == 2

    def test_an_adoption_with_a_lost_answer_is_repeated(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        number = bench.controls.add(cluster="", group="", node_name=OLD_NAME)
        bench.controls.lose_mark_reply(after_work=True)
        with pytest.raises(errors.Unreachable):
            cloud.mark(number, put=self.adoption())
        bench.controls.mend()
        assert cloud.mark(number, put=self.adoption()).adopted
        assert [each.id for each in cloud.instances()] == [number]

    def test_an_adopted_machine_is_deleted_as_any_other(self, bench: Bench) -> None:
        cloud = self.adopter(bench)
        number = bench.controls.add(cluster="", group="", node_name=OLD_NAME)
        cloud.mark(number, put=self.adoption())
        self.delete(bench, number)
        bench.controls.settle()
        assert cloud.instances() == ()
        assert bench.controls.count() == 0
