"""Look which pods keep the machines of a VPSNode that is being deleted, where we may list pods.

The autoscaler's own rules, as far as a pod alone shows them; PodDisruptionBudgets are not read, for
no right of the server's covers them. The right to list pods is that of deploy/headroom.yaml.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from externalgrpc.kube import api, errors, eviction, pods
from externalgrpc.model import loose
from externalgrpc.support import plaintext

AGAIN_S: Final = 30.0
"""So long an answer is good for: somebody who drains a node sees it go in the status."""

MOST_NODES: Final = 10
"""So many Nodes are asked for, each by a list of its own."""

NO_RIGHT: Final = (
    "Which pods keep them is not known: the server may not list pods, which deploy/headroom.yaml "
    "(chart: rbac.headroom) lets it"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The pods that keep Nodes, each with the reason, by Node; ``unknown`` says why none is known.

    A Node that is not in ``by_node`` was not asked for.
    """

    by_node: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    unknown: str = ""


NOTHING: Final = Held()


class Looker:
    """List the pods of Nodes, seldom; belongs to one thread."""

    def __init__(self, of: api.Api) -> None:
        self._api = of
        self._last: tuple[float, frozenset[str], Held] | None = None

    def look(self, nodes: Iterable[str], now: float) -> Held:
        """Return which pods keep these Nodes; asks at most every so often. Raises nothing."""
        wanted = frozenset(nodes)
        if not wanted:
            self._last = None
            return NOTHING
        if self._last is not None and self._last[1] == wanted and now - self._last[0] < AGAIN_S:
            return self._last[2]
        held = self._held(sorted(wanted)[:MOST_NODES])
        self._last = now, wanted, held
        return held

    def _held(self, nodes: Iterable[str]) -> Held:
        found: dict[str, tuple[str, ...]] = {}
        try:
            for node in nodes:
                query = {"fieldSelector": f"spec.nodeName={node}"}
                items = self._api.get(pods.PATH, query).get("items")
                found[node] = keeping(items if isinstance(items, list) else (), node)
        except errors.Denied:
            return Held(unknown=NO_RIGHT)
        except errors.KubeError:
            # No reason of a moment: each would be another sentence, and so another write.
            return Held(unknown="Which pods keep them could not be asked of the API server")
        return Held(by_node=found)


def keeping(items: Iterable[object], node: str) -> tuple[str, ...]:
    """Name the pods on a Node that the autoscaler does not move, each with the reason, sorted."""
    found = []
    for each in items:
        pod = eviction.read(loose.mapping(each))
        if pod.node_name == node and (why := reason(pod)):
            found.append(plaintext.line(f"{pod.namespace}/{pod.name} ({why})"))
    return tuple(sorted(found))


def reason(pod: eviction.Pod) -> str:
    """Return why the autoscaler does not move a pod; "" where the pod alone shows no reason."""
    match eviction.judge(pod):
        case eviction.Verdict.MOVED:
            return ""
        case eviction.Verdict.REFUSES:
            return f"it is annotated {eviction.SAFE}: false"
        case eviction.Verdict.UNOWNED:
            return "no controller makes it anew elsewhere"
        case eviction.Verdict.OPEN:
            # What is certain goes first: whether a budget covers the pod is not read here.
            if volumes := eviction.kept_volumes(pod):
                return f"it keeps data on the node: volume {', '.join(volumes)}"
            if pod.namespace == "kube-system":
                return "of kube-system, it needs a PodDisruptionBudget that lets it go"
            return ""
