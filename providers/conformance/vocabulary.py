# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold a cloud's tables of words: what each refusal of the vendor means, to every call.

For fakes on our engine (:mod:`providers.fakes`). Every row of the vendor's own tables is the
author's to write down, as a :class:`Refusal`, with where he has it from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from providers import errors
from providers.conformance import ground
from providers.conformance.behind import HistoryControls
from providers.conformance.controls import Bench
from providers.fakes import engine

ASKING = ("instances", "look_up", "delete", "offers")
"""What is no order."""

STRANGE_STATUSES: Mapping[int, type[errors.CloudError]] = {
    400: errors.Unreachable,
    401: errors.BadCredentials,
    403: errors.Unreachable,
    404: errors.Unreachable,
    408: errors.Unreachable,
    422: errors.Unreachable,
    429: errors.Throttled,
    500: errors.Unreachable,
    502: errors.Unreachable,
    503: errors.Unreachable,
    504: errors.Unreachable,
}
"""What a status means whose body is none of the vendor's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of the vendor that says no, and what that means for an order.

    ``code`` is "" where the vendor has sentences only. ``gone`` says that, of a machine, it means
    that there is none.
    """

    status: int
    code: str
    text: str
    meaning: type[errors.CloudError]
    gone: bool = False

    def __str__(self) -> str:
        """Name the row as a test's id does."""
        return f"{self.status}-{self.code or self.text}"[:60]


def refused(
    call: Callable[[], object],
    meaning: type[errors.CloudError],
    operation: str,
    account: str = ground.Ground.account,
) -> errors.CloudError:
    """Check that a call fails with exactly this error, which says who asked for what."""
    with pytest.raises(errors.CloudError) as caught:
        call()
    error = caught.value
    assert type(error) is meaning, error
    assert (error.account, error.operation) == (account, operation)
    assert error.__cause__ is not None
    return error


