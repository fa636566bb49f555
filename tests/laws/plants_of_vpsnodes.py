"""Mistakes to plant in what makes groups of VPSNodes."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

ROOM = "externalgrpc/vpsnodes"

PLANTS = (
    Plant(
        "order before the finalizer is on the object",
        f"{FLEET}/dispatch.py",
        "known = not (node_group.hold or unknown(fleet, account))",
        "known = not unknown(fleet, account)",
    ),
    Plant(
        "send an order that waited for its turn when its object was deleted",
        "externalgrpc/control/writes.py",
        "        if group.deletion:\n",
        "        if group.deletion and group.departed:\n",
    ),
    Plant(
        "send an order that waited for its turn when its finalizer was taken away",
        "externalgrpc/control/writes.py",
        "        if group.hold:\n",
        "        if group.hold and group.departed:\n",
    ),
    Plant(
        "let a group grow before the objects were listed",
        f"{FLEET}/wishes.py",
        "    if fleet.awaited:\n        raise",
        "    if fleet.awaited and not fleet.groups:\n        raise",
    ),
    Plant(
        "order for an object that is being deleted",
        "externalgrpc/model/groups.py",
        "return self.departed or bool(self.deletion)",
        "return self.departed",
    ),
    Plant(
        "let one that is being deleted grow",
        f"{FLEET}/wishes.py",
        "    if node_group.deletion:\n",
        "    if node_group.deletion and not node_group.max_size:\n",
    ),
    Plant(
        "show the most of one that is being deleted",
        f"{FLEET}/notnow.py",
        "        return 0, size\n",
        "        return 0, wanted.max_size\n",
    ),
    Plant(
        "serve before the objects were listed",
        f"{FLEET}/view.py",
        "if not fleet.awaited and _is_served(fleet, name)",
        "if _is_served(fleet, name)",
    ),
    Plant(
        "call the machines of unread objects orphans",
        f"{FLEET}/view.py",
        "if group not in fleet.groups and not fleet.awaited",
        "if group not in fleet.groups",
    ),
    Plant(
        "forget an orphaned group with orders in the air",
        f"{FLEET}/configured.py",
        "if group.deletion == ORPHAN and name not in flying:",
        "if group.deletion == ORPHAN:",
    ),
    Plant(
        "keep an orphaned group for its machines",
        f"{FLEET}/configured.py",
        "if group.deletion == ORPHAN and name not in flying:",
        "if group.deletion == ORPHAN and not fleet.groups:",
    ),
    Plant(
        "release an object before its account was listed",
        f"{ROOM}/status.py",
        "    if not all(account.settled for account in asked) or fleet.awaited:\n",
        "    if fleet.awaited:\n",
    ),
    Plant(
        "release an object with a machine that a listing lacks",
        f"{ROOM}/status.py",
        "    if any(each.instance.group == name for each in fleet.missing.values()):\n"
        "        return False\n",
        "",
    ),
    Plant(
        "release an object with a deletion that is owed",
        f"{ROOM}/status.py",
        "    if any(each.group == name for each in fleet.retired.values()):\n"
        "        return False\n",
        "",
    ),
    Plant(
        "release an object with an order in the air",
        f"{ROOM}/status.py",
        "    if any(each.group == name for each in fleet.launches.values()):\n"
        "        return False\n"
        "    if any(each.group == name for each in fleet.retired.values()):",
        "    if any(each.group == name for each in fleet.retired.values()):",
    ),
    Plant(
        "forget the last good spec",
        f"{ROOM}/composing.py",
        "return self._good.get(of.uid) or of.accepted_spec",
        "return self._good.get(of.uid) or {}",
    ),
    Plant(
        "believe the status more than what was accepted since",
        f"{ROOM}/composing.py",
        "return self._good.get(of.uid) or of.accepted_spec",
        "return of.accepted_spec or self._good.get(of.uid, {})",
    ),
    Plant(
        "let an object win over the file",
        f"{ROOM}/composing.py",
        "taken = {group.name for group in file.groups}",
        "taken: set[str] = set()",
    ),
    Plant(
        "take a type that is gone for the last good spec",
        f"{ROOM}/composing.py",
        "        if verdict.ok:\n",
        "        if verdict.ok or judged.group is not None:\n",
    ),
    Plant(
        "stamp a condition anew at every look",
        f"{ROOM}/status.py",
        "return str(held.get(instant) or now) if held.get(same) == each[same] else now",
        "return now",
    ),
    Plant(
        "room: stop a group that was accepted because another came beside it",
        f"{ROOM}/composing.py",
        "                if is_new(name):\n",
        "                if name:\n",
    ),
    Plant(
        "room: take one that was refused for accepted",
        f"{ROOM}/composing.py",
        "            good = of.spec\n",
        "            good = self._good[of.uid] = of.spec\n",
    ),
    Plant(
        "room: let a new object take it from one that has it",
        f"{ROOM}/composing.py",
        "key=lambda each: (is_new(each), each), reverse=True",
        "key=lambda each: each, reverse=True",
    ),
    Plant(
        "room: keep it on nodes of others",
        f"{ROOM}/composing.py",
        "                group = _roomless(group)\n",
        "                group = group\n",
    ),
    Plant(
        "room: hold the nodes of an object that is being deleted",
        f"{ROOM}/composing.py",
        "            _roomless(group), min_size=0,",
        "            group, min_size=0,",
    ),
    Plant(
        "room: write over what was known before anything was reckoned",
        f"{ROOM}/status.py",
        "if target and (room is None or room.reason == STARTING):",
        "if target and room is None:",
    ),
)
