"""Mistakes to plant in repair: each clause of what a machine is deleted for that was a node."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

REPAIR = f"{FLEET}/repair.py"
REGISTRAR = "externalgrpc/joining/registrar.py"

PLANTS: tuple[Plant, ...] = (
    Plant(
        "repair: without being asked to",
        REPAIR,
        "groups_ = [each for each in fleet.groups.values() if each.repair_after_s is not None]",
        "groups_ = [*fleet.groups.values()]",
    ),
    Plant(
        "repair: in a group that is configured no more",
        f"{FLEET}/configured.py",
        "group, min_size=0, departed=True, paused=False, repair_after_s=None",
        "group, min_size=0, departed=True, paused=False",
    ),
    Plant(
        "repair: in a VPSNode that is being deleted",
        "externalgrpc/vpsnodes/composing.py",
        "_roomless(group), min_size=0, deletion=of.deletion_policy, repair_after_s=None",
        "_roomless(group), min_size=0, deletion=of.deletion_policy",
    ),
    # Time.
    Plant(
        "repair: at once",
        REPAIR,
        "    if seen_s < (group.repair_after_s or 0.0):\n",
        "    if seen_s < 0.0:\n",
    ),
    Plant(
        "repair: believe the Node since when it is not ready",
        REPAIR,
        "seen_s = min(now - held.since, unix_now - held.changed_at)",
        "seen_s = unix_now - held.changed_at",
    ),
    Plant(
        "repair: take a time of the future for the past",
        REPAIR,
        "seen_s = min(now - held.since, unix_now - held.changed_at)",
        "seen_s = now - held.since",
    ),
    Plant(
        "repair: do not wait anew after a restart",
        REPAIR,
        "                held = state.Unready(now, changed_at, verdicts.NOT_YET)\n",
        "                held = state.Unready(changed_at, changed_at, verdicts.NOT_YET)\n",
    ),
    Plant(
        "repair: go on counting where the condition changed",
        REPAIR,
        "if held is None or held.changed_at != changed_at:",
        "if held is None:",
    ),
    Plant(
        "repair: go on counting over a gap in sight",
        REPAIR,
        "if not sure or not groups_ or not known:",
        "if not groups_ or not known:",
    ),
    Plant(
        "repair: judge by Nodes that are not heard of",
        REPAIR,
        "known = fleet.nodes is not None and not fleet.nodes_stale",
        "known = fleet.nodes is not None",
    ),
    Plant(
        "repair: judge on what was heard before the last sweep",
        REGISTRAR,
        "        if listing.heard_at > self._heard_at:\n",
        "        if listing.complete:\n",
    ),
    Plant(
        "repair: judge before the Nodes were seen for a while",
        REGISTRAR,
        "            self._repair(sure=sure)\n",
        "            self._repair(sure=True)\n",
    ),
    Plant(
        "repair: take a condition that says nothing for one that says no",
        "externalgrpc/kube/nodes.py",
        "since if value in _STATUSES else 0.0",
        "since",
    ),
    Plant(
        "repair: take no condition for one that says no",
        REPAIR,
        "    return nodes[names[0]].unready_since or None\n",
        "    return nodes[names[0]].unready_since\n",
    ),
    # Who.
    Plant(
        "repair: a machine that a Node of another name claims",
        REPAIR,
        "if len(names) > 1 or not claims.agrees(fleet, instance, names[0]):",
        "if len(names) > 1:",
    ),
    Plant(
        "repair: a machine that two Nodes claim",
        REPAIR,
        "if len(names) > 1 or not claims.agrees(fleet, instance, names[0]):",
        "if not claims.agrees(fleet, instance, names[0]):",
    ),
    Plant(
        "repair: an absent Node that another machine's Node stands for",
        REPAIR,
        "absent = known_as[0] and not any(name in nodes for name in known_as)",
        "absent = bool(known_as[0])",
    ),
    Plant(
        "repair: an absent Node that nobody saw",
        REPAIR,
        "absent = known_as[0] and not any(name in nodes for name in known_as)",
        "absent = not any(name in nodes for name in known_as)",
    ),
    Plant(
        "repair: an absent Node whatever its siblings are",
        REPAIR,
        "    if not held.changed_at and not _siblings_are_ready(fleet, group.name, instance):\n",
        "    if group.departed and not held.changed_at:\n",
    ),
    Plant(
        "repair: an absent Node without siblings",
        REPAIR,
        "    return bool(others) and all(others.values())\n",
        "    return all(others.values())\n",
    ),
    Plant(
        "repair: take siblings that were lost before us for none",
        REPAIR,
        "        and not proof.never_joined(fleet, each.instance, view.account_of(",
        "        and each.provider_id in fleet.registered and (True or view.account_of(",
    ),
    Plant(
        "repair: a machine that a listing lacks",
        REPAIR,
        "if instance is None or member.provider_id not in fleet.index.by_provider_id:",
        "if instance is None:",
    ),
    Plant(
        "repair: a machine that the cloud works on",
        REPAIR,
        "if member.provider_id in fleet.left_alone or instance.state not in STANDS:",
        "if member.provider_id in fleet.left_alone:",
    ),
    Plant(
        "repair: what a person said to leave alone",
        REPAIR,
        "if member.provider_id in fleet.left_alone or instance.state not in STANDS:",
        "if instance.state not in STANDS:",
    ),
    Plant(
        "repair: forget what a person said once the Node is absent",
        REPAIR,
        "    said |= {each for each in fleet.left_alone if each not in claiming}\n",
        "",
    ),
    Plant(
        "repair: do not read that a Node is cordoned",
        "externalgrpc/kube/nodes.py",
        '        left_alone=bool(spec.get("unschedulable"))\n        or any(',
        "        left_alone=any(",
    ),
    # How many.
    Plant(
        "repair: in an outage",
        REPAIR,
        "    if lost_at_large(fleet, view.account_of(fleet, instance)):\n",
        '    if group.name == "?":\n',
    ),
    Plant(
        "repair: in an outage of one account",
        REPAIR,
        "for of in (list(ready.values()), own))",
        "for of in (list(ready.values()),))",
    ),
    Plant(
        "repair: count only machines that run towards an outage",
        REPAIR,
        "    ready = _ready(fleet, fleet.groups)\n",
        "    return False\n    ready = _ready(fleet, fleet.groups)\n",
    ),
    Plant(
        "repair: while machines vanish at large",
        REPAIR,
        "    if fleet.outage or vanishing.vanished(fleet, account):\n",
        "    if fleet.outage:\n",
    ),
    Plant(
        "repair: as many as there are",
        f"{FLEET}/verdicts.py",
        "        if self._is_full(group, account):\n            return CAPPED\n",
        "",
    ),
    Plant(
        "repair: forget whom this process repaired",
        f"{FLEET}/verdicts.py",
        "        self.verdicts = (*self.verdicts, state.Verdict(self._now, group, account))\n",
        "",
    ),
    Plant(
        "repair: what is paused",
        f"{FLEET}/verdicts.py",
        "        if pausing.own_word(self._fleet, group, account):\n            return PAUSED\n",
        "",
    ),
    # What becomes of it.
    Plant(
        "repair: take it for CA's word",
        REPAIR,
        "return retired.terminated(fleet, going, now=now, own=True, repair=True)",
        "return retired.terminated(fleet, going, now=now, own=False, repair=True)",
    ),
    Plant(
        "repair: spare whoever was a node",
        REPAIR,
        "return retired.terminated(fleet, going, now=now, own=True, repair=True)",
        "return retired.terminated(fleet, going, now=now, own=True)",
    ),
    Plant(
        "repair: delete who became ready meanwhile",
        f"{FLEET}/sparing.py",
        "    return claims.is_well(fleet, held.provider_id, held.name)\n",
        "    return False\n",
    ),
    Plant(
        "repair: delete whom somebody said to leave alone meanwhile",
        f"{FLEET}/sparing.py",
        "group.repair_after_s is None or held.provider_id in fleet.left_alone:",
        "group.repair_after_s is None:",
    ),
    Plant(
        "repair: delete in an outage what was decided before it",
        f"{FLEET}/pausing.py",
        "if retirement.repair and (fleet.outage or fleet.nodes is None or fleet.nodes_stale):",
        "if retirement.repair and fleet.nodes is None:",
    ),
    Plant(
        "repair: forget why a machine was retired that comes back",
        f"{FLEET}/retired.py",
        "                repair=retirement.repair,\n",
        "",
    ),
    Plant(
        "repair: spare what CA drained meanwhile",
        f"{FLEET}/retired.py",
        "own=False, drained=held.repair and key in drained)",
        "own=False)",
    ),
    Plant(
        "repair: show CA no less than before",
        REPAIR,
        "return retired.terminated(fleet, going, now=now, own=True, repair=True)",
        "return fleet",
    ),
)
