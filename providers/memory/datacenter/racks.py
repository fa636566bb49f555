"""Keep the machines of the memory cloud: what stands, what is going, what listings still show.

No lock, no clock, no chance: :class:`providers.memory.datacenter.Datacenter` has those.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import heapq
import itertools
from collections.abc import Mapping
from typing import Any

from providers import contract
from providers.memory.datacenter import options

_UNTIDY = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A machine; instants are Unix seconds.

    It boots until ``runs_at`` and is there until ``gone_at``, where that is known; whoever lists
    sees it as it was ``lag_s`` ago. ``cluster``, ``group``, ``node_name``, ``identity``,
    ``unjoined`` and ``adopted`` are the marks it carries, ``labels`` the user's own, ``name`` is
    what a console shows.
    """

    id: str
    name: str
    cluster: str = ""
    group: str = ""
    node_name: str = ""
    identity: str = ""
    unjoined: bool = False
    adopted: bool = False
    machine_type: str
    location: str
    image: str = ""
    addresses: tuple[str, ...] = ()
    created_at: float
    runs_at: float
    deleted_at: float | None = None
    gone_at: float | None = None
    powered_off: bool = False
    lag_s: float = 0.0
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user_data: str = dataclasses.field(default="", repr=False)

    def state(self, at: float) -> contract.InstanceState | None:
        """Return what the machine is doing at an instant; None when it is not there."""
        if at < self.created_at or (self.gone_at is not None and at >= self.gone_at):
            return None
        if self.deleted_at is not None and at >= self.deleted_at:
            return contract.InstanceState.DELETING
        if self.powered_off:
            return contract.InstanceState.STOPPED
        if at < self.runs_at:
            return contract.InstanceState.CREATING
        return contract.InstanceState.RUNNING


class Racks:
    """Every machine of a data centre, found by id, by name and by mark.

    ``unsaved`` says that something changed since it was last cleared.
    """

    def __init__(self) -> None:
        self.unsaved = False
        self._last_id = 1000
        self._servers: dict[str, Server] = {}
        # Every id of a machine or ghost, ascending; some that are no more, until it is tidied.
        self._order: list[int] = []
        self._ids: dict[tuple[str, ...], list[str]] = {}
        self._taken: collections.Counter[str] = collections.Counter()
        # Gone, but listings lag behind and show them still.
        self._ghosts: dict[str, Server] = {}
        self._leaving: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._servers)

    def __getitem__(self, server_id: str) -> Server:
        return self._servers[server_id]

    def get(self, server_id: str) -> Server | None:
        """Find a machine by id."""
        return self._servers.get(server_id)

    def all(self) -> tuple[Server, ...]:
        """Return every machine that is there, by id."""
        return tuple(sorted(self._servers.values(), key=_number))

    def next_id(self) -> str:
        """Mint an id; none is ever used twice."""
        self._last_id += 1
        return str(self._last_id)

    def named(self, name: str) -> Server | None:
        """Find the oldest machine of that display name."""
        return self._oldest(("name", name))

    def marked(self, cluster: str, node_name: str) -> Server | None:
        """Find the oldest machine with these marks."""
        return self._oldest(("marks", cluster, node_name))

    def taken(self, place: str) -> int:
        """Count the machines that stand in a ``type/location``."""
        return self._taken[place]

    def put(self, server: Server) -> None:
        """Set a machine up, or replace the one of the same id."""
        there = self._servers.get(server.id)
        if there is not None:
            self._forget_keys(there)
        elif not self._order or _number(server) > self._order[-1]:
            self._order.append(_number(server))
        else:
            bisect.insort(self._order, _number(server))
        self._servers[server.id] = server
        for key in _keys(server):
            self._ids.setdefault(key, []).append(server.id)
        self._taken[options.place(server.machine_type, server.location)] += 1
        if server.gone_at is not None:
            heapq.heappush(self._leaving, (server.gone_at, server.id))
        self.unsaved = True

    def sweep(self, now: float) -> None:
        """Take out the machines whose time has come."""
        while self._leaving and self._leaving[0][0] <= now:
            _, server_id = heapq.heappop(self._leaving)
            server = self._servers.get(server_id)
            # A machine that was put twice is in the heap twice, with two times.
            if server is None or server.gone_at is None or server.gone_at > now:
                continue
            self._take_out(server)
            if server.lag_s:
                self._ghosts[server_id] = server
        for server in tuple(self._ghosts.values()):
            if server.state(now - server.lag_s) is None:
                del self._ghosts[server.id]
        if len(self._order) > 2 * (len(self._servers) + len(self._ghosts)) + _UNTIDY:
            self._order = sorted(int(name) for name in (*self._servers, *self._ghosts))

    def page(self, now: float, *, cluster: str, after: int, size: int) -> tuple[Server, ...]:
        """Give up to ``size`` of a cluster's machines with ids above ``after``, as listings do.

        Ids only grow and a page begins after the last id of the one before, so that a machine
        that stands throughout is never missed.
        """
        found: list[Server] = []
        for number in itertools.islice(self._order, bisect.bisect_right(self._order, after), None):
            server = self._servers.get(str(number)) or self._ghosts.get(str(number))
            if server is None or server.cluster != cluster:
                continue
            if server.state(now - server.lag_s) is not None:
                found.append(server)
                if len(found) == size:
                    break
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """Write everything down as JSON values, except user-data: it holds credentials."""
        servers = [dataclasses.asdict(server) for server in self._servers.values()]
        for server in servers:
            del server["user_data"]
        return {"last_id": self._last_id, "servers": servers}

    def load(self, document: dict[str, Any]) -> None:
        """Become what a document says.

        Raises KeyError, TypeError or ValueError when it is no such document, changing nothing.
        """
        fresh = [
            Server(**{**item, "addresses": tuple(item["addresses"])}, user_data=self._secret(item))
            for item in document["servers"]
        ]
        last_id = int(document["last_id"])
        for server in tuple(self._servers.values()):
            self._take_out(server)
        self._leaving.clear()
        for server in fresh:
            self._ghosts.pop(server.id, None)
        self._order = sorted(int(server_id) for server_id in self._ghosts)
        for server in fresh:
            self.put(server)
        self._last_id = max(self._last_id, last_id)
        self.unsaved = False

    def _secret(self, fields: dict[str, Any]) -> str:
        there = self._servers.get(fields["id"])
        return there.user_data if there is not None else ""

    def _take_out(self, server: Server) -> None:
        self._forget_keys(server)
        del self._servers[server.id]

    def _forget_keys(self, server: Server) -> None:
        self._taken[options.place(server.machine_type, server.location)] -= 1
        for key in _keys(server):
            self._ids[key].remove(server.id)
            if not self._ids[key]:
                del self._ids[key]

    def _oldest(self, key: tuple[str, ...]) -> Server | None:
        ids = self._ids.get(key)
        return self._servers[min(ids, key=int)] if ids else None


def _number(server: Server) -> int:
    return int(server.id)


def _keys(server: Server) -> tuple[tuple[str, ...], ...]:
    return ("name", server.name), ("marks", server.cluster, server.node_name)
