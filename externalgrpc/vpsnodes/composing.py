"""Make one configuration of the file and the VPSNodes, and say of each object what came of it.

An object stops nobody: one that is wrong is left out, or its last good spec goes on being in force.
The file wins where names clash.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Final

from externalgrpc.config import headroom
from externalgrpc.config import objects as config_objects
from externalgrpc.model import groups
from externalgrpc.vpsnodes import objects, spec

ACCEPTED: Final = "Accepted"
NAME_TAKEN: Final = "NameTakenByFile"
TYPE_GONE: Final = "TypeGone"
NOT_JUDGED: Final = "NotJudgedYet"

HOLD: Final = (
    "its finalizer is not written to the VPSNode yet, without which a deletion would leave its "
    "machines behind (the server needs the right to patch vpsnodes.kubero.dev)"
)


_LAST: Final = "(until then the last good spec is in force)"
_ROOMLESS: Final = "(until then it goes on without keeping room)"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of a spec: ``ok`` is None while nobody knows."""

    ok: bool | None
    reason: str
    message: str = ""


def refused(reason: str, message: str) -> Verdict:
    """Say no to a spec."""
    return Verdict(ok=False, reason=reason, message=message)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What came of an object: the verdict on its spec, and the group that is in force.

    ``good`` is the last spec that was accepted, empty for none; ``current`` says that what is in
    force is the spec as it is now, and not an earlier one.
    """

    verdict: Verdict
    group: groups.NodeGroup | None = None
    good: objects.Spec = dataclasses.field(default_factory=dict)
    current: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The configuration that is to be in force, and each object's standing, by name."""

    config: groups.Config
    standings: Mapping[str, Standing]


Judge = Callable[[str, objects.Spec], config_objects.Judged]
"""Make the group of a spec; the name comes first. Contacts nobody."""

Sold = Callable[[groups.NodeGroup], Verdict]
"""Say whether a group's account sells what it orders, as far as its catalogue is known."""


