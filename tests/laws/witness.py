"""Remember what one process of ours has seen and done, and hold every step against it."""

from __future__ import annotations

from externalgrpc.fleet import sparing, state, view
from providers import contract
from tests.laws import laws


class Witness:
    """Remember what one process has seen and done, and hold every step against it."""

    def __init__(self) -> None:
        self.terminated: set[str] = set()
        self.ran: set[str] = set()
        self.ordered: set[str] = set()
        self.seen: set[str] = set()
        self.unmarked: set[str] = set()
        self.covered_since_start: set[str] = set()

    def check(self, fleet: state.Fleet) -> None:
        """Check one Fleet against all laws and against what went before."""
        laws.of_a_fleet(fleet)
        for name in fleet.groups:
            for member in view.members(fleet, name):
                laws.require(
                    not self._was_terminated(fleet, member),
                    "what was terminated never comes back",
                    member,
                )
                if member.failure is not None and member.instance is None:
                    laws.require(
                        member.name not in self.ran,
                        "a failed order is never shown on what ran",
                        member,
                    )

    def _was_terminated(self, fleet: state.Fleet, member: view.Member) -> bool:
        """Return whether a member was terminated: the machine, or the order that it came of.

        Another machine may bear the name: labels can be edited. And an order that was withdrawn
        before anybody knew its machine stays so only as long as that is no node.
        """
        if member.provider_id in self.terminated:
            return True
        if member.instance is None:
            return member.name in self.terminated
        name = member.instance.node_name
        ordered = name in self.terminated and fleet.minted.get(name) == member.provider_id
        return ordered and not laws.lives(fleet, member)

    def _lets_go(self, fleet: state.Fleet, name: str, provider_id: str) -> None:
        """Note a member that was terminated: its machine, and the order, if it came of that."""
        self.terminated.add(provider_id)
        if fleet.minted.get(name, provider_id) in ("", provider_id):
            self.terminated.add(name)

    def grew(
        self,
        before: state.Fleet,
        after: state.Fleet,
        group: str,
        delta: int,
        *,
        ordered: tuple[str, ...],
        covered: tuple[str, ...],
        air: frozenset[str],
    ) -> None:
        """Check a growth that was accepted; ``air`` are the names in the air before it."""
        held = view.target(before, group)
        laws.require(
            view.target(after, group) == held + delta - len(covered),
            "a growth raises the target by delta, but for what it covers",
            group,
            delta,
            covered,
        )
        laws.require(len(ordered) + len(covered) == delta, "a growth orders what it does not cover")
        unsure = laws.unsure(after, group)
        laws.require(
            view.target(after, group) <= after.groups[group].max_size - unsure,
            "growth stays below max, less what is in quarantine",
            group,
            unsure,
        )
        if covered:
            laws.require(group not in self.covered_since_start, "a growth is covered once", group)
            laws.require(set(covered) <= air, "only what is in the air covers", covered, air)
            self.covered_since_start.add(group)
        fresh = set(ordered)
        laws.require(len(fresh) == len(ordered), "names are minted once", ordered)
        laws.require(
            not fresh & (self.ordered | self.terminated), "names are never used again", ordered
        )
        self.ordered |= fresh
        _others_stay(before, after, group)

    def retired(
        self,
        before: state.Fleet,
        after: state.Fleet,
        group: str,
        going: tuple[str, ...],
        *,
        real: bool,
    ) -> None:
        """Check a deletion that was accepted; ``real``: it named a node that CA knows as such."""
        named = {
            member.name: member.provider_id
            for member in view.members(before, group)
            if member.name in going
        }
        doubtful = {name for name, each in named.items() if each in after.quarantine}
        put = laws.entered(before, after, group) - set(named.values())
        taken = laws.left(before, after, group)
        laws.require(
            view.target(after, group)
            == view.target(before, group) - len(going) - len(put) + len(taken),
            "a retire lowers the target by what was counted",
            group,
            going,
        )
        lost = laws.ids(before, group) - laws.ids(after, group)
        laws.require(
            lost == set(named.values()) | put, "a retire removes what it says", lost, going
        )
        for key in after.retired.keys() - before.retired.keys():
            laws.require(
                after.retired[key].provider_id not in before.quarantine,
                "what is in quarantine is never deleted",
                key,
            )
        if real:
            laws.require(
                view.live(after, group) + len(doubtful) + len(put) >= before.groups[group].min_size,
                "a retire of live machines stays above min",
                group,
            )
        for name in named.keys() - doubtful:
            self._lets_go(after, name, named[name])
        _others_stay(before, after, group)

    def shrunk(
        self,
        before: state.Fleet,
        after: state.Fleet,
        group: str,
        withdrawn: tuple[str, ...],
        *,
        touchable: frozenset[str],
    ) -> None:
        """Check a decrease; ``touchable`` are the launches that no cloud has been asked for."""
        laws.require(
            set(withdrawn) <= touchable, "a shrink touches only what was not sent", withdrawn
        )
        laws.require(
            view.target(after, group) == view.target(before, group) - len(withdrawn),
            "a shrink lowers the target by what it withdraws",
        )
        laws.require(after.retired == before.retired, "a shrink deletes nothing")
        self.terminated |= set(withdrawn)
        _others_stay(before, after, group)

    def listed(self, before: state.Fleet, after: state.Fleet, snapshot: state.Snapshot) -> None:
        """Check what a listing changed: it adds what it shows and takes nothing on its own word."""
        account = before.accounts.get(snapshot.account)
        if account is None:
            laws.require(after == before, "a listing of an unknown account changes nothing")
            return
        self._spared(before, after)
        self._repaired_no_more(before, after)
        if account.snapshot is None:
            own = {name for name, each in before.groups.items() if each.account == account.name}
            self.covered_since_start -= own
        dropped = [
            member
            for name in before.groups
            for member in _lost(before, after, name)
            if not _may_go(before, after, snapshot, name, member)
        ]
        for member in dropped:
            held = member.launch is not None and member.launch.phase is state.Phase.HELD
            laws.require(held, "a listing alone proves nothing gone", member)
        arrivals = [
            instance
            for instance in snapshot.instances
            # What was taken for gone may be back.
            if (instance.provider_id not in self.seen or instance.provider_id in before.gone)
            and instance.node_name not in self.ordered
            and instance.group in before.groups
        ]
        laws.require(
            len(dropped) <= len(arrivals),
            "only an arrival stands in for a held launch",
            dropped,
            arrivals,
        )
        laws.require(not dropped or not account.settled, "stand-ins are of the first settling time")
        unknown = [
            instance
            for instance in snapshot.instances
            # What was taken for gone may be back.
            if view.known(before, instance.provider_id) is None
            and instance.node_name not in before.launches
        ]
        self._arrivals_stand_in(before, after, unknown, account)
        self._remember(before, after, snapshot)

    def _arrivals_stand_in(
        self,
        before: state.Fleet,
        after: state.Fleet,
        arrivals: list[contract.Instance],
        account: state.AccountState,
    ) -> None:
        """Check that late arrivals raise a target only where no held launch is left."""
        if account.snapshot is None or account.settled:
            return
        for name in before.groups:
            held = sum(
                launch.phase is state.Phase.HELD and launch.group == name
                for launch in before.launches.values()
            )
            come = sum(instance.group == name for instance in arrivals)
            laws.require(
                view.target(after, name)
                <= view.target(before, name)
                + max(0, come - held)
                + len(laws.left(before, after, name))
                + _stay_after_all(before, after, name),
                "late arrivals stand in for held launches",
                name,
                come,
                held,
            )

    def _remember(self, before: state.Fleet, after: state.Fleet, snapshot: state.Snapshot) -> None:
        for name, launch in before.launches.items():
            vanished = name not in after.launches and name not in after.index.by_name
            if vanished and launch.phase is state.Phase.HELD:
                self.terminated.add(name)
        for instance in snapshot.instances:
            self.seen.add(instance.provider_id)
            if not instance.unjoined:
                self.unmarked.add(instance.provider_id)
            runs = instance.state is contract.InstanceState.RUNNING
            if runs and after.minted.get(instance.node_name) == instance.provider_id:
                self.ran.add(instance.node_name)
        for key in after.retired.keys() - before.retired.keys():
            if after.retired[key].surplus:
                self.terminated.add(key)

    def answered(
        self,
        before: state.Fleet,
        after: state.Fleet,
        *,
        lost: int = 0,
        answer: object = None,
    ) -> None:
        """Check what the answer to an order, a look-up or a deletion changed."""
        if isinstance(answer, contract.Instance) and _counted_twice(before, answer):
            lost += 1
        was, now = laws.targets(before), laws.targets(after)
        for name in was.keys() & now.keys():
            laws.require(
                was[name] - lost <= now[name] <= was[name],
                "an answer alone moves no target",
                name,
                was[name],
                now[name],
            )
        self._renamed(before, after)

    def swept(self, before: state.Fleet, after: state.Fleet) -> None:
        """Check a look at the cluster: it takes only what failed to join, or is in doubt."""
        for name in before.groups:
            lost = laws.ids(before, name) - laws.ids(after, name)
            lost -= laws.entered(before, after, name)
            for member in view.members(before, name):
                if member.provider_id not in lost:
                    continue
                held = after.retired.get(member.name)
                laws.require(
                    held is not None and (member.failure is not None or held.repair),
                    "a look at the Nodes takes only what was shown as failed, or is repaired",
                    member,
                )
                self._lets_go(after, member.name, member.provider_id)

    def planned(self, before: state.Fleet, after: state.Fleet) -> None:
        """Check what planning changed: launches of closing groups are withdrawn, nothing else."""
        if after is before:
            return
        spared = self._spared(before, after)
        for name, group in before.groups.items():
            was, now = view.target(before, name), view.target(after, name)
            back = sum(_group_of(after, held) == name for held in spared)
            laws.require(
                now <= was + back and (group.closing or now >= was),
                "planning moves no target, but for what is spared",
                name,
            )
        self.withdrawn(before, after)

    def _spared(self, before: state.Fleet, after: state.Fleet) -> list[state.Retirement]:
        """Take what is no longer retired since it became a node: CA had not drained it."""
        spared = [
            held
            for key, held in before.retired.items()
            if key not in after.retired and sparing.was_spared(after, held)
        ]
        for held in spared:
            self.terminated -= {held.key, held.name, held.provider_id}
        return spared

    def _repaired_no_more(self, before: state.Fleet, after: state.Fleet) -> None:
        """Take what was repaired, is shown again, and whose group asks for no repair by now."""
        for provider_id, gone in before.gone.items():
            shown = after.index.by_provider_id.get(provider_id)
            if shown is None or not gone.terminated or not gone.repair or gone.drained:
                continue
            group = after.groups.get(shown.group)
            if group is None or group.repair_after_s is None:
                self.terminated -= {provider_id, shown.node_name}

    def reconfigured(self, before: state.Fleet, after: state.Fleet) -> None:
        """Check what a configuration changed: it loses no machine, and no group with machines."""
        for name in before.groups.keys() & after.groups.keys():
            lost = view.target(before, name) - view.target(after, name)
            lost += len(laws.left(before, after, name)) - len(laws.entered(before, after, name))
            held = sum(
                launch.phase is state.Phase.HELD and launch.group == name
                for launch in before.launches.values()
            )
            allowed = held if after.groups[name].departed else 0
            laws.require(0 <= lost <= allowed, "a configuration loses no machine", name, lost)
        self.withdrawn(before, after)
        for name in before.groups.keys() - after.groups.keys():
            for member in view.members(before, name):
                held_only = member.launch is not None and member.launch.phase is state.Phase.HELD
                laws.require(held_only, "a group with machines stays visible", name, member)

    def withdrawn(self, before: state.Fleet, after: state.Fleet) -> None:
        """Take launches that were given up without a machine."""
        self.terminated |= before.launches.keys() - after.launches.keys()

    def _renamed(self, before: state.Fleet, after: state.Fleet) -> None:
        """Take a relaunch: its old name is retired, or its machine stays in quarantine."""
        for name in before.launches.keys() - after.launches.keys():
            doubted = before.minted.get(name) in after.quarantine
            laws.require(doubted or name in after.retired, "a relaunch retires the old name", name)
            if not doubted:
                self.terminated.add(name)
        for name in after.launches.keys() - before.launches.keys():
            laws.require(name not in self.ordered, "a relaunch gets a fresh name", name)
            self.ordered.add(name)


