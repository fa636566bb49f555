"""Vultr passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.kit import marks
from providers.vultr import AccountOptions, VultrCloud, vocabulary
from tests import absent
from tests.fakes import spec, vultr
from tests.providers import contract, vultr_bench

pytestmark = pytest.mark.filterwarnings("ignore:(tag|label) parameter is deprecated")

KIND = engine.FaultKind
CREATING, RUNNING = cloud.InstanceState.CREATING, cloud.InstanceState.RUNNING
STOPPED, DELETING = cloud.InstanceState.STOPPED, cloud.InstanceState.DELETING


class TestContract(contract.HTTPContract):
    machine_type, location, image = (
        vultr_bench.TYPE,
        vultr_bench.PLACE,
        vultr_bench.IMAGE,
    )
    names_unique = False
    page_size = 500
    provider_id = "vultr://{}"
    shows_deleting = False  # the vendor has no word for it

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with vultr_bench.serving(token=token) as fake:
            login = vultr_bench.login(fake, cluster=cluster, account=account, read_timeout_s=2.0)
            yield contract.Bench(
                provider=VultrCloud.open(login), controls=vultr_bench.VultrControls(fake)
            )


@pytest.fixture
def fake() -> Iterator[vultr.VultrFake]:
    with vultr_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: vultr.VultrFake) -> Iterator[VultrCloud]:
    with vultr_bench.opened(fake) as it:
        yield it


def sent(fake: vultr.VultrFake) -> dict[str, Any]:
    """Return the body of the last create."""
    body: dict[str, Any] = fake.log("POST", "/instances$")[-1].request.json()
    return body


# What it says of itself and sells.


def test_its_settings_come_from_the_account(fake: vultr.VultrFake) -> None:
    settings = AccountOptions(settle_s=0.5, hands=3)
    with vultr_bench.opened(fake, settings=settings) as provider:
        assert (provider.settle_s, provider.hands) == (0.5, 3)
    for wrong in ({"settle_s": 0.0}, {"hands": 0}):
        with pytest.raises(ValueError, match="must be"):
            AccountOptions(**wrong)


def test_opening_contacts_nobody(fake: vultr.VultrFake) -> None:
    with vultr_bench.opened(fake) as provider:
        assert fake.exchanges == []
        assert (provider.budget(), provider.quota()) == (None, None)
        assert fake.exchanges == []


def test_machine_types_are_in_our_units(provider: VultrCloud) -> None:
    types = {each.name: each for each in provider.machine_types()}
    assert types["vc2-2c-4gb"] == cloud.MachineType(
        name="vc2-2c-4gb", cpu_millis=2000, memory_bytes=4 * 2**30, disk_bytes=80 * 10**9
    )


@pytest.mark.parametrize(
    ("model", "vram_gb", "gpus"),
    [
        ("NVIDIA_A16", 2, 0),
        ("NVIDIA_A16", 16, 1),
        ("NVIDIA_A16", 64, 4),
        ("NVIDIA_A16", 24, 0),
        ("NVIDIA_A40", 24, 0),
        ("NVIDIA_A40", 48, 1),
        ("NVIDIA_A100", 80, 1),
        ("NVIDIA_A100", 320, 4),
        ("NVIDIA_Z9000", 80, 0),
        ("NVIDIA_A100", None, 0),
    ],
)
def test_only_whole_cards_count(
    fake: vultr.VultrFake,
    provider: VultrCloud,
    model: str,
    vram_gb: int | None,
    gpus: int,
) -> None:
    row = dict(fake.catalogue["plans"][0], gpu_type=model)
    fake.catalogue["plans"] = [row if vram_gb is None else {**row, "gpu_vram_gb": vram_gb}]
    (kind,) = provider.machine_types()
    assert (kind.gpus, kind.gpu_model) == (gpus, model)


def test_plans_on_more_than_one_page_all_come(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    first = fake.catalogue["plans"][0]
    fake.catalogue["plans"] = [{**first, "id": f"px{n}"} for n in range(1001)]
    assert len(provider.machine_types()) == 1001
    assert len(fake.log("GET", "/plans")) == 3


def test_every_plan_is_offered_in_every_region(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    plans = {row["id"]: row for row in fake.catalogue["plans"]}
    plans["vc2-2c-4gb"]["location_cost"] = {
        "nrt": {"hourly_cost": 0.033, "monthly_cost": 24.5},
        "ams": {"monthly_cost": 33.6},
    }
    fields = {(each.machine_type, each.location): each for each in provider.offers()}
    assert len(fields) == len(plans) * len(fake.catalogue["regions"])
    assert fields["vc2-2c-4gb", "fra"] == cloud.Offer(
        machine_type="vc2-2c-4gb",
        location="fra",
        price_per_hour=Decimal("0.027"),
        currency="USD",
    )
    assert fields["vc2-2c-4gb", "nrt"].price_per_hour == Decimal("0.033")
    assert fields["vc2-2c-4gb", "ams"].price_per_hour == Decimal("0.05")
    sold_out = [o for (kind, _), o in fields.items() if kind == "vcg-a100-12c-120g-80vram"]
    assert len(sold_out) == len(fake.catalogue["regions"])
    assert not any(offer.in_stock for offer in sold_out), "no location is sold out everywhere"
    stock = {key: offer.in_stock for key, offer in fields.items()}
    assert stock["vcg-a16-2c-8g-2vram", "fra"]
    assert not stock["vcg-a16-2c-8g-2vram", "ams"]


def test_a_price_may_only_be_monthly(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    free, monthly = fake.catalogue["plans"][:2]
    del free["hourly_cost"], free["monthly_cost"], monthly["hourly_cost"]
    monthly["monthly_cost"] = 3.5
    fields = {each.machine_type: each.price_per_hour for each in provider.offers()}
    assert free["id"] not in fields
    assert fields[monthly["id"]] == Decimal("0.005208")


def test_a_node_gets_what_the_vendors_controller_sets(provider: VultrCloud) -> None:
    assert provider.node_labels(vultr_bench.machine_type(vultr_bench.TYPE), "fra") == {
        "topology.kubernetes.io/region": "fra"
    }


# Orders.


def test_an_order_says_everything(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    keys = [fake.add_ssh_key(name) for name in ("ops", "dev")]
    vpcs = [fake.add_vpc("private", region) for region in ("ewr", "fra")]
    more = fake.add_vpc("storage", "fra")
    wall = fake.add_firewall("nodes")
    made = provider.create(
        vultr_bench.order(
            ssh_keys=("ops", keys[1]["id"]),
            networks=("private", more["id"]),
            firewalls=("nodes",),
            labels={"team": "a", "spot": ""},
            user_data="#cloud-config\n# ☃\n",
        )
    )
    assert sent(fake) == {
        "label": "web-a1",
        "hostname": "web-a1",
        "region": "fra",
        "plan": "vc2-2c-4gb",
        "os_id": 2136,
        "tags": ["vps-cluster:blue", "vps-group:web", "n:web-a1", "vps-unjoined", "spot", "team:a"],
        "enable_ipv6": True,
        "backups": "disabled",
        "activation_email": False,
        "user_data": base64.b64encode("#cloud-config\n# ☃\n".encode()).decode(),
        "sshkey_id": [key["id"] for key in keys],
        "attach_vpc": [vpcs[1]["id"], more["id"]],
        "firewall_group_id": wall["id"],
    }
    assert (made.state, made.receipt, made.image) == (CREATING, "", "2136")
    assert made.addresses == (), "0.0.0.0 is no address"
    fake.advance(fake.create_s)
    (listed,) = provider.instances()
    assert listed.state is CREATING, "installing"
    fake.advance(fake.boot_s)
    (listed,) = provider.instances()
    assert listed.state is RUNNING
    firsts = [re.split(r"[.:]", address)[0] for address in listed.addresses]
    assert firsts == ["198", "2001", "10"]


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "said"),
    [
        (True, True, {"enable_ipv6": True}),
        (True, False, {"enable_ipv6": False}),
        (False, True, {"enable_ipv6": True, "disable_public_ipv4": True}),
    ],
)
def test_which_addresses_are_public(
    fake: vultr.VultrFake, provider: VultrCloud, said: dict[str, bool], *, ipv4: bool, ipv6: bool
) -> None:
    provider.create(vultr_bench.order(public_ipv4=ipv4, public_ipv6=ipv6))
    flags = {"enable_ipv6", "disable_public_ipv4", "vpc_only"}
    assert {key: value for key, value in sent(fake).items() if key in flags} == said


def test_an_instance_in_a_vpc_only(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    fake.add_vpc("private", "fra")
    closed = vultr_bench.order(public_ipv4=False, public_ipv6=False, networks=("private",))
    provider.create(closed)
    assert (sent(fake)["vpc_only"], sent(fake)["enable_ipv6"]) == (True, False)
    assert "disable_public_ipv4" not in sent(fake)
    fake.advance(fake.create_s)
    (listed,) = provider.instances()
    assert [address.split(".")[0] for address in listed.addresses] == ["10"]


def test_what_is_named_is_asked_for_once_in_a_while(fake: vultr.VultrFake) -> None:
    fake.add_vpc("private", "fra")
    clock = engine.StoppedClock()
    provider = VultrCloud(vultr_bench.login(fake), clock=clock)
    for number in range(5):
        provider.create(vultr_bench.order(f"web-{number}", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/os", "/vpcs")] == [1, 1]
    clock.now += 301
    provider.create(vultr_bench.order("web-9", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/os", "/vpcs")] == [2, 2]
    provider.close()


def test_an_image_by_number_name_snapshot_or_marketplace(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    made = [
        fake.add_snapshot("golden", date_created="2026-03-01T00:00:00+00:00"),
        fake.add_snapshot("golden", date_created="2026-05-01T00:00:00+00:00"),
        fake.add_snapshot("golden", date_created="2026-07-01T00:00:00+00:00", status="pending"),
        fake.add_snapshot("raw", status="pending"),
    ]
    for number, (result, said) in enumerate(
        [
            ("2284", {"os_id": 2284}),
            ("Ubuntu 24.04 LTS x64", {"os_id": 2284}),
            ("golden", {"snapshot_id": made[1]["id"]}),
            (made[0]["id"], {"snapshot_id": made[0]["id"]}),
            ("image:docker", {"image_id": "docker"}),
        ]
    ):
        provider.create(vultr_bench.order(f"web-{number}", image=result))
        sources = {"os_id", "snapshot_id", "image_id"}
        assert {key: value for key, value in sent(fake).items() if key in sources} == said
    for wrong, result in (
        ("raw", "image 'raw' is pending, not complete"),
        ("ubuntu", "there is no image 'ubuntu'"),
        ("4", "there is no image '4'"),
        ("", "no image is configured"),
    ):
        with pytest.raises(errors.BadOrder, match=re.escape(result)):
            provider.create(vultr_bench.order("web-x", image=wrong))
    assert len(fake.instances) == 5


def test_a_snapshot_that_vanished_is_looked_for_again(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    old = fake.add_snapshot("golden")
    provider.create(vultr_bench.order("web-1", image="golden"))
    fake.snapshots.remove(old)
    new = fake.add_snapshot("golden")
    with pytest.raises(errors.BadOrder, match="Invalid snapshot_id"):
        provider.create(vultr_bench.order("web-2", image="golden"))
    provider.create(vultr_bench.order("web-2", image="golden"))
    assert sent(fake)["snapshot_id"] == new["id"]


FRACTION = vultr_bench.machine_type("vcg-a16-2c-8g-2vram", gpu_model="NVIDIA_A16")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"machine_type": FRACTION}, "is a fraction of a NVIDIA_A16"),
        ({"machine_type": vultr_bench.machine_type("vx1-g", disk_bytes=0)}, "needs block devices"),
        ({"public_ipv4": False, "public_ipv6": False}, "needs a VPC"),
        ({"firewalls": ("a", "b")}, "one firewall group, not 2"),
        ({"placement_group": "racks"}, "no placement groups"),
        ({"labels": {"example.com/team": "a"}}, "may only hold lower-case letters"),
        ({"user_data": "x" * 65537}, "65537 bytes is over"),
    ],
)
def test_what_cannot_work_is_refused_before_asking(
    fake: vultr.VultrFake, provider: VultrCloud, changes: dict[str, Any], text: str
) -> None:
    order = vultr_bench.order(**changes)
    with pytest.raises(errors.BadOrder, match=text):
        provider.create(order)
    assert fake.exchanges == []
    assert any(text in problem for problem in provider.check_order(order))
    assert fake.log("POST") == []


def test_a_whole_card_is_ordered(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    kinds = {each.name: each for each in provider.machine_types()}
    whole = kinds["vcg-a100-12c-120g-80vram"]
    assert whole.gpus == 1
    fake.restock(whole.name, "fra")
    assert provider.create(vultr_bench.order(machine_type=whole)).machine_type == whole.name


def test_check_order_tells_every_problem(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    fake.add_vpc("american", "ewr")
    wrong = vultr_bench.order(
        location="mars1",
        image="nope",
        ssh_keys=("lost-key",),
        networks=("lost-net",),
        firewalls=("lost-wall",),
    )
    assert provider.check_order(wrong) == (
        "there is no region 'mars1'",
        "there is no image 'nope': neither an OS nor a snapshot is so called",
        "there is no SSH key 'lost-key'",
        "there is no firewall group 'lost-wall'",
        "there is no VPC 'lost-net'",
    )
    abroad = vultr_bench.order(networks=("american",))
    assert provider.check_order(abroad) == ("of the networks 'american' none lies in fra",)
    fake.add_vpc("german", "fra")
    assert provider.check_order(vultr_bench.order(networks=("american", "german"))) == ()
    assert fake.log("POST") == []


def test_an_instance_without_its_tags_is_deleted_until_it_is_gone(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    fake.drops_tags = True
    fake.fail(KIND.ERROR, method="DELETE", status=500, message=vultr.LOCKED)
    with pytest.raises(errors.BadOrder, match="made without its tags"):
        provider.create(vultr_bench.order())
    assert len(fake.instances) == 1
    assert provider.instances() == ()
    fake.advance(fake.delete_s)
    provider.instances()
    assert fake.instances == {}
    assert [each.reply.status for each in fake.log("DELETE")] == [500, 204]
    provider.instances()
    assert len(fake.log("DELETE")) == 2, "gone is gone"


UNREAD: dict[str, dict[str, Any]] = {
    "not there": {"kind": KIND.ERROR, "status": 404, "message": "Invalid instance."},
    "error": {"kind": KIND.ERROR, "status": 503},
    "lost": {"kind": KIND.LOST},
    "garbage": {"kind": KIND.CHANGED, "change": lambda reply: dataclasses.replace(reply, body={})},
}


@pytest.mark.parametrize("fault", UNREAD.values(), ids=UNREAD)
def test_an_instance_without_its_tags_that_cannot_be_read_is_deleted_later(
    fake: vultr.VultrFake, provider: VultrCloud, fault: dict[str, Any]
) -> None:
    fake.drops_tags = True
    fake.fail(method="GET", path="/instances/", **fault)
    contract.refused(lambda: provider.create(vultr_bench.order()), errors.Unreachable, "create")
    assert fake.log("DELETE") == [], "nobody saw that it has none"
    assert len(fake.instances) == 1
    provider.instances()
    fake.advance(fake.delete_s)
    provider.instances()
    assert fake.instances == {}
    assert len(fake.log("DELETE")) == 1


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("fault", UNREAD.values(), ids=UNREAD)
def test_an_instance_whose_tags_nobody_could_see_is_found_by_them_and_kept(
    fake: vultr.VultrFake,
    provider: VultrCloud,
    fault: dict[str, Any],
    joined: bool,  # noqa: FBT001
) -> None:
    fake.fail(KIND.CHANGED, method="POST", change=_bare)
    fake.fail(method="GET", path="/instances/", **fault)
    contract.refused(lambda: provider.create(vultr_bench.order()), errors.Unreachable, "create")
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    if joined:  # it may have, before anybody can look again
        provider.mark(found.id, put={}, remove=frozenset({cloud.Mark.UNJOINED}))
    for _ in range(2):
        assert [each.id for each in provider.instances()] == [found.id]
    assert fake.log("DELETE") == []


def test_our_own_new_instance_is_not_called_one_without_our_mark(
    fake: vultr.VultrFake, provider: VultrCloud, caplog: pytest.LogCaptureFixture
) -> None:
    fake.drops_tags = True
    with pytest.raises(errors.BadOrder, match="made without its tags"):
        provider.create(vultr_bench.order())
    provider.instances()
    values = [r.getMessage() for r in caplog.records if r.name.startswith("providers.")]
    assert "unmarked machine deleted" in values
    assert "machine without our mark" not in values


def _bare(reply: engine.Reply) -> engine.Reply:
    answer = reply.json()
    answer["instance"]["tags"] = []
    return dataclasses.replace(reply, body=answer)


def test_tags_that_are_shown_a_moment_after_the_create_are_believed(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    fake.fail(KIND.CHANGED, method="POST", change=_bare)
    made = provider.create(vultr_bench.order())
    assert (made.node_name, made.group) == ("web-a1", "web")
    assert fake.log("DELETE") == []


def test_what_somebody_took_over_meanwhile_is_not_deleted(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    """The cloud is asked right before: a person may have named, marked and kept it."""
    fake.drops_tags = True
    fake.fail(KIND.ERROR, method="DELETE", status=500, message=vultr.LOCKED)
    with pytest.raises(errors.BadOrder, match="made without its tags"):
        provider.create(vultr_bench.order())
    (instance,) = fake.instances.values()
    instance.label = "the-database"
    for _ in range(2):
        assert provider.instances() == ()
    assert list(fake.instances) == [instance.id]
    assert len(fake.log("DELETE")) == 1


# What is there.


@pytest.mark.parametrize(
    ("values", "state"),
    [
        (("pending", "running", "none"), CREATING),
        (("active", "running", "none"), CREATING),
        (("active", "running", "installingbooting"), CREATING),
        (("active", "stopped", "installingbooting"), STOPPED),
        (("active", "stopped", "none"), STOPPED),
        (("suspended", "stopped", "none"), STOPPED),
        (("active", "running", "ok"), RUNNING),
        (("active", "running", "locked"), RUNNING),
        (("active", "stopped", "ok"), STOPPED),
        (("active", "stopped", "locked"), STOPPED),
        (("suspended", "stopped", "ok"), STOPPED),
        (("suspended", "running", "ok"), STOPPED),
        (("resizing", "stopped", "locked"), RUNNING),
        (("pending destruction", "running", "ok"), DELETING),
    ],
)
def test_three_words_make_a_state(
    fake: vultr.VultrFake,
    provider: VultrCloud,
    caplog: pytest.LogCaptureFixture,
    values: tuple[str, str, str],
    state: cloud.InstanceState,
) -> None:
    said = dict(zip(("status", "power_status", "server_status"), values, strict=True))
    fake.add("a", vultr_bench.tags(node="a"), words=said)
    assert [each.state for each in provider.instances()] == [state]
    assert [r for r in caplog.records if r.name.startswith("providers.")] == []


@pytest.mark.parametrize("power", ["running", "stopped"])
@pytest.mark.parametrize("server", ["none", "installingbooting"])
def test_an_install_that_turns_the_power_off_is_not_over_before_it_joined(
    fake: vultr.VultrFake, provider: VultrCloud, power: str, server: str
) -> None:
    words = {"status": "active", "power_status": power, "server_status": server}
    fake.add("a", (*vultr_bench.tags(node="a"), marks.UNJOINED), words=words)
    assert [each.state for each in provider.instances()] == [CREATING]


def test_the_words_are_those_of_the_document() -> None:
    if vultr_bench.document() is None:
        absent.skip(absent.Need.SHARED)
    document = json.loads((spec.REFERENCE / "vultr.json").read_text())
    fields = document["components"]["schemas"]["instance"]["properties"]
    for field, table in (
        ("status", vocabulary.STATUSES),
        ("power_status", vocabulary.POWERS),
        ("server_status", vocabulary.SERVERS),
    ):
        listed = set(re.findall(r"\* (\w+)", fields[field]["description"]))
        assert set(table) - {vocabulary.PENDING_DESTRUCTION} == listed


@pytest.mark.parametrize("field", ["status", "power_status", "server_status"])
def test_an_unknown_word_means_running_and_one_warning(
    fake: vultr.VultrFake, provider: VultrCloud, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    for name in ("a", "b"):
        fake.add(name, vultr_bench.tags(node=name), words={field: "hibernating"})
    for _ in range(2):
        assert {each.state for each in provider.instances()} == {RUNNING}
    (record,) = (r for r in caplog.records if r.name.startswith("providers."))
    assert record.getMessage() == "unknown machine state"
    assert record.fields["state"] == f"{field} hibernating"  # type: ignore[attr-defined]


def test_an_instance_that_lost_its_mark_is_not_ours(
    fake: vultr.VultrFake, provider: VultrCloud, caplog: pytest.LogCaptureFixture
) -> None:
    made = provider.create(vultr_bench.order())
    fake.instances[made.id].tags = []
    assert provider.instances() == ()
    for _ in range(2):
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
        assert provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
    values = [r.getMessage() for r in caplog.records if r.name.startswith("providers.")]
    assert values == ["machine without our mark"]


def test_two_instances_of_one_name_are_reported_apart_by_id(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    first, second = (provider.create(vultr_bench.order()) for _ in range(2))
    fake.instances[first.id].created += 5
    assert {each.id for each in provider.instances()} == {first.id, second.id}
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    assert found.id == second.id, "the older one"
    for each in (first, second):
        by_id = provider.look_up(node_name="web-a1", instance_id=each.id, receipt="")
        assert by_id is not None
        assert by_id.id == each.id
    provider.delete(second.id)
    fake.advance(fake.delete_s)
    assert [each.id for each in provider.instances()] == [first.id]


def test_an_id_that_is_none_is_certainly_not_there(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    for wrong in ("5", "../instances", "0000-1", "A" * 36):
        assert provider.look_up(node_name="a", instance_id=wrong, receipt="") is None
        with pytest.raises(errors.BadOrder, match="is no id"):
            provider.delete(wrong)
    for name in ("x" * 60, "Web-A1", ""):
        assert provider.look_up(node_name=name, instance_id="", receipt="") is None
    assert fake.exchanges == []


def test_an_answer_about_another_instance_is_none(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    one, two = (fake.add(n, vultr_bench.tags(node=n)).id for n in ("web-1", "web-2"))
    provider.look_up(node_name="web-1", instance_id=one, receipt="")
    other = fake.log("GET")[-1].reply
    fake.fail(KIND.CHANGED, change=lambda _: other)
    with pytest.raises(errors.Unreachable, match=f"asked for instance {two}, was shown {one}"):
        provider.look_up(node_name="web-2", instance_id=two, receipt="")
