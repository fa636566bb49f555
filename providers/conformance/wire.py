# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold what passes between a cloud and us: nothing sent twice, nothing half taken, nothing leaked.

For fakes on our engine (:mod:`providers.fakes`). :class:`providers.conformance.HTTPContract` asks
the same of any fake, one thing at a time; this does it at every request and every field.
"""

from __future__ import annotations

import abc
import base64
import collections
import contextlib
import logging
import random
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from providers import contract, errors
from providers.conformance import ground, holes, troubles
from providers.conformance.controls import Bench
from providers.fakes import engine

KIND = engine.FaultKind
HALVES = (KIND.CUT, KIND.TRUNCATED)
"""What needs a body to be cut."""
SECRET = "join-s3cret-0815"  # noqa: S105 - looked for in everything that is shown
MACHINES, HANDS = 24, 8


def fake_of(bench: Bench) -> engine.Fake:
    """Return the fake behind a bench."""
    fake = getattr(bench.controls, "fake", None)
    assert isinstance(fake, engine.Fake), "the controls need a fake on our engine"
    return fake


class Wire(ground.Ground):
    """One login at a fake, in trouble.

    ``listing`` is a regular expression for the path of the listing of machines, ``creates`` one for
    the path of the POST that orders a machine (any POST, unless yours takes several requests, of
    which others are POSTs too), and ``listed`` says
    which of the answers of one listing has them. ``marks_at`` are keys of an answer below which the
    marks are: without them a machine may be nobody's. ``asked_once`` is the path of a name that all
    orders need and that is asked for once. ``delete_answers`` says that a delete's answer has a
    body. ``refusal`` is the fault by which a create is BadOrder. ``loggers`` are those of the
    libraries below the provider.
    """

    listing: ClassVar[str]
    creates: ClassVar[str] = ""
    listed: ClassVar[int] = -1
    marks_at: ClassVar[Collection[str]] = ("tags",)
    asked_once: ClassVar[str] = ""
    delete_answers: ClassVar[bool] = False
    refusal: ClassVar[dict[str, Any]]
    loggers: ClassVar[tuple[str, ...]] = ("", "httpcore", "providers")

    @abc.abstractmethod
    def opened(
        self, bench: Bench, *, read_timeout_s: float = 10.0
    ) -> contextlib.AbstractContextManager[contract.Provider]:
        """Open the bench's login once more, and close it."""

    def reads(self, provider: contract.Provider) -> dict[str, Callable[[], object]]:
        """Return what the cloud can be asked besides, in one request each."""
        del provider
        return {}

    def refuse(self, fake: engine.Fake) -> None:
        """Let the next create be BadOrder."""
        fake.fail(KIND.ERROR, method="POST", path=self.creates, **self.refusal)

    def secrets(self, fake: engine.Fake) -> set[str]:
        """Return what the vendor and the provider made up that nobody may see."""
        del fake
        return set()

    # Trouble.

    @pytest.mark.parametrize("trouble", troubles.TROUBLES, ids=troubles.name)
    def test_reads_and_deletes_in_trouble_decide_nothing(
        self, bench: Bench, trouble: dict[str, Any]
    ) -> None:
        fake = fake_of(bench)
        standing = bench.controls.add(cluster=self.cluster, group="web", node_name="a")
        with self.opened(bench, read_timeout_s=troubles.patience_s(trouble)) as provider:
            calls: dict[str, Callable[[], object]] = {
                "instances": provider.instances,
                "machine_types": provider.machine_types,
                "offers": provider.offers,
                **self.reads(provider),
                "by id": lambda: provider.look_up(node_name="a", instance_id=standing, receipt=""),
                "by name": lambda: provider.look_up(node_name="a", instance_id="", receipt=""),
                "delete": lambda: provider.delete(standing),
            }
            if trouble["kind"] in HALVES and not self.delete_answers:
                del calls["delete"]
            throttled = trouble["kind"] is KIND.THROTTLED
            for name, call in calls.items():
                before = len(fake.exchanges)
                fake.fail(**trouble)
                with pytest.raises(errors.NotNow) as caught:
                    call()
                wanted = errors.Throttled if throttled else errors.Unreachable
                assert type(caught.value) is wanted, name
                assert len(fake.exchanges) == before + 1, f"{name}: nothing below us may ask again"

    def test_a_cloud_that_refuses_connections(self, bench: Bench) -> None:
        fake, order = fake_of(bench), self.order(bench, "web-a1")
        with self.opened(bench) as provider:
            provider.instances()
            fake.refuse()
            for call in (provider.instances, lambda: provider.create(order)):
                with pytest.raises(errors.Unreachable, match="refused") as caught:
                    call()
                assert "Max retries" not in str(caught.value)
            fake.accept()
            assert provider.instances() == ()

    def test_a_redirect_is_not_followed(self, bench: Bench) -> None:
        fake = fake_of(bench)
        elsewhere = engine.Reply(status=302, headers={"Location": f"{fake.url}/elsewhere"})
        fake.fail(KIND.CHANGED, change=lambda _: elsewhere)
        before = len(fake.exchanges)
        with pytest.raises(errors.Unreachable, match="302"):
            bench.provider.instances()
        assert len(fake.exchanges) == before + 1

    def test_a_netrc_does_not_replace_the_token(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text(
            "machine 127.0.0.1 login a password b\ndefault login somebody password else\n"
        )
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with self.opened(bench) as provider:
            assert provider.instances() == ()

    def test_a_create_that_lands_after_we_gave_up_is_found(self, bench: Bench) -> None:
        fake, order = fake_of(bench), self.order(bench, "web-a1")
        with self.opened(bench, read_timeout_s=0.2) as provider:
            provider.check_order(order)
            fake.slow(0.5, method="POST", path=self.creates)
            with pytest.raises(errors.Unreachable, match="no answer in time"):
                provider.create(order)
            assert bench.controls.count() == 0
            fake.wait_for(lambda: bool(bench.controls.count()))
        asked = fake.log("POST", self.creates)
        assert len(asked) == 1, "nothing below us may send a create again"
        with self.opened(bench) as provider:
            found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
            assert found is not None
            if self.names_unique:
                assert provider.create(order).id == found.id
        assert bench.controls.count() == 1

    # Answers with holes.

    def _two(self, bench: Bench) -> tuple[Any, tuple[contract.Instance, ...]]:
        """Order two machines; give the answer that lists them, and how it is read."""
        for name in ("web-1", "web-2"):
            bench.controls.run(bench.provider.create(self.order(bench, name)).id)
        fake, before = fake_of(bench), len(fake_of(bench).exchanges)
        whole = bench.provider.instances()
        replies = [each.reply for each in fake.exchanges[before:]]
        return replies[self.listed].json(), whole

    def _torn(self, reply: Any, chance: random.Random) -> Iterator[tuple[holes.Path, Any]]:  # noqa: ANN401
        for path in tuple(holes.paths(reply)):
            yield path, holes.without(reply, path)
            for odd in chance.sample(holes.ODD, 3):
                yield path, holes.with_(reply, path, odd)

    def _of_marks(self, path: holes.Path) -> bool:
        return bool({*path} & {*self.marks_at})

    def test_listings_with_holes_are_errors_or_whole(self, bench: Bench) -> None:
        """Whatever one field of a listing becomes: no crash, no machine less, none invented."""
        fake, provider = fake_of(bench), bench.provider
        reply, whole = self._two(bench)
        names = [each.node_name for each in whole]
        outcomes = collections.Counter[str]()
        for path, answer in self._torn(reply, random.Random(4711)):  # noqa: S311 - replayable
            change = engine.Reply(body=answer)
            fake.fail(KIND.CHANGED, path=self.listing, change=lambda _, reply=change: reply)
            try:
                shown = provider.instances()
            except errors.NotNow:
                outcomes["error"] += 1
                continue
            outcomes["whole"] += 1
            if not self._of_marks(path):
                assert [each.node_name for each in shown] == names, (path, answer)
            odd = {str(each) for each in holes.ODD} if path[-1] == "id" else set()
            assert {each.id for each in shown} <= {each.id for each in whole} | odd
            assert all(isinstance(each, contract.Instance) for each in shown)
        assert min(outcomes.values()) > 30, outcomes

    def test_a_look_up_with_holes_never_says_gone(self, bench: Bench) -> None:
        fake, provider = fake_of(bench), bench.provider
        _, whole = self._two(bench)
        for instance_id in (whole[0].id, ""):
            asked = {"node_name": whole[0].node_name, "instance_id": instance_id, "receipt": ""}
            before = len(fake.exchanges)
            assert provider.look_up(**asked) is not None
            exchange = fake.exchanges[before]
            for path, answer in self._torn(exchange.reply.json(), random.Random(4712)):  # noqa: S311
                change = engine.Reply(body=answer)
                fake.fail(KIND.CHANGED, change=lambda _, reply=change: reply)
                with contextlib.suppress(errors.NotNow):
                    found = provider.look_up(**asked)
                    assert found is not None or self._of_marks(path), (path, answer)

    # Threads and secrets.

    def test_many_hands_and_a_reader_at_once(self, bench: Bench) -> None:
        fake = fake_of(bench)
        fake.slow(0.05, method="POST")
        if self.asked_once:
            fake.slow(0.05, path=self.asked_once)
        ends: list[tuple[str, str]] = []
        orders = iter([self.order(bench, f"web-{number}") for number in range(MACHINES)])
        guard = threading.Lock()
        with self.opened(bench) as provider:

            def work() -> None:
                while True:
                    with guard:
                        order = next(orders, None)
                    if order is None:
                        return
                    ends.append((order.node_name, provider.create(order).node_name))

            hands = [threading.Thread(target=work, daemon=True) for _ in range(HANDS)]
            for hand in hands:
                hand.start()
            for _ in range(10):
                provider.instances()
            for hand in hands:
                hand.join()
        assert sorted(ends) == sorted((f"web-{n}",) * 2 for n in range(MACHINES))
        assert fake.peak >= HANDS
        if self.asked_once:
            asked = fake.log("GET", self.asked_once)
            assert len(asked) == 1, "who wants the same waits for the one answer"

    def test_no_secret_reaches_a_log_or_an_error_whatever_happens(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in self.loggers:
            caplog.set_level(logging.DEBUG, logger=name or None)
        fake = fake_of(bench)
        parts: list[object] = []
        with self.opened(bench, read_timeout_s=0.5) as provider:
            for number, trouble in enumerate(({}, *troubles.TROUBLES)):
                text = f"#!/bin/sh\n{SECRET}\n"
                order = self.order(bench, f"web-{number}", user_data=text)
                for after in (False, True):
                    if trouble:
                        fake.fail(**trouble, after=after, method="POST|PUT")
                    with contextlib.suppress(errors.CloudError):
                        parts.append(provider.create(order))
                    parts += [order, provider, vars(provider)]
            fake.faults.clear()
            self.refuse(fake)
            with pytest.raises(errors.BadOrder) as caught:
                provider.create(self.order(bench, "web-x", user_data=SECRET))
        chain: BaseException | None = caught.value
        while chain is not None:
            parts += [chain, str(chain), chain.args, vars(chain)]
            chain = chain.__cause__
        assert any(record.name == "httpcore.http11" for record in caplog.records)
        shown = caplog.text + "".join(map(repr, parts))
        coded = base64.b64encode(SECRET.encode()).decode()[:16]
        whole = base64.b64encode(f"#!/bin/sh\n{SECRET}\n".encode()).decode()
        for hidden in (self.token, SECRET, coded, whole, *self.secrets(fake)):
            assert hidden not in shown
