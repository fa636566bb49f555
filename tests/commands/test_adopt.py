"""Machines are adopted when the cluster's own Nodes claim them, and never on weaker evidence."""

from __future__ import annotations

import click.testing
import pytest

from externalgrpc import cli
from externalgrpc.kube import identity
from providers import contract, errors
from tests.commands import test_purge
from tests.diagnosis import cluster

OTHERS = "bbbbbbbbbb"
sky, kube = test_purge.sky, test_purge.kube


class Town:
    """A cloud and a cluster, with machines that another autoscaler made."""

    def __init__(self, sky, kube):
        self.sky, self.kube = sky, kube
        self.identity = identity.shortened(kube.uid)
        self.center = sky.login().cloud

    def stand(self, name, *, pool="old", node=True, node_name="", labels=None, **marks):
        """Put a machine there that runs, and its Node."""
        number = self.center.add(name=name, **marks)
        self.center.edit(number, labels={"pool": pool, "team": "infra"})
        if node:
            made = cluster.node(node_name or name, provider_id=f"memory://{number}")
            made["metadata"]["labels"] = labels or {}
            cluster.put_nodes(self.kube, made)
        return number

    def server(self, number):
        return next(each for each in self.center.servers() if each.id == number)

    def marks(self, number):
        one = self.server(number)
        return one.cluster, one.group, one.node_name, one.identity, one.adopted, one.unjoined


@pytest.fixture
def town(sky, kube):
    return Town(sky, kube)


def adopt(town, *words, code=0, typed=None, selects=("--label", "pool=old")):
    chosen = () if {"--server", "--undo"} & set(words) else selects
    line = ["adopt", "--config", str(town.sky.config), "web", *chosen, *words]
    done = click.testing.CliRunner().invoke(cli.cli, line, input=typed)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def test_what_nodes_claim_becomes_a_member_and_keeps_its_labels(town):
    first, second = town.stand("old-4f1e"), town.stand("old-77aa")
    other = town.stand("elsewhere", pool="new")
    shown = adopt(town, "--dry-run")
    assert "2 machines would be adopted" in shown
    assert town.sky.names() == []
    assert "[2/2]" in adopt(town, "--yes")
    assert town.marks(first) == ("test", "web", "old-4f1e", town.identity, True, False)
    assert town.server(first).labels == {"pool": "old", "team": "infra"}
    assert town.sky.names() == ["old-4f1e", "old-77aa"]
    assert town.marks(other)[0] == ""
    before = town.center.requests().get("mark")
    again = adopt(town, "--yes")
    assert again.count("already: it was adopted before") == 2
    assert town.center.requests().get("mark") == before
    assert second
    assert cluster.only_read(town.kube)


def test_what_is_adopted_never_keeps_the_mark_of_what_never_joined(town):
    number = town.stand("old-4f1e", unjoined=True)
    adopt(town, "--yes")
    assert town.marks(number) == ("test", "web", "old-4f1e", town.identity, True, False)


def test_undo_takes_off_our_marks_and_only_of_what_was_adopted(town):
    first = town.stand("old-4f1e")
    town.sky.make("web-made", identity=town.identity)
    adopt(town, "--yes")
    assert "1 machines would be let go" in adopt(town, "--undo", "--dry-run")
    assert "[1/1]" in adopt(town, "--undo", "--yes")
    assert town.marks(first) == ("", "", "", "", False, False)
    assert town.server(first).labels == {"pool": "old", "team": "infra"}
    assert town.sky.names() == ["web-made"]
    assert "nothing to undo" in adopt(town, "--undo", "--yes")
    assert "[1/1]" in adopt(town, "--yes"), "and adopted again"


def test_undo_leaves_what_another_group_or_another_cluster_adopted(town):
    town.stand("old-4f1e")
    adopt(town, "--yes")
    theirs = {"cluster": "test", "node_name": "x", "adopted": True}
    for name, fields in (
        ("db", {"group": "db", "identity": town.identity}),
        ("other", {"group": "web", "identity": OTHERS}),
        ("made", {"group": "web", "identity": town.identity, "adopted": False}),
    ):
        number = town.center.add(name=name)
        town.center.edit(number, **{**theirs, **fields})
    assert "[1/1]" in adopt(town, "--undo", "--yes")
    left = {each.name for each in town.center.servers() if each.cluster}
    assert left == {"db", "other", "made"}


def test_a_node_that_is_being_deleted_is_left_alone(town):
    number = town.stand("old-a", node=False)
    going = cluster.node("old-a", provider_id=f"memory://{number}")
    going["metadata"]["deletionTimestamp"] = cluster.ago(1)
    cluster.put_nodes(town.kube, going)
    assert "its Node old-a is being deleted" in adopt(town, "--yes", code=1)


