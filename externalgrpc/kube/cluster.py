"""Put the Kubernetes side together: what the rest of the server speaks with.

:meth:`Cluster.credentials` blocks and runs on a lane's thread; all other wishes return at once and
are carried out in the background, again and again until done. What is seen is passed to callbacks
on the watching threads.
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from externalgrpc.kube import (
    approval,
    connection,
    csr,
    events,
    facts,
    identity,
    nodes,
    pause,
    reflector,
    refusals,
    tokens,
    work_queue,
)
from externalgrpc.model import credentials
from externalgrpc.nodes import kubeletconfig
from externalgrpc.support import clock, logs

_LOG = logs.Log("kube")

_VERSION_S: Final = 60.0
_ADDRESS_S: Final = 300.0
_NODE_JOB_S: Final = 600.0
_NOTICE_S: Final = 120.0

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the cluster is joined.

    ``name`` is the cluster's in our configuration, ``endpoint`` overrides where machines reach the
    API server. With ``own_approval`` tokens are in a group of our own and we approve ourselves.
    ``signing`` is for kubeadm's token discovery. ``config_map``, in our own namespace, is what
    Events about groups are written on; ``instance`` names the server there.
    """

    name: str
    instance: str
    endpoint: str = ""
    own_approval: bool = False
    signing: bool = False
    config_map: str = "vps-autoscaler"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The callbacks, called on the watching threads; each must be quick.

    ``node`` gets what a Node was and is (None: not there), first once for every Node there is.
    ``asking`` gets the name of a machine whose own token asked for its certificate. ``expected``
    says whether a machine of a name was ordered and has not registered yet.
    """

    node: Callable[[nodes.Node | None, nodes.Node | None], None] = lambda _before, _after: None
    asking: Callable[[str], None] = lambda _node_name: None
    expected: Callable[[str], bool] = lambda _node_name: False


class Cluster:
    """One cluster, watched and written to."""

    def __init__(
        self,
        link: connection.Connection,
        settings: Settings,
        listeners: Listeners,
        *,
        time_source: clock.Clock,
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._clock = time_source
        self.api = link.api
        self.home = events.Regarding(
            kind="ConfigMap", name=settings.config_map, namespace=link.namespace
        )
        group = tokens.OWN_GROUP if settings.own_approval else tokens.KUBEADM_GROUP
        self._tokens = tokens.Tokens(
            link.api, cluster=settings.name, auth_group=group, signing=settings.signing
        )
        self._approver = approval.Approver(
            link.api,
            minted=self._tokens,
            auth_group=group,
            expected=listeners.expected,
            listed=self._listed,
            time_source=time_source,
        )
        self._notices = events.EventWriter(
            link.api, instance=settings.instance, time_source=time_source
        )
        self._work_queue = work_queue.WorkQueue(time_source=time_source, chance=chance)
        self._identity = identity.Reader(link.api)
        self._pause = pause.Reader(link.api, namespace=link.namespace, name=settings.config_map)
        self._version = _Kept(lambda: facts.version(link.api), _VERSION_S, time_source)
        self._address = _Kept(
            lambda: facts.address(link, endpoint=settings.endpoint), _ADDRESS_S, time_source
        )
        self._nodes = nodes.Nodes(
            link.api, on_change=self._node, time_source=time_source, chance=chance
        )
        self._requests = approval.Requests(
            link.api, on_change=self._asked, time_source=time_source, chance=chance
        )

    def start(self) -> None:
        """Begin to watch and to work."""
        self._work_queue.start()
        self._nodes.start()
        self._requests.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Stop watching; do once more what is due; wait up to ``within_s`` seconds for it all."""
        deadline = self._clock.monotonic() + within_s
        self._nodes.stop(0.0)
        self._requests.stop(0.0)
        for each in (self._work_queue, self._nodes, self._requests):
            each.stop(max(0.0, deadline - self._clock.monotonic()))
        self.api.close()

    @property
    def node_list(self) -> reflector.Listing[nodes.Node]:
        """Return the Nodes as they are known now; look at ``complete`` and ``heard_at`` first."""
        return self._nodes.listing

    @property
    def skew_s(self) -> float:
        """Return how far the API server's clock is ahead of ours, in seconds."""
        return self.api.skew_s

    def identity(self) -> str | None:
        """Read what distinguishes this cluster from others of its name. Blocks.

        None while nobody knows; empty where we may not read it, which is logged once.
        """
        match self._identity.read():
            case identity.Known(found):
                return found
            case refusals.Withheld():
                return ""
            case refusals.NotYet():
                return None

    def paused(self) -> str | None:
        """Read whether our ConfigMap pauses everything, as a sentence; empty when not. Blocks.

        None while nobody knows: what was known stays. Where we may not read it, which is logged
        once, nothing is paused there.
        """
        match self._pause.read():
            case pause.Known(said):
                return said
            case refusals.Withheld():
                return ""
            case refusals.NotYet():
                return None

    def kubelet_config(self) -> kubeletconfig.KubeletConfig | None:
        """Read what every kubelet keeps from pods; see :func:`facts.kubelet_config`. Blocks."""
        return facts.kubelet_config(self.api)

    def credentials(
        self, node_name: str, group: str, *, provision_timeout_s: float
    ) -> credentials.JoinCredentials:
        """Mint one machine's join credentials, when its order is about to be sent. Blocks.

        Idempotent by name. Raises KubeError (try again later; nothing was ordered), Unusable
        (the configuration lacks something) or Withdrawn (the machine was given up meanwhile).
        """
        version, address = self._version.get(), self._address.get()
        there = self.node_list
        token = self._tokens.mint(node_name, group, ttl_s=tokens.lifetime_s(provision_timeout_s))
        try:
            return credentials.JoinCredentials(
                endpoint=address.endpoint,
                ca_pem=address.ca_pem,
                token=token.text,
                server_version=version.git_version,
                ipv6=not there.complete or nodes.may_have_ipv6(there.items.values()),
            )
        except ValueError as error:
            self.revoke(node_name)
            raise facts.Unusable(f"the cluster cannot be joined: {error}") from error

    def revoke(self, node_name: str) -> None:
        """Have a machine's token deleted: its Node registered, or it was given up. Idempotent."""
        self._work_queue.run(
            f"revoke the token of {node_name}",
            lambda: self._tokens.revoke(node_name),
            within_s=tokens.LONGEST_S,
        )

    def end_token(self, node_name: str) -> None:
        """Delete a machine's token now, if there is one: to return is to know that. Blocks.

        Raises KubeError.
        """
        self._tokens.revoke(node_name)

    def adopt(self, node: nodes.Node, provider_id: str) -> None:
        """Have a Node without a providerID given the one of its machine."""

        def job() -> None:
            nodes.adopt(self.api, node, provider_id)
            _LOG.info("node named", name=node.name, provider_id=provider_id)

        self._work_queue.run(f"name the machine of node {node.name}", job, within_s=_NODE_JOB_S)

    def remove(self, node: nodes.Node, *, still: Callable[[nodes.Node], bool]) -> None:
        """Have a Node object deleted, if ``still`` says yes to it as it is by then."""

        def job() -> None:
            gone = nodes.remove(self.api, node, still=still)
            _LOG.info("node removed" if gone else "node kept", name=node.name)

        self._work_queue.run(f"remove node {node.name}", job, within_s=_NODE_JOB_S)

    def publish(self, event: events.Event) -> None:
        """Have an Event written; several about one object are all written."""
        about = event.regarding
        key = f"event {about.kind} {about.namespace}/{about.name} {event.reason}: {event.note}"
        self._work_queue.run(key, lambda: self._notices.publish(event), within_s=_NOTICE_S)

    def _listed(self) -> Iterable[csr.Request]:
        return self._requests.listing.items.values()

    def _node(self, before: nodes.Node | None, after: nodes.Node | None) -> None:
        self._approver.node(before, after)
        self._listeners.node(before, after)

    def _asked(self, before: csr.Request | None, after: csr.Request | None) -> None:
        if after is None:
            return
        if before is None and (name := approval.requester(after, self._tokens.minted_for)):
            self._listeners.asking(name)
        if self._settings.own_approval and self._approver.concerns(after):
            # One job for all that a token asks: a flood of requests pushes no other job out.
            self._work_queue.run(
                f"approve what token {after.token_id} asks",
                lambda: self._approver.approve(after.token_id),
                within_s=tokens.LONGEST_S,
            )


class _Kept(Generic[T]):
    """An answer that is asked for again once it is older than ``keep_s`` seconds."""

    def __init__(self, ask: Callable[[], T], keep_s: float, time_source: clock.Clock) -> None:
        self._ask = ask
        self._keep_s = keep_s
        self._clock = time_source
        self._lock = threading.Lock()
        self._answer: tuple[T, float] | None = None

    def get(self) -> T:
        """Return the answer; raises what asking raises."""
        with self._lock:
            now = self._clock.monotonic()
            if self._answer is None or now - self._answer[1] > self._keep_s:
                self._answer = (self._ask(), now)
            return self._answer[0]
