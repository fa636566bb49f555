from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalgrpc.config import model
from externalgrpc.diagnosis import preflight
from externalgrpc.diagnosis.preflight import ordering
from externalgrpc.model import groups
from externalgrpc.nodes import pods, price_list, pricing, template
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core
from providers import contract

GIB = 1024**3
HOUR = Decimal(1)
TYPES = {
    "euro": (
        contract.MachineType(
            name="cx23", cpu_millis=2000, memory_bytes=4 * GIB, disk_bytes=40 * GIB
        ),
        contract.MachineType(
            name="ccx13", cpu_millis=2000, memory_bytes=8 * GIB, disk_bytes=80 * GIB
        ),
    ),
    "dollar": (
        contract.MachineType(
            name="g6-4", cpu_millis=4000, memory_bytes=8 * GIB, disk_bytes=160 * GIB
        ),
        contract.MachineType(
            name="gpu", cpu_millis=8000, memory_bytes=32 * GIB, disk_bytes=640 * GIB, gpus=1
        ),
    ),
}


def offer(kind: str, location: str, price: str, currency: str, ipv4: str = "0") -> contract.Offer:
    return contract.Offer(
        machine_type=kind,
        location=location,
        price_per_hour=Decimal(price),
        currency=currency,
        ipv4_per_hour=Decimal(ipv4),
    )


OFFERS = {
    "euro": (
        offer("cx23", "fsn1", "0.0088", "EUR", "0.0008"),
        offer("cx23", "hel1", "0.0090", "EUR", "0.0008"),
        offer("ccx13", "fsn1", "0.0689", "EUR", "0.0008"),
    ),
    "dollar": (offer("g6-4", "us-east", "0.072", "USD"), offer("gpu", "us-east", "0", "USD")),
}
PRICES = pricing.price_list(OFFERS, TYPES, currency="EUR", rates={"USD": Decimal("0.9")})


def group(*candidates: tuple[str, str], account: str = "euro") -> groups.NodeGroup:
    return groups.NodeGroup(
        name="pool",
        account=account,
        candidates=tuple(groups.Candidate(*each) for each in candidates),
        min_size=0,
        max_size=3,
    )


def node(kind: str = "", region: str = "", name: str = "a-node") -> wire.ExternalGrpcNode:
    labels = {template.INSTANCE_TYPE: kind, template.REGION: region}
    return wire.ExternalGrpcNode(
        name=name, labels={key: value for key, value in labels.items() if value}
    )


def pod(
    *containers: dict[str, str],
    init: tuple[tuple[dict[str, str], bool], ...] = (),
    overhead: dict[str, str] | None = None,
) -> bytes:
    def container(requests: dict[str, str], *, sidecar: bool = False) -> core.Container:
        return core.Container(
            restartPolicy="Always" if sidecar else "",
            resources=core.ResourceRequirements(
                requests={name: core.Quantity(string=text) for name, text in requests.items()}
            ),
        )

    return core.Pod(
        spec=core.PodSpec(
            containers=[container(each) for each in containers],
            initContainers=[container(each, sidecar=sidecar) for each, sidecar in init],
            overhead={k: core.Quantity(string=v) for k, v in (overhead or {}).items()},
        )
    ).SerializeToString()


def price_of(
    what: wire.ExternalGrpcNode,
    of: groups.NodeGroup | None,
    hours: Decimal = HOUR,
    prices: pricing.PriceList = PRICES,
) -> float:
    return pricing.node_price(prices, what, group=of, hours=hours)


def test_a_node_costs_its_type_in_its_region_with_its_address() -> None:
    pool = group(("cx23", "fsn1"), ("cx23", "hel1"))
    assert price_of(node("cx23", "hel1"), pool) == pytest.approx(0.0098)
    assert price_of(node("ccx13", "fsn1"), pool) == pytest.approx(0.0697)


def test_no_address_no_price_for_it() -> None:
    pool = dataclasses.replace(group(("cx23", "fsn1")), public_ipv4=False)
    assert price_of(node("cx23", "fsn1"), pool) == pytest.approx(0.0088)


