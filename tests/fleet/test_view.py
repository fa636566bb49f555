from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import identity, index, memo, state, view
from externalgrpc.model import groups
from providers import errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    RUNNING,
    STOPPED,
    Scene,
    account,
    group,
    machine,
    node,
)


class TestIdentity:
    def test_a_machine_is_named_by_its_mark_or_by_its_id(self):
        assert identity.key_of(machine(1, "g-1")) == "g-1"
        assert identity.key_of(machine(1, "")) == "sky://1"

    @pytest.mark.parametrize("provider_id", ["", "sky://1", "sky://launching", "launching/g-1"])
    def test_other_ids_are_no_placeholders(self, provider_id):
        assert identity.placeholder_name(provider_id) == ""

    def test_a_placeholder_tells_its_name(self):
        assert identity.placeholder_name(identity.placeholder_id("sky", "g-1")) == "g-1"


class TestIndex:
    def test_a_machine_that_two_logins_show_is_one(self):
        first = dataclasses.replace(
            account("a"), snapshot=state.Snapshot(account="a", begun_at=1, instances=(machine(1),))
        )
        second = dataclasses.replace(
            account("b"), snapshot=state.Snapshot(account="b", begun_at=1, instances=(machine(1),))
        )
        built = index.build((first, second), {})
        assert list(built.members["g"]) == ["sky://1"]
        assert built.account_of == {"sky://1": "a"}

    @pytest.mark.parametrize(
        ("shown", "showing"),
        [
            (CREATING, view.Showing.CREATING),
            (RUNNING, view.Showing.RUNNING),
            (STOPPED, view.Showing.RUNNING),
        ],
    )
    def test_what_a_machine_shows(self, shown, showing):
        assert index.machine(machine(1, state=shown)).showing is showing


class TestMembers:
    def test_every_kind_of_member_once(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        held, sent = scene.grow(2)
        scene.plan()
        scene.ordered(sent, machine(3, sent, state=CREATING))
        scene.ordered(held, errors.BadOrder("image"))
        scene.listed(machine(2, "g-2", state=CREATING))
        ids = {member.provider_id for member in view.members(scene.fleet, "g")}
        assert ids == {"sky://1", "sky://2", "sky://3", f"sky://launching/{held}"}
        assert scene.target() == 4
        assert view.live(scene.fleet, "g") == 3

    def test_a_group_that_nobody_configured_has_members_too(self):
        scene = Scene(shown=(machine(1, "x-1", "x"),))
        assert view.target(scene.fleet, "x") == 1
        assert view.whose(scene.fleet, "sky://1") is None


class TestWhose:
    def test_every_member_and_nobody_else(self):
        scene = Scene(group("g"), group("h"), shown=(machine(1, "g-1"), machine(2, "x-1", "x")))
        (name,) = scene.grow(1, "h")
        assert view.whose(scene.fleet, "sky://1") == ("g", "g-1")
        assert view.whose(scene.fleet, f"sky://launching/{name}") == ("h", name)
        for stranger in ("sky://2", "sky://9", "", "aws:///i-1", "sky://launching/nobody"):
            assert view.whose(scene.fleet, stranger) is None

    def test_an_accepted_launch_by_the_id_it_was_given(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(7, name, state=CREATING))
        assert view.whose(scene.fleet, "sky://7") == ("g", name)
        assert view.whose(scene.fleet, f"sky://launching/{name}") == ("g", name)

    def test_the_placeholder_of_a_machine_that_stands(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        assert view.whose(scene.fleet, "sky://launching/g-1") == ("g", "g-1")
        scene.retire(node(1, "g-1"))
        assert view.whose(scene.fleet, "sky://launching/g-1") is None

    @pytest.mark.parametrize("shown", [DELETING, RUNNING])
    def test_what_is_leaving_belongs_to_nobody(self, shown):
        scene = Scene(shown=(machine(1, "g-1", state=shown), machine(2, "g-2")))
        if shown is RUNNING:
            scene.retire(node(1, "g-1"))
        assert view.whose(scene.fleet, "sky://1") is None
        assert [each.id for each in view.leaving(scene.fleet, "g")] == ["1"]


class TestServed:
    def test_not_before_the_account_was_listed_and_its_catalogue_read(self):
        scene = Scene(settled=False)
        assert view.served(scene.fleet) == ()
        scene.listed()
        assert [each.name for each in view.served(scene.fleet)] == ["g"]

    def test_one_sick_account_does_not_show_in_another(self):
        accounts = (account("a"), account("b"))
        scene = Scene(group("g", "a"), group("h", "b"), accounts=accounts, settled=False)
        scene.listed(account="a")
        assert [each.name for each in view.served(scene.fleet)] == ["g"]

    def test_a_group_that_cannot_work_is_left_out_while_it_is_empty(self):
        scene = Scene()
        scene.configure(group(), blocked={"g": "no way to join"})
        assert view.served(scene.fleet) == ()
        scene.listed(machine(1, "g-1"))
        assert [each.name for each in view.served(scene.fleet)] == ["g"]
        assert view.trouble(scene.fleet, "g") == "no way to join"

    def test_a_group_whose_types_are_not_sold(self):
        scene = Scene(group(candidates=(groups.Candidate("cx21", "north"),)))
        assert view.trouble(scene.fleet, "g") == "account a does not sell cx21 in north"
        assert view.served(scene.fleet) == ()

    def test_a_group_that_moved_keeps_what_it_has(self):
        accounts = (account("a"), account("b"))
        scene = Scene(accounts=(account("a"),), shown=(machine(1, "g-1"),))
        scene.accounts = accounts
        scene.configure(group("g", "b"))
        assert [each.name for each in view.served(scene.fleet)] == ["g"]
        assert scene.names() == ["g-1"]


class TestOrphans:
    def test_machines_of_no_group_that_we_know(self):
        scene = Scene(
            shown=(machine(1, "g-1"), machine(2, "x-1", "x"), machine(3, "", "")),
        )
        assert {each.id for each in view.orphans(scene.fleet)} == {"2", "3"}


class TestInTheAir:
    def test_launches_and_young_machines_that_never_registered(self):
        scene = Scene(
            shown=(
                machine(1, "g-1", created_at=1.0),
                machine(2, "g-2", created_at=1060.0),
                machine(3, "g-3", created_at=1060.0),
                machine(4, "g-4", created_at=0.0, state=CREATING),
                machine(5, "g-5", created_at=0.0),
            )
        )
        scene.register("sky://3")
        (name,) = scene.grow(1)
        assert view.in_the_air(scene.fleet, "g", 1900.0) == {"g-2", "g-4", name}


def test_a_change_of_known_nodes_keeps_what_does_not_depend_on_them() -> None:
    old, new = memo.Memo(), memo.Memo()
    old.members["g"], old.vanished["a"], old.not_now["a"] = (), "many", None
    new.keep(old)
    assert (new.version, new.members) == (old.version, old.members)
    assert not new.vanished
    assert not new.not_now
