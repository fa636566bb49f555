"""What the scenarios lean on; this runs with the ordinary tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e import binaries, machines
from tests.e2e.cloud import Server


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_without_a_binary_it_says_what_is_needed_and_where_it_is() -> None:
    with pytest.raises(binaries.MissingError) as missing:
        binaries.find({"PATH": "/nowhere"})
    text = str(missing.value)
    assert "not on PATH" in text
    assert "CLUSTER_AUTOSCALER" in text
    assert "official image" in text


def test_a_named_binary_that_is_none_is_reported(tmp_path: Path) -> None:
    good = program(tmp_path, "cluster-autoscaler")
    plain = tmp_path / "notes.txt"
    plain.write_text("no program")
    named = os.pathsep.join(str(each) for each in (good, plain))
    with pytest.raises(binaries.MissingError, match=r"notes\.txt"):
        binaries.find({"CLUSTER_AUTOSCALER": named})


def test_the_binary_on_the_path_is_taken_unless_others_are_named(tmp_path: Path) -> None:
    found = program(tmp_path / "bin", "cluster-autoscaler")
    old = program(tmp_path, "cluster-autoscaler-1.31")
    new = program(tmp_path, "cluster-autoscaler-1.36")
    path = {"PATH": str(found.parent)}
    assert binaries.find(path) == (found,)
    named = {"CLUSTER_AUTOSCALER": f"{new}{os.pathsep}{old}{os.pathsep}{new}"}
    assert binaries.find(path | named) == (new, old)
    assert binaries.labels((new, old)) == ("1.36", "1.31")
    assert len(set(binaries.labels((found, tmp_path / "other" / found.name)))) == 2


def test_a_node_is_what_its_user_data_orders() -> None:
    u_s_e_r__d_a_t_a = machines.USER_DATA
    for name, value in {
        "NODE_NAME": "web-bcdfgh",
        "NODE_LABELS": "node.kubernetes.io/instance-type=cx23,tier=web",
        "TAINTS": "batch=yes:NoSchedule,spot=:NoExecute",
        "PROVIDER_ID_SCHEME": "hcloud",
    }.items():
        assert f"@@{name}@@" in u_s_e_r__d_a_t_a
        u_s_e_r__d_a_t_a = u_s_e_r__d_a_t_a.replace(f"@@{name}@@", value)
    server = Server(
        id=4711,
        name="web-bcdfgh",
        status="running",
        group="web",
        machine_type="cx23",
        location="fsn1",
        user_data=u_s_e_r__d_a_t_a,
    )
    shape = {"cores": 2, "memory": 4.0, "disk": 40, "architecture": "x86"}
    node = machines.node(server, shape, **machines.ordered(server.user_data))
    assert node["spec"]["providerID"] == "hcloud://4711"
    assert node["metadata"]["labels"]["tier"] == "web"
    assert node["spec"]["taints"] == [
        {"key": "batch", "value": "yes", "effect": "NoSchedule"},
        {"key": "spot", "value": "", "effect": "NoExecute"},
    ]
    no_taints = u_s_e_r__d_a_t_a.replace("batch=yes:NoSchedule,spot=:NoExecute", "")
    assert machines.ordered(no_taints)["taints"] == []