def _others_stay(before: state.Fleet, after: state.Fleet, group: str) -> None:
    for name in before.groups:
        if name != group:
            stay = laws.ids(before, name) - laws.entered(before, after, name)
            laws.require(
                stay == laws.ids(after, name) - laws.left(before, after, name),
                "a wish for one group leaves the others alone",
                name,
            )


def _counted_twice(before: state.Fleet, answer: contract.Instance) -> bool:
    """Return whether an order's machine counted by itself already, or does not count: in doubt."""
    return answer.provider_id in before.quarantine or (
        view.known(before, answer.provider_id) is not None
        and answer.provider_id not in before.minted.values()
    )


def _stay_after_all(before: state.Fleet, after: state.Fleet, name: str) -> int:
    """Count members that were shown as being deleted before, or counted in another group."""
    elsewhere = {each for other in before.groups for each in laws.ids(before, other)}
    elsewhere |= {after.minted.get(launch, "") for launch in before.launches}
    found = 0
    for provider_id in laws.ids(after, name) - laws.ids(before, name):
        last = view.known(before, provider_id)
        going = last is not None and last.state is contract.InstanceState.DELETING
        moved = last is not None and last.group != name
        found += going or moved or provider_id in elsewhere
    return found


def _lost(before: state.Fleet, after: state.Fleet, name: str) -> list[view.Member]:
    """List members of a group that a listing removed."""
    names = {member.name for member in view.members(after, name)}
    ids = laws.ids(after, name)
    return [
        member
        for member in view.members(before, name)
        # The name of a machine may be another's by now.
        if member.provider_id not in ids
        and (member.instance is not None or member.name not in names)
    ]


