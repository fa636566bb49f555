"""Choose which machines a purge deletes, and which it leaves alone; delete them, and tidy up.

A cluster's name can be another cluster's too, so by default only machines go that carry this
cluster's identity, or none. Where nobody can say whose the machines are, nothing is guessed.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from externalgrpc.kube import connection, identity, refusals
from externalgrpc.model import by_hand, groups
from externalgrpc.support import clock
from providers import contract, errors

GONE_WITHIN_S: Final = 90.0
"""How long machines that were deleted may take to leave the listing, before we tidy up."""

LOOK_EVERY_S: Final = 3.0

Say = Callable[[str], None]


class Unsure(Exception):
    """Nobody can say which of the machines are this cluster's; says how to say it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A machine with the cluster's mark, and the open account that shows it."""

    account: str
    provider: contract.Provider
    machine: contract.Instance


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What is deleted, and how many machines of which identity are not."""

    chosen: tuple[Found, ...]
    left: Mapping[str, int]

    def messages(self) -> Iterator[str]:
        """Say what is left alone, with the line that would delete it."""
        for of, count in sorted(self.left.items()):
            what = "one" if of == contract.NOBODYS else "them"
            yield f"left alone: {count} {_whose(of)}; {by_hand.purge_identity(of)} deletes {what}"


def whose(config: groups.Config) -> identity.Answer | None:
    """Read the identity of the cluster that the configuration names; None where it names none."""
    kubernetes = config.kubernetes
    if kubernetes is None:
        return None
    try:
        link = connection.connect(
            kubeconfig=kubernetes.kubeconfig,
            context=kubernetes.context,
            time_source=clock.SystemClock(),
        )
    except connection.CannotConnect as error:
        return refusals.NotYet(str(error))
    try:
        return identity.read(link.api)
    finally:
        link.api.close()


def of_identity(found: Iterable[Found], wanted: str) -> Choice:
    """Choose the machines of exactly one identity, "" for those that carry none."""
    return _choice(found, lambda machine: machine.identity == wanted)


def ours(found: Sequence[Found], cluster: identity.Answer | None) -> Choice:
    """Choose this cluster's machines: of its identity, and without any.

    ``cluster`` is what was read of its identity, None where no cluster is configured. Raises
    Unsure when machines may be another cluster's, and nobody knows.
    """
    if isinstance(cluster, identity.Known):
        mine = ("", cluster.identity)
        return _choice(found, lambda machine: machine.identity in mine)
    there = collections.Counter(each.machine.identity for each in found)
    if cluster is None and len(there) < 2 and contract.NOBODYS not in there:
        return _choice(found, lambda _machine: True)
    if not there.keys() - {""}:
        return _choice(found, lambda _machine: True)
    why = (
        "the configuration has no kubernetes:, which would tell which is this cluster's"
        if cluster is None
        else f"the cluster does not tell its identity ({cluster.why})"
    )
    lines = "\n".join(f"  {line}" for line in _counted(there))
    raise Unsure(
        f"nothing was deleted: machines of more than this cluster may be there, and {why}\n{lines}"
    )


def one(found: Iterable[Found], provider_id: str) -> Choice:
    """Choose exactly one machine; raises Unsure when it is not there, or there twice."""
    its = [each for each in found if each.machine.provider_id == provider_id]
    if len(its) > 1:
        names = " and ".join(each.account for each in its)
        raise Unsure(f"nothing was deleted: accounts {names} both show {provider_id}")
    if not its:
        raise Unsure(
            f"nothing was deleted: no machine {provider_id} carries the mark of this cluster; "
            "vps-autoscaler ls --wide shows provider ids"
        )
    return Choice(tuple(its), {})


def delete(chosen: Sequence[Found], say: Say, say_wrong: Say) -> tuple[Found, ...]:
    """Delete machines, one after the other; give those that the cloud took."""
    done: list[Found] = []
    for number, each in enumerate(chosen, 1):
        what = f"[{number}/{len(chosen)}] {each.machine.provider_id}"
        try:
            each.provider.delete(each.machine.id)
        except errors.CloudError as error:
            say_wrong(f"{what}: {error}")
        else:
            done.append(each)
            say(f"{what}: deleted")
    return tuple(done)


def tidy(
    provider: contract.Provider,
    deleted: Sequence[Found],
    configured: Iterable[str],
    say: Say,
    *,
    time_source: clock.Clock | None = None,
    pause: Callable[[float], object] | None = None,
) -> None:
    """Take away what an account made beside machines, for groups that have none any more.

    ``configured`` are the groups that are looked at besides those of the deleted machines. Waits
    until listings lack what was deleted, for a while: only what is empty can go. Says what was
    deleted, and what could not be; the same call later does the rest.
    """
    if not isinstance(provider, contract.Tidying):
        return
    now = (time_source or clock.SystemClock()).monotonic
    wait = pause or threading.Event().wait
    ids = {each.machine.provider_id for each in deleted}
    until = now() + GONE_WITHIN_S
    try:
        there = provider.instances()
        if going := sum(each.provider_id in ids for each in there):
            say(f"waiting for {going} machines to be gone, to delete what was made beside them")
        while any(each.provider_id in ids for each in there) and now() < until:
            wait(LOOK_EVERY_S)
            there = provider.instances()
        wanted = {*configured, *(each.machine.group for each in deleted)} - {""}
        empty = wanted - {each.group for each in there if each.provider_id not in ids}
        nodes = {each.machine.node_name for each in deleted} - {""}
        if empty or nodes:
            for what in provider.tidy(groups=sorted(empty), nodes=sorted(nodes)):
                say(f"deleted: {what}")
        if any(each.provider_id in ids for each in there):
            say("not all are gone yet: run it again to delete what was made beside them")
    except errors.CloudError as error:
        say(f"not tidied up, run it again: {error}")


def _choice(found: Iterable[Found], wanted: Callable[[contract.Instance], bool]) -> Choice:
    every = tuple(found)
    chosen = tuple(each for each in every if wanted(each.machine))
    left = collections.Counter(each.machine.identity for each in every if not wanted(each.machine))
    return Choice(chosen, left)


def _counted(there: Mapping[str, int]) -> Iterator[str]:
    for of, count in sorted(there.items()):
        yield f"{count} {_whose(of)}: {by_hand.purge_identity(of)}"


def _whose(of: str) -> str:
    if of == contract.NOBODYS:
        return "with several identities, or what is none"
    return f"of identity {of}" if of else "without identity"
