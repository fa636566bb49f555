"""Follow the certificate requests of joining machines, and approve those that are right.

Watching alone tells that a machine has come so far ("CSR seen"). Approving is for clusters where
tokens are in a group of our own (:data:`externalgrpc.kube.tokens.OWN_GROUP`), which nobody else
approves: see deploy/own-approval.yaml.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from externalgrpc import clock, events
from externalgrpc.kube import api, csr, errors, reflector, tokens

PATH: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

_LOG = events.Log("kube")


class Requests(reflector.Reflector[csr.Request]):
    """The kubelets' client certificate requests, followed."""

    def __init__(
        self,
        of: api.Api,
        *,
        on_change: Callable[[csr.Request | None, csr.Request | None], None],
        time_source: clock.Clock,
        chance: random.Random,
        timing: reflector.Timing | None = None,
    ) -> None:
        super().__init__(
            of,
            PATH,
            csr.read,
            on_change=on_change,
            time_source=time_source,
            chance=chance,
            query={"fieldSelector": f"spec.signerName={csr.SIGNER}"},
            timing=timing,
        )


def requester(request: csr.Request, minted_for: Callable[[str, str], bool]) -> str:
    """Name the machine whose own token asks to become it; "" for any other request.

    A phase signal, no judgement: what is approved is decided by :func:`approve`.
    """
    if not request.token_id:
        return ""
    wanted = csr.subject(request.pem).node_name
    return wanted if wanted and minted_for(request.token_id, wanted) else ""


class Approver:
    """Approve what is right; tell what is not, once, and leave it to people.

    ``expected`` tells whether a machine of that name was ordered and has not registered yet.
    """

    def __init__(
        self,
        of: api.Api,
        *,
        minted: tokens.Tokens,
        auth_group: str,
        expected: Callable[[str], bool],
    ) -> None:
        self._api = of
        self._minted = minted
        self._auth_group = auth_group
        self._expected = expected

    def concerns(self, request: csr.Request) -> bool:
        """Tell whether an undecided request comes from the group that only we approve."""
        return not request.decided and self._auth_group in request.groups

    def approve(self, request: csr.Request) -> bool:
        """Approve a request if it is right; tell whether it was approved now. Idempotent.

        It is read again first, so that what is judged is what is approved; the API server holds
        the approval to the version that was read. Raises KubeError: Conflict also when all is
        right but no such machine is expected, which after a restart is a matter of time.
        """
        path = f"{PATH}/{api.segment(request.name)}"
        try:
            told = self._api.get(path)
        except errors.NotFound:
            return False
        found = csr.read(told)
        if found is None or found.uid != request.uid or found.decided:
            return False
        why = csr.objection(
            found,
            auth_group=self._auth_group,
            minted_for=self._minted.minted_for,
        )
        if why:
            _LOG.warning(
                "certificate request left alone",
                request=found.name,
                username=found.username,
                reason=why,
            )
            return False
        node_name = csr.subject(found.pem).node_name
        if not self._expected(node_name):
            raise errors.Conflict(f"no machine {node_name} is expected", operation=f"GET {path}")
        condition = {
            "type": "Approved",
            "status": "True",
            "reason": "MachineOfOurs",
            "message": "vps-autoscaler ordered this machine and minted the token for it",
        }
        told["status"] = {**(told.get("status") or {}), "conditions": [condition]}
        self._api.put(f"{path}/approval", told)
        _LOG.info("certificate request approved", request=found.name, name=node_name)
        return True
