"""Serve one trial from this process, where no server answers: the same code, a socket of its own.

It knows the trial's group and no other, so that machines of the cluster's groups are nobody's to
it: it lists them, counts what they cost, and touches none. Their Nodes it leaves alone as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping

import grpc

from externalgrpc import assembly
from externalgrpc.fleet import trials
from externalgrpc.model import groups, installed_clouds
from externalgrpc.rpc import address, fleet_service, server, service
from externalgrpc.support import clock, version

GRACE_S = 20.0
FIRST_LISTING_S = 30.0
LOOK_S = 0.2
FAILING_S = 5.0
"""How long a cloud may refuse to be listed before a person is not kept waiting for it."""


class NotSeen(Exception):
    """Say why nobody could see what an account holds; nothing was ordered."""


def configuration(loaded: groups.Config, group: groups.NodeGroup) -> groups.Config:
    """Return the configuration of a server that knows nothing but a trial of one group.

    Of the accounts the group's own, and all where a cap bounds what all of them cost.
    """
    capped = loaded.cap.hourly is not None
    return dataclasses.replace(
        loaded,
        groups=(trials.shadow(group),),
        accounts=loaded.accounts if capped else {group.account: loaded.accounts[group.account]},
        kubernetes=dataclasses.replace(loaded.kubernetes, remove_nodes=False)
        if loaded.kubernetes is not None
        else None,
    )


@contextlib.contextmanager
def serving(
    loaded: groups.Config,
    group: groups.NodeGroup,
    installed: Mapping[str, installed_clouds.Cloud],
    parts: assembly.Parts | None = None,
) -> Iterator[tuple[grpc.Channel, str]]:
    """Serve a trial of a group while the context lasts; gives a channel and where it leads.

    What the trial left when the context ends is deleted, as far as the cloud takes it in
    :data:`GRACE_S`. Raises NoCluster, BrokenCloud, CloudError, CannotListen or NotSeen.
    """
    plant = assembly.Assembly(configuration(loaded, group), installed, parts or assembly.Parts())
    shown = fleet_service.Show(
        plant.reconciler,
        plant.describer,
        clock.SystemClock(),
        version=version.VERSION,
        rooms=plant.rooms,
        trial=plant.trials,
    )
    with tempfile.TemporaryDirectory(prefix="vps-autoscaler-") as folder:
        where = f"unix:{folder}/trial.sock"
        listening = server.Listening(address=where, reflection=False, polling=False)
        offered = service.CloudProvider(plant.reconciler, plant.describer)
        running = server.Server(listening, offered, shown)
        plant.start()
        try:
            _look(plant)
            running.start()
            with grpc.insecure_channel(where, options=[address.DIRECT]) as channel:
                yield channel, "this process"
        finally:
            plant.stop(GRACE_S)
            running.stop(1.0)


def _look(plant: assembly.Assembly) -> None:
    """Await the first listings; raises NotSeen where a cloud gives none."""
    now = clock.SystemClock().monotonic
    began = now()
    while not plant.reconciler.await_first_listings(LOOK_S):
        late_s = now() - began
        for name, account in plant.reconciler.fleet.accounts.items():
            if account.snapshot is not None or late_s < FAILING_S:
                continue
            if account.failures > 1 or late_s > FIRST_LISTING_S:
                why = account.trouble or f"no answer in {late_s:.0f} s"
                raise NotSeen(f"account {name} could not be listed, nothing was ordered: {why}")
        if late_s > FIRST_LISTING_S:
            return
