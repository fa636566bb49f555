"""Decide which launches are sent, looked up, or given up now."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

from externalgrpc.fleet import notnow, pausing, requests, spending, state, stock, surge
from externalgrpc.model import groups

# Bound once: a member of an enum costs a slow look-up in Python 3.11, and this loop is long.
_HELD = state.Phase.HELD
_ASKED = state.Phase.ASKED
_UNSURE = state.Phase.UNSURE
_ACCEPTED = state.Phase.ACCEPTED


class Departures:
    """Go through the launches once, with what they share: hands, probes, refusals.

    Thousands may be held at once while a few are under way, and every answer brings us here:
    what waits for a free hand only is passed over at the cost of a few look-ups.
    """

    def __init__(self, fleet: state.Fleet, agenda: requests.Agenda) -> None:
        self._fleet = fleet
        self._agenda = agenda
        self._hands = {name: account.hands for name, account in fleet.accounts.items()}
        self._refused = {
            name: said
            for name in fleet.accounts
            if (said := stock.account_refusal(fleet, name)) is not None
        }
        self._patience_s = {
            (name, group.account): group.provision_timeout_s
            for name, group in fleet.groups.items()
            if not group.closing and not group.hold and name not in fleet.blocked
        }
        self._probing: set[tuple[str, groups.Candidate]] = set()
        self._sent: dict[str, int] = {}
        self._surge = surge.Surge(fleet, agenda)
        self._ledger = spending.Ledger(fleet)

    def accounts(self) -> dict[str, state.AccountState]:
        """Return the accounts at which something was ordered, with the instants of that noted."""
        return {
            name: dataclasses.replace(
                self._fleet.accounts[name],
                orders=(*self._fleet.accounts[name].orders, *(self._agenda.now,) * count),
            )
            for name, count in self._sent.items()
        }

    def of(self, launches: Iterable[state.Launch]) -> tuple[list[state.Launch], list[str]]:
        """Return the launches that change, as they become, and the names to be withdrawn."""
        flying, held = self._sorted(launches)
        changed: list[state.Launch] = []
        withdrawn: list[str] = []
        for launch in flying:
            moved = self._under_way(launch)
            if moved is not launch:
                changed.append(moved)
        for launch in held:
            if self._only_waits_for_a_hand(launch):
                continue
            sent = self._held(launch)
            if sent is None:
                withdrawn.append(launch.name)
            elif sent is not launch:
                changed.append(sent)
        return changed, withdrawn

    def _sorted(
        self, launches: Iterable[state.Launch]
    ) -> tuple[list[state.Launch], list[state.Launch]]:
        """Part those that are held from those that fly, and count what these keep busy."""
        flying: list[state.Launch] = []
        held: list[state.Launch] = []
        for launch in launches:
            phase = launch.phase
            if phase is _HELD:
                held.append(launch)
                continue
            flying.append(launch)
            if phase is _ASKED:
                self._hands[launch.account] -= 1
            elif phase is not _UNSURE:
                continue
            if launch.candidate is not None:
                self._probing.add((launch.account, launch.candidate))
        return flying, held

    def _only_waits_for_a_hand(self, launch: state.Launch) -> bool:
        account = launch.account
        patience_s = self._patience_s.get((launch.group, account))
        if patience_s is None or self._hands[account] > 0 or account in self._refused:
            return False
        return not self._agenda.due(launch.born + patience_s)

    def _held(self, launch: state.Launch) -> state.Launch | None:
        """Send a launch if it may go; None when its group is no longer there to have it."""
        fleet = self._fleet
        node_group = fleet.groups.get(launch.group)
        if node_group is None or node_group.closing:
            return None
        if launch.account != node_group.account:
            if launch.asked_at > state.NEVER:
                # Its name was sent to the old account: one name must not be ordered at two.
                return _failed(launch, _moved(node_group))
            launch = dataclasses.replace(launch, account=node_group.account)
        if (failure := self._failure(launch)) is not None:
            return _failed(launch, failure)
        account = fleet.accounts[launch.account]
        known = not (node_group.hold or unknown(fleet, account))
        ready = account.catalogue is not None and account.settled and known
        if not ready or self._hands[launch.account] <= 0 or not self._agenda.due(launch.not_before):
            return self._expire(launch, node_group)
        return self._send(launch, node_group)

    def _failure(self, launch: state.Launch) -> state.Failure | None:
        """Return why a launch will not be sent; None when it may."""
        if launch.group in self._fleet.blocked:
            why = self._fleet.blocked[launch.group]
            return state.Failure(state.ErrorClass.OTHER, "BadOrder", why)
        refusal = self._refused.get(launch.account)
        if refusal is not None and refusal.at > launch.born:
            return refusal.failure
        said = notnow.why(self._fleet, launch.group)
        return notnow.failure(said) if said is not None else None

    def _under_way(self, launch: state.Launch) -> state.Launch:
        """Look a doubtful launch up when it is time to."""
        phase = launch.phase
        if phase is _ASKED or not (phase is _UNSURE or phase is _ACCEPTED or launch.may_land):
            return launch
        if not launch.looking and self._agenda.due(launch.look_at):
            instance_id = launch.instance.id if launch.instance else ""
            receipt = launch.instance.receipt if launch.instance else ""
            self._agenda.ask(requests.LookUp(launch.account, launch.name, instance_id, receipt))
            return dataclasses.replace(launch, looking=True)
        if phase is _UNSURE:
            return self._expire(launch, self._fleet.groups.get(launch.group))
        return launch

    def _send(self, launch: state.Launch, node_group: groups.NodeGroup) -> state.Launch:
        fleet, now = self._fleet, self._agenda.now
        account = fleet.accounts[launch.account]
        braked = notnow.most_orders(fleet, account) - len(account.orders)
        if self._sent.get(account.name, 0) >= braked or self._surge.holds(node_group):
            return self._expire(launch, node_group)
        if unseen := self._ledger.waits(node_group):
            return self._expire(launch, node_group, unseen)
        left = stock.left(fleet, launch, node_group)
        too_dear = {each: self._ledger.refusal(node_group, each) for each in left}
        affordable = [each for each in left if not too_dear[each]]
        candidate = stock.choose(fleet, launch, affordable, now)
        if candidate is None:
            return _failed(launch, self._nothing_left(launch, node_group, too_dear))
        # Of what was refused lately, one order at a time finds out whether it is to be had again.
        probe = (launch.account, candidate)
        if probe in self._probing and stock.lately_refused(fleet, launch, candidate, now):
            return self._expire(launch, node_group)
        catalogue = account.catalogue
        assert catalogue is not None  # noqa: S101 - held() saw to it
        self._hands[launch.account] -= 1
        self._sent[account.name] = self._sent.get(account.name, 0) + 1
        self._surge.sent(node_group)
        self._ledger.sent(node_group, candidate)
        self._probing.add(probe)
        machine_type = catalogue.machine_types[candidate.machine_type]
        self._agenda.ask(
            requests.Create(launch.account, launch.name, node_group, candidate, machine_type)
        )
        return dataclasses.replace(
            launch,
            phase=_ASKED,
            candidate=candidate,
            asked_at=now,
            may_land=True,
            look_at=math.inf,
        )

    def _nothing_left(
        self,
        launch: state.Launch,
        node_group: groups.NodeGroup,
        too_dear: Mapping[groups.Candidate, str],
    ) -> state.Failure:
        """Say why nothing can be ordered: all that is left costs too much, or there is nothing."""
        if too_dear:
            return spending.failure("; ".join(too_dear.values()))
        return stock.exhausted(self._fleet, launch, node_group)

    def _expire(
        self, launch: state.Launch, node_group: groups.NodeGroup | None, held: str = ""
    ) -> state.Launch:
        """Fail a launch that got no answer within the time that its group gives a machine."""
        patience_s = node_group.provision_timeout_s if node_group is not None else 0.0
        if not self._agenda.due(launch.born + patience_s):
            return launch
        account = self._fleet.accounts[launch.account]
        why = held or (node_group.hold if node_group is not None else "") or account.trouble
        why = why or unknown(self._fleet, account) or "the cloud gave no usable answer"
        message = f"not ordered within {patience_s:.0f} s: {why}"
        failure = state.Failure(state.ErrorClass.OTHER, "CloudUnreachable", message)
        return _failed(launch, failure)


def unknown(fleet: state.Fleet, account: state.AccountState) -> str:
    """Return what is not known yet by which our machines differ from another cluster's; or empty.

    Where there is a cluster to ask, that is its identity, its Nodes, and, once at least asked for,
    whose machines stand in the project already.
    """
    if fleet.standby or fleet.awaited:
        return f"this server stands by: {fleet.standby}" if fleet.standby else fleet.awaited
    if fleet.identity is None:
        return "the cluster's identity could not be read yet"
    if fleet.annotation is None:
        return pausing.UNREAD
    if not fleet.identity:
        return ""
    if fleet.nodes is None:
        return "the cluster's Nodes could not be listed yet"
    unasked = account.neighbours is None and not account.neighbours_failures
    waits = account.neighbourly and unasked
    return "it is not known yet whose machines are in the project" if waits else ""


def _moved(node_group: groups.NodeGroup) -> state.Failure:
    message = f"the group moved to account {node_group.account} while this was being ordered"
    return state.Failure(state.ErrorClass.OTHER, "CloudError", message)


def _failed(launch: state.Launch, failure: state.Failure) -> state.Launch:
    return dataclasses.replace(launch, phase=state.Phase.FAILED, failure=failure)
