"""Mistakes to plant in pauses and spend caps."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

PLANTS: tuple[Plant, ...] = (
    # What is said, and where.
    Plant(
        "paused: order for a group all the same",
        f"{FLEET}/notnow.py",
        "    if configured.paused:\n",
        '    if configured.name == "?":\n',
    ),
    Plant(
        "paused: order at an account all the same",
        f"{FLEET}/pausing.py",
        "if account is not None and account.paused:",
        'if account is not None and account.name == "?":',
    ),
    Plant(
        "paused: take the file's word on everything for none",
        f"{FLEET}/pausing.py",
        'return "paused: true in the file" if fleet.paused else fleet.annotation or ""',
        'return fleet.annotation or ""',
    ),
    Plant(
        "paused: do not look at the annotation",
        f"{FLEET}/pausing.py",
        'if fleet.paused else fleet.annotation or ""',
        'if fleet.paused else ""',
    ),
    Plant(
        "paused: order before the annotation was read",
        f"{FLEET}/dispatch.py",
        "    if fleet.annotation is None:\n",
        '    if fleet.annotation == "?":\n',
    ),
    Plant(
        "paused: delete on our own word before the annotation was read",
        f"{FLEET}/pausing.py",
        '("" if fleet.annotation is not None else UNREAD)',
        '""',
    ),
    Plant(
        "paused: let a group that departs keep it for ever",
        f"{FLEET}/configured.py",
        "group, min_size=0, departed=True, paused=False, repair_after_s=None",
        "group, min_size=0, departed=True, repair_after_s=None",
    ),
    # What stands still.
    Plant(
        "paused: send the create that waited for its turn",
        "externalgrpc/control/writes.py",
        "return pausing.of_group(fleet, group.name, self.request.account) or spending.exceeded(",
        "return spending.exceeded(",
    ),
    Plant(
        "paused: delete on our own word",
        f"{FLEET}/pausing.py",
        "    if not retirement.own:\n",
        "    if retirement.key:\n",
    ),
    Plant(
        "paused: send deletions of our own",
        f"{FLEET}/plan.py",
        "            case state.Deletion.OWED if pausing.holds(fleet, retirement):\n",
        '            case state.Deletion.OWED if retirement.key == "?":\n',
    ),
    Plant(
        "paused: send the deletion that waited for its turn",
        "externalgrpc/control/writes.py",
        'return pausing.holds(fleet, held) if held is not None else ""',
        'return ""',
    ),
    Plant(
        "paused: hold what CA asked for",
        f"{FLEET}/pausing.py",
        '    if not retirement.own:\n        return ""\n',
        "",
    ),
    Plant(
        "paused: forget that CA asked for what waits",
        f"{FLEET}/wishes.py",
        "    fleet = retired.asked_for(fleet, again, drained=frozenset(drained))\n",
        "",
    ),
    Plant(
        "paused: take what an order that failed made for CA's word",
        f"{FLEET}/answers.py",
        "            own=True,\n",
        "",
    ),
    Plant(
        "paused: take what CA left for CA's word",
        "externalgrpc/control/reconciler.py",
        "patience_s=patience_s), now=now, own=True",
        "patience_s=patience_s), now=now",
    ),
    Plant(
        "paused: take the second machine of an order for CA's word",
        f"{FLEET}/returning.py",
        "own = not over or _was_own(fleet, name)",
        "own = False",
    ),
    Plant(
        "paused: forget on whose word a machine was retired that comes back",
        f"{FLEET}/returning.py",
        "own, repair = why is not None and why.own, why is not None and why.repair",
        "own, repair = False, why is not None and why.repair",
    ),
    Plant(
        "paused: judge joins",
        f"{FLEET}/verdicts.py",
        "if pausing.own_word(self._fleet, group.name, account):",
        'if group.name == "?":',
    ),
    Plant(
        "paused: go on to show the joins that failed",
        f"{FLEET}/configured.py",
        "return prune(verdicts.suspend(fleet))",
        "return prune(fleet)",
    ),
    Plant(
        "paused: go on to show the joins that failed, by annotation",
        f"{FLEET}/verdicts.py",
        "return suspend(dataclasses.replace(fleet, annotation=said))",
        "return dataclasses.replace(fleet, annotation=said)",
    ),
    Plant(
        "paused: terminate what CA left",
        f"{FLEET}/joins.py",
        "        and not pausing.own_word(fleet, name, account)\n",
        "",
    ),
    Plant(
        "paused: finish machines of a group",
        f"{FLEET}/finishing.py",
        "said = notnow.why(fleet, group.name)",
        "said = notnow.why_account(fleet, account.name)",
    ),
    Plant(
        "paused: let the time run out in which a machine may be finished",
        f"{FLEET}/finishing.py",
        "finishes[provider_id] = dataclasses.replace(held, since=now)\n            continue",
        "pass",
    ),
    Plant(
        "paused: clear away what machines left",
        f"{FLEET}/tidying.py",
        "            and not pausing.own_word(fleet, group, name)\n",
        "",
    ),
    Plant(
        "paused: remove Nodes that nobody drained",
        "externalgrpc/joining/stale_nodes.py",
        '                and not pausing.own_word(fleet, _group_of(fleet, node), "")\n',
        "",
    ),
    Plant(
        "paused: hurry the listings for what waits",
        f"{FLEET}/plan.py",
        "<= HURRIED_DELETIONS and not pausing.holds(fleet, retirement):",
        "<= HURRIED_DELETIONS:",
    ),
    # What may be spent.
    Plant(
        "cap: order what costs too much",
        f"{FLEET}/dispatch.py",
        "affordable = [each for each in left if not too_dear[each]]",
        "affordable = left",
    ),
    Plant(
        "cap: forget what the same plan ordered",
        f"{FLEET}/dispatch.py",
        "        self._ledger.sent(node_group, candidate)\n",
        "",
    ),
    Plant(
        "cap: leave the order itself out of the sum",
        f"{FLEET}/spending.py",
        "if spent.per_hour + price > bound.hourly:",
        "if spent.per_hour >= bound.hourly:",
    ),
    Plant(
        "cap: leave orders in the air out",
        f"{FLEET}/spending.py",
        "flies = launch.phase in _IN_THE_AIR or launch.may_land",
        "flies = False",
    ),
    Plant(
        "cap: leave orders that failed and may land out",
        f"{FLEET}/spending.py",
        "flies = launch.phase in _IN_THE_AIR or launch.may_land",
        "flies = launch.phase in _IN_THE_AIR",
    ),
    Plant(
        "cap: leave deletions out",
        f"{FLEET}/spending.py",
        "    for held in fleet.retired.values():\n        if held.deletion is",
        "    for held in ():\n        if held.deletion is",
    ),
    Plant(
        "cap: leave machines that a listing lacks out",
        f"{FLEET}/spending.py",
        "        *((held.instance, held.account) for held in fleet.missing.values()),\n",
        "",
    ),
    Plant(
        "cap: count an order and its machine",
        f"{FLEET}/spending.py",
        "if flies and fleet.minted.get(launch.name) not in standing:",
        "if flies:",
    ),
    Plant(
        "cap: count what the operator said is another's",
        f"{FLEET}/spending.py",
        "or (doubt is not None and doubt.ignored):",
        "or (doubt is not None and False):",
    ),
    Plant(
        "cap: take an unknown price for none",
        f"{FLEET}/spending.py",
        'return f"{scope} has a cap, and {self._unknown(group.account, candidate)}"',
        "continue",
    ),
    Plant(
        "cap: take a machine without a price for a gift",
        f"{FLEET}/spending.py",
        '                return f"{scope} has a cap, and {spent.unpriced[0]}"',
        "                pass",
    ),
    Plant(
        "cap: forget the price of what is sold no more",
        f"{FLEET}/catalogue.py",
        "priced = {**held.catalogue.priced, **sold} if held.catalogue is not None else sold",
        "priced = sold",
    ),
    Plant(
        "cap: keep the price at which something was first sold",
        f"{FLEET}/catalogue.py",
        "priced = {**held.catalogue.priced, **sold} if held.catalogue is not None else sold",
        "priced = {**sold, **held.catalogue.priced} if held.catalogue is not None else sold",
    ),
    Plant(
        "cap: reckon what is there at the price of what is ordered",
        f"{FLEET}/spending.py",
        "            if spent.per_hour + price > bound.hourly:",
        "            if (spent.machines + spent.coming + spent.going + 1) * price > bound.hourly:",
    ),
    Plant(
        "cap: forget the address in the price",
        f"{FLEET}/spending.py",
        "found.total(public_ipv4=public_ipv4)",
        "found.total(public_ipv4=False)",
    ),
    Plant(
        "cap: forget the month",
        "externalgrpc/model/groups.py",
        "given = [each for each in (self.per_hour, monthly) if each is not None]",
        "given = [each for each in (self.per_hour,) if each is not None]",
    ),
    Plant(
        "cap: order under the cap of all before all is known",
        f"{FLEET}/dispatch.py",
        "if unseen := self._ledger.waits(node_group):",
        'if unseen := "":',
    ),
    Plant(
        "cap: send what waited for its turn though the cap was lowered",
        f"{FLEET}/spending.py",
        "if spent.unpriced or spent.per_hour > most:",
        "if spent.unpriced:",
    ),
    Plant(
        "cap: say that something was sold out",
        f"{FLEET}/dispatch.py",
        "        if too_dear:\n",
        "        if not too_dear:\n",
    ),
)
