"""Machines that nobody uses."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.diagnosis.facts import Facts, Listing
from externalgrpc.pb import fleet_pb2 as pb
from providers import contract
from tests.diagnosis import given

OFF = contract.InstanceState.STOPPED
LEAVING = contract.InstanceState.DELETING
BOOTING = contract.InstanceState.CREATING


def test_a_healthy_installation_has_no_finding() -> None:
    assert given.judged(given.facts()) == []


def test_a_machine_of_a_group_that_nobody_configures() -> None:
    stray = given.machine("old-bcdfgh", id="7", group="old")
    found = given.trouble(given.facts(machines=(given.machine(), stray)))
    assert (
        "cluster demo, at account hetzner, 1 of group old, which nobody configures: " in found.what
    )
    assert "old-bcdfgh (hcloud://7, cx23 in fsn1, 24h old)" in found.what
    assert "Put old back with minSize: 0" in found.cure
    assert "vps-autoscaler purge --config FILE --machine hcloud://7" in found.cure


def test_a_machine_with_the_mark_and_no_group() -> None:
    stray = given.machine("", id="7", group="")
    found = given.trouble(given.facts(machines=(given.machine(), stray)))
    assert "1 of no group" in found.what
    assert "hcloud://7 (cx23" in found.what


def test_many_are_one_finding_and_counted() -> None:
    unmarked = [given.machine(f"old-bcdfg{n}", id=f"7{n}", group="old") for n in range(2, 10)]
    found = given.trouble(given.facts(machines=(given.machine(), *unmarked)))
    assert "8 of group old" in found.what
    assert found.what.endswith("and 2 more")
    assert found.cure.count("vps-autoscaler purge --config FILE --machine hcloud://7") == 6
    assert found.cure.endswith("and 2 more")


def test_a_group_that_the_server_still_empties_is_a_warning() -> None:
    shown = given.show(given.group())
    shown.groups.append(pb.Group(id="old", departed=True))
    stray = given.machine("old-bcdfgh", id="7", group="old")
    found = given.warning(given.facts(machines=(given.machine(), stray), shown=shown))
    assert "group old, which was removed, still there" in found.what


def test_what_a_trial_left_is_cleaned_as_such() -> None:
    left = given.machine("t", id="7", group="vps-trial-web")
    found = given.warning(given.facts(machines=(given.machine(), left)))
    assert "1 with the mark of a trial still there at account hetzner: t (hcloud://7" in found.what
    assert "vps-autoscaler try --clean" in found.cure


@pytest.mark.parametrize("group", ["old", "web"])
def test_a_machine_on_its_way_out_is_nobodys_trouble(group: str) -> None:
    leaving = given.machine("x", id="7", group=group, state=LEAVING)
    assert given.judged(given.facts(machines=(given.machine(), leaving))) == []


def test_a_machine_that_never_joined() -> None:
    lone = given.machine("web-xxxxxx", id="7", created_at=given.NOW - 1021)
    found = given.trouble(given.facts(machines=(given.machine(), lone)))
    assert "web-xxxxxx (hcloud://7" in found.what
    assert "of group web never joined, within 15m" in found.what
    assert "/var/lib/vps-autoscaler/failed" in found.cure
    assert "serial console" in found.cure
    assert "vps-autoscaler purge --config FILE --machine hcloud://7" in found.cure


def test_a_machine_within_its_time_is_no_finding() -> None:
    young = given.machine("web-xxxxxx", id="7", created_at=given.NOW - 1019)
    assert given.judged(given.facts(machines=(given.machine(), young))) == []


def test_the_groups_own_time_counts() -> None:
    patient = given.group(
        overrides=dataclasses.replace(given.group().overrides, max_node_provision_time_s=2000.0)
    )
    lone = given.machine("web-xxxxxx", id="7", created_at=given.NOW - 1500)
    findings = given.judged(given.facts(patient, machines=(given.machine(), lone)))
    assert not any("never joined" in each for each in findings)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"state": OFF}, "it is off, as machines go that could not join"),
        ({"state": BOOTING}, "its cloud still calls it being created"),
    ],
)
def test_why_it_did_not_join_is_reported_as_far_as_it_is_known(changed: dict, word: str) -> None:
    lone = given.machine("web-xxxxxx", id="7", **changed)
    found = given.trouble(given.facts(machines=(given.machine(), lone)))
    assert word in found.what


def test_one_that_is_kept_is_a_warning_until_its_time_is_over() -> None:
    keeping = given.group(join_keep_failed_minutes=60)

    def aged(age_s: float, **changed: object) -> Facts:
        lone = given.machine("web-xxxxxx", id="7", created_at=given.NOW - age_s, **changed)
        return given.facts(keeping, machines=(given.machine(), lone))

    kept = given.warning(aged(900 + 3599))
    assert "it is kept to be looked at (keepFailedMinutes: 60)" in kept.what
    assert "/var/lib/vps-autoscaler/log" in kept.cure
    assert "is kept" not in given.trouble(aged(900 + 3601)).what
    assert "is kept" not in given.trouble(aged(900 + 3599, state=OFF)).what


def test_a_raw_groups_machine_points_at_cloud_init() -> None:
    lone = given.machine("web-xxxxxx", id="7")
    of = given.facts(given.group(join="raw"), machines=(given.machine(), lone), endpoint_probes=())
    assert "cloud-init-output.log" in given.trouble(of).cure


def test_one_of_unknown_age_is_a_warning() -> None:
    lone = given.machine("web-xxxxxx", id="7", created_at=0.0)
    assert (
        "does not say how old" in given.warning(given.facts(machines=(given.machine(), lone))).what
    )


def test_without_nodes_nobody_is_said_not_to_have_joined() -> None:
    lone = given.machine("web-xxxxxx", id="7")
    assert given.judged(given.facts(machines=(lone,), cluster={"nodes": None})) == []


def test_a_node_of_the_name_with_another_provider_id() -> None:
    # The Node's own machine, hcloud://01, is not there: providerIDs are compared byte for byte.
    of = given.facts(cluster={"nodes": (given.node(provider_id="hcloud://01"),)})
    found = given.trouble(of)
    assert "has providerID hcloud://01, its machine is hcloud://1" in found.what


def test_a_node_without_provider_id_is_given_one_by_the_server_soon() -> None:
    young = given.node(provider_id="", created_at=given.NOW - 500)
    assert given.judged(given.facts(cluster={"nodes": (young,)})) == []
    old = given.node(provider_id="", created_at=given.NOW - 700)
    assert "look at its log" in given.trouble(given.facts(cluster={"nodes": (old,)})).cure
    alone = given.facts(given.group(join="raw"), kubernetes=None, cluster={"nodes": (young,)})
    found = given.trouble(given.change(alone, endpoint_probes=()))
    assert '"providerID":"hcloud://1"' in found.cure


def test_two_machines_of_one_name() -> None:
    twin = given.machine(id="2", created_at=given.NOW - 80_000)
    found = given.trouble(given.facts(machines=(twin, given.machine())))
    assert "2 machines are called web-bcdfgh: hcloud://2, hcloud://1" in found.what
    assert "Keep hcloud://1, the Node" in found.cure
    assert found.cure.endswith("vps-autoscaler purge --config FILE --machine hcloud://2")


def test_of_two_of_a_name_the_node_is_kept_not_the_oldest() -> None:
    twin = given.machine(id="2", created_at=given.NOW - 80_000)
    younger = given.node(provider_id="hcloud://2")
    found = given.trouble(
        given.facts(machines=(twin, given.machine()), cluster={"nodes": (younger,)})
    )
    assert "Keep hcloud://2, the Node" in found.cure
    assert found.cure.endswith("purge --config FILE --machine hcloud://1")


def test_of_two_of_a_name_nobody_is_called_dead_that_may_live() -> None:
    twins = (given.machine(id="2", created_at=given.NOW - 80_000), given.machine())
    both = (given.node(), given.node("web-other", provider_id="hcloud://2"))
    for nodes in (None, both):
        findings = given.judging.judge(
            given.facts(machines=twins, cluster={"nodes": nodes})
        ).findings
        (found,) = [each for each in findings if "are called" in each.what]
        assert "See which of them are Nodes" in found.cure
        assert "hcloud://" not in found.cure


def test_two_clusters_may_each_have_one_of_a_name() -> None:
    theirs = given.machine(id="2", identity="bbbbbbbbbb")
    of = given.facts(machines=(theirs, given.machine()), cluster={"identity": "aaaaaaaaaa"})
    assert "carry the identity bbbbbbbbbb, ours is aaaaaaaaaa" in given.warning(of).what
    # One that carries none is as good as ours.
    ours = given.machine(id="2", identity="aaaaaaaaaa")
    of = given.facts(machines=(ours, given.machine()), cluster={"identity": "aaaaaaaaaa"})
    assert "2 machines are called" in given.trouble(of).what


def test_another_clusters_machine_is_not_said_to_have_never_joined() -> None:
    theirs = given.machine("web-xxxxxx", id="7", identity="bbbbbbbbbb")
    stray = given.machine("old-xxxxxx", id="8", identity="bbbbbbbbbb", group="old")
    of = given.facts(machines=(given.machine(), theirs, stray), cluster={"identity": "aaaaaaaaaa"})
    found = given.warning(of)
    assert "2 machines of this cluster's name carry the identity bbbbbbbbbb" in found.what
    assert "--machine" not in found.cure
    assert found.cure.endswith("vps-autoscaler purge --config FILE --identity bbbbbbbbbb")


def test_one_that_was_a_node_is_not_said_to_have_never_joined() -> None:
    was = given.machine("web-xxxxxx", id="7", identity="aaaaaaaaaa")
    of = given.facts(machines=(given.machine(), was))
    marking = dataclasses.replace(of.listings[0], marking=True)
    found = given.trouble(given.change(of, listings=(marking,)))
    assert "of group web was a node, and is none now" in found.what
    fresh = dataclasses.replace(was, unjoined=True)
    marking = dataclasses.replace(marking, machines=(given.machine(), fresh))
    assert "never joined" in given.trouble(given.change(of, listings=(marking,))).what


def test_one_machine_seen_by_two_accounts_is_no_twin() -> None:
    of = given.facts()
    twice = (*of.listings, Listing(account="b", machines=(given.machine(),)))
    assert given.judged(given.change(of, listings=twice)) == []


def test_a_machine_of_any_cloud_has_its_line() -> None:
    stray = given.machine("old-bcdfgh", id="7", group="old", provider_id="vendor://7")
    of = given.facts(machines=(given.machine(),))
    other = Listing(account="v", machines=(stray,))
    found = given.trouble(given.change(of, listings=(*of.listings, other)))
    assert "vps-autoscaler purge --config FILE --machine vendor://7" in found.cure


def test_without_a_server_a_stray_is_a_stray() -> None:
    stray = given.machine("old-bcdfgh", id="7", group="old")
    of = given.change(given.facts(machines=(given.machine(), stray)), server=None)
    assert "of group old" in given.trouble(of).what


def test_a_group_that_only_the_server_still_has_is_no_departed_one() -> None:
    stray = given.machine("old-bcdfgh", id="7", group="old")
    shown = given.show(given.group(), given.group("old"))
    findings = given.judged(given.facts(machines=(given.machine(), stray), shown=shown))
    assert findings[0].startswith("TROUBLE machines: with the mark")
    assert findings[1].endswith("than this file: old")


def test_a_stray_without_group_or_age_is_reported_without() -> None:
    stray = given.machine("x", id="7", group="", created_at=0.0)
    found = given.trouble(given.facts(machines=(given.machine(), stray)))
    assert "x (hcloud://7, cx23 in fsn1)" in found.what
    assert (
        found.cure
        == "Drain and delete them: vps-autoscaler purge --config FILE --machine hcloud://7"
    )


def test_a_node_of_another_name_is_the_machines_where_its_group_says_so() -> None:
    renamed = given.node("renamed", provider_id="hcloud://1")
    of = given.facts(given.group(any_node_name=True), cluster={"nodes": (renamed,)})
    assert given.judged(of) == []


def test_a_machine_that_was_not_kept_is_not_reported_as_kept() -> None:
    lone = given.machine("web-xxxxxx", id="7")
    assert "is kept" not in given.trouble(given.facts(machines=(given.machine(), lone))).what


def test_machines_without_a_name_and_leaving_ones_are_no_twins() -> None:
    nameless = [given.machine("", id=f"7{n}", group="") for n in range(2)]
    findings = given.judged(given.facts(machines=(given.machine(), *nameless)))
    assert len(findings) == 1
    assert "called" not in findings[0]
    leaving = given.machine(id="2", state=LEAVING)
    assert given.judged(given.facts(machines=(given.machine(), leaving))) == []


def test_one_of_unknown_age_is_named_by_what_it_has() -> None:
    for name, result in (("web-xxxxxx", "web-xxxxxx of"), ("", "hcloud://7 of")):
        lone = given.machine(name, id="7", created_at=0.0)
        of = given.facts(machines=(given.machine(), lone))
        assert given.warning(of).what.startswith(result)
