"""Tables fit their terminal, and no word of theirs is broken."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from externalgrpc.commands import tables, trial_screen
from externalgrpc.commands.fitting import Fitting
from externalgrpc.diagnosis import preflight
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.nodes import price_list
from externalgrpc.pb import fleet_pb2 as pb
from providers import contract

UUID = "vultr://0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


def drawn(what: object, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, markup=False, emoji=False, highlight=False).print(what)
    return out.getvalue()


def shown() -> pb.ShowResponse:
    reply = pb.ShowResponse(cluster="production", version="1.2.3")
    reply.groups.add(
        id="eu-workers-general-purpose",
        account="hetzner-production",
        min=0,
        max=100,
        target=2,
        candidates=["cx33/fsn1", "cpx32/nbg1", "cx43/hel1", "dedicated-cpu-16gb/nbg1"],
        price_per_hour="0.0136",
        currency="EUR",
    )
    for number in range(2):
        reply.machines.add(
            name=f"eu-workers-general-purpose-x7k2p{number}",
            group="eu-workers-general-purpose",
            provider_id=f"{UUID[:-1]}{number}",
            machine_type="vhp-8c-16gb-amd",
            location="frankfurt",
            phase="running",
            addresses=["203.0.113.7", "2001:db8:1234:5678:9abc:def0:1234:5678"],
            step="ready",
            identity="aaaaaaaaaa",
            error_code="JoinFailed" if number else "",
        )
    reply.accounts.add(name="hetzner-production", provider="hetzner", budget_limit=3600)
    return reply


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("width", [80, 100, 240])
def test_ls_fits_and_breaks_no_word(width: int, *, wide: bool) -> None:
    screen = drawn(tables.fleet(shown(), wide=wide), width)
    assert max(map(len, screen.splitlines())) <= width
    words = [f"eu-workers-general-purpose-x7k2p{number}" for number in range(2)]
    words += ["vhp-8c-16gb-amd", "frankfurt", "JoinFailed", "hetzner-production"]
    if wide:
        words += [f"{UUID[:-1]}{number}" for number in range(2)]
        words += ["2001:db8:1234:5678:9abc:def0:1234:5678", "dedicated-cpu-16gb/nbg1"]
    for word in words:
        assert word in screen, "a word was broken"


WORDS = st.text("abcdefg0123456789-:/", min_size=1, max_size=60)
CELLS = st.lists(WORDS, max_size=4).map(" ".join)


@settings(deadline=None)
@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n))))
def test_whatever_is_in_a_table_can_be_read(rows: list[list[str]]) -> None:
    columns = len(rows[0]) if rows else 1
    table = tables.ruled(*(f"h{number}" for number in range(columns)))
    for row in rows:
        table.add_row(*row)
    screen = drawn(Fitting(table))
    assert max(map(len, screen.splitlines()), default=0) <= 80
    for word in " ".join(each for row in rows for each in row).split():
        assert word == "-" or word in screen


def test_what_a_check_found_is_read_as_sentences_at_80_columns() -> None:
    what = "the autoscaler is promised labels that the user-data does not set"
    cure = "Use @@NODE_LABELS@@ in the file, or remove labels from the group that names it"
    worst = Finding(severity=Severity.TROUBLE, subject="labels", what=what, cure=cure)
    best = Finding(severity=Severity.FINE, subject="token", what="it works")
    report = preflight.Report(
        cluster="c",
        currency="EUR",
        online=False,
        accounts=(preflight.AccountReport(name="cloud", provider="p", findings=(best,)),),
        groups=(
            preflight.GroupReport(
                name="web", account="cloud", min_size=0, max_size=1, findings=(worst,)
            ),
        ),
    )
    lines = drawn(tables.report(report)).splitlines()
    assert all(len(each) <= 80 for each in lines)
    text = " ".join(" ".join(lines).split())
    assert f"TROUBLE web: labels: {what}" in text
    assert f"cure {cure} ok cloud: token: it works" in text
    assert "not looked at clouds and cluster, because --online was not given" in text
    assert text.endswith("cluster c: 1 trouble that costs money or blocks scaling, no warnings")
    assert sum("cure" in each or "NODE_LABELS" in each for each in lines) == 1, "no word a line"
    assert len(lines) < 20


def test_one_word_for_one_thing_in_every_table() -> None:
    kind = contract.MachineType(name="small", cpu_millis=1, memory_bytes=1, disk_bytes=1)
    offer = contract.Offer(
        machine_type="small", location="north", price_per_hour=Decimal(1), currency="EUR"
    )
    deal = price_list.Deal(account="a", machine_type=kind, offer=offer, price=Decimal(1))
    report = preflight.Report(
        cluster="c",
        currency="EUR",
        online=True,
        accounts=(),
        groups=(
            preflight.GroupReport(
                name="g",
                account="a",
                min_size=0,
                max_size=1,
                candidates=(
                    preflight.CandidateReport(
                        name="small",
                        location="north",
                        machine_type=kind,
                        offer=offer,
                        price_per_hour=Decimal(1),
                    ),
                ),
            ),
        ),
    )
    offers = drawn(tables.deals([deal], currency="EUR"), 200)
    checked = drawn(tables.report(report), 200)
    for item in (offers, checked):
        head = item.split("north")[0]
        assert {"account", "type", "region", "price/h", "stock"} <= set(head.split())
        assert "location" not in item
        assert "1.00000 EUR" in item
    listed = drawn(tables.fleet(shown()), 240)
    assert {"group", "account", "type", "region", "price/h"} <= set(listed.split())
    assert "location" not in listed


def test_a_trial_that_finds_a_difference_shows_all_of_it() -> None:
    over = pb.Trial(group="eu-workers-general-purpose", watched=True, compared=True)
    over.steps.add(name="asked", at=1.0)
    over.steps.add(name="node ready", at=75.3)
    words = (
        "node.kubernetes.io/instance-type",
        "dedicated-cpu-16gb-general",
        "dedicated-cpu-16gb-memory-optimized",
    )
    over.differences.add(what=f"label {words[0]}", promised=words[1], found=words[2], wrong=True)
    screen = drawn(trial_screen.summary(over))
    assert max(map(len, screen.splitlines())) <= 80
    for word in (over.group, *words):
        assert word in screen
