"""Which cluster is it? The UID of its namespace kube-system, shortened, is its identity.

That namespace is made with the cluster and lives as long as it does; a cluster that is built anew,
or another one with the same configuration, has another UID.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from typing import Final

from externalgrpc.kube import api, errors, refusals
from externalgrpc.support import logs

PATH: Final = "/api/v1/namespaces/kube-system"
LENGTH: Final = 10
"""So many hexadecimal digits: two clusters of one account are alike once in 10^12."""

_LOG = logs.Log("kube")


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """The cluster's identity: ten hexadecimal digits."""

    identity: str


Answer = Known | refusals.Withheld | refusals.NotYet
"""Where it is withheld, we serve as a cluster without identity."""


def shortened(uid: str) -> str:
    """Make the identity of a namespace's UID."""
    return hashlib.sha256(uid.encode()).hexdigest()[:LENGTH]


def read(of: api.Api) -> Answer:
    """Ask once; blocks, raises nothing that an API server can bring about. Idempotent.

    A refusal is believed as :mod:`externalgrpc.kube.refusals` says; never that the server does not
    know our credential (401).
    """
    try:
        namespace = refusals.get(of, PATH)
    except refusals.Refused as error:
        return refusals.Withheld(str(error))
    except errors.KubeError as error:
        return refusals.NotYet(str(error))
    about = namespace.get("metadata")
    uid = about.get("uid") if isinstance(about, dict) else None
    if not isinstance(uid, str) or not uid:
        return refusals.NotYet(f"GET {PATH}: the answer names no uid")
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
            case refusals.Withheld(why):
                _LOG.warning(
                    "cluster identity not readable: another cluster of this name looks the same",
                    cure="kubectl apply -f deploy/rbac.yaml (get of the namespace kube-system)",
                    error=why,
                )
            case refusals.NotYet(why):
                _LOG.warning("cluster identity not known yet: asking again", error=why)
        return answer
