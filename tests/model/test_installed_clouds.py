from __future__ import annotations

import importlib.metadata
import sys

import pytest

from externalgrpc.model import installed_clouds
from providers import contract
from tests.config import fake_clouds


def points(**named: str) -> installed_clouds.Installed:
    return installed_clouds.Installed(
        importlib.metadata.EntryPoint(name=name, value=value, group=contract.ENTRY_POINT_GROUP)
        for name, value in named.items()
    )


def test_our_own_clouds_are_installed() -> None:
    found = installed_clouds.installed()
    assert "memory" in found
    assert found["memory"].scheme == "memory"
    assert installed_clouds.joins_by_itself(found["memory"])


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    found = points(later="xml.dom.pulldom:PullDOM")
    sys.modules.pop("xml.dom.pulldom", None)
    assert list(found) == ["later"]
    assert len(found) == 1
    assert "later" in found
    assert list(found.within("xml")) == ["later"]
    assert list(found.within("xm")) == []
    assert "xml.dom.pulldom" not in sys.modules
    with pytest.raises(
        installed_clouds.BrokenCloud, match=r"later.*is no cloud: .*create\(\) is missing"
    ):
        found["later"]
    assert "xml.dom.pulldom" in sys.modules


def test_an_unknown_cloud_is_reported_with_the_known_ones() -> None:
    found = points(b="x:X", a="x:X")
    with pytest.raises(installed_clouds.UnknownCloud) as caught:
        found["c"]
    assert str(caught.value) == "no cloud is called 'c' (known: a, b)"
    with pytest.raises(KeyError):
        found["c"]
    with pytest.raises(installed_clouds.UnknownCloud, match="none is installed"):
        points()["c"]


def test_a_cloud_whose_import_fails_is_reported() -> None:
    with pytest.raises(
        installed_clouds.BrokenCloud, match=r"cloud 'x' \(nowhere:X\) cannot be imported"
    ):
        points(x="nowhere:X")["x"]


def test_what_is_no_cloud_is_reported_in_full() -> None:
    assert installed_clouds.problems("x", 7) == ("the entry point does not name a class",)
    findings = installed_clouds.problems("X_", fake_clouds.Plain)
    assert "'X_' is not a lower-case name" in findings
    assert "instances() is missing" in findings
    assert not any("scheme" in each or "options" in each for each in findings)
    bare = installed_clouds.problems("x", object)
    for word in ("scheme", "token_variable", "supports", "account_options", "group_options"):
        assert any(word in each for each in bare)


def test_a_cloud_that_says_nothing_of_joining_does_not_join_by_itself() -> None:
    class Silent:
        pass

    assert not installed_clouds.joins_by_itself(Silent)  # type: ignore[arg-type]
    assert any(
        "user_data_limit_bytes is missing" in problem
        for problem in installed_clouds.problems("x", Silent)
    )
    assert not any(
        "user_data" in item for item in installed_clouds.problems("x", fake_clouds.Plain)
    )
