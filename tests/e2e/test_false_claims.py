"""A Node or a label says what is not so: nothing alive is deleted for it, nothing stops."""

from __future__ import annotations

import pytest

from tests.e2e import cloud
from tests.e2e.server import pool
from tests.e2e.test_two_clusters import PROVISION_S, WEB, provision_time_passes
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KNOWN = pytest.mark.parametrize("known", [False, True], ids=["witness", "known"])


@KNOWN
def test_a_node_that_claims_a_sibling_harms_and_stops_nobody(scene: World, *, known: bool) -> None:
    scene.build()
    scene.serve(WEB, known=known)
    scene.want("web", 2)
    scene.autoscale()
    scene.scheduled()
    honest = {each.id for each in scene.servers()}
    victim = scene.servers()[0]
    liars: set[int | str] = set()

    def claims(server: cloud.Server) -> str:
        if not liars:
            liars.add(server.id)
        return victim.provider_id if server.id in liars else ""

    scene.machines.claims = claims
    scene.want("lie", 1)
    scene.until(lambda: liars, "a machine lies")
    scene.until(lambda: len(scene.cluster.nodes()) == 3, "the API server takes its Node")
    scene.note("lied")
    scene.want("more", 1)
    scene.until(lambda: set(scene.alive().values()) & {3, 4}, "another machine comes")
    provision_time_passes(scene, 1.7)
    assert scene.cloud.deletions() <= liars, "a sibling was deleted"
    if known:
        assert scene.cloud.deletions() == set()
        liar = next(each for each in scene.servers() if each.id in liars)
        assert scene.server.doubts() == {liar.provider_id: "Misnamed"}
    assert "node claim ignored" in scene.server.program.output() or not known
    assert not scene.autoscaler.given_up()
    scene.until(
        lambda: not [each for each in scene.cluster.pending() if "lie" not in each], "grown"
    )
    scene.note("grown")
    for owner in ("web", "more", "lie"):
        scene.cluster.delete_pods(owner)
    scene.until(lambda: {each.id for each in scene.servers()} <= liars, "all others are deleted")
    assert honest <= scene.cloud.deletions()
    assert not scene.autoscaler.given_up()
    scene.note("shrunk")


@KNOWN
def test_an_edited_label_deletes_no_ready_node(scene: World, *, known: bool) -> None:
    scene.build()
    web = pool("web", provision_s=PROVISION_S, labels={"tier": "web"})
    scene.serve(web, pool("batch", provision_s=PROVISION_S), known=known)
    scene.want("web", 4, selector={"tier": "web"})
    scene.autoscale()
    scene.scheduled()
    truth = {each.id: each for each in scene.servers() if each.status == "running"}
    named, grouped, moved, identified = truth.values()
    edits = {
        named.id: {"vps-autoscaler/node": "web-zzzzzz"},
        grouped.id: {"vps-autoscaler/group": "unheard-of"},
        moved.id: {"vps-autoscaler/group": "batch"},
        identified.id: {"vps-autoscaler/identity": "0123456789"},
    }
    # While a machine boots, listings come fast.
    scene.want("more", 1, selector={"tier": "web"})
    scene.until(lambda: len(scene.servers()) == 5, "a fifth machine boots")
    for number, edit in edits.items():
        now = next(each.labels for each in scene.servers() if each.id == number)
        scene.cloud.turn("server", id=number, labels={**now, **edit})
    scene.scheduled("grown beside edited labels")
    provision_time_passes(scene)
    assert scene.cloud.deletions() == set()
    assert not scene.autoscaler.given_up()
    phases = {each.provider_id: each.phase for each in scene.server.show().machines}
    assert phases[grouped.provider_id] == "orphan"
    assert scene.server.doubts().get(named.provider_id) == "Misnamed"
    if known:
        assert scene.server.doubts()[identified.provider_id] == "Foreign"
    assert not scene.cluster.pending()
    scene.note("edited")

    scene.cluster.delete_pods("more")
    for server in truth.values():
        scene.cloud.turn("server", id=server.id, labels=server.labels)
    scene.rests(created=5, web=4)
    assert not scene.server.doubts()
    scene.note("as before")
