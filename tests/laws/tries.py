"""Trials of the state machine: what a person starts, ends, loses by a kill, and clears."""

from __future__ import annotations

from externalgrpc.fleet import keys, state, trials, view
from externalgrpc.model import fleet_errors, groups, names
from tests.laws import fake_cloud, laws, world


def start(there: world.World, group: str) -> str:
    """Try a group; gives the name of the trial's own, empty where it is refused."""
    before = there.fleet
    mint = names.mint(names.trial_group(group, groups.MAX_GROUP_NAME), there.chance)
    try:
        there.fleet, trial = trials.start(before, group, mint=mint, now=there.now)
    except fleet_errors.FleetError:
        return ""
    there.witness.ordered |= there.fleet.launches.keys() - before.launches.keys()
    _others_stay(before, there.fleet, trial)
    laws.require(view.target(there.fleet, trial) == 1, "a trial orders one machine", trial)
    return trial


def end(there: world.World) -> None:
    """End the trial under way, if there is one."""
    before = there.fleet
    for trial in [each.name for each in before.groups.values() if each.trial_of]:
        there.fleet = trials.end(there.fleet, trial, now=there.now)
        _let_go(there, before, trial)
        _others_stay(before, there.fleet, trial)
        before = there.fleet


def clear(there: world.World, which: int) -> None:
    """Have any machine that is listed deleted as what an earlier trial left.

    As the server does, not one whose Node lacks the taint of trials.
    """
    found = there.fleet.index.by_provider_id
    listed = sorted(each for each in found if which % 3 or names.is_trial(found[each].group))
    if not listed:
        return
    clear_one(there, listed[which % len(listed)])


def clear_one(there: world.World, wanted: str) -> None:
    """Have one machine deleted as what an earlier trial left, if it is."""
    before = there.fleet
    machine = machines(there).get(wanted)
    if machine is None or (machine in there.joined() and not tried(machine)):
        return
    try:
        there.fleet = trials.clear(before, wanted, now=there.now)
    except fleet_errors.FleetError:
        return
    fresh = there.fleet.retired.keys() - before.retired.keys()
    for key in fresh:
        held = there.fleet.retired[key]
        laws.require(
            held.provider_id == wanted
            and names.is_trial(machine.group)
            and machine.group not in before.groups
            and machine.identity == there.identity != "",
            "what is cleared carries our identity and the mark of a trial that is not ours",
            held,
            machine,
        )
        _note(there, held)
    _others_stay(before, there.fleet, "")


def clear_all(there: world.World) -> None:
    """Have all that earlier trials left deleted, as ``try --clean`` does."""
    for left in trials.leftovers(there.fleet):
        clear_one(there, left.provider_id)


def tried(machine: fake_cloud.Machine) -> bool:
    """Return whether a machine was ordered for a trial."""
    return names.is_trial(machine.made_for)


def machines(there: world.World) -> dict[str, fake_cloud.Machine]:
    """Give what stands, by provider ids."""
    skies = there.skies.values()
    return {machine.provider_id: machine for sky in skies for machine in sky.standing()}


def check(there: world.World) -> None:
    """Hold a fleet to the law of trials: the autoscaler never sees one, in no group and no size."""
    fleet = there.fleet
    seen = [group.name for group in view.served(fleet) if group.trial_of]
    laws.require(not seen, "the autoscaler is shown no trial", seen)
    standing = machines(there)
    for name, group in fleet.groups.items():
        if group.trial_of:
            continue
        for member in view.members(fleet, name):
            machine = standing.get(member.provider_id)
            counted = machine is not None and tried(machine) and not machine.edited
            laws.require(not counted, "a trial's machine counts in no group", name, member)
            launch = member.launch
            laws.require(
                launch is None or launch.group == name, "an order counts in its own group", launch
            )


def _let_go(there: world.World, before: state.Fleet, trial: str) -> None:
    standing = machines(there)
    for key in there.fleet.retired.keys() - before.retired.keys():
        held = there.fleet.retired[key]
        machine = standing.get(keys.machine_of(there.fleet, held))
        laws.require(
            held.group == trial and (machine is None or tried(machine)),
            "the end of a trial deletes what was ordered for it, and nothing else",
            held,
            machine,
        )
        _note(there, held)


def _note(there: world.World, held: state.Retirement) -> None:
    """Take a machine of a trial for drained: nobody's work was on it."""
    there.truth.drained.add(keys.machine_of(there.fleet, held))
    there.asked |= {held.name, held.key, held.provider_id} - {""}
    there.witness.terminated |= {held.name, held.provider_id} - {""}


def _others_stay(before: state.Fleet, after: state.Fleet, trial: str) -> None:
    for name in before.groups.keys() - {trial}:
        if not before.groups[name].trial_of:
            laws.require(
                laws.ids(before, name) == laws.ids(after, name),
                "a trial leaves every group alone",
                name,
            )
