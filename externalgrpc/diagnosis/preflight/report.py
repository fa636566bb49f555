"""Say what a check found, as plain values that a command prints as it likes."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from externalgrpc.config import fields
from externalgrpc.nodes import pricing
from providers import contract


class Verdict(enum.IntEnum):
    """How bad a finding is; only FAILURE makes a check fail."""

    FINE = 0
    NOTE = 1
    WARNING = 2
    FAILURE = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check has to say: about what, a sentence, and a cure where one is due."""

    verdict: Verdict
    about: str
    message: str
    cure: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CandidateReport:
    """What the cloud says of one machine type in one location.

    ``machine_type`` is None when the cloud sells no such type, ``offer`` when not there.
    ``price_per_hour`` is in the configuration's currency, with the public IPv4 where the group
    has one; None when there is no offer, no price that can be meant or no exchange rate.
    """

    name: str
    location: str
    machine_type: contract.MachineType | None
    offer: contract.Offer | None
    price_per_hour: Decimal | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """What was found out about one login; ``machines`` counts those with our cluster's mark."""

    name: str
    provider: str
    findings: tuple[Finding, ...] = ()
    machines: int | None = None
    machine_types: int | None = None
    budget: contract.Budget | None = None
    quota: contract.Quota | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """What was found out about one group; ``candidates`` is empty when no cloud was asked."""

    name: str
    account: str
    min_size: int
    max_size: int
    findings: tuple[Finding, ...] = ()
    candidates: tuple[CandidateReport, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a check found; ``online`` tells whether clouds and cluster were asked.

    ``kubernetes`` is what was found out about the cluster that machines join.
    """

    cluster: str
    currency: str
    online: bool
    accounts: tuple[AccountReport, ...]
    groups: tuple[GroupReport, ...]
    kubernetes: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Give the worst verdict of all findings."""
        return max((finding.verdict for finding in self.findings()), default=Verdict.FINE)

    @property
    def ok(self) -> bool:
        """Tell whether nothing failed."""
        return self.verdict < Verdict.FAILURE

    def findings(self) -> Iterator[Finding]:
        """Go through the findings of the cluster, all accounts and groups."""
        yield from self.kubernetes
        for account in self.accounts:
            yield from account.findings
        for group in self.groups:
            yield from group.findings


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a report into what JSON can hold: prices as decimal strings, verdicts as words."""
    if isinstance(value, Verdict):
        return value.name.lower()
    if isinstance(value, CandidateReport):
        return _candidate(value)
    if isinstance(value, Report):
        head = {"verdict": plain(value.verdict), "ok": value.ok}
        return {**head, **_fields(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return pricing.exact(value) if isinstance(value, Decimal) else value


# One word for one thing in all that a script reads: the configuration's, as in ls and offers.
_WORDS = {"machineTypes": "instanceTypes"}


def _candidate(value: CandidateReport) -> dict[str, Any]:
    """Give a candidate as ``offers`` does; what the cloud does not sell is null."""
    kind, offer, price = value.machine_type, value.offer, value.price_per_hour
    return {
        "instanceType": value.name,
        "region": value.location,
        "cpuMillis": None if kind is None else kind.cpu_millis,
        "memoryBytes": None if kind is None else kind.memory_bytes,
        "diskBytes": None if kind is None else kind.disk_bytes,
        "arch": None if kind is None else kind.arch,
        "gpus": None if kind is None else kind.gpus,
        "pricePerHour": None if price is None else pricing.exact(price),
        "inStock": None if offer is None else offer.in_stock,
    }


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    named = ((fields.camel(each.name), each.name) for each in dataclasses.fields(value))
    return {_WORDS.get(key, key): plain(getattr(value, name)) for key, name in named}
