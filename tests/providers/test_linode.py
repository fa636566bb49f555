"""Linode passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import logging
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors, masking, packing
from providers.fakes import engine
from providers.linode import AccountOptions, GroupOptions, LinodeCloud, vocabulary
from providers.linode.ordering import USER_DATA_LIMIT_BYTES
from tests import absent
from tests.fakes import linode
from tests.providers import contract, linode_bench

CREATING, RUNNING = cloud.InstanceState.CREATING, cloud.InstanceState.RUNNING
STOPPED, DELETING = cloud.InstanceState.STOPPED, cloud.InstanceState.DELETING
STATES = {
    "provisioning": CREATING,
    "booting": CREATING,
    "running": RUNNING,
    "rebooting": RUNNING,
    "busy": RUNNING,
    "shutting_down": RUNNING,
    "migrating": RUNNING,
    "rebuilding": RUNNING,
    "cloning": RUNNING,
    "restoring": RUNNING,
    "offline": STOPPED,
    "stopped": STOPPED,
    "billing_suspension": STOPPED,
    "deleting": DELETING,
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ops@example.com"


class TestContract(contract.HTTPContract):
    machine_type, location, image = linode_bench.TYPE, linode_bench.PLACE, linode_bench.IMAGE
    page_size = 500
    provider_id = "linode://{}"

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with linode_bench.serving(token=token) as fake:
            login = linode_bench.login(fake, cluster=cluster, account=account, read_timeout_s=1.0)
            yield contract.Bench(
                provider=LinodeCloud.open(login), controls=linode_bench.LinodeControls(fake)
            )


@pytest.fixture
def fake() -> Iterator[linode.LinodeFake]:
    with linode_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: linode.LinodeFake) -> Iterator[LinodeCloud]:
    with linode_bench.opened(fake) as it:
        yield it


def sent(fake: linode.LinodeFake) -> dict[str, Any]:
    """Return the body of the last create."""
    body: dict[str, Any] = fake.log("POST", linode_bench.INSTANCES)[-1].request.json()
    return body


# What it says of itself and sells.


def test_its_settings_come_from_the_account(fake: linode.LinodeFake) -> None:
    settings = AccountOptions(settle_s=0.5, hands=3)
    with linode_bench.opened(fake, settings=settings) as provider:
        assert (provider.settle_s, provider.hands) == (0.5, 3)
        assert provider.create_rate == cloud.Rate(requests=20, per_s=15.0)
        assert provider.rate == cloud.Rate(requests=200, per_s=60.0)
        assert provider.quota() is None
    for wrong in ({"settle_s": 0.0}, {"hands": 0}):
        with pytest.raises(ValueError, match="must be"):
            AccountOptions(**wrong)


def test_opening_contacts_nobody(fake: linode.LinodeFake) -> None:
    with linode_bench.opened(fake):
        assert fake.exchanges == []


def test_machine_types_are_in_our_units(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    fake.catalogue["types"][0]["successor"] = "g6-standard-1"
    types = {each.name: each for each in provider.machine_types()}
    assert types["g6-standard-2"] == cloud.MachineType(
        name="g6-standard-2", cpu_millis=2000, memory_bytes=4 * 2**30, disk_bytes=80 * 2**30
    )
    card, vpu = types["g2-gpu-rtx4000a1-s"], types["g1-accelerated-netint-vpu-t1u1-s"]
    assert (card.gpus, card.gpu_model) == (1, "RTX4000 Ada")
    assert (vpu.gpus, vpu.gpu_model) == (0, "")
    assert [each.name for each in types.values() if each.deprecated] == ["g6-nanode-1"]


@pytest.mark.parametrize(
    ("label", "model"),
    [
        ("RTX4000 Ada x2 Medium", "RTX4000 Ada"),
        ("Dedicated 32GB + RTX6000 GPU x1", "RTX6000"),
        ("RTX PRO 6000 Blackwell x4", "RTX PRO 6000 Blackwell"),
        ("Something Else", "Something Else"),
    ],
)
def test_a_card_is_called_as_its_label_says(
    fake: linode.LinodeFake, provider: LinodeCloud, label: str, model: str
) -> None:
    row = next(row for row in fake.catalogue["types"] if row["gpus"])
    row["label"] = label
    assert {each.gpu_model for each in provider.machine_types() if each.name == row["id"]} == {
        model
    }


def test_offers_have_the_regions_own_price(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    fields = {(each.machine_type, each.location): each for each in provider.offers()}
    assert fields["g6-standard-2", "eu-central"] == cloud.Offer(
        machine_type="g6-standard-2",
        location="eu-central",
        price_per_hour=Decimal("0.036"),
        currency="USD",
    )
    dear = fields["g6-standard-2", "br-gru"].price_per_hour
    assert dear == Decimal("0.0504")
    assert len(fields) == len(fake.catalogue["types"]) * len(fake.catalogue["regions"])
    assert len(fake.exchanges) == 3


def test_a_price_of_zero_is_handed_on(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    """The listing may show GPU plans at 0 or null: that is no price, and still an offer."""
    rows = {row["id"]: row for row in fake.catalogue["types"]}
    rows["g2-gpu-rtx4000a1-s"] |= {"price": {"hourly": 0, "monthly": 0}, "region_prices": []}
    values = {o.price_per_hour for o in provider.offers() if o.machine_type == "g2-gpu-rtx4000a1-s"}
    assert values == {Decimal(0)}


def test_stock_is_what_little_the_cloud_tells(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    def sold(kind: str) -> set[str]:
        return {o.location for o in provider.offers() if o.machine_type == kind and not o.in_stock}

    assert sold("g7-premium-2") == set()
    fake.sell_out("g7-premium-2", "nl-ams", listed=True)
    fake.sell_out("g6-standard-2", "nl-ams", listed=False)
    assert (sold("g7-premium-2"), sold("g6-standard-2")) == ({"nl-ams"}, set())
    fake.restock("g7-premium-2", "nl-ams")
    assert sold("g7-premium-2") == set()
    regions = {row["id"]: row for row in fake.catalogue["regions"]}
    regions["eu-central"]["status"] = "outage"
    assert sold("g6-standard-2") == {"eu-central"}
    # Once regions name a capability, those without it cannot make what needs it.
    regions["us-ord"]["capabilities"].append("GPU Linodes")
    assert sold("g2-gpu-rtx4000a1-s") == set(regions) - {"us-ord"}
    assert sold("g6-standard-2") == {"eu-central"}
    regions["us-east"]["capabilities"].remove("Linodes")
    assert "us-east" not in {offer.location for offer in provider.offers()}


def test_a_node_gets_what_the_vendors_controllers_set(provider: LinodeCloud) -> None:
    assert provider.node_labels(linode_bench.order().machine_type, "nl-ams") == {
        "topology.kubernetes.io/region": "nl-ams",
        "topology.linode.com/region": "nl-ams",
    }


# Orders.


def test_an_order_says_everything(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    key, firewall = fake.add_ssh_key("ops"), fake.add_firewall("nodes")
    vpc = fake.add_vpc("inner", "eu-central", "nodes", "other")
    group = fake.add_placement_group("racks", "eu-central")
    made = provider.create(
        linode_bench.order(
            ssh_keys=("ops", str(key["id"]), KEY),
            networks=("inner/nodes",),
            firewalls=("nodes",),
            placement_group="racks",
            labels={"team": "infra"},
            user_data="#cloud-config\nü\n",
            options=GroupOptions(private_ip=True),
        )
    )
    assert sent(fake) == {
        "type": "g6-standard-2",
        "region": "eu-central",
        "image": "linode/debian13",
        "label": "web-a1",
        "tags": ["vps-cluster:blue", "vps-group:web", "n:web-a1", "vps-unjoined", "team:infra"],
        "booted": True,
        "swap_size": 0,
        "metadata": {"user_data": base64.b64encode("#cloud-config\nü\n".encode()).decode()},
        "authorized_keys": [key["ssh_key"], key["ssh_key"], KEY],
        "interface_generation": "legacy_config",
        "interfaces": [
            {"purpose": "public", "primary": True},
            {"purpose": "vpc", "subnet_id": vpc["subnets"][0]["id"]},
        ],
        "firewall_id": firewall["id"],
        "private_ip": True,
        "placement_group": {"id": group["id"]},
    }
    assert (made.state, made.image, made.receipt) == (CREATING, "linode/debian13", "")
    assert len(made.addresses) == 3  # public, private, IPv6
    assert fake.machines[int(made.id)].swap_mb == 0


def noise(size: int) -> str:
    """Make letters that pack into no less than three quarters."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


