"""DigitalOcean passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.digitalocean import AccountOptions, DigitalOceanCloud, vocabulary
from providers.fakes import engine
from tests import absent
from tests.fakes import digitalocean, spec
from tests.providers import contract, digitalocean_bench

KIND = engine.FaultKind
CREATING, RUNNING = cloud.InstanceState.CREATING, cloud.InstanceState.RUNNING


class TestContract(contract.HTTPContract):
    machine_type, location, image = (
        digitalocean_bench.TYPE,
        digitalocean_bench.PLACE,
        digitalocean_bench.IMAGE,
    )
    names_unique = False
    page_size = 200
    provider_id = "digitalocean://{}"
    shows_deleting = False  # the vendor has no word for it

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with digitalocean_bench.serving(token=token) as fake:
            login = digitalocean_bench.login(
                fake, cluster=cluster, account=account, read_timeout_s=2.0
            )
            yield contract.Bench(
                provider=DigitalOceanCloud.open(login),
                controls=digitalocean_bench.DigitalOceanControls(fake),
            )


@pytest.fixture
def fake() -> Iterator[digitalocean.DigitalOceanFake]:
    with digitalocean_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: digitalocean.DigitalOceanFake) -> Iterator[DigitalOceanCloud]:
    with digitalocean_bench.opened(fake) as it:
        yield it


def sent(fake: digitalocean.DigitalOceanFake) -> dict[str, Any]:
    """Return the body of the last create."""
    body: dict[str, Any] = fake.log("POST", "/droplets$")[-1].request.json()
    return body


def gpu_order(node_name: str = "web-g1") -> cloud.Order:
    return digitalocean_bench.order(
        node_name,
        machine_type=digitalocean_bench.machine_type(digitalocean_bench.GPU_TYPE, gpus=1),
        location=digitalocean_bench.GPU_PLACE,
    )


# What it says of itself and sells.


def test_its_settings_come_from_the_account(fake: digitalocean.DigitalOceanFake) -> None:
    settings = AccountOptions(settle_s=0.5, hands=3)
    with digitalocean_bench.opened(fake, settings=settings) as provider:
        assert (provider.settle_s, provider.hands) == (0.5, 3)
    for wrong in ({"settle_s": 0.0}, {"hands": 0}):
        with pytest.raises(ValueError, match="must be"):
            AccountOptions(**wrong)


def test_opening_contacts_nobody(fake: digitalocean.DigitalOceanFake) -> None:
    with digitalocean_bench.opened(fake):
        assert fake.exchanges == []


def test_machine_types_are_in_our_units(provider: DigitalOceanCloud) -> None:
    types = {each.name: each for each in provider.machine_types()}
    assert types["s-2vcpu-4gb"] == cloud.MachineType(
        name="s-2vcpu-4gb", cpu_millis=2000, memory_bytes=4 * 2**30, disk_bytes=80 * 10**9
    )
    gpu = types["gpu-h100x1-80gb"]
    assert (gpu.gpus, gpu.gpu_model) == (1, "NVIDIA_H100")


def test_sizes_on_more_than_one_page_all_come(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    first = fake.catalogue["sizes"][0]
    fake.catalogue["sizes"] = [{**first, "slug": f"px{n}"} for n in range(401)]
    assert len(provider.machine_types()) == 401
    assert len(fake.log("GET", "/sizes")) == 3


def test_every_size_is_offered_in_every_region(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    sizes = {row["slug"]: row for row in fake.catalogue["sizes"]}
    regions = {row["slug"]: row for row in fake.catalogue["regions"]}
    sizes["s-4vcpu-8gb"]["available"] = False
    sizes["s-1vcpu-1gb"]["price_hourly"] = 0.00743999984115362
    regions["ams3"]["available"] = False
    fields = {(each.machine_type, each.location): each for each in provider.offers()}
    assert len(fields) == len(sizes) * len(regions)
    assert fields["s-2vcpu-4gb", "fra1"] == cloud.Offer(
        machine_type="s-2vcpu-4gb",
        location="fra1",
        price_per_hour=Decimal("0.03571"),
        currency="USD",
    )
    assert fields["s-1vcpu-1gb", "fra1"].price_per_hour == Decimal("0.00744")
    stock = {key: offer.in_stock for key, offer in fields.items()}
    assert not stock["s-4vcpu-8gb", "fra1"], "the size is not available"
    assert not stock["s-2vcpu-4gb", "ams3"], "the region is not available"
    assert not stock["gpu-h100x1-80gb", "fra1"], "the size does not name the region"
    assert stock["gpu-h100x1-80gb", "atl1"], "the document's list of regions is not complete"


def test_a_size_without_a_price_is_no_offer(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.catalogue["sizes"][0]["price_hourly"] = 0
    name = fake.catalogue["sizes"][0]["slug"]
    assert name not in {each.machine_type for each in provider.offers()}
    assert name in {each.name for each in provider.machine_types()}


def test_a_node_gets_what_the_vendors_controllers_set(provider: DigitalOceanCloud) -> None:
    assert provider.node_labels(
        digitalocean_bench.machine_type(digitalocean_bench.TYPE), "fra1"
    ) == {
        "topology.kubernetes.io/region": "fra1",
        "region": "fra1",
    }


def test_the_quota_counts_gpu_droplets_too(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.add("a")
    fake.add("g", size=fake.catalogue["sizes"][-1])
    assert provider.quota() == cloud.Quota(limit=25, used=2)
    fake.account_status = "warning"
    quota = provider.quota()
    assert quota is not None
    assert quota.note == "account warning: see your mail"


# Orders.


def test_an_order_says_everything(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    keys = [fake.add_ssh_key(name) for name in ("ops", "dev", "boss")]
    vpcs = [fake.add_vpc("private", region) for region in ("nyc3", "fra1")]
    fake.add_firewall("nodes", "fw-nodes")
    inside = fake.add_firewall("all-of-blue", "vps-cluster:blue", "other")
    made = provider.create(
        digitalocean_bench.order(
            ssh_keys=("ops", str(keys[1]["id"]), keys[2]["fingerprint"]),
            networks=("private",),
            firewalls=("nodes", inside["id"]),
            labels={"team": "a", "spot": ""},
            user_data="#cloud-config\n",
        )
    )
    assert sent(fake) == {
        "name": "web-a1",
        "size": "s-2vcpu-4gb",
        "region": "fra1",
        "image": "debian-12-x64",
        "tags": [
            "vps-cluster:blue",
            "vps-group:web",
            "n:web-a1",
            "vps-unjoined",
            "spot",
            "team:a",
            "fw-nodes",
        ],
        "ssh_keys": [key["id"] for key in keys],
        "ipv6": True,
        "public_networking": True,
        "vpc_uuid": vpcs[1]["id"],
        "user_data": "#cloud-config\n",
    }
    assert made.state is CREATING
    assert made.receipt == str(fake.droplets[int(made.id)].action)
    assert made.image == "debian-12-x64"
    assert made.addresses == ()
    fake.advance(fake.boot_s)
    (listed,) = provider.instances()
    assert [str(address).split(".")[0].split(":")[0] for address in listed.addresses] == [
        "198",
        "2001",
        "10",
    ]


def test_a_droplet_without_public_addresses(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    provider.create(digitalocean_bench.order(public_ipv4=False, public_ipv6=False))
    assert (sent(fake)["public_networking"], sent(fake)["ipv6"]) == (False, False)
    fake.advance(fake.boot_s)
    (listed,) = provider.instances()
    assert [address.split(".")[0] for address in listed.addresses] == ["10"]


def test_what_is_named_is_asked_for_once_in_a_while(
    fake: digitalocean.DigitalOceanFake,
) -> None:
    fake.add_vpc("private", "fra1")
    clock = engine.StoppedClock()
    provider = DigitalOceanCloud(digitalocean_bench.login(fake), clock=clock)
    for number in range(5):
        provider.create(digitalocean_bench.order(f"web-{number}", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/images", "/vpcs")] == [1, 1]
    clock.now += 301
    provider.create(digitalocean_bench.order("web-9", networks=("private",)))
    assert [len(fake.log("GET", kind)) for kind in ("/images", "/vpcs")] == [2, 2]
    provider.close()


def test_an_image_by_id_name_or_tag_is_the_newest_in_the_region(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    made = [
        fake.add_image("golden", created_at="2026-03-01T00:00:00Z", tags=["node"]),
        fake.add_image("golden", created_at="2026-05-01T00:00:00Z"),
        fake.add_image("golden", created_at="2026-07-01T00:00:00Z", regions=["nyc3"]),
        fake.add_image("golden", created_at="2026-08-01T00:00:00Z", status="pending"),
    ]
    for number, (result, found) in enumerate(
        [("golden", made[1]), ("node", made[0]), (str(made[0]["id"]), made[0])]
    ):
        provider.create(digitalocean_bench.order(f"web-{number}", image=result))
        assert sent(fake)["image"] == found["id"]
    provider.create(digitalocean_bench.order("web-9", image="golden", location="nyc3"))
    assert sent(fake)["image"] == made[2]["id"]
    for wrong, result in (
        (str(made[2]["id"]), "is in nyc3, not in fra1: transfer it"),
        (str(made[3]["id"]), "is pending, not available"),
        ("no/such image", "there is no image 'no/such image'"),
        ("4", "there is no image '4'"),
        ("", "no image is configured"),
    ):
        with pytest.raises(errors.BadOrder, match=re.escape(result)):
            provider.create(digitalocean_bench.order("web-x", image=wrong))
    assert len(fake.droplets) == 4


def test_an_image_that_does_not_say_where_it_is_is_ordered(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    # The document requires no field of an image: what is not said is no reason to refuse.
    silent = fake.add_image("golden")
    del silent["regions"]
    provider.create(digitalocean_bench.order("web-1", image="golden"))
    assert sent(fake)["image"] == silent["id"]


def test_an_image_that_vanished_is_looked_for_again(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    old = fake.add_image("golden")
    provider.create(digitalocean_bench.order("web-1", image="golden"))
    fake.images.remove(old)
    new = fake.add_image("golden")
    with pytest.raises(errors.BadOrder, match="invalid image"):
        provider.create(digitalocean_bench.order("web-2", image="golden"))
    provider.create(digitalocean_bench.order("web-2", image="golden"))
    assert sent(fake)["image"] == new["id"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"public_ipv4": False}, "IPv6 address alone"),
        ({"placement_group": "racks"}, "no placement groups"),
        ({"labels": {"example.com/team": "a"}}, "may only hold lower-case letters"),
        ({"labels": {"team": "A"}}, "may only hold lower-case letters"),
        ({"labels": {"vps-cluster": "green"}}, "pass for one of our own marks"),
        ({"user_data": "x" * 65537}, "65537 bytes is over"),
    ],
)
def test_what_cannot_work_is_refused_before_asking(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    changes: dict[str, Any],
    text: str,
) -> None:
    order = digitalocean_bench.order(**changes)
    with pytest.raises(errors.BadOrder, match=text):
        provider.create(order)
    assert fake.exchanges == []
    assert any(text in problem for problem in provider.check_order(order))


def test_check_order_tells_every_problem(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.add_vpc("american", "nyc3")
    fake.add_firewall("bare")
    fake.add_firewall("many", "a", "b")
    wrong = digitalocean_bench.order(
        location="mars1",
        image="nope",
        ssh_keys=("lost-key", "17"),
        networks=("lost-net",),
        firewalls=("lost-wall", "bare", "many"),
    )
    needs = (
        "droplets join a firewall by its tag, so it needs exactly one, or one that the group's "
        "server labels set"
    )
    assert provider.check_order(wrong) == (
        "there is no region 'mars1'",
        "there is no image 'nope'",
        "there is no SSH key 'lost-key'",
        "there is no SSH key '17'",
        "there is no firewall 'lost-wall'",
        f"firewall 'bare' has none: {needs}",
        f"firewall 'many' has 2 (a, b): {needs}",
        "there is no VPC 'lost-net'",
    )
    both = [fake.add_vpc(name, "fra1")["id"] for name in ("one", "two")]
    ids = ", ".join(sorted(both))
    for names, result in (
        (("american",), "of the networks 'american' none lies in fra1, not one"),
        (("one", "two"), f"of the networks 'one', 'two' 2 lie in fra1 ({ids}), not one"),
    ):
        assert provider.check_order(digitalocean_bench.order(networks=names)) == (result,)
    fine = digitalocean_bench.order(networks=("one", "american"), firewalls=("many",))
    assert provider.check_order(dataclasses.replace(fine, labels={"b": "", "c": "d"})) == (
        "the tag 'b' has 1 characters; 3 to 50 fit every cloud",
        f"firewall 'many' has 2 (a, b): {needs}",
    )
    assert fake.log("POST") == []


def test_a_group_without_ssh_keys_is_reported_once(
    provider: DigitalOceanCloud, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        provider.create(digitalocean_bench.order(f"web-{number}"))
    values = [r for r in caplog.records if "SSH key" in r.getMessage()]
    assert [record.fields["group"] for record in values] == ["web"]  # type: ignore[attr-defined]


# Tags that did not stick.


@pytest.mark.parametrize("reason", ["dropped", "capitals"])
def test_a_droplet_without_its_tags_is_not_left_behind(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, reason: str
) -> None:
    if reason == "dropped":
        fake.drops_tags = True
    else:
        fake.tags["vps-group:web"] = "VPS-Group:web"
    with pytest.raises(errors.BadOrder, match="made without its tags"):
        provider.create(digitalocean_bench.order())
    fake.advance(fake.delete_s)
    assert fake.droplets == {}
    assert [each.request.method for each in fake.log("DELETE")] == ["DELETE"]


UNREAD: dict[str, dict[str, Any]] = {
    "not there": {"kind": KIND.ERROR, "status": 404},
    "error": {"kind": KIND.ERROR, "status": 503},
    "no right": {"kind": KIND.ERROR, "status": 403},
    "lost": {"kind": KIND.LOST},
    "garbage": {"kind": KIND.CHANGED, "change": lambda reply: dataclasses.replace(reply, body={})},
}


@pytest.mark.parametrize("fault", UNREAD.values(), ids=UNREAD)
def test_a_droplet_without_its_tags_that_cannot_be_read_is_deleted_later(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, fault: dict[str, Any]
) -> None:
    fake.drops_tags = True
    fake.fail(method="GET", path="/droplets/", **fault)
    contract.refused(
        lambda: provider.create(digitalocean_bench.order()), errors.Unreachable, "create"
    )
    assert fake.log("DELETE") == [], "nobody saw that it has none"
    assert len(fake.droplets) == 1
    provider.instances()
    fake.advance(fake.delete_s)
    provider.instances()
    assert fake.droplets == {}
    assert len(fake.log("DELETE")) == 1


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("fault", UNREAD.values(), ids=UNREAD)
def test_a_droplet_whose_tags_nobody_could_see_is_found_by_them_and_kept(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    fault: dict[str, Any],
    joined: bool,  # noqa: FBT001
) -> None:
    fake.fail(KIND.CHANGED, method="POST", change=_bare)
    fake.fail(method="GET", path="/droplets/", **fault)
    contract.refused(
        lambda: provider.create(digitalocean_bench.order()), errors.Unreachable, "create"
    )
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    if joined:  # it may have, before anybody can look again
        provider.mark(found.id, put={}, remove=frozenset({cloud.Mark.UNJOINED}))
    for _ in range(2):
        assert [each.id for each in provider.instances()] == [found.id]
    assert [each for each in fake.log("DELETE") if "/droplets" in each.request.path] == []


def _bare(reply: engine.Reply) -> engine.Reply:
    answer = reply.json()
    answer["droplet"]["tags"] = []
    return dataclasses.replace(reply, body=answer)


def test_tags_that_are_shown_a_moment_after_the_create_are_believed(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.fail(KIND.CHANGED, method="POST", change=_bare)
    made = provider.create(digitalocean_bench.order())
    assert (made.node_name, made.group) == ("web-a1", "web")
    assert made.receipt
    assert fake.log("DELETE") == []


def test_an_untagged_droplet_is_deleted_until_it_is_gone(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A delete may fail, and one of a new droplet may be taken and ignored."""
    fake.drops_tags = fake.spares_new = True
    fake.fail(KIND.ERROR, method="DELETE", status=500)
    with pytest.raises(errors.BadOrder, match="made without its tags"):
        provider.create(digitalocean_bench.order())
    (number,) = fake.droplets
    fake.fail(KIND.LOST, method="DELETE")
    for _ in range(3):
        assert provider.instances() == (), "what is swept up never spoils a listing"
    assert list(fake.droplets) == [number], "it is new: the cloud said yes and did nothing"
    fake.advance(fake.boot_s)
    provider.instances()
    fake.advance(fake.delete_s)
    provider.instances()
    assert fake.droplets == {}
    deletes = len(fake.log("DELETE"))
    assert {each.request.path for each in fake.log("DELETE")} == {f"/v2/droplets/{number}"}
    provider.instances()
    assert len(fake.log("DELETE")) == deletes, "gone is gone"
    values = [r.getMessage() for r in caplog.records if r.name == "providers.kit.leftovers"]
    assert (
        values
        == [
            *["unmarked machine not deleted"] * 2,
            *["unmarked machine deleted"] * 3,
            "unmarked machine gone",
        ][: len(values)]
    )
    assert str(number) in {
        r.fields["id"] for r in caplog.records if r.name == "providers.kit.leftovers"
    }  # type: ignore[attr-defined]


