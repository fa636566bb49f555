"""More mistakes in the law of proof: what listings show that cannot be, and clauses of their own.

The numbers are the law's points in docs/architecture.md.
"""

from __future__ import annotations

from tests.laws.plant import FLEET, Plant

PLANTS = (
    # 1. Quarantine: it is reported.
    Plant(
        "say nothing of what goes into quarantine",
        "externalgrpc/control/audit_log.py",
        "if known is None or known.doubt is not held.doubt:",
        "if known is not None and known.doubt is not held.doubt:",
    ),
    Plant(
        "withdraw a group whose machines are in doubt",
        f"{FLEET}/view.py",
        "leaving(fleet, name) or quarantined(fleet, name))",
        "leaving(fleet, name))",
    ),
    Plant(
        "hurry for ever for what is in doubt",
        f"{FLEET}/plan.py",
        "if finish.failure is None and provider_id not in fleet.quarantine:",
        "if finish.failure is None:",
    ),
    # 2. Proof before deletion.
    Plant(
        "take a double for one once the order that it may be of is given up",
        f"{FLEET}/answers.py",
        "fleet = proof.never_shown(fleet, launch)",
        "pass",
    ),
    Plant(
        "take a double for one once the retired order is forgotten",
        f"{FLEET}/retired.py",
        "return _forget(proof.never_shown(fleet, retirement), retirement)",
        "return _forget(fleet, retirement)",
    ),
    Plant(
        "ask only orders in the air whether a double is theirs",
        f"{FLEET}/proof.py",
        "*(held for held in fleet.retired.values() if held.deletion is state.Deletion.AWAITED),",
        "",
    ),
    Plant(
        "believe a mark that somebody put back",
        f"{FLEET}/proof.py",
        "return instance.unjoined and instance.provider_id not in fleet.remarked",
        "return instance.unjoined",
    ),
    Plant(
        "take what counted under another name for a late order's machine",
        f"{FLEET}/proof.py",
        "ours = not _was_shown(fleet, instance) and looks_fresh(fleet, instance, account)",
        "ours = looks_fresh(fleet, instance, account)",
    ),
    Plant(
        "take it for that on the word of a look-up",
        f"{FLEET}/proof.py",
        "    if launch is None and _was_shown(fleet, instance):",
        "    if launch is None and not name:",
    ),
    Plant(
        "delete what became a node while its deletion waited",
        f"{FLEET}/sparing.py",
        "    return _is_of_use(fleet, held)\n",
        "    return False\n",
    ),
    Plant(
        "look no more at what is deleted right before that",
        "externalgrpc/control/writes.py",
        "        if sparing.is_spared(fleet, self.request.key):",
        "        if not self.request.key:",
    ),
    Plant(
        "believe a mark that nobody can take off",
        f"{FLEET}/proof.py",
        "marking = held.marking and not held.mark_failures",
        "marking = True",
    ),
    Plant(
        "give up a launch whose node was seen on CA's word",
        f"{FLEET}/wishes.py",
        "return ordered is None or not claims.shows_life(fleet, ordered)",
        "return True",
    ),
    # 3. Caps and outages.
    Plant(
        "give up as many of a group as of its account",
        f"{FLEET}/verdicts.py",
        "return of_group >= limits.given_up_a_group or of_account >= most",
        "return of_account >= most",
    ),
    Plant(
        "give up one of each group, however many groups",
        f"{FLEET}/verdicts.py",
        "return of_group >= limits.given_up_a_group or of_account >= most",
        "return of_group >= limits.given_up_a_group",
    ),
    Plant(
        "let one look-up prove that many are gone",
        f"{FLEET}/vanishing.py",
        "held.absences < LOOK_UPS or now - held.gone_since < APART_S",
        "held.absences < 1",
    ),
    Plant(
        "let two look-ups at once prove that many are gone",
        f"{FLEET}/vanishing.py",
        "held.absences < LOOK_UPS or now - held.gone_since < APART_S",
        "held.absences < LOOK_UPS",
    ),
    Plant(
        "believe that many are gone without Nodes or the operator",
        f"{FLEET}/vanishing.py",
        "    if fleet.nodes is None or held.absences",
        "    if held.absences",
    ),
    Plant(
        "let an outage that is only guessed stop verdicts",
        f"{FLEET}/joins.py",
        "and (guesses or not journey.guessed)",
        "and (guesses or journey.ready_at)",
    ),
    # 4. Whose cluster is it?
    Plant(
        "take a project without one node of ours for ours",
        f"{FLEET}/quarantine.py",
        "    if old or whole:\n",
        "    if old:\n",
    ),
    Plant(
        "order without the cluster's identity",
        "externalgrpc/model/ordering.py",
        "        identity=identity,\n",
        '        identity="",\n',
    ),
    Plant(
        "purge whatever bears the cluster's name",
        "externalgrpc/commands/purge.py",
        "        return purging.ours(found, purging.whose(loaded) if found else None)",
        "        return purging.Choice(tuple(found), {})",
    ),
    # 5. A node is its name and its providerID.
    Plant(
        "let a Node's false claim stop a sibling that boots",
        f"{FLEET}/quarantine.py",
        "(rival := claims.rival(fleet, instance)) and (old or not ordered):",
        "(rival := claims.rival(fleet, instance)):",
    ),
    Plant(
        "let a Node's false claim pass",
        f"{FLEET}/quarantine.py",
        "(rival := claims.rival(fleet, instance)) and (old or not ordered):",
        "(rival := claims.rival(fleet, instance)) and not rival:",
    ),
    # 6. Two machines of one name.
    Plant(
        "retire one again of several that come back under one name",
        f"{FLEET}/returning.py",
        "            if key in again:",
        "            if False:",
    ),
    Plant(
        "take the machine of an order under way for a double",
        f"{FLEET}/returning.py",
        " or proof.may_be_anothers(fleet, instance):",
        ":",
    ),
    Plant(
        "take the machine of one order for a double of another",
        f"{FLEET}/proof.py",
        "        and not _came_of_an_order(fleet, instance.provider_id)\n",
        "",
    ),
    Plant(
        "take a machine of a group that is not configured for a double",
        f"{FLEET}/proof.py",
        "    return known is not None and not known.departed\n",
        "    return known is None or not known.departed\n",
    ),
    Plant(
        "take a machine of a group that departed for a double",
        f"{FLEET}/proof.py",
        "    return known is not None and not known.departed\n",
        "    return known is not None\n",
    ),
    Plant(
        "take a machine that was there before us for a double",
        f"{FLEET}/proof.py",
        "        and instance.created_at > fleet.started_at\n",
        "",
    ),
    Plant(
        "take what was seen under another name for a double",
        f"{FLEET}/proof.py",
        "(instance.provider_id in fleet.doubled or not _was_shown(fleet, instance))",
        "instance.provider_id",
    ),
    Plant(
        "count a machine twice that an answer names and a listing lacks",
        f"{FLEET}/proof.py",
        "if provider_id not in fleet.missing or provider_id in fleet.quarantine:",
        "if fleet.minted is not None:",
    ),
    Plant(
        "keep the order of a machine that went by its id",
        f"{FLEET}/retired.py",
        "return named if proof.is_our_order(fleet, member.instance) else None",
        "return named if named is None else None",
    ),
    # A create is never sent twice while the first may land.
    Plant(
        "send again on the word of a look-up alone",
        f"{FLEET}/answers.py",
        "    if not _is_lacking(fleet, launch):\n",
        "    if not launch.outcome_unknown and not _is_lacking(fleet, launch):\n",
    ),
    Plant(
        "send again what a listing lacks with others that were there",
        f"{FLEET}/landing.py",
        "        elif blind and launch.outcome_unknown:\n",
        "        elif blind and not launch.name:\n",
    ),
    Plant(
        "wait for ever to send again because of what we delete",
        f"{FLEET}/landing.py",
        "        and not keys.is_retired(fleet, instance)\n        for provider_id",
        "        for provider_id",
    ),
    Plant(
        "send again though a look-up showed another machine",
        f"{FLEET}/answers.py",
        "since = now if launch.outcome_unknown and another else launch.doubtful_since",
        "since = launch.doubtful_since",
    ),
    Plant(
        "take the Node of an order that was let go for no news",
        f"{FLEET}/registering.py",
        "        or sparing.may_come_back(fleet, name)\n",
        "",
    ),
    Plant(
        "forget the Node of an order that was let go before its machine is shown",
        f"{FLEET}/listing.py",
        " or sparing.may_come_back(fleet, name)\n",
        "\n",
    ),
    Plant(
        "forget that what a cloud shows no more was a node",
        f"{FLEET}/sparing.py",
        "return gone is not None and not gone.drained",
        "return gone is not None and gone.terminated and not gone.drained",
    ),
    # 7. The configuration.
    Plant(
        "take another cluster's name at a reload",
        "externalgrpc/assembly/assembly.py",
        "        if config.cluster != self._config.cluster:",
        "        if not config.cluster:",
    ),
    Plant(
        "count orders that the cloud refused against the hour",
        f"{FLEET}/answers.py",
        "    orders.remove(launch.asked_at)\n",
        "",
    ),
    # 8. Not now.
    Plant(
        "ask for the minimum while it is not now",
        f"{FLEET}/notnow.py",
        "    return min(wanted.min_size, most), most\n",
        "    return wanted.min_size, max(wanted.min_size, most)\n",
    ),
    # 9. Certificate requests.
    Plant(
        "approve another key for what is a node",
        "externalgrpc/kube/tries.py",
        "elif key not in keys and seen:",
        "elif key not in keys and not key:",
    ),
    Plant(
        "approve any number of keys",
        "externalgrpc/kube/tries.py",
        "elif key not in keys and len(keys) >= KEYS:",
        "elif key not in keys and not key:",
    ),
    Plant(
        "forget in a restart which keys were approved",
        "externalgrpc/kube/tries.py",
        "        return request.approved or request.uid in sent",
        "        return request.uid in sent",
    ),
)
