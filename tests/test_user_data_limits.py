"""How large user-data may be is said in one place, and what is measured is what would be sent."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import random
from email.mime import multipart, text
from pathlib import Path
from typing import cast

import pytest

from externalgrpc import assembly, config
from externalgrpc.bootstrap import joining, preview
from externalgrpc.config import joining as measuring
from externalgrpc.control import dryrun
from externalgrpc.diagnosis.findings import Severity
from externalgrpc.diagnosis.preflight import ordering
from externalgrpc.diagnosis.preflight.report import CandidateReport
from externalgrpc.model import credentials, groups, installed_clouds, join_settings
from providers import contract
from tests.diagnosis.preflight import test_online
from tests.providers import linode_bench
from tests.serving import until
from tests.test_nobody_asked import ENVIRON, NOBODY, REAL

INSTALLED = installed_clouds.installed()
GIB = 1024**3
ROOT = Path(__file__).parents[1]
LIMITS = {
    "digitalocean": 64 * 1024,
    "hetzner": 32 * 1024,
    "linode": 16384,
    "memory": 32 * 1024,
    "vultr": 64 * 1024,
}


def load(folder: Path, cloud: str, more: str) -> groups.Config:
    path = folder / "pools.yaml"
    path.write_text(
        f"cluster: test\nkubernetes: {{}}\nnodes:\n- {{name: pool, provider: {cloud}, "
        f"instanceType: small, region: here, maxSize: 3, image: debian-13, {more}}}\n"
    )
    return config.load(path, cluster="", environ=ENVIRON, clouds=INSTALLED)


def opened(cloud: str) -> contract.Provider:
    return INSTALLED[cloud].open(
        contract.Login(account="a", cluster="test", token="t0ken-of-nobody", endpoint=NOBODY)
    )


@pytest.mark.parametrize("cloud", LIMITS)
def test_the_class_says_it_and_no_login_says_otherwise(cloud: str) -> None:
    assert INSTALLED[cloud].user_data_limit_bytes == LIMITS[cloud]
    provider = opened(cloud)
    assert provider.user_data_limit_bytes == LIMITS[cloud]
    assert "user_data_limit_bytes" not in vars(provider)
    provider.close()


def test_a_cloud_that_says_it_of_a_login_only_is_none() -> None:
    class Late:
        user_data_limit_bytes: int

        def __init__(self) -> None:
            self.user_data_limit_bytes = 1000

    message = "user_data_limit_bytes is missing: the class itself must say it"
    assert message in installed_clouds.problems("late", Late)


@pytest.mark.parametrize("cloud", LIMITS)
def test_a_file_is_measured_on_every_cloud(tmp_path: Path, cloud: str) -> None:
    most = LIMITS[cloud]
    head = "#!/bin/sh\n# é\n"
    file = tmp_path / "join.sh"
    file.write_text(head + "x" * (most - len(head.encode())))
    assert load(tmp_path, cloud, "userDataFile: join.sh").groups
    file.write_text(head + "x" * (most - len(head.encode()) + 1))
    with pytest.raises(config.ConfigError) as caught:
        load(tmp_path, cloud, "userDataFile: join.sh")
    message = f"nodes[0].userDataFile: becomes {most + 1} bytes of user-data; {cloud} takes {most}"
    assert message in str(caught.value)


def page() -> dict[str, dict[str, str]]:
    """Return the table of sizes in docs/joining.md: by row, by column."""
    lines = (ROOT / "docs" / "joining.md").read_text().partition("## Sizes")[2].splitlines()
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in lines[: lines.index("## See it happen")]
        if line.startswith("|") and "---" not in line
    ]
    columns = [name.lower() for name in rows[0][1:]]
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows[1:]}


@pytest.mark.parametrize("join", joining.METHODS)
@pytest.mark.parametrize("cloud", REAL)
def test_the_sizes_in_the_docs_are_what_render_shows(tmp_path: Path, cloud: str, join: str) -> None:
    """Within 100 bytes, for compressors differ a little."""
    said = page()
    machine_type, region = said["type and region"][cloud].split(", ")
    path = tmp_path / "pools.yaml"
    path.write_text(
        f"cluster: test\nkubernetes: {{}}\nnodes:\n- {{name: workers, provider: {cloud}, "
        f"instanceType: {machine_type}, region: {region}, maxSize: 3, image: debian-13, "
        f"join: {join}, labels: {{tier: web}}, "
        "taints: [{key: dedicated, value: web, effect: NoSchedule}]}\n"
    )
    found = config.load(path, cluster="", environ=ENVIRON, clouds=INSTALLED)
    provider = opened(cloud)
    size = len(preview.user_data(found, found.groups[0], provider).encode())
    provider.close()
    assert abs(size - int(said[join][cloud].replace(",", ""))) <= 100


def noise(size: int) -> str:
    """Make letters that nobody packs into three quarters of them."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


