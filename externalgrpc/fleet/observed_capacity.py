"""Learn what machines really have from the Nodes that they became.

A price list names memory before kernel and firmware, and a disk before its file system; a Node
says what is left. The first one of a make corrects every later template of it: CA then sees the
same figures before a machine comes as after.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from externalgrpc.fleet import state
from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig, template

_AMOUNTS = tuple(field.name for field in dataclasses.fields(template.Observed))


def make_of(group: groups.NodeGroup, machine_type: str) -> state.MachineProfile:
    """Return the make of a group's machines of one type."""
    return state.MachineProfile(
        account=group.account,
        machine_type=machine_type,
        image=group.image,
        join=group.join,
        reserve=group.reserve,
        user_data=group.user_data,
        options="" if group.options is None else repr(group.options),
    )


def learn(fleet: state.Fleet, reports: Mapping[str, template.Learned]) -> state.Fleet:
    """Take what ready Nodes report, by provider id; idempotent, and the same value when no news.

    Of several Nodes of a make the smallest amounts count: no promise may be larger than the
    machine that comes. A make whose Nodes are all gone keeps what was learned of it, until no
    group can order it any more.
    """
    seen: dict[state.MachineProfile, list[template.Learned]] = {}
    for provider_id, report in reports.items():
        instance = fleet.index.by_provider_id.get(provider_id)
        group = fleet.groups.get(instance.group) if instance is not None else None
        if instance is not None and group is not None:
            seen.setdefault(make_of(group, instance.machine_type), []).append(report)
    orderable = {
        make_of(group, candidate.machine_type)
        for group in fleet.groups.values()
        for candidate in group.candidates
    }
    known = {**fleet.learned, **{make: _smallest(result) for make, result in seen.items()}}
    learned = {
        make: result for make, result in known.items() if make in orderable and result != _NOTHING
    }
    if learned == fleet.learned:
        return fleet
    return dataclasses.replace(fleet, learned=learned)


def kubelets(fleet: state.Fleet, config: kubeletconfig.KubeletConfig | None) -> state.Fleet:
    """Take what the cluster sets for all of its kubelets; None where it does not say."""
    return fleet if config == fleet.kubelets else dataclasses.replace(fleet, kubelets=config)


_NOTHING = template.Learned()


def _smallest(reports: Iterable[template.Learned]) -> template.Learned:
    every = tuple(reports)
    return template.Learned(
        capacity=_least(each.capacity for each in every),
        allocatable=_least(each.allocatable for each in every),
    )


def _least(observed: Iterable[template.Observed]) -> template.Observed:
    """Take the smallest amount of each; a kubelet that reports none has not looked yet."""
    every = tuple(observed)
    amounts = {
        name: min(
            (result for each in every if (result := getattr(each, name)) and result > 0),
            default=None,
        )
        for name in _AMOUNTS
    }
    return template.Observed(**amounts)