def test_the_old_names_of_the_labels_do_as_well() -> None:
    old = wire.ExternalGrpcNode(
        labels={
            "beta.kubernetes.io/instance-type": "ccx13",
            "failure-domain.beta.kubernetes.io/region": "fsn1",
        }
    )
    assert price_of(old, group(("cx23", "fsn1"))) == pytest.approx(0.0697)


def test_another_currency_is_converted() -> None:
    assert price_of(node("g6-4", "us-east"), group(account="dollar")) == pytest.approx(0.0648)


@pytest.mark.parametrize(
    "what",
    [
        node(),  # the template of a group with several types
        node("cx23"),  # the template of a region-free group
        node("cx21", "fsn1"),  # a node of a type that is sold no more
        node("k3s", "fsn1"),  # a distribution that writes its own name there
        node("cx23", "gone"),
    ],
)
def test_what_its_labels_do_not_price_costs_what_the_group_orders_first(
    what: wire.ExternalGrpcNode,
) -> None:
    pool = group(("cx99", "fsn1"), ("cx23", "hel1"), ("ccx13", "fsn1"))
    assert price_of(what, pool) == pytest.approx(0.0098)


def test_a_type_without_a_region_is_priced_where_the_group_may_order_it() -> None:
    pool = group(("cx23", "hel1"), ("ccx13", "fsn1"))
    assert price_of(node("ccx13"), pool) == pytest.approx(0.0697)


def test_two_accounts_with_one_type_are_not_mixed_up() -> None:
    offers = {
        "one": (offer("t", "r", "1", "EUR"),),
        "two": (offer("t", "r", "2", "EUR"),),
    }
    prices = pricing.price_list(offers, {}, currency="EUR", rates={})
    assert price_of(node("t", "r"), group(account="two"), prices=prices) == 2.0
    assert price_of(node("t", "r"), None, prices=prices) == 1.0


def test_a_node_of_no_group_is_priced_by_its_labels() -> None:
    assert price_of(node("cx23", "hel1"), None) == pytest.approx(0.0098)
    assert price_of(node("cx23"), None) == pytest.approx(0.0096)


def test_a_node_without_a_price_is_refused_in_words() -> None:
    with pytest.raises(pricing.NoPrice, match=r"group pool: account euro .* cx99 in fsn1"):
        price_of(node("cx99", "fsn1"), group(("cx99", "fsn1")))
    with pytest.raises(pricing.NoPrice, match="'cx99' in 'fsn1'"):
        price_of(node("cx99", "fsn1"), None)
    with pytest.raises(pricing.NoPrice, match=template.INSTANCE_TYPE):
        price_of(node(), None)


def test_a_machine_that_is_listed_as_free_has_no_price() -> None:
    with pytest.raises(pricing.NoPrice):
        price_of(node("gpu", "us-east"), group(("gpu", "us-east"), account="dollar"))


@pytest.mark.parametrize("rates", [{}, {"USD": Decimal(0)}, {"USD": Decimal("NaN")}])
def test_a_missing_rate_is_reported_with_its_cure(rates: dict[str, Decimal]) -> None:
    prices = pricing.price_list(OFFERS, TYPES, currency="EUR", rates=rates)
    with pytest.raises(pricing.NoPrice, match="offers in USD need a rate into EUR"):
        price_of(node(), group(("g6-4", "us-east"), account="dollar"), prices=prices)
    with pytest.raises(pricing.NoPrice) as other:
        price_of(node("x", "y"), group(("x", "y")), prices=prices)
    assert "USD" not in str(other.value)


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "1E+999999", "1E-999999", "sNaN"])
def test_an_absurd_price_is_no_price(price: str) -> None:
    prices = pricing.price_list(
        {"a": (offer("t", "r", price, "USD", price),)},
        {"a": (contract.MachineType(name="t", cpu_millis=1, memory_bytes=1, disk_bytes=1),)},
        currency="EUR",
        rates={"USD": Decimal(1000)},
    )
    assert prices.prices == {}
    assert 0 < pricing.pod_price(prices, b"", hours=HOUR) < math.inf


