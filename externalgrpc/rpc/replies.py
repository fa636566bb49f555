"""Replies that are serialized once for a state of the fleet, and asked for thousands of times.

A loop of Cluster Autoscaler 1.36 makes five calls a node and asks each group's NodeGroupNodes
several times, while nothing changes. The fleet itself knows no bytes: it says which state this is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from google.protobuf import message as protobuf

from externalgrpc.fleet import state, view


class Replies:
    """The replies of the last state that was asked for; callable from any thread, without a lock.

    Two threads that miss the same reply both make it: they make the same.
    """

    def __init__(self) -> None:
        self._kept: tuple[object, dict[Hashable, bytes]] = (None, {})

    def once(
        self, fleet: state.Fleet, key: Hashable, make: Callable[[], protobuf.Message]
    ) -> bytes:
        """Return the reply of this key and state; what raises is not kept."""
        version = view.version(fleet)
        of, made = self._kept
        if of is not version:
            made = {}
            self._kept = (version, made)
        reply = made.get(key)
        if reply is None:
            reply = made[key] = make().SerializeToString()
        return reply
