"""Follow the objects of a kind that a cluster may lack, or that we may not be allowed to read."""

from __future__ import annotations

import http
import random
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from externalgrpc.kube import api, errors, reflector, refusals
from externalgrpc.support import clock

T = TypeVar("T", bound=reflector.Seen)


class Following(Generic[T]):
    """A copy of all objects of a kind that follows the API server.

    ``on_change`` is called on the watching thread whenever one changed, and must be quick.
    ``cures`` are the statuses that are a no (:mod:`externalgrpc.kube.refusals`), with what helps;
    ``on_refused`` is called with the first of a row of the same, and its cure. The server is asked
    again now and then.
    """

    def __init__(
        self,
        of: api.Api,
        path: str,
        read: Callable[[api.Object], T | None],
        *,
        cures: Mapping[http.HTTPStatus, str],
        on_change: Callable[[], None],
        on_refused: Callable[[errors.KubeError, str], None],
        time_source: clock.Clock,
        chance: random.Random,
        timing: reflector.Timing | None = None,
    ) -> None:
        self._api = of
        self._path = path
        self._cures = cures
        self._on_change = on_change
        self._on_refused = on_refused
        self._refused_by: int | None = None
        self._reflector = reflector.Reflector(
            of,
            path,
            read,
            on_change=lambda _before, _after: on_change(),
            on_listed=self._listed,
            on_refused=self._is_refused,
            time_source=time_source,
            chance=chance,
            timing=timing,
        )

    @property
    def seen(self) -> Mapping[str, T] | None:
        """Return the objects as they were seen last, by name; None: never."""
        listing = self._reflector.listing
        return listing.items if listing.complete else None

    @property
    def is_refused(self) -> bool:
        """Return whether the last answer was a no."""
        return self._refused_by is not None

    def start(self) -> None:
        """Begin to follow."""
        self._reflector.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Stop following; wait up to ``within_s`` seconds."""
        self._reflector.stop(within_s)

    def _is_refused(self, error: errors.KubeError) -> bool:
        """Take a no for an answer, if it is one."""
        if error.status not in self._cures:
            return False
        try:
            refusals.get(self._api, self._path, {"limit": "1"}, refusals=self._cures)
        except errors.KubeError:
            return False
        except refusals.Refused as refused:
            if self._refused_by != error.status:
                self._refused_by = error.status
                self._on_refused(refused.error, self._cures[http.HTTPStatus(error.status)])
        return True

    def _listed(self) -> None:
        self._refused_by = None
        self._on_change()