def test_the_price_of_a_group_is_that_of_what_it_orders_first() -> None:
    assert pricing.group_price_per_hour(PRICES, group(("cx23", "hel1"))) == Decimal("0.0098")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("template-node-for-pool-5184704184529095594", "pool"),
        ("template-node-for-pool-5184704184529095594-upcoming-3", "pool"),
        ("template-node-for-pool-7-12345", "pool-7"),
        ("template-node-for-pool-7-12345-upcoming-0", "pool-7"),
        ("template-node-for-unknown-12345", ""),
        ("template-node-for-pool", ""),
        ("pool-x7k2p", ""),
        ("", ""),
    ],
)
def test_the_group_in_a_simulated_nodes_name(name: str, text: str) -> None:
    assert pricing.group_of_template(name, {"pool", "pool-7"}) == text


def test_unit_prices_come_from_the_cheapest_offer() -> None:
    assert PRICES.cpu_per_hour == Decimal("0.0022")  # cx23 in fsn1: half its price, two cores
    assert PRICES.gib_per_hour == Decimal("0.0011")  # and half of it for 4 GiB


def test_a_pod_costs_what_it_requests() -> None:
    worth = pricing.pod_price(PRICES, pod({"cpu": "500m", "memory": "2Gi"}), hours=HOUR)
    assert worth == pytest.approx(0.5 * 0.0022 + 2 * 0.0011)


@pytest.mark.parametrize(
    ("bytes_", "cpu_millis", "memory"),
    [
        (pod({"cpu": "1", "memory": "1Gi"}, {"cpu": "250m"}), 1250, GIB),
        (pod({"cpu": "1"}, init=(({"cpu": "3", "memory": "1Ki"}, False),)), 3000, 1024),
        # A sidecar runs beside the containers and beside the init containers after it.
        (pod({"cpu": "1"}, init=(({"cpu": "200m"}, True),)), 1200, 0),
        (pod({"cpu": "1"}, init=(({"cpu": "200m"}, True), ({"cpu": "2"}, False))), 2200, 0),
        (pod({"cpu": "1"}, init=(({"cpu": "2"}, False), ({"cpu": "200m"}, True))), 2000, 0),
        (pod({"cpu": "1"}, overhead={"cpu": "50m", "memory": "64Mi"}), 1050, 64 * 1024**2),
        (pod({"cpu": "-1", "memory": "much"}), 0, 0),
        (b"", 0, 0),
    ],
    ids=["sum", "init", "sidecar", "sidecar-init", "init-sidecar", "overhead", "absurd", "empty"],
)
def test_requests_add_up_as_the_scheduler_does(bytes_: bytes, cpu_millis: int, memory: int) -> None:
    assert pods.requests(pods.read(bytes_)) == (cpu_millis, memory)


@pytest.mark.parametrize(
    "bytes_",
    [b"", pod(), pod({}), pod({"cpu": "0"}), pod({"cpu": "x"})],
    ids=["nothing", "no-container", "no-request", "zero", "unreadable"],
)
def test_a_pod_without_requests_is_worth_the_schedulers_floor(bytes_: bytes) -> None:
    floor = pricing.pod_price(PRICES, pod({"cpu": "100m", "memory": "200Mi"}), hours=HOUR)
    assert pricing.pod_price(PRICES, bytes_, hours=HOUR) == floor > 0


def test_bytes_that_are_no_pod_are_refused_in_words() -> None:
    with pytest.raises(pods.UnreadablePod, match="3 bytes"):
        pricing.pod_price(PRICES, b"\xff\xff\xff", hours=HOUR)


def test_without_any_offer_pods_still_have_a_price() -> None:
    empty = pricing.price_list({}, {}, currency="EUR", rates={})
    assert pricing.pod_price(empty, b"", hours=HOUR) > 0


@pytest.mark.parametrize("kind", [wire.PricingNodePriceRequest, wire.PricingPodPriceRequest])
def test_the_period_of_both_generations(kind: type) -> None:
    old, new = kind(), kind()
    old.legacyStartTime.seconds, old.legacyEndTime.seconds = 1000, 8200
    new.startTimestamp.seconds, new.endTimestamp.seconds = 1000, 2800
    assert pricing.window_hours(old) == 2
    assert pricing.window_hours(new) == Decimal("0.5")
    both = kind()
    both.MergeFrom(old)
    both.MergeFrom(new)
    assert pricing.window_hours(both) == Decimal("0.5")