def test_a_cloud_config_over_the_limit_travels_as_gzip(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    """cloud-init unpacks it; what fits stays text, and so does what others may read."""
    fits = "#cloud-config\n# ü\n".ljust(USER_DATA_LIMIT_BYTES - 1, "#")
    assert len(fits.encode()) == USER_DATA_LIMIT_BYTES
    made = provider.create(linode_bench.order("web-a1", user_data=fits))
    assert fake.machines[int(made.id)].user_data == fits.encode()
    over = f"#cloud-config\n# {noise(20_000)}\n"
    made = provider.create(linode_bench.order("web-a2", user_data=over))
    assert gzip.decompress(fake.machines[int(made.id)].user_data) == over.encode()
    assert provider.user_data_bytes(over) == len(fake.machines[int(made.id)].user_data)
    for head, size in (
        ("#cloud-config\n", 23_000),
        ("#!/bin/sh\n", 20_000),
        ("version: 1\n", 20_000),
    ):
        order = linode_bench.order("web-a3", user_data=f"{head}# {noise(size)}\n")
        there = len(fake.machines)
        with pytest.raises(errors.BadOrder, match="is over Linode's limit of 16384"):
            provider.create(order)
        assert len(fake.machines) == there


def test_what_travels_packed_is_masked_where_it_is_echoed() -> None:
    order = linode_bench.order(user_data=f"#cloud-config\n# {noise(20_000)}\n")
    sent = base64.b64encode(packing.within(order.user_data, USER_DATA_LIMIT_BYTES)).decode()
    masking.hide(order.user_data)
    try:
        assert masking.masked(f"bad data: {sent[500:900]}") == "bad data: (user-data)"
    finally:
        masking.hide("")


def test_a_plain_order_leaves_the_interfaces_to_the_account(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    fake.default_generation = "linode"
    provider.create(linode_bench.order("web-1"))
    sent_body = sent(fake)
    assert not {"interfaces", "interface_generation", "authorized_keys"} & set(sent_body)
    fake.add_firewall("nodes")
    provider.create(linode_bench.order("web-2", firewalls=("nodes",)))
    assert sent(fake)["interface_generation"] == "legacy_config"


def test_without_keys_a_password_is_made_up_and_forgotten(
    fake: linode.LinodeFake, provider: LinodeCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    values = [provider.create(linode_bench.order(f"web-{n}")) for n in range(3)]
    passwords = {machine.root_pass for machine in fake.machines.values()}
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 40
    for password in passwords:
        assert password not in caplog.text + repr((values, vars(provider)))


def test_no_public_interface(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    vpc = fake.add_vpc("inner", "eu-central", "nodes")
    made = provider.create(linode_bench.order(networks=("inner",), public_ipv4=False))
    assert sent(fake)["interfaces"] == [
        {"purpose": "vpc", "subnet_id": vpc["subnets"][0]["id"], "primary": True}
    ]
    assert not fake.machines[int(made.id)].public


def test_each_region_has_its_own_network(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    here = fake.add_vpc("inner", "eu-central", "nodes")
    there = fake.add_vpc("inner", "us-east", "nodes")
    number = str(there["subnets"][0]["id"])
    for name, location, networks, vpc in (
        ("web-1", "eu-central", ("inner",), here),
        ("web-2", "us-east", ("inner/nodes",), there),
        ("web-3", "us-east", (number,), there),
        ("web-4", "us-east", ("inner/nodes", number), there),
    ):
        provider.create(linode_bench.order(name, location=location, networks=networks))
        assert sent(fake)["interfaces"][1]["subnet_id"] == vpc["subnets"][0]["id"]
    fake.add_vpc("wide", "eu-central", "a", "b")
    for location, networks, result in (
        ("eu-central", ("wide",), "more than one subnet in eu-central"),
        ("eu-central", ("inner", "wide/a"), "more than one subnet in eu-central"),
        ("eu-central", (number,), "no subnet in eu-central"),
        ("nl-ams", ("inner",), "no subnet in nl-ams"),
        ("eu-central", ("inner/lost",), "there is no subnet 'inner/lost'"),
        ("eu-central", ("4711",), "there is no subnet '4711'"),
    ):
        with pytest.raises(errors.BadOrder, match=result):
            provider.create(linode_bench.order(location=location, networks=networks))
    assert len(fake.machines) == 4


def test_what_is_named_is_asked_for_once_in_a_while(fake: linode.LinodeFake) -> None:
    fake.add_vpc("inner", "eu-central", "nodes")
    fake.add_firewall("nodes")
    fake.add_ssh_key("ops")
    clock = engine.StoppedClock()
    provider = LinodeCloud(linode_bench.login(fake), clock=clock)
    asked = ("/regions/", "/images", "/vpcs", "/firewalls", "/sshkeys")

    def make(name: str) -> list[int]:
        fields = {"networks": ("inner",), "firewalls": ("nodes",), "ssh_keys": ("ops",)}
        provider.create(linode_bench.order(name, **fields))
        return [len(fake.log("GET", kind)) for kind in asked]

    assert [make(f"web-{number}") for number in range(5)][-1] == [1] * 5
    clock.now += 301
    assert make("web-9") == [2] * 5
    provider.close()


def test_what_vanished_is_asked_for_again(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    old = fake.add_image("node")
    provider.create(linode_bench.order("web-1", image="node"))
    fake.images.remove(old)
    new = fake.add_image("node")
    with pytest.raises(errors.BadOrder, match="image is not valid"):
        provider.create(linode_bench.order("web-2", image="node"))
    provider.create(linode_bench.order("web-2", image="node"))
    assert sent(fake)["image"] == new["id"]


def test_a_refusal_for_want_of_room_does_not_ask_again(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    fake.sell_out("*", "eu-central")
    for _ in range(3):
        with pytest.raises(errors.OutOfStock):
            provider.create(linode_bench.order())
    assert [len(fake.log("GET", kind)) for kind in ("/regions/", "/images")] == [1, 1]


def test_an_image_by_id_number_label_or_tag(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    old = fake.add_image("node", created="2026-03-01T00:00:00", tags=["role-node"])
    new = fake.add_image("node", created="2026-05-01T00:00:00", tags=["role-node"])
    fake.add_image("node", created="2026-07-01T00:00:00", tags=["role-node"], status="creating")
    fake.add_image("node-2", created="2026-08-01T00:00:00", tags=["role-node-2"])
    number = old["id"].removeprefix("private/")
    for result, wanted in (
        ("linode/ubuntu24.04", "linode/ubuntu24.04"),
        (old["id"], old["id"]),
        (number, old["id"]),
        ("node", new["id"]),
        ("role-node", new["id"]),
    ):
        provider.create(linode_bench.order(f"web-{len(fake.machines)}", image=result))
        assert sent(fake)["image"] == wanted
    new["deprecated"] = True
    with linode_bench.opened(fake) as another:
        another.create(linode_bench.order("web-last", image="node"))
    assert sent(fake)["image"] == old["id"], "one that is not deprecated goes before"


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("", "no image is configured"),
        ("linode/nope", "there is no image 'linode/nope'"),
        ("4711", "there is no image '4711'"),
        ("linode/../../account", "there is no image 'linode/"),
        ("nope", "there is no image 'nope'"),
        ("slow", "no image that is available yet of 'slow'"),
        ("private/55", "'private/55' is pending_upload"),
        ("linode/bare", "has no cloud-init"),
    ],
)
def test_an_image_that_cannot_serve(
    fake: linode.LinodeFake, provider: LinodeCloud, image: str, text: str
) -> None:
    fake.add_image("slow", status="creating")
    fake.add_image("up", "private/55", status="pending_upload")
    fake.add_image("bare", "linode/bare", capabilities=[])
    with pytest.raises(errors.BadOrder, match=text):
        provider.create(linode_bench.order(image=image))
    assert any(text in wrong for wrong in provider.check_order(linode_bench.order(image=image)))
    assert fake.machines == {}
    assert fake.log("POST") == []


def test_capabilities_matter_only_to_user_data(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    regions = {row["id"]: row for row in fake.catalogue["regions"]}
    regions["nl-ams"]["capabilities"].remove("Metadata")
    fake.add_image("bare", "linode/bare", capabilities=[])
    order = linode_bench.order(location="nl-ams", image="linode/bare")
    with pytest.raises(errors.BadOrder, match="'nl-ams' has no metadata service"):
        provider.create(order)
    assert provider.check_order(order) == (
        "region 'nl-ams' has no metadata service, so user-data would be lost",
        "image 'linode/bare' has no cloud-init, so user-data would be lost",
    )
    bare = dataclasses.replace(order, user_data="")
    assert provider.check_order(bare) == ()
    provider.create(bare)
    assert "metadata" not in sent(fake)


def test_a_region_is_called_by_its_own_name(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    def alias(reply: engine.Reply) -> engine.Reply:
        return engine.Reply(body={**fake.catalogue["regions"][1], "id": "us-central"})

    fake.fail(engine.FaultKind.CHANGED, path="/regions/us-south", change=alias)
    with pytest.raises(errors.BadOrder, match="'us-south' is called 'us-central' now"):
        provider.create(linode_bench.order(location="us-south"))
    with pytest.raises(errors.BadOrder, match="there is no region 'mars'"):
        provider.create(linode_bench.order(location="mars"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"public_ipv4": False}, "without a public interface needs a network"),
        ({"firewalls": ("a", "b")}, "one firewall"),
        ({"labels": {"example.com/x": "1"}}, "may only hold"),
        ({"labels": {"n": "stolen"}}, "pass for one of our own marks"),
        ({"group": "g" * 41}, "51 characters"),
        ({"node_name": "a--b"}, "no label of a Linode"),
        ({"node_name": "1ab"}, "no label of a Linode"),
        ({"node_name": "ab"}, "no label of a Linode"),
        ({"node_name": "x" * 49}, "51 characters"),
    ],
)
def test_what_cannot_work_is_refused_before_asking(
    fake: linode.LinodeFake, provider: LinodeCloud, changes: dict[str, Any], text: str
) -> None:
    order = dataclasses.replace(linode_bench.order(), **changes)
    with pytest.raises(errors.BadOrder, match=text):
        provider.create(order)
    assert fake.exchanges == []
    assert any(text in problem for problem in provider.check_order(order))


def test_check_order_tells_every_problem(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    twins = [fake.add_ssh_key("twin")["id"] for _ in range(2)]
    fake.add_placement_group("racks", "us-east")
    wrong = linode_bench.order(
        location="mars",
        image="nope",
        ssh_keys=("lost-key", "17", "twin", KEY),
        networks=("lost-net",),
        firewalls=("lost-wall",),
        placement_group="racks",
    )
    whose = "in the profile of the token's user"
    assert provider.check_order(wrong) == (
        "there is no region 'mars'",
        "there is no image 'nope'",
        f"there is no SSH key 'lost-key' {whose}",
        f"there is no SSH key '17' {whose}",
        f"there is more than one SSH key 'twin' {whose}: give an id, one of {twins[0]}, {twins[1]}",
        "there is no firewall 'lost-wall'",
        "there is no subnet 'lost-net': give its id, <vpc>/<subnet>, or a VPC that has only one",
        "placement group 'racks' is in us-east, the order is for mars",
    )
    gone = linode_bench.order(placement_group="99", firewalls=("98",))
    assert provider.check_order(gone) == (
        "there is no firewall '98'",
        "there is no placement group '99'",
    )
    assert fake.log("POST") == []


def test_things_are_found_by_number_too(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    firewall, group = fake.add_firewall("nodes"), fake.add_placement_group("racks", "eu-central")
    fields = {"firewalls": (str(firewall["id"]),), "placement_group": str(group["id"])}
    provider.create(linode_bench.order(**fields))
    assert sent(fake)["firewall_id"] == firewall["id"]
    assert sent(fake)["placement_group"] == {"id": group["id"]}
    assert [member["linode_id"] for member in group["members"]] == list(fake.machines)


# The watchdog.


def test_the_watchdog_stays_on_unless_reported(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    """A machine that powers itself off is shown as stopped, and running when it is back."""
    made = provider.create(linode_bench.order())
    assert fake.log("PUT") == []
    fake.advance(20)
    machine = fake.machines[int(made.id)]
    states = [provider.instances()[0].state]
    fake.power_off(machine)
    states.append(provider.instances()[0].state)
    fake.advance(fake.lassie_s)
    states.append(provider.instances()[0].state)
    fake.advance(fake.boot_s)
    states.append(provider.instances()[0].state)
    assert states == [RUNNING, STOPPED, CREATING, RUNNING]


def test_the_watchdog_can_be_switched_off(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    order = linode_bench.order(options=GroupOptions(watchdog=False))
    made = provider.create(order)
    assert [each.request.json() for each in fake.log("PUT")] == [{"watchdog_enabled": False}]
    fake.advance(20)
    fake.power_off(fake.machines[int(made.id)])
    fake.advance(600)
    assert [each.state for each in provider.instances()] == [STOPPED]
    assert provider.create(order).id == made.id
    assert len(fake.log("PUT")) == 1, "off is off"


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": engine.FaultKind.LOST},
        {"kind": engine.FaultKind.HTML},
        {"kind": engine.FaultKind.THROTTLED},
        {"kind": engine.FaultKind.ERROR, "status": 400, "message": "Linode busy."},
    ],
)
def test_a_watchdog_that_stays_on_is_reported_and_hides_no_machine(
    fake: linode.LinodeFake,
    provider: LinodeCloud,
    caplog: pytest.LogCaptureFixture,
    trouble: dict[str, Any],
) -> None:
    fake.fail(**trouble, method="PUT")
    order = linode_bench.order(options=GroupOptions(watchdog=False))
    made = provider.create(order)
    assert list(fake.machines) == [int(made.id)]
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "watchdog stays on")
    provider.create(order)
    assert not fake.machines[int(made.id)].watchdog, "the same order again minds it again"


# What is there.


@pytest.mark.parametrize(("word", "state"), STATES.items())
def test_every_state_of_the_vendor(
    fake: linode.LinodeFake,
    provider: LinodeCloud,
    caplog: pytest.LogCaptureFixture,
    word: str,
    state: cloud.InstanceState,
) -> None:
    fake.add("web-a1", linode_bench.tags("web-a1"), word=word)
    assert [each.state for each in provider.instances()] == [state]
    assert not caplog.records


@pytest.mark.parametrize(("joined", "state"), [("", CREATING), ("vps-unjoined", RUNNING)])
def test_a_job_on_a_machine_that_was_never_a_node_makes_it(
    fake: linode.LinodeFake, provider: LinodeCloud, joined: str, state: cloud.InstanceState
) -> None:
    """One that is busy before its first start has not run; off then, it has not failed."""
    made = provider.create(linode_bench.order())
    machine = fake.machines[int(made.id)]
    machine.word = "busy"
    machine.tags = [tag for tag in machine.tags if tag != joined]
    assert [each.state for each in provider.instances()] == [state]


def test_the_states_are_those_of_the_document() -> None:
    assert set(vocabulary.STATES) == set(STATES)
    document = linode_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    result = document.enum("GET", "/{apiVersion}/linode/instances", "data", "status")
    assert set(STATES) == set(result)


def test_an_unknown_state_means_running_and_one_warning(
    fake: linode.LinodeFake, provider: LinodeCloud, caplog: pytest.LogCaptureFixture
) -> None:
    def hibernating(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["data"]:
            row["status"] = "hibernating"
        return dataclasses.replace(reply, body=body)

    fake.fail(engine.FaultKind.CHANGED, method="GET", times=None, change=hibernating)
    for name in ("web-a1", "web-a2"):
        fake.add(name, linode_bench.tags(name))
    for _ in range(2):
        assert {each.state for each in provider.instances()} == {RUNNING}
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "unknown machine state")
    assert record.fields["state"] == "hibernating"  # type: ignore[attr-defined]


def test_a_machine_that_lost_its_mark_is_not_ours(
    fake: linode.LinodeFake, provider: LinodeCloud, caplog: pytest.LogCaptureFixture
) -> None:
    made = provider.create(linode_bench.order())
    fake.machines[int(made.id)].tags = ["n:web-a1", "vps-group:web"]
    assert provider.instances() == ()
    for _ in range(2):
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
    assert [r.getMessage() for r in caplog.records] == ["machine without our mark"]


def test_a_clone_is_a_second_machine_and_the_older_is_found(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    first = fake.add("web-a1", linode_bench.tags("web-a1"))
    second = fake.add("clone-of-it", linode_bench.tags("web-a1"))
    assert [each.id for each in provider.instances()] == [str(first.id), str(second.id)]
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    assert found.id == str(first.id)


def test_a_machine_of_two_groups_is_nobodys(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    fake.add("web-a1", (*linode_bench.tags("web-a1"), "vps-group:db"))
    assert [(each.node_name, each.group) for each in provider.instances()] == [("web-a1", "")]


def test_nodes_of_the_vendors_own_kubernetes_do_not_exist(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    fake.add("lke4711-pool-1", ["lke4711"])
    fake.add("web", ["vps-cluster:blue-green", "blue", "VPS-cluster:blue"])
    assert provider.instances() == ()


def test_a_plan_and_an_image_of_long_ago(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    def old(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        body["data"][0] |= {"type": None, "image": None, "ipv6": None, "created": None}
        return dataclasses.replace(reply, body=body)

    fake.add("web-a1", linode_bench.tags("web-a1"))
    fake.fail(engine.FaultKind.CHANGED, change=old)
    (found,) = provider.instances()
    assert (found.machine_type, found.image, found.created_at) == ("", "", 0.0)
    assert len(found.addresses) == 1


def test_created_is_read_as_utc(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    fake.add("web-a1", linode_bench.tags("web-a1"), created=1_514_764_861.0)
    assert fake.log() == []
    (found,) = provider.instances()
    assert found.created_at == 1_514_764_861.0
    assert fake.log()[-1].reply.json()["data"][0]["created"] == "2018-01-01T00:01:01"


def test_an_id_that_is_none_is_certainly_not_there(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    assert provider.look_up(node_name="a", instance_id="../images", receipt="") is None
    assert provider.look_up(node_name="not a name", instance_id="", receipt="") is None
    with pytest.raises(errors.BadOrder, match="is no id"):
        provider.delete("../instances/5")
    assert fake.exchanges == []


def test_a_busy_machine_is_deleted_later(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    machine = fake.add("web-a1", linode_bench.tags("web-a1"), busy_until=fake.now() + 60)
    with pytest.raises(errors.Throttled, match="Linode busy"):
        provider.delete(str(machine.id))
    fake.advance(61)
    provider.delete(str(machine.id))
    fake.advance(fake.delete_s)
    assert fake.machines == {}


def test_what_is_being_deleted_is_shown_so(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    machine = fake.add("web-a1", linode_bench.tags("web-a1"))
    provider.delete(str(machine.id))
    provider.delete(str(machine.id))
    assert [each.state for each in provider.instances()] == [DELETING]
    fake.advance(fake.delete_s)
    assert provider.instances() == ()
