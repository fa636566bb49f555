"""Which cluster is it? The UID of its namespace kube-system, shortened, is its identity.

That namespace is made with the cluster and lives as long as it does; a cluster that is built anew,
or another one with the same configuration, has another UID.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http
import threading
from typing import Final

from externalgrpc.kube import api, errors, nodes
from externalgrpc.support import logs

PATH: Final = "/api/v1/namespaces/kube-system"
LENGTH: Final = 10
"""So many hexadecimal digits: two clusters of one account are alike once in 10^12."""

_LOG = logs.Log("kube")


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """The cluster's identity: ten hexadecimal digits."""

    identity: str


@dataclasses.dataclass(frozen=True, slots=True)
class Withheld:
    """We may not read it and may read all else: served as a cluster without identity."""

    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody knows: ask again, and take it for neither of the others meanwhile."""

    why: str


Answer = Known | Withheld | NotYet


def shortened(uid: str) -> str:
    """Make the identity of a namespace's UID."""
    return hashlib.sha256(uid.encode()).hexdigest()[:LENGTH]


def read(of: api.Api) -> Answer:
    """Ask once; blocks, raises nothing that an API server can bring about. Idempotent.

    A refusal is believed only when it stands after Nodes could be read: an API server that has
    just started refuses everything until it knows its roles, and that is no word on our rights
    (the same role gives both). Nor is it when it does not know our credential (401).
    """
    try:
        namespace = of.get(PATH)
    except errors.KubeError as error:
        if error.status != http.HTTPStatus.FORBIDDEN:
            return NotYet(str(error))
        if (nothing := nodes_refused(of)) is not None:
            return nothing
        try:
            namespace = of.get(PATH)
        except errors.KubeError as again:
            denied = again.status == http.HTTPStatus.FORBIDDEN
            return Withheld(str(again)) if denied else NotYet(str(again))
    about = namespace.get("metadata")
    uid = about.get("uid") if isinstance(about, dict) else None
    if not isinstance(uid, str) or not uid:
        return NotYet(f"GET {PATH}: the answer names no uid")
    return Known(shortened(uid))


class Reader:
    """Ask as often as one likes, and log each thing once; callable from many threads."""

    def __init__(self, of: api.Api) -> None:
        self._api = of
        self._lock = threading.Lock()
        self._logged: set[object] = set()

    def read(self) -> Answer:
        """Ask once, as :func:`read` does; write a line for each new thing."""
        answer = read(self._api)
        # Trouble differs in its words each time; it is the same trouble.
        key = answer if isinstance(answer, Known) else type(answer)
        with self._lock:
            if key in self._logged:
                return answer
            self._logged = {key} if isinstance(answer, Known) else {*self._logged, key}
        match answer:
            case Known(identity):
                _LOG.info("cluster identity", identity=identity)
            case Withheld(why):
                _LOG.warning(
                    "cluster identity not readable: another cluster of this name looks the same",
                    cure="kubectl apply -f deploy/rbac.yaml (get of the namespace kube-system)",
                    error=why,
                )
            case NotYet(why):
                _LOG.warning("cluster identity not known yet: asking again", error=why)
        return answer


def nodes_refused(of: api.Api) -> NotYet | None:
    """Say that not even Nodes may be read: a refusal is no word on our rights. None: they may."""
    try:
        of.get(nodes.PATH, {"limit": "1"})
    except errors.KubeError as error:
        return NotYet(f"neither the namespace kube-system nor Nodes may be read: {error}")
    return None