@pytest.mark.parametrize("kind", [wire.PricingNodePriceRequest, wire.PricingPodPriceRequest])
def test_a_period_that_is_none_counts_as_an_hour(kind: type) -> None:
    missing, half, empty, reversed_ = kind(), kind(), kind(), kind()
    half.startTimestamp.seconds = 7
    empty.startTimestamp.seconds = empty.endTimestamp.seconds = 7
    reversed_.startTimestamp.seconds, reversed_.endTimestamp.seconds = 8, 7
    for request in (missing, half, empty, reversed_):
        assert pricing.window_hours(request) == 1


def test_the_pod_of_both_generations() -> None:
    assert pricing.pod_of(wire.PricingPodPriceRequest(legacyPod=b"old")) == b"old"
    both = wire.PricingPodPriceRequest(legacyPod=b"old", pod_bytes=b"new")
    assert pricing.pod_of(both) == b"new"


costs = st.decimals("0.0001", "1000", places=4)
catalogues = st.lists(
    st.tuples(costs, st.integers(100, 512_000), st.integers(2**20, 2**45)), min_size=1, max_size=6
)


def listed(machines: list[tuple[Decimal, int, int]]) -> pricing.PriceList:
    kinds = [
        contract.MachineType(name=f"t{n}", cpu_millis=cpu, memory_bytes=memory, disk_bytes=0)
        for n, (_, cpu, memory) in enumerate(machines)
    ]
    offers = [offer(f"t{n}", "r", str(cost), "EUR") for n, (cost, _, _) in enumerate(machines)]
    return pricing.price_list({"a": offers}, {"a": kinds}, currency="EUR", rates={})


@given(catalogues, st.data())
def test_a_fill_of_pods_is_never_worth_more_than_its_machine(
    machines: list[tuple[Decimal, int, int]], data: st.DataObject
) -> None:
    prices = listed(machines)
    number = data.draw(st.integers(0, len(machines) - 1))
    cost, cpu_millis, memory = machines[number]
    full = pod({"cpu": f"{cpu_millis}m", "memory": str(memory)})
    machine = price_of(node(f"t{number}", "r"), None, prices=prices)
    assert machine == pytest.approx(float(cost))
    assert 0 < pricing.pod_price(prices, full, hours=HOUR) <= machine * (1 + 1e-9)


periods = st.integers(1, 2**62).map(lambda ns: Decimal(ns) / (3600 * 10**9))


@given(catalogues, periods, st.integers(2, 1000))
def test_prices_grow_in_proportion_to_the_period(
    machines: list[tuple[Decimal, int, int]], hours: Decimal, times: int
) -> None:
    prices = listed(machines)
    for price in (
        lambda period: price_of(node("t0", "r"), None, period, prices),
        lambda period: pricing.pod_price(prices, pod({"cpu": "1", "memory": "1Gi"}), hours=period),
    ):
        assert 0 < price(hours) < price(hours * times) < math.inf
        assert price(hours * times) == pytest.approx(price(hours) * times, rel=1e-9)


@given(
    st.lists(st.dictionaries(st.sampled_from(["cpu", "memory", "x"]), st.text(max_size=8))),
    periods,
)
def test_no_pod_is_worth_nothing(containers: list[dict[str, str]], hours: Decimal) -> None:
    assert 0 < pricing.pod_price(PRICES, pod(*containers), hours=hours) < math.inf


@given(st.integers(0, 10**6), st.integers(0, 2**40), st.integers(1, 1000))
def test_who_requests_more_is_worth_more(cpu_millis: int, memory: int, more: int) -> None:
    def worth(cpu: int) -> float:
        return pricing.pod_price(PRICES, pod({"cpu": f"{cpu}m", "memory": str(memory)}), hours=HOUR)

    assert worth(cpu_millis + more) > worth(cpu_millis) or cpu_millis == 0


