"""Ask whether a request may go out when its bytes do, not before a connection is opened for it.

To open one takes up to seconds, in which a process may be stopped and its Lease lost. The pool is
the client's own (a proxy's too), so its classes are derived from, not named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import urllib3

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _Base
else:
    _Base = object

_READS: Final = frozenset({"GET", "HEAD"})


class Fenced(Exception):
    """The request was not sent; the text says why. The connection is closed by its pool."""


class _Fence(_Base):
    """Before a connection's class: asks in the instant in which bytes of a request are sent."""

    _ask: Callable[[], str]
    _fenced_method = "GET"

    def connect(self) -> None:
        """Connect; what a proxy is asked for that is no request of ours, whatever went before."""
        self._fenced_method = "GET"
        super().connect()

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,  # noqa: FBT001, FBT002 - as the library declares them
        skip_accept_encoding: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Remember what is sent; nothing is yet."""
        self._fenced_method = method.upper()
        super().putrequest(
            method, url, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding
        )

    def send(self, data: object) -> None:
        """Connect where that was not done, ask, send; raises Fenced."""
        if self.sock is None:
            method = self._fenced_method
            self.connect()
            self._fenced_method = method
        if self._fenced_method not in _READS and (why := self._ask()):
            raise Fenced(why)
        super().send(data)  # type: ignore[arg-type]


def fence(pool: urllib3.PoolManager, ask: Callable[[], str]) -> None:
    """Have a pool's connections ask why nothing may be changed now; empty when it may.

    Takes effect for connections that are not open yet: call it on a fresh pool.
    """
    classes: dict[str, Any] = pool.pool_classes_by_scheme
    pool.pool_classes_by_scheme = {
        scheme: type(of.__name__, (of,), {"ConnectionCls": _fenced(of.ConnectionCls, ask)})
        for scheme, of in classes.items()
    }


def _fenced(of: type, ask: Callable[[], str]) -> type:
    return type(of.__name__, (_Fence, of), {"_ask": staticmethod(ask)})
