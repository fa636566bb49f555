from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from externalgrpc import config
from externalgrpc.diagnosis import preflight
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import GroupReport, Report
from externalgrpc.model import groups, installed_clouds
from providers import contract, errors, memory
from providers.memory import datacenter
from tests.config.test_loading import SEED

PLANS = (
    ("cx23", 2, 4, "amd64", "0.0088", ("fsn1", "nbg1", "hel1")),
    ("cx33", 4, 8, "amd64", "0.0136", ("fsn1", "nbg1", "hel1")),
    ("cpx21", 3, 4, "amd64", "0.0130", ("ash",)),
    ("cpx22", 2, 4, "amd64", "0.0312", ("fsn1", "nbg1")),
    ("cax11", 2, 4, "arm64", "0.0072", ("fsn1",)),
    ("ccx13", 2, 8, "amd64", "0.0689", ("fsn1", "ash")),
)
CATALOGUE = (
    *(
        datacenter.Plan(
            name=name,
            cpu=cpu,
            memory_gib=memory_gib,
            arch="arm64" if arch == "arm64" else "amd64",
            price_per_hour=Decimal(price),
            locations=places,
        )
        for name, cpu, memory_gib, arch, price, places in PLANS
    ),
    datacenter.Plan(name="cx22", cpu=2, memory_gib=4, deprecated=True, locations=("fsn1",)),
    datacenter.Plan(name="gone", cpu=2, memory_gib=4, deprecated=True, locations=("ash",)),
    datacenter.Plan(name="gpu-half", cpu=2, memory_gib=4, gpu_model="A16", locations=("fsn1",)),
    datacenter.Plan(name="gpu-one", cpu=2, memory_gib=4, gpus=1, locations=("fsn1",)),
)
PLACES = ("fsn1", "nbg1", "hel1", "ash")


class Vendor(memory.MemoryCloud):
    """A real cloud, to all appearance: it wants a token, and its machines do not join alone."""

    scheme: ClassVar[str] = "vendor"
    token_variable: ClassVar[str] = "VENDOR_TOKEN"
    joins_by_itself: ClassVar[bool] = False

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """Sell no card in parts as a whole one."""
        return super().machine_types()


INSTALLED: dict[str, installed_clouds.Cloud] = {"hetzner": Vendor, "memory": memory.MemoryCloud}
Build = Callable[[contract.Login, datacenter.Datacenter], contract.Provider]


def loaded(folder: Path, text: str) -> groups.Config:
    path = folder / "config.yaml"
    path.write_text(text)
    (folder / "join.sh").write_text(
        "#!/bin/sh\nkubelet --provider-id=vendor://1 --node-labels=@@NODE_LABELS@@ "
        "--register-with-taints=@@TAINTS@@\n"
    )
    return config.load(path, cluster="demo", environ={"VENDOR_TOKEN": "x"}, clouds=INSTALLED)


def checked(
    folder: Path,
    text: str,
    *,
    build: Build | None = None,
    rent: tuple[tuple[str, str], ...] = (),
    **changed: object,
) -> Report:
    """Check a file against a cloud with the catalogue above; ``rent`` puts machines into it."""
    options = datacenter.Options(
        **{
            "machine_types": CATALOGUE,
            "locations": PLACES,
            "list_latency_s": 0.0,
            "create_latency_s": 0.0,
            **changed,
        }  # type: ignore[arg-type]
    )
    center = datacenter.Datacenter(options)

    def open_provider(account: groups.Account) -> contract.Provider:
        login = contract.Login(account=account.name, cluster="demo", token=account.token)
        provider = Vendor(login, cloud=center) if build is None else build(login, center)
        for number, (cluster, group) in enumerate(rent):
            type_ = next(each for each in provider.machine_types() if each.name == "cx23")
            neighbour = Vendor(dataclasses.replace(login, cluster=cluster), cloud=center)
            neighbour.create(
                contract.Order(
                    node_name=f"n{number}",
                    cluster=cluster,
                    group=group,
                    machine_type=type_,
                    location="fsn1",
                    image="",
                    user_data="",
                )
            )
        return provider

    return preflight.check_online(loaded(folder, text), INSTALLED, open_provider)


