"""What is not touched, and why nothing is ordered, is shown to whoever looks."""

from __future__ import annotations

import dataclasses
import io
import shlex

import pytest
from rich.console import Console

from externalgrpc.commands import tables
from externalgrpc.fleet import state
from externalgrpc.model import by_hand
from externalgrpc.pb import fleet_pb2 as pb
from providers import contract, memory
from tests import serving

OURS, OTHERS = "aaaaaaaaaa", "bbbbbbbbbb"


def drawn(shown, *, wide=False):
    out = io.StringIO()
    Console(file=out, width=220).print(tables.fleet(shown, wide=wide))
    return out.getvalue()


def made(up, name, *, identity="", group="alpha", cluster="test"):
    """Make a machine as another server of this cluster's name would."""
    login = contract.Login(account="else", cluster=cluster, token="")
    cloud = memory.MemoryCloud(login, cloud=up.cloud)
    return cloud.create(
        contract.Order(
            node_name=name,
            cluster=cluster,
            group=group,
            identity=identity,
            machine_type=next(each for each in cloud.machine_types() if each.name == "small"),
            location="north",
            image="",
            user_data="",
        )
    )


def phase(up, provider_id):
    return next((m.phase for m in up.show().machines if m.provider_id == provider_id), "")


@pytest.fixture
def foreign(tmp_path):
    with serving.running(tmp_path) as up:
        up.plant.reconciler.identified(OURS)
        machine = made(up, "alpha-foreign", identity=OTHERS)
        serving.until(lambda: phase(up, machine.provider_id) == "quarantine")
        yield up, machine


def test_a_machine_in_quarantine_is_shown_with_its_doubt(foreign):
    up, machine = foreign
    shown = up.show()
    (one,) = shown.machines
    assert (one.name, one.group, one.phase) == ("alpha-foreign", "alpha", "quarantine")
    assert (one.doubt, one.identity, one.excused) == ("Foreign", OTHERS, False)
    assert one.doubt_message == f"it carries the identity {OTHERS}, ours is {OURS}"
    assert 0 <= one.doubt_seconds_ago < 60
    assert one.unjoined
    assert shown.identity == OURS
    assert shown.groups[0].target == 0
    plain = tables.as_dict(shown)["machines"][0]
    assert (plain["doubt"], plain["identity"]) == ("Foreign", OTHERS)
    screen = drawn(shown)
    assert f"Foreign: alpha-foreign, for 0s: it carries the identity {OTHERS}" in screen
    assert f"by hand: vps-autoscaler purge --config FILE --machine {machine.provider_id}" in screen
    assert OTHERS in drawn(shown, wide=True)


def test_an_account_says_why_nothing_is_ordered(foreign):
    up, _ = foreign
    (account,) = up.show().accounts
    assert account.not_now_code == "ForeignMachines"
    assert f"1 of {OTHERS}" in account.not_now_reason
    assert "say under accounts[].foreign whose they are" in account.not_now_reason
    screen = drawn(up.show())
    assert f"ForeignMachines: {account.not_now_reason}" in screen


def test_the_operators_word_is_shown_too(foreign, tmp_path):
    up, _ = foreign
    text = serving.TWO_POOLS.replace(
        "nodes:",
        f"accounts:\n- {{name: memory, provider: memory, foreign: {{{OTHERS}: gone}}}}\nnodes:",
    )
    up.plant.apply(serving.loaded(tmp_path, text)[0])
    shown = up.show()
    assert shown.machines[0].excused
    assert shown.accounts[0].not_now_code == ""
    assert "the configuration excuses it" in drawn(shown)


def test_a_second_server_shows(tmp_path):
    with serving.running(tmp_path) as up:
        fleet = up.plant.reconciler.fleet
        up.plant.reconciler.fleet = dataclasses.replace(fleet, started_at=fleet.started_at - 3600)
        machine = made(up, "alpha-strange")
        serving.until(lambda: phase(up, machine.provider_id))
        assert [each.strange for each in up.show().machines] == [True]
        assert "second server?: alpha-strange" in drawn(up.show())


def test_an_orphan_has_its_line_and_other_machines_have_none(tmp_path):
    with serving.running(tmp_path) as up:
        up.plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(lambda: [each.phase for each in up.show().machines] == ["running"])
        assert "by hand" not in drawn(up.show())
        machine = made(up, "gone-one", group="gone")
        serving.until(lambda: phase(up, machine.provider_id) == "orphan")
        assert f"purge --config FILE --machine {machine.provider_id}" in drawn(up.show())


def test_the_second_of_a_name_is_shown_under_its_provider_id(tmp_path):
    with serving.running(tmp_path, unique_names=False) as up:
        first, second = made(up, "alpha-twin"), made(up, "alpha-twin")
        serving.until(lambda: len(up.show().machines) == 2)
        assert {each.provider_id: each.name for each in up.show().machines} == {
            first.provider_id: "alpha-twin",
            second.provider_id: second.provider_id,
        }


