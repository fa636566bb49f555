"""Answer, for a group, what people ask: why is there no node?

One answer: of all that is true the first thing that keeps a machine from coming, in the order in
which it would. It says what the server knows; why the autoscaler asks for none only that can say.
"""

from __future__ import annotations

from typing import NamedTuple

from externalgrpc.fleet import dispatch, joins, notnow, state, stock, view, wishes
from externalgrpc.model import groups

_ON_THE_WAY = {
    state.Phase.HELD: "waiting to be ordered",
    state.Phase.ASKED: "being ordered",
    state.Phase.UNSURE: "ordered without an answer so far",
    state.Phase.ACCEPTED: "being made by the cloud",
}


class Answer(NamedTuple):
    """A code from a small fixed set, a sentence, and what to do; empty where there is nothing."""

    code: str
    sentence: str
    cure: str = ""


def why_no_node(fleet: state.Fleet, group: str, *, now: float) -> Answer:
    """Return what keeps a group from having another node, or that nothing does.

    ``now`` is the monotonic clock, in seconds.
    """
    node_group = fleet.groups[group]
    answer = (
        _left_out(fleet, node_group)
        or _blind(fleet, node_group, now)
        or _not_now(fleet, node_group)
        or _held_back(fleet, node_group, now)
        or _refused(fleet, node_group, now)
        or _failed(fleet, node_group)
        or _unjoined(fleet, node_group)
        or _coming(fleet, node_group)
        or _full(fleet, node_group)
        or _sold_out(fleet, node_group, now)
        or _not_asked(fleet, node_group)
    )
    # What others wrote may end in a full stop of its own.
    return answer._replace(sentence=f"{answer.sentence.rstrip('.')}.")


def refused_until(refusal: state.Refusal) -> float:
    """Return until when a no puts what it was said to behind the others, by the monotonic clock."""
    return refusal.at + stock.SOLD_OUT_S


