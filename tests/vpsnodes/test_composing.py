"""File and objects as one configuration: nobody stops another, and nothing good is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.config import objects as config_objects
from externalgrpc.model import groups
from externalgrpc.vpsnodes import composing, objects

FILE_GROUP = groups.NodeGroup(
    name="alpha",
    account="main",
    candidates=(groups.Candidate("small", "north"),),
    min_size=0,
    max_size=1,
)
MAIN = groups.Account(name="main", provider="sky")
FILE = groups.Config(cluster="test", accounts={"main": MAIN}, groups=(FILE_GROUP,))
OK = composing.Verdict(ok=True, reason=composing.ACCEPTED)


def judge(name: str, given: objects.Spec) -> config_objects.Judged:
    """Judge as the tests' specs say: ``wrong`` is a key that is, ``max`` the size."""
    if "wrong" in given:
        wrong = config_objects.Wrong(key=given["wrong"], path=given["wrong"], message="is wrong")
        return config_objects.Judged(wrong=(wrong,))
    account = groups.Account(name=given.get("account", "main"), provider="sky")
    group = groups.NodeGroup(
        name=name,
        account=account.name,
        candidates=(groups.Candidate(given.get("type", "small"), "north"),),
        min_size=1,
        max_size=given.get("max", 3),
        labels=given.get("labels", {}),
        target_cpu=given.get("cpu"),
        repair_after_s=given.get("repair"),
    )
    return config_objects.Judged(group=group, account=account)


def sold(group: groups.NodeGroup) -> composing.Verdict:
    match group.candidates[0].machine_type:
        case "gone":
            return composing.refused(composing.TYPE_GONE, "sky has no machine type gone")
        case "unread":
            return composing.Verdict(ok=None, reason=composing.NOT_JUDGED)
        case _:
            return OK


def node(name: str = "web", *, kept: bool = True, **fields: Any) -> objects.VpsNode:
    settings = {"uid": f"uid-{name}", "spec": {"max": 3}, **fields}
    return objects.VpsNode(name=name, finalizers=(objects.FINALIZER,) if kept else (), **settings)


class Desk:
    """A composer and what it made last."""

    def __init__(self) -> None:
        self.composer = composing.Composer(judge)

    def compose(self, *there: objects.VpsNode, **unusable: str) -> composing.Composed:
        self.made = self.composer.compose(
            FILE, {each.name: each for each in there}, sold=sold, unusable=unusable
        )
        return self.made

    def group(self, name: str = "web") -> groups.NodeGroup | None:
        return next((each for each in self.made.config.groups if each.name == name), None)

    def verdict(self, name: str = "web") -> composing.Verdict:
        return self.made.standings[name].verdict


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_objects_follow_the_groups_of_the_file(desk: Desk):
    made = desk.compose(node("web"), node("app", spec={"max": 9}))
    assert [each.name for each in made.config.groups] == ["alpha", "app", "web"]
    assert desk.verdict() == OK
    assert made.standings["app"].good == {"max": 9}


def test_no_objects_leave_the_file_as_it_is(desk: Desk):
    assert desk.compose().config == FILE


def test_the_file_wins(desk: Desk):
    desk.compose(node("alpha"))
    assert desk.group("alpha") is FILE_GROUP
    assert desk.verdict("alpha").reason == composing.NAME_TAKEN
    assert desk.verdict("alpha").ok is False


@pytest.mark.parametrize("wrong", ["labels", "account", "join"])
def test_a_wrong_object_stops_nobody(desk: Desk, wrong: str):
    desk.compose(node("web", spec={"wrong": wrong}), node("app"))
    assert desk.group("web") is None
    assert desk.group("app") is not None
    assert desk.verdict("web").ok is False
    assert "is wrong" in desk.verdict("web").message
    assert desk.made.standings["web"].good == {}


