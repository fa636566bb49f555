"""A cloud from outside: examples/cloud-plugin, as somebody would use it who only has our wheel.

Both packages are built into wheels and installed into a virtual environment from which this
checkout cannot be seen; all else there is this environment's own. Nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from providers import contract, errors
from tests.serving import until

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "cloud-plugin"
PAGE = (ROOT / "docs" / "adding-a-cloud.md").read_text()
pytestmark = pytest.mark.timeout(600)  # whole suites in processes of their own; mind a busy machine

TOKEN = "t0y-t0ken-that-nobody-may-see"

OURS = ("pyproject.toml", "README.md", "LICENSE", "externalgrpc", "providers")
"""What our own wheel is built from."""

LITTER = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*")


def copied(files: list[Path], into: Path) -> Path:
    into.mkdir()
    litter = LITTER(str(into), [each.name for each in files])
    for each in files:
        if each.name in litter:
            continue
        if each.is_dir():
            shutil.copytree(each, into / each.name, ignore=LITTER)
        else:
            shutil.copy(each, into)
    return into


def environ(bin_dir: Path, **more: str) -> dict[str, str]:
    """Give what a process inherits: the virtual environment first, nothing of pytest's or ours."""
    kept = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **more,
    }


@dataclasses.dataclass(frozen=True)
class Outsider:
    """Somebody with a virtual environment of their own, and a copy of the plugin."""

    bin: Path
    home: Path
    wheels: Path

    @property
    def environ(self) -> dict[str, str]:
        return environ(
            self.bin,
            # What pip would fetch: our wheel lies there, setuptools is installed.
            PIP_FIND_LINKS=str(self.wheels),
            PIP_NO_BUILD_ISOLATION="0",  # "no" to isolation, as pip reads its variables
        )

    def run(self, *command: str, code: int | None = 0, **more: str) -> str:
        """Run a command in the copy of the plugin; give all that it says."""
        done = subprocess.run(
            command,
            cwd=self.home,
            env={**self.environ, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
        )
        assert code in {None, done.returncode}, f"{' '.join(command)}:\n{done.stdout}"
        assert TOKEN not in done.stdout
        return done.stdout

    @contextlib.contextmanager
    def serving(self, *command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run a server until the block ends; give its process and its address."""
        process = subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=(self.home / "log").open("w"),
            text=True,
        )
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r" on (\S+)$", first.rstrip())
            assert found, first + (self.home / "log").read_text()
            yield process, found[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (self.home / "log").read_text()
        finally:
            process.kill()
            process.communicate()
        assert TOKEN not in (self.home / "log").read_text()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both packages from copies of what is in the repository."""
    place = tmp_path_factory.mktemp("wheels")
    sources = [
        copied([ROOT / name for name in OURS], place / "ours"),
        copied(list(PLUGIN.iterdir()), place / "plugin"),
    ]
    into = place / "wheels"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", into, *sources),
        ],
        env=environ(Path(sys.executable).parent),
        check=True,
    )
    return into


