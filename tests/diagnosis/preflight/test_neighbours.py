"""Whose machines are in the project: a renamed cluster is a mistake, others are one line each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from externalgrpc.diagnosis.preflight import check_online, neighbours
from externalgrpc.kube import identity
from externalgrpc.model import groups
from providers import contract, errors, memory
from providers.memory import datacenter
from tests.diagnosis import cluster as clusters
from tests.diagnosis.preflight.test_online import INSTALLED, Vendor, loaded

OURS, OTHERS = "aaaaaaaaaa", "bbbbbbbbbb"


def judged(
    *found: tuple[str, str, int], own: str = OURS, words: Mapping[str, str] | None = None
) -> list[str]:
    account = groups.Account(name="h", provider="hetzner", foreign=words or {})
    reported = neighbours.judge(
        account,
        [contract.Neighbour(cluster=c, identity=i, count=n) for c, i, n in found],
        cluster="demo",
        identity=own,
    )
    return [f"{each.severity.name} {each.what}. {each.cure}" for each in reported]


def test_our_own_are_no_finding() -> None:
    assert judged(("demo", OURS, 3), ("demo", "", 2)) == []
    assert judged(("demo", OURS, 3), own="") == []
    assert judged(("demo", "", 3), own="") == []


def test_our_identity_under_another_name_is_a_mistake() -> None:
    (one,) = judged(("demo", OURS, 3), ("old", OURS, 2))
    assert one.startswith("TROUBLE 2 machines of this very cluster carry the name 'old'")
    assert "was it renamed?" in one
    assert one.endswith("vps-autoscaler purge --cluster old")


def test_others_are_one_line_each() -> None:
    assert judged(("else", OTHERS, 2), ("older", "", 1)) == [
        f"NOTE 2 machines of cluster 'else' (identity {OTHERS}). ",
        "NOTE 1 machines of cluster 'older'. ",
    ]
    assert judged(("else", "", 1), own="") == ["NOTE 1 machines of cluster 'else'. "]


def test_another_identity_under_our_name_is_a_warning_until_the_operator_said_his_word() -> None:
    found = (("demo", OURS, 3), ("demo", OTHERS, 2))
    (one,) = judged(*found)
    assert one.startswith(f"WARNING 2 machines of this cluster's name carry the identity {OTHERS}")
    assert f"purge --config FILE --identity {OTHERS}" in one
    (said,) = judged(*found, words={OTHERS: "ignore"})
    assert said.startswith("NOTE")
    assert "foreign says: ignore" in said
    (alone,) = judged(("demo", "", 1), ("demo", OTHERS, 2), own="")
    assert alone.startswith(
        f"WARNING 2 machines of this cluster's name carry the identity {OTHERS}."
    )


def test_machines_of_several_identities_are_strangers_whoever_we_are() -> None:
    for own in ("", OURS):
        (one,) = judged(("demo", contract.NOBODYS, 1), own=own)
        assert one.startswith("WARNING")
        assert "--identity" not in one


class Deaf(Vendor):
    """A cloud that does not show whose machines there are."""

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Refuse."""
        raise errors.Unreachable("no way", account="hetzner", operation="neighbours")


@pytest.mark.parametrize("cloud", [Vendor, Deaf])
def test_check_online_asks_cloud_and_cluster(tmp_path: Path, cloud: type[Vendor]) -> None:
    with clusters.running() as server:
        own = identity.shortened(server.uid)
        text = (
            f"kubernetes: {{kubeconfig: {clusters.kubeconfig(server, tmp_path)}}}\n"
            "nodes:\n- {name: a, maxSize: 3, instanceType: small, provider: hetzner,"
            " region: north, image: x, userDataFile: join.sh}\n"
        )
        center = datacenter.Datacenter(datacenter.Options(list_latency_s=0, create_latency_s=0))
        old = memory.MemoryCloud(contract.Login(account="x", cluster="old", token=""), cloud=center)
        old.create(
            contract.Order(
                node_name="a-1",
                cluster="old",
                group="a",
                identity=own,
                machine_type=next(each for each in old.machine_types() if each.name == "small"),
                location="north",
                image="",
                user_data="",
            )
        )
        report = check_online(
            loaded(tmp_path, text),
            INSTALLED,
            lambda account: cloud(
                contract.Login(account=account.name, cluster="demo", token="x"), cloud=center
            ),
        )
    found = [each for each in report.accounts[0].findings if each.subject == "neighbours"]
    (one,) = found
    if cloud is Deaf:
        assert "could not be told: " in one.what
        return
    assert "carry the name 'old'" in one.what
    assert not report.ok