AMOUNTS = st.one_of(
    st.sampled_from(["0", "-1", "NaN", "Infinity", "1e-15", "1e15", "0.0088", "0.00000123"]),
    st.decimals(min_value=0, max_value=50, places=6).map(str),
).map(Decimal)
MONIES = st.sampled_from(["EUR", "USD", "GBP"])
RATES = st.dictionaries(MONIES, AMOUNTS)


class Seller:
    """As much of a provider as sells."""

    def __init__(self, offers: list[contract.Offer]) -> None:
        self._offers = tuple(offers)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        return TYPES["euro"]

    def offers(self) -> tuple[contract.Offer, ...]:
        return self._offers


@settings(deadline=None)
@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS, MONIES), min_size=1, max_size=3),
    RATES,
    st.booleans(),
)
def test_offers_check_ls_and_the_autoscaler_are_reported_one_price(
    value: list[tuple[Decimal, Decimal, str]],
    rates: dict[str, Decimal],
    public_ipv4: bool,  # noqa: FBT001 - drawn
) -> None:
    offers = [
        contract.Offer(
            machine_type="cx23",
            location=f"place{number}",
            price_per_hour=amount,
            ipv4_per_hour=ipv4,
            currency=money,
        )
        for number, (amount, ipv4, money) in enumerate(value)
    ]
    pool = dataclasses.replace(
        group(*(("cx23", each.location) for each in offers)), public_ipv4=public_ipv4
    )
    account = groups.Account(name="euro", provider="x")
    config = groups.Config(
        cluster="c", accounts={"euro": account}, groups=(pool,), currency="EUR", rates=rates
    )
    deals = price_list.deals(config, account, Seller(offers))  # type: ignore[arg-type]  # it sells
    reports, findings = ordering.judge(
        pool,
        types={each.name: each for each in TYPES["euro"]},
        offers=offers,
        currency="EUR",
        rates=rates,
        provider_name="x",
    )
    prices = pricing.price_list(
        {"euro": offers}, {"euro": TYPES["euro"]}, currency="EUR", rates=rates
    )
    known = []
    for each, deal, report in zip(offers, deals, reports, strict=True):
        price = prices.prices.get(pricing.PriceKey("euro", "cx23", each.location))
        listed = price.total(public_ipv4=public_ipv4) if price is not None else None
        assert report.price_per_hour == listed
        assert (deal.price is None) is (listed is None)
        assert (deal.price, deal.public_ipv4) == (listed, public_ipv4)
        if listed is not None:
            known.append(listed)
            assert preflight.plain(report)["pricePerHour"] == pricing.exact(listed)
            assert Decimal(pricing.short(listed)) > 0
            assert price_of(node("cx23", each.location), pool, prices=prices) == float(listed)
    unsaid = any("no rate" in each.what or "without a price" in each.what for each in findings)
    assert unsaid is (len(known) < len(offers))
    if known:
        shown = pricing.group_price_per_hour(prices, pool)
        assert shown == known[0], "ls shows what is ordered first"
        assert price_of(node(), pool, prices=prices) == float(shown)
    else:
        with pytest.raises(pricing.NoPrice) as error:
            pricing.group_price_per_hour(prices, pool)
        assert "under rates" not in str(error.value)


def test_the_cure_names_the_key_that_exists() -> None:
    prices = pricing.price_list(OFFERS, TYPES, currency="EUR", rates={})
    with pytest.raises(pricing.NoPrice, match="add exchangeRates"):
        pricing.group_price_per_hour(prices, group(("g6-4", "us-east"), account="dollar"))
    assert "exchangeRates" in {each.alias for each in model.File.model_fields.values()}


@pytest.mark.parametrize(
    ("amount", "exact", "short"),
    [
        ("0.0096", "0.0096", "0.00960"),
        ("12", "12", "12.00000"),
        ("1E+2", "100", "100.00000"),
        ("0.0000012345", "0.0000012345", "0.00000123"),
    ],
)
def test_prices_are_written_whole_for_programs_and_short_for_people(
    amount: str, exact: str, short: str
) -> None:
    assert pricing.exact(Decimal(amount)) == exact
    assert pricing.short(Decimal(amount)) == short
