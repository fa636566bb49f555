"""Hetzner passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import AccountOptions, HetznerCloud, vocabulary
from tests import absent
from tests.fakes import hetzner
from tests.providers import contract, hetzner_bench

CREATING, RUNNING = cloud.InstanceState.CREATING, cloud.InstanceState.RUNNING
STATES = {
    "initializing": CREATING,
    "starting": CREATING,
    "running": RUNNING,
    "stopping": RUNNING,
    "off": cloud.InstanceState.STOPPED,
    "deleting": cloud.InstanceState.DELETING,
    "migrating": RUNNING,
    "rebuilding": RUNNING,
    "unknown": RUNNING,
}


class TestContract(contract.ProviderContract):
    machine_type, location, image = (
        hetzner_bench.TYPE,
        hetzner_bench.PLACE,
        hetzner_bench.IMAGE,
    )
    leaves_beside: ClassVar[Mapping[str, Any]] = {"placement_group": "spread"}
    zone, provider_id = "nbg1-dc3", "hcloud://{}"

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with hetzner_bench.serving(token=token) as fake:
            login = hetzner_bench.login(fake, cluster=cluster, account=account)
            clock = engine.StoppedClock()
            yield contract.Bench(
                provider=HetznerCloud(login, clock=clock),
                controls=hetzner_bench.HetznerControls(fake, clock),
                again=lambda: HetznerCloud(login, clock=clock),
            )


@pytest.fixture
def fake() -> Iterator[hetzner.HetznerFake]:
    with hetzner_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: hetzner.HetznerFake) -> Iterator[HetznerCloud]:
    with hetzner_bench.opened(fake) as it:
        yield it


def sent(fake: hetzner.HetznerFake) -> dict[str, Any]:
    """Return the body of the last create."""
    body: dict[str, Any] = fake.log("POST", "/servers$")[-1].request.json()
    return body


def order_of(*, arch: str = "amd64", kind: str = "cx23", **changes: Any) -> cloud.Order:
    made = hetzner_bench.order(**changes)
    return dataclasses.replace(
        made, machine_type=dataclasses.replace(made.machine_type, name=kind, arch=arch)
    )


# What it says of itself and sells.


def test_its_settings_come_from_the_account(fake: hetzner.HetznerFake) -> None:
    settings = AccountOptions(settle_s=0.5, hands=3)
    with hetzner_bench.opened(fake, settings=settings) as provider:
        assert (provider.settle_s, provider.hands) == (0.5, 3)
    for wrong in ({"settle_s": 0.0}, {"hands": 0}):
        with pytest.raises(ValueError, match="must be"):
            AccountOptions(**wrong)


def test_opening_contacts_nobody(fake: hetzner.HetznerFake) -> None:
    with hetzner_bench.opened(fake):
        assert fake.exchanges == []


def test_machine_types_are_in_our_units(provider: HetznerCloud) -> None:
    types = {each.name: each for each in provider.machine_types()}
    assert types["cx23"] == cloud.MachineType(
        name="cx23", cpu_millis=2000, memory_bytes=4 * 2**30, disk_bytes=40 * 10**9
    )
    assert (types["cax11"].arch, types["cax11"].deprecated) == ("arm64", False)


def test_types_on_more_than_one_page_all_come(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    first = fake.catalogue["server_types"][0]
    more = [{**first, "id": 9000 + n, "name": f"px{n}"} for n in range(120)]
    fake.catalogue["server_types"] = more
    assert len(provider.machine_types()) == 120
    assert len(fake.log("GET", "/server_types")) == 3


def test_a_type_is_deprecated_when_it_is_everywhere(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    ends = {"announced": "2026-01-01T00:00:00Z", "unavailable_after": "2026-02-01T00:00:00Z"}
    rows = {row["name"]: row for row in fake.catalogue["server_types"]}
    for place in rows["cx23"]["locations"]:
        place["deprecation"] = ends
    rows["cx33"]["locations"][0]["deprecation"] = ends
    fields = {each.name: each.deprecated for each in provider.machine_types()}
    assert (fields["cx23"], fields["cx33"]) == (True, False)


def test_offers_have_net_prices_stock_and_the_address(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.sell_out("cx33", "fsn1")
    fields = {(each.machine_type, each.location): each for each in provider.offers()}
    assert fields["cx23", "nbg1"] == cloud.Offer(
        machine_type="cx23",
        location="nbg1",
        price_per_hour=Decimal("0.0088"),
        currency="EUR",
        ipv4_per_hour=Decimal("0.0008"),
    )
    assert not fields["cx33", "fsn1"].in_stock
    assert fields["cx33", "nbg1"].in_stock


def test_a_price_where_it_is_not_sold_is_no_offer(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    row = next(row for row in fake.catalogue["server_types"] if row["name"] == "cx23")
    row["locations"] = [place for place in row["locations"] if place["name"] != "hel1"]
    past = {"announced": "2020-01-01T00:00:00Z", "unavailable_after": "2020-02-01T00:00:00Z"}
    row["locations"][0]["deprecation"] = past
    fields = {o.location: o.in_stock for o in provider.offers() if o.machine_type == "cx23"}
    assert fields == {"fsn1": False, "nbg1": True}


def test_a_node_gets_what_the_vendors_controllers_set(provider: HetznerCloud) -> None:
    kind = order_of().machine_type
    assert provider.node_labels(kind, "nbg1") == {
        "topology.kubernetes.io/region": "nbg1",
        "topology.kubernetes.io/zone": "nbg1-dc3",
        "instance.hetzner.cloud/provided-by": "cloud",
        "csi.hetzner.cloud/location": "nbg1",
    }
    assert "topology.kubernetes.io/zone" not in provider.node_labels(kind, "new1")


# Orders.


def test_an_order_says_everything(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    key, network = fake.add_ssh_key("ops"), fake.add_network("private")
    firewall, group = fake.add_firewall("nodes"), fake.add_placement_group("racks")
    made = provider.create(
        hetzner_bench.order(
            ssh_keys=("ops", str(key["id"])),
            networks=("private",),
            firewalls=("nodes", str(firewall["id"])),
            placement_group="racks",
            public_ipv4=False,
            labels={"team": "a", "vps-autoscaler/cluster": "stolen"},
            user_data="#cloud-config\n",
        )
    )
    assert sent(fake) == {
        "name": "web-a1",
        "server_type": "cx23",
        "location": "nbg1",
        "image": next(
            row["id"]
            for row in fake.images
            if (row["name"], row["architecture"]) == ("debian-13", "x86")
        ),
        "start_after_create": True,
        "user_data": "#cloud-config\n",
        "ssh_keys": ["ops", key["id"]],
        "networks": [network["id"]],
        "firewalls": [{"firewall": firewall["id"]}] * 2,
        "placement_group": group["id"],
        "public_net": {"enable_ipv4": False, "enable_ipv6": True},
        "labels": {
            "team": "a",
            "vps-autoscaler/cluster": "blue",
            "vps-autoscaler/group": "web",
            "vps-autoscaler/node": "web-a1",
            "vps-autoscaler/unjoined": "true",
        },
    }
    assert made.state is CREATING
    assert made.receipt
    assert made.image == "debian-13"
    assert len(made.addresses) == 2  # public IPv6, private
    assert made.addresses[1].startswith("10.0.0.")


def test_what_is_named_is_asked_for_once_in_a_while(fake: hetzner.HetznerFake) -> None:
    fake.add_network("private")
    clock = engine.StoppedClock()
    provider = HetznerCloud(hetzner_bench.login(fake), clock=clock)
    for number in range(5):
        provider.create(hetzner_bench.order(f"web-{number}", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/images", "/networks")] == [1, 1]
    clock.now += 301
    provider.create(hetzner_bench.order("web-9", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/images", "/networks")] == [2, 2]
    provider.close()


def test_what_vanished_is_asked_for_again(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    old = fake.add_image(None, labels={"role": "node"})
    provider.create(hetzner_bench.order("web-1", image="role=node"))
    fake.images.remove(old)
    new = fake.add_image(None, labels={"role": "node"})
    with pytest.raises(errors.BadOrder, match="not found"):
        provider.create(hetzner_bench.order("web-2", image="role=node"))
    provider.create(hetzner_bench.order("web-2", image="role=node"))
    assert sent(fake)["image"] == new["id"]


def test_an_image_name_is_one_image_an_architecture(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    numbers = {
        row["architecture"]: row["id"] for row in fake.images if row["name"] == "ubuntu-24.04"
    }
    provider.create(order_of(node_name="web-1", image="ubuntu-24.04"))
    assert sent(fake)["image"] == numbers["x86"]
    provider.create(order_of(node_name="web-2", image="ubuntu-24.04", kind="cax11", arch="arm64"))
    assert sent(fake)["image"] == numbers["arm"]


def test_an_image_by_id_and_the_newest_snapshot_by_label(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    labels = {"role": "node"}
    made = [
        fake.add_image(None, labels=labels, created="2026-03-01T00:00:00Z"),
        fake.add_image(None, labels=labels, created="2026-05-01T00:00:00Z"),
        fake.add_image(None, labels=labels, created="2026-04-01T00:00:00Z"),
        fake.add_image(None, "arm", labels=labels, created="2026-06-01T00:00:00Z"),
        fake.add_image(None, labels=labels, created="2026-07-01T00:00:00Z", status="creating"),
    ]
    provider.create(order_of(node_name="web-1", image="role=node"))
    assert sent(fake)["image"] == made[1]["id"]
    provider.create(
        order_of(node_name="web-2", image="role in (node,other)", kind="cax11", arch="arm64")
    )
    assert sent(fake)["image"] == made[3]["id"]
    provider.create(order_of(node_name="web-3", image=str(made[0]["id"])))
    assert sent(fake)["image"] == made[0]["id"]
    for wrong, message in (
        (str(made[3]["id"]), "is for arm"),
        (str(made[4]["id"]), "is creating"),
        ("4", "there is no image 4"),
        ("role=else", "there is no image 'role=else' for x86"),
        ("", "no image is configured"),
    ):
        with pytest.raises(errors.BadOrder, match=message):
            provider.create(order_of(node_name="web-4", image=wrong))
    assert len(fake.servers) == 3


def test_a_cloud_that_ignores_a_filter_by_name_is_not_believed(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    # A proxy or another fake may leave a filter out: what it shows besides is not what was named.
    fake.images.sort(key=lambda row: row["name"] == "debian-13")
    narrow = fake.paged

    def wide(key: str, rows: Any, request: Any) -> Any:
        query = tuple(each for each in request.query if each[0] != "name")
        return narrow(key, rows, dataclasses.replace(request, query=query))

    fake.paged = wide  # type: ignore[method-assign]
    fake.add_network("private")
    made = provider.create(hetzner_bench.order(networks=("private",)))
    assert made.image == "debian-13"
    assert provider.check_order(hetzner_bench.order("web-2", networks=("private",))) == ()
    assert provider.check_order(hetzner_bench.order("web-3", location="sin9")) == (
        "there is no location 'sin9'",
    )


def test_a_deprecated_image_still_serves(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    old = fake.add_image("fedora-40", deprecated="2026-01-01T00:00:00Z")
    provider.create(hetzner_bench.order(image="fedora-40"))
    assert sent(fake)["image"] == old["id"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"public_ipv4": False, "public_ipv6": False}, "needs a network"),
        ({"labels": {"hetzner.cloud/x": "1"}}, "hetzner.cloud/"),
        ({"labels": {"team": "no spaces"}}, "no spaces"),
        ({"group": "no spaces"}, "no spaces"),
    ],
)
def test_what_cannot_work_is_refused_before_asking(
    fake: hetzner.HetznerFake, provider: HetznerCloud, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(errors.BadOrder, match=text):
        provider.create(hetzner_bench.order(**changes))
    assert fake.exchanges == []
    assert any(text in problem for problem in provider.check_order(hetzner_bench.order(**changes)))


def test_check_order_tells_every_problem(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    fake.add_network("american", zone="us-east")
    wrong = hetzner_bench.order(
        location="mars1",
        image="nope",
        ssh_keys=("lost-key", "17"),
        networks=("lost-net",),
        firewalls=("lost-wall",),
        placement_group="lost-group",
    )
    assert provider.check_order(wrong) == (
        "there is no location 'mars1'",
        "there is no image 'nope' for x86",
        "there is no SSH key 'lost-key'",
        "there is no SSH key '17'",
        "there is no firewall 'lost-wall'",
        "there is no network 'lost-net'",
        "there is no placement group 'lost-group'",
    )
    right = hetzner_bench.order(networks=("american",), placement_group="spread")
    assert provider.check_order(right) == (
        "network 'american' has no subnet in network zone eu-central",
    )
    assert fake.placement_groups == []


def test_a_group_without_ssh_keys_is_reported_once(
    provider: HetznerCloud, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        provider.create(hetzner_bench.order(f"web-{number}"))
    values = [r for r in caplog.records if "SSH key" in r.getMessage()]
    assert [record.fields["group"] for record in values] == ["web"]  # type: ignore[attr-defined]


# What is there.


@pytest.mark.parametrize(("word", "state"), STATES.items())
def test_every_state_of_the_vendor(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    caplog: pytest.LogCaptureFixture,
    word: str,
    state: cloud.InstanceState,
) -> None:
    fake.add("a", {"vps-autoscaler/cluster": "blue"}, word=word)
    assert [each.state for each in provider.instances()] == [state]
    assert not caplog.records


def test_the_states_are_those_of_the_document() -> None:
    assert set(vocabulary.STATES) == set(STATES)
    document = hetzner_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    assert set(STATES) == set(document.enum("GET", "/servers", "servers", "status"))


def test_an_unknown_state_means_running_and_one_warning(
    fake: hetzner.HetznerFake, provider: HetznerCloud, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail(engine.FaultKind.CHANGED, method="GET", times=None, change=_with_state("hibernating"))
    for name in ("a", "b"):
        fake.add(name, {"vps-autoscaler/cluster": "blue"})
    for _ in range(2):
        assert {each.state for each in provider.instances()} == {RUNNING}
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "unknown machine state")
    assert record.fields["state"] == "hibernating"  # type: ignore[attr-defined]


def _with_state(word: str) -> Any:
    def change(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["servers"]:
            row["status"] = word
        return dataclasses.replace(reply, body=body)

    return change


def test_a_server_that_lost_its_mark_is_not_ours(
    fake: hetzner.HetznerFake, provider: HetznerCloud, caplog: pytest.LogCaptureFixture
) -> None:
    made = provider.create(hetzner_bench.order(ssh_keys=(fake.add_ssh_key("k")["name"],)))
    fake.advance(20)
    fake.servers[int(made.id)].labels = {}
    assert provider.instances() == ()
    for _ in range(2):
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
    assert [r.getMessage() for r in caplog.records] == ["machine without our mark"]


def test_an_id_that_is_none_is_certainly_not_there(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    assert provider.look_up(node_name="a", instance_id="../ssh_keys", receipt="") is None
    with pytest.raises(errors.BadOrder, match="is no id"):
        provider.delete("../servers/5")
    assert fake.exchanges == []


# The fate of accepted orders.


@pytest.mark.parametrize("leave", ["gone", "off"])
@pytest.mark.parametrize(
    ("code", "sense"),
    [
        ("resource_unavailable", errors.OutOfStock),
        ("placement_error", errors.OutOfStock),
        ("resource_limit_exceeded", errors.QuotaExceeded),
        ("invalid_input", errors.BadOrder),
        ("action_failed", errors.OutOfStock),
        ("server_error", errors.OutOfStock),
    ],
)
def test_an_accepted_order_may_still_fail(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    code: str,
    sense: type[errors.CloudError],
    leave: str,
) -> None:
    fake.fail_action(code, "the action went wrong", leave=leave)
    made = provider.create(hetzner_bench.order())
    asked = {"node_name": "web-a1", "instance_id": made.id, "receipt": made.receipt}
    early = provider.look_up(**asked)
    assert early is not None
    assert (early.state, early.receipt) == (CREATING, made.receipt)
    fake.advance(5)
    for each in (asked, {**asked, "instance_id": ""}):
        with pytest.raises(errors.CloudError, match="the action went wrong") as caught:
            provider.look_up(**each)
        assert type(caught.value) is sense
        assert code in caught.value.message
    left = provider.look_up(**{**asked, "receipt": ""})
    assert (left is None) == (leave == "gone")


def test_the_same_order_after_a_failed_action_tells_the_fate(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.fail_action("resource_unavailable", leave="off")
    provider.create(hetzner_bench.order())
    fake.advance(5)
    with pytest.raises(errors.OutOfStock, match="accepted and then failed"):
        provider.create(hetzner_bench.order())


def test_a_good_order_is_looked_up_in_one_request_once_it_runs(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    made = provider.create(hetzner_bench.order())
    fake.advance(20)
    before = len(fake.exchanges)
    found = provider.look_up(node_name="web-a1", instance_id=made.id, receipt=made.receipt)
    assert found is not None
    assert found.state is RUNNING
    assert len(fake.exchanges) == before + 1
    fake.actions.clear()
    assert provider.look_up(node_name="x", instance_id="1", receipt=made.receipt) is None