class Vocabulary(ground.Ground):
    """Every row that is known, what nobody has seen yet, and answers without the vendor's words.

    ``refusals`` are the rows. ``creates`` and ``machines`` are regular expressions for the paths of
    the POST that orders a machine, and of all requests about machines. ``pages`` are
    bodies that are a gateway's, whatever the status, and ``odd_bodies`` such as are not shaped like
    the vendor's errors. ``no_orders`` are the calls to which what only an
    order can be refused for says nothing (Unreachable); ``look_up`` is always one, for there it
    would pass for the fate of the machine's order. ``numbers_requests`` says that the vendor's
    answers bear an id to quote to its support. The controls have a ``fake`` on our engine.
    """

    refusals: ClassVar[Sequence[Refusal]]
    creates: ClassVar[str]
    machines: ClassVar[str]
    numbers_requests: ClassVar[bool] = False
    no_orders: ClassVar[Collection[str]] = ASKING
    pages: ClassVar[Sequence[bytes]] = (engine.HTML_PAGE,)
    odd_bodies: ClassVar[Sequence[Any]] = ({}, [], None, b"null", b"\xff\xfe", b"")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each row of the subclass."""
        if "refusal" in metafunc.fixturenames:
            metafunc.parametrize("refusal", self.refusals, ids=str)
        if "page" in metafunc.fixturenames:
            metafunc.parametrize("page", self.pages, ids=repr)
        if "odd_body" in metafunc.fixturenames:
            metafunc.parametrize("odd_body", self.odd_bodies, ids=repr)

    def as_said(self, refusal: Refusal) -> str:
        """Write the message that an error should have whose answer was this."""
        text = " ".join(refusal.text.split())
        return f"{text} ({refusal.code})" if refusal.code else text

    def understood(
        self, meaning: type[errors.CloudError], operation: str
    ) -> type[errors.CloudError]:
        """Return what a refusal means to a call that orders nothing."""
        of_an_order = issubclass(meaning, errors.NoCapacity | errors.BadOrder)
        return errors.Unreachable if operation in self.no_orders and of_an_order else meaning

    def fake(self, bench: Bench) -> engine.Fake:
        """Return the fake behind the bench."""
        fake = bench.controls.fake if isinstance(bench.controls, HistoryControls) else None
        fake = fake or getattr(bench.controls, "fake", None)
        assert isinstance(fake, engine.Fake), "the controls need a fake on our engine"
        return fake

    def calls(self, bench: Bench) -> dict[str, Callable[[], object]]:
        """Return the calls that a running server makes, and the price list's."""
        return {**super().calls(bench), "offers": bench.provider.offers}

    def said(self, refusal: Refusal) -> dict[str, Any]:
        """Return the fault by which the fake says a row."""
        fields = {"status": refusal.status, "code": refusal.code, "message": refusal.text}
        return {"kind": engine.FaultKind.ERROR, **fields}

    def test_a_refused_create(self, bench: Bench, refusal: Refusal) -> None:
        fake, order = self.fake(bench), self.order(bench, "web-a1")
        fake.fail(**self.said(refusal), method="POST", path=self.creates)
        error = refused(lambda: bench.provider.create(order), refusal.meaning, "create")
        assert error.message == self.as_said(refusal)
        assert bool(error.request_id) == self.numbers_requests
        assert error.request_id in str(error)
        asked = fake.log("POST", self.creates)
        assert len(asked) == 1, "nothing below us may send a create again"
        assert bench.controls.count() == 0

    @pytest.mark.parametrize("operation", ASKING)
    def test_the_other_calls_read_the_same_table(
        self, bench: Bench, refusal: Refusal, operation: str
    ) -> None:
        fake, call = self.fake(bench), self.calls(bench)[operation]
        before = len(fake.exchanges)
        fake.fail(**self.said(refusal))
        if refusal.gone and operation in {"look_up", "delete"}:
            assert call() is None
        else:
            error = refused(call, self.understood(refusal.meaning, operation), operation)
            assert error.message == self.as_said(refusal)
        assert len(fake.exchanges) == before + 1, "nothing below us may ask again"

    @pytest.mark.parametrize("status", STRANGE_STATUSES)
    @pytest.mark.parametrize("operation", ["create", "instances", "look_up", "delete"])
    def test_an_error_page_is_no_word_of_the_vendors(
        self, bench: Bench, operation: str, status: int, page: bytes
    ) -> None:
        """A gateway's 404 above all is not "gone"."""
        fake, call = self.fake(bench), self.calls(bench)[operation]
        method = {"create": "POST", "delete": "DELETE"}.get(operation, "GET")
        path = self.creates if operation == "create" else self.machines
        before = len(fake.log(method, self.machines))
        if page == engine.HTML_PAGE:
            fake.fail(engine.FaultKind.HTML, status=status, method=method, path=path)
        else:
            reply = engine.Reply(status=status, body=page or None, content_type="text/html")
            fake.fail(engine.FaultKind.CHANGED, method=method, path=path, change=lambda _: reply)
        assert str(status) in refused(call, STRANGE_STATUSES[status], operation).message
        assert len(fake.log(method, self.machines)) == before + 1
        assert bench.controls.count() >= 1

    @pytest.mark.parametrize("status", [404, 422])
    @pytest.mark.parametrize("operation", ["create", "look_up", "delete"])
    def test_an_error_in_another_shape_means_nobody_knows(
        self,
        bench: Bench,
        operation: str,
        status: int,
        odd_body: Any,  # noqa: ANN401
    ) -> None:
        fake, call = self.fake(bench), self.calls(bench)[operation]
        method = {"create": "POST", "delete": "DELETE"}.get(operation, "GET")
        path = self.creates if operation == "create" else self.machines
        reply = engine.Reply(status=status, body=odd_body)
        fake.fail(engine.FaultKind.CHANGED, method=method, path=path, change=lambda _: reply)
        refused(call, errors.Unreachable, operation)

    @pytest.mark.parametrize("reset_s", [-3600.0, -1.0, 0.0, 0.2, 30.0, 3600.0, 1e8])
    def test_a_wait_that_the_vendor_asks_for_is_kept_within_reason(
        self, bench: Bench, reset_s: float
    ) -> None:
        """Vendors say -3 and a day: 1 to 60 s, or no figure. Your fake's ``throttled`` says it."""
        fake, call = self.fake(bench), self.calls(bench)["instances"]
        fake.fail(engine.FaultKind.THROTTLED, reset_s=reset_s)
        error = refused(call, errors.Throttled, "instances")
        assert isinstance(error, errors.Throttled)
        assert error.retry_after_s is None or 1 <= error.retry_after_s <= 60