@pytest.mark.parametrize("hook", ["preJoin", "postJoin"])
@pytest.mark.parametrize("join", joining.METHODS)
@pytest.mark.parametrize("cloud", REAL)
def test_lines_around_a_join_are_measured_on_every_cloud(
    tmp_path: Path, cloud: str, join: str, hook: str
) -> None:
    def more(size: int) -> str:
        return f"join: {join}, joinOptions: {{{hook}: [{json.dumps('# ' + noise(size))}]}}"

    assert load(tmp_path, cloud, more(LIMITS[cloud] - 15_100)).groups
    if cloud == "linode":
        assert load(tmp_path, cloud, more(4096)).groups, "room for lines of anybody's own"
    with pytest.raises(config.ConfigError, match=f"bytes of user-data; {cloud} takes"):
        load(tmp_path, cloud, more(LIMITS[cloud] - (2_000 if cloud == "linode" else 6_000)))


def mime(size: int) -> str:
    """Make user-data of two MIME parts, which nobody packs much below ``size``."""
    made = multipart.MIMEMultipart()
    made.attach(text.MIMEText("#cloud-config\npackages: [git]\n", "cloud-config", "us-ascii"))
    made.attach(text.MIMEText(f"#!/bin/sh\n# {noise(size)}\n", "x-shellscript", "us-ascii"))
    return made.as_string()


KINDS = [
    *(pytest.param(join, hook) for join in joining.METHODS for hook in ("pre_join", "post_join")),
    pytest.param("raw", "user_data"),
]


def pool(join: str, what: str, size: int) -> groups.NodeGroup:
    own = {} if join == "raw" else {what: ("# " + noise(size),)}
    return groups.NodeGroup(
        name="pool",
        account="a",
        candidates=(groups.Candidate("small", "here"),),
        min_size=0,
        max_size=3,
        join=join,
        join_settings=join_settings.JoinSettings(**own),  # type: ignore[arg-type]
        user_data=mime(size) if join == "raw" else "",
    )


@pytest.mark.parametrize(("join", "what"), KINDS)
@pytest.mark.parametrize("cloud", REAL)
def test_what_is_added_is_counted_in_the_file_and_online(
    tmp_path: Path, cloud: str, join: str, what: str
) -> None:
    """By lines around the join, and by MIME parts: what would be sent is what is measured."""
    provider = opened(cloud)
    account = groups.Account(name="a", provider=cloud)
    for size, goes in ((1_000, True), (2 * LIMITS[cloud], False)):
        group = pool(join, what, size)
        found = groups.Config(cluster="c", accounts={"a": account}, groups=(group,))
        kind = contract.MachineType(
            name="small", cpu_millis=2000, memory_bytes=4 * GIB, disk_bytes=0
        )
        offer = contract.Offer(
            machine_type="small",
            location="here",
            price_per_hour=test_online.Decimal(1),
            currency="EUR",
            in_stock=True,
        )
        report = CandidateReport(
            name="small", location="here", machine_type=kind, offer=offer, price_per_hour=None
        )
        orders, problems = ordering.orders(found, group, [report], provider, None)
        assert problems == []
        assert noise(size) in orders[0].user_data.replace("\\n", "")
        assert bool(ordering.size(group, orders, provider)) is not goes
    provider.close()
    key = {"pre_join": "preJoin", "post_join": "postJoin"}.get(what)
    for size, goes in ((1_000, True), (2 * LIMITS[cloud], False)):
        (tmp_path / "own.txt").write_text(mime(size), newline="")
        lines = json.dumps("# " + noise(size))
        more = (
            f"join: {join}, joinOptions: {{{key}: [{lines}]}}" if key else "userDataFile: own.txt"
        )
        with contextlib.nullcontext() if goes else pytest.raises(config.ConfigError, match="takes"):
            load(tmp_path, cloud, more)


