# ruff: noqa: D102 - Controls and HistoryControls say what each hook does
"""Spare the author of a fake on our engine most hooks: what is the same under every vendor's words.

:class:`FakeControls` are the hooks over a :class:`providers.fakes.machines.Cloud`; what is left to
say is how a machine is marked, where its user-data is, and the vendor's words.
:class:`FakeContract` is the suite with them.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

from providers import contract
from providers.conformance import behind, ground, suite
from providers.conformance.controls import Bench, HTTPControls
from providers.fakes import engine, machines


class FakeControls(HTTPControls, behind.HistoryControls):
    """The hooks behind a fake on our engine.

    ``marking`` is the method and the path of the request that changes a machine's marks, both
    regular expressions, for a cloud with ``mark``. ``says`` are words of the fake's that must be
    found in our errors: for "sold_out", "quota", "throttled" and "bad_token". ``off`` is its word
    for a machine that is switched off.
    """

    marking: ClassVar[tuple[str, str]] = ("PUT|PATCH", "")
    says: ClassVar[Mapping[str, str]] = {}
    off: ClassVar[str] = ""

    fake: machines.Cloud
    opening: Callable[[], contract.Provider]
    """Opens the suite's login, :attr:`login`; :class:`FakeBench` sets both."""
    login: contract.Login

    def __init__(self, fake: machines.Cloud) -> None:
        self.fake = fake
        self.token = fake.token

    # The machines.

    def count(self) -> int:
        return len(self.fake.machines)

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.machines[instance_id].name = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.boot_s + self.fake.lag_s)
        if not self.running(instance_id):
            raise AssertionError(
                f"the machine {instance_id} does not run, {self.fake.boot_s:g} s (boot_s of the "
                "fake) after it was made: was it started, and by the last request of its create?"
            )

    def settle(self) -> None:
        self.fake.advance(self.fake.delete_s + self.fake.lag_s)

    def standing(self) -> Mapping[str, str]:
        there = self.fake.machines.items()
        return {key: machine.name for key, machine in there if not machine.going}

    def running(self, instance_id: str) -> bool:
        return self.fake.runs(self.fake.machines[instance_id])

    def power_off(self, instance_id: str) -> None:
        if not self.off:
            raise NotImplementedError("say the vendor's word for a machine that is off, as `off`")
        self.fake.machines[instance_id].word = self.off

    def vanish(self, instance_id: str) -> None:
        del self.fake.machines[instance_id]

    def lock(self, instance_id: str, seconds: float) -> None:
        self.fake.machines[instance_id].locked_until = self.fake.now() + seconds

    def be_late(self, seconds: float) -> None:
        self.fake.lag_s = seconds

    # Stock and quota.

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sold_out.add((machine_type, location))
        return self.says.get("sold_out", "")

    def restock(self, machine_type: str, location: str) -> None:
        self.fake.sold_out.discard((machine_type, location))

    def fill_quota(self) -> str:
        self.fake.limit = self.count()
        return self.says.get("quota", "")

    def beside(self) -> Collection[str]:
        return tuple(self.fake.beside)

    # Requests, and what befalls them.

    @property
    def shows_budget(self) -> bool:  # type: ignore[override]
        """Return whether the fake's answers show a rate budget."""
        counted = self.fake.limits(engine.Request(method="GET", path=self.fake.prefix))
        return bool(counted and self.fake.rate_headers(counted[0], self.fake.now()))

    def requests(self) -> int:
        return len(self.fake.exchanges)

    def throttle(self) -> str:
        self.fake.fail(engine.FaultKind.THROTTLED, times=None)
        return self.says.get("throttled", "")

    def revoke_token(self) -> str:
        self.fake.token = "another"  # noqa: S105 - no token of anybody's
        return self.says.get("bad_token", "")

    def go_down(self) -> str:
        words = "something broke on our side"
        self.fake.fail(engine.FaultKind.ERROR, status=503, message=words, times=None)
        return words

    def fail_page(self, number: int) -> None:
        self.fake.fail(engine.FaultKind.CUT, method="GET", path=self.lists, skip=number - 1)

    def vanish_before_page(self, number: int) -> None:
        """Let the first machine be gone when the page of this number is asked for, once."""
        still = self.fake.log("GET", self.lists)

        def vanish(request: engine.Request) -> None:
            listed = len(self.fake.log("GET", self.lists)) - len(still) + 1
            if request.method == "GET" and re.search(self.lists, request.path) and listed == number:
                del self.fake.machines[next(iter(self.fake.machines))]

        self.fake.before = vanish

    def shorten_pages(self, rows: int) -> bool:
        """Have :meth:`machines.Cloud.page` cut; True, where the listing goes through it."""
        self.fake.most_a_page = rows
        return self.fake.pages

    def lose_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="POST", path=self.creates, after=after_work)

    def lose_mark_reply(self, *, after_work: bool) -> None:
        method, path = self.marking
        self.fake.fail(engine.FaultKind.LOST, method=method, path=path, after=after_work)

    def cut(self, step: int, *, after_work: bool, for_good: bool) -> None:
        """Cut the connection of one request, counted from 1 on; ``for_good``: whoever asks dies.

        With :meth:`throttle_from` and :meth:`open_again` for a create of several requests.
        """
        rule = {"skip": step - 1, "after": after_work, "fatal": for_good}
        self.fake.fail(engine.FaultKind.LOST, **rule)

    def throttle_from(self, step: int) -> None:
        """Refuse requests for their rate from one on, counted from 1, until :meth:`mend`."""
        self.fake.fail(engine.FaultKind.THROTTLED, skip=step - 1, times=None)

    def open_again(self) -> contract.Provider:
        """Open the same login once more, as a new process does."""
        return self.opening()

    def hang(self) -> None:
        self.fake.fail(engine.FaultKind.HANG, times=None)

    def babble(self, status: int) -> None:
        self.fake.fail(engine.FaultKind.HTML, status=status, times=None)

    def mend(self) -> None:
        self.calm()
        self.fake.most_a_page = None
        self.fake.faults.revive()
        self.fake.release()
        self.fake.token = self.token


