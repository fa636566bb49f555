"""Put one scenario together: a cloud with real machines, our server, a cluster to join."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e import autoscaler, programs, waiting
from tests.e2e.cluster import Cluster
from tests.join import cloud, fake_metadata, metadata, mirror, plane, pods, server, vm

T = TypeVar("T")

JOIN_S = 900.0
"""How long a machine may take to become a node here; seen: under 200 s."""

CNI = (
    '{"cniVersion":"1.0.0","name":"bridge","plugins":[{"type":"bridge","bridge":"cni0",'
    '"isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local",'
    '"ranges":[[{"subnet":"10.244.9.0/24"}]]}},{"type":"portmap","capabilities":'
    '{"portMappings":true}}]}'
)
PRE_JOIN = (
    "mkdir -p /etc/cni/net.d",
    f"echo '{CNI}' >/etc/cni/net.d/10-bridge.conflist",
    pods.PRE_JOIN,
)
LEFT = "/root/left"
POST_JOIN = (
    # What could still hold the token, on disk and in memory, once the script has cleaned up; these
    # very lines are among what is looked at, so they must not hold what is looked for.
    f"{{ grep -rlE 'tls[B]ootstrapToken|[b]ootstrap-token' /etc/vps-autoscaler /etc/kubernetes "
    f"/var/lib/cloud /var/lib/vps-autoscaler /run/cloud-init || :; }} >{LEFT}",
    "sync",
    "echo the last lines ran >/dev/ttyS0",
)


class World:
    """All that a scenario touches, and the conditions that it waits for."""

    def __init__(
        self,
        folder: Path,
        image: Path,
        control: plane.Plane,
        source: mirror.Mirror,
        sky: fake_metadata.Sky = fake_metadata.HETZNER,
    ) -> None:
        self.folder = folder
        self.plane, self.mirror = control, source
        self.timings: list[str] = []
        self._undo = contextlib.ExitStack()
        self.api = self._undo.enter_context(control.client())
        self.cluster = Cluster(self.api)
        self.cluster.clear()
        self.vendor = sky.vendor
        self.rack = cloud.Rack(sky, folder / "machines", image)
        self._undo.callback(self.rack.keep, ())
        self.cloud = cloud.CLOUDS[sky.vendor.name](self.rack)
        self.cloud.start()
        self._undo.callback(self.cloud.close)
        self.metadata = metadata.Service(self.rack.guests)
        self.metadata.start()
        self._undo.callback(self.metadata.stop)
        self._programs: list[programs.Program] = []

    def serve(self, *, join: Mapping[str, Any] | None = None, **pool: Any) -> server.Server:
        """Start our server with one group; ``join`` adds to its joinOptions."""
        options = {
            "kubernetesPackages": self.mirror.url(plane.HOST),
            "allowHttp": True,
            "containerd": "image",
            "sandboxImage": pods.IMAGE,
            "preJoin": list(PRE_JOIN),
            "postJoin": list(POST_JOIN),
            **(join or {}),
        }
        fields = {
            "instanceType": cloud.MACHINE_TYPE,
            "region": self.vendor.region,
            "image": self.vendor.image,
            "minSize": 0,
            "maxSize": 3,
            "joinOptions": options,
            **pool,
        }
        serving = server.Server(
            self.folder,
            provider=self.vendor.name,
            endpoint=self.cloud.url,
            token=self.cloud.token,
            kubeconfig=self.plane.account(),
            pool=fields,
        )
        self._run(serving.program, serving.start)
        return serving

    def autoscale(self, binary: Path, serving: server.Server) -> None:
        """Start the real autoscaler."""
        running = autoscaler.Autoscaler(
            binary,
            self.folder,
            kubeconfig=self.plane.kubeconfig,
            server=serving,  # type: ignore[arg-type]
            expander="least-waste",
        )
        self._run(running.program, running.start)

    def _run(self, program: programs.Program, start: Callable[[], None]) -> None:
        self._programs.append(program)
        self._undo.callback(program.stop)
        start()

    def close(self) -> None:
        """Stop everything, last started first."""
        self._undo.close()

    def evidence(self) -> list[tuple[str, str]]:
        """Return what a failed scenario left to look at: consoles and logs, by their ends."""
        values = [("logs are kept in", f"{self.folder}, {self.plane.folder}")]
        for machine in self.rack.machines.values():
            values.append((f"console of {machine.name}", machine.tail(60)))
        values += [
            (f"end of the log of {each.name}", each.tail(25))
            for each in (*self._programs, *self.plane.programs)
        ]
        values.append(("metadata service", "\n".join(self.metadata.asked[-20:])))
        return values

    # -- waiting -------------------------------------------------------------------------------

    def until(self, condition: Callable[[], T | None], what: str, *, within_s: float = JOIN_S) -> T:
        """Wait for a condition while everything goes on running."""
        return waiting.until(condition, what, within_s=within_s, meanwhile=self._check)

    def _check(self) -> None:
        self.plane.check()
        for program in self._programs:
            program.check()

    def booted(self) -> vm.Machine:
        """Wait until the one machine that was ordered is switched on, and give it."""

        def found() -> vm.Machine | None:
            return next((each for each in self.rack.machines.values() if each.pid), None)

        return self.until(found, "the machine is switched on", within_s=120.0)

    def alive(self, machine: vm.Machine, condition: Callable[[], T | None], what: str) -> T:
        """Wait for a condition that a machine has to bring about before it goes off."""

        def asked() -> T | None:
            answer = condition()
            assert answer or not machine.is_off, f"{machine.name} went off before: {what}"
            return answer

        return self.until(asked, what)

    def node(self, name: str) -> Mapping[str, Any] | None:
        """Return a Node, None where there is none."""
        return self.cluster.nodes().get(name)

    def tokens(self) -> list[str]:
        """Name the Secrets of bootstrap tokens that there are."""
        reply = self.api.get("/api/v1/namespaces/kube-system/secrets").raise_for_status()
        names = (item["metadata"]["name"] for item in reply.json()["items"])
        return [name for name in names if name.startswith("bootstrap-token-")]

    # -- what came when ------------------------------------------------------------------------

    def note(self, what: str) -> None:
        """Keep a line for the end of the run."""
        self.timings.append(what)

    def note_join(self, machine: vm.Machine, node: Mapping[str, Any]) -> None:
        """Keep how long each phase of a join took, in seconds since power-on."""
        since = machine.on_at
        requests = self.api.get("/apis/certificates.k8s.io/v1/certificatesigningrequests")
        asked = [
            item["metadata"]["creationTimestamp"]
            for item in requests.raise_for_status().json()["items"]
            if item["spec"]["username"].startswith("system:bootstrap:")
        ]
        ready = next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
        fields = {
            "join begins": machine.uptime_of("filtering via arp/ip/ip6tables"),
            "CSR": unix(max(asked)) - since,
            "Node": unix(node["metadata"]["creationTimestamp"]) - since,
            "Ready": unix(ready["lastTransitionTime"]) - since,
            "cloud-init done": machine.uptime_of("Cloud-init v.* finished"),
        }
        self.note(", ".join(f"{what} {at:.0f} s" for what, at in fields.items() if at is not None))


def unix(stamp: str) -> float:
    """Read an instant as the API writes it, in Unix seconds."""
    return datetime.datetime.fromisoformat(stamp).timestamp()


def is_ready(node: Mapping[str, Any]) -> bool:
    """Return whether a Node's kubelet says that it is ready."""
    conditions = node["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
