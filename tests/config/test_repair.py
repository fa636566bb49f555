"""What a group may say of the repair of its machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.test_loading import load, mistakes

FILE = """\
cluster: demo
kubernetes: {}
nodes:
- {name: web, provider: dream, instanceType: small, region: north, maxSize: 3, join: image,
   repair: %s}
"""


@pytest.mark.parametrize(
    ("said", "after_s"),
    [("{}", None), ("{notReadyFor: 15m}", 900.0), ("{notReadyFor: 5m}", 300.0)],
)
def test_it_is_read_and_nothing_is_repaired_unless_it_is_asked_for(
    tmp_path: Path, said: str, after_s: float | None
) -> None:
    assert load(tmp_path, FILE % said).groups[0].repair_after_s == after_s


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "{notReadyFor: 299s}",
            "nodes[0].repair.notReadyFor: 299 s is too short: a machine that only starts again "
            "would be deleted. Say 5m at least; 15m is usual",
        ),
        (
            "{notReadyFor: 15}",
            "nodes[0].repair.notReadyFor: must be a duration with its unit, not 15 (a number). "
            "Write it like 15m, 90s or 1h30m",
        ),
        ("{unreadyFor: 15m}", "unreadyFor: is not a known key. Did you mean notReadyFor?"),
    ],
)
def test_what_cannot_be_says_why_and_the_cure(tmp_path: Path, said: str, message: str) -> None:
    (result,) = mistakes(tmp_path, FILE % said)
    assert message in result


def test_it_takes_a_cluster_to_look_at(tmp_path: Path) -> None:
    text = (FILE % "{notReadyFor: 15m}").replace("kubernetes: {}\n", "")
    (result,) = mistakes(tmp_path, text)
    assert "nodes[0].repair: needs to know the cluster: whether a Node is ready is seen" in result
    assert result.endswith("Add kubernetes: to the file, or remove repair")