def settle(place: Path, wheels: Path) -> Outsider:
    """Make a virtual environment in which all is installed that we need, but not we."""
    links = place / "dependencies"
    links.mkdir()
    for found in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for each in Path(found).iterdir():
            ours = each.name.startswith(("__editable__", "vps_autoscaler", "externalgrpc"))
            if not ours and not (links / each.name).exists():
                (links / each.name).symlink_to(each)
    venv.create(place / "venv", with_pip=False, symlinks=True)
    # The line adds a directory and does not read the .pth files in it: the one by which this
    # checkout is installed here has no effect there.
    (packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{links}\n")
    home = copied(list(PLUGIN.iterdir()), place / "home")
    (home / "toycloud.token").write_text(f"{TOKEN}\n")
    return Outsider(bin=place / "venv" / "bin", home=home, wheels=wheels)


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Outsider:
    """Install both wheels; the plugin's source is taken away, so that the wheel's is meant."""
    found = settle(tmp_path_factory.mktemp("outsider"), wheels)
    found.run("python", "-m", "pip", "install", "--quiet", "vps-autoscaler-toycloud[test]")
    (found.home / "toycloud.py").unlink()
    return found


@pytest.fixture
def api() -> Iterator[Any]:
    """Run the plugin's fake, whose machines boot at once."""
    spec = importlib.util.spec_from_file_location("toyapi", PLUGIN / "tests" / "toyapi.py")
    assert spec is not None
    assert spec.loader is not None
    toyapi = importlib.util.module_from_spec(spec)
    sys.modules["toyapi"] = toyapi  # its dataclasses look their own module up
    spec.loader.exec_module(toyapi)
    cloud = toyapi.Api(token=TOKEN)
    cloud.boot_s = 0.0
    with cloud as running:
        yield running
    del sys.modules["toyapi"]


def point(home: Path, url: str) -> Path:
    """Point the plugin's own configuration at the fake, whose listings are never late.

    A fresh server holds its orders for one settling time; nobody wants to wait for that here.
    """
    config = yaml.safe_load((home / "pools.yaml").read_text())
    config["accounts"][0] |= {"endpoint": url, "options": {"settleS": 0.1}}
    (home / "pools.yaml").write_text(yaml.safe_dump(config))
    return home / "pools.yaml"


def test_nothing_of_this_checkout_is_seen_there(outsider: Outsider) -> None:
    output = outsider.run(
        "python",
        "-c",
        "import externalgrpc, providers.conformance, providers.fakes, toycloud, sys\n"
        "print(*(each.__file__ for each in (externalgrpc, providers, toycloud)), sep='\\n')\n"
        "print(*sys.path, sep='\\n')",
    )
    lines = output.splitlines()
    assert [Path(line).is_relative_to(outsider.bin.parent) for line in lines[:3]] == [True] * 3
    assert not any(Path(line or ".").resolve().is_relative_to(ROOT) for line in lines[3:] if line)


def test_it_passes_the_suite_that_every_cloud_passes(outsider: Outsider) -> None:
    output = outsider.run("python", "-m", "pytest", "-rA", "--tb=short", CLOUD_HISTORIES_S="0")
    passed = set(re.findall(r"^PASSED \S+::(test_\w+)", output, re.MULTILINE))
    inherited = set(
        re.findall(
            r"^    def (test_\w+)",
            "".join(
                path.read_text()
                for path in (ROOT / "providers/conformance").glob("*.py")
                # Classes of their own, for tables and wires that only a cloud's author can name.
                if path.name not in {"vocabulary.py", "wire.py"}
            ),
            re.MULTILINE,
        )
    )
    assert len(inherited) > 30
    assert re.search(r"^toycloud: 3 fault histories held the laws", output, re.MULTILINE)
    # Toycloud makes nothing beside machines: it lacks tidy() and leftovers(), which are optional.
    tidying = {each for each in inherited if "tidying" in each or "beside" in each}
    tidying.add("test_what_is_somebody_elses_is_not_among_it")
    assert len(tidying) == 4
    # And a create is one request: it lacks finish(), and nothing stops between two.
    steps = (ROOT / "providers/conformance/stepping.py").read_text()
    stepping = set(re.findall(r"^    def (test_\w+)", steps, re.MULTILINE))
    assert len(stepping) == 7
    # Nor has it candidates(): its machines are not adopted.
    adopts = (ROOT / "providers/conformance/adopting.py").read_text()
    adopting = set(re.findall(r"^    def (test_\w+)", adopts, re.MULTILINE))
    assert len(adopting) == 6
    assert inherited - tidying - stepping - adopting <= passed
    skipped = re.findall(r"^SKIPPED .*: (.+)$", output, re.MULTILINE)
    assert set(skipped) == {
        "this cloud has no tidy()",
        "this cloud has no leftovers()",
        "this cloud has no finish()",
        "this cloud has no candidates()",
        "a create is one request here, of which other tests lose the answer",
    }


WITHOUT_PYTEST = """
import importlib, pkgutil, sys
import externalgrpc, providers
sys.modules["pytest"] = None
for package in (externalgrpc, providers):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__") and ".conformance" not in found.name:
            importlib.import_module(found.name)
try:
    import providers.conformance
except ImportError as error:
    assert "vps-autoscaler[conformance]" in str(error)
else:
    raise SystemExit("the suite came without pytest")
"""


def test_only_the_suite_needs_pytest(outsider: Outsider) -> None:
    outsider.run("python", "-c", WITHOUT_PYTEST)


def failures(report: Any) -> list[str]:
    """List what would not work."""
    return [
        finding["what"]
        for part in (*report["accounts"], *report["groups"])
        for finding in part["findings"]
        if finding["severity"] == "trouble"
    ]


def test_a_configuration_may_name_it(outsider: Outsider, api: Any) -> None:
    good = point(outsider.home, api.url)
    outsider.run("vps-autoscaler", "check", "--config", str(good))
    online = ("vps-autoscaler", "check", "--config", str(good), "--online", "-o", "json")
    report = json.loads(outsider.run(*online))
    assert report["accounts"][0]["provider"] == "toycloud"
    assert report["accounts"][0]["quota"] == {"limit": 1000, "used": 0, "note": ""}
    assert failures(report) == []
    api.images.remove("debian-13")
    (failure,) = failures(json.loads(outsider.run(*online, code=1)))
    assert failure == "there is no image 'debian-13'"

    bad = outsider.home / "bad.yaml"
    bad.write_text(
        good.read_text()
        .replace("backups: true", "backups: maybe")
        .replace("settleS: 0.1", "settleS: 0")
        .replace("  image:", "  publicIPv4: false\n  image:")
    )
    output = outsider.run("vps-autoscaler", "check", "--config", str(bad), code=1)
    for mistake in ("settleS must be greater than 0", "backups", "publicIPv4"):
        assert mistake in output

    api.sold_out.add(("small", "north"))
    output = outsider.run("vps-autoscaler", "offers", "--config", str(good), "-o", "json")
    shown = {(deal["instanceType"], deal["region"]) for deal in json.loads(output)}
    assert shown == {
        ("small", "south"),
        *((size, region) for size in ("large", "bare") for region in ("north", "south")),
    }


def test_a_server_grows_and_shrinks_a_group_of_it(outsider: Outsider, api: Any) -> None:
    config = str(point(outsider.home, api.url))
    serve = ("vps-autoscaler", "serve", "--config", config, "--listen", "127.0.0.1:0")
    with outsider.serving(*serve) as (_, address), grpc.insecure_channel(address) as channel:
        stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)

        def nodes() -> list[str]:
            response = stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="workers"), timeout=5)
            return sorted(each.id for each in response.instances)

        response = stub.NodeGroups(pb.NodeGroupsRequest(), timeout=5)
        assert [(each.id, each.minSize, each.maxSize) for each in response.nodeGroups] == [
            ("workers", 0, 5)
        ]
        api.sold_out.add(("small", "north"))
        stub.NodeGroupIncreaseSize(
            pb.NodeGroupIncreaseSizeRequest(id="workers", delta=2), timeout=5
        )
        until(lambda: len(api.machines) == 2)
        asked = [machine.asked for machine in api.machines.values()]
        assert {each["size"] for each in asked} == {"large"}, "the next candidate is tried"
        assert all("vps-cluster:toys" in each["tags"] for each in asked)
        assert all(each["backups"] is True for each in asked)
        until(lambda: nodes() == ["toycloud://m-1", "toycloud://m-2"])

        node = pb.ExternalGrpcNode(providerID="toycloud://m-1", name=asked[0]["name"])
        stub.NodeGroupDeleteNodes(
            pb.NodeGroupDeleteNodesRequest(id="workers", nodes=[node]), timeout=5
        )
        until(lambda: api.machines["m-1"].going)
        size = stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="workers"), timeout=5)
        assert size.targetSize == 1
        assert not api.machines["m-2"].going


