"""When is a refusal one? An API server that starts refuses everything until it knows its roles.

One that is no API server at all says 404 to everything. Both must not be taken for a word on our
rights, or on what the cluster has.
"""

from __future__ import annotations

import dataclasses
import http
from collections.abc import Collection, Mapping
from typing import Final

from externalgrpc.kube import api, errors, nodes

FORBIDDEN: Final = frozenset({http.HTTPStatus.FORBIDDEN})


class Refused(Exception):
    """The API server refuses this, and lets us read Nodes: a word on our rights, or its kinds.

    ``error`` is the refusal as it came the second time.
    """

    def __init__(self, error: errors.KubeError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclasses.dataclass(frozen=True, slots=True)
class Withheld:
    """The API server lets us read Nodes and not this: an answer, which may be acted upon."""

    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody knows: ask again, and take it for no answer meanwhile."""

    why: str


def get(
    of: api.Api,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    refusals: Collection[int] = FORBIDDEN,
) -> api.Object:
    """GET a path; blocks, idempotent.

    Raises Refused for a status of ``refusals`` that stands after Nodes could be read, which the
    same role gives, and KubeError for everything else, in which nobody knows: ask again.
    """
    try:
        return of.get(path, query)
    except errors.KubeError as error:
        if error.status not in refusals:
            raise
        first = error
    try:
        of.get(nodes.PATH, {"limit": "1"})
    except errors.KubeError as error:
        raise errors.KubeError(
            f"refused, as Nodes are: {error}", operation=first.operation, status=error.status
        ) from error
    try:
        return of.get(path, query)
    except errors.KubeError as error:
        if error.status != first.status:
            raise
        raise Refused(error) from error
