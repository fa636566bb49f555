"""examples/kind/playground with stand-ins for kind, kubectl, helm and docker: what it calls.

No container engine is needed; tests/e2e/test_playground.py shows that what it sets up works.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalgrpc import config
from externalgrpc.model import installed_clouds
from tests import absent
from tests.e2e import kwok as e2e_kwok
from tests.e2e import waiting

ROOT = Path(__file__).parents[1]
KIND = ROOT / "examples" / "kind"
SCRIPT = KIND / "playground"
PROGRAMS = ("kind", "kubectl", "helm", "docker")
USED = ("bash", "cat", "dirname", "grep", "sed")
ID = "sha256:0123456789abcdef"
IMAGE = "vps-autoscaler:playground-0123456789ab"
CONTEXT = ("--context", "kind-vps-playground")
KWOK = "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0"

STAND_IN = """\
#!{python}
# Writes down what it is called with, and keeps the names of clusters; fails or waits if asked to.
import json, os, pathlib, sys, time
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
home = pathlib.Path(__file__).parent.parent
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([name, *argv]) + "\\n")
line = " ".join([name, *argv])
if (home / "fails").exists() and line.startswith((home / "fails").read_text()):
    sys.exit("the stand-in's reason")
clusters = home / "clusters"
listed = clusters.read_text().split()
if argv[:2] == ["get", "clusters"]:
    print("\\n".join(listed))
if argv[:2] == ["create", "cluster"]:
    clusters.write_text("\\n".join([*listed, argv[3]]))
if argv[:2] == ["delete", "cluster"]:
    clusters.write_text("\\n".join(each for each in listed if each != argv[3]))
if argv[:2] == ["image", "inspect"]:
    print("{id}")
waits = home / "waits"
if waits.exists() and line.startswith(waits.read_text()):
    waits.unlink()
    time.sleep(60)
"""


class Stage:
    """A PATH with stand-ins and the few programs that the script is made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "bin"
        self.path.mkdir()
        for name in PROGRAMS:
            made = self.path / name
            made.write_text(STAND_IN.format(python=sys.executable, id=ID))
            made.chmod(0o755)
        for name in USED:
            found = shutil.which(name)
            assert found, name
            (self.path / name).symlink_to(found)
        self.clusters("another")

    def clusters(self, *names: str) -> None:
        (self.folder / "clusters").write_text("\n".join(names))

    def environ(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.path), "HOME": str(self.folder), **more}

    def run(self, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), *argv],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env=self.environ(**environ),
        )

    def calls(self) -> list[list[str]]:
        """Return what was called since it was last asked."""
        there = self.folder / "calls"
        if not there.exists():
            return []
        found = [json.loads(each) for each in there.read_text().splitlines()]
        there.unlink()
        return found


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


LISTED = ["kind", "get", "clusters"]
CREATED = ["kind", "create", "cluster", "--name", "vps-playground", "--wait", "180s"]
BUILT = [
    ["docker", "build", "--tag", "vps-autoscaler:playground", str(ROOT)],
    ["docker", "image", "inspect", "--format", "{{.Id}}", "vps-autoscaler:playground"],
    ["docker", "tag", "vps-autoscaler:playground", IMAGE],
    ["kind", "load", "docker-image", IMAGE, "--name", "vps-playground"],
]


def kwok(where: str = KWOK) -> list[list[str]]:
    on = ["kubectl", *CONTEXT]
    kinds = ["--for=condition=Established", "--timeout=60s", "crd/stages.kwok.x-k8s.io"]
    rollout = ["--namespace", "kube-system", "rollout", "status", "deployment/kwok-controller"]
    return [
        [*on, "apply", "-f", f"{where}/kwok.yaml"],
        [*on, "wait", *kinds],
        [*on, "apply", "-f", f"{where}/stage-fast.yaml"],
        [*on, *rollout, "--timeout=180s"],
    ]


