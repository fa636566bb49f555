"""Name the lines by which a person does what the server never does on its own.

Ids and identities come from clouds: what they hold is quoted, so that a line that is copied into
a shell is one command whatever they hold.
"""

from __future__ import annotations

import shlex

from providers import contract


def purge(provider_id: str) -> str:
    """Return the line that deletes one machine."""
    return f"vps-autoscaler purge --config FILE --machine {shlex.quote(provider_id)}"


def purge_identity(identity: str) -> str:
    """Return the line that deletes all machines of an identity; empty for those without one.

    Machines of several identities go one by one.
    """
    if identity == contract.NOBODYS:
        return "vps-autoscaler purge --config FILE --machine PROVIDER_ID"
    return f"vps-autoscaler purge --config FILE --identity {shlex.quote(identity or 'none')}"
