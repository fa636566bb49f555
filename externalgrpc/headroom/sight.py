"""Look at the cluster for one round: whose nodes carry what, and what of it is not seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet import state, view
from externalgrpc.headroom import loads, wanted
from externalgrpc.headroom.status import Reason
from externalgrpc.kube import api, errors, nodes, pods, reflector, usage
from externalgrpc.model import groups

FRESH_S = 120.0
"""A copy of the cluster's list that nobody has heard of for longer is no ground to reckon on."""


YOUNG_S = 180.0
"""So long after a node is ready somebody measures it, at the latest."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What keeps a group from being reckoned: the reason, and a sentence with its cure."""

    reason: Reason
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen in a round; a gap is about everything that it names.

    ``requests_gap`` says why requests are not known, ``usage_gap`` why use is not.
    """

    requested: Mapping[str, loads.Requested]
    samples: Mapping[str, usage.Sample]
    requests_gap: Gap | None = None
    usage_gap: Gap | None = None

    @property
    def daemons(self) -> wanted.Amount:
        """Return the most that DaemonSets take of any node."""
        return loads.daemons(self.requested)


def look(
    of: api.Api,
    bound: reflector.Listing[pods.Pod],
    source: usage.Source | None,
    *,
    now: float,
) -> Sight:
    """Look once; blocks. ``source`` is None where no group has a target."""
    samples: Mapping[str, usage.Sample] = {}
    usage_gap = None
    try:
        samples = source.read() if source is not None else {}
    except usage.NoUsage as error:
        usage_gap = Gap(reason=Reason.NO_METRICS, message=str(error))
    return Sight(
        requested=loads.by_node(bound.items.values()),
        samples=samples,
        requests_gap=_requests_gap(of, bound, now),
        usage_gap=usage_gap,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The ready nodes of a group; ``young`` are those that nobody can have measured yet."""

    names: tuple[str, ...] = ()
    young: frozenset[str] = frozenset()


def ready_nodes(
    fleet: state.Fleet,
    group: groups.NodeGroup,
    there: reflector.Listing[nodes.Node],
    *,
    now: float,
    unix_now: float,
) -> Ready | Gap:
    """Name the ready nodes of a group, by the machines that are its members."""
    account = fleet.accounts.get(group.account)
    if account is None or account.snapshot is None:
        return Gap(reason=Reason.NO_REQUESTS, message="its machines were not listed yet")
    if not there.complete or now - there.heard_at > FRESH_S:
        return Gap(reason=Reason.NO_REQUESTS, message="the cluster's Nodes are not known for now")
    ours = {
        member.instance.provider_id
        for member in view.members(fleet, group.name)
        if member.instance is not None
    }
    found = {
        name: node for name, node in there.items.items() if node.ready and node.provider_id in ours
    }
    return Ready(
        names=tuple(found),
        young=frozenset(
            name for name, node in found.items() if unix_now - node.ready_since < YOUNG_S
        ),
    )


def _requests_gap(of: api.Api, bound: reflector.Listing[pods.Pod], now: float) -> Gap | None:
    if bound.complete and now - bound.heard_at <= FRESH_S:
        return None
    message = "the cluster's pods are not known for now"
    try:
        of.get(pods.PATH, {"limit": "1"})
    except errors.Denied as error:
        message = f"we may not list pods: kubectl apply -f deploy/headroom.yaml ({error})"
    except errors.KubeError as error:
        message = f"the cluster's pods cannot be listed ({error})"
    return Gap(reason=Reason.NO_REQUESTS, message=message)
