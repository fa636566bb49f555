"""Why a group has no further node, and why a machine is no node yet."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from externalgrpc import cli
from externalgrpc.diagnosis import reasons
from externalgrpc.diagnosis.findings import Severity
from externalgrpc.pb import fleet_pb2 as pb
from tests import serving


def machine(**fields):
    shown = pb.ShowResponse(machines=[pb.Machine(name="m-1", age_seconds=5, **fields)])
    (found,) = reasons.explain(shown, "m-1")
    return found


@pytest.mark.parametrize(
    ("fields", "severity", "words"),
    [
        ({"phase": "running", "step": "ready"}, Severity.FINE, "is a node"),
        ({"phase": "running", "registered": True}, Severity.FINE, "as far as the autoscaler"),
        ({"phase": "running"}, Severity.NOTE, "not known"),
        ({"phase": "running", "step": "csr"}, Severity.NOTE, "asked for a certificate"),
        ({"phase": "running", "step": "node"}, Severity.NOTE, "is not Ready"),
        ({"phase": "creating", "step": "created"}, Severity.NOTE, "or it boots"),
        ({"phase": "held"}, Severity.NOTE, "waits to be ordered."),
        ({"phase": "unsure"}, Severity.NOTE, "has not answered"),
        ({"phase": "stopped", "step": "ready"}, Severity.WARNING, "stopped"),
        ({"phase": "orphan"}, Severity.WARNING, "no group"),
        ({"phase": "deleting", "step": "ready"}, Severity.NOTE, "being deleted"),
        ({"phase": "running", "step": "ready", "rival": "n-2"}, Severity.WARNING, "n-2"),
        (
            {"phase": "failed", "error_code": "SoldOut", "error_message": "none left."},
            Severity.WARNING,
            "SoldOut: none left.",
        ),
        (
            {
                "phase": "running",
                "step": "ready",
                "error_code": "NodeUnready",
                "error_message": "its Node is not ready, seen so for 7 min; it is not repaired: x",
            },
            Severity.WARNING,
            "It was a node, and its Node is not ready, seen so for 7 min; it is not repaired: x.",
        ),
        (
            {"phase": "quarantine", "doubt": "Foreign", "doubt_message": "of another cluster"},
            Severity.WARNING,
            "(Foreign): of another cluster.",
        ),
        (
            {
                "phase": "running",
                "step": "running",
                "withheld_code": "JoinTimeout",
                "withheld_message": "no Node",
                "withheld_because": "too many fail",
            },
            Severity.WARNING,
            "is not given up: too many fail.",
        ),
    ],
)
def test_a_machine(fields, severity, words):
    found = machine(**fields)
    assert found.severity is severity
    assert words in found.what
    assert ".." not in found.what


def test_orders_that_are_held_are_said_of_a_machine_that_waits():
    shown = pb.ShowResponse(
        machines=[pb.Machine(name="m", phase="held")], orders_held="Nodes were not read"
    )
    assert "ordered: Nodes were not read." in reasons.explain(shown, "m")[0].what


def test_a_group_of_a_server_that_does_not_say_why_is_no_fine_group():
    (found,) = reasons.explain(pb.ShowResponse(groups=[pb.Group(id="g")]), "g")
    assert found.severity is Severity.WARNING
    assert "older" in found.what


def test_a_code_to_come_is_a_warning():
    group = pb.Group(id="g", why=pb.Answer(code="New", sentence="Something.", cure="Do it."))
    (found,) = reasons.explain(pb.ShowResponse(groups=[group]), "g")
    assert (found.severity, found.what, found.cure) == (Severity.WARNING, "Something.", "Do it.")


def test_a_group_and_a_machine_of_one_name_are_both_answered():
    shown = pb.ShowResponse(groups=[pb.Group(id="x")], machines=[pb.Machine(name="x")])
    assert [each.subject for each in reasons.explain(shown, "x")] == ["group x", "machine x"]


def test_the_command_asks_a_running_server(tmp_path):
    with serving.running(tmp_path) as up:
        serving.until(lambda: up.show().groups[0].why.code == "NotAsked")
        group = up.show().groups[0].id
        run = ["why", "--address", up.address]
        as_json = CliRunner().invoke(cli.cli, [*run, group, "-o", "json"])
        (found,) = json.loads(as_json.stdout)
        assert found["subject"] == f"group {group}"
        assert "the autoscaler asks for no machine" in found["what"]
        table = CliRunner().invoke(cli.cli, [*run, group])
        assert table.exit_code == 0
        assert "why NAMESPACE/POD" in " ".join(table.stdout.split())
        missing = CliRunner().invoke(cli.cli, [*run, "nobody"])
        assert missing.exit_code == 1
        assert group in missing.stderr
