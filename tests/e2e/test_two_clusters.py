"""Two clusters of one name in one project: neither harms the other, whoever came first."""

from __future__ import annotations

import time

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PROVISION_S = 12
"""How long a machine may take to register, before an autoscaler calls it unregistered."""

WEB = pool("web", provision_s=PROVISION_S)


def provision_time_passes(world: World, times: float = 1.3) -> None:
    """Wait for longer than an autoscaler waits before it wants a machine deleted."""
    until = time.monotonic() + times * PROVISION_S
    world.until(lambda: time.monotonic() > until, "the provision time passes")


def both_go_down_to_zero(ours: World, theirs: World, *owners: str) -> None:
    """Let every pod go, and see that every machine goes by its own autoscaler's word."""
    for owner in owners:
        ours.cluster.delete_pods(owner)
        theirs.cluster.delete_pods(owner)
    ours.until(lambda: not ours.alive(), "our machines are deleted")
    theirs.until(lambda: not theirs.alive(), "their machines are deleted")
    assert not ours.autoscaler.given_up()
    assert not theirs.autoscaler.given_up()
    ours.note("both at zero")


def test_a_copied_config_harms_neither_cluster(pair: tuple[World, World]) -> None:
    ours, theirs = pair
    ours.build()
    ours.serve(WEB, known=True)
    ours.want("web", 2)
    ours.autoscale()
    ours.scheduled()

    theirs.build_beside(ours)
    theirs.serve(WEB, known=True)
    assert theirs.server.config.read_text() == ours.server.config.read_text()
    theirs.want("copy", 1)
    theirs.autoscale()
    seen = {each.provider_id: "Foreign" for each in ours.servers()}
    theirs.until(lambda: theirs.server.doubts() == seen, "what is ours is foreign to them")
    assert theirs.server.not_now() == "ForeignMachines"
    assert theirs.server.most() == {"web": 0}
    ours.note("foreign")

    ours.want("more", 1)
    ours.scheduled("grown beside them")
    ours.cluster.delete_pods("more")
    ours.until(lambda: ours.alive() == {"web": 2}, "one machine is deleted")
    provision_time_passes(theirs)
    assert len(ours.cloud.deletions()) == 1
    assert theirs.alive() == {}
    assert not theirs.autoscaler.given_up()
    output = theirs.server.command("ls", f"--address={theirs.server.address}")
    assert "Foreign" in output
    assert "ForeignMachines" in output
    ours.note("a provision time passed")

    identity = ours.server.show().identity
    theirs.server.say(foreign={identity: "ignore"})
    theirs.scheduled()
    ours.note("they grow by the operator's word")
    assert not ours.cluster.pending()
    provision_time_passes(ours)
    assert (ours.alive(), theirs.alive()) == ({"web": 2}, {"web": 1})
    assert len(ours.cloud.deletions()) == 1
    both_go_down_to_zero(ours, theirs, "web", "copy")
    assert ours.cloud.created() == 4


def test_without_a_cluster_to_ask_the_autoscaler_is_the_witness(pair: tuple[World, World]) -> None:
    ours, theirs = pair
    ours.build()
    ours.serve(WEB)
    ours.want("web", 5)
    ours.autoscale()
    ours.scheduled()
    provision_time_passes(ours, 1.0)

    theirs.build_beside(ours)
    theirs.serve(WEB)
    assert theirs.server.config.read_text() == ours.server.config.read_text()
    theirs.autoscale()
    seen = {each.provider_id: "Unregistered" for each in ours.servers()}
    theirs.until(lambda: theirs.server.doubts() == seen, "they call ours unregistered")
    assert theirs.server.targets() == {}
    assert theirs.server.most() == {"web": 5}
    ours.note("quarantined")
    theirs.want("copy", 1)
    theirs.scheduled()
    ours.note("they grow beside")
    # While one of ours boots, listings come fast.
    ours.want("more", 1)
    ours.scheduled("and we")
    stranger = {each.provider_id: "Unregistered" for each in theirs.servers()}
    ours.until(lambda: ours.server.doubts() == stranger, "we call theirs unregistered")
    strange = [each.provider_id for each in ours.server.show().machines if each.strange]
    assert strange == list(stranger), "a second server is reported"
    assert ours.cloud.deletions() == set()
    assert (ours.alive(), theirs.alive()) == ({"web": 6}, {"web": 1})
    ours.note("they are quarantined")
    both_go_down_to_zero(ours, theirs, "web", "more", "copy")
    assert ours.cloud.created() == 7


def test_a_rebuilt_control_plane_waits_for_the_operators_word(pair: tuple[World, World]) -> None:
    old, new = pair
    old.build()
    old.serve(WEB, known=True)
    old.want("web", 2)
    old.autoscale()
    old.scheduled()
    left = {each.id: each for each in old.servers()}
    identity = old.server.show().identity
    old.autoscaler.program.kill()
    old.server.program.stop()

    new.build_beside(old)
    new.serve(WEB, known=True)
    new.want("web", 1)
    new.autoscale()
    provision_time_passes(new)
    assert new.server.doubts() == {each.provider_id: "Foreign" for each in left.values()}
    assert new.server.not_now() == "ForeignMachines"
    assert (old.cloud.created(), old.cloud.deletions()) == (2, set())
    old.note("nothing came to pass")

    new.server.say(foreign={identity: "gone"})
    new.scheduled()
    old.note("grown anew")
    new.server.command("purge", f"--config={new.server.config}", f"--identity={identity}", "--yes")
    new.rests(created=3, web=1)
    assert old.cloud.deletions() == left.keys()
    assert old.servers() == []
    old.note("purged")
