"""Prove that nothing of a trial is left: ask whoever might still have something of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.support import logs
from providers import contract, errors

_LOG = logs.Log("trial")

AGAIN_S = 5.0
"""How often what could not be proved, or was still there, is asked about again."""

ANSWER_S = 60.0
"""How long an account's lane may take to ask the cloud."""


class Tokens(Protocol):
    """What is asked of a cluster."""

    def end_token(self, node_name: str) -> None:
        """Delete a machine's token now, if there is one; blocks. Raises KubeError."""
        ...


class Proving:
    """Ask, in a thread of its own, until nothing is left; :meth:`look` says how far that is.

    Begun when listings agree that the machine is gone and the cluster shows no Node of it.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        cluster: Tokens | None,
        *,
        account: str,
        trial: str,
        node_names: frozenset[str],
    ) -> None:
        self._reconciler = reconciler
        self._cluster = cluster
        self._account = account
        self._trial = trial
        self._names = node_names
        self._again_at = float("-inf")
        self._asking: threading.Thread | None = None
        self._left: tuple[str, ...] = ("what else was made is looked for",)
        self.found: tuple[str, ...] = ()

    def look(self, now: float) -> list[str]:
        """Return what is left, or not known to be gone; nothing once it is proved. Never blocks."""
        if self._asking is not None and self._asking.is_alive():
            return list(self._left)
        if self._left and now >= self._again_at:
            self._again_at = now + AGAIN_S
            self._asking = threading.Thread(target=self._ask, name="trial-proof", daemon=True)
            self._asking.start()
        return list(self._left)

    def _ask(self) -> None:
        found = ["machines: none with the trial's mark, in two complete listings"]
        left: list[str] = []
        checks: list[Callable[[], tuple[str, str]]] = [self._beside]
        if self._cluster is not None:
            found.append(f"Node: none is named {' or '.join(sorted(self._names))}")
            checks.append(self._token)
        for check in checks:
            try:
                proof, rest = check()
            except Exception as error:  # noqa: BLE001 - nobody knows what is left; it is said
                _LOG.exception("a trial's end could not be proved")
                proof, rest = "", f"{type(error).__name__}: {error}"
            found += [proof] if proof else []
            left += [rest] if rest else []
        self.found = tuple(found)
        self._left = tuple(left)

    def _token(self) -> tuple[str, str]:
        """Delete the tokens once more: that none is there is the answer, for we may read none."""
        from externalgrpc.kube import errors as kube_errors  # noqa: PLC0415 - only with a cluster

        assert self._cluster is not None  # noqa: S101 - see above
        for name in sorted(self._names):
            try:
                self._cluster.end_token(name)
            except kube_errors.KubeError as error:
                return "", f"the join token of {name}, which is not known to be deleted: {error}"
        return "join token: deleted", ""

    def _beside(self) -> tuple[str, str]:
        """Find nothing of the trial's among what lies beside machines with our mark."""
        if untidy := self._untidy():
            return "", untidy
        provider = self._reconciler.runtimes()[self._account].provider
        if not isinstance(provider, contract.Leaving):
            made = isinstance(provider, contract.Tidying)
            cleared = "cleared" if made else "this cloud makes nothing for an order"
            return f"beside the machine: {cleared}", ""
        answer = self._leftovers(provider)
        if not isinstance(answer, tuple):
            return "", f"what lies beside machines could not be listed: {answer}"
        its = [each for each in answer if self._is_its(each.group, each.node_name)]
        if its:
            things = ", ".join(str(each) for each in its)
            return "", f"beside the machine: {things}; delete them at the cloud if they stay"
        return f"beside the machine: nothing of it among {len(answer)} with our mark", ""

    def _leftovers(
        self, provider: contract.Leaving
    ) -> tuple[contract.Leftover, ...] | errors.CloudError | str:
        """List what lies beside machines, within the account's rate budget."""
        answered = threading.Event()
        answers: list[tuple[contract.Leftover, ...] | errors.CloudError] = []

        def done(answer: tuple[contract.Leftover, ...] | errors.CloudError) -> None:
            answers.append(answer)
            answered.set()

        lane = self._reconciler.runtimes()[self._account].lane
        lane.read("leftovers", provider.leftovers, done)
        return answers[0] if answered.wait(ANSWER_S) else "the cloud has not answered yet"

    def _untidy(self) -> str:
        account = self._reconciler.fleet.accounts.get(self._account)
        untidy = account.untidy if account is not None else frozenset()
        if any(self._is_its(group, node) for group, node in untidy):
            return "what the order made beside its machine is being cleared"
        return ""

    def _is_its(self, group: str, node_name: str) -> bool:
        return group == self._trial or node_name in self._names
