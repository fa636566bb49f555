"""Mistakes to plant in trials: what is shown, what counts, and what may be deleted."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

PLANTS: tuple[Plant, ...] = (
    Plant(
        "show the autoscaler a trial's group",
        f"{FLEET}/view.py",
        "    if fleet.groups[name].trial_of:\n        return False\n",
        "",
    ),
    Plant(
        "let the autoscaler name a trial's group",
        f"{FLEET}/wishes.py",
        "if found is None or found.trial_of:",
        "if found is None:",
    ),
    Plant(
        "call a trial's machine an orphan",
        f"{FLEET}/view.py",
        "not fleet.awaited and not names.is_trial(group)",
        "not fleet.awaited",
    ),
    Plant(
        "count a trial beside maxSize",
        f"{FLEET}/view.py",
        "most = max(0, most - target(fleet, trial) - len(leaving(fleet, trial)))",
        "pass",
    ),
    Plant(
        "spend on a trial what the tried group may not",
        f"{FLEET}/spending.py",
        'return Scope("group", group.trial_of or group.name)',
        'return Scope("group", group.name)',
    ),
    Plant(
        "order for a trial without the taint",
        f"{FLEET}/trials.py",
        'taints=(*base.taints, groups.Taint(key=TAINT, value=base.name, effect="NoSchedule")),',
        "taints=base.taints,",
    ),
    Plant(
        "delete at a trial's end what somebody relabelled",
        f"{FLEET}/trials.py",
        "return member.instance is None or _ordered_for_a_trial(fleet, member.instance)",
        "return True",
    ),
    Plant(
        "spare a trial's machine because its Node lives",
        f"{FLEET}/trials.py",
        "drained = frozenset(member.name for member in members)",
        "drained: frozenset[str] = frozenset()",
    ),
    Plant(
        "clear another cluster's trial",
        f"{FLEET}/trials.py",
        "if not fleet.identity or found.identity != fleet.identity:",
        "if False:",
    ),
    Plant(
        "clear where no identity is known",
        f"{FLEET}/trials.py",
        "if not fleet.identity or found.identity != fleet.identity:",
        "if found.identity != (fleet.identity or ''):",
    ),
    Plant(
        "clear what no trial left",
        f"{FLEET}/trials.py",
        "if found.group in fleet.groups or not names.is_trial(found.group):",
        "if found.group in fleet.groups:",
    ),
    Plant(
        "clear what has a name that no trial minted",
        f"{FLEET}/trials.py",
        "if found.node_name and not names.is_trial(found.node_name):",
        "if False:",
    ),
    Plant(
        "try beside a leftover of the same name",
        f"{FLEET}/trials.py",
        "left = [each for each in leftovers(fleet) if each.group == trial.name]",
        "left: list[contract.Instance] = []",
    ),
    Plant(
        "let a trial's failure take the account's verdict",
        f"{FLEET}/joins.py",
        "        if group.trial_of:\n",
        "        if not group.name:\n",
    ),
    Plant(
        "delete a trial at a reload",
        f"{FLEET}/configured.py",
        "    wanted |= _trials(fleet, wanted)\n",
        "",
    ),
    Plant(
        "try what is paused",
        f"{FLEET}/trials.py",
        "if (said := notnow.why(tried, trial.name)) is not None:",
        "if (said := notnow.why(tried, trial.name)) is not None and not said.reason:",
    ),
    Plant(
        "take a trial for over while its deletion is owed",
        f"{FLEET}/trials.py",
        "        and not any(each.group == trial for each in fleet.retired.values())\n",
        "",
    ),
    Plant(
        "clear a node that has no taint of a trial",
        "externalgrpc/trial/leftovers.py",
        "if its and not _tainted(node):",
        "if its and node.deleting:",
    ),
    Plant(
        "leave the machine of a client that was killed",
        "externalgrpc/trial/controller.py",
        "if now - held.heard_at > LEASE_S:",
        "if now - held.heard_at > 1000 * LEASE_S:",
    ),
    Plant(
        "stop the server and leave a trial's machine",
        "externalgrpc/assembly/assembly.py",
        "        self.trials.close(grace_s / 2)\n",
        "",
    ),
    Plant(
        "say that nothing is left before the tokens are looked for",
        "externalgrpc/trial/proofs.py",
        "                self._cluster.end_token(name)\n",
        "                pass\n",
    ),
    Plant(
        "keep in quarantine what is of a group that was forgotten",
        f"{FLEET}/configured.py",
        "(shown := view.known(fleet, provider_id)) is None or shown.group in node_groups",
        "(shown := view.known(fleet, provider_id)) is None or shown.group",
    ),
    Plant(
        "delete at a trial's end what we ordered for a group",
        f"{FLEET}/trials.py",
        "return names.is_trial(instance.node_name) and proof.is_our_order(fleet, instance)",
        "return proof.is_our_order(fleet, instance)",
    ),
)