def test_nothing_is_ever_deleted_by_tag(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    made = provider.create(digitalocean_bench.order())
    for wrong in ("", "../droplets", "5?tag_name=x", "5/../6"):
        with pytest.raises(errors.BadOrder, match="is no id"):
            provider.delete(wrong)
        if wrong:
            assert provider.look_up(node_name="a", instance_id=wrong, receipt="") is None
    provider.delete(made.id)
    assert [each.request.path for each in fake.log("DELETE")] == [f"/v2/droplets/{made.id}"]


# What is there.


@pytest.mark.parametrize(("word", "state"), list(vocabulary.STATES.items()))
def test_every_state_of_the_vendor(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    word: str,
    state: cloud.InstanceState,
) -> None:
    fake.add("a", digitalocean_bench.tags(node="a"), word=word)
    assert [each.state for each in provider.instances()] == [state]


def test_the_states_are_those_of_the_document() -> None:
    if digitalocean_bench.document() is None:
        absent.skip(absent.Need.SHARED)
    document = json.loads((spec.REFERENCE / "digitalocean.json").read_text())
    droplet = document["components"]["schemas"]["droplet"]
    assert set(vocabulary.STATES) == set(droplet["properties"]["status"]["enum"])


def test_a_droplet_that_lost_its_mark_is_not_ours(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = provider.create(digitalocean_bench.order(ssh_keys=(fake.add_ssh_key("k")["name"],)))
    fake.advance(fake.boot_s)
    fake.droplets[int(made.id)].tags = []
    assert provider.instances() == ()
    for _ in range(2):
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
    values = [r.getMessage() for r in caplog.records if r.name.startswith("providers.")]
    assert values == ["machine without our mark"]


def test_two_droplets_of_one_name_are_reported_apart_by_id(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    first, second = (provider.create(digitalocean_bench.order()) for _ in range(2))
    fake.droplets[int(first.id)].created += 5
    fake.advance(fake.boot_s)
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


def test_a_name_that_no_tag_can_hold_is_certainly_not_there(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    for name in ("x" * 60, "Web-A1", "a,b", ""):
        assert provider.look_up(node_name=name, instance_id="", receipt="") is None
    assert fake.exchanges == []


def test_an_answer_about_another_droplet_is_none(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    one, two = (str(fake.add(n, digitalocean_bench.tags(node=n)).id) for n in ("web-1", "web-2"))
    provider.look_up(node_name="web-1", instance_id=one, receipt="")
    other = fake.log("GET")[-1].reply
    fake.fail(KIND.CHANGED, change=lambda _: other)
    with pytest.raises(errors.Unreachable, match=f"asked for droplet {two}, was shown {one}"):
        provider.look_up(node_name="web-2", instance_id=two, receipt="")


def test_a_delete_of_a_new_droplet_may_be_ignored(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.spares_new = True
    made = provider.create(digitalocean_bench.order())
    provider.delete(made.id)
    fake.advance(fake.delete_s)
    assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is not None
    fake.advance(fake.boot_s)
    provider.delete(made.id)
    fake.advance(fake.delete_s)
    assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None


def test_a_busy_droplet_is_asked_for_again_later(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    droplet = fake.add("a", digitalocean_bench.tags(node="a"), busy_until=fake.now() + 30)
    with pytest.raises(errors.Throttled, match="pending event"):
        provider.delete(str(droplet.id))
    fake.advance(30)
    provider.delete(str(droplet.id))
    fake.advance(fake.delete_s)
    assert fake.droplets == {}


# The fate of accepted orders.


@pytest.mark.parametrize("leave", ["new", "gone"])
def test_an_accepted_order_may_still_fail(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, leave: str
) -> None:
    fake.fail_action(leave=leave)
    made = provider.create(digitalocean_bench.order())
    asked = {"node_name": "web-a1", "instance_id": made.id, "receipt": made.receipt}
    early = provider.look_up(**asked)
    assert early is not None
    assert (early.state, early.receipt) == (CREATING, made.receipt)
    fake.advance(fake.boot_s)
    for each in (asked, {**asked, "instance_id": ""}):
        with pytest.raises(errors.CloudError, match="accepted and then failed") as caught:
            provider.look_up(**each)
        assert type(caught.value) is errors.OutOfStock
        assert made.receipt in caught.value.message
    left = provider.look_up(**{**asked, "receipt": ""})
    assert (left is None) == (leave == "gone")


def test_a_good_order_is_looked_up_in_one_request_once_it_runs(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    made = provider.create(digitalocean_bench.order())
    fake.advance(fake.boot_s)
    before = len(fake.exchanges)
    found = provider.look_up(node_name="web-a1", instance_id=made.id, receipt=made.receipt)
    assert found is not None
    assert found.state is RUNNING
    assert len(fake.exchanges) == before + 1
    fake.actions.clear()
    assert provider.look_up(node_name="x", instance_id="1", receipt=made.receipt) is None
    assert provider.look_up(node_name="x", instance_id="1", receipt="odd") is None


# GPU droplets, which lists by tag leave out.


def test_gpu_droplets_are_listed_with_the_others(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    plain, gpu = provider.create(digitalocean_bench.order()), provider.create(gpu_order())
    foreign = digitalocean_bench.tags(cluster="green", node="web-g2")
    fake.add("web-g2", foreign, size=fake.catalogue["sizes"][-1])
    fake.advance(fake.boot_s)
    assert {each.id for each in provider.instances()} == {plain.id, gpu.id}
    found = provider.look_up(node_name="web-g1", instance_id="", receipt="")
    assert found is not None
    assert found.id == gpu.id
    assert provider.look_up(node_name="web-g2", instance_id="", receipt="") is None


class _Listings:
    """Count which listings also asked for GPU droplets."""

    def __init__(self, fake: digitalocean.DigitalOceanFake) -> None:
        self.fake = fake
        self.clock = engine.StoppedClock()
        fake.clock = self.clock
        self.provider = DigitalOceanCloud(digitalocean_bench.login(fake), clock=self.clock)

    def with_gpus(self, count: int) -> list[bool]:
        values = []
        for _ in range(count):
            before = len(self.fake.log("GET", "/droplets$"))
            self.provider.instances()
            asked = self.fake.log("GET", "/droplets$")[before:]
            values.append(any(each.request.one("type") == "gpus" for each in asked))
            self.clock.now += 20
        return values


def test_gpu_droplets_are_looked_for_when_there_may_be_some(
    fake: digitalocean.DigitalOceanFake,
) -> None:
    listings = _Listings(fake)
    assert listings.with_gpus(15) == [True] * 15, "a predecessor's orders may still land"
    result = listings.with_gpus(40)
    assert result.count(True) == 4, "else every tenth time"
    made = listings.provider.create(gpu_order())
    assert listings.with_gpus(30) == [True] * 30, "as long as one of ours is there"
    listings.provider.delete(made.id)
    fake.advance(fake.delete_s)
    listings.with_gpus(16)
    assert listings.with_gpus(40).count(True) == 4
    listings.provider.close()


def test_a_gpu_droplet_of_ours_that_turns_up_is_never_lost_again(
    fake: digitalocean.DigitalOceanFake,
) -> None:
    listings = _Listings(fake)
    listings.with_gpus(20)
    late = fake.add("late", digitalocean_bench.tags(node="late"), size=fake.catalogue["sizes"][-1])
    seen = []
    for _ in range(25):
        seen.append([each.id for each in listings.provider.instances()])
        listings.clock.now += 300
    first = seen.index([str(late.id)])
    assert first < 10
    assert seen[first:] == [[str(late.id)]] * (25 - first)
    listings.provider.close()


def test_a_torn_list_of_gpu_droplets_tears_the_listing(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    fake.add("a", digitalocean_bench.tags(node="a"))
    fake.fail(KIND.LOST, method="GET", path="/droplets$", skip=1)
    with pytest.raises(errors.Unreachable):
        provider.instances()
