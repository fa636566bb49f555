"""Of whom we cannot be sure: neither counted nor deleted, and how one gets out again."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import notnow, proof, quarantine, registering, state, view
from externalgrpc.model import fleet_errors
from providers import errors
from tests.fleet.scene import (
    CREATING,
    IDENTITY,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    unjoined,
)

OTHER = "feedc0ffee"
OLD_S = 5000.0
"""Older than any machine may take to register, at the scenes' clock."""


def seen(*numbers: int, **more: state.Seen) -> dict[str, state.Seen]:
    """Return the Nodes of machines, each by the name and the id of its machine."""
    return {**{f"g-{n}": state.Seen(f"sky://{n}", ready=True) for n in numbers}, **more}


class Ours(Scene):
    """A cluster that has an identity and Nodes, and has been up for long."""

    def __init__(self, *shown, nodes=None, foreign=None, of=None) -> None:
        of = of or group()
        super().__init__(
            of,
            accounts=(account(marking=True, foreign=foreign or {}),),
            identity=IDENTITY,
            nodes=nodes if nodes is not None else {},
            settled=False,
        )
        self.now = OLD_S
        self.show(*shown)

    def show(self, *shown) -> None:
        self.listed(*shown)
        self.now += SETTLE_S + 1
        self.listed(*shown)

    def see(self, nodes: dict[str, state.Seen]) -> None:
        self.fleet = registering.see_nodes(self.fleet, nodes, now=self.now, unix_now=self.now)

    def doubts(self) -> dict[str, str]:
        return {each: held.doubt.value for each, held in self.fleet.quarantine.items()}


class TestOrdered:
    def test_one_whose_order_failed_after_all_is_not_ordered_again(self):
        scene = Ours()
        (name,) = scene.grow(1)
        scene.creates()
        made = machine(1, name, state=CREATING, identity=IDENTITY, unjoined=True)
        scene.ordered(name, made)
        scene.show(dataclasses.replace(made, identity=OTHER))
        assert scene.doubts() == {"sky://1": "Foreign"}
        before = scene.target()
        scene.looked_up(name, errors.OutOfStock("accepted, and sold out then"))
        assert scene.target() == before == 0
        assert not scene.fleet.launches
        assert not scene.fleet.retired
        assert scene.doubts() == {"sky://1": "Foreign"}


class TestProof:
    def test_nothing_is_proved_while_nobody_hears_of_the_nodes(self):
        left = unjoined(1, "g-1")
        scene = Ours(left)
        assert proof.never_joined(scene.fleet, left, "a")
        scene.fleet = registering.lose_sight_of_nodes(scene.fleet)
        assert not proof.never_joined(scene.fleet, left, "a"), "its Node may have come since"
        scene.see({})
        assert proof.never_joined(scene.fleet, left, "a")


class TestForeign:
    def test_a_machine_of_another_cluster_is_nobodys_and_nothing_deletes_it(self):
        scene = Ours(machine(1, "g-1", identity=OTHER), nodes=seen(1))
        assert scene.doubts() == {"sky://1": "Foreign"}
        assert scene.target() == 0
        assert scene.names() == []
        assert view.whose(scene.fleet, "sky://1") is None
        with pytest.raises(fleet_errors.NotOurs):
            scene.retire(node(1, "g-1"))
        assert scene.retire(node(1, fake=True)) == ()
        assert not scene.fleet.retired

    def test_two_identities_on_one_machine_are_nobodys(self):
        assert Ours(machine(1, "g-1", identity="?")).doubts() == {"sky://1": "Foreign"}

    def test_our_own_is_a_member_with_and_without_its_node(self):
        for nodes in (seen(1), {}):
            scene = Ours(machine(1, "g-1", identity=IDENTITY), nodes=nodes)
            assert scene.doubts() == {}
            assert scene.names() == ["g-1"]

    def test_adopt_takes_only_what_a_node_of_ours_claims_by_both(self):
        scene = Ours(
            machine(1, "g-1", identity=OTHER),
            machine(2, "g-2", identity=OTHER),
            machine(3, "g-3", identity=OTHER),
            nodes=seen(1, **{"g-3": state.Seen("sky://99", ready=True)}),
            foreign={OTHER: "adopt"},
        )
        assert scene.names() == ["g-1"]
        assert scene.doubts() == {"sky://2": "Foreign", "sky://3": "Foreign"}

    @pytest.mark.parametrize("word", ["ignore", "gone"])
    def test_what_the_operator_excuses_stays_away_and_takes_no_room(self, word):
        shown = [machine(n, f"g-{n}", identity=OTHER) for n in (1, 2)]
        scene = Ours(*shown, of=group(max_size=3))
        assert view.room(scene.fleet, "g") == 1
        scene.fleet = dataclasses.replace(
            scene.fleet,
            accounts={"a": dataclasses.replace(scene.fleet.accounts["a"], foreign={OTHER: word})},
        )
        scene.fleet = quarantine.review(scene.fleet, now=scene.now, unix_now=scene.now)
        assert scene.doubts() == {"sky://1": "Foreign", "sky://2": "Foreign"}
        assert view.room(scene.fleet, "g") == 3
        assert notnow.why(scene.fleet, "g") is None

    def test_nothing_grows_where_there_are_strangers_and_none_of_ours(self):
        scene = Ours(machine(1, "g-1", identity=OTHER))
        said = notnow.why(scene.fleet, "g")
        assert said is not None
        assert said.code == "ForeignMachines"
        assert OTHER in said.reason
        assert notnow.bounds(scene.fleet, "g") == (0, 0)
        scene.grow(1)
        assert not scene.creates()
        (launch,) = scene.fleet.launches.values()
        assert launch.failure.code == "ForeignMachines"
        assert launch.failure.error_class is state.ErrorClass.OUT_OF_RESOURCES

    def test_who_has_a_machine_of_its_own_goes_on(self):
        scene = Ours(machine(1, "g-1", identity=OTHER), machine(2, "g-2", identity=IDENTITY))
        assert scene.doubts() == {"sky://1": "Foreign"}
        assert notnow.why(scene.fleet, "g") is None
        assert notnow.bounds(scene.fleet, "g") == (0, 9), "the stranger takes a place"


