"""What balloons must always be: enough, no more than needed, within bounds."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.headroom import wanted

MILLIS = st.integers(0, 500_000)
TARGETS = st.integers(1, 100)
SIZES = st.integers(50, 16_000)
GIB = 1 << 30


def test_the_formula_of_the_page() -> None:
    load = wanted.Load(used_millis=1800, requested_millis=1000)
    assert wanted.for_target(load, target_percent=70, balloon_millis=500) == 4


@given(used=MILLIS, requested=MILLIS, target=TARGETS, size=SIZES)
def test_real_requests_and_balloons_keep_the_target_and_one_balloon_less_would_not(
    used: int, requested: int, target: int, size: int
) -> None:
    load = wanted.Load(used_millis=used, requested_millis=requested)
    count = wanted.for_target(load, target_percent=target, balloon_millis=size)
    needed = Fraction(used * 100, target)
    assert count >= 0, "real requests are never undercut"
    assert requested + count * size >= needed
    if count:
        assert requested + (count - 1) * size < needed


@given(used=MILLIS, requested=MILLIS, more=MILLIS, target=TARGETS, size=SIZES)
def test_more_use_never_wants_less_and_more_requests_never_more(
    used: int, requested: int, more: int, target: int, size: int
) -> None:
    def count(used: int, requested: int) -> int:
        load = wanted.Load(used_millis=used, requested_millis=requested)
        return wanted.for_target(load, target_percent=target, balloon_millis=size)

    assert count(used + more, requested) >= count(used, requested)
    assert count(used, requested + more) <= count(used, requested)


@given(
    cpu=st.integers(0, 64_000),
    memory=st.integers(0, 256 * GIB),
    daemons=st.integers(0, 4_000),
    whole=st.booleans(),
    with_memory=st.booleans(),
)
def test_what_fits_on_an_empty_machine_fits_beside_its_daemons(
    cpu: int, memory: int, daemons: int, *, whole: bool, with_memory: bool
) -> None:
    machine = wanted.Amount(cpu_millis=cpu, memory_bytes=memory)
    taken = wanted.Amount(cpu_millis=daemons, memory_bytes=daemons << 20)
    of = wanted.balloon(machine, taken, whole=whole, memory=with_memory)
    if of is None:
        return
    assert of.cpu_millis > 0
    assert of.a_machine * of.cpu_millis + daemons <= cpu
    assert of.a_machine * of.memory_bytes + (daemons << 20) <= max(memory, daemons << 20)
    if whole and cpu - daemons > 125:
        assert 2 * of.cpu_millis > cpu - daemons, "no second one fits beside it"


@given(
    size=SIZES, parts=st.sampled_from([1, 4]), most=st.integers(0, 10_000), own=MILLIS, used=MILLIS
)
def test_balloons_and_pods_together_never_need_more_than_the_largest_size(
    size: int, parts: int, most: int, own: int, used: int
) -> None:
    of = wanted.Balloon(cpu_millis=size, a_machine=parts)
    capacity = most * parts * size
    allowed = wanted.most(of, max_size=most, own_millis=own)
    assert allowed >= 0
    assert allowed == 0 or allowed * size + own <= capacity
    assert 0 <= wanted.share(of, max_size=most) <= most * parts


def test_a_reserve_is_whole_machines_or_some_cpu() -> None:
    machine = wanted.Amount(cpu_millis=4000, memory_bytes=8 * GIB)
    daemons = wanted.Amount(cpu_millis=150, memory_bytes=GIB)
    whole = wanted.balloon(machine, daemons, whole=True, memory=True)
    assert whole == wanted.Balloon(cpu_millis=3450, memory_bytes=6451 << 20, a_machine=1)
    assert wanted.for_reserve(whole, machines=2) == 2
    part = wanted.balloon(machine, daemons, memory=True)
    assert part == wanted.Balloon(cpu_millis=950, memory_bytes=7 * GIB // 4)
    assert wanted.for_reserve(part, cpu_millis=2000) == 3


def test_a_machine_that_its_daemons_fill_has_no_balloon() -> None:
    machine = wanted.Amount(cpu_millis=1000, memory_bytes=GIB)
    assert wanted.balloon(machine, wanted.Amount(cpu_millis=900)) is None
    assert wanted.balloon(wanted.Amount(), wanted.Amount()) is None
