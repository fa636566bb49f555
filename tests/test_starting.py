"""A start asks for everything at once, and imports nothing that it does not use."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from externalgrpc import assembly, cli
from externalgrpc.control import lane
from externalgrpc.support import version
from providers import errors, memory
from providers.memory import datacenter
from tests import serving

TOGETHER_S = 20.0
UNUSED = {
    *("hcloud", "linode_api4", "kubernetes", "requests", "httpcore", "rich", "certifi"),
    "cryptography",
    *(
        "externalgrpc.joining.registrar",
        "externalgrpc.kube",
        "externalgrpc.diagnosis.doctor",
        "externalgrpc.commands.purging",
    ),
    *("externalgrpc.commands.check", "externalgrpc.commands.purge", "externalgrpc.commands.demo"),
    "externalgrpc.nodes.price_list",
    *("providers.hetzner", "providers.linode", "providers.digitalocean", "providers.vultr"),
}
LOADED = """
import sys
from externalgrpc import cli
from externalgrpc.commands import running
def said(*_):
    print(" ".join(sys.modules), flush=True)
    raise SystemExit
running.announce = said
sys.argv = ["x", "serve", "--config", sys.argv[1], "--listen", "127.0.0.1:0", "--no-live"]
cli.main()
"""


class Meeting(memory.MemoryCloud):
    """A cloud that answers the first three questions only when all three have been asked."""

    barrier: threading.Barrier

    def instances(self):
        self.barrier.wait(TOGETHER_S)
        return super().instances()

    def machine_types(self):
        self.barrier.wait(TOGETHER_S)
        return super().machine_types()

    def offers(self):
        self.barrier.wait(TOGETHER_S)
        return super().offers()


def test_listing_types_and_prices_are_asked_for_at_once(tmp_path):
    made, installed = serving.loaded(tmp_path, serving.TWO_POOLS)
    cloud = datacenter.Datacenter(datacenter.Options(list_latency_s=0.0))
    Meeting.barrier = threading.Barrier(3)
    parts = assembly.Parts(open_provider=lambda _cloud, login: Meeting(login, cloud=cloud))
    plant = assembly.Assembly(made, installed, parts)
    plant.start()
    try:
        assert plant.reconciler.await_first_listings(TOGETHER_S)
        assert not Meeting.barrier.broken
    finally:
        plant.stop(5.0)


def test_two_questions_are_asked_side_by_side():
    barrier = threading.Barrier(2)

    def question(answer):
        def ask():
            barrier.wait(TOGETHER_S)
            return answer

        return ask

    assert lane.side_by_side(question(1), question("two")) == (1, "two")


@pytest.mark.parametrize("which", [0, 1])
def test_the_error_of_either_question_is_raised_when_both_have_ended(which):
    ended = threading.Event()

    def fails():
        raise errors.Unreachable("no answer")

    def succeeds():
        ended.set()

    with pytest.raises(errors.Unreachable):
        lane.side_by_side(*((fails, succeeds) if which == 0 else (succeeds, fails)))
    assert ended.is_set()


def test_serving_from_memory_imports_nothing_that_it_does_not_use(tmp_path):
    path = tmp_path / "pools.yaml"
    path.write_text(serving.TWO_POOLS)
    output = subprocess.run(
        [sys.executable, "-c", LOADED, str(path)], capture_output=True, text=True, check=False
    )
    loaded = set(output.stdout.split())
    assert "externalgrpc.rpc.server" in loaded, output.stderr
    assert not loaded & UNUSED


def test_every_command_is_where_it_is_said_to_be():
    for name in cli.COMMANDS:
        command = cli.cli.get_command(None, name)
        assert command is not None
        assert command.name == name


def test_the_version_is_that_of_the_package():
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    assert project["project"]["version"] == version.VERSION
