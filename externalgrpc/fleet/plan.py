"""Decide what is to be done next: which requests are due, and when to look again.

Pure like the rest: :func:`plan` returns the Fleet in which the requests are marked as under way,
the requests, and the instant at which something else falls due.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from externalgrpc import groups
from externalgrpc.fleet import state
from providers import contract, errors

SOLD_OUT_S = 300.0
"""How long a refusal for stock puts a candidate behind the others."""

CATALOGUE_S = 3600.0
CATALOGUE_RETRY_S = 15.0
LISTING_RETRY_S = 5.0
MAX_LISTING_RETRY_S = 60.0

BUSY_SHARE = 0.35
"""The part of an account's request budget that listings may take while something is in the air."""

IDLE_SHARE = 0.036
"""The part that they may take while nothing is: 130 an hour of 3,600."""

MAX_STEADY_S = 300.0
PAGE = 50
"""Machines a page, for the cost of a listing; the smallest page of the four clouds."""


@dataclasses.dataclass(frozen=True, slots=True)
class ListInstances:
    """List an account."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReadCatalogue:
    """Read an account's machine types and offers."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class Create:
    """Send the order of a launch."""

    account: str
    name: str
    group: groups.NodeGroup
    candidate: groups.Candidate
    machine_type: contract.MachineType


@dataclasses.dataclass(frozen=True, slots=True)
class LookUp:
    """Look a launch or a retired name up."""

    account: str
    name: str
    instance_id: str
    receipt: str


@dataclasses.dataclass(frozen=True, slots=True)
class LookUpMissing:
    """Look a member up that the last listing lacked."""

    account: str
    instance: contract.Instance


@dataclasses.dataclass(frozen=True, slots=True)
class Delete:
    """Delete a machine."""

    account: str
    key: str
    instance_id: str


Request = ListInstances | ReadCatalogue | Create | LookUp | LookUpMissing | Delete


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The next Fleet, the requests that are due, and when to plan again."""

    fleet: state.Fleet
    requests: tuple[Request, ...]
    wake_at: float


class _Waker:
    """Keep the earliest of many instants."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.at = math.inf

    def due(self, at: float) -> bool:
        """Tell whether an instant has come; if not, remember it."""
        if at <= self.now:
            return True
        self.at = min(self.at, at)
        return False


def plan(fleet: state.Fleet, now: float) -> Plan:
    """Find all that is due at ``now``."""
    waker = _Waker(now)
    requests: list[Request] = []
    accounts = dict(fleet.accounts)
    for account in fleet.accounts.values():
        accounts[account.name] = _account(fleet, account, waker, requests)
    fleet = dataclasses.replace(fleet, accounts=accounts)
    fleet = _deletions(fleet, waker, requests)
    fleet = _launches(fleet, waker, requests)
    fleet = _missing(fleet, waker, requests)
    return Plan(fleet, tuple(requests), waker.at)


def refusal_key(launch: state.Launch, error: errors.CloudError) -> tuple[object, ...] | None:
    """Name what other launches can learn from a refusal; None where there is nothing to learn."""
    match error:
        case errors.QuotaExceeded():
            return ("quota", launch.account)
        case errors.NoCapacity():
            return ("stock", launch.account, launch.candidate)
        case errors.BadCredentials():
            return ("credentials", launch.account)
        case errors.Refused():
            return ("order", launch.group, launch.candidate)
        case _:
            return None


def busy(fleet: state.Fleet, account: str) -> bool:
    """Tell whether something of an account is in the air."""
    memo = fleet.memo
    found: frozenset[str] | None = memo.get(("busy",))
    if found is None:
        found = memo[("busy",)] = frozenset(_busy(fleet))
    return account in found


def _busy(fleet: state.Fleet) -> Iterator[str]:
    for launch in fleet.launches.values():
        if launch.phase is not state.Phase.FAILED or launch.may_land:
            yield launch.account
    for retirement in fleet.retired.values():
        yield retirement.account
    for missing in fleet.missing.values():
        yield missing.account
    for name, account in fleet.accounts.items():
        instances = account.snapshot.instances if account.snapshot else ()
        if any(instance.state is contract.InstanceState.CREATING for instance in instances):
            yield name


