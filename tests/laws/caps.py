"""The law of caps: showing a machine with an error deletes it, so it is done to a few at a time."""

from __future__ import annotations

from externalgrpc.fleet import state, view
from tests.laws import laws


class Caps:
    """Count the machines that one process has shown as failed, or repaired, lately."""

    def __init__(self) -> None:
        self._shown: frozenset[str] = frozenset()
        self._verdicts: list[state.Verdict] = []

    def repaired(self, fleet: state.Fleet, held: state.Retirement, now: float) -> None:
        """Take a machine that is deleted for a repair: the limits are those of failures."""
        self._verdicts = [each for each in self._verdicts if each.at > now - fleet.limits.within_s]
        self._verdicts.append(state.Verdict(now, held.group, held.account))
        self._hold(fleet, held.group, held.account)

    def check(self, fleet: state.Fleet, now: float) -> None:
        """Take what is shown now, and hold the new failures to the limits."""
        if not fleet.unjoined:
            self._shown = frozenset()
            return
        shown: dict[str, tuple[str, str]] = {}
        for group in fleet.groups:
            if fleet.groups[group].trial_of:
                continue  # nobody is shown it
            for member in view.members(fleet, group):
                if member.instance is not None and member.failure is not None:
                    account = view.account_of(fleet, member.instance)
                    shown[member.provider_id] = (group, account)
        since = now - fleet.limits.within_s
        self._verdicts = [each for each in self._verdicts if each.at > since]
        for provider_id in shown.keys() - self._shown:
            self._verdicts.append(state.Verdict(now, *shown[provider_id]))
            self._hold(fleet, *shown[provider_id])
        self._shown = frozenset(shown)

    def _hold(self, fleet: state.Fleet, group: str, account: str) -> None:
        of_group = sum(each.group == group for each in self._verdicts)
        of_account = sum(each.account == account for each in self._verdicts)
        held = fleet.accounts[account].snapshot
        machines = len(held.instances) if held is not None else 0
        most = max(1, int(fleet.limits.given_up_share * machines))
        laws.require(
            of_group <= fleet.limits.given_up_a_group and of_account <= most,
            "no more machines are given up than the limits allow",
            group,
            account,
            self._verdicts,
        )