def group(**changed: str | None) -> str:
    keys = {
        "name": "a",
        "maxSize": "3",
        "instanceType": "cx23",
        "provider": "hetzner",
        "region": "fsn1",
        "image": "ubuntu-24.04",
        "userDataFile": "join.sh",
    }
    lines = [f"{key}: {value}" for key, value in {**keys, **changed}.items() if value is not None]
    return "nodes:\n- " + "\n  ".join(lines) + "\n"


def reported(report: Report | GroupReport) -> list[str]:
    found = report.findings() if isinstance(report, Report) else report.findings
    return [f"{each.severity.name} {each.subject}: {each.what}. {each.cure}" for each in found]


def test_a_right_group_passes(tmp_path: Path) -> None:
    report = checked(tmp_path, group())
    assert reported(report) == ["FINE token: it works. "]
    assert report.ok
    assert report.online
    (account,) = report.accounts
    assert (account.machines, account.machine_types) == (0, len(CATALOGUE))
    assert account.budget is not None
    assert account.quota is not None
    (candidate,) = report.groups[0].candidates
    assert candidate.machine_type is not None
    assert candidate.offer is not None
    assert candidate.price_per_hour == Decimal("0.0096")


def test_the_seeds_type_is_gone_and_its_successor_is_named(tmp_path: Path) -> None:
    report = checked(tmp_path, SEED)
    assert not report.ok
    (gone,) = [each for each in report.findings() if each.subject == "cx21"]
    assert gone.severity is Severity.TROUBLE
    assert gone.what == "hetzner has no machine type cx21, or has it no more"
    assert gone.cure.startswith("Nearest: cx23 (2 cpu, 4 GiB, amd64, 0.0096 EUR/h in fsn1), cx33 (")
    assert any(each.subject == "join" for each in report.findings())


def test_with_a_known_shape_successors_are_alike_and_cheap(tmp_path: Path) -> None:
    report = checked(tmp_path, group(instanceType="cx22"))
    (going,) = [each for each in report.findings() if each.subject == "cx22"]
    assert going.severity is Severity.WARNING
    assert going.what == "hetzner is going to withdraw cx22"
    names = [part.split(" (")[0] for part in going.cure.removeprefix("Nearest: ").split("), ")]
    assert names[:2] == ["cx23", "cpx22"]
    assert report.ok


