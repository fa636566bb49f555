"""Mistakes to plant in what finishes machines that a create left half made."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

PLANTS = (
    Plant(
        "finish what the process before us left half made never",
        f"{FLEET}/finishing.py",
        "launch = launch_of(fleet, instance)\n        under_way = launch is not None and ",
        "launch = launch_of(fleet, instance)\n        under_way = launch is None or ",
    ),
    Plant(
        "finish a machine while its create is under way",
        f"{FLEET}/landing.py",
        "    if unfinished and launch.phase is state.Phase.ASKED:",
        "    if unfinished and launch.phase is state.Phase.HELD:",
    ),
    Plant(
        "forget the id of a half made machine that the next listing lacks",
        f"{FLEET}/landing.py",
        "        return dataclasses.replace(launch, instance=instance)\n    held =",
        "        return launch\n    held =",
    ),
    Plant(
        "send the name of a half made machine again",
        f"{FLEET}/answers.py",
        "    if launch.instance is not None and not _names(answer, launch.instance):",
        "    if launch.instance is not None and not launch.name:",
    ),
    Plant(
        "note an orphan as one to be finished",
        f"{FLEET}/finishing.py",
        "nobodys = instance.group not in fleet.groups or keys.is_retired(fleet, instance)",
        "nobodys = keys.is_retired(fleet, instance)",
    ),
    Plant(
        "finish on a listing that is older than the last answer",
        f"{FLEET}/finishing.py",
        "return held.seen_at >= held.doubtful_since + account.settle_s",
        "return True",
    ),
    Plant(
        "finish what is not proved to be ours and fresh",
        f"{FLEET}/finishing.py",
        "        or not proof.looks_fresh(fleet, instance, account.name)\n",
        "",
    ),
    Plant(
        "finish for a group that departed",
        f"{FLEET}/finishing.py",
        "    if group.departed:\n        return",
        "    if group.departed and not group.name:\n        return",
    ),
    Plant(
        "finish while it is not now",
        f"{FLEET}/finishing.py",
        "(said is not None and said.code != notnow.ORDER_RATE)",
        "(said is not None and not said.code)",
    ),
    Plant(
        "try to finish a machine for ever",
        f"{FLEET}/finishing.py",
        "failure = held.failure or _given_up(fleet, held, instance, group, now)",
        "failure = held.failure",
    ),
    Plant(
        "show what cannot be finished without proof",
        f"{FLEET}/finishing.py",
        "unjoined[member.name] = court.heard(known, instance, group, doubtful=bool(fleet.outage))",
        "unjoined[member.name] = dataclasses.replace(known, withheld='')",
    ),
    Plant(
        "give an order up and leave its half made machine standing",
        f"{FLEET}/finished.py",
        "    return answers.relaunch(fleet, launch, error, mint, now)",
        "    launch = dataclasses.replace(launch, instance=None)\n"
        "    return answers.relaunch(fleet, launch, error, mint, now)",
    ),
    Plant(
        "finish what was retired while it waited for the budget",
        "externalgrpc/control/writes.py",
        "if finishing.wants(fleet, self.request.instance.provider_id) is None:",
        "if not self.request.account:",
    ),
)
