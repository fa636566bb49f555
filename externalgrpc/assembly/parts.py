"""What a server is put together of, where somebody may want to replace it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from externalgrpc.config import loading as config_source
from externalgrpc.control import call, lane
from externalgrpc.fleet import state
from externalgrpc.joining import cluster
from externalgrpc.model import groups, installed_clouds
from externalgrpc.support import clock
from providers import contract

if TYPE_CHECKING:
    from externalgrpc.joining import registrar
    from externalgrpc.kube import cluster as kube
    from externalgrpc.kubero import pool_controller
    from externalgrpc.vpsnodes import pace as status_pace


class MakeLane(Protocol):
    """Make the lane of an account; tests hand in one that needs no threads."""

    def __call__(self, account: groups.Account, provider: contract.Provider) -> lane.Lane:
        """Make a lane for an open provider."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a server is made of that a test may want to replace.

    ``source`` is where the configuration lies; without it no VPSNodes are followed, for they are
    judged as if they stood in the file. ``may_act`` is asked right before anything is sent that
    changes something, to a cloud or to the cluster.
    """

    time_source: clock.Clock = dataclasses.field(default_factory=clock.SystemClock)
    chance: random.Random = dataclasses.field(default_factory=random.SystemRandom)
    open_provider: Callable[[installed_clouds.Cloud, contract.Login], contract.Provider] = (
        lambda cloud, login: cloud.open(login)
    )
    make_lane: MakeLane | None = None
    pace: state.Pace = dataclasses.field(default_factory=state.Pace)
    connect: Callable[[groups.Config, Parts, kube.Listeners], cluster.Cluster] | None = None
    joining: registrar.Pace | None = None
    source: config_source.Source | None = None
    writing: status_pace.Pace | None = None
    app_pools: pool_controller.Timing | None = None
    dry_run: bool = False
    may_act: call.MayAct = lambda: ""
