"""What a bucket and a window let through, and what they do when refused."""

from __future__ import annotations

import math

import pytest

from externalgrpc.control import budgets
from providers import contract


def budget(remaining: int, *, limit: int = 100, seen_at: float = 1.0) -> contract.Budget:
    return contract.Budget(limit=limit, remaining=remaining, reset_at=0.0, seen_at=seen_at)


class TestBucket:
    def bucket(
        self, requests: int = 100, per_s: float = 10.0, share: float = 1.0
    ) -> budgets.Bucket:
        return budgets.Bucket(contract.Rate(requests=requests, per_s=per_s), share, 0.0)

    def test_it_starts_full_and_refills_at_the_documented_pace(self):
        bucket = self.bucket()
        assert bucket.wait_s(0.0, 100, 0.0) == 0
        bucket.take(0.0, 100, 0.0)
        assert bucket.wait_s(0.0, 1, 0.0) == pytest.approx(0.1)
        assert bucket.wait_s(0.1, 1, 0.0) == pytest.approx(0.0)
        assert bucket.wait_s(1.0, 30, 0.0) == pytest.approx(2.0)

    def test_it_never_holds_more_than_the_limit(self):
        bucket = self.bucket()
        bucket.wait_s(1e6, 1, 0.0)
        bucket.take(0.0, 100, 0.0)
        assert bucket.wait_s(1e6, 1, 0.0) > 0

    def test_our_share_is_all_that_is_ours(self):
        bucket = self.bucket(share=0.25)
        assert bucket.capacity == 25
        bucket.take(0.0, 25, 0.0)
        assert bucket.wait_s(0.0, 1, 0.0) == pytest.approx(0.4)

    def test_reads_leave_the_reserve_to_writes(self):
        bucket = self.bucket()
        bucket.take(0.0, 91, budgets.RESERVE)
        assert bucket.wait_s(0.0, 1, budgets.RESERVE) == pytest.approx(0.2)
        assert bucket.wait_s(0.0, 9, 0.0) == 0

    def test_a_listing_larger_than_the_budget_waits_for_a_full_one_only(self):
        bucket = self.bucket()
        assert bucket.wait_s(0.0, 5000, budgets.RESERVE) == 0
        bucket.take(0.0, 5000, budgets.RESERVE)
        assert bucket.wait_s(0.0, 1, 0.0) == pytest.approx(490.1)

    def test_never_more_is_spent_than_the_cloud_says_is_left(self):
        bucket = self.bucket()
        bucket.correct(0.0, budget(5))
        assert bucket.wait_s(0.0, 6, 0.0) == pytest.approx(0.1)
        bucket.correct(0.0, budget(80, seen_at=2.0))
        assert bucket.wait_s(0.0, 6, 0.0) == pytest.approx(0.1)

    def test_a_limit_smaller_than_the_documented_one_is_kept_to(self):
        bucket = self.bucket(share=0.5)
        bucket.correct(0.0, budget(30, limit=40))
        assert bucket.capacity == 20
        bucket.wait_s(1e6, 1, 0.0)
        bucket.take(0.0, 20, 0.0)
        assert bucket.wait_s(1e6, 1, 0.0) > 0

    def test_an_old_figure_and_no_figure_change_nothing(self):
        bucket = self.bucket()
        bucket.correct(0.0, budget(50, seen_at=9.0))
        bucket.correct(0.0, budget(0, seen_at=9.0))
        bucket.correct(0.0, budget(0, seen_at=8.0))
        bucket.correct(0.0, None)
        bucket.correct(0.0, budget(0, limit=0, seen_at=10.0))
        assert bucket.wait_s(0.0, 50, 0.0) == 0

    def test_time_before_a_correction_is_not_earned_twice(self):
        bucket = self.bucket()
        bucket.correct(5.0, budget(0))
        assert bucket.wait_s(5.0, 1, 0.0) == pytest.approx(0.1)

    def test_a_pause_lasts_as_long_as_it_was_reported(self):
        bucket = self.bucket()
        bucket.pause(0.0, 30.0)
        assert bucket.wait_s(0.0, 1, 0.0) == pytest.approx(30.0)
        assert bucket.wait_s(30.0, 1, 0.0) == pytest.approx(0.0)

    @pytest.mark.parametrize(
        ("value", "waited"),
        [
            (math.inf, budgets.LONGEST_PAUSE_S),
            (1e12, budgets.LONGEST_PAUSE_S),
            (math.nan, 0),
            (-5.0, 0),
        ],
    )
    def test_no_pause_is_for_ever(self, value, waited):
        bucket = self.bucket()
        bucket.pause(0.0, value)
        assert bucket.wait_s(0.0, 1, 0.0) == pytest.approx(waited)

    def test_a_clock_that_steps_back_costs_nothing(self):
        bucket = self.bucket()
        bucket.take(0.0, 100, 0.0)
        assert bucket.wait_s(-50.0, 1, 0.0) == pytest.approx(0.1)


class TestWindow:
    def test_no_stretch_of_its_length_sees_more_than_the_limit(self):
        window = budgets.Window(contract.Rate(requests=3, per_s=10.0), 1.0)
        passed = []
        now = 0.0
        for _ in range(20):
            now += window.wait_s(now)
            window.take(now)
            passed.append(now)
        assert all(later - first > 10.0 for first, later in zip(passed, passed[3:], strict=False))
        assert passed[-1] < 75

    def test_a_share_of_it_lets_at_least_one_through(self):
        window = budgets.Window(contract.Rate(requests=3, per_s=10.0), 0.1)
        assert window.wait_s(0.0) == 0
        window.take(0.0)
        assert window.wait_s(0.0) >= 10

    @pytest.mark.parametrize(("value", "waited"), [(7.0, 7.0), (math.inf, 60.0), (math.nan, 0.0)])
    def test_a_pause(self, value, waited):
        window = budgets.Window(contract.Rate(requests=3, per_s=10.0), 1.0)
        window.pause(100.0, value)
        assert window.wait_s(100.0) == pytest.approx(waited)
