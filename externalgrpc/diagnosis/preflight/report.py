"""Say what a check found, as plain values that a command prints as it likes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from externalgrpc.config import fields
from externalgrpc.diagnosis import findings as shared
from externalgrpc.diagnosis.findings import Finding, Severity, Unseen
from externalgrpc.nodes import pricing
from providers import contract


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
    """Everything that a check found; ``online`` says whether clouds and cluster were asked.

    ``kubernetes`` is what was found out about the cluster that machines join.
    """

    cluster: str
    currency: str
    online: bool
    accounts: tuple[AccountReport, ...]
    groups: tuple[GroupReport, ...]
    kubernetes: tuple[Finding, ...] = ()

    @property
    def severity(self) -> Severity:
        """Return the worst severity of all findings."""
        return max((finding.severity for finding in self.findings()), default=Severity.FINE)

    @property
    def ok(self) -> bool:
        """Return whether nothing would fail."""
        return self.severity < Severity.TROUBLE

    def summary(self) -> shared.Report:
        """Return every finding with whom it is about, worst first, as any diagnosis does."""
        named = [
            ("kubernetes", self.kubernetes),
            *((each.name, each.findings) for each in self.accounts),
            *((each.name, each.findings) for each in self.groups),
        ]
        asked = ("the clouds", *(("the cluster",) if self.kubernetes else ()))
        offline = Unseen(what="clouds and cluster", because="--online was not given", failed=False)
        return shared.Report(
            cluster=self.cluster,
            findings=shared.worst_first(
                dataclasses.replace(each, subject=f"{name}: {each.subject}")
                for name, its in named
                for each in its
            ),
            looked_at=("the configuration", *(asked if self.online else ())),
            not_looked_at=() if self.online else (offline,),
        )

    def findings(self) -> Iterator[Finding]:
        """Go through the findings of the cluster, all accounts and groups."""
        yield from self.kubernetes
        for account in self.accounts:
            yield from account.findings
        for group in self.groups:
            yield from group.findings


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a report into what JSON can hold: prices as decimal strings."""
    if isinstance(value, Finding):
        return shared.plain_finding(value)
    if isinstance(value, CandidateReport):
        return _candidate(value)
    if isinstance(value, Report):
        head = {"severity": value.severity.name.lower(), "ok": value.ok}
        return {**head, **_fields(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return pricing.exact(value) if isinstance(value, Decimal) else value


# One word for one thing in all that a script reads: the configuration's, as in ls and offers.
_WORDS = {"machineTypes": "instanceTypes"}


def _candidate(value: CandidateReport) -> dict[str, Any]:
    """Return a candidate as ``offers`` does; what the cloud does not sell is null."""
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
