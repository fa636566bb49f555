"""A small model of Cluster Autoscaler and of the nodes it sees, over the real service's methods.

It keeps what the real one keeps in memory (scale-up requests, back-offs, how long an instance has
been unregistered), forgets it when it restarts, and speaks protobuf. Two generations: up to 1.35
counts whatever a target promises as upcoming, 1.36 only what it asked for itself.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

from externalgrpc.fleet import notnow, view
from externalgrpc.model import fleet_errors
from externalgrpc.pb import externalgrpc_pb2 as pb
from tests.laws import kubernetes, laws, simulation, simulator, wire

PROVISION_S = 120.0
BACKOFF_S = 30.0
SCAN_S = 10.0


class Autoscaler:
    """One CA after another: ``restart`` replaces the process."""

    def __init__(
        self, sim: simulation.Simulation, nodes: kubernetes.Kubernetes, *, forgets: bool
    ) -> None:
        self._sim = sim
        self.kubernetes = nodes
        self._known: set[str] = set()
        self._forgets = forgets
        self.want: dict[str, int] = {}
        self.ordered = 0
        self.restart()

    def restart(self) -> None:
        """Start a new process: all that was in memory is gone."""
        self._fresh = True
        self._asked: dict[str, tuple[int, float]] = {}
        self._backoff: dict[str, float] = {}
        self._unregistered: dict[tuple[str, str], float] = {}
        self._mismatch: dict[str, float] = {}
        self._failed: set[str] = set()

    def forget(self) -> None:
        """Forget which failures it backed off for: what is still shown makes it do so once more."""
        self._failed.clear()

    def loop(self, server: simulator.Server) -> None:
        """Run once, as ``RunOnce`` does; a server that is down ends the loop at once."""
        if not server.alive:
            return
        call = wire.Calls(server)
        if self._fresh:
            call.ask("GPULabel", pb.GPULabelRequest())
            server.witness.covered_since_start.clear()
            self._fresh = False
        call.ask("Refresh", pb.RefreshRequest())
        found = call.ask("NodeGroups", pb.NodeGroupsRequest(), pb.NodeGroupsResponse)
        bounds = {group.id: group for group in found.nodeGroups}
        laws.require(len(bounds) == len(found.nodeGroups), "groups are listed once", found)
        self._bounds_are_lawful(server, found.nodeGroups)
        registered: dict[str, list[kubernetes.Node]] = collections.defaultdict(list)
        for node in self.kubernetes.nodes.values():
            owner = call.group_of(node.provider_id, node.name)
            if owner:
                laws.require(owner in bounds, "a node's group is one of NodeGroups", owner)
                registered[owner].append(node)
        self._known = {node.provider_id for node in self.kubernetes.nodes.values()}
        self._unregistered = {
            each: since for each, since in self._unregistered.items() if each[1] not in self._known
        }
        if self.kubernetes.sick:
            self._sim.record("CA: the cluster is not healthy")
            return
        for name, group in bounds.items():
            self._group(call, server, name, group, registered[name])

    def _group(
        self,
        call: wire.Calls,
        server: simulator.Server,
        name: str,
        group: pb.NodeGroup,
        registered: list[kubernetes.Node],
    ) -> None:
        now = self._sim.now
        target = call.ask(
            "NodeGroupTargetSize",
            pb.NodeGroupTargetSizeRequest(id=name),
            pb.NodeGroupTargetSizeResponse,
        ).targetSize
        shown = call.ask(
            "NodeGroupNodes", pb.NodeGroupNodesRequest(id=name), pb.NodeGroupNodesResponse
        ).instances
        self._wire_is_lawful(call, server, name, target, shown)
        known = self._known
        status = pb.InstanceStatus
        broken = [each.id for each in shown if each.status.errorInfo.errorCode]
        waiting = [
            each.id
            for each in shown
            if each.id not in known
            and each.status.instanceState != status.instanceDeleting
            and not each.status.errorInfo.errorCode
        ]
        self._unregistered = {
            (group_id, each): since
            for (group_id, each), since in self._unregistered.items()
            if group_id != name or each in waiting
        }
        if broken:
            if set(broken) - self._failed:
                self._backoff[name] = now + BACKOFF_S
                self._asked.pop(name, None)
            self._failed |= set(broken)
            call.delete(name, broken, fake=True)
            return
        late = [
            each
            for each in waiting
            if now - self._unregistered.setdefault((name, each), now) > PROVISION_S
        ]
        removed = late[: max(0, target - group.minSize)]
        if removed:
            self._sim.record(f"CA: {name}: unregistered for too long: {removed}")
            call.delete(name, removed, fake=True)
            return
        self._fix_size(call, name, target, len(registered), len(waiting))
        # What CA counts as unregistered for too long is not to come any more.
        upcoming = self._upcoming(call, name, target, len(registered) + len(late))
        missing = min(self.want.get(name, 0) - len(registered) - upcoming, group.maxSize - target)
        if missing > 0 and self._backoff.get(name, 0.0) <= now:
            self._grow(call, server, name, missing)
            return
        idle = len(registered) > max(self.want.get(name, 0), group.minSize)
        if idle and not upcoming and target > group.minSize:
            node = self._sim.chance.choice(registered)
            self._sim.record(f"CA: {name} drains {node.name}")
            call.delete(name, [node.provider_id], fake=False, spelled=node.name)

    def _upcoming(self, call: wire.Calls, name: str, target: int, registered: int) -> int:
        upcoming = max(0, target - registered)
        asked = self._asked.get(name)
        if not upcoming:
            self._asked.pop(name, None)
        elif asked is not None and asked[1] <= self._sim.now:
            del self._asked[name]
            self._backoff[name] = self._sim.now + BACKOFF_S
            if self._forgets:
                call.shrink(name, -asked[0])
        if self._forgets and name not in self._asked:
            return 0
        return upcoming

    def _fix_size(
        self, call: wire.Calls, name: str, target: int, registered: int, waiting: int
    ) -> None:
        short = registered + waiting < target
        if not short:
            self._mismatch.pop(name, None)
        elif self._sim.now - self._mismatch.setdefault(name, self._sim.now) > PROVISION_S:
            call.shrink(name, registered + waiting - target)

    def _grow(self, call: wire.Calls, server: simulator.Server, name: str, delta: int) -> None:
        call.ask("NodeGroupGetOptions", self._options(name))
        before = server.fleet
        air = view.in_the_air(before, name, self._sim.now)
        try:
            call.ask("NodeGroupIncreaseSize", pb.NodeGroupIncreaseSizeRequest(id=name, delta=delta))
        except fleet_errors.FleetError as error:
            self._sim.record(f"CA: {name} +{delta} refused: {error}")
            self._backoff[name] = self._sim.now + BACKOFF_S
            return
        after = server.fleet
        ordered = tuple(after.launches.keys() - before.launches.keys())
        covered = delta - len(ordered)
        laws.require(self._forgets or not covered, "who does not forget is not covered", name)
        self._sim.record(f"CA: {name} +{delta}: {', '.join(ordered)}; {covered} covered")
        server.witness.grew(
            before,
            after,
            name,
            delta,
            ordered=ordered,
            covered=tuple(sorted(air))[:covered] if covered else (),
            air=air,
        )
        self.ordered += len(ordered)
        held = self._asked.get(name, (0, 0.0))[0]
        self._asked[name] = (held + delta, self._sim.now + PROVISION_S)

    def _options(self, name: str) -> pb.NodeGroupAutoscalingOptionsRequest:
        """Ask for options as a release that forgets does (1.35 and later), or an older one."""
        request = pb.NodeGroupAutoscalingOptionsRequest(id=name)
        defaults = request.defaults
        if self._forgets:
            defaults.scaleDownUnneededDuration.seconds = 600
            defaults.scaleDownUnreadyDuration.seconds = 1200
            defaults.MaxNodeProvisionDuration.seconds = int(PROVISION_S)
        else:
            defaults.legacyScaleDownUnneededTime.duration = 600 * 10**9
            defaults.legacyScaleDownUnreadyTime.duration = 1200 * 10**9
            defaults.legacyMaxNodeProvisionTime.duration = int(PROVISION_S) * 10**9
        return request

    def _wire_is_lawful(
        self,
        call: wire.Calls,
        server: simulator.Server,
        name: str,
        target: int,
        shown: Any,
    ) -> None:
        status = pb.InstanceStatus
        ids = [each.id for each in shown]
        laws.require(len(set(ids)) == len(ids), "ids are unique in Nodes", ids)
        counted = [e.id for e in shown if e.status.instanceState != status.instanceDeleting]
        laws.require(target == len(counted), "the target is what Nodes lists", target, counted)
        for each in shown:
            leaving = each.status.instanceState == status.instanceDeleting
            owner = call.group_of(each.id, each.id, fake=True)
            laws.require(owner == ("" if leaving else name), "Nodes and groups agree", each, owner)
            if each.status.errorInfo.errorCode:
                creating = each.status.instanceState == status.instanceCreating
                laws.require(creating, "errors are shown on what is creating only", each)
                laws.require(
                    each.status.errorInfo.instanceErrorClass in (1, 99), "errors have a class"
                )
                joined = {node.provider_id for node in self.kubernetes.nodes.values()}
                laws.require(
                    each.id not in joined or not server.setting.truth.is_ready(each.id),
                    "a failure is never shown on a machine that joined",
                    each,
                )

    @staticmethod
    def _bounds_are_lawful(server: simulator.Server, shown: Iterable[pb.NodeGroup]) -> None:
        for group in shown:
            said, size = notnow.why(server.fleet, group.id), view.target(server.fleet, group.id)
            departed = server.fleet.groups[group.id].departed
            laws.require(
                said is None or departed or group.maxSize == size,
                "not now: the shown maxSize is the target",
                group,
                said,
            )
            laws.require(group.minSize <= group.maxSize, "a minimum is no maximum", group)
