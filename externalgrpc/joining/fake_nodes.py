"""Make Nodes for machines that are only pretended, and remove them with their machines.

For clouds that are :class:`providers.contract.Posing`, which no real one is: there a kubelet makes
the Node. What the Node is, the cloud says; here it is written, and nothing that does not carry our
label, the name of our cluster in it and the cloud's own annotation is ever removed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from externalgrpc.kube import api, errors, nodes
from externalgrpc.support import logs
from providers import contract
from providers import errors as cloud_errors

_LOG = logs.Log("fake-nodes")

ROUND_S: Final = 1.0
"""How often machines and Nodes are compared, in seconds: nobody waits longer for what he sees."""

_CURE: Final = "kubectl apply -f deploy/fake-nodes.yaml, or the chart's rbac.fakeNodes: true"


class _Made(NamedTuple):
    """A Node that we made, as it was read."""

    name: str
    uid: str
    version: str
    provider_id: str


class FakeNodes:
    """Keep the Nodes of pretended machines; :meth:`sweep` does one round.

    ``sources`` gives the clouds whose accounts ask for Nodes, ``shape`` what the Node of a machine
    promises, or None where that is not known yet.
    """

    def __init__(
        self,
        of: api.Api,
        cluster: str,
        *,
        sources: Callable[[], Iterable[contract.Posing]],
        shape: Callable[[contract.Instance], contract.NodeShape | None],
        acts: Callable[[], bool] = lambda: True,
        round_s: float = ROUND_S,
    ) -> None:
        self._acts = acts
        self._api = of
        self._cluster = cluster
        self._sources = sources
        self._shape = shape
        self._round_s = round_s
        self._said: set[str] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with the removal of what a process before us left; idempotent."""
        if self._thread is None and not self._stopping.is_set():
            self._thread = threading.Thread(target=self._run, name="fake-nodes", daemon=True)
            self._thread.start()

    def stop(self, within_s: float = 1.0) -> None:
        """Stop; the Nodes stay, and go when the next process starts."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(within_s)

    def sweep(self) -> None:
        """Compare once; blocks. Idempotent: what was not done is done by the next.

        Where a cloud does not say which machines there are, or the API server not which Nodes,
        nothing is made or removed, which is logged once; nor while this server stands by.
        """
        if not self._acts():
            return
        try:
            machines = {
                (machine.node_name, machine.provider_id): (cloud, machine)
                for cloud in self._sources()
                for machine in cloud.posing()
            }
            there = self._ours()
        except (cloud_errors.CloudError, errors.KubeError) as error:
            self._warn("fake nodes not compared", error=str(error))
            return
        for node in there:
            if (node.name, node.provider_id) not in machines:
                self._remove(node)
        known = {(node.name, node.provider_id) for node in there}
        for key, (cloud, machine) in machines.items():
            if key not in known and machine.state is contract.InstanceState.RUNNING:
                self._make(cloud, machine)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.sweep()
            except Exception:  # noqa: BLE001 - the next round comes; it is logged
                _LOG.exception("fake nodes failed")
            self._stopping.wait(self._round_s)

    def _ours(self) -> list[_Made]:
        """List the Nodes that we, or a process before us, made for our cluster; raises KubeError.

        The selector is asked for, and not believed.
        """
        query = {"labelSelector": f"{contract.FAKE_NODE}={self._cluster}"}
        items = self._api.get(nodes.PATH, query).get("items")
        if not isinstance(items, list):
            raise errors.Invalid("the answer is no list", operation=f"GET {nodes.PATH}")
        return [made for each in items if (made := self._read(each)) is not None]

    def _read(self, item: object) -> _Made | None:
        """Read a Node of ours; None for any other, and for one that is being deleted."""
        node = nodes.read(item) if isinstance(item, dict) else None
        if node is None or node.deleting or node.labels.get(contract.FAKE_NODE) != self._cluster:
            return None
        about: Mapping[str, Any] = item["metadata"] if isinstance(item, dict) else {}
        annotations = about.get("annotations")
        if not isinstance(annotations, dict) or contract.POSED not in annotations.items():
            self._warn("node kept: it has our label, and is not of our make", name=node.name)
            return None
        return _Made(node.name, node.uid, str(about.get("resourceVersion")), node.provider_id)

    def _make(self, cloud: contract.Posing, machine: contract.Instance) -> None:
        shape = self._shape(machine)
        if shape is None:
            return
        fields = dict(cloud.node_object(machine, shape))
        if self._read({**fields, "metadata": {"uid": "", **fields["metadata"]}}) is None:
            self._warn("node not made: its cloud's object lacks our marks", name=machine.node_name)
            return
        try:
            self._api.post(nodes.PATH, fields)
        except errors.Conflict:
            self._warn("node not made: another's has the name", name=machine.node_name)
        except errors.Denied as error:
            self._warn("node not made: we may not", cure=_CURE, error=str(error))
        except errors.KubeError as error:
            self._warn("node not made", name=machine.node_name, error=str(error))
        else:
            _LOG.info("node made", name=machine.node_name, provider_id=machine.provider_id)

    def _remove(self, node: _Made) -> None:
        """Delete a Node in the version that was judged; what changed meanwhile is judged again."""
        try:
            path = f"{nodes.PATH}/{api.segment(node.name)}"
            self._api.delete(path, uid=node.uid, resource_version=node.version)
        except (errors.NotFound, errors.Conflict):
            return
        except errors.KubeError as error:
            self._warn("node not removed", name=node.name, error=str(error))
        else:
            _LOG.info("node removed: its machine is gone", name=node.name)

    def _warn(self, event: str, **fields: str) -> None:
        """Log a thing once for as long as the process lives."""
        key = f"{event} {sorted(fields.items())}"
        if key not in self._said:
            self._said.add(key)
            _LOG.warning(event, **fields)