class TestUnclaimed:
    def test_machines_of_an_older_version_are_members_when_nodes_of_ours_claim_them(self):
        scene = Ours(machine(1, "g-1"), machine(2, "g-2"), nodes=seen(1))
        assert scene.names() == ["g-1"]
        assert scene.doubts() == {"sky://2": "Unclaimed"}
        assert notnow.why(scene.fleet, "g") is None
        scene.see(seen(1, 2))
        assert scene.doubts() == {}
        assert sorted(scene.names()) == ["g-1", "g-2"]

    def test_where_no_node_claims_any_all_are_another_clusters_and_the_account_rests(self):
        young = machine(2, "g-2", created_at=OLD_S - 10, state=CREATING)
        scene = Ours(machine(1, "g-1"), young)
        assert scene.doubts() == {"sky://1": "Unclaimed", "sky://2": "Unclaimed"}
        assert notnow.why(scene.fleet, "g").code == "ForeignMachines"
        scene.fleet = dataclasses.replace(
            scene.fleet,
            accounts={
                "a": dataclasses.replace(scene.fleet.accounts["a"], foreign={"none": "ignore"})
            },
        )
        assert notnow.why(scene.fleet, "g") is not None, "taken when it is reviewed"
        scene.fleet = quarantine.review(scene.fleet, now=scene.now, unix_now=scene.now)
        assert notnow.why(scene.fleet, "g") is None

    def test_young_ones_alone_are_what_the_process_before_us_ordered(self):
        scene = Ours(machine(1, "g-1", created_at=OLD_S - 10, state=CREATING))
        assert scene.doubts() == {}
        assert scene.names() == ["g-1"]

    def test_nobody_is_judged_before_the_nodes_were_listed(self):
        scene = Ours(machine(1, "g-1"))
        scene.fleet = dataclasses.replace(scene.fleet, nodes=None)
        scene.fleet = quarantine.review(scene.fleet, now=scene.now, unix_now=scene.now)
        assert scene.doubts() == {}
        scene.grow(1)
        assert not scene.creates(), "and nothing is ordered"

    def test_nothing_is_ordered_before_the_identity_is_known(self):
        scene = Scene(identity=None)
        (name,) = scene.grow(1)
        assert not scene.creates()
        assert scene.launch(name).phase is state.Phase.HELD
        scene.fleet = registering.identify(scene.fleet, "", now=scene.now, unix_now=scene.now)
        assert len(scene.creates()) == 1

    @pytest.mark.parametrize(
        ("known", "why"),
        [
            ({"identity": None}, "identity could not be read"),
            ({"identity": IDENTITY}, "Nodes could not be listed"),
            ({"identity": IDENTITY, "nodes": {}}, "whose machines are in the project"),
        ],
    )
    def test_an_order_that_waited_in_vain_for_it_says_so(self, known, why):
        scene = Scene(accounts=(account(neighbourly=True),), **known)
        (name,) = scene.grow(1)
        scene.now += 1000
        assert not scene.creates()
        assert why in scene.launch(name).failure.message


