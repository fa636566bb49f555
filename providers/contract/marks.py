"""What a machine carries of ours."""

from __future__ import annotations

import enum
from typing import Final

NOBODYS: Final = "?"
"""The :attr:`Instance.identity` of a machine whose marks name two clusters' identities at once, or
what is no identity at all. It equals nobody's: neither a cluster's own nor that of a machine of an
older version, which has none ("")."""


class Mark(enum.Enum):
    """What a machine carries of ours; a cloud writes each as a label, or as a flat tag.

    The value of UNJOINED is :data:`UNJOINED_VALUE`, whatever the cloud writes for it; that of
    IDENTITY is 10 lower-case hexadecimal digits; the others hold the names of :class:`Order`.
    ADOPTED has the value of UNJOINED, and no order carries it: it says that a person put the marks
    on a machine that stood.
    """

    CLUSTER = "cluster"
    GROUP = "group"
    NODE = "node"
    IDENTITY = "identity"
    UNJOINED = "unjoined"
    ADOPTED = "adopted"


UNJOINED_VALUE: Final = "true"
