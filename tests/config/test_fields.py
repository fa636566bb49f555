from __future__ import annotations

from decimal import Decimal
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.config import fields

SECONDS = pydantic.TypeAdapter(fields.Seconds)
CPU = pydantic.TypeAdapter(fields.CpuMillis)
BYTES = pydantic.TypeAdapter(fields.Bytes)
MONEY = pydantic.TypeAdapter(fields.Money)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15m", 900), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0.5), ("1h1m1s", 3661)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert SECONDS.validate_python(text) == seconds


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "15",
        15,
        "m",
        "15 m",
        "-1m",
        "1m ",
        "1d",
        "0s",
        "0.0h",
        "9999h",
        "1M",
        "\u0661m",
        None,
        1.5,
        True,
    ],
)
def test_no_duration(given_: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        SECONDS.validate_python(given_)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    result = SECONDS.validate_python(f"{hours}h{minutes}m{seconds}s")
    assert result == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("adapter", "given_", "amount"),
    [
        (CPU, "100m", 100),
        (CPU, 2, 2000),
        (CPU, Decimal("0.5"), 500),
        (BYTES, "256Mi", 256 * 2**20),
        (BYTES, "1.5Gi", 3 * 2**29),
        (BYTES, 1024, 1024),
        (BYTES, "1k", 1000),
        (BYTES, 0, 0),
    ],
)
def test_a_quantity(adapter: pydantic.TypeAdapter[Any], given_: object, amount: int) -> None:
    assert adapter.validate_python(given_) == amount


@pytest.mark.parametrize(
    "given_", ["", "x", "-1", -1, True, None, [], "1Ei", "1e30", "100 m", "1e99999"]
)
def test_no_quantity(given_: object) -> None:
    for adapter in (CPU, BYTES):
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python(given_)


@pytest.mark.parametrize(
    ("given_", "amount"), [(1, "1"), (Decimal("1.08"), "1.08"), ("0.0008", "0.0008")]
)
def test_money_is_exact(given_: object, amount: str) -> None:
    assert MONEY.validate_python(given_, strict=True) == Decimal(amount)


@pytest.mark.parametrize("given_", ["1e3", "nan", "inf", "-1", "", "1,5", True, 0.1, None])
def test_no_money(given_: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        MONEY.validate_python(given_, strict=True)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("max_size", "maxSize"),
        ("public_ipv4", "publicIPv4"),
        ("ipv4_per_hour", "ipv4PerHour"),
        ("name", "name"),
        ("ignore_daemon_sets_utilization", "ignoreDaemonSetsUtilization"),
    ],
)
def test_keys_are_spelled_as_in_kubernetes(name: str, key: str) -> None:
    assert fields.camel(name) == key