def test_the_last_good_spec_stays_in_force(desk: Desk):
    desk.compose(node(spec={"max": 4}))
    desk.compose(node(spec={"wrong": "labels"}))
    group = desk.group()
    assert group is not None
    assert group.max_size == 4
    assert desk.verdict().ok is False
    assert "last good spec is in force" in desk.verdict().message
    assert desk.made.standings["web"].good == {"max": 4}
    desk.compose(node(spec={"max": 6}))
    assert desk.verdict() == OK
    assert desk.made.standings["web"].good == {"max": 6}


def test_after_a_restart_the_status_remembers_it(desk: Desk):
    desk.compose(node(spec={"wrong": "labels"}, status={"acceptedSpec": {"max": 4}}))
    group = desk.group()
    assert group is not None
    assert group.max_size == 4


def test_what_this_process_accepted_counts_before_the_status(desk: Desk):
    old = {"acceptedSpec": {"max": 4}}
    desk.compose(node(spec={"max": 5}, status=old))
    desk.compose(node(spec={"wrong": "labels"}, status=old))
    group = desk.group()
    assert group is not None
    assert group.max_size == 5


def test_another_object_of_the_name_inherits_nothing(desk: Desk):
    desk.compose(node(spec={"max": 4}))
    desk.compose(node(spec={"wrong": "labels"}, uid="another"))
    assert desk.group() is None


def test_a_type_that_is_gone_does_not_replace_one_that_is_sold(desk: Desk):
    desk.compose(node(spec={"type": "small", "max": 4}))
    desk.compose(node(spec={"type": "gone", "max": 9}))
    group = desk.group()
    assert group is not None
    assert group.max_size == 4
    assert desk.verdict().reason == composing.TYPE_GONE


def test_one_that_went_stays_the_group_of_its_machines(desk: Desk):
    given = {"type": "gone"}
    desk.compose(node(spec=given, status={"acceptedSpec": given}))
    assert desk.group() is not None
    assert desk.verdict().ok is False


def test_what_cannot_be_judged_yet_waits_for_the_catalogue(desk: Desk):
    made = desk.compose(node(spec={"type": "unread", "account": "other"}))
    assert desk.verdict().ok is None
    assert made.standings["web"].good == {}
    assert set(made.config.accounts) == {"main", "other"}


def test_until_then_the_last_good_spec_is_in_force(desk: Desk):
    given = {"type": "unread", "account": "other", "max": 9}
    made = desk.compose(node(spec=given, status={"acceptedSpec": {"max": 4}}))
    group = desk.group()
    assert group is not None
    assert group.max_size == 4
    # The other account is opened all the same: its catalogue is what is waited for.
    assert "other" in made.config.accounts


def test_an_account_that_cannot_be_opened_stops_nobody_else(desk: Desk):
    made = desk.compose(
        node("web", spec={"account": "other"}), node("app"), other="no token is taken"
    )
    assert desk.verdict("web").reason == "NoAccount"
    assert desk.verdict("web").message == "no token is taken"
    assert desk.group("web") is None
    assert desk.group("app") is not None
    assert "other" not in made.config.accounts


def test_without_the_finalizer_no_order_is_sent(desk: Desk):
    desk.compose(node(kept=False))
    group = desk.group()
    assert group is not None
    assert group.hold
    desk.compose(node())
    assert not desk.group().hold


def test_paused(desk: Desk):
    desk.compose(node(spec={"paused": True}))
    assert desk.group().paused


def test_pausing_counts_of_a_spec_that_is_wrong_otherwise(desk: Desk):
    desk.compose(node(spec={"max": 4}))
    desk.compose(node(spec={"wrong": "labels", "paused": True}))
    assert desk.group().paused


@pytest.mark.parametrize("policy", ["WaitForEmpty", "Orphan"])
@pytest.mark.parametrize("kept", [True, False])
def test_one_that_is_deleted_shrinks(desk: Desk, policy: str, kept: bool):  # noqa: FBT001
    desk.compose(node(spec={"deletionPolicy": policy}, deleting=True, kept=kept))
    group = desk.group()
    assert (group.min_size, group.deletion) == (0, policy)


def test_a_deletion_without_a_word_waits(desk: Desk):
    desk.compose(node(deleting=True))
    assert desk.group().deletion == objects.WAIT