def test_undo_that_was_cut_short_is_finished_by_the_next(town):
    first = town.stand("old-4f1e")
    adopt(town, "--yes")
    town.sky.login().mark(first, put={}, remove=frozenset({contract.Mark.CLUSTER}))
    assert "[1/1]" in adopt(town, "--undo", "--yes")
    assert town.marks(first) == ("", "", "", "", False, False)


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ({"cluster": "green", "group": "web", "node_name": "m"}, "the mark of cluster green"),
        (
            {"cluster": "test", "group": "web", "node_name": "m", "identity": OTHERS},
            f"the identity {OTHERS}",
        ),
        ({"identity": OTHERS}, f"the identity {OTHERS}"),
        ({"cluster": "test", "group": "db", "node_name": "m"}, "it is of group db"),
        ({"node": False}, "no Node of this cluster has the providerID"),
        ({"node_name": "another"}, "its name at the cloud is another"),
        ({"labels": {"node-role.kubernetes.io/control-plane": ""}}, "of the control plane"),
    ],
)
def test_what_is_not_surely_this_clusters_own_is_refused(town, marks, words):
    if "cluster" in marks:
        marks = {**marks}
        town_name = marks.pop("node_name")
        number = town.stand("m", **{**marks, "node": True})
        town.center.edit(number, node_name=town_name)
    else:
        number = town.stand("m", **marks)
    good = town.stand("old-good")
    before = town.server(number)
    output = adopt(town, "--yes", code=1)
    assert words in output
    assert "1 machines were refused" in output
    assert town.server(number) == before
    assert town.marks(good)[:2] == ("test", "web"), "the others are adopted"


def test_a_machine_that_does_not_run_is_refused(town):
    number = town.stand("old-off")
    town.center.power_off(number)
    assert "it is stopped" in adopt(town, "--yes", code=1)


def test_two_nodes_that_claim_one_machine_are_one_too_many(town):
    number = town.stand("old-a")
    cluster.put_nodes(town.kube, cluster.node("old-b", provider_id=f"memory://{number}"))
    assert "both claim to be it" in adopt(town, "--yes", code=1)
    assert town.marks(number)[0] == ""


def test_a_name_that_a_machine_of_ours_has_is_not_given_twice(town):
    town.sky.make("old-a", identity=town.identity)
    number = town.stand("old-a")
    assert "carries the mark of the node old-a" in adopt(town, "--yes", code=1)
    assert town.marks(number)[0] == ""


def test_more_than_the_group_may_have_is_refused_whole(town):
    for number in range(10):
        town.stand(f"old-{number}")
    output = adopt(town, "--yes", code=1)
    assert "would have 10 machines, and its maxSize is 9" in output
    assert town.sky.names() == []


def test_one_machine_by_its_id(town):
    first, second = town.stand("old-a"), town.stand("old-b")
    adopt(town, "--server", f"memory://{first}", "--yes")
    assert town.sky.names() == ["old-a"]
    assert "no machine 4711" in adopt(town, "--server", "4711", "--yes", code=1)
    adopt(town, "--server", second, "--yes")
    adopt(town, "--undo", "--server", second, "--yes")
    assert town.sky.names() == ["old-a"]


def test_a_person_is_asked_and_may_say_no(town):
    number = town.stand("old-a")
    output = adopt(town, typed="n\n", code=1)
    assert "Adopt these 1 machines for group web?" in output
    assert town.marks(number)[0] == ""


def test_what_differs_from_the_group_s_promise_is_said(town):
    number = town.stand("old-a")
    town.center.edit(number, machine_type="large")
    assert "it is a large in north, which the group does not order" in adopt(town, "--yes")


def test_without_the_cluster_nothing_is_adopted(town, sky):
    number = town.stand("old-a")
    town.kube.fail("GET", 500, times=100, path="/api/v1/namespaces/kube-system")
    assert "nothing was changed: the cluster does not tell" in adopt(town, "--yes", code=1)
    sky.write()
    assert "say kubernetes: in the configuration" in adopt(town, "--yes", code=1)
    assert town.marks(number)[0] == ""


def test_a_cloud_that_fails_half_way_is_told_and_run_again(town, monkeypatch):
    town.stand("old-a")
    town.stand("old-b")
    real = town.sky.login().__class__.mark
    calls = []

    def once(self, *words, **more):
        calls.append(words)
        if len(calls) == 2:
            raise errors.Unreachable("the line is cut", account="ram", operation="mark")
        return real(self, *words, **more)

    monkeypatch.setattr(town.sky.login().__class__, "mark", once)
    assert "run it again for the rest" in adopt(town, "--yes", code=1)
    assert len(town.sky.names()) == 1
    assert "[1/1]" in adopt(town, "--yes")
    assert len(town.sky.names()) == 2


def test_without_a_label_that_is_known_the_machines_must_be_named(town):
    assert "say which machines" in adopt(town, "--yes", code=2, selects=())