def listing_interval_s(fleet: state.Fleet, account: state.AccountState) -> float:
    """Say how far apart the beginnings of two listings are, by what they cost in requests."""
    if account.failures:
        return min(LISTING_RETRY_S * 2.0 ** min(account.failures - 1, 10), MAX_LISTING_RETRY_S)
    shown = len(account.snapshot.instances) if account.snapshot is not None else 0
    pages = max(1, math.ceil(shown / PAGE))
    if busy(fleet, account.name):
        return max(account.pace.busy_s, pages / (BUSY_SHARE * account.rate_per_s))
    afforded = pages / (IDLE_SHARE * account.rate_per_s)
    return max(account.pace.steady_s, min(afforded, MAX_STEADY_S))


def _account(
    fleet: state.Fleet, account: state.AccountState, waker: _Waker, requests: list[Request]
) -> state.AccountState:
    if not account.listing and waker.due(account.listed_at + listing_interval_s(fleet, account)):
        requests.append(ListInstances(account.name))
        account = dataclasses.replace(account, listing=True, listed_at=waker.now)
    if not account.cataloguing and waker.due(account.catalogue_at):
        requests.append(ReadCatalogue(account.name))
        account = dataclasses.replace(account, cataloguing=True)
    return account


def _deletions(fleet: state.Fleet, waker: _Waker, requests: list[Request]) -> state.Fleet:
    changed: dict[str, state.Retirement] = {}
    for key, retirement in fleet.retired.items():
        match retirement.deletion:
            case state.Deletion.OWED:
                if waker.due(retirement.not_before):
                    requests.append(Delete(retirement.account, key, retirement.instance_id))
                    changed[key] = dataclasses.replace(retirement, deletion=state.Deletion.SENT)
            case state.Deletion.AWAITED:
                looks = retirement.absences > 0 and not retirement.looking
                if looks and waker.due(retirement.not_before):
                    requests.append(LookUp(retirement.account, retirement.name, "", ""))
                    changed[key] = dataclasses.replace(retirement, looking=True)
            case state.Deletion.SENT | state.Deletion.DONE:
                pass
    if not changed:
        return fleet
    return dataclasses.replace(fleet, retired={**fleet.retired, **changed})


def _launches(fleet: state.Fleet, waker: _Waker, requests: list[Request]) -> state.Fleet:
    changed: dict[str, state.Launch] = {}
    hands: dict[str, int] = {name: account.hands for name, account in fleet.accounts.items()}
    probing: set[tuple[str, groups.Candidate]] = set()
    for launch in fleet.launches.values():
        if launch.phase is state.Phase.ASKED:
            hands[launch.account] -= 1
        if launch.phase in (state.Phase.ASKED, state.Phase.UNSURE) and launch.candidate:
            probing.add((launch.account, launch.candidate))
    for name, launch in fleet.launches.items():
        if launch.phase is state.Phase.HELD:
            moved = _held(fleet, launch, waker, requests, hands, probing)
        else:
            moved = _waiting(fleet, launch, waker, requests)
        if moved is not launch:
            changed[name] = moved
    if not changed:
        return fleet
    return dataclasses.replace(fleet, launches={**fleet.launches, **changed})


def _held(
    fleet: state.Fleet,
    launch: state.Launch,
    waker: _Waker,
    requests: list[Request],
    hands: dict[str, int],
    probing: set[tuple[str, groups.Candidate]],
) -> state.Launch:
    account = fleet.accounts[launch.account]
    node_group = fleet.groups.get(launch.group)
    if node_group is None or account.catalogue is None:
        return _expire(fleet, launch, waker)
    refusal = _account_refusal(fleet, launch)
    if refusal is not None:
        return _fail(launch, refusal)
    if not waker.due(max(launch.not_before, account.settled_at)):
        return _expire(fleet, launch, waker)
    candidate = _choose(fleet, launch, node_group, account.catalogue, waker.now)
    if candidate is None:
        return _fail(launch, _exhausted(fleet, launch, node_group))
    fresh = not _remembered(fleet, launch.account, candidate, waker.now)
    if hands[launch.account] <= 0 or (not fresh and (launch.account, candidate) in probing):
        return _expire(fleet, launch, waker)
    hands[launch.account] -= 1
    probing.add((launch.account, candidate))
    machine_type = account.catalogue.machine_types[candidate.machine_type]
    requests.append(Create(launch.account, launch.name, node_group, candidate, machine_type))
    return dataclasses.replace(
        launch,
        phase=state.Phase.ASKED,
        candidate=candidate,
        asked_at=waker.now,
        may_land=True,
        look_at=math.inf,
    )


