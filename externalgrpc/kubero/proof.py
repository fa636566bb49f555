"""Say when a pool's app is proved to want it no more: two looks, apart, and not many at once. Pure.

A look is a GET of the app by its name while its kind is served. What cannot be looked at is no
evidence. When more pools lose their apps at once than may be chance, it is taken for an outage of
what shows the apps: nothing is deleted, and the looks begin anew.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Collection, Mapping
from typing import Final

from externalgrpc.fleet import vanishing

APART_S: Final = 300.0
"""How far apart the two looks are, in seconds."""

LATELY_S: Final = 600.0
"""For so long a deletion counts among those at once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is known of pools without an app, by uid: when that was seen first, and last deletions.

    Instants are monotonic.
    """

    first: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: types.MappingProxyType({})
    )
    deleted: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: types.MappingProxyType({})
    )


def due(proof: Proof, uid: str, *, now: float, apart_s: float) -> bool:
    """Return whether a pool whose app seems to be gone is to be looked at now."""
    return uid not in proof.first or now - proof.first[uid] >= apart_s


def looked(proof: Proof, uid: str, *, gone: bool, now: float, apart_s: float) -> tuple[Proof, bool]:
    """Take what a look said; return whether the pool may go, if not too many do."""
    if not gone:
        left = {each: at for each, at in proof.first.items() if each != uid}
        return dataclasses.replace(proof, first=left), False
    if uid not in proof.first:
        return dataclasses.replace(proof, first={**proof.first, uid: now}), False
    return proof, now - proof.first[uid] >= apart_s


def kept(proof: Proof, without: Collection[str], *, now: float) -> Proof:
    """Forget what is over: looks at pools that have an app again, and deletions of long ago."""
    return Proof(
        first={uid: at for uid, at in proof.first.items() if uid in without},
        deleted={uid: at for uid, at in proof.deleted.items() if now - at < LATELY_S},
    )


def outage(proof: Proof, without: Collection[str], there: Collection[str]) -> str:
    """Say that too many pools have lost their apps at once; empty when they have not."""
    lost = {*without, *proof.deleted}
    of = {*there, *lost}
    if not vanishing.is_outage(len(lost), len(of)):
        return ""
    return f"{len(lost)} of {len(of)} pools have lost their apps at once"


def went(proof: Proof, uid: str, *, now: float) -> Proof:
    """Note a deletion."""
    left = {each: at for each, at in proof.first.items() if each != uid}
    return Proof(first=left, deleted={**proof.deleted, uid: now})
