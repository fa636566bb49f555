"""Lead a Service to the server that acts: the one endpoint of an EndpointSlice is its holder.

Readiness is not what distinguishes them: a server that stands by is well, and a Deployment with one
pod that is never ready never comes to the end of a roll-out. A label on the own pod would take the
right to change any pod of the namespace, and stays on the pod of a node that died.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from externalgrpc.kube import api, errors
from externalgrpc.support import clock, logs

_LOG = logs.Log("leading")

MANAGER: Final = "vps-autoscaler"
SUFFIX: Final = "-leader"
AGAIN_S: Final = 20.0
"""It is written again after so long, whoever changed it meanwhile."""


class Announcer:
    """Write the EndpointSlice of a Service without a selector, on a thread of its own.

    The Lease must not wait for it. ``of`` must refuse to write for one that does not hold that. The
    slice goes with its Service.
    """

    def __init__(
        self,
        of: api.Api,
        *,
        namespace: str,
        service: str,
        endpoint: tuple[str, int],
        time_source: clock.Clock,
        holds: Callable[[], bool],
    ) -> None:
        self._api = of
        self._path = (
            f"/apis/discovery.k8s.io/v1/namespaces/{api.segment(namespace)}"
            f"/endpointslices/{api.segment(service)}{SUFFIX}"
        )
        self._of = f"/api/v1/namespaces/{api.segment(namespace)}/services/{api.segment(service)}"
        self._service, self._namespace = service, namespace
        self._host, self._port = endpoint
        self._clock = time_source
        self._holds = holds
        self._written_at = float("-inf")
        self._failed = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, every_s: float) -> None:
        """Begin to look every so many seconds whether there is something to be written."""

        def run() -> None:
            while not self._stopping.wait(every_s):
                self.look()

        self._thread = threading.Thread(target=run, name="leading-service", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write no more; returns at once."""
        self._stopping.set()

    def look(self) -> None:
        """Write that it is us, if it is and that is due."""
        now = self._clock.monotonic()
        if not self._holds():
            self._written_at = float("-inf")
            return
        if now - self._written_at < AGAIN_S:
            return
        try:
            about = self._api.get(self._of).get("metadata")
            uid = str(about.get("uid")) if isinstance(about, dict) else ""
            self._api.apply(self._path, self._slice(uid), manager=MANAGER)
        except errors.NotLeading:
            return
        except errors.KubeError as error:
            if self._failed != type(error).__name__:
                _LOG.warning(
                    "the Service does not lead here",
                    error=str(error),
                    cure="a Service of that name, and deploy/leader-election.yaml",
                )
            self._failed = type(error).__name__
            return
        if self._written_at < 0:
            _LOG.info("the Service leads here", service=self._service)
        self._failed, self._written_at = "", now

    def _slice(self, uid: str) -> api.Object:
        owner = {"apiVersion": "v1", "kind": "Service", "name": self._service, "uid": uid}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{self._service}{SUFFIX}",
                "namespace": self._namespace,
                "ownerReferences": [owner],
                "labels": {
                    "kubernetes.io/service-name": self._service,
                    "endpointslice.kubernetes.io/managed-by": MANAGER,
                },
            },
            "addressType": "IPv6" if ":" in self._host else "IPv4",
            "endpoints": [{"addresses": [self._host], "conditions": {"ready": True}}],
            "ports": [{"name": "grpc", "port": self._port, "protocol": "TCP"}],
        }
