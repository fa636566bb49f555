"""Put one scenario together: a cloud, its machines, our server, an autoscaler, a cluster."""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e import autoscaler, cloud, controlplane, machines, programs, server, waiting
from tests.e2e.cluster import Cluster, Want

T = TypeVar("T")

REST_LOOPS = 3
"""How many more loops the autoscaler must go through without anything changing."""


class World:
    """All that a scenario touches, and the conditions that it waits for."""

    def __init__(self, folder: Path, plane: controlplane.ControlPlane, binary: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.timings: list[str] = []
        self._plane = plane
        self._binary = binary
        self._undo = contextlib.ExitStack()
        self._began = time.monotonic()
        self.cluster: Cluster
        self.cloud: cloud.Cloud
        self.machines: machines.Machines
        self.server: server.Server
        self.autoscaler: autoscaler.Autoscaler
        self._programs: list[programs.Program] = []

    # -- putting it together -------------------------------------------------------------------

    def build(self, *, create_s: float = 1.0, boot_s: float = 2.0, delete_s: float = 1.0) -> None:
        """Make an empty cluster and an empty cloud; times are the cloud's, in seconds."""
        api = self._undo.enter_context(self._plane.client())
        self.cluster = Cluster(api)
        self.cluster.clear()
        self.cloud = cloud.Cloud(self.folder, create_s=create_s, boot_s=boot_s, delete_s=delete_s)
        self._run(self.cloud.program, self.cloud.start, self.cloud.stop)
        self.machines = machines.Machines(self.cloud, self.cluster)
        self._undo.callback(self.machines.stop)
        self.machines.start()

    def serve(self, *pools: Mapping[str, Any], **how: Any) -> None:
        """Start our server on these node groups."""
        self.server = server.Server(self.folder, self.cloud.endpoint, pools, **how)
        self._run(self.server.program, self.server.start, self.server.program.stop)

    def autoscale(self, *flags: str, expander: str = "least-waste") -> None:
        """Start the autoscaler."""
        self.autoscaler = autoscaler.Autoscaler(
            self._binary,
            self.folder,
            kubeconfig=self._plane.kubeconfig,
            server=self.server,
            expander=expander,
            flags=flags,
        )
        self._run(self.autoscaler.program, self.autoscaler.start, self.autoscaler.program.kill)
        self._began = time.monotonic()

    def _run(
        self, program: programs.Program, start: Callable[[], None], stop: Callable[[], None]
    ) -> None:
        self._programs.append(program)
        self._undo.callback(stop)
        start()

    def close(self) -> None:
        """Stop everything, last started first."""
        self._undo.close()

    def logs(self) -> list[tuple[str, str]]:
        """Give the end of each program's log."""
        return [(each.name, each.tail(60)) for each in self._programs]

    # -- waiting -------------------------------------------------------------------------------

    def until(self, condition: Callable[[], T], what: str, **how: Any) -> T:
        """Wait for a condition while everything goes on running."""
        return waiting.until(condition, what, meanwhile=self.check, **how)

    def check(self) -> None:
        """Raise when something that should run does not."""
        self._plane.check()
        self.machines.check()
        for program in self._programs:
            program.check()

    def note(self, what: str) -> None:
        """Keep how long it took until now, since the autoscaler started or the last note."""
        now = time.monotonic()
        self.timings.append(f"{what} {now - self._began:.1f} s")
        self._began = now

    def want(self, owner: str, count: int, **what: Any) -> None:
        """Add pods."""
        self.cluster.add_pods(owner, count, Want(**what))

    def scheduled(self, note: str = "scheduled") -> None:
        """Wait until every pod has a node."""
        self.until(lambda: not self.cluster.pending(), "every pod has a node")
        self.note(note)

    def later(self, loops: int = REST_LOOPS) -> None:
        """Wait until the autoscaler has begun that many more loops."""
        aim = self.autoscaler.loops() + loops
        self.until(lambda: self.autoscaler.loops() >= aim, f"{loops} more loops")

    # -- what there is -------------------------------------------------------------------------

    def alive(self) -> dict[str, int]:
        """Count our servers by group, as the cloud knows them; those being deleted do not count."""
        return dict(
            collections.Counter(
                each.group
                for each in self.cloud.servers()
                if each.group and each.status != "deleting"
            )
        )

    def placed(self, owner: str) -> set[str]:
        """Name the groups on whose machines an owner's pods run."""
        groups = {each.name: each.group for each in self.cloud.servers()}
        return {
            groups.get(pod["spec"].get("nodeName", ""), "elsewhere")
            for name, pod in self.cluster.pods().items()
            if name.startswith(f"{owner}-")
        }

    def rests(self, created: int, **sizes: int) -> None:
        """See that all comes to rest with exactly these groups, and that it stays so.

        Cloud, server and cluster must say the same; ``created`` counts every server that the
        cloud ever made.
        """

        def views() -> tuple[object, ...]:
            ours = {each.name for each in self.cloud.servers() if each.group}
            registered = set(self.cluster.nodes()) & ours
            return self.alive(), self.server.targets(), len(ours), len(registered)

        total = sum(sizes.values())
        wanted = (sizes, sizes, total, total)
        self.until(lambda: views() == wanted, f"rest at {sizes}; cloud, server, servers and nodes")
        self.later()
        assert views() == wanted, f"it did not stay at {wanted}"
        assert self.cloud.created() == created, "the cloud made another number of servers"
        assert not self.cluster.pending(), "pods lost their nodes"
        told = self.server.program.log.read_text()
        assert cloud.TOKEN not in told, "the server logged its token"
        assert "exec kubelet" not in told, "the server logged user-data"
