"""All state that decides about machines, as one frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

from externalgrpc.fleet import memo as memos
from externalgrpc.fleet.state.accounts import AccountState
from externalgrpc.fleet.state.doubts import Quarantine, Seen, Unready, Verdict
from externalgrpc.fleet.state.launches import Launch
from externalgrpc.fleet.state.machines import Index, Journey, MachineProfile, Strikes, Unjoined
from externalgrpc.fleet.state.refusals import Refusal, RefusedThing
from externalgrpc.fleet.state.retirements import Finish, Gone, Missing, Retirement, Tries
from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig, template

Limits: TypeAlias = groups.Limits
Spending: TypeAlias = groups.Spending
_LIMITS = Limits()
_SPENDING = Spending()
_INDEX = Index()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All state that decides about machines: one frozen value; functions make the next one of it.

    ``blocked`` says of groups that cannot work at all, as configured, why. ``refusals`` is the
    memory of what was sold out, over quota or refused, by what the no was said to.
    ``registered`` holds, by provider id, the names of the Nodes that were seen to be our machines;
    ``misnamed`` those of Nodes that claim a machine whose mark has another name.
    ``pending_at_start`` holds, for each group that a fresh CA has not grown yet, the names of the
    machines that were in the air when it started. ``gone`` remembers, for a while and by name and
    provider id, machines that were ours. ``unjoined`` are, by key, machines that did not become
    nodes, and ``strikes`` counts those in a row by group. ``journeys`` says, by key, how far
    machines have come. ``learned`` is what Nodes reported by the make of their machines, and
    ``kubelets`` the cluster's own kubelet-config, where it is known.

    ``cluster`` is the name of our cluster, ``identity`` distinguishes it from others of its name:
    None before it could be read, empty where there is none to be had. ``unmarked`` are machines
    that lack a mark, or have one too many, once a Node claims them. ``started_at`` is when this
    process started, in Unix seconds, 0 when nobody said. ``nodes`` are the cluster's Nodes by
    name, None where they are not known; with ``nodes_stale`` nobody has heard of them for so long
    that one may have come meanwhile. ``minted`` are the names that this process ordered and the
    provider ids of the machines that came of them, empty while there is none. ``asked`` says of
    those that are in the air or listed when the autoscaler asked for them, in Unix seconds.

    ``quarantine`` holds, by provider id, machines of which we cannot be sure, ``accused`` those
    that CA called unregistered without proof, ``remarked`` those that a listing showed without
    ``unjoined`` and a later one with it: somebody put it on, and it proves nothing.
    ``going`` says since when listings show a machine as being deleted, ``mark_tries`` how often
    and until when a machine's marks were changed in vain, both by provider id.
    ``proved`` holds, by provider id, the beginning of the first of an unbroken row of listings that
    prove that a machine never was a node, ``doubled`` the same of second machines of our orders,
    which are such from their first listing on. ``verdicts`` are the failures shown lately.
    ``unready`` are, by provider id, machines of groups with repair whose Nodes are not ready, and
    ``left_alone`` those that a person said to leave alone, as their Nodes were last seen.
    ``outage`` says that the cluster has lost its nodes at large. ``finishes`` are, by provider id,
    the machines that will not run unless they are finished. ``awaited`` says what of the groups is
    not known yet, empty when all are: until then none is served, no machine is called an orphan and
    no order is sent.

    ``paused`` says that the file pauses everything, ``annotation`` what our ConfigMap says of that:
    a sentence that it does, empty where it does not, None before it could be read. ``spending``
    is what may be spent in all, and how prices are converted. ``standby`` says why this process may
    not act now, since another does or may; empty when it may.

    ``memo`` keeps what is derived of the value; nothing in it depends on ``registered``
    but whether machines have vanished, and what follows of that.
    """

    groups: Mapping[str, groups.NodeGroup] = dataclasses.field(default_factory=dict)
    blocked: Mapping[str, str] = dataclasses.field(default_factory=dict)
    accounts: Mapping[str, AccountState] = dataclasses.field(default_factory=dict)
    index: Index = _INDEX
    launches: Mapping[str, Launch] = dataclasses.field(default_factory=dict)
    retired: Mapping[str, Retirement] = dataclasses.field(default_factory=dict)
    missing: Mapping[str, Missing] = dataclasses.field(default_factory=dict)
    refusals: Mapping[RefusedThing, Refusal] = dataclasses.field(default_factory=dict)
    registered: Mapping[str, str] = dataclasses.field(default_factory=dict)
    misnamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pending_at_start: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    gone: Mapping[str, Gone] = dataclasses.field(default_factory=dict)
    unjoined: Mapping[str, Unjoined] = dataclasses.field(default_factory=dict)
    strikes: Mapping[str, Strikes] = dataclasses.field(default_factory=dict)
    journeys: Mapping[str, Journey] = dataclasses.field(default_factory=dict)
    learned: Mapping[MachineProfile, template.Learned] = dataclasses.field(default_factory=dict)
    kubelets: kubeletconfig.KubeletConfig | None = None
    cluster: str = ""
    identity: str | None = ""
    started_at: float = 0.0
    nodes: Mapping[str, Seen] | None = None
    nodes_stale: bool = False
    minted: Mapping[str, str] = dataclasses.field(default_factory=dict)
    asked: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quarantine: Mapping[str, Quarantine] = dataclasses.field(default_factory=dict)
    accused: frozenset[str] = frozenset()
    remarked: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    mark_tries: Mapping[str, Tries] = dataclasses.field(default_factory=dict)
    going: Mapping[str, float] = dataclasses.field(default_factory=dict)
    proved: Mapping[str, float] = dataclasses.field(default_factory=dict)
    doubled: Mapping[str, float] = dataclasses.field(default_factory=dict)
    limits: Limits = _LIMITS
    verdicts: tuple[Verdict, ...] = ()
    unready: Mapping[str, Unready] = dataclasses.field(default_factory=dict)
    left_alone: frozenset[str] = frozenset()
    outage: str = ""
    finishes: Mapping[str, Finish] = dataclasses.field(default_factory=dict)
    awaited: str = ""
    paused: bool = False
    annotation: str | None = ""
    spending: Spending = _SPENDING
    standby: str = ""
    memo: memos.Memo = dataclasses.field(
        default_factory=memos.Memo, init=False, compare=False, repr=False
    )
