# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold the errors: each of the cloud's refusals is one of ours, and holds no secret."""

from __future__ import annotations

import contextlib
import dataclasses
import logging

import pytest

from providers import errors
from providers.conformance import ground
from providers.conformance.controls import Bench


class Refusing(ground.Ground):
    """Every no is the right one of our errors, said once, with the cloud's own words."""

    # The errors.

    def test_sold_out(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        words = bench.controls.sell_out(self.machine_type, self.location)
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.OutOfStock
        self.check_error(caught.value, "create", words)
        assert bench.controls.count() == 0

    def test_quota(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.add(cluster="", group="", node_name="someone-s-mail")
        words = bench.controls.fill_quota()
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.QuotaExceeded
        self.check_error(caught.value, "create", words)
        assert bench.controls.count() == 1

    def test_an_image_that_is_not_there(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1", image=self.bad_image)
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.BadOrder
        self.check_error(caught.value, "create", "image")
        assert bench.controls.count() == 0

    def test_a_machine_type_that_is_not_there(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        unknown = dataclasses.replace(order.machine_type, name="no-such-type-4711")
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(dataclasses.replace(order, machine_type=unknown))
        assert type(caught.value) is errors.BadOrder
        self.check_error(caught.value, "create")
        assert bench.controls.count() == 0

    @pytest.mark.parametrize("operation", ground.OPERATIONS)
    def test_throttled(self, bench: Bench, operation: str) -> None:
        call = self.call(bench, operation)
        words = bench.controls.throttle()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Throttled
        assert caught.value.retry_after_s is None or 1 <= caught.value.retry_after_s <= 60
        self.check_error(caught.value, operation, words)
        assert bench.controls.count() == 1
        bench.controls.mend()
        self.ask_again(bench, call)

    @pytest.mark.parametrize("operation", ground.OPERATIONS)
    def test_a_revoked_token(self, bench: Bench, operation: str) -> None:
        call = self.call(bench, operation)
        words = bench.controls.revoke_token()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.BadCredentials
        self.check_error(caught.value, operation, words)
        assert bench.controls.count() == 1
        bench.controls.mend()
        self.ask_again(bench, call)

    @pytest.mark.parametrize("operation", ground.OPERATIONS)
    def test_a_cloud_that_is_down(self, bench: Bench, operation: str) -> None:
        call = self.call(bench, operation)
        words = bench.controls.go_down()
        before = bench.controls.requests()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Unreachable
        self.check_error(caught.value, operation, words)
        assert bench.controls.requests() == before + 1, "nothing below the caller may try again"
        assert bench.controls.count() == 1
        bench.controls.mend()
        self.ask_again(bench, call)

    # Secrets, and the end.

    def test_no_secret_is_reported(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        secret = "join-s3cret-0815"  # noqa: S105 - looked for in everything that is shown
        order = self.order(bench, "web-a1", user_data=f"#!/bin/sh\nkubeadm join --token {secret}\n")
        made = bench.provider.create(order)
        bench.controls.run(made.id)
        values = [order, made, bench.provider, *bench.provider.instances()]
        with contextlib.suppress(errors.CloudError):
            bench.provider.create(dataclasses.replace(order, image=self.bad_image))
        for break_it in (bench.controls.go_down, bench.controls.revoke_token):
            break_it()
            with pytest.raises(errors.CloudError) as caught:
                bench.provider.create(dataclasses.replace(order, node_name="web-a2"))
            values += [caught.value, str(caught.value)]
            bench.controls.mend()
        text = caplog.text + "".join(map(repr, values))
        assert self.token not in text
        assert secret not in text

    def test_closing_twice_is_harmless(self, bench: Bench) -> None:
        bench.provider.instances()
        bench.provider.close()
        bench.provider.close()