def _leaves_elsewhere(before: state.Fleet, after: state.Fleet, provider_id: str) -> bool:
    """Return whether the other login into one project shows a machine leave, in a later listing.

    Seed 197: it counted as the first login had shown it; the second one's listing of the instant at
    which the first one's next began, and lacked it, showed it as being deleted.
    """
    shown = after.index.by_provider_id.get(provider_id)
    if shown is None or shown.state is not contract.InstanceState.DELETING:
        return False
    counted_by = before.index.account_of.get(provider_id)
    was_by = before.accounts[counted_by].snapshot if counted_by is not None else None
    now_by = after.accounts[after.index.account_of[provider_id]].snapshot
    # One that no listing showed counted as missing: any that shows it is a later one.
    return was_by is None or (now_by is not None and now_by.begun_at >= was_by.begun_at)


def _may_go(
    before: state.Fleet,
    after: state.Fleet,
    snapshot: state.Snapshot,
    name: str,
    member: view.Member,
) -> bool:
    """Tell whether a listing may take a machine: it shows it leave, somewhere else, or in doubt."""
    if member.provider_id in after.quarantine:
        return True
    shown = {instance.provider_id: instance for instance in snapshot.instances}
    instance = shown.get(member.provider_id)
    known = after.index.by_provider_id
    if member.launch is not None and after.minted.get(member.name) in known:
        # Its machine is there, with other marks than it was ordered with, and counts by itself.
        return True
    if instance is None and _leaves_elsewhere(before, after, member.provider_id):
        return True
    if instance is None:
        # Two logins into one project: what counts is what this one showed before.
        held = before.accounts[snapshot.account].snapshot
        return any(
            last.provider_id == member.provider_id and last.state is contract.InstanceState.DELETING
            for last in (held.instances if held is not None else ())
        )
    surplus = member.provider_id in after.retired.keys() - before.retired.keys()
    deleting = instance.state is contract.InstanceState.DELETING
    return deleting or surplus or instance.group != name


def _group_of(fleet: state.Fleet, held: state.Retirement) -> str:
    """Return the group that a machine which is spared carries: its label may have been edited."""
    shown = fleet.index.by_provider_id.get(held.provider_id)
    return shown.group if shown is not None else held.group
