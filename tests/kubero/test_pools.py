"""An app's own pool: inside what the operator allows, or refused with a sentence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.kubero import apps, pools
from externalgrpc.model import app_pools
from externalgrpc.vpsnodes import objects

Object = dict[str, Any]

ALLOWED = app_pools.AppPools(
    namespaces=("shop",),
    providers={
        "hetzner": app_pools.Sold(regions=("fsn1",), instance_types=("cx23", "cx33")),
        "vultr": app_pools.Sold(regions=("ams",), instance_types=("vc2-1c-2gb",)),
    },
    max_nodes_per_app=3,
    max_nodes=7,
)
CHOICE = {"provider": "hetzner", "region": "fsn1", "instanceType": "cx23"}
SCALING = {"enabled": True, "minNodes": 1, "maxNodes": 2}


def raw(name: str = "web", namespace: str = "shop", uid: str = "", **spec: Any) -> Object:
    whole = {
        "customNodeSelector": CHOICE,
        "autoScaling": SCALING,
        "nodeSelector": apps.labels(namespace, name),
        **spec,
    }
    about = {"name": name, "namespace": namespace, "uid": uid or f"uid-{namespace}-{name}"}
    return {"metadata": about, "spec": whole}


def app(name: str = "web", namespace: str = "shop", uid: str = "", **spec: Any) -> apps.App:
    found = apps.read(raw(name, namespace, uid, **spec))
    assert found is not None
    return found


def plan(
    there: Iterable[apps.App],
    nodes: Mapping[str, objects.VpsNode] | None = None,
    machines: Mapping[str, int] | None = None,
    allowed: app_pools.AppPools = ALLOWED,
) -> pools.Plan:
    return pools.plan(there, nodes or {}, machines or {}, allowed)


def applied(
    planned: pools.Plan, nodes: Mapping[str, objects.VpsNode] | None = None
) -> dict[str, objects.VpsNode]:
    """Return the VPSNodes as they are when a plan was written."""
    after = dict(nodes or {})
    for name, wanted in planned.write.items():
        made = objects.read({**wanted, "metadata": {**wanted["metadata"], "uid": f"pool-{name}"}})
        assert made is not None
        after[name] = made
    return after


def reason(planned: pools.Plan, name: str = "shop/web") -> str:
    return planned.refused[name].reason


def test_an_app_that_asks_gets_a_pool_of_its_own() -> None:
    planned = plan([app(autoScaling={**SCALING, "targetCPU": 70})])
    assert not planned.refused
    ((name, made),) = planned.write.items()
    assert made["metadata"]["name"] == name == pools.name_of("shop", "web")
    assert made["spec"] == {
        **CHOICE,
        "autoScale": {"enabled": True, "minNodes": 1, "maxNodes": 2, "targetCPU": 70},
        "labels": {"vps-autoscaler/app-namespace": "shop", "vps-autoscaler/app": "web"},
        "taints": [
            {"key": "vps-autoscaler/app-namespace", "value": "shop", "effect": "NoSchedule"},
            {"key": "vps-autoscaler/app", "value": "web", "effect": "NoSchedule"},
        ],
    }
    node = applied(planned)[name]
    assert pools.owner(node) == pools.Owner(namespace="shop", app="web", uid="uid-shop-web")
    assert plan([app(autoScaling={**SCALING, "targetCPU": 70})], {name: node}).write == {}


@pytest.mark.parametrize(
    "scaling",
    [None, {}, {"enabled": False, "maxNodes": 2}, {"enabled": "true", "maxNodes": 2}, [], "text"],
)
def test_an_app_that_asks_for_nothing_gets_nothing_and_no_event(scaling: object) -> None:
    planned = plan([app(autoScaling=scaling)])
    assert planned == pools.Plan(write={}, refused={})


REFUSED: dict[str, tuple[apps.App, str, str]] = {
    "another namespace": (app(namespace="other"), pools.NOT_ALLOWED, "appPools.namespaces"),
    "a name that no label holds": (app("a" * 64), pools.INVALID, "63 characters"),
    "no choice": (app(customNodeSelector=None), pools.NOT_ALLOWED, "hetzner, vultr"),
    "another cloud": (
        app(customNodeSelector={**CHOICE, "provider": "linode"}),
        pools.NOT_ALLOWED,
        'provider is "linode", which no pool may have: write one of hetzner, vultr.',
    ),
    "another region": (
        app(customNodeSelector={**CHOICE, "region": "ams"}),
        pools.NOT_ALLOWED,
        'region is "ams", which no pool may have: write one of fsn1.',
    ),
    "another cloud's type": (
        app(customNodeSelector={**CHOICE, "instanceType": "vc2-1c-2gb"}),
        pools.NOT_ALLOWED,
        'instanceType is "vc2-1c-2gb", which no pool may have: write one of cx23, cx33.',
    ),
    "a list for a type": (
        app(customNodeSelector={**CHOICE, "instanceType": ["cx23"]}),
        pools.NOT_ALLOWED,
        "instanceType",
    ),
    "no most": (app(autoScaling={"enabled": True}), pools.INVALID, "maxNodes is missing"),
    "a most of none": (app(autoScaling={"enabled": True, "maxNodes": 0}), pools.INVALID, "least 1"),
    "more at least than at most": (
        app(autoScaling={"enabled": True, "minNodes": 3, "maxNodes": 2}),
        pools.INVALID,
        "minNodes",
    ),
    "a negative least": (
        app(autoScaling={"enabled": True, "minNodes": -1, "maxNodes": 2}),
        pools.INVALID,
        "minNodes",
    ),
    "a switch for a number": (
        app(autoScaling={"enabled": True, "maxNodes": True}),
        pools.INVALID,
        "whole number of at least 1",
    ),
    "a fraction": (
        app(autoScaling={**SCALING, "maxNodes": 2.0}),
        pools.INVALID,
        "whole number of at least 1",
    ),
    "a percentage that is none": (
        app(autoScaling={**SCALING, "targetCPU": 101}),
        pools.INVALID,
        "between 0 and 100",
    ),
    "more than an app may have": (
        app(autoScaling={**SCALING, "maxNodes": 4}),
        pools.LIMIT,
        "one app may have 3",
    ),
    "pods that go elsewhere": (app(nodeSelector={"a": "b"}), pools.NOT_PLACED, "nodeSelector"),
    "pods that go to another's pool": (
        app(nodeSelector=apps.labels("shop", "other")),
        pools.NOT_PLACED,
        "remove nodeSelector",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_a_sentence(what: str) -> None:
    asked, why, words = REFUSED[what]
    planned = plan([asked])
    assert planned.write == {}
    assert reason(planned, asked.name) == why
    assert words in str(planned.refused[asked.name])
    assert str(planned.refused[asked.name]).endswith(".")


def test_the_sum_over_all_apps_is_bounded_and_says_so() -> None:
    many = [app(f"a{n}", autoScaling={**SCALING, "maxNodes": 3}) for n in range(3)]
    planned = plan(many)
    assert len(planned.write) == 2
    assert "7 nodes, and 6 are taken" in str(planned.refused["shop/a2"])
    smaller = app("a2", autoScaling={**SCALING, "maxNodes": 1})
    assert len(plan([*many[:2], smaller]).write) == 3


def test_machines_that_are_going_still_count() -> None:
    name = pools.name_of("shop", "old")
    three = app("old", autoScaling={**SCALING, "maxNodes": 3})
    going = dataclasses.replace(applied(plan([three]))[name], deleting=True)
    asks = [app(f"a{n}", autoScaling={**SCALING, "maxNodes": 3}) for n in range(2)]
    planned = plan(asks, {name: going}, {name: 3})
    assert set(planned.refused) == {"shop/a1"}
    assert set(plan(asks, {name: going}).refused) == {"shop/a1"}, "it may have ordered them since"


def test_what_is_going_counts_whatever_the_operator_allows_now() -> None:
    name = pools.name_of("shop", "old")
    three = app("old", autoScaling={**SCALING, "maxNodes": 3})
    going = dataclasses.replace(applied(plan([three]))[name], deleting=True)
    less = dataclasses.replace(ALLOWED, max_nodes_per_app=2, max_nodes=4)
    asks = [app(f"a{n}", autoScaling={**SCALING, "maxNodes": 1}) for n in range(2)]
    assert set(plan(asks, {name: going}, {}, less).refused) == {"shop/a1"}


def test_machines_of_an_app_that_asks_for_fewer_count_until_they_are_gone() -> None:
    name = pools.name_of("shop", "a")
    there = applied(plan([app("a", autoScaling={**SCALING, "maxNodes": 3})]))
    bound = dataclasses.replace(ALLOWED, max_nodes=4)
    fewer = app("a", autoScaling={**SCALING, "maxNodes": 1})
    other = app("b", autoScaling={**SCALING, "maxNodes": 2})
    planned = plan([fewer, other], there, {name: 3}, bound)
    assert planned.write[name]["spec"]["autoScale"]["maxNodes"] == 1
    assert reason(planned, "shop/b") == pools.LIMIT
    lowered = applied(planned, there)
    assert plan([fewer, other], lowered, {name: 3}, bound).refused
    assert not plan([fewer, other], lowered, {name: 2}, bound).refused


def test_to_ask_for_fewer_helps_even_where_more_are_there_than_may_be() -> None:
    name = pools.name_of("shop", "web")
    there = applied(plan([app(autoScaling={**SCALING, "maxNodes": 3})]))
    less = dataclasses.replace(ALLOWED, max_nodes_per_app=1, max_nodes=2)
    planned = plan([app(autoScaling={**SCALING, "maxNodes": 1})], there, {name: 3}, less)
    assert not planned.refused
    assert planned.write[name]["spec"]["autoScale"]["maxNodes"] == 1
    assert "paused" not in planned.write[name]["spec"]


def test_a_pool_that_is_going_is_not_written_to_and_its_app_waits() -> None:
    name = pools.name_of("shop", "web")
    going = dataclasses.replace(applied(plan([app()]))[name], deleting=True)
    planned = plan([app(autoScaling={**SCALING, "maxNodes": 1})], {name: going}, {name: 1})
    assert planned.write == {}
    assert reason(planned) == pools.WAITING


def test_an_app_that_asks_for_too_much_later_keeps_what_it_has() -> None:
    there = applied(plan([app()]))
    planned = plan([app(autoScaling={**SCALING, "maxNodes": 9})], there)
    assert planned.write == {}
    assert reason(planned) == pools.LIMIT


def test_what_the_operator_allows_no_more_is_paused_and_goes_on_when_he_does() -> None:
    there = applied(plan([app()]))
    name = pools.name_of("shop", "web")
    for changed in (
        dataclasses.replace(ALLOWED, namespaces=("others",)),
        dataclasses.replace(ALLOWED, providers={"vultr": ALLOWED.providers["vultr"]}),
        dataclasses.replace(
            ALLOWED,
            providers={"hetzner": app_pools.Sold(regions=("nbg1",), instance_types=("cx23",))},
        ),
        dataclasses.replace(
            ALLOWED,
            providers={"hetzner": app_pools.Sold(regions=("fsn1",), instance_types=("cx33",))},
        ),
        dataclasses.replace(ALLOWED, max_nodes_per_app=1),
    ):
        planned = plan([app()], there, {name: 1}, changed)
        assert planned.write[name]["spec"] == {**there[name].spec, "paused": True}
        assert "shop/web" in planned.refused
        paused = applied(planned, there)
        assert plan([app()], paused, {name: 1}, changed).write == {}, "written once"
        again = plan([app()], paused, {name: 1})
        assert "paused" not in again.write[name]["spec"]


def test_of_pools_beyond_a_lowered_sum_the_later_are_paused() -> None:
    asks = [app(f"a{n}", autoScaling={**SCALING, "maxNodes": 3}) for n in range(2)]
    there = applied(plan(asks))
    planned = plan(asks, there, {}, dataclasses.replace(ALLOWED, max_nodes=3))
    second = max(there)
    assert set(planned.write) == {second}
    assert planned.write[second]["spec"]["paused"] is True
    assert len(planned.refused) == 1


def test_a_pause_that_is_an_administrators_is_left_alone() -> None:
    name = pools.name_of("shop", "web")
    node = applied(plan([app()]))[name]
    paused = dataclasses.replace(node, spec={**node.spec, "paused": True})
    assert plan([app()], {name: paused}).write == {}


def test_what_somebody_changed_on_a_pool_is_put_right() -> None:
    name = pools.name_of("shop", "web")
    node = applied(plan([app()]))[name]
    scale = {"enabled": True, "minNodes": 0, "maxNodes": 90}
    changed = dataclasses.replace(node, spec={**node.spec, "autoScale": scale})
    assert plan([app()], {name: changed}).write[name]["spec"] == node.spec


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({}, pools.TAKEN),
        ({pools.NAMESPACE: "shop", pools.APP: "other", pools.UID: "uid-shop-web"}, pools.TAKEN),
        ({pools.NAMESPACE: "evil", pools.APP: "web", pools.UID: "uid-shop-web"}, pools.TAKEN),
        ({pools.NAMESPACE: "shop", pools.APP: "web", pools.UID: "earlier"}, pools.WAITING),
    ],
)
def test_a_vpsnode_of_the_name_that_is_not_its_own_is_left_alone(
    annotations: dict[str, str], why: str
) -> None:
    name = pools.name_of("shop", "web")
    other = dataclasses.replace(applied(plan([app()]))[name], annotations=annotations)
    planned = plan([app()], {name: other})
    assert reason(planned) == why
    assert planned.write == {}


def test_two_apps_that_hash_alike_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "name_of", lambda _namespace, _app: "app-same")
    both = [app("one"), app("two")]
    planned = plan(both)
    assert len(planned.write) == 1
    there = applied(planned)
    again = plan(both, there)
    assert again.write == {}
    assert list(planned.refused) == list(again.refused) == ["shop/two"]
    assert reason(again, "shop/two") == pools.TAKEN
    assert reason(plan(both[1:], there), "shop/two") == pools.TAKEN, "of an app that is gone too"


def test_annotations_on_a_vpsnode_of_another_name_make_it_nobodys() -> None:
    node = next(iter(applied(plan([app()])).values()))
    assert pools.owner(dataclasses.replace(node, name="tenants")) is None


def test_a_name_is_short_and_an_apps_own() -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,39}", pools.name_of("n" * 63, "a" * 253))
    assert "--" not in pools.name_of("n", "a")
    assert pools.name_of("a-b", "c") != pools.name_of("a", "b-c")


# Laws.

WORDS = st.sampled_from(["hetzner", "fsn1", "cx23", "cx99", "", None, 1, [], {}])
NUMBERS = st.one_of(st.integers(-1, 9), st.sampled_from([None, True, "3", 1.0]))
ODD = st.fixed_dictionaries(
    {},
    optional={
        "customNodeSelector": st.one_of(
            st.none(),
            st.just(CHOICE),
            st.fixed_dictionaries({"provider": WORDS, "region": WORDS, "instanceType": WORDS}),
        ),
        "autoScaling": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {"enabled": st.sampled_from([True, True, False, "true"]), "maxNodes": NUMBERS},
                optional={"minNodes": NUMBERS, "targetCPU": NUMBERS},
            ),
        ),
    },
)
LIKELY = st.builds(
    lambda instance, most: {
        "customNodeSelector": {**CHOICE, "instanceType": instance},
        "autoScaling": {"enabled": True, "maxNodes": most},
    },
    st.sampled_from(["cx23", "cx23", "cx23", "cx99"]),
    st.integers(1, 4),
)
"""Near the bounds, where random shapes seldom come."""
APPS = st.dictionaries(
    st.tuples(st.sampled_from(["shop", "shop", "other"]), st.sampled_from("abcdefgh")),
    LIKELY | ODD,
    max_size=10,
).map(lambda found: [app(name, space, **spec) for (space, name), spec in found.items()])
BOUNDS = st.builds(
    lambda each, more, spaces: dataclasses.replace(
        ALLOWED, namespaces=spaces, max_nodes_per_app=each, max_nodes=each + more
    ),
    st.integers(1, 4),
    st.integers(0, 6),
    st.sampled_from([("shop",), ("shop", "other"), ("none",)]),
)
GOING = st.sets(st.sampled_from("0123456789abcdef"), max_size=6)
"""Pools are deleted by the last digit of their names."""
ROUNDS = st.lists(st.tuples(APPS, BOUNDS, st.integers(0, 3), GOING), min_size=1, max_size=5)


@given(ROUNDS)
def test_whatever_apps_and_bounds_come_no_more_is_ever_allowed_than_may_be(rounds: Any) -> None:
    """Machines are ordered up to what is allowed: then too the sum grows beyond no bound."""
    nodes: dict[str, objects.VpsNode] = {}
    machines: dict[str, int] = {}
    for asked, allowed, eager, going in rounds:
        planned = plan(asked, nodes, machines, allowed)
        nodes = applied(planned, nodes)
        can = {
            name: machines.get(name, 0)
            if of.spec.get("paused") or of.deleting
            else max(machines.get(name, 0), of.spec["autoScale"]["maxNodes"])
            for name, of in nodes.items()
        }
        assert sum(can.values()) <= max(allowed.max_nodes, sum(machines.values()))
        free = [of for of in nodes.values() if not (of.spec.get("paused") or of.deleting)]
        for of in free:
            whose = pools.owner(of)
            assert whose is not None
            assert whose.namespace in allowed.namespaces
            assert of.spec["provider"] == "hetzner"
            assert of.spec["region"] == "fsn1"
            assert of.spec["instanceType"] in {"cx23", "cx33"}
            assert of.spec["autoScale"]["maxNodes"] <= allowed.max_nodes_per_app
        assert len(free) <= allowed.max_nodes
        for refusal in planned.refused.values():
            assert str(refusal).endswith(".")
        wanted = {each.name for each in asked if each.ask is not None}
        assert set(planned.refused) <= wanted
        machines = {name: min(can[name], machines.get(name, 0) + eager) for name in nodes}
        # Some go: at once when they are empty, else when their machines do.
        nodes = {
            name: dataclasses.replace(of, deleting=of.deleting or name[-1] in going)
            for name, of in nodes.items()
            if machines[name] or name[-1] not in going
        }


@given(APPS, BOUNDS, st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_matter_and_a_second_look_changes_nothing(
    asked: Any, allowed: Any, chance: Any
) -> None:
    first = plan(asked, allowed=allowed)
    chance.shuffle(asked)
    assert plan(asked, allowed=allowed).write == first.write
    again = plan(asked, applied(first), allowed=allowed)
    assert again.write == {}
    assert again.refused.keys() == first.refused.keys()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(
                st.sampled_from(["enabled", "maxNodes", "provider", "region", "x"]), inside
            )
        ),
        max_leaves=10,
    )
)
def test_no_shape_of_an_app_is_one_too_many(odd: Any) -> None:
    for spec in (
        odd,
        {"autoScaling": odd, "customNodeSelector": odd, "nodeSelector": odd},
        {"autoScaling": SCALING, "customNodeSelector": odd},
    ):
        about = {"name": "web", "namespace": "shop", "uid": "1"}
        found = apps.read({"metadata": about, "spec": spec})
        assert found is not None
        assert plan([found]).write == {}
    apps.read({"metadata": odd})
