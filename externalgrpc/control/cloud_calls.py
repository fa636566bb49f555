"""Find the call of a request: what carries it to a cloud, and its answer into the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.control import call, reads, writes
from externalgrpc.fleet import requests

KINDS: Final[Mapping[type[requests.Request], type[call.Call[Any, Any]]]] = {
    requests.ListInstances: reads.ListInstances,
    requests.ReadCatalogue: reads.ReadCatalogue,
    requests.LookUp: reads.LookUp,
    requests.LookUpMissing: reads.LookUpMissing,
    requests.ReadNeighbours: reads.ReadNeighbours,
    requests.ReadLeftovers: reads.ReadLeftovers,
    requests.Create: writes.Create,
    requests.Finish: writes.Finish,
    requests.Delete: writes.Delete,
    requests.Mark: writes.Mark,
    requests.Tidy: writes.Tidy,
}


def of(request: requests.Request) -> call.Call[Any, Any]:
    """Return the call of a request; what its answer is, the call alone knows."""
    return KINDS[type(request)](request)