def test_the_second_of_a_name_in_quarantine_too(tmp_path):
    with serving.running(tmp_path, unique_names=False) as up:
        up.plant.reconciler.identified(OURS)
        made(up, "alpha-twin", identity=OURS)
        second = made(up, "alpha-twin", identity=OTHERS)
        serving.until(lambda: phase(up, second.provider_id) == "quarantine")
        names = {each.provider_id: each.name for each in up.show().machines}
        assert names[second.provider_id] == second.provider_id
        # A living machine of our own identity: the account goes on, and shows it.
        assert up.show().accounts[0].not_now_code == ""


def test_a_withheld_verdict_is_shown_to_who_wants_more(tmp_path):
    with serving.running(tmp_path) as up:
        up.plant.reconciler.grow("alpha", 1, cover=False)
        serving.until(lambda: [each.phase for each in up.show().machines] == ["running"])
        (name,) = (each.name for each in up.show().machines)
        failure = state.Failure(state.ErrorClass.OTHER, "JoinTimeout", "no Node in 15m")
        fleet = up.plant.reconciler.fleet
        up.plant.reconciler.fleet = dataclasses.replace(
            fleet, unjoined={name: state.Unjoined(0.0, failure, "not today")}
        )
        (one,) = up.show().machines
        assert (one.error_code, one.withheld_code) == ("", "JoinTimeout")
        assert one.withheld_because == "not today"
        assert "not today" not in drawn(up.show())
        screen = drawn(up.show(), wide=True)
        assert f"not given up: {name}: JoinTimeout: no Node in 15m (not today)" in screen
        assert tables.as_dict(up.show())["machines"][0]["withheldBecause"] == "not today"


def test_what_is_awaited_of_the_cluster_is_said(tmp_path):
    with serving.running(tmp_path) as up:
        assert up.show().orders_held == ""
        up.plant.reconciler.identified(None)
        assert up.show().orders_held == "the cluster's identity could not be read yet"
        assert "orders are held: the cluster's identity" in drawn(up.show())
        up.plant.reconciler.identified(OURS)
        assert up.show().orders_held == "the cluster's Nodes could not be listed yet"
        up.plant.reconciler.see_nodes({})
        # Whose machines stand in the project is asked besides.
        serving.until(lambda: up.show().orders_held == "")


def test_a_hundred_of_one_doubt_are_one_sentence():
    machines = [
        pb.Machine(name=f"web-{number}", doubt="Unclaimed", doubt_message="nobody claims it")
        for number in range(100)
    ]
    screen = drawn(pb.ShowResponse(machines=machines))
    assert "web-5 and 94 more, for 0s: nobody claims it" in screen
    assert screen.count("nobody claims it") == 1
    assert "purge --config FILE --machine PROVIDER_ID (ls --wide shows provider ids)" in screen


@pytest.mark.parametrize("hostile", ["hcloud://1; rm -rf ~", "x://$(id)", "a\nb", "-x", "it's"])
def test_a_line_for_the_shell_is_one_command_whatever_the_id(hostile):
    assert shlex.split(by_hand.purge(hostile))[4:] == ["--machine", hostile]
    assert shlex.split(by_hand.purge_identity(hostile))[4:] == ["--identity", hostile]
    assert "--identity" not in by_hand.purge_identity(contract.NOBODYS)


def test_a_pause_and_what_is_spent_are_shown(tmp_path):
    text = serving.TWO_POOLS.replace(
        "nodes:",
        "currency: EUR\nmaxPricePerMonth: 730\naccounts:\n"
        "- {name: memory, provider: memory, maxPricePerHour: 0.5}\nnodes:",
    )
    with serving.running(tmp_path, text) as up:
        shown = up.show()
        assert [(each.scope, each.name, each.cap_per_hour) for each in shown.spending] == [
            ("account", "memory", "0.5"),
            ("all", "", "1"),
        ]
        screen = drawn(shown)
        assert "spent: account memory costs 0.00000 of at most 0.50000 EUR an hour" in screen
        assert "spent: everything costs" in screen
        assert "Paused" not in screen
        paused = text.replace("name: alpha,", "name: alpha, paused: true,")
        assert paused != text
        up.plant.apply(serving.loaded(tmp_path, paused)[0])
        shown = up.show()
        assert [each.not_now_code for each in shown.groups] == ["Paused", ""]
        assert shown.accounts[0].not_now_code == ""
        assert "Paused: paused: true of group alpha" in drawn(shown)
        up.plant.apply(serving.loaded(tmp_path, f"paused: true\n{text}")[0])
        shown = up.show()
        assert shown.paused == "paused: true in the file"
        assert drawn(shown).count("Paused: paused: true in the file") == 1
        assert tables.as_dict(shown)["paused"] == "paused: true in the file"


def test_a_group_that_is_an_object_is_marked():
    groups = [pb.Group(id="alpha"), pb.Group(id="web", vps_node=True)]
    screen = drawn(pb.ShowResponse(groups=groups))
    assert "web VPSNode" in screen
    assert "alpha VPSNode" not in screen