def chart(repository: str, tag: str, digest: str = "") -> list[str]:
    return [
        *("helm", "upgrade", "--install", "vps-autoscaler", str(ROOT / "deploy" / "chart")),
        *("--kube-context", "kind-vps-playground"),
        *("--namespace", "vps-autoscaler", "--create-namespace"),
        *("--values", str(KIND / "values.yaml")),
        *("--set-string", f"image.repository={repository}"),
        *("--set-string", f"image.tag={tag}"),
        *("--set-string", f"image.digest={digest}"),
        *("--wait", "--timeout", "300s"),
    ]


def test_from_nothing_to_a_cluster_to_play_in(stage: Stage) -> None:
    done = stage.run()
    assert done.returncode == 0, done.stderr
    built = chart("vps-autoscaler", "playground-0123456789ab")
    assert stage.calls() == [LISTED, CREATED, *BUILT, *kwok(), built]
    assert "kubectl --context kind-vps-playground get nodes -w" in done.stdout
    assert f"apply -f {KIND / 'deployment.yaml'}" in done.stdout
    assert not done.stderr


def test_a_second_start_goes_on_with_the_cluster_that_is_there(stage: Stage) -> None:
    stage.run()
    stage.calls()
    done = stage.run("up")
    assert done.returncode == 0
    exported = ["kind", "export", "kubeconfig", "--name", "vps-playground"]
    assert stage.calls()[:3] == [LISTED, exported, BUILT[0]]
    assert "is there already: going on with it" in done.stdout


def test_an_image_that_is_named_is_neither_built_nor_loaded(stage: Stage) -> None:
    (stage.path / "docker").unlink()
    name = "registry.example:5000/a/server"
    for image, called in {
        f"{name}:0.1.0": chart(name, "0.1.0"),
        f"{name}@sha256:abc": chart(name, "", "sha256:abc"),
        f"{name}:0.1.0@sha256:abc": chart(name, "0.1.0", "sha256:abc"),
    }.items():
        stage.clusters()
        done = stage.run(IMAGE=image)
        assert done.returncode == 0, done.stderr
        assert stage.calls() == [LISTED, CREATED, *kwok(), called]
    done = stage.run(IMAGE=name)
    assert (done.returncode, stage.calls()) == (1, [])
    assert "IMAGE names no tag: write it like" in done.stderr


def test_the_node_and_kwoks_manifests_may_come_from_elsewhere(stage: Stage) -> None:
    done = stage.run(NODE_IMAGE="kindest/node:v1.34.0", KWOK_MANIFESTS="/mirror")
    assert done.returncode == 0
    calls = stage.calls()
    assert calls[1] == [*CREATED, "--image", "kindest/node:v1.34.0"]
    assert calls[6:10] == kwok("/mirror")


def test_each_program_that_lacks_is_named_before_anything_is_made(stage: Stage) -> None:
    for name in PROGRAMS:
        (stage.path / name).unlink()
    done = stage.run()
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert [each.split()[0] for each in said[:-1]] == list(PROGRAMS)
    assert all("is not on PATH: it " in each for each in said[:-1])
    assert said[-1] == "Nothing was done."


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_that_lacks_is_enough(stage: Stage, name: str) -> None:
    (stage.path / name).unlink()
    done = stage.run()
    assert (done.returncode, stage.calls()) == (1, [])
    assert done.stderr.startswith(f"{name} is not on PATH")


FAILING = {
    "kind get clusters": "Does the container engine run?",
    "kind create": "kind could not make the cluster",
    "docker build": "To build the image did not work",
    "docker image inspect": "docker built the image and does not find it",
    "docker tag": "To name the image did not work",
    "kind load": "To load the image did not work",
    f"kubectl {' '.join(CONTEXT)} apply": "To install kwok did not work",
    f"kubectl {' '.join(CONTEXT)} wait": "To wait for kwok's kinds did not work",
    f"kubectl {' '.join(CONTEXT)} --namespace": "To start kwok did not work",
    "helm": "To install the chart did not work",
}


