"""Decide which failed joins CA may be shown, and what is repaired: a deletion without a drain."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import pausing, proof, state, view
from externalgrpc.model import groups
from providers import contract

NOT_YET = "not judged yet"
UNPROVED = "nothing proves that it never was a node: delete it by hand if it is dead"
CAPPED = "as many were given up lately as the limits allow"
OUTAGE = "the cluster has lost its nodes: nobody is judged"
PAUSED = "paused: nothing is deleted on our own word"


class Court:
    """Hear one failed join after the other; ``verdicts`` are those shown lately, with the new."""

    def __init__(self, fleet: state.Fleet, now: float) -> None:
        self._fleet = fleet
        self._now = now
        since = now - fleet.limits.within_s
        self.verdicts = tuple(each for each in fleet.verdicts if each.at > since)
        if len(self.verdicts) == len(fleet.verdicts):
            self.verdicts = fleet.verdicts

    def heard(
        self,
        failed: state.Unjoined,
        instance: contract.Instance,
        group: groups.NodeGroup,
        *,
        doubtful: bool,
    ) -> state.Unjoined:
        """Return a failed join as it stands now: shown to CA, or withheld for a reason."""
        account = view.account_of(self._fleet, instance)
        if not proof.settled(self._fleet, instance, account):
            return _withheld(failed, UNPROVED)
        if pausing.own_word(self._fleet, group.name, account):
            return _withheld(failed, PAUSED)
        if not failed.withheld:
            return failed
        if doubtful:
            return _withheld(failed, OUTAGE)
        if self._is_full(group.name, account):
            return _withheld(failed, CAPPED)
        self.verdicts = (*self.verdicts, state.Verdict(self._now, group.name, account))
        return dataclasses.replace(failed, since=self._now, withheld="")

    def repaired(self, group: str, account: str) -> str:
        """Say why a machine may not be deleted now; empty when it may, which counts as a verdict.

        The limits are one for what failed to join and for what is repaired.
        """
        if pausing.own_word(self._fleet, group, account):
            return PAUSED
        if self._is_full(group, account):
            return CAPPED
        self.verdicts = (*self.verdicts, state.Verdict(self._now, group, account))
        return ""

    def _is_full(self, group: str, account: str) -> bool:
        limits = self._fleet.limits
        of_group = sum(1 for each in self.verdicts if each.group == group)
        of_account = sum(1 for each in self.verdicts if each.account == account)
        held = self._fleet.accounts[account].snapshot
        machines = len(held.instances) if held is not None else 0
        most = max(1, int(limits.given_up_share * machines))
        return of_group >= limits.given_up_a_group or of_account >= most


def suspend(fleet: state.Fleet) -> state.Fleet:
    """Show no failed join of what is paused any more; it is judged anew when that is over."""
    held = {
        key: _withheld(failed, PAUSED)
        for key, failed in fleet.unjoined.items()
        if not failed.withheld
        and (name := view.group_of(fleet, key))
        and (member := view.find(fleet, name, key)) is not None
        and member.instance is not None
        and pausing.own_word(fleet, name, view.account_of(fleet, member.instance))
    }
    return dataclasses.replace(fleet, unjoined={**fleet.unjoined, **held}) if held else fleet


def annotated(fleet: state.Fleet, said: str | None) -> state.Fleet:
    """Take what our ConfigMap says of a pause; see :attr:`state.Fleet.annotation`."""
    if said == fleet.annotation:
        return fleet
    return suspend(dataclasses.replace(fleet, annotation=said))


def _withheld(failed: state.Unjoined, why: str) -> state.Unjoined:
    return failed if failed.withheld == why else dataclasses.replace(failed, withheld=why)
