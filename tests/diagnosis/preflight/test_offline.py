from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.diagnosis import preflight
from externalgrpc.diagnosis.findings import Severity
from tests.config.test_loading import SEED
from tests.diagnosis.preflight.test_online import INSTALLED, group, loaded, reported

GOOD = "provider-id @@NODE_LABELS@@ @@TAINTS@@"


def offline(folder: Path, text: str, script: str = GOOD) -> preflight.Report:
    configuration = loaded(folder, text)
    (folder / "join.sh").write_text(f"#!/bin/sh\n{script}\n")
    configuration = config.load(
        folder / "config.yaml", cluster="demo", environ={"VENDOR_TOKEN": "x"}, clouds=INSTALLED
    )
    return preflight.check_offline(configuration, INSTALLED)


def test_a_right_group_has_nothing_to_tell(tmp_path: Path) -> None:
    report = offline(tmp_path, group())
    assert reported(report) == []
    assert report.ok
    assert report.severity is Severity.FINE
    assert not report.online
    assert [account.name for account in report.accounts] == ["hetzner"]


def test_the_seed_loads_and_has_no_way_to_join(tmp_path: Path) -> None:
    report = offline(tmp_path, SEED)
    assert reported(report)[0].startswith(
        "TROUBLE join: its machines have no way to join the cluster: add kubernetes:"
    )
    assert reported(report)[1].startswith("WARNING image: no image is named")
    assert not report.ok


def test_simulated_machines_and_images_join(tmp_path: Path) -> None:
    assert (
        reported(offline(tmp_path, group(provider="memory", userDataFile=None, image=None))) == []
    )
    assert reported(offline(tmp_path, group(userDataFile=None, join="image"))) == []


@pytest.mark.parametrize(
    ("changed", "script", "expected"),
    [
        ({"labels": "{a: b}"}, "provider-id", "WARNING labels: the autoscaler is promised labels"),
        ({"labels": "{a: b}"}, "provider-id @@LABELS@@", ""),
        (
            {"taints": "[{key: a, effect: NoExecute}]"},
            "provider-id",
            "WARNING taints: the user",
        ),
        ({}, "echo", "NOTE providerID: the user-data does not mention the provider id"),
        ({}, "@@PROVIDER_ID_SCHEME@@", ""),
        ({"minSize": "1"}, GOOD, "NOTE minSize: the autoscaler never shrinks below it"),
        ({"maxSize": "0"}, GOOD, "NOTE maxSize: the group may not grow"),
        ({"region": None, "regions": "[fsn1, nbg1]"}, GOOD, "NOTE regions: several regions"),
        ({"publicIPv4": "false"}, GOOD, "NOTE network: its machines have IPv6 only"),
        ({"publicIPv4": "false", "networks": "[n]"}, GOOD, ""),
        ({"publicIPv4": "false", "publicIPv6": "false"}, GOOD, "TROUBLE network: its machines wou"),
        ({"publicIPv4": "false", "publicIPv6": "false", "networks": "[n]"}, GOOD, ""),
    ],
)
def test_what_will_go_wrong_is_reported(
    tmp_path: Path, changed: dict[str, str | None], script: str, expected: str
) -> None:
    found = reported(offline(tmp_path, group(**changed), script))
    assert len(found) == bool(expected)
    assert all(each.startswith(expected) for each in found)
