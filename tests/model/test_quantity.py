from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.model import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", Fraction(0)),
        ("2", Fraction(2)),
        ("+2", Fraction(2)),
        ("-2", Fraction(-2)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("500m", Fraction(1, 2)),
        ("0.1", Fraction(1, 10)),
        ("100u", Fraction(1, 10_000)),
        ("1n", Fraction(1, 10**9)),
        ("0.1n", Fraction(1, 10**9)),  # finer than Kubernetes goes: up, never to nothing
        ("1k", Fraction(1000)),
        ("1Ki", Fraction(1024)),
        ("524288k", Fraction(524_288_000)),  # 500Mi as five real autoscalers spell it
        ("1.5Gi", Fraction(1_610_612_736)),
        ("12e6", Fraction(12_000_000)),
        ("12E6", Fraction(12_000_000)),
        ("1e-3", Fraction(1, 1000)),
        ("1E", Fraction(10**18)),
        ("7Ei", Fraction(7 * 2**60)),
        ("8Ei", Fraction(quantity.LARGEST)),
        ("1e99999999999999", Fraction(quantity.LARGEST)),
        ("-1e99999999999999", Fraction(-quantity.LARGEST)),
        ("1e-99999999999999", Fraction(1, 10**9)),
        ("0e99999999999999", Fraction(0)),
    ],
)
def test_reads_what_kubernetes_reads(text: str, expected: Fraction) -> None:
    assert quantity.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "m", "Gi", "1 Gi", " 1", "1\n", "1gi", "1KI", "1K", "0x10", "1e", "1e+", "1.2.3",
     "--1", "NaN", "inf", "\u0661", "1" * 257],
)  # fmt: skip
def test_refuses_what_kubernetes_refuses(text: str) -> None:
    with pytest.raises(quantity.BadQuantity):
        quantity.parse(text)


def test_rounds_up_as_the_scheduler_does() -> None:
    assert quantity.millis("1u") == 1
    assert quantity.millis("1500m") == 1500
    assert quantity.units("1m") == 1
    assert quantity.units("1.5Ki") == 1536


@given(st.integers(0, quantity.LARGEST // 1000))
def test_millis_round_trip(amount: int) -> None:
    assert quantity.millis(quantity.of_millis(amount)) == amount


@given(st.integers(0, quantity.LARGEST) | st.integers(0, 2**50).map(lambda n: n * 1024))
def test_bytes_round_trip(amount: int) -> None:
    assert quantity.units(quantity.of_bytes(min(amount, quantity.LARGEST))) == min(
        amount, quantity.LARGEST
    )


@given(
    st.integers(0, 10**6), st.sampled_from(["", "n", "u", "m", "k", "Ki", "M", "Mi", "Gi", "e3"])
)
def test_order_is_kept_within_a_suffix(number: int, suffix: str) -> None:
    assert quantity.parse(f"{number}{suffix}") < quantity.parse(f"{number + 1}{suffix}")


@given(st.text(max_size=12) | st.from_regex(r"[+-]?[0-9.]{0,6}[numkKMGTPEei]{0,2}[+-]?[0-9]{0,3}"))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        value = quantity.parse(text)
    except quantity.BadQuantity:
        return
    assert abs(value) <= quantity.LARGEST
