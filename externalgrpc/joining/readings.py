"""Read what is no Node: which cluster it is, whether we are paused, what kubelets keep."""

from __future__ import annotations

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.joining import cluster
from externalgrpc.kube import errors as kube_errors
from externalgrpc.support import clock, logs

_LOG = logs.Log("registrar")


class Readings:
    """Ask for each thing when it is due, and give the reconciler what is news; of one thread.

    ``pause_s`` and ``kubelets_s`` are how often, in seconds, ``retry_s`` after nobody answered.
    """

    def __init__(
        self,
        of: cluster.Cluster,
        reconciler: Reconciler,
        *,
        time_source: clock.Clock,
        pause_s: float,
        kubelets_s: float,
        retry_s: float,
    ) -> None:
        self._cluster = of
        self._reconciler = reconciler
        self._clock = time_source
        self._pause_s = pause_s
        self._kubelets_s = kubelets_s
        self._retry_s = retry_s
        self._kubelets_at = float("-inf")
        self._identify_at = float("-inf")
        self._pause_at = float("-inf")

    def identity(self) -> None:
        """Read the cluster's identity until it is known: no order is sent before.

        Where we may not read it, it is asked for again now and then: the right may be given.
        """
        now = self._clock.monotonic()
        known = self._reconciler.fleet.identity
        if known or (known == "" and now < self._identify_at):
            return
        self._identify_at = now + self._kubelets_s
        found = self._cluster.identity()
        if found is not None:
            self._reconciler.identified(found)

    def pause(self) -> None:
        """Read whether we are paused when it is due; while nobody answers, less often."""
        now = self._clock.monotonic()
        if now < self._pause_at:
            return
        said, known = self._cluster.paused(), self._reconciler.fleet.annotation
        # Orders are held until it is known.
        hurry = said is not None or known is None
        wait_s = self._pause_s if hurry else self._retry_s
        self._pause_at = self._clock.monotonic() + wait_s
        if said is not None and said != known:
            self._reconciler.annotated(said)

    def kubelets(self) -> None:
        """Read the cluster's kubelet-config when it is due; what was read stays till then."""
        now = self._clock.monotonic()
        if now < self._kubelets_at:
            return
        self._kubelets_at = now + self._retry_s
        try:
            self._reconciler.kubelets(self._cluster.kubelet_config())
        except kube_errors.KubeError as error:
            _LOG.warning("kubelet-config not read", error=str(error))
        else:
            self._kubelets_at = now + self._kubelets_s
