"""The operator of the state machine: what is paused, and what may be spent."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from externalgrpc.fleet import requests
from externalgrpc.model import groups
from tests.laws import laws

WHAT = ("group g", "group h", "account a", "account b", "file", "annotation")
MONTH = groups.HOURS_A_MONTH


class Paid(NamedTuple):
    """Something that is paid for: at which account, for which group, its name, and where it is."""

    account: str
    group: str
    name: str
    location: str


def _cap(most: int) -> groups.SpendCap:
    return groups.SpendCap(per_hour=Decimal(most))


GROUPS = {"g": 4, "h": 3}
ACCOUNTS = {"a": 6}
ALL = 8
"""So much an hour may be paid, where that is bounded: less than sizes allow at a price of one."""

DEAREST = 3


class Operator:
    """Say what the file and the annotation say.

    ``heard`` is what a server last read of the annotation, None before it could.
    """

    def __init__(self, *, capped: bool) -> None:
        self.capped = capped
        self.paused: set[str] = set()
        self.heard: str | None = ""

    @property
    def annotation(self) -> str:
        return "the operator said so" if "annotation" in self.paused else ""

    def pause(self, what: str, *, on: bool) -> None:
        """Pause something; or pause nothing any more."""
        if on:
            self.paused.add(what)
        else:
            self.paused.clear()

    def groups(self, of: Iterable[groups.NodeGroup]) -> tuple[groups.NodeGroup, ...]:
        """Put what is said of groups into them."""
        return tuple(
            dataclasses.replace(
                each,
                paused=f"group {each.name}" in self.paused,
                cap=_cap(GROUPS[each.name])
                if self.capped and each.name in GROUPS
                else groups.SpendCap(),
            )
            for each in of
        )

    def account(self, name: str) -> dict[str, Any]:
        """Return what is said of an account."""
        cap = _cap(ACCOUNTS[name]) if self.capped and name in ACCOUNTS else groups.SpendCap()
        return {"paused": f"account {name}" in self.paused, "cap": cap}

    def everything(self) -> dict[str, Any]:
        """Return what is said of everything: a month's bound, so that both are asked."""
        cap = groups.SpendCap(per_month=Decimal(ALL * MONTH)) if self.capped else groups.SpendCap()
        return {"paused": "file" in self.paused, "spending": groups.Spending(cap=cap)}

    def stands_still(self, group: str, account: str, *, own: bool) -> bool:
        """Return whether something is paused, as far as a server can know."""
        said = {f"group {group}", f"account {account}", "file"} & self.paused
        return bool(said or self.heard or (own and self.heard is None))

    def allows(
        self,
        request: requests.Create,
        there: set[Paid],
        under_way: collections.Counter[str],
        skies: Mapping[str, object],
        prices: Mapping[str, Mapping[str, int]],
    ) -> None:
        """Hold an order to the caps; what each kill left under way is excused.

        ``prices`` are what each account was last read to ask: those that a server can know.
        """
        if not self.capped:
            return
        one_project = skies["a"] is skies["b"]
        if one_project:
            # Both logins show it: nobody can know whose it is.
            there = {each._replace(account="") for each in there}

        def price(of: Paid) -> int:
            its = [prices[each] for each in prices if of.account in ("", each)]
            return min((each[of.location] for each in its), default=1)

        group, account = request.group.trial_of or request.group.name, request.account
        left = DEAREST * sum(under_way.values())
        bounds = [(ALL, there, left)]
        if group in GROUPS:
            its = {each for each in there if each.group == group}
            bounds.append((GROUPS[group], its, DEAREST * under_way[group]))
        if account in ACCOUNTS and not one_project:
            bounds.append((ACCOUNTS[account], {e for e in there if e.account == account}, left))
        own = prices.get(account, {}).get(request.candidate.location, 1)
        for most, found, excused in bounds:
            laws.require(
                sum(map(price, found)) + own <= most + excused,
                "no order is sent with which a cap is exceeded, and what each kill left",
                request,
                sorted(found),
                prices,
                most,
                excused,
            )