def test_a_sibling_tells_the_shape_of_a_type_that_is_gone(tmp_path: Path) -> None:
    report = checked(tmp_path, group(instanceType=None, instanceTypes="[cx33, zz9]"))
    (gone,) = [each for each in report.findings() if each.subject == "zz9"]
    assert gone.cure.startswith("Nearest: cx33 (4 cpu, 8 GiB")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"region": "fsn2"}, "TROUBLE fsn2: hetzner has no region fsn2, or offers nothing there. "
         "Did you mean fsn1?"),
        ({"region": "ash"}, "TROUBLE offers: nothing that the group may order is offered where it"),
        ({"instanceType": "gone", "region": "fsn1"}, "TROUBLE offers: nothing that the group may"),
        ({"region": None, "regions": "[fsn1, ash]"}, "NOTE cx23 in ash: is not offered"),
        ({"instanceType": "gpu-half"}, "TROUBLE gpu-half: gpu-half is a fraction of a A16: Kube"),
        ({"instanceType": None, "instanceTypes": "[cx23, cpx22]"}, "FINE token: it works"),
        (
            {"instanceType": None, "instanceTypes": "[cx23, cx33]"},
            "WARNING cx33: differs from cx23 in cpu (2 and 4), memory (4 GiB and 8 GiB); the auto",
        ),
        (
            {"instanceType": None, "instanceTypes": "[cx23, cax11]"},
            "TROUBLE cax11: differs from cx23 in architecture (amd64 and arm64); ",
        ),
        (
            {"instanceType": None, "instanceTypes": "[cx23, gpu-one]"},
            "TROUBLE gpu-one: differs from cx23 in gpus (0 and 1); ",
        ),
        ({"maxSize": "900"}, "WARNING quota: its groups may grow to 900 machines; the account may "
         "have 500."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported(
    tmp_path: Path, changed: dict[str, str | None], expected: str
) -> None:
    report = checked(tmp_path, group(**changed), quota=500)
    found = reported(report)
    assert any(each.startswith(expected) for each in found), found
    worst = Severity[expected.split(maxsplit=1)[0]]
    assert report.severity >= worst
    assert report.ok is (report.severity < Severity.TROUBLE)


def test_types_of_one_shape_are_not_complained_about(tmp_path: Path) -> None:
    report = checked(tmp_path, group(instanceType=None, instanceTypes="[cx23, cpx22]"))
    assert reported(report) == ["FINE token: it works. "]


def test_stock_is_reported_and_only_a_warning(tmp_path: Path) -> None:
    text = group(region=None, regions="[fsn1, nbg1]")
    report = checked(tmp_path, text, stock={"cx23/fsn1": 0})
    assert "NOTE cx23 in fsn1: is sold out now. " in reported(report)
    assert report.severity is Severity.NOTE
    report = checked(tmp_path, text, stock={"cx23/fsn1": 0, "cx23/nbg1": 0})
    assert any(each.startswith("WARNING stock: everything that") for each in reported(report))
    assert report.ok


def test_prices_need_a_rate_to_our_currency(tmp_path: Path) -> None:
    report = checked(tmp_path, group(), currency="USD")
    assert report.groups[0].candidates[0].price_per_hour is None
    assert any(
        each.startswith("WARNING prices: prices are in USD, and there is no rate to EUR")
        for each in reported(report)
    )
    mistyped = checked(tmp_path, "exchangeRates: {UDS: 0.5}\n" + group(), currency="USD")
    assert any(each.endswith("is worth in EUR; it has UDS only") for each in reported(mistyped))
    rated = checked(
        tmp_path, "exchangeRates: {USD: 0.5}\n" + group(publicIPv4="false"), currency="USD"
    )
    assert rated.groups[0].candidates[0].price_per_hour == Decimal("0.0044")


def test_the_cloud_is_asked_about_each_type_and_each_place_once(tmp_path: Path) -> None:
    asked: list[contract.Order] = []

    class Curious(Vendor):
        def check_order(self, order: contract.Order) -> tuple[str, ...]:
            asked.append(order)
            return (f"no image for {order.machine_type.arch}", "no key ops")

    text = group(
        instanceType=None, instanceTypes="[cx23, cx33]", region=None, regions="[fsn1, nbg1, hel1]"
    )
    report = checked(tmp_path, text, build=lambda login, center: Curious(login, cloud=center))
    assert [(order.machine_type.name, order.location) for order in asked] == [
        ("cx23", "fsn1"),
        ("cx23", "nbg1"),
        ("cx23", "hel1"),
        ("cx33", "fsn1"),
    ]
    assert asked[0].user_data.startswith("#!/bin/sh\nkubelet --provider-id")
    assert "@@" not in asked[0].user_data
    failures = [each for each in report.groups[0].findings if each.severity is Severity.TROUBLE]
    assert failures == [
        Finding(severity=Severity.TROUBLE, subject="order", what="no image for amd64"),
        Finding(severity=Severity.TROUBLE, subject="order", what="no key ops"),
    ]


def test_user_data_that_is_too_large_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(login: contract.Login, center: datacenter.Datacenter) -> contract.Provider:
        monkeypatch.setattr(Vendor, "user_data_limit_bytes", 50)
        return Vendor(login, cloud=center)

    report = checked(tmp_path, group(), build=build)
    assert any("bytes; the cloud takes 50" in each for each in reported(report))
    assert not report.ok


def test_machines_of_groups_that_are_not_configured_are_reported(tmp_path: Path) -> None:
    rent = (("demo", "a"), ("demo", "old"), ("demo", "old"), ("demo", ""), ("other", "x"))
    report = checked(tmp_path, group(), rent=rent)
    orphans = [each.what for each in report.findings() if each.subject == "orphans"]
    assert orphans == [
        "1 machines carry this cluster's mark and are of no group",
        "2 machines carry this cluster's mark and are of a group 'old' that is not configured",
    ]
    assert report.accounts[0].machines == 4


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (errors.BadCredentials("unable to authenticate"), "Give the account a token that is valid"),
        (errors.Throttled("slow down"), "The account's rate limit is used up"),
        (errors.Unreachable("no route"), "Look at the network, the endpoint"),
        (errors.BadOrder("what?"), ""),
    ],
)
def test_a_cloud_that_refuses_is_a_finding_and_the_other_is_asked(
    tmp_path: Path, error: errors.CloudError, cure: str
) -> None:
    closed: list[str] = []

    class Deaf(Vendor):
        def instances(self) -> tuple[contract.Instance, ...]:
            raise error

        def close(self) -> None:
            closed.append(self.scheme)

    def build(login: contract.Login, center: datacenter.Datacenter) -> contract.Provider:
        return (Deaf if login.account == "deaf" else Vendor)(login, cloud=center)

    (tmp_path / "token").write_text("y")
    text = (
        "accounts:\n- {name: deaf, provider: hetzner, tokenFile: token}\n"
        "- {name: fine, provider: hetzner}\n"
        + group(account="deaf")
        + group(name="b", account="fine", instanceType="zz").removeprefix("nodes:\n")
    )
    report = checked(tmp_path, text, build=build)
    deaf, fine = report.accounts
    (finding,) = deaf.findings
    assert (finding.severity, finding.subject) == (Severity.TROUBLE, "machines")
    assert finding.what == error.message
    assert finding.cure.startswith(cure)
    assert fine.findings[0].subject == "token"
    assert report.groups[0].candidates == ()
    assert any(each.subject == "zz" for each in report.groups[1].findings)
    assert closed == ["vendor"]


