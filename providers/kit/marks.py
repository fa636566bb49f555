"""Write a machine's marks as flat tags, and read them back.

Clouds without key/value labels (Linode, DigitalOcean, Vultr) carry these tags on every machine::

    vps-cluster:<cluster>    vps-group:<group>    n:<node name>
    vps-id:<identity>        vps-unjoined        vps-adopted

The last three come and go: the identity is the cluster's, 10 hexadecimal digits, where it has one,
``vps-unjoined`` is taken off once the machine's Node was seen, and ``vps-adopted`` is only on what
was not made for us.

They stay readable, so that a machine whose group left the configuration still names it. The
strictest cloud of each rule sets it for all: 3 to 50 characters (Linode) of lower-case letters,
digits, ``:``, ``-`` and ``_`` (DigitalOcean, whose tags keep the case of their first use). That is
why the node's prefix is so short: names of up to 48 characters fit, and ours have at most 47.

Whose a machine is, is decided by equality of a whole tag, never by a part of one.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, TypeVar

from providers import contract, errors
from providers.kit import noanswer

CLUSTER: Final = "vps-cluster:"
GROUP: Final = "vps-group:"
NODE: Final = "n:"
IDENTITY: Final = "vps-id:"
UNJOINED: Final = "vps-unjoined"
ADOPTED: Final = "vps-adopted"

SHORTEST: Final = 3
LONGEST: Final = 50

Row = TypeVar("Row")

_TAG: Final = re.compile(r"[a-z0-9:_-]+", re.ASCII)
_IDENTITY: Final = re.compile(r"[0-9a-f]{10}", re.ASCII)
_PREFIXES: Final = {
    contract.Mark.CLUSTER: CLUSTER,
    contract.Mark.GROUP: GROUP,
    contract.Mark.NODE: NODE,
    contract.Mark.IDENTITY: IDENTITY,
}
_BARE: Final = {contract.Mark.UNJOINED: UNJOINED, contract.Mark.ADOPTED: ADOPTED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a machine's tags say of it; empty where they say nothing, or two things at once.

    ``identity`` alone is :data:`providers.contract.NOBODYS` where the tags say two things, or what
    is no identity: empty would take the machine for one of an older version.
    """

    group: str = ""
    node_name: str = ""
    identity: str = ""
    unjoined: bool = False
    adopted: bool = False


def cluster_tag(cluster: str) -> str:
    """Return the tag of a cluster's machines; raises ValueError when the name does not fit."""
    return _tag(CLUSTER, cluster)


def group_tag(group: str) -> str:
    """Return the tag of a group's machines; raises ValueError when the name does not fit."""
    return _tag(GROUP, group)


def node_tag(node_name: str) -> str:
    """Return the tag of a node's machine; raises ValueError when the name does not fit."""
    return _tag(NODE, node_name)