def test_each_object_is_judged_once(desk: Desk):
    judged = []
    composer = composing.Composer(lambda name, given: judged.append(name) or judge(name, given))
    for _ in range(3):
        composer.compose(FILE, {"web": node()}, sold=sold, unusable={})
    assert judged == ["web"]


def test_repair_ends_with_its_object(desk: Desk):
    asks = {"repair": 900.0}
    desk.compose(node(spec=asks))
    assert desk.group().repair_after_s == 900.0
    desk.compose(node(spec=asks, deleting=True))
    assert desk.group().repair_after_s is None


def test_one_that_is_paused_and_deleted_is_both(desk: Desk):
    desk.compose(node(spec={"paused": True}, deleting=True))
    assert desk.group().paused
    assert desk.group().deletion


WEB = {"tier": "web"}


def asks(name: str, **fields: Any) -> objects.VpsNode:
    return node(name, spec={"labels": WEB, "cpu": 70}, **fields)


def test_a_group_knows_that_it_is_an_object(desk: Desk):
    desk.compose(node())
    assert desk.group().vps_node
    assert not desk.group("alpha").vps_node


def test_room_that_another_objects_nodes_would_do_for_is_refused_and_stops_nobody_else(desk: Desk):
    covers = node("batch", spec={"labels": {**WEB, "size": "big"}})
    desk.compose(covers, asks("web"))
    verdict = desk.verdict("web")
    assert (verdict.ok, verdict.reason) == (False, "InvalidSpec")
    assert verdict.message.startswith("spec.autoScale.targetCPU") or "targetCPU" in verdict.message
    assert "nodes of 'batch'" in verdict.message.replace('"', "'")
    assert "pool: web" in verdict.message
    assert desk.group("web") is None
    assert desk.verdict("batch").ok
    assert desk.group("batch") is not None


def test_what_was_accepted_keeps_its_machines_and_loses_its_room(desk: Desk):
    desk.compose(asks("web"))
    assert desk.group("web").target_cpu == 70
    covers = node("batch", spec={"labels": WEB})
    for _ in range(2):
        desk.compose(covers, asks("web"))
        assert desk.verdict("web").ok is False
        assert "goes on without" in desk.verdict("web").message
        assert desk.group("web").target_cpu is None
        assert desk.verdict("batch").ok
    desk.compose(asks("web"))
    assert desk.verdict("web").ok
    assert desk.group("web").target_cpu == 70


def test_so_it_does_after_a_restart(desk: Desk):
    kept = asks("web", status={"acceptedSpec": {"labels": WEB, "cpu": 70}})
    desk.compose(node("batch", spec={"labels": WEB}), kept)
    assert desk.group("web") is not None
    assert desk.group("web").target_cpu is None


def test_a_spec_that_begins_to_ask_falls_back_to_the_last_good_one(desk: Desk):
    batch = node("batch", spec={"labels": WEB})
    desk.compose(batch, node("web", spec={"labels": WEB, "max": 9}))
    for _ in range(2):
        desk.compose(batch, asks("web"))
        assert desk.verdict("web").ok is False
        assert "last good spec" in desk.verdict("web").message
        assert desk.group("web").max_size == 9
        assert not desk.made.standings["web"].current


def test_of_two_new_ones_that_ask_with_the_same_labels_one_is_in_force(desk: Desk):
    for _ in range(2):
        desk.compose(asks("a"), asks("b"))
        assert desk.verdict("a").ok
        assert desk.verdict("b").ok is False
        assert desk.group("b") is None


def test_a_new_one_does_not_take_the_room_of_one_that_has_it(desk: Desk):
    desk.compose(asks("b"))
    desk.compose(asks("a"), asks("b"))
    assert desk.verdict("b").ok
    assert desk.group("b").target_cpu == 70
    assert desk.verdict("a").ok is False


def test_one_that_is_deleted_keeps_no_room(desk: Desk):
    desk.compose(asks("web", deleting=True))
    assert desk.group("web").deletion
    assert not desk.group("web").keeps_room
