"""Tell whether the machines of a group can become nodes at all."""

from __future__ import annotations

from externalgrpc import clouds, groups


def cannot_join(group: groups.NodeGroup, cloud: clouds.Cloud) -> str:
    """Say why a group's machines would never become nodes, or "" when they can.

    Such a group loads, ``check`` fails on it, and a running server leaves it out with this
    sentence as the reason: machines that nobody can use cost money all the same.
    """
    if group.join or clouds.joins_by_itself(cloud):
        return ""
    return (
        "its machines have no way to join the cluster: give the group a userDataFile, "
        "or join: image when its image does it"
    )