@pytest.mark.parametrize("location", ["here", "fsn1", "us-southeast"])
@pytest.mark.parametrize("join", joining.METHODS)
@pytest.mark.parametrize("cloud", REAL)
def test_what_is_measured_without_a_login_is_no_less_than_what_is_sent(
    tmp_path: Path, cloud: str, join: str, location: str
) -> None:
    found = load(tmp_path, cloud, f"join: {join}")
    group = dataclasses.replace(found.groups[0], candidates=(groups.Candidate("small", location),))
    card = contract.MachineType(
        name="small",
        cpu_millis=4000,
        memory_bytes=16 * GIB,
        disk_bytes=80 * GIB,
        gpus=1,
        gpu_model="NVIDIA RTX 4000 Ada",
    )
    provider = opened(cloud)
    sent = preview.ordered(
        found, group, provider, node_name="pool-bbbbbb", machine_type=card, location=location
    )
    provider.close()
    measured = measuring.rendered_bytes(group, INSTALLED[cloud])
    assert len(sent.encode()) <= measured <= len(sent.encode()) + 400


def asked(
    join: str, join_credentials: credentials.JoinCredentials | None = None, **how: object
) -> tuple[groups.NodeGroup, tuple[contract.Order, ...], list[str]]:
    """Make the orders that `check --online` asks a cloud about."""
    group = groups.NodeGroup(
        name="pool",
        account="a",
        candidates=(groups.Candidate("cx23", "fsn1"), groups.Candidate("cx23", "nuremberg")),
        min_size=0,
        max_size=3,
        join=join,
        join_settings=join_settings.JoinSettings(**how),  # type: ignore[arg-type]
        user_data="#!/bin/sh\n",
    )
    account = groups.Account(name="a", provider="hetzner")
    found = groups.Config(cluster="c", accounts={"a": account}, groups=(group,))
    kind = contract.MachineType(
        name="cx23", cpu_millis=2000, memory_bytes=4 * GIB, disk_bytes=40 * GIB
    )
    offer = contract.Offer(
        machine_type="cx23",
        location="",
        price_per_hour=test_online.Decimal(1),
        currency="EUR",
        in_stock=True,
    )
    reports = [
        CandidateReport(
            name=each.machine_type,
            location=each.location,
            machine_type=kind,
            offer=dataclasses.replace(offer, location=each.location),
            price_per_hour=None,
        )
        for each in group.candidates
    ]
    provider = opened("hetzner")
    orders, findings = ordering.orders(found, group, reports, provider, join_credentials)
    provider.close()
    return group, orders, [each.what for each in findings]


@pytest.mark.parametrize("join", [*joining.METHODS, "raw"])
def test_online_asks_about_what_would_be_sent(join: str) -> None:
    _group, orders, unjoinable = asked(join)
    assert unjoinable == []
    assert [order.location for order in orders] == ["fsn1", "nuremberg"]
    for order in orders:
        head = "#!/bin/sh\n" if join == "raw" else "#cloud-config\n"
        assert order.user_data.startswith(head)
        assert join == "raw" or f"topology.kubernetes.io/region={order.location}" in order.user_data


