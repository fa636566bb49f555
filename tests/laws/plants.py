"""Mistakes to plant in the core, each a few characters: every one must break a law or a test."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plant:
    """Replace ``old``, which stands exactly once in the file at ``path``, by ``new``."""

    name: str
    path: str
    old: str
    new: str


FLEET = "externalgrpc/fleet"

PLANTS = (
    Plant(
        "forget a launch that is retired in the air",
        f"{FLEET}/retired.py",
        "launch = member.launch or fleet.launches.get(member.name)\n",
        "launch = member.launch or fleet.launches.get(member.name)\n"
        "        if launch is not None and launch.instance is None:\n            continue\n",
    ),
    Plant(
        "leave what is retired in the air to the memory of ghosts",
        f"{FLEET}/retired.py",
        "elif launch is not None and (launch.may_land or launch.phase is state.Phase.ASKED):",
        "elif launch is not None and launch.may_land and not launch.candidate:",
    ),
    Plant(
        "look an unseen launch up before the settling time is over",
        f"{FLEET}/listing.py",
        "if doubtful and begun_at > launch.doubtful_since + settle_s:",
        "if doubtful:",
    ),
    Plant(
        "measure the settling time from the end of a listing",
        f"{FLEET}/listing.py",
        "launches[name] = _unseen(launch, snapshot.begun_at, settle_s, now)",
        "launches[name] = _unseen(launch, now, settle_s, now)",
    ),
    Plant(
        "count the retired",
        f"{FLEET}/view.py",
        "if let_go is not None and let_go.group == group:",
        "if let_go is None and fleet.groups:",
    ),
    Plant(
        "send again while nobody knows",
        f"{FLEET}/departures.py",
        "            if phase is _HELD:\n                held.append(launch)",
        "            if phase is _HELD or phase is _UNSURE:\n                held.append(launch)",
    ),
    Plant(
        "take no answer for a no",
        f"{FLEET}/answers.py",
        "case errors.Throttled():",
        "case errors.NotNow():",
    ),
    Plant(
        "forget what was sold out",
        f"{FLEET}/stock.py",
        "return now - _refused_at(fleet, launch, candidate) < SOLD_OUT_S",
        "return False",
    ),
    Plant(
        "let every launch find out about the quota by itself",
        f"{FLEET}/departures.py",
        "if refusal is not None and refusal.at > launch.born:",
        "if refusal is not None and refusal.at > launch.born + 1e9:",
    ),
    Plant(
        "believe a missing machine gone at once",
        f"{FLEET}/listing.py",
        "elif instance.group in fleet.groups:\n            missing[provider_id]",
        "elif instance.group == provider_id:\n            missing[provider_id]",
    ),
    Plant(
        "delete once and forget",
        f"{FLEET}/retired.py",
        "if retirement.deletion is state.Deletion.DONE and after and now >= due:",
        "if retirement.deletion is state.Deletion.OWED and after and now >= due:",
    ),
    Plant(
        "believe listings that began before the deletion",
        f"{FLEET}/retired.py",
        "after = snapshot.begun_at > retirement.doubtful_since + settle_s",
        "after = True",
    ),
    Plant(
        "let one listing prove a deletion",
        f"{FLEET}/retired.py",
        "ABSENCES = 2",
        "ABSENCES = 1",
    ),
    Plant(
        "take a ghost back",
        f"{FLEET}/listing.py",
        "    fleet = retired.returned(fleet, snapshot, now=now)\n",
        "",
    ),
    Plant(
        "know a ghost by its id alone",
        f"{FLEET}/retired.py",
        "by_name = came and not claims.shows_life(fleet, instance)",
        "by_name = False",
    ),
    Plant(
        "give up a tombstone while its create is under way",
        f"{FLEET}/retired.py",
        "if awaited and retirement.doubtful_since == state.NEVER:",
        "if awaited and retirement.doubtful_since == 0.0:",
    ),
    Plant(
        "forget to delete what a late answer brings",
        f"{FLEET}/retired.py",
        "            return _put(proof.bound(fleet, name, answer), _landed(retirement, answer))\n"
        "        case errors.NoCapacity()",
        "            return _forget(fleet, retirement)\n        case errors.NoCapacity()",
    ),
    Plant(
        "cover twice",
        f"{FLEET}/wishes.py",
        "covers = {name: held for name, held in fleet.covers.items() if name != group}",
        "covers = dict(fleet.covers)",
    ),
    Plant(
        "cover with machines that registered",
        f"{FLEET}/view.py",
        "and member.provider_id not in fleet.registered",
        "and member.provider_id not in fleet.gone",
    ),
    Plant(
        "lose the cover of what was relaunched",
        f"{FLEET}/answers.py",
        "covers[launch.group] = covering - {launch.name} | {name}",
        "covers[launch.group] = covering - {launch.name}",
    ),
    Plant(
        "shrink what was sent",
        f"{FLEET}/wishes.py",
        "if launch.group == group and launch.phase is state.Phase.HELD",
        "if launch.group == group and launch.failure is None",
    ),
    Plant(
        "ignore the minimum",
        f"{FLEET}/wishes.py",
        "if real and living < node_group.min_size:",
        "if real and living < 0:",
    ),
    Plant(
        "hold failed placeholders at the minimum",
        f"{FLEET}/wishes.py",
        "real += _is_live(member, node)",
        "real += 1",
    ),
    Plant(
        "ignore the maximum",
        f"{FLEET}/wishes.py",
        "if size + delta > most:",
        "if delta > most:",
    ),
    Plant(
        "delete half a batch before refusing it",
        f"{FLEET}/wishes.py",
        "    if foreign:\n        raise refusals.NotOurs",
        "    if foreign and not going:\n        raise refusals.NotOurs",
    ),
    Plant(
        "keep the younger of two machines with one name",
        f"{FLEET}/index.py",
        "            each.created_at or math.inf,\n            len(each.id),",
        "            -each.created_at,\n            len(each.id),",
    ),
    Plant(
        "keep both machines of one name",
        f"{FLEET}/retired.py",
        "        if over or proof.double_settled(fleet, instance, snapshot):",
        "        if False:",
    ),
    Plant(
        "take one machine on two pages for two",
        f"{FLEET}/listing.py",
        "    if len(seen) == len(snapshot.instances):",
        "    if seen is not None:",
    ),
    Plant(
        "order one name at two accounts",
        f"{FLEET}/departures.py",
        "if launch.asked_at > state.NEVER:",
        "if launch.asked_at > self._agenda.now:",
    ),
    Plant(
        "order before the first settling time is over",
        f"{FLEET}/departures.py",
        "ready = account.catalogue is not None and account.settled",
        "ready = account.catalogue is not None",
    ),
    Plant(
        "order when the settling time is over, whatever was listed",
        f"{FLEET}/listing.py",
        "settled=account.settled or snapshot.begun_at >= settles_at,",
        "settled=account.settled or now >= settles_at,",
    ),
    Plant(
        "let nobody stand in",
        f"{FLEET}/listing.py",
        "    fleet = _stand_in(fleet, arrivals)\n",
        "",
    ),
    Plant(
        "believe a listing that began before the last one",
        f"{FLEET}/listing.py",
        "snapshot.begun_at < account.snapshot.begun_at:",
        "snapshot.begun_at < 0:",
    ),
    Plant(
        "relaunch and leave the first machine standing",
        f"{FLEET}/answers.py",
        "    if launch.instance is not None:\n        retirements[launch.name]",
        "    if launch.instance is None:\n        retirements[launch.name]",
    ),
    Plant(
        "relaunch on the word of a look-up alone",
        f"{FLEET}/answers.py",
        "case state.Phase.ACCEPTED if _is_lacking(fleet, launch):",
        "case state.Phase.ACCEPTED if launch.name:",
    ),
    Plant(
        "show a failure on a machine that landed after all",
        f"{FLEET}/answers.py",
        "        instance=instance,\n        failure=None,",
        "        instance=instance,",
    ),
    Plant(
        "order for a group that departed",
        f"{FLEET}/departures.py",
        "if node_group is None or node_group.departed:",
        "if node_group is None:",
    ),
    Plant(
        "order at the account that a group has left",
        f"{FLEET}/departures.py",
        "if launch.account != node_group.account:",
        "if not launch.account:",
    ),
    Plant(
        "ask with more hands than there are",
        f"{FLEET}/departures.py",
        "        self._hands[launch.account] -= 1\n        self._sent",
        "        self._sent",
    ),
    Plant(
        "look at one account's listing only",
        f"{FLEET}/retired.py",
        "        left = (\n            _shown(",
        "        if instance not in snapshot.instances:\n            instance = None\n"
        "        left = (\n            _shown(",
    ),
    Plant(
        "leave no reserve to writes",
        "externalgrpc/lane.py",
        "RESERVE = 0.10",
        "RESERVE = 0.0",
    ),
    Plant(
        "drop what comes after the close",
        "externalgrpc/lane.py",
        "                self._writes.put(run)\n                return\n"
        "        done(self._stopping(operation))",
        "                self._writes.put(run)\n                return",
    ),
    Plant(
        "drop queued deletions at the close",
        "externalgrpc/lane.py",
        'while not self._closed or operation == "delete":',
        "while not self._closed:",
    ),
    Plant(
        "replace the fleet without the lock",
        "externalgrpc/reconciler.py",
        "        with self._lock:\n            before = self.fleet\n"
        "            after = self.fleet = change(before)",
        "        before = self.fleet\n        after = self.fleet = change(before)",
    ),
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
        "take a machine without the mark for fresh",
        f"{FLEET}/proof.py",
        'return instance.unjoined and instance.identity == (fleet.identity or "")',
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
        "    return launch.instance is None or not claims.shows_life(fleet, launch.instance)",
        "    return True",
    ),
    Plant(
        "bind a node to an order that was let go",
        f"{FLEET}/proof.py",
        "wanted = instance.node_name not in fleet.retired",
        "wanted = True",
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
        "    if _node_is_ready(fleet, held.instance):\n        # Whatever",
        '    if held.account == "?":\n        # Whatever',
    ),
    Plant(
        "remove Nodes while the cluster is sick",
        "externalgrpc/leftovers.py",
        "        if not fleet.outage:\n",
        "        if fleet is not None:\n",
    ),
    # 4. Whose cluster is it?
    Plant(
        "order before the cluster is known",
        f"{FLEET}/departures.py",
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
        "    if foreign and quarantine.word_on(account, instance) != quarantine.ADOPT:",
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
        f"{FLEET}/wishes.py",
        "        return provider_id in fleet.accused\n",
        "        return False\n",
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
        "    return not claims.agrees(fleet, member.instance, node.name)",
        "    return False",
    ),
    Plant(
        "give a Node the group of the machine that it claims",
        "externalgrpc/service.py",
        "owner is None or (real and wishes.contradicts(state, provider_id, node.name))",
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
        "lose sight of what was let go when its label is edited",
        f"{FLEET}/view.py",
        "    return instance.provider_id in found\n",
        "    return instance.node_name in fleet.retired and instance.provider_id in found\n",
    ),
    # 7. The brake, and another name.
    Plant(
        "order without a brake",
        f"{FLEET}/departures.py",
        "if self._sent.get(account.name, 0) >= left or self._surge.holds(node_group):",
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
        "if renamed := _renamed(fleet, account):",
        'if renamed := "":',
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
        f"{FLEET}/departures.py",
        "return notnow.failure(said) if said is not None else None",
        "return None",
    ),
    # 16. Surge.
    Plant(
        "order whatever exists",
        f"{FLEET}/surge.py",
        "return self._counts[group.name] >= group.most_machines",
        "return False",
    ),
    Plant(
        "forget what is being deleted in the count",
        f"{FLEET}/surge.py",
        "standing |= {each.provider_id for each in shown.deleting.get(group, ())}",
        "standing |= set()",
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
        "externalgrpc/registrar.py",
        "if not listing.complete or now - listing.heard_at > FRESH_S:",
        "if not listing.complete:",
    ),
    Plant(
        "act on a list of Nodes that is not whole",
        "externalgrpc/registrar.py",
        "if not listing.complete or now - listing.heard_at > FRESH_S:",
        "if now - listing.heard_at > FRESH_S:",
    ),
)