@pytest.mark.parametrize("call", FAILING)
def test_what_fails_ends_it_with_a_sentence_after_the_programs_own_words(
    stage: Stage, call: str
) -> None:
    (stage.folder / "fails").write_text(call)
    done = stage.run()
    assert done.returncode == 1
    first, *said = done.stderr.splitlines()
    assert first == "the stand-in's reason"
    assert FAILING[call] in said[0]
    calls = stage.calls()
    if call == "kind create":
        assert calls[-1] == ["kind", "delete", "cluster", "--name", "vps-playground"]
    else:
        assert " ".join(calls[-1]).startswith(call)
    assert (stage.folder / "clusters").read_text().split()[0] == "another"


def test_down_deletes_its_own_cluster_and_no_other(stage: Stage) -> None:
    stage.clusters("another", "vps-playground", "vps-playground-2")
    done = stage.run("down")
    assert done.returncode == 0
    assert stage.calls() == [LISTED, ["kind", "delete", "cluster", "--name", "vps-playground"]]
    assert (stage.folder / "clusters").read_text().split() == ["another", "vps-playground-2"]
    done = stage.run("down")
    assert (done.returncode, stage.calls()) == (0, [LISTED])
    assert done.stdout == "There is no cluster vps-playground: nothing to remove.\n"


def interrupted(stage: Stage, call: str, how: int) -> str:
    """Interrupt the script during a call, as a terminal does; give what it says."""
    (stage.folder / "waits").write_text(call)
    running = subprocess.Popen(
        [str(SCRIPT)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=stage.environ(),
        start_new_session=True,  # a terminal sends it to all that run in it
    )
    try:
        waiting.until(lambda: not (stage.folder / "waits").exists(), f"{call} is under way")
        os.killpg(running.pid, how)
        _, said = running.communicate(timeout=30)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert running.returncode == 130
    return said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_the_cluster_is_made_leaves_no_half_one(stage: Stage, how: int) -> None:
    assert "half made: deleting it" in interrupted(stage, "kind create", how)
    deleted = ["kind", "delete", "cluster", "--name", "vps-playground"]
    assert stage.calls() == [LISTED, CREATED, deleted]
    assert (stage.folder / "clusters").read_text().split() == ["another"]


@pytest.mark.parametrize("call", ["docker build", "kubectl", "helm"])
def test_ctrl_c_later_leaves_the_cluster_for_the_next_start(stage: Stage, call: str) -> None:
    assert "again to go on" in interrupted(stage, call, signal.SIGINT)
    assert " ".join(stage.calls()[-1]).startswith(call)
    done = stage.run()
    assert done.returncode == 0
    assert "is there already" in done.stdout


def test_help_and_words_that_it_does_not_know(stage: Stage) -> None:
    for word in ("help", "-h", "--help"):
        done = stage.run(word)
        assert done.returncode == 0
        assert "examples/kind/playground down" in done.stdout
    for words in (["dwon"], ["down", "now"], [""]):
        done = stage.run(*words)
        assert done.returncode == 1
        assert "No such word" in done.stderr
    assert stage.calls() == []


@absent.unless(shutil.which("shellcheck"), absent.Need.SHELLCHECK)
def test_shellcheck_finds_nothing_in_it() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# -- what it installs ------------------------------------------------------------------------------


def test_the_page_names_the_release_of_kwok_that_the_script_takes() -> None:
    assert f"kwok {e2e_kwok.version()} " in (ROOT / "docs" / "playground.md").read_text()
    assert KWOK.endswith(e2e_kwok.version())


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KIND / "values.yaml").read_text())
    return found


def test_its_pools_load_and_its_pods_fit_on_them(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(yaml.safe_dump(values()["config"]))
    clouds = installed_clouds.installed()
    loaded = config.load(path, cluster="", environ={}, clouds=clouds)
    (account,) = loaded.accounts.values()
    assert installed_clouds.makes_nodes(clouds[account.provider], account.settings)
    pods = yaml.safe_load((KIND / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    tolerated = {each["key"] for each in pods["tolerations"]}
    for group in loaded.groups:
        assert pods["nodeSelector"].items() <= group.labels.items()
        assert {each.key for each in group.taints} == tolerated, "or kind's own pods come there"
