"""The playground without kind: the real autoscaler, scheduler, controllers and kwok, no machine.

The configuration, the Deployment and the rights are those of examples/kind and deploy/.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import autoscaler, kwok, programs, waiting
from tests.e2e.cluster import Object
from tests.kube import plane as planes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KIND = planes.ROOT / "examples" / "kind"
NODES = "/api/v1/nodes"
MARK = "vps-autoscaler/fake-node"


class Plane(planes.Plane):
    """A control plane with the controllers that make and remove pods, and with kwok."""

    def __init__(self, tools: Path, folder: Path) -> None:
        self._beside: tuple[programs.Program, ...] = ()
        super().__init__(tools, folder)
        argv = self.apiserver.argv
        argv[argv.index("--disable-admission-plugins=ServiceAccount,TaintNodesByCondition")] = (
            "--disable-admission-plugins=ServiceAccount"
        )
        self._beside = (
            kwok.manager(tools, self.kubeconfig, folder),
            kwok.program(self.kubeconfig, folder),
        )

    @property
    def programs(self) -> tuple[programs.Program, ...]:
        """Return the processes, in the order in which they start."""
        return (*super().programs, *self._beside)

    def start(self) -> None:
        """Start; give our account the rights of the playground, with the fences around them."""
        super().start()
        for name in ("admission-policy.yaml", "fake-nodes.yaml"):
            self.kubectl("apply", "-f", str(planes.ROOT / "deploy" / name))
        for each in self._beside:
            each.start()


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Run the control plane."""
    wanted = [*planes.PROGRAMS, "kube-controller-manager"]
    folder = tmp_path_factory.mktemp("plane") / "control"
    with programs.running(Plane(programs.built(*wanted), folder)) as plane:
        yield plane


class Server:
    """Our server with the playground's configuration, as the account of the chart."""

    def __init__(self, plane: Plane, folder: Path) -> None:
        self.config = folder / "pools.yaml"
        self.tls = None
        fields = yaml.safe_load((KIND / "values.yaml").read_text())["config"]
        fields["kubernetes"] = {"kubeconfig": str(plane.account())}
        self.config.write_text(yaml.safe_dump(fields))
        self.address = "127.0.0.1:0"
        self.program = programs.Program("server", [], folder, {"HOME": str(folder)})

    def start(self) -> None:
        """Start, or start again at the same address."""
        argv = f"-m externalgrpc serve --config={self.config} --listen={self.address} --no-live"
        self.program.argv = [sys.executable, *argv.split()]
        self.program.start()
        self.address = self.program.says(r" serving address=(\S+)$").group(1)


class Scene:
    """What a person sees: Nodes and pods."""

    def __init__(self, plane: Plane, folder: Path, binary: Path) -> None:
        self.plane = plane
        self.api = plane.client()
        self.server = Server(plane, folder)
        self.server.start()
        self.autoscaler = autoscaler.Autoscaler(
            binary,
            folder,
            kubeconfig=plane.kubeconfig,
            server=self.server,  # type: ignore[arg-type]
            expander="price",
            flags=(),
        )
        self.autoscaler.start()

    def close(self) -> None:
        """Stop both; leave an empty cluster."""
        self.autoscaler.program.kill()
        self.server.program.stop()
        self.api.delete("/apis/apps/v1/namespaces/default/deployments")
        self.until(lambda: not self.pods(), "no pods")
        self.api.delete(NODES)
        self.until(lambda: not self.nodes(), "no Nodes")
        self.api.close()

    def until(self, condition: Any, what: str) -> None:
        """Wait while everything runs."""

        def check() -> None:
            self.plane.check()
            self.server.program.check()
            self.autoscaler.program.check()

        waiting.until(condition, what, meanwhile=check)

    def nodes(self) -> dict[str, Object]:
        """Return all Nodes by name."""
        items = self.api.get(NODES).json()["items"]
        return {each["metadata"]["name"]: each for each in items}

    def ready(self) -> set[str]:
        """Name the Nodes that are Ready."""
        return {
            name
            for name, node in self.nodes().items()
            for each in node["status"].get("conditions", ())
            if (each["type"], each["status"]) == ("Ready", "True")
        }

    def pods(self) -> list[Object]:
        """Return all pods."""
        return list(self.api.get("/api/v1/namespaces/default/pods").json()["items"])

    def running(self) -> list[str]:
        """Name the Nodes of the pods that run."""
        return [
            each["spec"]["nodeName"]
            for each in self.pods()
            if each["status"]["phase"] == "Running" and "deletionTimestamp" not in each["metadata"]
        ]


@pytest.fixture
def scene(playground: Plane, binary: Path, tmp_path: Path) -> Iterator[Scene]:
    """Give a server and an autoscaler."""
    built = Scene(playground, tmp_path, binary)
    try:
        yield built
    except BaseException:
        sys.stdout.write(built.server.program.tail(40))
        raise
    finally:
        built.close()


def deploy(scene: Scene) -> None:
    """Do what docs/playground.md says: create the Deployment."""
    scene.plane.kubectl("apply", "-f", str(KIND / "deployment.yaml"))


def test_nodes_come_with_a_deployment_and_go_with_it(scene: Scene) -> None:
    deploy(scene)
    scene.until(lambda: len(scene.running()) == 4, "the pods run")
    nodes = scene.nodes()
    assert set(scene.running()) <= set(nodes) == scene.ready()
    for name, node in nodes.items():
        assert node["metadata"]["labels"]["playground"] == "machines"
        assert node["metadata"]["labels"][MARK] == "playground"
        assert node["spec"]["providerID"].startswith("memory://"), name
        assert [each["key"] for each in node["spec"]["taints"]] == ["kwok.x-k8s.io/node"]
    scene.plane.kubectl("delete", "deployment", "play")
    scene.until(lambda: not scene.nodes(), "the Nodes go")
    assert not scene.pods()


def test_a_server_that_starts_again_removes_its_nodes_and_no_others(scene: Scene) -> None:
    deploy(scene)
    scene.until(lambda: len(scene.running()) == 4, "the pods run")
    scene.plane.make_node("control-plane")
    scene.plane.make_node("neighbour", provider_id="memory://7")
    scene.plane.kubectl("label", "node", "neighbour", f"{MARK}=another")
    before = set(scene.nodes())
    scene.server.program.kill()
    scene.server.start()
    others = {"control-plane", "neighbour"}
    scene.until(lambda: set(scene.nodes()) & before == others, "its old Nodes go")
    # And the Deployment gets new ones.
    scene.until(
        lambda: len(scene.running()) == 4 and set(scene.running()) <= set(scene.nodes()) - before,
        "the pods run again, on new Nodes",
    )