def test_two_tokens_of_one_project_are_noticed_by_their_machines(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("y")
    text = (
        "accounts:\n- {name: one, provider: hetzner}\n"
        "- {name: two, provider: hetzner, tokenFile: token}\n" + group(account="one")
    )
    assert checked(tmp_path, text).ok
    report = checked(tmp_path, text, rent=(("demo", "a"),))
    one, two = report.accounts
    assert [each.subject for each in one.findings] == ["token"]
    assert [each.what for each in two.findings if each.severity is Severity.TROUBLE] == [
        "it shows the machines of account one: each would count twice"
    ]


def test_a_cloud_that_cannot_be_opened_is_a_finding(tmp_path: Path) -> None:
    def open_provider(account: groups.Account) -> contract.Provider:
        raise errors.BadCredentials("no", account=account.name)

    report = preflight.check_online(loaded(tmp_path, group()), INSTALLED, open_provider)
    assert [each.split(".")[0] for each in reported(report)] == ["TROUBLE login: no"]


def test_a_budget_that_is_nearly_used_up_is_reported(tmp_path: Path) -> None:
    report = checked(tmp_path, group(), burst=100, requests_per_hour=100)
    assert not any(each.subject == "budget" for each in report.findings())
    report = checked(tmp_path, group(), burst=4, requests_per_hour=1)
    found = reported(report)
    assert any(each.startswith("WARNING budget: 0 of 4 requests are left") for each in found)
    assert any(each.startswith("TROUBLE order: ") and "rate limit" in each for each in found)


def test_a_report_is_json(tmp_path: Path) -> None:
    plain = json.loads(json.dumps(preflight.plain(checked(tmp_path, SEED))))
    assert plain["ok"] is False
    assert plain["severity"] == "trouble"
    assert plain["groups"][0]["findings"][0]["severity"] == "trouble"
    right = json.loads(json.dumps(preflight.plain(checked(tmp_path, group()))))
    assert right["groups"][0]["candidates"][0]["pricePerHour"] == "0.0096"
    assert right["groups"][0]["candidates"][0]["instanceType"] == "cx23"


@pytest.mark.parametrize("online", [True, False])
def test_a_label_that_the_cloud_contradicts_fails(tmp_path: Path, *, online: bool) -> None:
    """Without asking anybody where places are concerned, and the catalogue where types are."""

    def report(key: str, value: str, **changed: str) -> Report:
        text = group(labels=f"{{{key}: {value}}}", **changed)
        if online:
            return checked(tmp_path, text)
        return preflight.check_offline(loaded(tmp_path, text), INSTALLED, of_the_class)

    def of_the_class(account: groups.Account) -> contract.Provider:
        return Vendor(contract.Login(account=account.name, cluster="demo", token="x"))

    for key in ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"):
        assert report(key, "fsn1").ok
        said = "\n".join(reported(report(key, "nbg1")))
        assert f"TROUBLE labels: {key} says 'nbg1', and cx23 in fsn1 is 'fsn1'" in said
    wide = report("topology.kubernetes.io/region", "fsn1", region=None, regions="[fsn1, nbg1]")
    assert not wide.ok, "machines of the group stand elsewhere too"
    assert report("topology.kubernetes.io/zone", "rack-7").ok, "the cloud has no zones"
    assert report("kubernetes.io/arch", "arm64").ok is not online
    assert report("kubernetes.io/arch", "amd64").ok
