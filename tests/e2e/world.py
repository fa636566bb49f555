"""Put one scenario together: a cloud, its machines, our server, an autoscaler, a cluster."""

from __future__ import annotations

import collections
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e import autoscaler, cloud, controlplane, machines, programs, server, waiting
from tests.e2e.cluster import Cluster, Want
from tests.e2e.vendors import HETZNER, Vendor

T = TypeVar("T")

LEASE_S = 9.0
REST_LOOPS = 3
"""How many more loops the autoscaler must go through without anything changing."""


PAIR = (
    "--leader-elect=true",
    f"--leader-elect-lease-duration={LEASE_S:.0f}s",
    "--leader-elect-renew-deadline=6s",
    "--leader-elect-retry-period=1s",
)


class Pod:
    """A server and an autoscaler that share a host name, as the containers of a pod do."""

    def __init__(self, name: str, ours: server.Server, scaler: autoscaler.Autoscaler) -> None:
        self.name = name
        self.server = ours
        self.autoscaler = scaler
        self.programs = (ours.program, scaler.program)
        for each in self.programs:
            each.within = ["unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "--"]

    def start(self) -> None:
        """Start both; the autoscaler may have to wait for the Lease."""
        self.server.start()
        self.autoscaler.program.start()

    def kill(self) -> None:
        """Lose the node that it runs on."""
        for each in self.programs:
            each.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send both a signal."""
        for each in self.programs:
            each.signal(number)


class World:
    """All that a scenario touches, and the conditions that it waits for.

    Where there are two, each has a ``name``: what its servers order becomes a node of its cluster.
    """

    def __init__(
        self, folder: Path, plane: controlplane.ControlPlane, binary: Path, name: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stamp = f"# of world {name}\n" if name else ""
        self.folder = folder
        self.timings: list[str] = []
        self._plane = plane
        self._binary = binary
        self._undo = contextlib.ExitStack()
        self._began = time.monotonic()
        self.cluster: Cluster
        self.clouds: dict[str, cloud.Cloud] = {}
        self._stand_ins: list[machines.Machines] = []
        self.cloud: cloud.Cloud
        self.machines: machines.Machines
        self.server: server.Server
        self.autoscaler: autoscaler.Autoscaler
        self._programs: list[programs.Program] = []

    # -- putting it together -------------------------------------------------------------------

    def build(
        self,
        *vendors: Vendor,
        create_s: float = 1.0,
        boot_s: float = 2.0,
        delete_s: float = 1.0,
    ) -> None:
        """Make an empty cluster and empty clouds; times are the clouds', in seconds.

        Without a word of which, the one cloud is Hetzner; ``cloud`` and ``machines`` are the first
        one's.
        """
        self._empty_cluster()
        takes = {"create_s": create_s, "boot_s": boot_s, "delete_s": delete_s}
        for vendor in vendors or (HETZNER,):
            self._add_cloud(cloud.Cloud(self.folder, vendor, **takes))
        self.cloud = next(iter(self.clouds.values()))
        self.machines = next(iter(self._stand_ins))

    def build_beside(self, other: World) -> None:
        """Make an empty cluster whose machines stand in the projects of another's."""
        self._empty_cluster()
        for shared in other.clouds.values():
            self._populate(shared)
        self.cloud = other.cloud
        self.machines = next(iter(self._stand_ins))

    def _empty_cluster(self) -> None:
        api = self._undo.enter_context(self._plane.client())
        self.cluster = Cluster(api)
        self.cluster.clear()

    def _add_cloud(self, added: cloud.Cloud) -> None:
        self._run(added.program, added.start, added.stop)
        self._populate(added)

    def _populate(self, added: cloud.Cloud) -> None:
        self.clouds[added.vendor.name] = added
        stand_in = machines.Machines(added, self.cluster)
        stand_in.joins = self._ordered
        self._undo.callback(stand_in.stop)
        self._stand_ins.append(stand_in)
        stand_in.start()

    def _ordered(self, server: cloud.Server) -> bool:
        """Return whether a server was ordered by this world's server."""
        return self._stamp in server.user_data

    def serve(self, *pools: Mapping[str, Any], known: bool = False, **how: Any) -> None:
        """Start our server on these node groups; it knows the cluster (``kubernetes:``) or not."""
        self.server = server.Server(
            self.folder,
            {name: each.endpoint for name, each in self.clouds.items()},
            pools,
            kubeconfig=self._plane.kubeconfig if known else None,
            stamp=self._stamp,
            **how,
        )
        self._run(self.server.program, self.server.start, self.server.program.stop)

    def pod(self, name: str, *pools: Mapping[str, Any], **how: Any) -> Pod:
        """Start a server and an autoscaler as a pod of this name has them: with its host name."""
        folder = self.folder / name
        folder.mkdir()
        made = server.Server(
            folder,
            {each: one.endpoint for each, one in self.clouds.items()},
            pools,
            listen=f"unix:{folder}/ca.sock",
            kubeconfig=self._plane.kubeconfig,
            **how,
        )
        scaler = autoscaler.Autoscaler(
            self._binary,
            folder,
            kubeconfig=self._plane.kubeconfig,
            server=made,
            expander="least-waste",
            flags=PAIR,
        )
        pod = Pod(name, made, scaler)
        self._undo.callback(pod.kill)
        pod.start()
        return pod

    def autoscale(
        self, *flags: str, expander: str = "least-waste", kubeconfig: Path | None = None
    ) -> None:
        """Start the autoscaler, as the administrator unless a kubeconfig says who else it is."""
        self.autoscaler = autoscaler.Autoscaler(
            self._binary,
            self.folder,
            kubeconfig=kubeconfig or self._plane.kubeconfig,
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
        """Return the end of each program's log."""
        return [(each.name, each.tail(60)) for each in self._programs]

    # -- waiting -------------------------------------------------------------------------------

    def until(self, condition: Callable[[], T], what: str, **how: Any) -> T:
        """Wait for a condition while everything goes on running."""
        return waiting.until(condition, what, meanwhile=self.check, **how)

    def check(self) -> None:
        """Raise when something that should run does not."""
        self._plane.check()
        for stand_in in self._stand_ins:
            stand_in.check()
        for program in self._programs:
            program.check()

    def note(self, what: str) -> None:
        """Keep the time until now, since the autoscaler started or the last note."""
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

    def servers(self) -> list[cloud.Server]:
        """List the servers of all clouds; of two worlds, those that this one ordered."""
        found = [each for place in self.clouds.values() for each in place.servers()]
        return [each for each in found if self._ordered(each)]

    def alive(self) -> dict[str, int]:
        """Count our servers by group, as the cloud knows them; those being deleted do not count."""
        return dict(
            collections.Counter(
                each.group for each in self.servers() if each.group and each.status != "deleting"
            )
        )

    def placed(self, owner: str) -> set[str]:
        """Name the groups on whose machines an owner's pods run."""
        groups = {each.name: each.group for each in self.servers()}
        return {
            groups.get(pod["spec"].get("nodeName", ""), "elsewhere")
            for name, pod in self.cluster.pods().items()
            if name.startswith(f"{owner}-")
        }

    def rests(self, created: int, **sizes: int) -> None:
        """See that all comes to rest with exactly these groups, and that it stays so.

        Cloud, server and cluster must say the same; ``created`` counts every server that the
        clouds ever made.
        """

        def views() -> tuple[object, ...]:
            ours = {each.name for each in self.servers() if each.group}
            registered = set(self.cluster.nodes()) & ours
            return self.alive(), self.server.targets(), len(ours), len(registered)

        total = sum(sizes.values())
        wanted = (sizes, sizes, total, total)
        self.until(lambda: views() == wanted, f"rest at {sizes}; cloud, server, servers and nodes")
        self.later()
        assert views() == wanted, f"it did not stay at {wanted}"
        made = sum(each.created() for each in self.clouds.values())
        assert made == created, "the clouds made another number of servers"
        assert not self.cluster.pending(), "pods lost their nodes"
        output = self.server.program.log.read_text()
        assert cloud.TOKEN not in output, "the server logged its token"
        assert "exec kubelet" not in output, "the server logged user-data"
