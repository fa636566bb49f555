"""Say whether a group may get machines now, in a word of the closed list of ``Scalable``. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from externalgrpc.fleet import dispatch, joins, notnow, state, stock, view
from externalgrpc.model import groups
from externalgrpc.vpsnodes import machines

MAY: Final = "Scalable"
NOT_IN_FORCE: Final = "NotInForce"
DELETING: Final = "Deleting"
PAUSED: Final = "Paused"
HELD_BACK: Final = "HeldBack"
SOLD_OUT: Final = "SoldOut"
QUOTA: Final = "Quota"
MINIMUM: Final = "MinimumNotEnforced"

BELOW_S: Final = 180.0
"""A group that nobody raises to its minimum for so long has a CA that does not enforce it."""

_NO_MINIMUM: Final = (
    "{target} of at least {least} machines are there or ordered, and no autoscaler has asked for "
    "more in minutes: run cluster-autoscaler with --enforce-node-group-min-size (the chart sets "
    "it), for the server never orders by itself"
)


class Scalable(NamedTuple):
    """Whether a group may grow: a reason from the closed list, and a sentence, if any."""

    ok: bool
    reason: str
    message: str = ""


def judge(  # noqa: PLR0911 - one for each reason
    fleet: state.Fleet, group: groups.NodeGroup, *, now: float, below_s: float
) -> Scalable:
    """Judge a group that is in force, as of the monotonic instant ``now``.

    ``below_s`` is for how long it has had fewer machines than its minimum. No sentence counts down:
    it would be written again and again.
    """
    name = group.name
    if group.deletion:
        return Scalable(ok=False, reason=DELETING, message="nothing is ordered for it any more")
    said = notnow.why(fleet, name)
    if said is not None and said.code == notnow.PAUSED:
        return Scalable(ok=False, reason=PAUSED, message=said.reason)
    account = fleet.accounts[group.account]
    held = group.hold or dispatch.unknown(fleet, account) or (said.reason if said else "")
    if held:
        return Scalable(ok=False, reason=HELD_BACK, message=held)
    if trouble := view.trouble(fleet, name):
        return Scalable(ok=False, reason=SOLD_OUT, message=trouble)
    if joins.held_back(fleet, name, now):
        failed = fleet.strikes[name].count
        message = f"{failed} machines in a row did not become nodes; see status.machines, or ls"
        return Scalable(ok=False, reason=HELD_BACK, message=message)
    if (refusal := _refusal(fleet, group, now)) is not None:
        code = refusal.failure.code
        reason = QUOTA if code == "QuotaExceeded" else SOLD_OUT if code == "OutOfStock" else ""
        message = machines.short(refusal.failure.message)
        return Scalable(ok=False, reason=reason or HELD_BACK, message=message)
    target = view.target(fleet, name)
    if target < group.min_size and below_s > BELOW_S:
        message = _NO_MINIMUM.format(target=target, least=group.min_size)
        return Scalable(ok=False, reason=MINIMUM, message=message)
    return Scalable(ok=True, reason=MAY)


def _refusal(fleet: state.Fleet, group: groups.NodeGroup, now: float) -> state.Refusal | None:
    """Return the last no, where the account, or each candidate that is sold, was refused lately."""
    lately = now - stock.SOLD_OUT_S
    whole = stock.account_refusal(fleet, group.account)
    if whole is not None and whole.at > lately:
        return whole
    catalogue = fleet.accounts[group.account].catalogue
    last: state.Refusal | None = None
    for candidate in group.candidates:
        if catalogue is None or candidate not in catalogue.offers:
            continue
        refusals = [
            said
            for key in stock.keys_of(group.name, group.account, candidate)
            if (said := fleet.refusals.get(key)) is not None and said.at > lately
        ]
        if not refusals:
            return None
        last = max((*refusals, *([last] if last else [])), key=lambda each: each.at)
    return last
