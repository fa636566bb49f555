# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold what only a network can do: say nothing, or answer in somebody else's voice."""

from __future__ import annotations

import threading

import pytest

from providers import errors
from providers.conformance import ground
from providers.conformance.controls import Bench, HTTPControls

PATIENCE_S = 8.0
"""A call at a silent cloud must have ended by then, with a read timeout of at most a second."""


class Garbling(ground.Ground):
    """Silence ends in time, and a gateway's page is nobody's word."""

    def wire(self, bench: Bench) -> HTTPControls:
        """Return the hooks of a cloud behind HTTP."""
        assert isinstance(bench.controls, HTTPControls)
        return bench.controls

    @pytest.mark.parametrize("operation", ground.OPERATIONS)
    def test_a_silent_cloud_is_left_in_time(self, bench: Bench, operation: str) -> None:
        call = self.call(bench, operation)
        controls = self.wire(bench)
        caught: list[Exception] = []

        def wait() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - looked at below, in the test's own thread
                caught.append(error)

        controls.hang()
        before = controls.requests()
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(PATIENCE_S)
        in_time = not waiting.is_alive()
        asked = controls.requests() - before
        controls.mend()
        waiting.join(PATIENCE_S)
        assert in_time, f"{operation} still waits after {PATIENCE_S:g} s: is there a time-out?"
        (error,) = caught
        assert type(error) is errors.Unreachable
        self.check_error(error, operation)
        assert asked == 1, "nothing below the caller may try again"

    @pytest.mark.parametrize("operation", ground.OPERATIONS)
    @pytest.mark.parametrize("status", [200, 404, 502])
    def test_a_page_of_a_gateway_means_nothing(
        self, bench: Bench, operation: str, status: int
    ) -> None:
        """Above all, its 404 does not mean that a machine is gone."""
        call = self.call(bench, operation)
        controls = self.wire(bench)
        controls.babble(status)
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Unreachable
        self.check_error(caught.value, operation)
        assert bench.controls.count() == 1

    @pytest.mark.parametrize("status", [200, 404, 502])
    def test_a_page_of_a_gateway_does_not_say_that_a_name_has_no_machine(
        self, bench: Bench, status: int
    ) -> None:
        """The order would be sent again: by name the answer is a list, or two requests."""
        self.calls(bench)  # puts web-a0 there, and knows the names that an order needs
        controls = self.wire(bench)
        controls.babble(status)
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.look_up(node_name="web-a0", instance_id="", receipt="")
        assert type(caught.value) is errors.Unreachable
        self.check_error(caught.value, "look_up")