class TestMisnamed:
    def test_a_node_of_our_machines_name_that_claims_another_machine(self):
        nodes = {"g-1": state.Seen("sky://2", ready=True), **seen(2)}
        scene = Ours(
            machine(1, "g-1", identity=IDENTITY), machine(2, "g-2", identity=IDENTITY), nodes=nodes
        )
        assert scene.doubts() == {"sky://1": "Misnamed"}, "the liar, not the one it names"
        assert scene.names() == ["g-2"]
        with pytest.raises(fleet_errors.NotOurs, match="mark says g-2"):
            scene.retire(node(2, "g-1"))
        assert not scene.fleet.retired
        assert scene.retire(node(2, "g-2")) == ("g-2",)

    def test_a_machine_that_a_node_of_another_name_claims(self):
        nodes = {"renamed": state.Seen("sky://1", ready=True)}
        scene = Ours(machine(1, "g-1", identity=IDENTITY), nodes=nodes)
        assert scene.doubts() == {"sky://1": "Misnamed"}
        own = Ours(machine(1, "g-1", identity=IDENTITY), nodes=nodes, of=group(any_node_name=True))
        assert own.doubts() == {}

    @pytest.mark.parametrize(
        ("node_name", "provider_id", "doubts", "goes"),
        [
            pytest.param("{name}", "hcloud://9", {"sky://1": "Misnamed"}, False, id="wrong id"),
            pytest.param("{name}", "", {}, False, id="no id: it is given one"),
            pytest.param("other", "hcloud://9", {}, True, id="nothing says that it is the machine"),
        ],
    )
    def test_a_wrong_provider_id_in_a_cluster_whose_nodes_are_seen(
        self, node_name, provider_id, doubts, goes
    ):
        """What docs/autoscaler.md says of identity."""
        scene = Ours()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name, created_at=OLD_S))
        scene.listed(unjoined(1, name, created_at=OLD_S))
        scene.see({node_name.format(name=name): state.Seen(provider_id, ready=True)})
        assert scene.doubts() == doubts
        scene.retire(node(1, fake=True))
        assert bool(scene.fleet.retired) == goes

    def test_a_wrong_provider_id_where_nobody_sees_nodes_costs_a_machine_each_time(self):
        """What docs/autoscaler.md says of a file without ``kubernetes:``."""
        scene = Scene(accounts=(account(marking=True),))
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, machine(1, name, unjoined=True))
        scene.listed(machine(1, name, unjoined=True))
        assert scene.retire(node(1, fake=True)) == (name,)
        assert set(scene.fleet.retired) == {name}

    def test_a_sibling_that_boots_is_not_kept_from_joining(self):
        scene = Ours()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name, state=CREATING, created_at=scene.now))
        scene.see({"liar": state.Seen("sky://1", ready=True)})
        scene.listed(unjoined(1, name, state=CREATING, created_at=scene.now))
        assert scene.doubts() == {}
        assert scene.names() == [name]
        scene.now += 10_000.0
        scene.listed(unjoined(1, name, created_at=OLD_S))
        assert scene.doubts() == {"sky://1": "Misnamed"}, "it has had its time"

    def test_what_ca_shows_counts_where_the_cluster_is_not_known(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.register("sky://1", name="renamed")
        assert {k: v.doubt for k, v in scene.fleet.quarantine.items()} == {
            "sky://1": state.Doubt.MISNAMED
        }
        assert scene.target() == 0
        assert "sky://1" not in scene.fleet.registered
        scene.register("sky://1")
        assert scene.target() == 1

    def test_an_edited_name_label_deletes_nothing(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        scene.register("sky://1", "sky://2")
        for _ in range(5):
            scene.now += SETTLE_S
            scene.listed(machine(1, "g-1"), machine(2, "g-1"))
        assert not scene.fleet.retired
        assert scene.target() == 2
        assert registering.contradicts(scene.fleet, "sky://2", "g-2")

    def test_a_name_label_edited_on_a_node_that_ca_showed_before_is_news(self):
        """Else the machine counts and its Node does not: CA skips every loop to mend the size."""
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.register("sky://1")
        assert not registering.claim(scene.fleet, "sky://1", "g-1").news
        scene.listed(machine(1, "g-zzz"))
        assert registering.claim(scene.fleet, "sky://1", "g-1").news
        scene.register("sky://1", name="g-1")
        assert {each.doubt.value for each in scene.fleet.quarantine.values()} == {"Misnamed"}
        assert (scene.target(), scene.fleet.retired) == (0, {})
        assert not registering.claim(scene.fleet, "sky://1", "g-1").news
        scene.listed(machine(1, "g-1"))
        assert registering.claim(scene.fleet, "sky://1", "g-1").news
        scene.register("sky://1")
        assert (scene.target(), scene.fleet.quarantine) == (1, {})
        assert not registering.claim(scene.fleet, "sky://1", "g-1").news


class TestUnregistered:
    def test_ca_is_not_believed_about_what_was_there_before_us(self):
        scene = Scene(started_at=OLD_S, shown=(machine(1, "g-1"), machine(2, "g-2")))
        assert scene.retire(node(1, fake=True)) == ("g-1",), "it no longer counts"
        assert not scene.fleet.retired
        assert scene.fleet.quarantine["sky://1"].doubt is state.Doubt.UNREGISTERED
        assert scene.names() == ["g-2"]
        assert scene.retire(node(1, fake=True)) == (), "said again, it is still no error"
        with pytest.raises(fleet_errors.NotOurs):
            scene.retire(node(1, "g-1"))
        scene.register("sky://1")
        assert sorted(scene.names()) == ["g-1", "g-2"]
        assert not scene.fleet.accused

    def test_it_is_believed_about_what_the_process_before_us_may_have_ordered(self):
        young = machine(1, "g-1", created_at=OLD_S - 100)
        scene = Scene(started_at=OLD_S, shown=(young,))
        assert scene.retire(node(1, fake=True)) == ("g-1",)
        assert set(scene.fleet.retired) == {"g-1"}

    def test_it_is_not_about_what_somebody_else_has_made_since(self):
        late = machine(1, "g-1", created_at=OLD_S + 2 * SETTLE_S + 1)
        scene = Scene(started_at=OLD_S, shown=(late,))
        scene.retire(node(1, fake=True))
        assert not scene.fleet.retired
        assert set(scene.fleet.quarantine) == {"sky://1"}

    @pytest.mark.parametrize(
        ("marks", "goes"),
        [
            ({"identity": IDENTITY, "unjoined": True}, True),
            ({"identity": IDENTITY}, False),
            ({"identity": OTHER, "unjoined": True}, False),
            ({}, False),
        ],
    )
    def test_marks_are_the_proof_where_the_cluster_has_an_identity(self, marks, goes):
        scene = Ours(machine(1, "g-1", created_at=OLD_S - 10, **marks))
        scene.retire(node(1, fake=True))
        assert bool(scene.fleet.retired) == goes

    def test_one_whose_node_was_removed_by_hand_stays(self):
        scene = Ours()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name))
        scene.listed(machine(1, name, identity=IDENTITY))
        scene.see({name: state.Seen("sky://1", ready=True)})
        scene.see({})
        scene.retire(node(1, fake=True))
        assert not scene.fleet.retired
        assert scene.doubts() == {"sky://1": "Unregistered"}

    @pytest.mark.parametrize("ordered", [False, True])
    def test_nothing_is_believed_while_nobody_hears_of_the_nodes(self, ordered):
        scene, name = Ours(), "g-1"
        if ordered:
            (name,) = scene.grow(1)
            scene.creates()
            scene.ordered(name, unjoined(1, name))
        scene.listed(unjoined(1, name, created_at=OLD_S))
        scene.fleet = registering.lose_sight_of_nodes(scene.fleet)
        scene.retire(node(1, fake=True))
        assert not scene.fleet.retired, "its Node may have come since"
        assert scene.doubts() == {"sky://1": "Unregistered"}
        assert scene.target() == 0
        scene.see({})
        assert scene.doubts() == {}, "they are heard of again, and it is none"
        assert scene.target() == 1
        assert scene.retire(node(1, fake=True)) == (name,)
        assert set(scene.fleet.retired) == {name}

    def test_a_node_that_came_while_nobody_heard_of_them_keeps_its_machine(self):
        scene = Ours(unjoined(1, "g-1", created_at=OLD_S))
        scene.fleet = registering.lose_sight_of_nodes(scene.fleet)
        scene.retire(node(1, fake=True))
        scene.see(seen(1))
        assert (scene.doubts(), scene.target(), scene.fleet.retired) == ({}, 1, {})

    def test_a_launch_of_ours_goes_on_cas_word(self):
        scene = Ours()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name, state=CREATING))
        scene.listed(unjoined(1, name, created_at=OLD_S))
        assert scene.retire(node(1, fake=True)) == (name,)
        assert set(scene.fleet.retired) == {name}


def test_shown_bounds_are_lowered_by_what_is_in_quarantine_and_growth_respects_it():
    shown = [machine(n, f"g-{n}", identity=OTHER) for n in (1, 2)]
    own = machine(3, "g-3", identity=IDENTITY)
    scene = Ours(*shown, own, of=group(min_size=3, max_size=4))
    assert notnow.bounds(scene.fleet, "g") == (2, 2)
    with pytest.raises(fleet_errors.OutOfBounds, match="less 2 in quarantine"):
        scene.grow(2)
    assert len(scene.grow(1)) == 1
