"""Recognise the release of Cluster Autoscaler (CA) that is asking, by what it sends.

The protocol carries no version, but every release sends its default options with each
NodeGroupGetOptions, and the fields changed over time: the provision time came in 1.29, the
google durations beside the old ones in 1.34.2, and in 1.35 the old ones went.
"""

from __future__ import annotations

import enum
from typing import Final

from externalgrpc.pb import externalgrpc_pb2 as wire

_OLD: Final = ("legacyScaleDownUnneededTime", "legacyScaleDownUnreadyTime")
_OLD_PROVISION: Final = "legacyMaxNodeProvisionTime"
_NEW: Final = ("scaleDownUnneededDuration", "scaleDownUnreadyDuration", "MaxNodeProvisionDuration")


class Generation(enum.Enum):
    """Releases of CA that send the same fields, and so look the same."""

    UNKNOWN = "unknown"
    """No options were sent, or a mix that no release sends: not an autoscaler that we know."""
    UP_TO_1_28 = "1.28 or older"
    """Reads the provision time from options that cannot carry it (k/a#5935)."""
    FROM_1_29 = "1.29 to 1.34.1"
    FROM_1_34_2 = "1.34.2 to 1.34.5"
    FROM_1_35 = "1.35 or newer"
    """Reads the startup time from options that cannot carry it (k/a#10245)."""

    @property
    def may_forget(self) -> bool:
        """Return whether this CA, restarted, may ask again for machines that are under way.

        1.36 and later do; they look like 1.35, which does not. A caller that we cannot place may.
        """
        return self in (Generation.FROM_1_35, Generation.UNKNOWN)


def generation_of(request: wire.NodeGroupAutoscalingOptionsRequest) -> Generation:
    """Recognise the caller by the default options in its request."""
    if not request.HasField("defaults"):
        return Generation.UNKNOWN
    sent = request.defaults
    old = sum(sent.HasField(name) for name in _OLD)
    provision = sent.HasField(_OLD_PROVISION)
    new = sum(sent.HasField(name) for name in _NEW)
    match (old, provision, new):
        case (2, False, 0):
            return Generation.UP_TO_1_28
        case (2, True, 0):
            return Generation.FROM_1_29
        case (2, True, 3):
            return Generation.FROM_1_34_2
        case (0, False, 3):
            return Generation.FROM_1_35
        case _:
            return Generation.UNKNOWN
