"""Faults that the state machine and the histories found, each in a few words."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import marking, proof, registering, state, view
from externalgrpc.fleet import requests as asked
from providers import contract, errors
from tests.fleet import scene
from tests.fleet.scene import CREATING, DELETING, IDENTITY, Scene, machine, node, placeholder

OTHER = "ffffffffff"


def seen(*machines, ready=True):
    return {each.node_name: state.Seen(each.provider_id, ready) for each in machines}


def see(there, nodes):
    there.fleet = registering.see_nodes(there.fleet, nodes, now=there.now, unix_now=there.now)


def keys(there, group="g"):
    return {member.provider_id: member.name for member in view.members(there.fleet, group)}


def test_a_name_is_the_key_of_one_machine_whatever_their_groups():
    there = Scene(scene.group("g"), scene.group("h"))
    there.listed(machine(1, "g-1"), machine(2, "g-1", "h"))
    assert keys(there) == {"sky://1": "g-1"}
    assert keys(there, "h") == {"sky://2": "sky://2"}
    assert view.whose(there.fleet, "sky://2") == ("h", "sky://2")


def test_of_two_that_no_listing_shows_each_counts():
    there = Scene(shown=(machine(1, "g-1"), machine(2, "g-1")))
    there.now += 10
    there.listed()
    assert there.target() == 2
    for provider_id, key in keys(there).items():
        assert view.whose(there.fleet, provider_id) == ("g", key)


def test_without_nodes_the_last_word_of_ca_counts():
    there = Scene(shown=(machine(1, "g-1"),), started_at=900.0)
    there.register("sky://1")
    assert there.retire(node(1, fake=True)) == ("g-1",)
    assert there.target() == 0
    assert not there.fleet.retired
    assert registering.claim(there.fleet, "sky://1", "g-1").news
    there.register("sky://1")
    assert there.target() == 1


def test_whose_node_is_seen_stays_whatever_ca_calls_it():
    there = Scene(shown=(machine(1, "g-1", identity=IDENTITY),), identity=IDENTITY)
    see(there, seen(machine(1, "g-1")))
    assert there.retire(node(1, fake=True)) == ()
    assert there.target() == 1


def test_what_is_in_quarantine_stays_there_when_a_listing_lacks_it():
    foreign = machine(1, "g-1", identity=OTHER)
    there = Scene(shown=(foreign,), identity=IDENTITY, nodes={})
    there.now += 10
    there.listed()
    assert there.target() == 0
    assert view.room(there.fleet, "g") == 9
    assert view.whose(there.fleet, "sky://1") is None
    there.missing_looked_up("sky://1", None)
    assert view.room(there.fleet, "g") == 10
    assert not there.fleet.quarantine


def test_what_was_let_go_is_known_by_its_id_when_its_label_is_edited():
    there = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
    there.register("sky://1")
    there.retire(node(1, "g-1"))
    there.now += 10
    there.listed(machine(1, "g-2"), machine(2, "g-2"))
    assert keys(there).keys() == {"sky://2"}


def test_a_node_that_agrees_again_with_the_mark_is_news():
    there = Scene(shown=(machine(1, "g-other"),))
    there.register("sky://1", name="g-1")
    assert not registering.claim(there.fleet, "sky://1", "g-1").news
    there.listed(machine(1, "g-1"))
    assert registering.claim(there.fleet, "sky://1", "g-1").news


def test_a_node_that_disagrees_is_nobodys_while_its_machine_is_not_listed():
    there = Scene(shown=(machine(1, "g-1"),))
    there.now += 10
    there.listed()
    assert registering.contradicts(there.fleet, "sky://1", "g-2")


def test_without_an_identity_the_operator_s_word_puts_away_what_is_another_s():
    ours = scene.account(foreign={OTHER: "ignore"})
    there = Scene(accounts=(ours,), shown=(machine(1, "g-1", identity=OTHER),))
    assert there.target() == 0
    assert view.room(there.fleet, "g") == 10


def test_a_node_is_none_of_an_order_that_was_let_go():
    ours = scene.account(marking=True)
    there = Scene(accounts=(ours,), identity=IDENTITY, nodes={}, started_at=900.0)
    name = asked_for(there)
    there.ordered(name, errors.Unreachable("cut"))
    there.retire(placeholder(name))
    joined = machine(7, name, identity=IDENTITY, created_at=there.now)
    see(there, seen(joined))
    there.now += 100
    planned = []
    for _ in range(3):
        there.now += 40
        there.listed(joined)
        planned += there.plan()
        there.looked_up(name, joined)
    assert keys(there) == {"sky://7": name}
    assert not any(isinstance(each, asked.Delete) for each in planned)


def test_ca_is_not_believed_about_an_order_whose_node_was_seen():
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, machine(7, name, state=CREATING))
    there.register("sky://7", name=name)
    assert there.retire(node(7, fake=True)) == ()
    assert there.target() == 1


def test_a_node_of_an_order_is_remembered_before_its_machine_is_listed():
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, errors.Unreachable("cut"))
    assert registering.claim(there.fleet, "sky://7", name).news
    there.register("sky://7", name=name)
    there.listed()
    there.retire(placeholder(name))
    there.now += 100
    there.listed(machine(7, name, created_at=there.now - 100, unjoined=True))
    assert keys(there) == {"sky://7": name} or keys(there) == {"sky://7": "sky://7"}
    assert not any(isinstance(each, asked.Delete) for each in there.plan())


@pytest.mark.parametrize("joins", ["before it is let go", "after it was let go"])
def test_an_order_that_ca_let_go_and_whose_machine_is_a_node_stays(joins):
    """Without ``kubernetes:``, in an empty project: look-ups deny it, and it is not sent again."""
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, errors.Unreachable("cut"))
    if joins == "before it is let go":
        there.register("sky://7", name=name)
    there.now += scene.SETTLE_S + 1
    there.listed()
    there.plan()
    there.looked_up(name, None)
    there.now += 300
    assert [each.name for each in there.creates()] == [name]
    there.ordered(name, errors.QuotaExceeded("this project may have no machines"))
    there.retire(placeholder(name))
    there.listed()
    if joins == "after it was let go":
        assert registering.claim(there.fleet, "sky://7", name).news
        there.register("sky://7", name=name)
    assert not registering.claim(there.fleet, "sky://7", name).news
    for _ in range(2):
        there.now += 40
        there.listed()
    there.listed(machine(7, name, created_at=1001.0, unjoined=True))
    assert keys(there) == {"sky://7": name}
    assert not any(isinstance(each, asked.Delete) for each in there.plan())


def test_what_was_a_node_is_not_ordered_anew_when_a_cloud_no_longer_knows_it():
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, machine(7, name, state=CREATING))
    there.register("sky://7", name=name)
    there.now += 100
    there.looked_up(name, None)
    assert name in there.fleet.launches
    there.listed()
    assert not there.fleet.launches
    assert "sky://7" in there.fleet.missing
    assert not there.fleet.retired
    assert there.target() == 1


def test_an_order_that_is_a_node_is_a_machine_only():
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, machine(7, name, state=CREATING))
    there.register("sky://7", name=name)
    there.listed(machine(7, name, state=DELETING))
    assert there.target() == 0
    assert not there.fleet.launches


def test_an_order_whose_machine_is_in_quarantine_does_not_count():
    there = Scene(identity=IDENTITY, nodes={}, started_at=900.0)
    name = asked_for(there)
    foreign = machine(7, "g-edited", identity=OTHER, state=CREATING)
    there.listed(foreign)
    there.ordered(name, dataclasses.replace(foreign, node_name=name, identity=IDENTITY))
    assert "sky://7" in there.fleet.quarantine
    assert there.target() == 0


def test_the_mark_goes_from_every_node_of_ours_whosever_identity_it_carries():
    foreign = machine(1, "g-1", identity=OTHER, unjoined=True)
    ours = scene.account(marking=True)
    there = Scene(accounts=(ours,), shown=(foreign,), identity=IDENTITY, nodes={})
    there.fleet = marking.survey(there.fleet)
    see(there, seen(foreign))
    marks = [each for each in there.plan() if isinstance(each, asked.Mark)]
    assert [(each.put, each.remove) for each in marks] == [
        ({}, frozenset({contract.Mark.UNJOINED}))
    ]


def test_what_was_seen_under_another_name_is_no_double_of_an_order():
    there = Scene(started_at=900.0)
    name = asked_for(there)
    there.ordered(name, machine(7, name, created_at=there.now))
    theirs = machine(8, "g-theirs", created_at=there.now)
    there.listed(machine(7, name, created_at=there.now), theirs)
    for _ in range(4):
        there.now += 100
        there.listed(machine(7, name), dataclasses.replace(theirs, node_name=name))
    assert not there.fleet.retired
    assert keys(there).keys() == {"sky://7", "sky://8"}


def asked_for(there):
    (name,) = there.grow()
    there.creates()
    return name


@pytest.mark.parametrize("times", [1, 2])
def test_what_counted_under_another_name_is_not_the_machine_of_an_order_that_was_let_go(times):
    """Seed 1563: an API gave every machine one name for a while, and a label can be edited."""
    there = Scene()
    (name,) = there.grow()
    there.plan()
    there.ordered(name, errors.Unreachable("cut"))
    for _ in range(times):
        there.listed(machine(7, "g-other", unjoined=True, created_at=there.now))
        there.now += 3
    assert there.retire(placeholder(name)) == (name,)
    assert there.fleet.retired[name].deletion is state.Deletion.AWAITED
    shown = machine(7, name, unjoined=True, created_at=there.now)
    for _ in range(6):
        there.listed(shown)
        assert there.target() == 1
        there.now += scene.SETTLE_S
        if any(isinstance(each, asked.LookUp) for each in there.plan()):
            there.looked_up(name, shown)
    assert name not in there.fleet.retired
    assert keys(there) == {"sky://7": name}


def test_a_group_whose_machine_is_in_doubt_is_served_before_its_node_is_asked_about():
    """Seed 637: the group had moved to an account that nobody could list yet."""
    there = Scene(
        scene.group(account="b"),
        accounts=(scene.account("a"), scene.account("b")),
        settled=False,
        started_at=999.0,
    )
    there.listed(machine(1, "g-1"))
    there.retire(node(1, fake=True))
    assert there.fleet.quarantine
    assert there.target() == 0
    assert [group.name for group in view.served(there.fleet)] == ["g"]
    there.register("sky://1")
    assert there.target() == 1


def test_what_no_listing_has_shown_is_the_machine_of_an_order_that_was_let_go():
    there = Scene()
    (name,) = there.grow()
    there.plan()
    there.ordered(name, errors.Unreachable("cut"))
    assert there.retire(placeholder(name)) == (name,)
    there.listed(machine(7, name, unjoined=True, created_at=there.now))
    assert there.target() == 0
    assert asked.Delete("a", name, "7") in there.plan()


def test_what_a_second_login_lied_about_is_missing_as_the_first_one_showed_it():
    logins = (scene.account("a"), scene.account("b"))
    groups = (scene.group("g", "a"), scene.group("h", "b"))
    there = Scene(*groups, accounts=logins, shown=(machine(1, "g-1"),))
    there.now += 10
    there.listed(machine(1, "h-7", "h"), account="b")
    there.now += 10
    there.listed(account="b")
    assert keys(there) == {"sky://1": "g-1"}
    assert keys(there, "h") == {}


def test_a_machine_that_bears_the_name_of_a_launch_which_means_another_is_looked_up():
    there = Scene(shown=(machine(1, "g-1"),))
    (name,) = there.grow()
    there.now += 10
    there.listed(machine(1, name))
    there.now += 10
    there.listed()
    assert there.fleet.missing.keys() == {"sky://1"}
    assert there.target() == 2


def test_what_was_a_node_is_no_newcomer_when_a_cloud_shows_it_again():
    """Its Node lost, its machine denied and shown again, with the mark that nobody took off yet."""
    there = Scene(started_at=900.0, identity=IDENTITY, nodes={})
    name = asked_for(there)
    made = machine(7, name, identity=IDENTITY, unjoined=True, created_at=1000.0)
    there.ordered(name, made)
    there.listed(made)
    assert proof.never_joined(there.fleet, made, "a")
    see(there, seen(made))
    see(there, {})
    there.now += 60
    there.listed()
    for _ in range(3):
        there.now += 300
        there.missing_looked_up("sky://7", None)
        there.listed()
    assert "sky://7" in there.fleet.gone
    there.now += 30
    there.listed(made)
    assert not proof.never_joined(there.fleet, made, "a")