# The page that walks through it.

BLOCKS = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_line_of_code_on_the_page_is_the_plugins() -> None:
    """A line ``...`` stands for lines that were left out; what is between must follow whole."""
    files = [
        path.read_text() for path in PLUGIN.rglob("*") if path.suffix in {".py", ".toml", ".yaml"}
    ]
    shown = [
        textwrap.dedent(part).strip("\n")
        for _, language, block in BLOCKS
        if language != "console"
        for part in re.split(r"^ *\.\.\.\n", block, flags=re.MULTILINE)
    ]
    assert len(shown) > 10
    for part in shown:
        lines = part.splitlines()
        assert any(_holds(text.splitlines(), lines) for text in files), part


def _holds(text: list[str], part: list[str]) -> bool:
    def same(start: int) -> bool:
        here = textwrap.dedent("\n".join(text[start : start + len(part)]))
        return here.splitlines() == part

    return any(same(start) for start in range(len(text) - len(part) + 1))


def test_every_command_on_the_page_works(tmp_path: Path, wheels: Path, api: Any) -> None:
    """In the page's order, by somebody who has nothing installed yet."""
    reader = settle(tmp_path, wheels)
    point(reader.home, api.url)
    commands = [
        line.removeprefix("$ ").split("  #")[0].rstrip()
        for _, language, block in BLOCKS
        if language == "console"
        for line in textwrap.dedent(block).splitlines()
        if line.startswith("$ ")
    ]
    assert any("pip install" in command for command in commands)
    clone = str(wheels.parent / "ours")
    assert any("/path/to/vps-autoscaler" in command for command in commands)
    for command in commands:
        if " serve " in command:
            words = [*command.split(), "--listen", "127.0.0.1:0"]
            with reader.serving(*words):
                continue
        # What check says is looked at above, and the whole of the suite has run from the wheel.
        here = command.replace("/path/to/vps-autoscaler", clone)
        nothing = {"PIP_FIND_LINKS": ""}  # no index has our wheel
        reader.run("bash", "-euc", here, PYTEST_ADDOPTS="-k what_cannot_work", **nothing)


def test_the_pages_numbers_are_the_contracts() -> None:
    methods = [name for name, each in vars(contract.Provider).items() if _is_method(name, each)]
    values = [each for each in vars(contract).values() if dataclasses.is_dataclass(each)]
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    family = [each for each in classes if issubclass(each, errors.CloudError)]
    leaves = [each for each in family if not each.__subclasses__()]
    assert f"{len(methods)} methods,\n{len(values)} values, {len(leaves)} errors" in PAGE


def _is_method(name: str, each: object) -> bool:
    return not name.startswith("_") and (callable(each) or isinstance(each, classmethod))


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((\.\.?/[^)#]*)", PAGE))))
def test_what_the_page_points_at_is_there(path: str) -> None:
    assert (ROOT / "docs" / path).exists()
