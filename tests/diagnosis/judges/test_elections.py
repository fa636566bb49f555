"""Servers of which one acts, and the rights that this takes."""

from __future__ import annotations

import pytest

from externalgrpc.diagnosis.facts import Election, ElectionRights
from externalgrpc.diagnosis.judges import servers
from externalgrpc.kube import access
from tests.diagnosis import given

OURS = {"namespace": "vps-autoscaler", "account": "vps-autoscaler", "name": "vps-autoscaler"}


def election(*words: str, **changed: object) -> Election:
    workload = given.deployed("vps-autoscaler:1", "serve", *words, **{**OURS, **changed})
    (found,) = servers.elections((given.autoscaler(), workload))
    return found


def lacking(of: Election, *resources: str) -> object:
    needed = access.needs_of_election(
        elect=of.elect,
        namespace=of.namespace,
        lease=of.lease,
        service=of.service,
        at=of.workload.namespace,
    )
    missing = tuple(each for each in needed if not resources or each.resource in resources)
    there = (ElectionRights(election=of, missing=missing),)
    return given.facts(cluster={"elections": there})


def test_flags_say_which_lease_it_is() -> None:
    follow = election("--leader-elect=follow", "--leader-elect-service=x")
    own = election("--leader-elect", "own", "--leader-elect-service=x")
    named = election(
        "--leader-elect=follow",
        "--leader-elect-resource-name=l",
        "--leader-elect-resource-namespace=kube-system",
    )
    assert [(each.namespace, each.lease, each.service) for each in (follow, own, named)] == [
        ("vps-autoscaler", "cluster-autoscaler", ""),
        ("vps-autoscaler", "vps-autoscaler", "x"),
        ("kube-system", "l", ""),
    ]
    alone = given.deployed("vps-autoscaler:1", "serve")
    # The autoscaler's own --leader-elect is none of a server's.
    assert servers.elections((given.autoscaler("--leader-elect=true"), alone)) == ()


def test_nobody_can_hold_the_lease() -> None:
    found = given.trouble(lacking(election("--leader-elect=own")))
    assert found.what == (
        "Deployment vps-autoscaler/vps-autoscaler has --leader-elect=own, and its account "
        "vps-autoscaler may not "
        "get leases.coordination.k8s.io vps-autoscaler in vps-autoscaler, "
        "create leases.coordination.k8s.io in vps-autoscaler, "
        "update leases.coordination.k8s.io vps-autoscaler in vps-autoscaler"
    )
    assert "Nobody can hold the Lease vps-autoscaler/vps-autoscaler" in found.why
    assert found.cure == "kubectl apply -f deploy/leader-election.yaml"


def test_a_release_of_another_name_is_not_sent_to_the_file_as_it_is() -> None:
    of = election(
        "--leader-elect=own",
        "--leader-elect-resource-name=mine",
        "--leader-elect-service=mine",
        name="mine",
        account="machines",
    )
    assert "Lease mine, Service mine, account machines" in given.trouble(lacking(of)).cure


def test_whoever_follows_may_read_it() -> None:
    found = given.trouble(lacking(election("--leader-elect=follow")))
    assert found.what.endswith(
        "get leases.coordination.k8s.io cluster-autoscaler in vps-autoscaler"
    )
    assert "cannot see who holds" in found.why
    assert found.cure == (
        "kubectl -n vps-autoscaler create role vps-autoscaler-reads-lease --verb=get "
        "--resource=leases.coordination.k8s.io --resource-name=cluster-autoscaler; "
        "kubectl -n vps-autoscaler create rolebinding vps-autoscaler-reads-lease "
        "--role=vps-autoscaler-reads-lease --serviceaccount=vps-autoscaler:vps-autoscaler"
    )


def test_a_service_that_leads_to_nobody() -> None:
    of = election("--leader-elect=own", "--leader-elect-service=vps-autoscaler")
    found = given.trouble(lacking(of, "services", "endpointslices"))
    assert "patch endpointslices.discovery.k8s.io vps-autoscaler-leader" in found.what
    assert "leads to nobody" in found.why


@pytest.mark.parametrize("there", [None, ()])
def test_what_was_not_seen_or_needs_nothing_is_fine(there: object) -> None:
    assert given.judged(given.facts(cluster={"elections": there})) == []
    fine = (ElectionRights(election=election("--leader-elect=own")),)
    assert given.judged(given.facts(cluster={"elections": fine})) == []


def test_a_server_that_stands_by_is_well_and_says_where_to_look() -> None:
    shown = given.show(given.group(), orders_held="this server stands by: the Lease is held by b")
    found = given.warning(given.facts(shown=shown))
    assert found.what == "this server stands by: the Lease is held by b; it orders nothing"