class Composer:
    """Compose, remembering the last good spec of every object; belongs to one thread."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._good: dict[str, objects.Spec] = {}
        self._judged: dict[tuple[str, str], config_objects.Judged] = {}
        self._file: groups.Config | None = None

    def compose(
        self,
        file: groups.Config,
        there: Mapping[str, objects.VpsNode],
        *,
        sold: Sold,
        unusable: Mapping[str, str],
    ) -> Composed:
        """Compose; ``unusable`` says of accounts that cannot be opened why, by name."""
        if file is not self._file:
            self._file, self._judged = file, {}
        accounts = dict(file.accounts)
        taken = {group.name for group in file.groups}
        standings: dict[str, Standing] = {}
        for name in sorted(there):
            each = there[name]
            if name in taken:
                why = (
                    f"the server's file has a node group {name}, and the file wins: give the "
                    "VPSNode another name, or remove the group from the file"
                )
                standings[name] = Standing(verdict=refused(NAME_TAKEN, why))
                continue
            standings[name] = self._stand(each, accounts, sold, unusable)
        usable = functools.partial(self._usable, accounts=accounts, unusable=unusable)
        self._apart(file, there, standings, usable)
        for name, standing in standings.items():
            if standing.verdict.ok:
                self._good[there[name].uid] = standing.good
        uids = {each.uid for each in there.values()}
        self._good = {uid: held for uid, held in self._good.items() if uid in uids}
        found = (standing.group for standing in standings.values())
        return Composed(
            config=dataclasses.replace(
                file,
                accounts=accounts,
                groups=(*file.groups, *(group for group in found if group is not None)),
            ),
            standings=standings,
        )

    def _stand(
        self,
        of: objects.VpsNode,
        accounts: dict[str, groups.Account],
        sold: Sold,
        unusable: Mapping[str, str],
    ) -> Standing:
        good = self._last_good(of)
        judged = self._judgement(of.name, of.spec)
        verdict = _verdict(judged, of.spec, unusable, sold)
        if verdict.ok:
            good = of.spec
        in_force = judged
        # What nobody can order is still the group whose machines are there.
        stays = verdict.ok is not False or verdict.reason == TYPE_GONE
        worth = judged.group is not None and stays
        other = bool(good) and good != of.spec
        if other and not verdict.ok:
            last = self._judgement(of.name, good)
            usable = last.account is not None and last.account.name not in unusable
            if last.group is not None and usable:
                in_force, worth = last, True
            else:
                other = False
        for each in (judged, in_force):
            if each.account is not None and each.account.name not in unusable:
                accounts.setdefault(each.account.name, each.account)
        current = in_force is judged
        if worth and not current and verdict.ok is False:
            verdict = dataclasses.replace(verdict, message=f"{verdict.message} {_LAST}")
        return Standing(
            verdict=verdict,
            group=_as_it_stands(of, in_force.group) if worth and in_force.group else None,
            good=good,
            current=current,
        )

    def _apart(
        self,
        file: groups.Config,
        there: Mapping[str, objects.VpsNode],
        standings: dict[str, Standing],
        usable: Callable[[str, objects.Spec], groups.NodeGroup | None],
    ) -> None:
        """Refuse objects whose room the nodes of another group would do for: it would come there.

        Only the one that asks is refused. What was accepted before goes on without its room, for
        its machines are there; of new ones that stand in each other's way the first by name stays.
        """

        def shared(name: str, group: groups.NodeGroup) -> tuple[str, str] | None:
            beside = (each.group for other, each in standings.items() if other != name)
            every = (*file.groups, *(each for each in beside if each is not None))
            return headroom.shared(group, every)

        def is_new(name: str) -> bool:
            return standings[name].current and self._last_good(there[name]) != there[name].spec

        for name in sorted(standings, key=lambda each: (is_new(each), each), reverse=True):
            of, standing = there[name], standings[name]
            group, verdict, current = standing.group, standing.verdict, standing.current
            if group is None or (said := shared(name, group)) is None:
                continue
            last = self._last_good(of)
            if current and verdict.ok is not False:
                key = headroom.key(group)
                wrong = config_objects.Wrong(key=key, path=key, message=said[0], cure=said[1])
                until = _ROOMLESS
                if is_new(name):
                    group = usable(name, last) if last else None
                    current, until = group is None, _LAST if group is not None else ""
                message = f"{spec.sentence(wrong, of.spec)} {until}".rstrip()
                verdict = refused(spec.reason(wrong), message)
                group = _as_it_stands(of, group) if group is not None else None
            if group is not None and shared(name, group) is not None:
                group = _roomless(group)
            standings[name] = Standing(verdict=verdict, group=group, good=last, current=current)

    def _usable(
        self,
        name: str,
        given: objects.Spec,
        *,
        accounts: dict[str, groups.Account],
        unusable: Mapping[str, str],
    ) -> groups.NodeGroup | None:
        """Return the group of a spec, if it describes one at an account that can be opened."""
        judged = self._judgement(name, given)
        if judged.account is None or judged.account.name in unusable:
            return None
        accounts.setdefault(judged.account.name, judged.account)
        return judged.group

    def _last_good(self, of: objects.VpsNode) -> objects.Spec:
        return self._good.get(of.uid) or of.accepted_spec

    def _judgement(self, name: str, given: objects.Spec) -> config_objects.Judged:
        key = (name, json.dumps(given, sort_keys=True))
        if key not in self._judged:
            self._judged[key] = self._judge(name, given)
        return self._judged[key]


def _verdict(
    judged: config_objects.Judged,
    given: objects.Spec,
    unusable: Mapping[str, str],
    sold: Sold,
) -> Verdict:
    if judged.group is None or judged.account is None:
        message = "; ".join(dict.fromkeys(spec.sentence(each, given) for each in judged.wrong))
        why = spec.reason(judged.wrong[0]) if judged.wrong else spec.INVALID
        return refused(why, message or "the spec describes no node group")
    if (trouble := unusable.get(judged.account.name)) is not None:
        return refused(spec.NO_ACCOUNT, trouble)
    return sold(judged.group)


def _as_it_stands(of: objects.VpsNode, group: groups.NodeGroup) -> groups.NodeGroup:
    """Return the group as the object's own state has it: paused, held, or on its way out."""
    paused = of.spec.get("paused") is True
    group = dataclasses.replace(group, vps_node=True, paused=paused)
    if of.deleting:
        # Balloons would hold the nodes that are to go, and what is retired is not repaired.
        return dataclasses.replace(
            _roomless(group), min_size=0, deletion=of.deletion_policy, repair_after_s=None
        )
    return dataclasses.replace(group, hold="" if of.kept else HOLD)


def _roomless(group: groups.NodeGroup) -> groups.NodeGroup:
    return dataclasses.replace(group, target_cpu=None, headroom=groups.Headroom())