@pytest.mark.parametrize("join", joining.METHODS)
def test_online_measures_the_largest_of_all_with_the_clusters_own_ca(join: str) -> None:
    ca = credentials.example().ca_pem
    own = dataclasses.replace(joining.example(join), ca_pem=ca, endpoint="https://a.example:6443")
    group, orders, _ = asked(join, own, pre_join=("# " + "x" * 30_000,))
    assert "https://a.example:6443" in orders[0].user_data
    largest = max(len(order.user_data.encode()) for order in orders)
    assert len(orders[1].user_data) != len(orders[0].user_data)
    (result,) = ordering.size(group, orders, sky(32 * 1024))
    assert result.severity is Severity.TROUBLE
    assert f"becomes {largest} bytes; the cloud takes 32768" in result.what
    assert "preJoin and postJoin" in result.cure
    assert ordering.size(group, orders, sky(largest)) == []


def sky(limit: int) -> contract.Provider:
    """Open a cloud with another limit."""
    cloud = type("Sky", (INSTALLED["hetzner"],), {"user_data_limit_bytes": limit})
    made: contract.Provider = cloud.open(
        contract.Login(account="a", cluster="test", token="t0ken-of-nobody", endpoint=NOBODY)
    )
    made.close()
    return made


def test_online_a_release_that_cannot_be_joined_is_found_and_the_rest_asked_all_the_same() -> None:
    _group, orders, unjoinable = asked("k3s", credentials.example("v1.36.2"))
    (result,) = unjoinable
    assert "the cluster runs v1.36.2, which is no release of k3s" in result
    assert len(orders) == 2


def test_each_type_and_each_place_is_asked_about_once() -> None:
    _group, orders, _ = asked("raw")
    again = (*orders, *orders)
    assert tuple(ordering.representative(again)) == orders


@pytest.mark.parametrize(("size", "goes"), [(19_000, True), (23_000, False)])
def test_the_server_orders_what_a_cloud_takes_packed(
    tmp_path: Path, size: int, *, goes: bool
) -> None:
    """Loading, the server and the cloud measure alike; what was checked is not refused later."""
    (tmp_path / "own.yaml").write_text(f"#cloud-config\n# {noise(size)}\n")
    with linode_bench.serving() as fake:
        (tmp_path / "token").write_text(fake.token)
        (tmp_path / "pools.yaml").write_text(
            "cluster: blue\naccounts:\n- {name: a, provider: linode, tokenFile: token, "
            f"endpoint: '{fake.url}', options: {{settleS: 0.2}}}}\nnodes:\n"
            "- {name: web, account: a, userDataFile: own.yaml, "
            f"instanceType: {linode_bench.TYPE}, region: {linode_bench.PLACE}, maxSize: 3, "
            f"image: {linode_bench.IMAGE}}}\n"
        )
        try:
            made = config.load(
                tmp_path / "pools.yaml", cluster="", environ=ENVIRON, clouds=INSTALLED
            )
        except config.ConfigError:
            assert not goes
            return
        plant = assembly.Assembly(made, INSTALLED, assembly.Parts())
        plant.start()
        try:
            assert plant.reconciler.await_first_listings(20.0)
            plant.reconciler.grow("web", 1, cover=False)
            until(lambda: fake.machines)
        finally:
            plant.stop(5.0)
        (machine,) = fake.machines.values()
        assert len(machine.user_data) < size
    assert goes


def test_a_dry_run_measures_as_its_cloud_does() -> None:
    large = f"#cloud-config\n# {noise(19_000)}\n"
    provider = opened("linode")
    dry = cast("contract.Provider", dryrun.DryRun(provider))
    assert (
        installed_clouds.user_data_bytes(dry, large)
        == installed_clouds.user_data_bytes(provider, large)
        < 16384
    )
    provider.close()
