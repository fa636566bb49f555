"""What the controller keeps in a cluster, what it says of it, and what it leaves alone."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from externalgrpc import fleet as fleets
from externalgrpc.headroom import choice, loads
from externalgrpc.headroom.status import By, Reason
from externalgrpc.kube import errors, pods
from externalgrpc.model import groups
from tests.fleet import scene
from tests.headroom import stage

ONE = groups.Headroom(machines=1)
WAIT = int(choice.PATIENCE_S / 15) + 2


def busy(**fields) -> stage.Stage:
    """A group of one machine whose two cores are in use, with half a core requested."""
    made = stage.Stage(stage.group(**fields))
    made.machines(1)
    made.pod("app", "g-0", 500)
    made.cores = 1.9
    made.rounds(10)
    return made


def test_a_busy_group_gets_balloons_of_its_own_shape() -> None:
    made = busy(taints=(groups.Taint(key="tier", value="x", effect="NoSchedule"),))
    assert made.replicas == 5
    template = made.api.items[f"{stage.TEMPLATES}/vps-headroom-g"]["template"]["spec"]
    assert template["nodeSelector"] == {"pool": "g"}
    assert template["tolerations"] == [
        {"key": "tier", "operator": "Equal", "value": "x", "effect": "NoSchedule"}
    ]
    assert template["containers"][0]["resources"]["requests"] == {"cpu": "500m"}
    status = made.status
    assert (status.condition, status.reason, status.by) == ("True", Reason.ON_TARGET, By.BUFFER)
    assert status.message == (
        "1.90 cores in use and 0.50 requested on 1 nodes: 5 balloons of 500m cpu for 70 %"
    )
    assert status.steady == "5 balloons of 500m cpu for 70 %"
    assert made.pausing is None


def test_a_server_that_stands_by_keeps_no_room_until_it_leads() -> None:
    made = stage.Stage(stage.group())
    made.machines(1)
    made.pod("app", "g-0", 500)
    made.cores = 1.9
    made.scene.fleet = fleets.stand_by(made.scene.fleet, "another leads")
    made.rounds(10)
    assert not made.api.writes
    made.scene.fleet = fleets.stand_by(made.scene.fleet, "")
    made.rounds(10)
    assert made.replicas == 5


def test_at_rest_nothing_is_written() -> None:
    made = busy()
    before = len(made.api.writes)
    made.rounds(20)
    assert len(made.api.writes) == before


def test_what_somebody_changed_or_deleted_is_put_right() -> None:
    made = busy()
    made.api.items[f"{stage.BUFFERS}/vps-headroom-g"]["spec"]["replicas"] = 50
    made.rounds(1)
    assert made.replicas == 5
    del made.api.items[f"{stage.BUFFERS}/vps-headroom-g"]
    made.rounds(1)
    assert made.replicas == 5


def test_when_the_load_goes_the_balloons_go() -> None:
    made = busy()
    made.cores = 0.1
    made.rounds(int(300 / 15) - 2)
    assert made.replicas == 5
    made.rounds(4)
    assert made.replicas == 0


@given(st.lists(st.integers(1, 2000), max_size=8), st.integers(0, 4000))
def test_balloons_are_no_reason_for_balloons(balloons: list[int], real: int) -> None:
    def pod(name: str, cpu: int, *, balloon: bool) -> pods.Pod:
        return pods.Pod(
            name=name, uid=name, node="n", cpu_millis=cpu, memory_bytes=0, balloon=balloon
        )

    own = [pod("real", real, balloon=False)]
    more = [pod(f"b{n}", cpu, balloon=True) for n, cpu in enumerate(balloons)]
    assert loads.by_node(own) == loads.by_node(own + more)


def test_a_reserve_needs_no_metrics_and_grows_by_no_load() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.cores = None
    made.rounds(3)
    assert made.replicas == 1
    assert (made.status.condition, made.status.message) == (
        "True",
        "1 balloon of 1800m cpu in reserve",
    )
    template = made.api.items[f"{stage.TEMPLATES}/vps-headroom-g"]["template"]["spec"]
    assert template["containers"][0]["resources"]["requests"] == {
        "cpu": "1800m",
        "memory": "3774464Ki",
    }


def test_a_whole_machine_leaves_room_for_the_daemons_of_any_node() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.pod("kube-system/cni", "control-1", 150, daemon=True)
    made.rounds(2)
    assert made.status.balloon_millis == 1650


def test_reserve_and_target_share_the_room() -> None:
    made = busy(target_cpu=70, headroom=groups.Headroom(cpu_millis=1000))
    assert made.replicas == 5
    made.cores = 0.1
    made.rounds(30)
    assert made.replicas == 2


def test_it_is_bounded_by_the_largest_size_and_says_so() -> None:
    made = busy(max_size=2)
    assert made.replicas == 4, "half of two machines' eight quarters"
    assert made.status.reason is Reason.AT_MAXIMUM
    assert "raise maxSize (2)" in made.status.message


def test_without_metrics_it_holds_then_lets_go_and_says_which() -> None:
    made = busy()
    made.cores = None
    made.rounds(1)
    assert made.replicas == 5
    assert (made.status.condition, made.status.reason) == ("False", Reason.NO_METRICS)
    assert made.status.message == "nobody measures: 5 balloons of 500m cpu are held"
    assert made.status.used_millis is None
    made.rounds(int(600 / 15) - 2)
    assert made.replicas == 5
    made.rounds(2)
    assert made.replicas == 0
    assert made.status.message == "nobody measures: 0 balloons of 500m cpu are left"
    made.cores = 1.9
    made.rounds(10)
    assert made.replicas == 5


def test_without_metrics_a_reserve_stays() -> None:
    made = busy(target_cpu=70, headroom=groups.Headroom(cpu_millis=1000))
    made.cores = None
    made.rounds(50)
    assert made.replicas == 2


def test_what_pods_request_must_be_known() -> None:
    made = busy()
    made.pods_known = False
    made.api.refused["/api/v1/pods"] = errors.Denied("forbidden")
    made.rounds(1)
    assert made.replicas == 5
    assert made.status.reason is Reason.NO_REQUESTS
    assert "we may not list pods: kubectl apply -f deploy/headroom.yaml" in made.status.message


def test_a_new_node_need_not_be_measured_at_once_and_an_old_one_must() -> None:
    made = busy()
    made.machines(2)
    made.unmeasured = {"g-1"}
    made.pod("unseen", "g-1", 1900)
    made.rounds(1)
    assert made.status.reason is Reason.SOME_METRICS
    assert made.status.requested_millis == 500, "use and requests of the same nodes"
    assert "CPU use of g-1 is not known" in made.status.message
    made.machines(2, ready_since=made.api.server_unix() - 20)
    made.rounds(1)
    assert made.status.reason is Reason.ON_TARGET
    made.cores = 0.1
    made.rounds(30)
    assert made.replicas == 5, "what is seen in part lowers nothing"


def test_a_restart_changes_nothing() -> None:
    made = busy()
    made.restarted()
    made.cores = None
    made.rounds(1)
    assert made.replicas == 5


def test_the_api_servers_silence_changes_nothing() -> None:
    made = busy()
    made.api.refused[stage.BUFFERS] = errors.Unreachable("no answer")
    made.rounds(1)
    assert made.status.reason is Reason.REFUSED
    assert "stay" in made.status.message
    del made.api.refused[stage.BUFFERS]
    made.rounds(1)
    assert (made.replicas, made.status.reason) == (5, Reason.ON_TARGET)


def test_before_the_machines_are_listed_nothing_is_lowered() -> None:
    made = busy()
    made.restarted()
    made.scene = scene.Scene(stage.group(), settled=False)
    made.rounds(30)
    assert made.replicas == 5
    assert "not listed yet" in made.status.message


def test_without_the_kind_pods_pause() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.api.refused[stage.BUFFERS] = errors.NotFound("no such kind")
    made.rounds(2)
    assert made.pausing == 1
    assert made.status.by is By.PODS
    spec = made.api.items[f"{stage.DEPLOYMENTS}/vps-headroom-g"]["spec"]
    assert spec["template"]["spec"]["priorityClassName"] == "vps-autoscaler-balloon"
    assert spec["template"]["metadata"]["labels"][pods.BALLOON] == "g"


def test_where_no_autoscaler_takes_up_buffers_pods_pause_until_one_does() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.autoscaler = False
    made.rounds(3)
    assert (made.replicas, made.pausing) == (1, None)
    assert (made.status.condition, made.status.reason) == ("Unknown", Reason.STARTING)
    made.rounds(WAIT)
    assert (made.replicas, made.pausing) == (0, 1), "never both"
    made.rounds(WAIT)
    assert (made.replicas, made.pausing) == (0, 1)
    made.restarted()
    made.rounds(2)
    assert (made.replicas, made.pausing) == (0, 1), "a new process goes on from it"
    made.autoscaler = True
    made.rounds(3)
    assert (made.replicas, made.pausing) == (1, None)
    assert made.status.by is By.BUFFER


def test_an_autoscaler_that_stops_serving_is_noticed_when_something_changes() -> None:
    made = busy()
    made.cores = 0.1
    made.rounds(30)
    made.autoscaler = False
    made.rounds(WAIT)
    assert (made.replicas, made.pausing) == (0, None), "nothing changed: nobody had to answer"
    made.cores = 1.9
    made.rounds(2 * WAIT)
    assert (made.replicas, made.pausing) == (0, 5)
    made.rounds(3 * WAIT)
    assert (made.replicas, made.pausing) == (0, 5), "an old answer is none"


def test_where_nothing_may_be_made_both_cures_are_told() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.autoscaler = False
    made.api.refused[stage.DEPLOYMENTS] = errors.Denied("forbidden")
    made.rounds(WAIT)
    assert made.status.reason is Reason.NOT_SERVED
    for cure in ("--capacity-buffer-controller-enabled", "deploy/headroom-pods.yaml"):
        assert cure in made.status.message


def test_pods_that_cannot_be_made_are_told() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.api.refused[stage.BUFFERS] = errors.NotFound("no such kind")
    made.rounds(1)
    failure = {"type": "ReplicaFailure", "status": "True", "message": "no PriorityClass"}
    made.api.items[f"{stage.DEPLOYMENTS}/vps-headroom-g"]["status"] = {"conditions": [failure]}
    made.rounds(1)
    assert made.status.reason is Reason.REFUSED
    assert "no PriorityClass: kubectl apply -f deploy/headroom-pods.yaml" in made.status.message


def test_what_the_autoscaler_has_against_a_buffer_is_told() -> None:
    made = busy()
    made.autoscaler = False
    status = made.api.items[f"{stage.BUFFERS}/vps-headroom-g"]["status"]
    status["conditions"][0] |= {"status": "False", "message": "cannot create resource pods"}
    made.rounds(1)
    assert made.status.reason is Reason.REFUSED
    assert "cannot create resource pods" in made.status.message


def test_denied_writes_name_the_file() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.api.refused[stage.TEMPLATES] = errors.Denied("forbidden")
    made.rounds(1)
    assert made.status.reason is Reason.REFUSED
    assert "kubectl apply -f deploy/headroom.yaml" in made.status.message


def test_a_group_that_asks_no_more_keeps_nothing_and_then_nothing_is_asked() -> None:
    made = busy()
    made.scene.configure(stage.changed(stage.group(), target_cpu=None))
    made.rounds(1)
    assert made.api.items == {}
    assert made.controller.statuses == {}
    asked = made.api.asked
    made.rounds(5)
    assert made.api.asked == asked


def test_where_no_group_asks_no_thread_runs_and_nothing_is_asked() -> None:
    made = stage.Stage(scene.group())
    made.controller.start()
    assert (made.started, made.api.asked) == (0, 0)
    made.controller.stop()


def test_a_machine_of_unknown_size_makes_no_balloon() -> None:
    made = busy()
    made.promised = stage.wanted.Amount()
    made.rounds(1)
    assert made.status.reason is Reason.NO_MACHINE
    assert made.replicas == 5


def test_what_could_not_be_removed_is_removed_later() -> None:
    made = busy()
    made.api.refused[stage.TEMPLATES] = errors.Unreachable("no answer")
    made.scene.configure(stage.changed(stage.group(), target_cpu=None))
    made.rounds(2)
    assert made.replicas == 5
    made.api.refused.clear()
    made.rounds(1)
    assert made.api.items == {}


def test_pods_that_could_not_be_removed_are_removed_later() -> None:
    made = stage.Stage(stage.group(headroom=ONE))
    made.autoscaler = False
    made.rounds(2 * WAIT)
    assert made.pausing == 1
    made.autoscaler = True
    made.rounds(1)
    made.api.undeletable = stage.DEPLOYMENTS
    made.rounds(2)
    assert (made.replicas, made.pausing) == (1, 1)
    made.api.undeletable = "nothing"
    made.rounds(1)
    assert made.pausing is None


def test_a_reserve_whose_daemons_were_never_seen_is_left_as_it_is() -> None:
    """A balloon that leaves no room for them fits nowhere, for ever."""
    made = stage.Stage(stage.group(headroom=ONE))
    made.pod("kube-system/cni", "control-1", 150, daemon=True)
    made.pods_known = False
    made.rounds(2)
    assert made.api.items == {}
    assert (made.status.condition, made.status.reason) == ("False", Reason.NO_REQUESTS)
    made.pods_known = True
    made.rounds(1)
    assert (made.replicas, made.status.balloon_millis) == (1, 1650)
    made.bound.clear()
    made.pods_known = False
    made.rounds(1)
    assert (made.replicas, made.status.balloon_millis) == (1, 1650)
    assert (
        made.status.message
        == "the cluster's pods are not known for now: 1 balloon of 1650m cpu is held"
    )


def test_only_ready_nodes_of_the_groups_own_machines_count() -> None:
    made = busy()
    stranger = dataclasses.replace(made._nodes["g-0"], name="other", provider_id="sky://99")
    made._nodes["other"] = stranger
    made.pod("elsewhere", "other", 1000)
    made.cores = 3.8  # 1.9 on each of the two
    made.rounds(1)
    assert (made.status.used_millis, made.status.requested_millis) == (1900, 500)
    made._nodes["g-0"] = dataclasses.replace(made._nodes["g-0"], ready=False)
    made.rounds(1)
    assert (made.status.used_millis, made.status.requested_millis) == (0, 0)
