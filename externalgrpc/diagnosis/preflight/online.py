"""Check a configuration against the clouds and the cluster that it names; nothing is made."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from externalgrpc.bootstrap import joining
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import (
    capping,
    cluster,
    growing,
    neighbours,
    offline,
    ordering,
)
from externalgrpc.diagnosis.preflight.report import AccountReport, GroupReport, Report
from externalgrpc.model import credentials, groups, installed_clouds, names
from providers import contract, errors

T = TypeVar("T")
OpenProvider = Callable[[groups.Account], contract.Provider]

_LITTLE_LEFT = 0.1
"""The share of a rate budget below which a check warns."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What one account can order, and what it has of our cluster's name."""

    types: Mapping[str, contract.MachineType]
    offers: tuple[contract.Offer, ...]
    machines: tuple[contract.Instance, ...]


def check(
    configuration: groups.Config,
    installed: Mapping[str, installed_clouds.Cloud],
    open_provider: OpenProvider,
) -> Report:
    """Check a configuration offline, then ask each account's cloud, and the cluster.

    A cloud that refuses or cannot be reached is a finding; the others are asked all the same.
    """
    report = offline.check(configuration, installed)
    told_by_cluster = cluster.ask(configuration)
    accounts: list[AccountReport] = []
    owners: dict[tuple[str, str], str] = {}
    found: dict[str, GroupReport] = {group.name: group for group in report.groups}
    for account in configuration.accounts.values():
        its = [group for group in configuration.groups if group.account == account.name]
        known = [group.name for group in configuration.groups]
        try:
            provider = open_provider(account)
        except errors.CloudError as error:
            finding = _refusal("login", error)
            accounts.append(_account(account, [finding]))
            continue
        try:
            result, market = _ask_account(account, its, known, owners, provider)
            if result.machines is not None:
                others = _neighbours(
                    account, provider, configuration.cluster, told_by_cluster.identity
                )
                result = dataclasses.replace(result, findings=(*result.findings, *others))
            accounts.append(result)
            for group in its:
                if market is not None:
                    found[group.name] = _ask_group(
                        configuration,
                        account,
                        group,
                        found[group.name],
                        provider,
                        market,
                        told_by_cluster.join_credentials,
                    )
        finally:
            provider.close()
    return dataclasses.replace(
        report,
        online=True,
        accounts=tuple(accounts),
        groups=tuple(found.values()),
        kubernetes=tuple(told_by_cluster.findings),
    )


def _account(account: groups.Account, findings: Sequence[Finding]) -> AccountReport:
    return AccountReport(name=account.name, provider=account.provider, findings=tuple(findings))


def _ask_account(
    account: groups.Account,
    its: Sequence[groups.NodeGroup],
    known: Sequence[str],
    owners: dict[tuple[str, str], str],
    provider: contract.Provider,
) -> tuple[AccountReport, Market | None]:
    """Ask what an account may do and can order; None for the market when it cannot be had."""
    findings: list[Finding] = []
    machines = _ask("machines", provider.instances, findings)
    refused = any(finding.subject == "machines" for finding in findings)
    types = None if refused else _ask("machine types", provider.machine_types, findings)
    offers = None if types is None else _ask("offers", provider.offers, findings)
    quota = None if refused else _ask("quota", provider.quota, findings)
    if not refused:
        findings.insert(0, Finding(severity=Severity.FINE, subject="token", what="it works"))
    findings += _orphans(machines or (), known)
    if any(group.join in joining.METHODS for group in its):
        findings += _ids(provider, machines or ())
    findings += _shared(account, machines or (), owners)
    findings += _quota(quota, its)
    budget = provider.budget()
    findings += _budget(budget)
    report = dataclasses.replace(
        _account(account, findings),
        machines=None if machines is None else len(machines),
        machine_types=None if types is None else len(types),
        budget=budget,
        quota=quota,
    )
    if types is None or offers is None:
        return report, None
    by_name = {each.name: each for each in types}
    return report, Market(types=by_name, offers=offers, machines=machines or ())


def _ask(about: str, question: Callable[[], T], findings: list[Finding]) -> T | None:
    try:
        return question()
    except errors.CloudError as error:
        findings.append(_refusal(about, error))
        return None


def _refusal(about: str, error: errors.CloudError) -> Finding:
    """Return why a cloud did not answer, and what a person can do."""
    match error:
        case errors.BadCredentials():
            cure = "Give the account a token that is valid and may read and write servers"
        case errors.Throttled():
            cure = "The account's rate limit is used up: try again later"
        case errors.Unreachable():
            cure = "Look at the network, the endpoint and the cloud's status page"
        case _:
            cure = ""
    return Finding(severity=Severity.TROUBLE, subject=about, what=error.message, cure=cure)


