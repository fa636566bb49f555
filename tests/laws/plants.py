"""Mistakes to plant in the core, each a few characters: every one must break a law or a test."""

from __future__ import annotations

from tests.laws import (
    plants_of_brakes,
    plants_of_doubt,
    plants_of_finishing,
    plants_of_proof,
    plants_of_repair,
    plants_of_trials,
    plants_of_vpsnodes,
)
from tests.laws.plant import FLEET, Plant

PLANTS: tuple[Plant, ...] = (
    Plant(
        "forget a launch that is retired in the air",
        f"{FLEET}/retired.py",
        "launch = member.launch or _launch_of(fleet, member)\n",
        "launch = member.launch or _launch_of(fleet, member)\n"
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
        f"{FLEET}/landing.py",
        "if doubtful and begun_at > launch.doubtful_since + settle_s:",
        "if doubtful:",
    ),
    Plant(
        "measure the settling time from the end of a listing",
        f"{FLEET}/landing.py",
        "launches[name] = _unseen(launch, snapshot.begun_at, settle_s, now)",
        "launches[name] = _unseen(launch, now, settle_s, now)",
    ),
    Plant(
        "count the retired",
        f"{FLEET}/view.py",
        "if held.provider_id not in retired}",
        "if held.provider_id not in retired or fleet.groups}",
    ),
    Plant(
        "send again while nobody knows",
        f"{FLEET}/dispatch.py",
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
        f"{FLEET}/dispatch.py",
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
        "    fleet = returning.retire_again(fleet, snapshot, now=now)\n",
        "",
    ),
    Plant(
        "know a ghost by its id alone",
        f"{FLEET}/returning.py",
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
        "pending_at_start = {\n"
        "            name: held for name, held in fleet.pending_at_start.items() if "
        "name != group\n"
        "        }",
        "pending_at_start = dict(fleet.pending_at_start)",
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
        "pending_at_start[launch.group] = covering - {launch.name} | {name}",
        "pending_at_start[launch.group] = covering - {launch.name}",
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
        "    if foreign:\n        raise fleet_errors.NotOurs",
        "    if foreign and not going:\n        raise fleet_errors.NotOurs",
    ),
    Plant(
        "keep the younger of two machines with one name",
        f"{FLEET}/index.py",
        "            each.created_at or math.inf,\n            len(each.id),",
        "            -each.created_at,\n            len(each.id),",
    ),
    Plant(
        "keep both machines of one name",
        f"{FLEET}/returning.py",
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
        f"{FLEET}/dispatch.py",
        "if launch.asked_at > state.NEVER:",
        "if launch.asked_at > self._agenda.now:",
    ),
    Plant(
        "order before the first settling time is over",
        f"{FLEET}/dispatch.py",
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
        "    if not _is_lacking(fleet, launch):\n",
        "    if launch.outcome_unknown and not _is_lacking(fleet, launch):\n",
    ),
    Plant(
        "show a failure on a machine that landed after all",
        f"{FLEET}/answers.py",
        "        instance=instance,\n        failure=None,",
        "        instance=instance,",
    ),
    Plant(
        "order for a group that departed",
        f"{FLEET}/dispatch.py",
        "if node_group is None or node_group.closing:",
        "if node_group is None:",
    ),
    Plant(
        "order at the account that a group has left",
        f"{FLEET}/dispatch.py",
        "if launch.account != node_group.account:",
        "if not launch.account:",
    ),
    Plant(
        "ask with more hands than there are",
        f"{FLEET}/dispatch.py",
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
        "externalgrpc/control/budgets.py",
        "RESERVE = 0.10",
        "RESERVE = 0.0",
    ),
    Plant(
        "drop what comes after the close",
        "externalgrpc/control/lane.py",
        "                self._writes.put(run)\n                return\n"
        "        done(self._stopping(operation))",
        "                self._writes.put(run)\n                return",
    ),
    Plant(
        "drop queued deletions at the close",
        "externalgrpc/control/lane.py",
        'while not self._closed or operation == "delete":',
        "while not self._closed:",
    ),
    Plant(
        "replace the fleet without the lock",
        "externalgrpc/control/reconciler.py",
        "        with self._lock:\n            before = self.fleet\n"
        "            after, result = change(before)\n            self.fleet = after",
        "        before = self.fleet\n        after, result = change(before)\n"
        "        self.fleet = after",
    ),
)

PLANTS += plants_of_proof.PLANTS + plants_of_doubt.PLANTS
PLANTS += plants_of_finishing.PLANTS + plants_of_brakes.PLANTS + plants_of_vpsnodes.PLANTS
PLANTS += plants_of_repair.PLANTS
PLANTS += plants_of_trials.PLANTS
