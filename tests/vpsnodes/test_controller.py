"""A VPSNode is a group: from the object to NodeGroups, and from the fleet to its status."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.fleet import view
from externalgrpc.vpsnodes import controller, objects, pace
from providers import errors, memory
from tests.vpsnodes.conftest import FILE, SPEC, World, path_of

ALPHA = (
    "nodes: [{name: alpha, provider: memory, instanceType: small, region: north, maxSize: 2, "
    "join: image}]\n"
)


def scaled(**scale: Any) -> dict[str, Any]:
    return {**SPEC, "autoScale": {"enabled": True, "maxNodes": 5, **scale}}


def grown(world: World, count: int) -> None:
    """Let the group web have so many machines that listings show."""
    assert world.plant is not None
    world.plant.reconciler.grow("web", count, cover=False)
    world.until(lambda: len(world.fleet.index.by_provider_id) == count and not world.fleet.launches)


def let_go(world: World, group: str) -> None:
    """Have every machine of a group deleted, as CA does once it has drained it."""
    assert world.plant is not None
    members = view.members(world.fleet, group)
    world.plant.reconciler.retire(
        group, [fleets.NodeRef(provider_id=each.provider_id, name=each.name) for each in members]
    )


class TestInForce:
    def test_an_object_becomes_a_group(self, world: World):
        with world.serving() as plant:
            world.until(lambda: not world.fleet.awaited)
            world.put("web")
            world.until(lambda: world.served == ["web"])
            group = world.fleet.groups["web"]
            assert (group.min_size, group.max_size, group.labels) == (0, 5, {"tier": "web"})
            assert group.image == "debian-13"
            plant.reconciler.grow("web", 2, cover=False)
            world.until(lambda: world.status("web").get("nodes") == 2)
            world.put("web", scaled(maxNodes=7))
            world.until(lambda: world.fleet.groups["web"].max_size == 7)
            world.until(lambda: world.condition("web", "Accepted")[:2] == ("True", "Accepted"))

    def test_who_stands_by_writes_nothing_and_serves_the_group(self, world: World):
        with world.serving() as plant:
            plant.reconciler.stand_by("another leads")
            world.put("web")
            world.until(lambda: world.served == ["web"])
            plant.vps_nodes._step()
            assert not world.status("web")
            assert "finalizers" not in world.object("web")["metadata"]
            plant.reconciler.take_over()
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")

    def test_a_change_of_the_defaults_is_taken_with_the_file(self, world: World):
        world.put("web")
        with world.serving() as plant:
            world.until(lambda: world.served == ["web"])
            plant.apply(world.load(FILE.replace("debian-13", "debian-14")))
            assert world.fleet.groups["web"].image == "debian-14"

    def test_the_file_wins_and_gives_way_again(self, world: World):
        world.put("alpha", scaled(maxNodes=9))
        with world.serving(FILE + ALPHA) as plant:
            world.until(lambda: world.condition("alpha", "Accepted")[1] == "NameTakenByFile")
            assert world.fleet.groups["alpha"].max_size == 2
            plant.apply(world.load(FILE))
            assert world.fleet.groups["alpha"].max_size == 9
            world.until(lambda: world.condition("alpha", "Accepted")[1] == "Accepted")

    def test_an_invalid_one_stops_nobody_and_says_what_is_wrong(self, world: World):
        world.put("bad", {**SPEC, "labels": {"node-role.kubernetes.io/x": "y"}})
        world.put("gone", {**SPEC, "instanceType": "smal"})
        world.put("web")
        with world.serving():
            world.until(lambda: world.served == ["web"])
            world.until(lambda: world.condition("bad", "Accepted")[1] == "InvalidSpec")
            assert "spec.labels.node-role" in world.condition("bad", "Accepted")[2]
            world.until(lambda: world.condition("gone", "Accepted")[1] == "TypeGone")
            assert "spec.instanceTypes: [small]" in world.condition("gone", "Accepted")[2]
            assert world.status("bad")["state"] == "failed"
            assert "acceptedSpec" not in world.status("bad")

    def test_the_last_good_spec_outlives_the_process(self, world: World):
        with world.serving():
            world.put("web", scaled(maxNodes=4))
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")
        world.put("web", {**scaled(maxNodes=9), "region": "nowhere"})
        with world.serving():
            world.until(lambda: world.served == ["web"])
            assert world.fleet.groups["web"].max_size == 4
            world.until(lambda: world.condition("web", "Accepted")[0] == "False")
            status, reason, message = world.condition("web", "Accepted")
            assert (status, reason) == ("False", "InvalidSpec")
            assert "does not sell small in nowhere" in message
            assert world.status("web")["acceptedSpec"] == scaled(maxNodes=4)

    def test_an_account_that_cannot_be_opened_stops_nobody_and_is_tried_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(controller, "RETRY_S", 0.5)
        broken = {"memory": True}

        def open_provider(_cloud: object, login: Any) -> object:
            if broken[login.account]:
                raise errors.BadCredentials("no such token")
            return memory.MemoryCloud(login, cloud=world.cloud)

        world.put("web")
        bare = FILE.partition("vpsNodes")[0] + "vpsNodes: {}\n"
        with world.serving(bare, open_provider=open_provider):
            world.until(lambda: world.condition("web", "Accepted")[1] == "NoAccount")
            assert "no such token" in world.condition("web", "Accepted")[2]
            assert world.served == []
            broken["memory"] = False
            world.until(lambda: world.served == ["web"])
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")


class TestNotListedYet:
    def test_nothing_is_served_before_the_objects_were_listed(self, world: World):
        world.put("web")
        world.server.fail("GET", 503, times=3, path="/apis/kubero.dev")
        with world.serving(FILE + ALPHA):
            world.until(lambda: world.fleet.accounts["memory"].snapshot)
            assert world.served == []
            assert world.fleet.awaited
            world.until(lambda: world.served == ["alpha", "web"])
            assert view.orphans(world.fleet) == ()

    @pytest.mark.parametrize(("status", "cure"), [(404, "crds/vpsnodes.yaml"), (403, "rbac.yaml")])
    def test_a_no_is_an_answer_and_is_said_once(
        self, world: World, caplog: pytest.LogCaptureFixture, status: int, cure: str
    ):
        caplog.set_level(logging.INFO)
        world.server.fail("GET", status, times=5, path="/apis/kubero.dev")
        with world.serving(FILE + ALPHA):
            world.until(lambda: world.served == ["alpha"])
            world.put("web")
            # And if it is to be had later, it is taken.
            world.until(lambda: world.served == ["alpha", "web"])
        said = [each for each in caplog.records if "no VPSNodes" in each.getMessage()]
        assert len(said) == 1
        assert cure in str(vars(said[0]))
        assert not [each for each in caplog.records if "interrupted" in each.getMessage()]

    @pytest.mark.parametrize("status", [404, 403])
    def test_one_that_refuses_everything_has_said_nothing(self, world: World, status: int):
        world.put("web")
        world.server.fail("GET", status, times=10_000, path="/api")
        with world.serving(FILE + ALPHA):
            world.until(lambda: world.server.count("GET /apis/kubero.dev") >= 4)
            assert world.fleet.awaited
            world.server.faults.clear()
            world.until(lambda: world.served == ["alpha", "web"], 30.0)

    def test_without_any_nothing_is_composed_again_and_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        composed: list[int] = []
        world.server.fail("GET", 404, times=10_000, path="/apis/kubero.dev")
        with world.serving(FILE + ALPHA) as plant:
            world.until(lambda: world.served == ["alpha"])
            monkeypatch.setattr(plant.vps_nodes, "_recompose", lambda: composed.append(1))
            before = world.server.count("GET /apis/kubero.dev")
            world.until(lambda: world.server.count("GET /apis/kubero.dev") >= before + 4)
        assert len(composed) <= 2

    def test_a_no_after_a_list_takes_nothing_away(
        self, world: World, caplog: pytest.LogCaptureFixture
    ):
        def said() -> list[str]:
            lines = (each.getMessage() for each in list(caplog.records))
            return [line for line in lines if "stay in force" in line]

        world.put("web")
        with world.serving():
            world.until(lambda: world.served == ["web"])
            before = world.server.count("GET /apis/kubero.dev")
            world.server.fail("WATCH", 404, times=3, path="/apis/kubero.dev")
            world.server.fail("GET", 404, times=10_000, path="/apis/kubero.dev")
            world.server.cut()
            world.until(said)
            world.until(lambda: world.server.count("GET /apis/kubero.dev") >= before + 6)
            assert world.served == ["web"]
        assert len(said()) == 1


class TestFinalizer:
    def test_it_is_written_before_the_first_order(self, world: World):
        world.put("web", scaled(minNodes=1))
        world.server.fail("PATCH", 403, times=2, path=path_of("web"), exact=True)
        with world.serving() as plant:
            world.until(lambda: world.served == ["web"])
            plant.reconciler.grow("web", 1, cover=False)
            assert view.target(world.fleet, "web") == 1
            world.until(lambda: world.condition("web", "Scalable")[1] == "HeldBack")
            assert "finalizer" in world.condition("web", "Scalable")[2]
            if not world.object("web")["metadata"].get("finalizers"):
                assert world.cloud.servers() == ()
            world.until(world.cloud.servers, 30.0)
            assert world.object("web")["metadata"]["finalizers"] == [objects.FINALIZER]

    def test_others_finalizers_stay(self, world: World):
        world.put("web", finalizers=["somebody/else"])
        with world.serving():
            both = ["somebody/else", objects.FINALIZER]
            world.until(lambda: world.object("web")["metadata"]["finalizers"] == both)
            world.delete("web")
            world.until(lambda: world.object("web")["metadata"]["finalizers"] == both[:1])
            world.until(lambda: world.condition("web", "Draining")[1] == "Released")

    def test_one_that_was_never_in_force_gets_none(self, world: World):
        world.put("bad", {**SPEC, "labels": {"node-role.kubernetes.io/x": "y"}})
        with world.serving():
            world.until(lambda: world.condition("bad", "Accepted")[0] == "False")
            assert "finalizers" not in world.object("bad")["metadata"]


class TestDeletion:
    def test_it_waits_for_the_last_machine(self, world: World):
        world.put("web", scaled(minNodes=1))
        with world.serving():
            world.until(lambda: world.served == ["web"])
            grown(world, 2)
            world.delete("web")
            world.until(lambda: world.condition("web", "Draining")[1] == "WaitingForEmpty")
            message = world.condition("web", "Draining")[2]
            assert all(each.name in message for each in view.members(world.fleet, "web"))
            assert "kubectl drain" in message
            assert "Orphan" in message
            group = world.fleet.groups["web"]
            assert (group.min_size, group.deletion) == (0, "WaitForEmpty")
            let_go(world, "web")
            world.until(lambda: path_of("web") not in world.server.items)
            world.until(lambda: "web" not in world.fleet.groups)
            assert world.cloud.servers() == ()

    def test_a_restart_in_the_middle_makes_no_orphans(self, world: World):
        world.put("web", scaled(minNodes=1))
        with world.serving():
            world.until(lambda: world.served == ["web"])
            grown(world, 2)
        world.delete("web")
        with world.serving():
            world.until(lambda: world.served == ["web"])
            assert view.orphans(world.fleet) == ()
            assert view.target(world.fleet, "web") == 2
            assert path_of("web") in world.server.items
            let_go(world, "web")
            world.until(lambda: path_of("web") not in world.server.items)

    def test_an_invalid_spec_keeps_no_machines_from_being_counted(self, world: World):
        """The spec is broken, then deleted, while machines are there: the last good one counts."""
        world.put("web", scaled(minNodes=1))
        with world.serving():
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")
            grown(world, 1)
        world.put("web", {**SPEC, "labels": {"node-role.kubernetes.io/x": "y"}})
        world.delete("web")
        with world.serving():
            world.until(lambda: world.served == ["web"])
            assert path_of("web") in world.server.items
            let_go(world, "web")
            world.until(lambda: path_of("web") not in world.server.items)

    def test_orphan_lets_go_at_once_and_reports(self, world: World):
        world.put("web", {**scaled(), "deletionPolicy": "Orphan"})
        with world.serving():
            world.until(lambda: world.served == ["web"])
            grown(world, 1)
            world.delete("web")
            world.until(lambda: path_of("web") not in world.server.items)
            world.until(lambda: len(view.orphans(world.fleet)) == 1)
            assert world.served == []
            assert len(world.cloud.servers()) == 1

    def test_an_empty_one_goes_at_once(self, world: World):
        world.put("web")
        with world.serving():
            world.until(lambda: world.object("web")["metadata"].get("finalizers"))
            world.delete("web")
            world.until(lambda: path_of("web") not in world.server.items)


class TestStatus:
    def test_at_rest_nothing_is_written(self, world: World):
        for number in range(5):
            world.put(f"web-{number}")
        with world.serving() as plant:
            world.until(
                lambda: all(world.condition(f"web-{n}", "Accepted")[0] == "True" for n in range(5))
            )
            plant.reconciler.grow("web-1", 1, cover=False)
            world.until(lambda: world.status("web-1").get("nodes") == 1)
            world.until(lambda: not plant.reconciler.fleet.launches)
            seen = -1
            while (now := world.server.count("PATCH")) != seen:
                seen = now
                listings = world.fleet.accounts["memory"].snapshot
                world.until(lambda: world.fleet.accounts["memory"].snapshot is not listings)  # noqa: B023
                looks = world.server.count("GET")
                world.server.bookmark()
                assert looks
            assert world.server.count("PATCH") == seen

    def test_a_restart_writes_nothing_that_is_there(self, world: World):
        world.put("web")
        with world.serving():
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")
        before = world.status("web")
        writes = world.server.count("PATCH")
        with world.serving():
            world.until(lambda: world.served == ["web"])
            world.put("other")
            world.until(lambda: world.condition("other", "Accepted")[0] == "True")
            assert world.status("web") == before
            assert world.server.count(f"PATCH {path_of('web')}") == writes

    def test_a_kind_without_status_is_said_once(
        self, world: World, caplog: pytest.LogCaptureFixture
    ):
        world.server.fail("PATCH", 404, times=99, path=f"{path_of('web')}/status")
        world.put("web")
        with world.serving():
            world.until(lambda: world.server.count(f"PATCH {path_of('web')}/status") >= 2)
            assert world.served == ["web"]
        said = [each for each in caplog.records if "not written" in each.getMessage()]
        assert len(said) == 1
        assert "crds/vpsnodes.yaml" in str(vars(said[0]))

    def test_what_was_applied_is_answered_at_once_and_what_follows_keeps_to_the_pace(
        self, world: World
    ):
        names = [f"web-{number}" for number in range(12)]
        for name in names:
            world.put(name)
        slow = pace.Pace(object_s=0.1, a_minute=6.0, burst=4)
        with world.serving(of_pace=slow) as plant:
            world.until(lambda: all(world.status(name) for name in names))
            # In the order of the bytes that went out: one first answer each, and a burst at most.
            for name in names:
                plant.reconciler.grow(name, 1, cover=False)
            world.until(lambda: len(world.cloud.servers()) == 12)
            listing = world.fleet.accounts["memory"].snapshot
            world.until(lambda: world.fleet.accounts["memory"].snapshot is not listing)
            written = sum("/status" in each for each in world.server.asked)
            assert 12 <= written <= 12 + 4 + 2


class TestRoom:
    def test_room_is_kept_from_when_an_object_asks_while_the_server_runs(self, world: World):
        world.put("web")
        with world.serving() as plant:
            world.until(lambda: world.condition("web", "Accepted")[0] == "True")
            assert plant.headroom is None
            assert world.condition("web", "CPUTarget") == ("", "", "")
            world.put("web", scaled(targetCPU=70))
            world.until(lambda: world.fleet.groups["web"].target_cpu == 70)
            world.until(lambda: plant.headroom is not None)
            world.until(lambda: plant.rooms().get("web"), 40.0)
            world.until(lambda: world.condition("web", "CPUTarget")[1] not in ("", "Starting"))
            room = plant.rooms()["web"]
            assert world.condition("web", "CPUTarget")[:2] == (room.condition, room.reason.value)
            world.put("web", scaled(targetCPU=0))
            world.until(lambda: world.condition("web", "CPUTarget") == ("", "", ""))

    def test_one_whose_room_would_come_elsewhere_stops_nobody(self, world: World):
        world.put("batch")
        with world.serving() as plant:
            world.until(lambda: world.served == ["batch"])
            world.put("web", scaled(targetCPU=70))
            world.until(lambda: world.condition("web", "Accepted")[1] == "InvalidSpec")
            assert "targetCPU" in world.condition("web", "Accepted")[2]
            assert world.served == ["batch"]
            assert plant.headroom is None
            world.put("web", {**scaled(targetCPU=70), "labels": {"pool": "web"}})
            world.until(lambda: world.served == ["batch", "web"])
            world.until(lambda: plant.headroom is not None)