def _ids(provider: contract.Provider, machines: Sequence[contract.Instance]) -> Iterator[Finding]:
    """Report machines whose Nodes could not have the provider ids that the cloud shows."""
    service = installed_clouds.metadata_service(provider)
    for each in machines:
        becomes = service.provider_id(provider.scheme, each.id)
        if each.provider_id != becomes or service.problem(each.id):
            yield Finding(
                severity=Severity.TROUBLE,
                subject="providerID",
                what=f"the cloud shows {each.provider_id}, and the Node of such a machine would "
                f"be {becomes}, if it joined at all: the machine would never count as a node",
                cure="Correct metadata_service of the cloud's class (docs/adding-a-cloud.md), or "
                "join with a userDataFile",
            )
            return


def _orphans(machines: Sequence[contract.Instance], known: Sequence[str]) -> Iterator[Finding]:
    """Report machines with our cluster's mark whose group is not in the configuration."""
    lost = sorted({machine.group for machine in machines if machine.group not in known})
    for name in lost:
        count = sum(machine.group == name for machine in machines)
        if names.is_trial(name):
            yield Finding(
                severity=Severity.NOTE,
                subject="trials",
                what=f"{count} machines carry the mark of a trial",
                cure="Where none is under way: vps-autoscaler try --clean",
            )
            continue
        whose = f"of a group {name!r} that is not configured" if name else "of no group"
        yield Finding(
            severity=Severity.WARNING,
            subject="orphans",
            what=f"{count} machines carry this cluster's mark and are {whose}",
            cure="Configure the group again until it is empty, or delete them",
        )


def _shared(
    account: groups.Account,
    machines: Sequence[contract.Instance],
    owners: dict[tuple[str, str], str],
) -> Iterator[Finding]:
    """Report machines that another account shows too, and note whose the others are."""
    before = {owners.get((account.endpoint, machine.provider_id)) for machine in machines}
    for other in sorted(name for name in before if name is not None):
        yield Finding(
            severity=Severity.TROUBLE,
            subject="account",
            what=f"it shows the machines of account {other}: each would count twice",
            cure="Keep one account for each project of the cloud",
        )
    for machine in machines:
        owners.setdefault((account.endpoint, machine.provider_id), account.name)


def _quota(quota: contract.Quota | None, its: Sequence[groups.NodeGroup]) -> Iterator[Finding]:
    wanted = sum(group.max_size for group in its)
    if quota is not None and quota.limit is not None and wanted > quota.limit:
        yield Finding(
            severity=Severity.WARNING,
            subject="quota",
            what=f"its groups may grow to {wanted} machines; the account may have {quota.limit}",
            cure="Ask the cloud for more, or lower maxSize",
        )


def _budget(budget: contract.Budget | None) -> Iterator[Finding]:
    if budget is not None and budget.remaining < budget.limit * _LITTLE_LEFT:
        yield Finding(
            severity=Severity.WARNING,
            subject="budget",
            what=f"{budget.remaining} of {budget.limit} requests are left",
            cure="Find out who else uses the account, or lower budgetShare",
        )


def _ask_group(
    configuration: groups.Config,
    account: groups.Account,
    group: groups.NodeGroup,
    before: GroupReport,
    provider: contract.Provider,
    market: Market,
    join_credentials: credentials.JoinCredentials | None,
) -> GroupReport:
    candidates, findings = ordering.judge(
        group,
        types=market.types,
        offers=market.offers,
        currency=configuration.currency,
        rates=configuration.rates,
        provider_name=account.provider,
    )
    orders, unjoinable = ordering.orders(
        configuration, group, candidates, provider, join_credentials
    )
    findings += unjoinable
    findings += ordering.identity(group, provider.node_labels, market.types)
    findings += ordering.size(group, orders, provider)
    for order in ordering.representative(orders):
        refusals: list[Finding] = []
        problems = _ask("order", functools.partial(provider.check_order, order), refusals)
        findings += refusals
        findings += [
            Finding(severity=Severity.TROUBLE, subject="order", what=problem)
            for problem in problems or ()
        ]
        if refusals:
            break
    stands = sum(each.group == group.name for each in market.machines)
    far = growing.judge(
        group, stands=stands, candidates=candidates, currency=configuration.currency
    )
    findings += capping.judge(configuration, group, candidates)
    # What was said of its size without asking is said anew, with what stands and what it costs.
    known = set(growing.judge(group))
    kept = [each for each in before.findings if each not in known]
    return dataclasses.replace(
        before, candidates=candidates, findings=tuple(dict.fromkeys((*kept, *far, *findings)))
    )


def _neighbours(
    account: groups.Account, provider: contract.Provider, cluster_name: str, identity: str
) -> Sequence[Finding]:
    """Ask whose machines are in the project, where the cloud can say."""
    if not isinstance(provider, contract.Neighbourly):
        return ()
    try:
        found = provider.neighbours()
    except errors.CloudError as error:
        message = f"whose machines are in the project could not be told: {error.message}"
        return (Finding(severity=Severity.WARNING, subject="neighbours", what=message),)
    return tuple(neighbours.judge(account, found, cluster=cluster_name, identity=identity))
