"""Follow the certificate requests of joining machines, and approve those that are right.

Watching alone shows that a machine has come so far ("CSR seen"). Approving is for clusters where
tokens are in a group of our own (:data:`externalgrpc.kube.tokens.OWN_GROUP`), which nobody else
approves: see deploy/own-approval.yaml.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterable
from typing import Final

from externalgrpc.kube import api, csr, errors, nodes, reflector, tokens, tries
from externalgrpc.support import clock, logs

PATH: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

LOGGED_EACH: Final = 3
"""So many requests of one token are logged one by one when they are not approved."""

GONE_S: Final = 2 * tokens.LONGEST_S
"""Who was a Node is remembered for so long after it is gone: longer than its token lives."""

_LOG = logs.Log("kube")


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

    A phase signal, no judgement: what is approved is decided by :meth:`Approver.approve`.
    """
    wanted = request.wanted.node_name
    return wanted if wanted and minted_for(request.token_id, wanted) else ""


class Approver:
    """Approve what is right; log what is not, and leave it to people.

    What is not right stays undecided and gets no certificate: a denial could not be taken back,
    and would let whoever asks in a machine's name stop the machine itself (docs/decisions/0017).

    ``expected`` says whether a machine of that name was ordered and has not registered yet.
    ``listed`` gives all requests that are known now.
    """

    def __init__(
        self,
        of: api.Api,
        *,
        minted: tokens.Tokens,
        auth_group: str,
        expected: Callable[[str], bool],
        listed: Callable[[], Iterable[csr.Request]],
        time_source: clock.Clock,
    ) -> None:
        self._api = of
        self._minted = minted
        self._auth_group = auth_group
        self._expected = expected
        self._listed = listed
        self._clock = time_source
        self._sent: set[str] = set()
        self._logged: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._nodes: dict[str, float] = {}

    def concerns(self, request: csr.Request) -> bool:
        """Return whether a request is to be judged: undecided, and of a token that only we approve.

        A token that has asked for too much that is wrong is not listened to any more: judging
        takes longer the more is listed.
        """
        logged = self._logged.get(request.token_id, ())
        ours = bool(request.token_id) and self._auth_group in request.groups
        return ours and not request.decided and len(logged) <= LOGGED_EACH

    def node(self, before: nodes.Node | None, after: nodes.Node | None) -> None:
        """Note what a Node was and is (None: not there); what was a node is no new machine."""
        with self._lock:
            if after is not None:
                self._nodes[after.name] = math.inf
            elif before is not None:
                now = self._clock.monotonic()
                self._nodes[before.name] = now + GONE_S
                over = [name for name, until in self._nodes.items() if until < now]
                for name in over:
                    del self._nodes[name]

    def approve(self, token_id: str) -> int:
        """Approve what is right of all that one token asks; return how many were approved now.

        Judged together and from the list, so that a thousand requests are one job. Idempotent;
        for one thread. Raises KubeError: Conflict also when all is right but no such machine is
        expected, which after a restart is a matter of time.
        """
        every = tuple(self._listed())
        self._forget(every)
        machines = self._right(every, token_id)
        done, unexpected = 0, ""
        for node_name, tries_of_it in machines.items():
            right = self._judge(node_name, tries_of_it)
            if right and not self._expected(node_name):
                unexpected = node_name
                continue
            if right and not self._seen(node_name) and self._there(node_name):
                right = self._judge(node_name, tries_of_it, seen=True)
            done += sum(self._approve(each) for each in right)
        if unexpected:
            raise errors.Conflict(f"no machine {unexpected} is expected", operation=f"PUT {PATH}")
        return done

    def _right(self, every: Iterable[csr.Request], token_id: str) -> dict[str, list[csr.Request]]:
        """Return what is right by itself, by machine, of those that a token asks to become."""
        by_name: dict[str, list[csr.Request]] = {}
        for each in every:
            if each.token_id != token_id or self._auth_group not in each.groups or each.decided:
                continue
            if why := self._objection(each):
                self._report(each, why)
            else:
                by_name[each.wanted.node_name] = []
        for each in every:
            if each.wanted.node_name in by_name and not self._objection(each):
                by_name[each.wanted.node_name].append(each)
        return by_name

    def _objection(self, request: csr.Request) -> str:
        return csr.objection(
            request, auth_group=self._auth_group, minted_for=self._minted.minted_for
        )

    def _judge(
        self, node_name: str, of_it: list[csr.Request], *, seen: bool = False
    ) -> list[csr.Request]:
        """Return those that may be approved, and log the others."""
        verdicts = tries.judge(of_it, sent=self._sent, seen=seen or self._seen(node_name))
        oldest = self._api.server_unix() - tokens.LONGEST_S
        right = []
        for each in sorted(of_it, key=lambda each: (each.created_at, each.name)):
            why = verdicts.get(each.name)
            if why == "" and each.created_at and each.created_at < oldest:
                why = "it is older than any token of ours lives"
            if why:
                self._report(each, why)
            elif why == "":
                right.append(each)
        return right

    def _seen(self, node_name: str) -> bool:
        with self._lock:
            return node_name in self._nodes

    def _there(self, node_name: str) -> bool:
        """Ask for a Node that no watch has shown: it may have come since. Raises KubeError."""
        try:
            self._api.get(f"{nodes.PATH}/{api.segment(node_name)}")
        except errors.NotFound:
            return False
        return True

    def _approve(self, request: csr.Request) -> bool:
        """Approve one request; return whether it was done now. Raises KubeError.

        It is read again first, so that what was judged is what is approved; the API server holds
        the approval to the version that was read.
        """
        path = f"{PATH}/{api.segment(request.name)}"
        try:
            latest = self._api.get(path)
        except errors.NotFound:
            return False
        if csr.read(latest) != request:
            # It was decided, or is another of that name: the watch shows it and has us called.
            return False
        condition = {
            "type": "Approved",
            "status": "True",
            "reason": "MachineOfOurs",
            "message": "vps-autoscaler ordered this machine and minted the token for it",
        }
        latest["status"] = {**(latest.get("status") or {}), "conditions": [condition]}
        # Its key counts from now on, until the list shows it: the answer may be lost.
        self._sent.add(request.uid)
        try:
            self._api.put(f"{path}/approval", latest)
        except errors.Unreachable:
            raise
        except errors.KubeError:
            self._sent.discard(request.uid)
            raise
        _LOG.info("certificate request approved", request=request.name, name=_name(request))
        return True

    def _forget(self, every: tuple[csr.Request, ...]) -> None:
        """Forget what the list says by now, or holds no longer."""
        self._sent &= {each.uid for each in every if not each.decided}
        asking = {each.token_id for each in every}
        self._logged = {key: names for key, names in self._logged.items() if key in asking}

    def _report(self, request: csr.Request, why: str) -> None:
        """Write a line, once for a request, and a few for all of a token's."""
        logged = self._logged.setdefault(request.token_id, set())
        if request.name in logged or len(logged) > LOGGED_EACH:
            return
        logged.add(request.name)
        if len(logged) > LOGGED_EACH:
            _LOG.warning(
                "more certificate requests left alone, not logged one by one",
                username=request.username,
            )
            return
        _LOG.warning(
            "certificate request left alone",
            request=request.name,
            username=request.username,
            wants=_name(request),
            reason=why,
        )


def _name(request: csr.Request) -> str:
    return request.wanted.node_name