def _left_out(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    trouble = view.trouble(fleet, group.name)
    if not trouble:
        return None
    if group.departed:
        return Answer("Departed", f"The group is {trouble}.", "Put it back to have machines of it.")
    return Answer(
        "LeftOut",
        f"The autoscaler is not shown the group: {trouble}.",
        "vps-autoscaler check --online names the mistake and its cure.",
    )


def _blind(fleet: state.Fleet, group: groups.NodeGroup, now: float) -> Answer | None:
    account = fleet.accounts[group.account]
    if why := wishes.blind(account, now):
        return Answer("NotListed", f"Growth is refused, for {why}.")
    if account.catalogue is None:
        trouble = account.catalogue_trouble or "the first answer is awaited"
        text = f"What account {account.name} sells is not known yet: {trouble}."
        return Answer("NotListed", text)
    return None


def _not_now(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    said = notnow.why(fleet, group.name)
    if said is not None:
        return Answer(said.code, f"Nothing is ordered for now: {said.reason}.")
    account = fleet.accounts[group.account]
    if unknown := dispatch.unknown(fleet, account):
        return Answer(
            "ClusterUnknown",
            f"Orders are held: {unknown}.",
            "Look whether the API server can be reached; vps-autoscaler doctor says more.",
        )
    if not account.settled and _waits(fleet, group):
        return Answer(
            "Settling",
            f"The server started less than {account.settle_s:.0f} s ago: orders are held until it "
            "has seen what the process before it ordered.",
        )
    return None


def _held_back(fleet: state.Fleet, group: groups.NodeGroup, now: float) -> Answer | None:
    held = joins.held_back(fleet, group.name, now)
    if not held:
        return None
    return Answer(
        "HeldBack",
        f"{held[0].upper()}{held[1:]}.",
        "Look at the serial console of one of them, and at docs/joining.md.",
    )


def _refused(fleet: state.Fleet, group: groups.NodeGroup, now: float) -> Answer | None:
    """Return what was said no to at the whole account lately."""
    said = stock.account_refusal(fleet, group.account)
    if said is None or refused_until(said) <= now:
        return None
    cure = (
        "Ask the vendor to raise the limit, or delete what is not needed."
        if said.failure.code == "QuotaExceeded"
        else "Put a token that is accepted where the account reads it."
    )
    return Answer(
        said.failure.code,
        f"Account {group.account} refused its last order: {said.failure.message}.",
        cure,
    )


def _failed(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    failed = [
        member.failure for member in view.members(fleet, group.name) if member.failure is not None
    ]
    if not failed:
        return None
    many = f"{len(failed)} machines" if len(failed) > 1 else "A machine"
    return Answer(
        failed[-1].code,
        f"{many} did not come, and the autoscaler is shown why: {failed[-1].message}.",
    )


def _unjoined(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    for member in view.members(fleet, group.name):
        held = fleet.unjoined.get(member.name)
        if held is not None and held.withheld:
            return Answer(
                held.failure.code,
                f"{member.name} did not become a node ({held.failure.message}) and is not given "
                f"up: {held.withheld}.",
                "Look at its serial console.",
            )
    return None


def _coming(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    ways: dict[str, int] = {}
    for member in view.members(fleet, group.name):
        word = ""
        if member.launch is not None:
            word = _ON_THE_WAY.get(member.launch.phase, "")
        elif not is_node(fleet, member):
            booting = member.showing is view.Showing.CREATING
            word = "booting" if booting else "running, and no node yet"
        if word:
            ways[word] = ways.get(word, 0) + 1
    if not ways:
        return None
    count = sum(ways.values())
    each = ", ".join(f"{number} {word}" for word, number in ways.items())
    verb = "machines are" if count > 1 else "machine is"
    return Answer("OnTheWay", f"{count} {verb} on the way: {each}.")


def _full(fleet: state.Fleet, group: groups.NodeGroup) -> Answer | None:
    size, most = view.target(fleet, group.name), view.room(fleet, group.name)
    if size < most:
        return None
    unsure = group.max_size - most
    less = f", of which {unsure} in quarantine" if unsure else ""
    return Answer(
        "AtMaxSize",
        f"The group has as many machines as it may: {size + unsure} of maxSize "
        f"{group.max_size}{less}.",
        "Raise maxSize, or let pods go to another group.",
    )


def _sold_out(fleet: state.Fleet, group: groups.NodeGroup, now: float) -> Answer | None:
    """Say that all of its candidates were refused lately; an order is tried all the same."""
    refused = [candidate_refusal(fleet, group, each, now) for each in group.candidates]
    said = [each for each in refused if each is not None]
    if not said or len(said) < len(refused):
        return None
    last = max(said, key=lambda each: each.at)
    return Answer(
        last.failure.code,
        f"All that the group may order was refused within {stock.SOLD_OUT_S / 60:.0f} minutes, the "
        f"last time with: {last.failure.message}. The next order is tried all the same.",
        "Name further instanceTypes or regions.",
    )


def _not_asked(fleet: state.Fleet, group: groups.NodeGroup) -> Answer:
    size = view.target(fleet, group.name)
    more = f"more than the {size} that it has" if size else "machine"
    return Answer(
        "NotAsked",
        f"Nothing keeps it from growing, and the autoscaler asks for no {more}.",
        "Where a pod waits all the same: vps-autoscaler why NAMESPACE/POD.",
    )


def candidate_refusal(
    fleet: state.Fleet, group: groups.NodeGroup, candidate: groups.Candidate, now: float
) -> state.Refusal | None:
    """Find the last no that puts a candidate of a group behind the others for now."""
    keys = stock.keys_of(group.name, group.account, candidate)
    said = (fleet.refusals.get(key) for key in keys)
    lately = [each for each in said if each is not None and refused_until(each) > now]
    return max(lately, key=lambda each: each.at, default=None)


def is_node(fleet: state.Fleet, member: state.Member) -> bool:
    """Return whether a member is a node, as far as the cluster or the autoscaler showed."""
    if member.instance is None:
        return False
    journey = fleet.journeys.get(member.name)
    if journey is not None and journey.provider_id in ("", member.provider_id):
        return bool(journey.ready_at)
    return member.provider_id in fleet.registered


def _waits(fleet: state.Fleet, group: groups.NodeGroup) -> bool:
    return any(
        member.launch is not None and member.launch.phase is state.Phase.HELD
        for member in view.members(fleet, group.name)
    )