def tags(
    *,
    cluster: str,
    group: str,
    node_name: str,
    identity: str = "",
    unjoined: bool = False,
    labels: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Return all tags of a machine: its marks, then the user's labels as ``key:value``.

    An empty identity has no tag. A label without a value becomes its bare key. Raises ValueError,
    with a sentence for a person, for what does not fit and for a label that would pass for a mark.
    """
    ours = [cluster_tag(cluster), group_tag(group), node_tag(node_name)]
    if identity:
        ours.append(tag_of(contract.Mark.IDENTITY, identity))
    if unjoined:
        ours.append(UNJOINED)
    return (*ours, *(_label(key, value) for key, value in sorted((labels or {}).items())))


def ordered(order: contract.Order) -> tuple[str, ...]:
    """Return all tags of the machine that an order makes; raises as :func:`tags` does."""
    return tags(
        cluster=order.cluster,
        group=order.group,
        node_name=order.node_name,
        identity=order.identity,
        unjoined=True,
        labels=order.labels,
    )


def is_identity(text: str) -> bool:
    """Return whether this is an identity as clusters have it."""
    return _IDENTITY.fullmatch(text) is not None


def identity_of(found: Collection[str]) -> str:
    """Read an identity out of every value that a machine carries for it, as Instance has it."""
    identities = set(found)
    if not identities:
        return ""
    only = identities.pop()
    return only if not identities and is_identity(only) else contract.NOBODYS


def check_change(put: Mapping[contract.Mark, str], remove: Collection[contract.Mark]) -> None:
    """Refuse a change of marks that makes no sense: ValueError with a sentence for a person."""
    for mark, value in put.items():
        if mark in remove:
            raise ValueError(f"the mark {mark.value!r} cannot be put and removed at once")
        tag_of(mark, value)


def tag_of(mark: contract.Mark, value: str) -> str:
    """Return the tag of one mark; raises ValueError when the value does not fit it."""
    if mark in _BARE:
        if value != contract.UNJOINED_VALUE:
            raise ValueError(
                f"the mark {mark.value!r} says 'true' or is not there, never {value!r}"
            )
        return _BARE[mark]
    if mark is contract.Mark.IDENTITY and not is_identity(value):
        raise ValueError(f"the identity {value!r} is not 10 lower-case hexadecimal digits")
    return _tag(_PREFIXES[mark], value)


def changed(
    machine_tags: Iterable[str],
    *,
    put: Mapping[contract.Mark, str],
    remove: Collection[contract.Mark] = (),
) -> tuple[str, ...]:
    """Return a machine's tags with marks put on and taken off.

    Everything else stays, in its order; where nothing changes, the tags come back as they were.
    Raises ValueError for a change that makes no sense.
    """
    check_change(put, remove)
    wanted = [tag_of(mark, value) for mark, value in put.items()]
    touched = {*put, *remove}
    kept = [tag for tag in machine_tags if tag in wanted or mark_of(tag) not in touched]
    return (*kept, *(tag for tag in wanted if tag not in kept))


def change(
    what: str,
    instance_id: str,
    *,
    put: Mapping[contract.Mark, str],
    remove: Collection[contract.Mark],
    read: Callable[[str], Row | None],
    worn: Callable[[Row], tuple[str, ...]],
    write: Callable[[Row, tuple[str, ...]], object],
) -> Row:
    """Change the marks of a machine whose marks are tags; return it as it is shown then.

    The one way of :meth:`providers.contract.Marking.mark`: ``read`` gives the machine, or None when
    it is certainly gone, ``worn`` its tags, ``write`` brings them to what they should be; it is not
    called when nothing would change. ``what`` names a machine in the vendor's words. Raises
    BadOrder, nothing written, and NoAnswerError when what is shown is not what was written.
    """

    def standing() -> Row:
        row = read(instance_id)
        if row is None:
            raise errors.BadOrder(f"there is no {what} {instance_id}: its marks cannot be changed")
        return row

    try:
        check_change(put, remove)
    except ValueError as error:
        raise errors.BadOrder(str(error)) from error
    row = standing()
    before = worn(row)
    wanted = changed(before, put=put, remove=remove)
    if wanted == before:
        return row
    write(row, wanted)
    row = standing()
    after = worn(row)
    if changed(after, put=put, remove=remove) != after:
        raise noanswer.NoAnswerError(
            f"the tags of {what} {instance_id} were written and are not shown: does somebody else "
            "write them too, or did somebody first write one in capitals?"
        )
    return row


def mark_of(tag: str) -> contract.Mark | None:
    """Return which mark of ours a tag is, whatever its value; None for a user's own."""
    for mark, bare in _BARE.items():
        if tag == bare:
            return mark
    return next((mark for mark, prefix in _PREFIXES.items() if tag.startswith(prefix)), None)


def is_made_for(machine_tags: Collection[str], order: contract.Order) -> bool:
    """Return whether a machine is the one that an order asks for, joined by now or not.

    By cluster, node name and identity: a machine of another cluster of the same name is not.
    """
    return (
        is_ours(machine_tags, order.cluster)
        and is_node(machine_tags, order.node_name)
        and read(machine_tags).identity == order.identity
    )


def is_fresh(machine_tags: Collection[str], order: contract.Order) -> bool:
    """Return whether a machine that was just made carries every mark of its order."""
    mark = read(machine_tags)
    return is_made_for(machine_tags, order) and mark.group == order.group and mark.unjoined


def neighbours(machines: Iterable[Collection[str]]) -> tuple[contract.Neighbour, ...]:
    """Count machines, given by their tags, by the clusters and identities that these name."""
    return counted(
        (tag.removeprefix(CLUSTER), read(worn).identity)
        for worn in machines
        for tag in set(worn)
        if tag.startswith(CLUSTER)
    )


def counted(machines: Iterable[tuple[str, str]]) -> tuple[contract.Neighbour, ...]:
    """Count machines, given as (cluster, identity), as Neighbourly returns them."""
    counts = collections.Counter(machines)
    return tuple(
        contract.Neighbour(cluster=cluster, identity=identity, count=count)
        for (cluster, identity), count in sorted(counts.items())
    )


def is_ours(machine_tags: Collection[str], cluster: str) -> bool:
    """Return whether a machine with these tags is of a cluster: by equality of the whole tag."""
    wanted = cluster_tag(cluster)
    return any(tag == wanted for tag in machine_tags)


def is_node(machine_tags: Collection[str], node_name: str) -> bool:
    """Return whether a machine with these tags is of a node name; no name is nobody's."""
    return bool(node_name) and any(tag == NODE + node_name for tag in machine_tags)


def read(machine_tags: Collection[str]) -> Marks:
    """Read the marks of a machine of ours."""
    return Marks(
        group=_only(GROUP, machine_tags),
        node_name=_only(NODE, machine_tags),
        identity=identity_of(_values(IDENTITY, machine_tags)),
        unjoined=UNJOINED in machine_tags,
        adopted=ADOPTED in machine_tags,
    )


def candidate(
    instance: contract.Instance, name: str, machine_tags: Collection[str]
) -> contract.Candidate:
    """Show a machine, whosever it is, with what its tags say."""
    clusters = _values(CLUSTER, machine_tags)
    others = (tag.partition(":") for tag in machine_tags if mark_of(tag) is None)
    return contract.Candidate(
        instance=instance,
        cluster=contract.NOBODYS if len(clusters) > 1 else "".join(clusters),
        name=name,
        labels=frozenset((key, value) for key, _, value in others),
    )


def _only(prefix: str, machine_tags: Collection[str]) -> str:
    found = _values(prefix, machine_tags)
    return found.pop() if len(found) == 1 else ""


def _values(prefix: str, machine_tags: Collection[str]) -> set[str]:
    return {tag.removeprefix(prefix) for tag in machine_tags if tag.startswith(prefix)}


def _label(key: str, value: str) -> str:
    tag = f"{key}:{value}" if value else key
    if mark_of(tag) is not None:
        raise ValueError(f"the label {tag!r} would pass for one of our own marks")
    return _fitting(tag)


def _tag(prefix: str, value: str) -> str:
    if not value:
        raise ValueError(f"the mark {prefix!r} needs a name")
    return _fitting(prefix + value)


def _fitting(tag: str) -> str:
    if not SHORTEST <= len(tag) <= LONGEST:
        raise ValueError(
            f"the tag {tag!r} has {len(tag)} characters; {SHORTEST} to {LONGEST} fit every cloud"
        )
    if not _TAG.fullmatch(tag):
        raise ValueError(
            f"the tag {tag!r} may only hold lower-case letters, digits, ':', '-' and '_'"
        )
    return tag
