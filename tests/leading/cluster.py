"""A Lease at an API server in memory, and processes that look at it on clocks of their own."""

from __future__ import annotations

import copy
from collections.abc import Callable

from externalgrpc.kube import api, errors

NAMESPACE, NAME = "ours", "the-lease"


class ApiServer:
    """One Lease, with versions; ``away`` answers nobody, ``loses`` the answers to writes only.

    Its clock and those of its clients are nobody's business: instants are texts to it.
    """

    def __init__(self) -> None:
        self.thing: api.Object | None = None
        self.away = False
        self.loses = False
        self.wall = 0.0
        self._versions = 0
        self._uids = 0

    def client(self, wall: Callable[[], float]) -> api.Api:
        """Connect; ``wall`` is the client's wall clock, which may say anything."""
        return _Client(self, wall)  # type: ignore[return-value]  # all that a Store asks of it

    def get(self) -> api.Object:
        self._answer()
        if self.thing is None:
            raise errors.NotFound("none", status=404)
        return copy.deepcopy(self.thing)

    def post(self, body: api.Object) -> api.Object:
        self._answer()
        if self.thing is not None:
            raise errors.Conflict("there", status=409)
        self._uids += 1
        return self._put(body, f"uid-{self._uids}")

    def put(self, body: api.Object) -> api.Object:
        self._answer()
        if self.thing is None:
            raise errors.NotFound("none", status=404)
        about = self.thing["metadata"]
        if body["metadata"]["resourceVersion"] != about["resourceVersion"]:
            raise errors.Conflict("another version", status=409)
        return self._put(body, about["uid"])

    def _put(self, body: api.Object, uid: str) -> api.Object:
        self._versions += 1
        self.thing = copy.deepcopy(body)
        self.thing["metadata"] |= {"uid": uid, "resourceVersion": str(self._versions)}
        if self.loses:
            raise errors.Unreachable("the answer was lost")
        return copy.deepcopy(self.thing)

    def _answer(self) -> None:
        if self.away:
            raise errors.Unreachable("cannot connect")


class _Client:
    def __init__(self, server: ApiServer, wall: Callable[[], float]) -> None:
        self._server = server
        self._wall = wall

    def server_unix(self) -> float:
        return self._wall()

    def get(self, _path: str) -> api.Object:
        return self._server.get()

    def post(self, _path: str, body: api.Object) -> api.Object:
        return self._server.post(body)

    def put(self, _path: str, body: api.Object) -> api.Object:
        return self._server.put(body)
