"""A VPSNode's status as a function of the fleet: states, conditions, and what never flaps."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from externalgrpc.fleet import notnow, state
from externalgrpc.model import groups
from externalgrpc.vpsnodes import composing, draining, machines, objects, scalable, status
from providers import contract
from tests.fleet.scene import (
    CREATING,
    DELETING,
    IDENTITY,
    NORTH,
    RUNNING,
    Scene,
    group,
    machine,
    node,
)

STOPPED = contract.InstanceState.STOPPED
OK = composing.Verdict(ok=True, reason=composing.ACCEPTED)
CONFIG = groups.Config(cluster="test", accounts={}, groups=())


def spec_of(**fields: Any) -> objects.VpsNode:
    settings = {"uid": "u", "generation": 3, "finalizers": (objects.FINALIZER,), **fields}
    return objects.VpsNode(name="g", **settings)


def made(scene: Scene, of: objects.VpsNode | None = None, **fields: Any) -> status.Document:
    standing = fields.pop("standing", None) or composing.Standing(
        verdict=OK, group=scene.fleet.groups.get("g"), good={"a": 1}
    )
    return status.document(
        of or spec_of(), standing, fleet=scene.fleet, config=CONFIG, now=scene.now, **fields
    )


def condition(document: status.Document, kind: str) -> tuple[str, str, str]:
    for each in document["conditions"]:
        if each["type"] == kind:
            return each["status"], each["reason"], each["message"]
    return "", "", ""


def shown(number: int, name: str, how: contract.InstanceState = RUNNING, **fields: Any):
    address = (f"10.0.0.{number}", f"192.168.0.{number}")
    marks = {"identity": IDENTITY, "unjoined": True, "addresses": address, **fields}
    return machine(number, name, state=how, created_at=float(number), **marks)


def joined(*shown_machines: contract.Instance, ready: bool = True) -> Scene:
    seen = {
        each.node_name: state.Seen(each.provider_id, ready)
        for each in shown_machines
        if each.state is RUNNING
    }
    scene = Scene(
        group(min_size=2), shown=shown_machines, identity=IDENTITY, nodes=seen, started_at=1.0
    )
    scene.fleet = dataclasses.replace(
        scene.fleet, registered={node.provider_id: name for name, node in seen.items()}
    )
    return scene


class TestCpuTarget:
    """The condition CPUTarget: there when a target is asked for, quiet while the answer stays."""

    ASKS = {"autoScale": {"enabled": True, "targetCPU": 70}}  # noqa: RUF012 - nobody changes it
    ROOM = status.Room("True", "OnTarget", "2 balloons of 900m cpu for 70 %")

    def target(self, *, group_asks: bool, spec: dict[str, Any], **fields: Any):
        scene = Scene(group(min_size=0, target_cpu=70 if group_asks else None))
        of = spec_of(spec=spec, deleting=fields.pop("deleting", False))
        return condition(made(scene, of, **fields), "CPUTarget")

    def test_there_is_none_without_a_target(self):
        assert self.target(group_asks=False, spec={}) == ("", "", "")
        none = {"autoScale": {"enabled": True, "targetCPU": 0}}
        assert self.target(group_asks=False, spec=none, room=self.ROOM) == ("", "", "")

    def test_it_is_what_room_says(self):
        assert self.target(group_asks=True, spec=self.ASKS, room=self.ROOM) == self.ROOM
        assert self.target(group_asks=True, spec={}, room=self.ROOM) == self.ROOM, "a default"

    def test_before_anything_was_reckoned_nobody_knows(self):
        assert self.target(group_asks=True, spec=self.ASKS)[:2] == ("Unknown", "Starting")

    def test_a_target_that_is_not_in_force_says_why(self):
        fixed = {"autoScale": {"targetCPU": 70}}
        assert self.target(group_asks=False, spec=fixed)[:2] == ("False", "FixedSize")
        assert self.target(group_asks=False, spec=self.ASKS)[:2] == ("False", "NotInForce")
        going = self.target(group_asks=False, spec=self.ASKS, deleting=True)
        assert going[:2] == ("False", "Deleting")

    def test_a_restart_does_not_write_over_what_was_known(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2"))
        wants = dataclasses.replace(scene.fleet.groups["g"], target_cpu=70)
        standing = composing.Standing(verdict=OK, group=wants)
        settled = {
            name: dataclasses.replace(each, settled=True)
            for name, each in scene.fleet.accounts.items()
        }
        fleet = dataclasses.replace(scene.fleet, accounts=settled)
        assert not status.known(fleet, standing)
        assert not status.known(fleet, standing, status.Room("Unknown", "Starting", ""))
        assert status.known(fleet, standing, self.ROOM)


class TestMachines:
    def test_two_nodes(self):
        document = made(joined(shown(1, "g-1"), shown(2, "g-2")))
        assert (document["nodes"], document["readyNodes"], document["state"]) == (2, 2, "ready")
        assert (document["nodeName"], document["ipAddress"]) == ("g-1", "10.0.0.1")
        assert document["machines"][0] == {
            "name": "g-1",
            "nodeName": "g-1",
            "state": "ready",
            "ipAddress": "10.0.0.1",
            "providerID": "sky://1",
        }
        assert condition(document, "Ready")[:2] == ("True", "EnoughNodes")
        assert document["pricePerHour"] == "2.00000 EUR"
        assert document["observedGeneration"] == 3
        assert document["acceptedSpec"] == {"a": 1}

    def test_one_of_two_is_on_its_way(self):
        document = made(joined(shown(1, "g-1"), shown(2, "g-2", CREATING)))
        assert (document["readyNodes"], document["state"]) == (1, "creating")
        assert condition(document, "Ready")[:2] == ("False", "TooFewNodes")

    def test_one_that_runs_and_is_no_node_joins(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2"))
        scene.fleet = dataclasses.replace(scene.fleet, registered={}, nodes={})
        document = made(scene)
        assert (document["readyNodes"], document["state"]) == (0, "joining")
        assert "nodeName" not in document

    def test_one_that_was_a_ready_node_and_is_not_failed(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2"), ready=False)
        journey = state.Journey(created_at=1.0, provider_id="sky://1", ready_at=5.0)
        scene.fleet = dataclasses.replace(scene.fleet, journeys={"g-1": journey})
        document = made(scene)
        assert [each["state"] for each in document["machines"]] == ["failed", "joining"]
        assert document["state"] == "failed"

    def test_one_that_is_off_failed_and_another_is_ready(self):
        document = made(joined(shown(1, "g-1"), shown(2, "g-2", STOPPED)))
        assert document["machines"][1]["message"] == "it is switched off"
        # One that is ready hides no failure: it is in the list.
        assert document["state"] == "creating"

    def test_an_order_that_failed_says_why(self):
        scene = Scene(group(min_size=1))
        (name,) = scene.grow(1)
        failure = state.Failure(state.ErrorClass.OTHER, "BadOrder", "no\nsuch image")
        launch = dataclasses.replace(
            scene.fleet.launches[name], phase=state.Phase.FAILED, failure=failure
        )
        scene.fleet = dataclasses.replace(scene.fleet, launches={name: launch})
        document = made(scene)
        assert document["state"] == "failed"
        assert document["machines"][0]["state"] == "failed"
        assert "\n" not in document["machines"][0]["message"]

    def test_what_goes_is_listed_and_not_counted(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2"), shown(3, "g-3", DELETING))
        document = made(scene)
        assert document["nodes"] == 2
        assert [each["state"] for each in document["machines"]] == ["ready", "ready", "deleting"]

    def test_an_empty_group_that_may_be_empty_is_ready(self):
        document = made(Scene(group()))
        assert (document["state"], document["nodes"], document["machines"]) == ("ready", 0, [])
        assert condition(document, "Ready")[0] == "True"

    def test_of_too_many_those_that_need_a_look_are_listed(self):
        many = tuple(
            machines.Machine(
                name=f"m-{n:03}", state="failed" if n >= 250 else "ready", created_at=float(n + 1)
            )
            for n in range(260)
        )
        chosen = machines.listed(many)
        assert len(chosen) == machines.MOST
        assert [each.name for each in chosen[-10:]] == [f"m-{n:03}" for n in range(250, 260)]
        assert chosen[0].name == "m-000"

    def test_names_are_unique_whatever_the_cloud_shows(self):
        scene = Scene(
            group(), shown=(machine(1, "g-1"), machine(2, "g-1"), machine(3, "g-1", state=DELETING))
        )
        names = [each["name"] for each in made(scene)["machines"]]
        assert len(names) == len(set(names)) == 3


class TestScalable:
    def judge(self, scene: Scene, below_s: float = 0.0) -> scalable.Scalable:
        return scalable.judge(scene.fleet, scene.fleet.groups["g"], now=scene.now, below_s=below_s)

    def test_a_group_that_may(self):
        assert self.judge(Scene(group())) == scalable.Scalable(True, "Scalable")  # noqa: FBT003

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"paused": True}, "Paused"),
            ({"deletion": "WaitForEmpty"}, "Deleting"),
            ({"hold": "its finalizer is not written"}, "HeldBack"),
            ({"candidates": (groups.Candidate("gone", "north"),)}, "SoldOut"),
        ],
    )
    def test_why_not(self, fields: dict[str, Any], reason: str):
        found = self.judge(Scene(group(**fields)))
        assert (found.ok, found.reason) == (False, reason)
        assert found.message

    def test_groups_that_are_not_known_yet(self):
        scene = Scene(group())
        scene.fleet = dataclasses.replace(scene.fleet, awaited="not listed yet")
        assert self.judge(scene)[1:] == ("HeldBack", "not listed yet")

    @pytest.mark.parametrize(
        ("code", "reason"),
        [("OutOfStock", "SoldOut"), ("QuotaExceeded", "Quota"), ("BadOrder", "HeldBack")],
    )
    def test_refused_wherever_it_is_sold_and_for_a_while(self, code: str, reason: str):
        scene = Scene(group())
        failure = state.Failure(state.ErrorClass.OUT_OF_RESOURCES, code, "none left")
        said = state.Refusal(scene.now, failure)
        one = {state.SoldOut("a", NORTH): said}
        scene.fleet = dataclasses.replace(scene.fleet, refusals=one)
        assert self.judge(scene).ok
        both = {state.SoldOut("a", each): said for each in scene.fleet.groups["g"].candidates}
        scene.fleet = dataclasses.replace(scene.fleet, refusals=both)
        assert self.judge(scene) == scalable.Scalable(False, reason, "none left")  # noqa: FBT003
        scene.now += 301
        assert self.judge(scene).ok

    def test_held_back_after_failed_joins_never_counts_down(self):
        scene = Scene(group())
        strikes = {"g": state.Strikes(4, scene.now)}
        scene.fleet = dataclasses.replace(scene.fleet, strikes=strikes)
        first = self.judge(scene)
        scene.now += 7
        assert first == self.judge(scene)
        assert first.reason == "HeldBack"

    def test_a_minimum_that_nobody_enforces(self):
        scene = Scene(group(min_size=2))
        assert self.judge(scene, below_s=100.0).ok
        found = self.judge(scene, below_s=200.0)
        assert found.reason == "MinimumNotEnforced"
        assert "--enforce-node-group-min-size" in found.message
        scene.grow(2)
        assert self.judge(scene, below_s=200.0).ok

    def test_the_words_of_a_pause_are_one(self):
        assert notnow.PAUSED == scalable.PAUSED


class TestConditions:
    def test_one_that_is_not_in_force(self):
        verdict = composing.refused("InvalidSpec", "spec.labels: bad")
        standing = composing.Standing(verdict=verdict)
        document = made(Scene(group("h")), standing=standing)
        assert document["state"] == "failed"
        assert "acceptedSpec" not in document
        assert condition(document, "Accepted") == ("False", "InvalidSpec", "spec.labels: bad")
        assert condition(document, "Ready")[1] == "NotInForce"
        assert condition(document, "Scalable")[1] == "NotInForce"

    def test_a_name_of_the_files_shows_nothing_of_the_files_machines(self):
        verdict = composing.refused(composing.NAME_TAKEN, "the file wins")
        document = made(joined(shown(1, "g-1")), standing=composing.Standing(verdict=verdict))
        assert document["machines"] == []

    def test_nobody_has_looked_yet(self):
        scene = Scene(group(min_size=1), settled=False)
        assert condition(made(scene), "Ready")[:2] == ("Unknown", "NotListedYet")

    def test_draining_is_said_while_it_is_deleted_only(self):
        scene = joined(shown(1, "g-1"))
        assert condition(made(scene), "Draining") == ("", "", "")
        kind, reason, message = condition(made(scene, spec_of(deleting=True)), "Draining")
        assert (kind, reason) == ("True", "WaitingForEmpty")
        assert "1 machines are left: g-1" in message
        released = made(scene, spec_of(deleting=True, finalizers=()))
        assert condition(released, "Draining")[1] == "Released"

    def test_draining_names_the_pods_that_keep_machines(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2"))

        def message(held: draining.Held) -> str:
            return condition(made(scene, spec_of(deleting=True), held=held), "Draining")[2]

        pods = {"g-1": ("shop/a (alone)",), "g-2": (), "other": ("shop/b (alone)",)}
        assert "Kept by pods: on g-1 shop/a (alone). kubectl" in message(
            draining.Held(by_node=pods)
        )
        assert "Kept by" not in message(draining.Held(by_node={"g-1": ()}))
        many = {"g-1": tuple(f"shop/{number}" for number in range(12))}
        assert "shop/9 and 2 more. kubectl" in message(draining.Held(by_node=many))
        assert f"elsewhere. {draining.NO_RIGHT}. kubectl" in message(
            draining.Held(unknown=draining.NO_RIGHT)
        )


class TestStamped:
    NOON, LATER = 1_795_867_200.0, 1_795_867_260.0

    def test_instants_stay_while_nothing_changes(self):
        scene = joined(shown(1, "g-1"), shown(2, "g-2", CREATING))
        first = status.stamped(made(scene), {}, self.NOON)
        assert first["conditions"][0]["lastTransitionTime"] == "2026-11-28T12:00:00Z"
        assert first["machines"][0]["since"] == "2026-11-28T12:00:00Z"
        assert status.stamped(made(scene), first, self.LATER) == first
        scene.listed(shown(1, "g-1"), shown(2, "g-2", STOPPED))
        second = status.stamped(made(scene), first, self.LATER)
        assert second["machines"][0]["since"] == "2026-11-28T12:00:00Z"
        assert second["machines"][1]["since"] == "2026-11-28T12:01:00Z"

    def test_a_status_of_others_words_is_survived(self):
        before = {"conditions": ["x", {"status": "True"}], "machines": "y"}
        assert status.stamped(made(Scene(group())), before, self.NOON)["conditions"]


class TestEmpty:
    def test_only_after_a_settled_listing(self):
        assert not status.empty(Scene(group(), settled=False).fleet, "g")
        assert status.empty(Scene(group()).fleet, "g")

    def test_not_with_a_machine(self):
        assert not status.empty(Scene(group(), shown=(machine(1, "g-1"),)).fleet, "g")

    def test_not_with_one_that_is_going(self):
        scene = Scene(group(), shown=(machine(1, "g-1"),))
        scene.retire(node(1, "g-1"))
        assert not status.empty(scene.fleet, "g")
        scene.listed()
        assert not status.empty(scene.fleet, "g")

    def test_not_with_an_order_in_the_air(self):
        scene = Scene(group())
        scene.grow(1)
        assert not status.empty(scene.fleet, "g")

    def test_not_with_one_that_a_listing_lacks(self):
        scene = Scene(group(), shown=(machine(1, "g-1"),))
        scene.now += 10
        scene.listed()
        assert scene.fleet.missing
        assert not status.empty(scene.fleet, "g")

    def test_not_with_one_that_somebody_else_deletes(self):
        scene = Scene(group(), shown=(machine(1, "g-1", state=DELETING),))
        assert not status.empty(scene.fleet, "g")

    def test_of_a_group_that_is_not_in_force_every_account_is_asked(self):
        scene = Scene(group("h"), shown=(machine(1, "g-1"),))
        assert not status.empty(scene.fleet, "g")
        assert status.empty(scene.fleet, "other")

    def test_not_while_groups_are_awaited(self):
        scene = Scene(group())
        scene.fleet = dataclasses.replace(scene.fleet, awaited="x")
        assert not status.empty(scene.fleet, "g")
