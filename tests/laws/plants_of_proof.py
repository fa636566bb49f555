"""Mistakes to plant in what holds the law of proof: each clause has some."""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

PLANTS = (
    # 1. Quarantine.
    Plant(
        "count what is in quarantine",
        f"{FLEET}/view.py",
        "        for instance in quarantined(fleet, group):\n"
        "            _strike(found, instance)\n",
        "",
    ),
    Plant(
        "give the Node of what is in quarantine a group",
        f"{FLEET}/view.py",
        "    if provider_id in fleet.quarantine:\n        return None\n    if instance.state",
        "    if instance.state",
    ),
    Plant(
        "grow into the room of what is in quarantine",
        f"{FLEET}/view.py",
        "return max(0, most - counted)",
        "return most",
    ),
    Plant(
        "forget what is in quarantine once a listing lacks it",
        f"{FLEET}/view.py",
        "if instance.group != group or provider_id in fleet.quarantine:",
        "if instance.group != group:",
    ),
    # 2. Proof before deletion.
    Plant(
        "believe CA that a machine never registered",
        f"{FLEET}/wishes.py",
        "    return proof.unregistered(fleet, instance, view.account_of(fleet, instance))",
        "    return True",
    ),
    Plant(
        "believe it while nobody hears of the Nodes",
        f"{FLEET}/proof.py",
        "if fleet.nodes_stale or (fleet.identity and",
        "if (fleet.identity and",
    ),
    Plant(
        "believe a mark while nobody hears of the Nodes",
        f"{FLEET}/proof.py",
        "if fleet.nodes_stale or not looks_fresh(",
        "if not looks_fresh(",
    ),
    Plant(
        "never notice that nobody hears of the Nodes",
        "externalgrpc/joining/registrar.py",
        "            self._reconciler.lose_sight_of_nodes()\n",
        "",
    ),
    Plant(
        "keep in quarantine what is proved to have never joined",
        f"{FLEET}/quarantine.py",
        "if accused and not proof.unregistered(fleet, instance, account.name):",
        "if accused:",
    ),
    Plant(
        "take a lying login's row of a machine for the one that counts",
        f"{FLEET}/listing.py",
        "instance.provider_id: counted.get(instance.provider_id, instance)",
        "instance.provider_id: instance",
    ),
    Plant(
        "leave a machine to the launch whose name it bears",
        f"{FLEET}/listing.py",
        "if provider_id in flying:",
        "if instance.node_name in fleet.launches:",
    ),
    Plant(
        "forget an account while its cloud still deletes machines",
        f"{FLEET}/configured.py",
        "            for instance in shown.deleting.get(name, ())\n        }\n    )",
        "            for instance in ()\n        }\n    )",
    ),
    Plant(
        "take a machine without the mark for fresh",
        f"{FLEET}/proof.py",
        'return carries_unjoined(fleet, instance) and instance.identity == (fleet.identity or "")',
        'return instance.identity == (fleet.identity or "")',
    ),
    Plant(
        "take a machine whose Node is there for fresh",
        f"{FLEET}/proof.py",
        "    if claims.shows_life(fleet, instance):\n        return False\n    if not fleet",
        "    if not fleet",
    ),
    Plant(
        "let one listing prove that a machine never joined",
        f"{FLEET}/proof.py",
        "held.snapshot.begun_at >= since + held.settle_s",
        "held.snapshot.begun_at >= since",
    ),
    Plant(
        "show a failure without proof",
        f"{FLEET}/verdicts.py",
        "if not proof.settled(self._fleet, instance, account):",
        "if not account:",
    ),
    Plant(
        "give up a node whose order a cloud no longer knows",
        f"{FLEET}/answers.py",
        "    if not _is_believed(fleet, launch, answer):",
        "    if not fleet.accounts:",
    ),
    Plant(
        "bind a node to a retired order",
        f"{FLEET}/proof.py",
        "        if was_let_go(fleet, instance.node_name):\n",
        "        if not instance.node_name:\n",
    ),
    # 3. Caps and outages.
    Plant(
        "give up as many as fail",
        f"{FLEET}/verdicts.py",
        "return of_group >= limits.given_up_a_group or of_account >= most",
        "return False",
    ),
    Plant(
        "forget what was given up lately",
        f"{FLEET}/verdicts.py",
        "self.verdicts = tuple(each for each in fleet.verdicts if each.at > since)",
        "self.verdicts = ()",
    ),
    Plant(
        "judge joins while the cluster is sick",
        f"{FLEET}/joins.py",
        "doubtful = not sure or bool(sick and outage(fleet, sights, guesses=False))",
        "doubtful = not sure",
    ),
    Plant(
        "order while the cluster is sick",
        f"{FLEET}/notnow.py",
        "    if fleet.outage:\n",
        '    if fleet.outage == "?":\n',
    ),
    Plant(
        "order in the place of what vanished at large",
        f"{FLEET}/notnow.py",
        "if lost and not account.believe_vanished:",
        'if lost == "?":',
    ),
    Plant(
        "believe at once that many are gone",
        f"{FLEET}/vanishing.py",
        "    return lost > max(LOST, LOST_SHARE * of)",
        "    return False",
    ),
    Plant(
        "believe gone whose Node is ready",
        f"{FLEET}/vanishing.py",
        "    if node_is_ready(fleet, held.instance):\n        # Whatever",
        '    if held.account == "?":\n        # Whatever',
    ),
    Plant(
        "remove Nodes while the cluster is sick",
        "externalgrpc/joining/stale_nodes.py",
        "        if not fleet.outage:\n",
        "        if fleet is not None:\n",
    ),
    # 4. Whose cluster is it?
    Plant(
        "order before the cluster is known",
        f"{FLEET}/dispatch.py",
        "        if not ready or self._hands",
        "        if account.catalogue is None or not account.settled or self._hands",
    ),
    Plant(
        "take another cluster's machines for ours",
        f"{FLEET}/quarantine.py",
        "return bool(instance.identity and fleet.identity) and instance.identity != fleet.identity",
        "return False",
    ),
    Plant(
        "order among another cluster's machines",
        f"{FLEET}/notnow.py",
        "if foreign := quarantine.blocks(fleet, account):",
        'if foreign := "":',
    ),
    Plant(
        "let another cluster's machines stop a living one",
        f"{FLEET}/quarantine.py",
        '            if instance.identity == fleet.identity:\n                return ""\n',
        "            if instance.identity == fleet.identity:\n                continue\n",
    ),
    Plant(
        "adopt what no Node of ours claims",
        f"{FLEET}/quarantine.py",
        "        if own and word_on(account, instance) == ADOPT:",
        "        if word_on(account, instance) == ADOPT:",
    ),
    Plant(
        "mark what no Node of ours claims",
        f"{FLEET}/marking.py",
        "    if not of_ours or not claims.claimed(fleet, instance):",
        "    if not of_ours:",
    ),
    Plant(
        "mark another cluster's machines",
        f"{FLEET}/marking.py",
        "    if foreign and quarantine.word_on(account, instance) != foreign_words.ADOPT:",
        "    if foreign and not account.name:",
    ),
    Plant(
        "leave the mark on what became a node",
        f"{FLEET}/marking.py",
        "frozenset({contract.Mark.UNJOINED}) if instance.unjoined else frozenset()",
        "frozenset()",
    ),
    Plant(
        "take machines of nobody for members",
        f"{FLEET}/quarantine.py",
        "    if old or whole:\n",
        "    if old and not fleet.groups:\n",
    ),
    Plant(
        "believe CA of old machines",
        f"{FLEET}/proof.py",
        "young = instance.created_at > fleet.started_at - patience_s",
        "young = True",
    ),
    Plant(
        "believe CA of a second server's machines",
        f"{FLEET}/proof.py",
        "return young and not is_strange(fleet, instance, held)",
        "return young",
    ),
    Plant(
        "keep what CA no longer sees as a node",
        f"{FLEET}/quarantine.py",
        "own = claims.claimed(fleet, instance) and not (accused and fleet.nodes is None)",
        "own = claims.claimed(fleet, instance)",
    ),
    Plant(
        "never acquit whom CA has accused",
        f"{FLEET}/registering.py",
        "        return provider_id in fleet.accused or not fits\n",
        "        return not fits\n",
    ),
    # 5. A node is its name and its providerID.
    Plant(
        "take a providerID alone for a claim",
        f"{FLEET}/claims.py",
        "    if node_name and node_name == instance.node_name:\n        return True\n",
        "    if node_name:\n        return True\n",
    ),
    Plant(
        "take a Node that claims another machine for its own",
        f"{FLEET}/claims.py",
        "    return named.provider_id\n",
        '    return ""\n',
    ),
    Plant(
        "delete whom another Node names",
        f"{FLEET}/wishes.py",
        "    return registering.contradicts(fleet, node.provider_id, node.name)",
        "    return False",
    ),
    Plant(
        "give a Node the group of the machine that it claims",
        "externalgrpc/rpc/service.py",
        "owner is None or not said.fits",
        "owner is None",
    ),
    # 6. Two machines of one name.
    Plant(
        "take whatever shares a name for a double",
        f"{FLEET}/proof.py",
        'bound not in (None, "", instance.provider_id)',
        "bound != instance.provider_id",
    ),
    Plant(
        "delete a double on the first listing",
        f"{FLEET}/proof.py",
        "return since is not None and snapshot.begun_at >= since + settle_s",
        "return since is not None",
    ),
    Plant(
        "take an edited label for an order's machine",
        f"{FLEET}/proof.py",
        "    return fleet.minted.get(instance.node_name) == instance.provider_id",
        "    return instance.node_name in fleet.minted",
    ),
    Plant(
        "count a machine by the name of another group's",
        f"{FLEET}/index.py",
        "if elder is not None and elder.provider_id != member.provider_id:",
        "if elder is not None and elder.group == member.provider_id:",
    ),
    Plant(
        "lose sight of a retired machine when its label is edited",
        f"{FLEET}/keys.py",
        "    return bool(fleet.retired) and instance.provider_id in retired_names(fleet)\n",
        "    return instance.node_name in fleet.retired and "
        "instance.provider_id in retired_names(fleet)\n",
    ),
    # 7. The brake, and another name.
    Plant(
        "order without a brake",
        f"{FLEET}/dispatch.py",
        "if self._sent.get(account.name, 0) >= braked or self._surge.holds(node_group):",
        "if self._surge.holds(node_group):",
    ),
    Plant(
        "forget the orders of the last hour",
        f"{FLEET}/plan.py",
        "    while recent and agenda.due(recent[0] + AN_HOUR_S):",
        "    while recent and agenda.due(recent[0] + 60.0):",
    ),
    Plant(
        "order under another name of the cluster",
        f"{FLEET}/notnow.py",
        "if result := renamed(fleet, account):",
        'if text := "":',
    ),
    # 8. Not now.
    Plant(
        "show maxSize while it is not now",
        f"{FLEET}/notnow.py",
        "    if why(fleet, group) is not None:\n        most = size\n",
        "    if why(fleet, group) is not None:\n        most = max(most, size)\n",
    ),
    Plant(
        "show maxSize whatever is in quarantine",
        f"{FLEET}/notnow.py",
        "        most = min(most, max(room, size))",
        "        most = most",
    ),
    Plant(
        "hold launches while it is not now",
        f"{FLEET}/dispatch.py",
        "return notnow.failure(said) if said is not None else None",
        "return None",
    ),
    # 16. Surge.
    Plant(
        "order whatever exists",
        f"{FLEET}/surge.py",
        "return self._counts[name] >= group.most_machines",
        "return False",
    ),
    Plant(
        "forget what is being deleted in the count",
        f"{FLEET}/surge.py",
        "            for each in shown.deleting.get(group, ())\n            if not self._agenda",
        '            for each in shown.deleting.get("?", ())\n            if not self._agenda',
    ),
    Plant(
        "hold orders for ever for what cannot be deleted",
        f"{FLEET}/surge.py",
        "if self._agenda.due(retirement.since + STUCK_S):",
        "if self._agenda.due(retirement.since + 1e9):",
    ),
    # The registrar.
    Plant(
        "act on Nodes that nobody has heard of for long",
        "externalgrpc/joining/registrar.py",
        "if not listing.complete or now - listing.heard_at > FRESH_S:",
        "if not listing.complete:",
    ),
    Plant(
        "act on a list of Nodes that is not whole",
        "externalgrpc/joining/registrar.py",
        "if not listing.complete or now - listing.heard_at > FRESH_S:",
        "if now - listing.heard_at > FRESH_S:",
    ),
)
