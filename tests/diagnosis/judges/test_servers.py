"""The running server, and whether it is alone."""

from __future__ import annotations

import pytest

from externalgrpc.pb import fleet_pb2 as pb
from tests.diagnosis import given

SHELL = ("vps-autoscaler", "serve")


def shown(**changed: object) -> object:
    return given.facts(shown=given.show(given.group(), **changed))


def test_a_server_that_was_named_and_does_not_answer() -> None:
    of = given.change(given.facts(), server=None, silent="no answer from 10.0.0.1:8086")
    assert given.trouble(of).what == "no answer from 10.0.0.1:8086"


def test_a_server_of_another_cluster() -> None:
    found = given.trouble(shown(cluster="other"))
    assert "looks after cluster other, this configuration is of demo" in found.what


def test_a_dry_run() -> None:
    assert "--dry-run" in given.trouble(shown(dry_run=True)).what


def test_a_group_that_is_left_out() -> None:
    of = given.show(given.group())
    of.groups[0].trouble = "no candidate is sold"
    found = given.trouble(given.facts(shown=of))
    assert found.what == "group web is limited or left out: no candidate is sold"
    of.groups[0].departed = True
    assert not any("left out" in each for each in given.judged(given.facts(shown=of)))


def test_a_machine_that_failed() -> None:
    failed = pb.Machine(name="web-x", group="web", error_code="E", error_message="no stock")
    assert "web-x of group web failed: E: no stock" in given.warning(shown(machines=[failed])).what


def test_another_file_than_the_servers() -> None:
    other = given.show(given.group(), given.group("gone"), given.group("sized", max_size=9))
    of = given.facts(given.group(), given.group("sized"), shown=other)
    assert given.warning(of).what.endswith("than this file: gone, sized")


def trial_of(base: str) -> pb.Group:
    return pb.Group(id=f"vps-trial-{base}", trial_of=base, trouble=f"a trial of {base}", max=5)


def test_a_trial_under_way_is_no_group_of_the_file() -> None:
    of = given.show(given.group())
    of.groups.append(trial_of("web"))
    of.machines.append(
        pb.Machine(name="t", group="vps-trial-web", error_code="E", error_message="no stock")
    )
    machine = given.machine("t", id="7", group="vps-trial-web")
    there = (given.machine(), machine)
    assert given.judged(given.facts(shown=of, machines=there)) == []
    of.groups[1].not_now_code = "SpendCap"
    of.groups[1].headroom.status = "False"
    assert given.judged(given.facts(shown=of, machines=there)) == []


def test_an_account_that_is_not_listed() -> None:
    for ago, word in ((301, "last listed 5m ago"), (-1, "last listed never")):
        account = pb.Account(name="h", listed_seconds_ago=ago, trouble="bad token", budget_limit=-1)
        assert f"account h was {word}: bad token" in given.trouble(shown(accounts=[account])).what


def test_an_account_in_trouble_and_one_without_budget() -> None:
    account = pb.Account(name="h", listed_seconds_ago=3, trouble="slow", budget_limit=-1)
    assert "account h: slow" in given.warning(shown(accounts=[account])).what
    account = pb.Account(name="h", listed_seconds_ago=3, budget_limit=100, budget_remaining=4)
    assert "4 of 100 requests left" in given.warning(shown(accounts=[account])).what


def with_servers(*made: object) -> object:
    return given.facts(cluster={"workloads": (given.autoscaler(), *made)})


def test_two_servers_would_both_order() -> None:
    assert (
        "more than one server runs"
        in given.trouble(
            with_servers(
                given.deployed("vps-autoscaler:1"), given.deployed("mine:1", *SHELL, name="b")
            )
        ).what
    )
    assert "x2" in given.trouble(with_servers(given.deployed("h/vps-autoscaler", replicas=2))).what
    assert given.judged(with_servers(given.deployed("vps-autoscaler:1"))) == []
    away = given.deployed("vps-autoscaler:1", replicas=0, name="b")
    assert given.judged(with_servers(given.deployed("vps-autoscaler:1"), away)) == []


def test_a_rolling_update_is_two_servers_for_a_while() -> None:
    found = given.warning(with_servers(given.deployed("vps-autoscaler:1", recreate=False)))
    assert "Recreate" in found.cure


FOLLOW, OWN = "--leader-elect=follow", "--leader-elect=own"


@pytest.mark.parametrize("flag", [FOLLOW, OWN])
def test_replicas_that_let_one_act_are_one_server_also_while_they_are_rolled(flag: str) -> None:
    two = given.deployed("vps-autoscaler:1", "serve", flag, replicas=2, recreate=False)
    assert given.judged(with_servers(two)) == []


@pytest.mark.parametrize(
    "other",
    [
        given.deployed("vps-autoscaler:1", "serve", name="b"),
        given.deployed("vps-autoscaler:1", "serve", FOLLOW, name="b"),
        given.deployed("vps-autoscaler:1", "serve", OWN, namespace="elsewhere", name="b"),
        given.deployed(
            "vps-autoscaler:1", "serve", OWN, "--leader-elect-resource-name=c", name="b"
        ),
    ],
)
def test_servers_of_two_leases_or_of_none_both_act(other: object) -> None:
    two = given.deployed("vps-autoscaler:1", "serve", OWN, replicas=2, recreate=False)
    found = given.trouble(with_servers(two, other))
    assert "more than one server runs" in found.what
    assert "--leader-elect" in found.cure


def test_one_lease_for_two_workloads_is_one_server() -> None:
    one = given.deployed("vps-autoscaler:1", "serve", OWN)
    words = ("serve", OWN, "--leader-elect-resource-namespace", "kube-system")
    assert given.judged(with_servers(one, given.deployed("x/vps-autoscaler", *words))) == []


def test_workloads_that_were_not_seen_are_not_missed() -> None:
    assert given.judged(given.facts(cluster={"workloads": None})) == []


def test_another_clusters_groups_are_not_compared() -> None:
    of = given.show(given.group("other"), cluster="other")
    assert "looks after cluster other" in given.trouble(given.facts(shown=of)).what


def test_machines_without_error_and_departed_groups_are_fine() -> None:
    of = given.show(given.group(), machines=[pb.Machine(name="web-x", group="web")])
    of.groups.append(pb.Group(id="old", departed=True, max=3))
    assert given.judged(given.facts(shown=of)) == []


def test_an_account_without_words_is_reported_without() -> None:
    account = pb.Account(name="h", listed_seconds_ago=-1, budget_limit=-1)
    assert given.trouble(shown(accounts=[account])).what == "account h was last listed never"


def test_only_deployments_are_updated_side_by_side() -> None:
    stateful = given.deployed("vps-autoscaler:1", kind="StatefulSet", recreate=False)
    assert given.judged(with_servers(stateful)) == []
    idle = given.deployed("vps-autoscaler:1", recreate=False, replicas=0)
    assert given.judged(with_servers(idle)) == []


def test_room_that_is_not_as_it_should_be() -> None:
    of = given.show(given.group())
    room = pb.Headroom(reason="NoMetrics", message="nobody measures: 2 are held", status="False")
    of.groups[0].headroom.CopyFrom(room)
    found = given.warning(given.facts(shown=of))
    assert found.what.endswith("as it should be: NoMetrics: nobody measures: 2 are held")
    assert "metrics-server" in found.cure
    of.groups[0].headroom.status = "True"
    assert not any("room" in each for each in given.judged(given.facts(shown=of)))
