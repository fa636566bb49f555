"""Write a machine's marks as flat tags, and read them back.

Clouds without key/value labels (Linode, DigitalOcean, Vultr) carry three tags on every machine::

    vps-cluster:<cluster>    vps-group:<group>    n:<node name>

They stay readable, so that a machine whose group left the configuration still names it. The
strictest cloud of each rule sets it for all: 3 to 50 characters (Linode) of lower-case letters,
digits, ``:``, ``-`` and ``_`` (DigitalOcean, whose tags keep the case of their first use). That is
why the node's prefix is so short: names of up to 48 characters fit, and ours have at most 47.

Whose a machine is, is decided by equality of a whole tag, never by a part of one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from typing import Final

CLUSTER: Final = "vps-cluster:"
GROUP: Final = "vps-group:"
NODE: Final = "n:"

SHORTEST: Final = 3
LONGEST: Final = 50

_TAG: Final = re.compile(r"[a-z0-9:_-]+", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a machine's tags say of it; empty where they say nothing, or two things at once."""

    group: str = ""
    node_name: str = ""


def cluster_tag(cluster: str) -> str:
    """Give the tag of a cluster's machines; raises ValueError when the name does not fit."""
    return _tag(CLUSTER, cluster)


def group_tag(group: str) -> str:
    """Give the tag of a group's machines; raises ValueError when the name does not fit."""
    return _tag(GROUP, group)


def node_tag(node_name: str) -> str:
    """Give the tag of a node's machine; raises ValueError when the name does not fit."""
    return _tag(NODE, node_name)


def tags(
    *, cluster: str, group: str, node_name: str, labels: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Give all tags of a machine: its marks, then the user's labels as ``key:value``.

    A label without a value becomes its bare key. Raises ValueError, with a sentence for a
    person, for what does not fit and for a label that would pass for a mark.
    """
    ours = (cluster_tag(cluster), group_tag(group), node_tag(node_name))
    return (*ours, *(_label(key, value) for key, value in sorted((labels or {}).items())))


def is_ours(machine_tags: Collection[str], cluster: str) -> bool:
    """Tell whether a machine with these tags is of a cluster: by equality of the whole tag."""
    wanted = cluster_tag(cluster)
    return any(tag == wanted for tag in machine_tags)


def is_node(machine_tags: Collection[str], node_name: str) -> bool:
    """Tell whether a machine with these tags is of a node name; no name is nobody's."""
    return bool(node_name) and any(tag == NODE + node_name for tag in machine_tags)


def read(machine_tags: Collection[str]) -> Marks:
    """Read the marks of a machine of ours."""
    return Marks(group=_only(GROUP, machine_tags), node_name=_only(NODE, machine_tags))


def _only(prefix: str, machine_tags: Collection[str]) -> str:
    found = {tag.removeprefix(prefix) for tag in machine_tags if tag.startswith(prefix)}
    return found.pop() if len(found) == 1 else ""


def _label(key: str, value: str) -> str:
    tag = f"{key}:{value}" if value else key
    if tag.startswith((CLUSTER, GROUP, NODE)):
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