class FakeBench(ground.Ground):
    """A bench for a cloud whose fake stands on our engine, whatever of the suite is held to it.

    ``cloud`` is the class, ``settings`` what its account is configured with. Write these and
    :meth:`begin` once, and inherit it with each suite: :class:`FakeContract`,
    :class:`~providers.conformance.Vocabulary`, :class:`~providers.conformance.Wire`.
    """

    cloud: ClassVar[type[contract.Provider]]
    settings: ClassVar[Any] = contract.NoOptions()
    read_timeout_s: ClassVar[float] = 1.0

    @abc.abstractmethod
    def begin(self, *, token: str, clock: Callable[[], float]) -> FakeControls:
        """Make a fake, not started yet, that knows this token and this time, and its hooks."""

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[Bench]:
        """Open a login at a fake of our own, and stop the fake afterwards."""
        controls = self.begin(token=token, clock=time.time)
        with controls.fake:
            login = contract.Login(
                account=account,
                cluster=cluster,
                token=token,
                endpoint=controls.fake.url,
                read_timeout_s=self.read_timeout_s,
                settings=self.settings,
            )
            controls.login = login
            controls.opening = functools.partial(self.cloud.open, login)
            yield Bench(provider=controls.opening(), controls=controls, again=controls.open_again)

    @contextlib.contextmanager
    def opened(self, bench: Bench, *, read_timeout_s: float = 10.0) -> Iterator[contract.Provider]:
        """Open the bench's login once more, and close it; see :class:`conformance.Wire`."""
        if not isinstance(bench.controls, FakeControls):
            raise TypeError("opened() needs a bench of make(), whose controls are FakeControls")
        login = dataclasses.replace(bench.controls.login, read_timeout_s=read_timeout_s)
        provider = self.cloud.open(login)
        try:
            yield provider
        finally:
            provider.close()


class FakeContract(FakeBench, suite.HTTPContract):
    """What is true of every cloud, for one whose fake stands on our engine.

    Add :class:`providers.conformance.histories.Histories` to the bases and whole servers work with
    it.
    """