def _waiting(
    fleet: state.Fleet, launch: state.Launch, waker: _Waker, requests: list[Request]
) -> state.Launch:
    doubtful = launch.phase in (state.Phase.UNSURE, state.Phase.ACCEPTED) or launch.may_land
    if launch.phase is state.Phase.ASKED or not doubtful:
        return launch
    if not launch.looking and waker.due(launch.look_at):
        instance_id = launch.instance.id if launch.instance else ""
        receipt = launch.instance.receipt if launch.instance else ""
        requests.append(LookUp(launch.account, launch.name, instance_id, receipt))
        return dataclasses.replace(launch, looking=True)
    return _expire(fleet, launch, waker) if launch.phase is state.Phase.UNSURE else launch


def _expire(fleet: state.Fleet, launch: state.Launch, waker: _Waker) -> state.Launch:
    """Fail a launch that got no answer within the time that its group gives a machine."""
    node_group = fleet.groups.get(launch.group)
    patience_s = node_group.provision_timeout_s if node_group is not None else 0.0
    if not waker.due(launch.born + patience_s):
        return launch
    why = fleet.accounts[launch.account].trouble or "the cloud gave no usable answer"
    message = f"not ordered within {patience_s:.0f} s: {why}"
    return _fail(launch, state.Failure(state.ErrorClass.OTHER, "CloudUnreachable", message))


def _missing(fleet: state.Fleet, waker: _Waker, requests: list[Request]) -> state.Fleet:
    changed: dict[str, state.Missing] = {}
    for provider_id, held in fleet.missing.items():
        if not held.looking and waker.due(held.look_at):
            requests.append(LookUpMissing(held.account, held.instance))
            changed[provider_id] = dataclasses.replace(held, looking=True)
    if not changed:
        return fleet
    return dataclasses.replace(fleet, missing={**fleet.missing, **changed})


def _choose(
    fleet: state.Fleet,
    launch: state.Launch,
    node_group: groups.NodeGroup,
    catalogue: state.Catalogue,
    now: float,
) -> groups.Candidate | None:
    """Pick the candidate to try: in order, those lately sold out behind the others."""
    left = [
        candidate
        for candidate in node_group.candidates
        if candidate in catalogue.offers
        and candidate not in launch.refused
        and _refused_at(fleet, launch, candidate) < launch.born
    ]
    left.sort(key=lambda candidate: _remembered(fleet, launch.account, candidate, now))
    return left[0] if left else None


def _refused_at(fleet: state.Fleet, launch: state.Launch, candidate: groups.Candidate) -> float:
    stock = fleet.refusals.get(("stock", launch.account, candidate))
    order = fleet.refusals.get(("order", launch.group, candidate))
    return max((said.at for said in (stock, order) if said is not None), default=state.NEVER)


def _remembered(fleet: state.Fleet, account: str, candidate: groups.Candidate, now: float) -> bool:
    said = fleet.refusals.get(("stock", account, candidate))
    return said is not None and now - said.at < SOLD_OUT_S


def _account_refusal(fleet: state.Fleet, launch: state.Launch) -> state.Failure | None:
    """Find a no to the whole account that was said since the launch was born."""
    for key in (("quota", launch.account), ("credentials", launch.account)):
        said = fleet.refusals.get(key)
        if said is not None and said.at >= launch.born:
            return said.failure
    return None


def _exhausted(
    fleet: state.Fleet, launch: state.Launch, node_group: groups.NodeGroup
) -> state.Failure:
    """Say of a launch with no candidate left what was said to each."""
    told: list[str] = []
    bad_order = False
    for candidate in node_group.candidates:
        stock = fleet.refusals.get(("stock", launch.account, candidate))
        order = fleet.refusals.get(("order", launch.group, candidate))
        said = order or stock
        bad_order = bad_order or order is not None
        why = said.failure.message if said is not None else "not sold here"
        told.append(f"{candidate.machine_type} in {candidate.location}: {why}")
    message = "; ".join(told)
    if bad_order:
        return state.Failure(state.ErrorClass.OTHER, "BadOrder", message)
    return state.Failure(state.ErrorClass.OUT_OF_RESOURCES, "OutOfStock", message)


def _fail(launch: state.Launch, failure: state.Failure) -> state.Launch:
    return dataclasses.replace(launch, phase=state.Phase.FAILED, failure=failure)
