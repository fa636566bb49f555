"""From bytes on the wire to a method and back: waiting, parsing, guarding; nothing of the domain.

Requests are parsed here and not by grpcio, where a deserializer that fails costs 19 KiB for ever
and a traceback in the log, every time. And each method is registered as one that takes a stream,
which is the same on the wire: so the wait for the message is in our hands and can be ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import grpc
from google.protobuf import message as protobuf

from externalgrpc.rpc import callers, error_codes, polling, sparing
from externalgrpc.rpc.workers import Workers
from externalgrpc.support import clock, logs, plaintext
from externalgrpc.support.brief import brief

_LOG = logs.Log("service")

Reply = protobuf.Message | bytes
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Message = TypeVar("Message", bound=protobuf.Message)

REFUSALS_A_MINUTE = 30
"""Log lines for each RPC and code: a fleet of many groups in trouble is logged, a flood counted."""

SMALL_BYTES = 64 * 1024
"""The longest request to health and reflection, which are asked for names."""


class _Malformed(Exception):
    """A request that is not the message it should be, with what is wrong."""


class _Nothing(_Malformed):
    """No request."""


class Calls:
    """Make handlers that take bytes, on workers that say when they wait for a caller."""

    def __init__(
        self, workers: Workers, patience: callers.Callers, time_source: clock.Clock
    ) -> None:
        self._workers = workers
        self._callers = patience
        self._malformed = sparing.Sparing(1, time_source)
        self._refused = sparing.Sparing(REFUSALS_A_MINUTE, time_source)

    def unary(
        self,
        rpc: str,
        kind: type[Message],
        method: Callable[[Message], Reply],
        *,
        most_bytes: int | None = None,
        quick: Callable[[Message], bytes | None] | None = None,
    ) -> Handler:
        """Make the handler of an RPC with one request and one reply.

        A request that is longer than ``most_bytes`` is refused, where that is less than what the
        port takes. ``quick`` answers in the polling thread (:mod:`externalgrpc.polling`): it must
        not block, and returns None where it cannot answer so.
        """

        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            try:
                request = _parsed(kind, self._receive(requests, context), most_bytes)
            except _Malformed as error:
                self._refuse(rpc, str(error), context)
            except callers.Crowded as error:
                self._fail(rpc, error, context)
            try:
                reply = method(request)
            except Exception as error:  # noqa: BLE001 - the table decides, INTERNAL is for the rest
                self._fail(rpc, error, context)
            serialized = reply if isinstance(reply, bytes) else reply.SerializeToString()
            self._callers.replying(context, len(serialized))
            return serialized

        def at_once(data: bytes, context: grpc.ServicerContext) -> bytes | None:
            assert quick is not None  # noqa: S101 - see below
            reply = quick(kind.FromString(data))
            if reply is not None:
                self._callers.replying(context, len(reply))
            return reply

        if quick is not None:
            cast(polling.Behavior, call).quick = at_once
        return grpc.stream_unary_rpc_method_handler(call)

    def stream(
        self,
        rpc: str,
        kind: type[Message],
        method: Callable[[Iterator[Message], grpc.ServicerContext], Iterator[protobuf.Message]],
    ) -> Handler:
        """Make the handler of an RPC with many requests, small ones, and many replies."""

        def call(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            try:
                for reply in method(self._each(kind, requests, context), context):
                    data = reply.SerializeToString()
                    with self._workers.away(), self._callers.watching(context):
                        yield data  # and wait until the caller has taken it
            except _Malformed as error:
                self._refuse(rpc, str(error), context)
            except grpc.RpcError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(rpc, error, context)

        return grpc.stream_stream_rpc_method_handler(call)

    @contextlib.contextmanager
    def watching(self, context: grpc.ServicerContext, patience_s: float) -> Iterator[None]:
        """Wait, but not for a message: it may take so many seconds, and no worker is missed."""
        with self._workers.away(), self._callers.watching(context, patience_s):
            yield

    def flush(self) -> None:
        """Log what was only counted, when no other line has reported it; call it now and then."""
        self._malformed.flush(lambda _kind, count: _LOG.warning("malformed requests", more=count))
        self._refused.flush(
            lambda kind, count: _LOG.warning("rpcs refused", rpc=kind[0], code=kind[1], more=count)
        )

    def _each(
        self, kind: type[Message], requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        while True:
            try:
                data = self._receive(requests, context)
            except _Nothing:
                return
            yield _parsed(kind, data, SMALL_BYTES)

    def _receive(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        if isinstance(requests, polling.Arrived):
            data = next(requests, None)
        else:
            with self._workers.away(), self._callers.receiving(context):
                data = next(requests, None)
        if data is None:
            raise _Nothing("the call ended before its request came")
        return data

    def _refuse(self, rpc: str, reason: str, context: grpc.ServicerContext) -> NoReturn:
        self._malformed.log(
            (),
            lambda more: _LOG.warning(
                "malformed request", rpc=rpc, reason=reason, caller=context.peer(), more=more
            ),
        )
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{rpc}: {reason}")
        raise AssertionError("abort raises")

    def _fail(self, rpc: str, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        """Turn an error into a status and a sentence; the unexpected goes to our log only."""
        code = error_codes.code_of(error)
        sentence = brief(plaintext.line(str(error)))
        if code is grpc.StatusCode.INTERNAL:
            sentence = f"{rpc}: internal error, see the server's log"
            self._refused.log(
                (rpc, code.name),
                lambda more: _LOG.exception("rpc failed", rpc=rpc, more=more),
            )
        else:
            self._refused.log(
                (rpc, code.name),
                lambda more: _LOG.warning(
                    "rpc refused", rpc=rpc, code=code.name, reason=sentence, more=more
                ),
            )
        context.abort(code, sentence)
        raise AssertionError("abort raises")


def _parsed(kind: type[Message], data: bytes, most_bytes: int | None) -> Message:
    if most_bytes is not None and len(data) > most_bytes:
        raise _Malformed(f"a request of {len(data):,} bytes; {most_bytes:,} are taken here")
    try:
        return kind.FromString(data)
    except protobuf.DecodeError:
        raise _Malformed(
            f"the request's {len(data):,} bytes are no {kind.DESCRIPTOR.name}; does the caller"
            " speak the externalgrpc protocol of Cluster Autoscaler 1.28 to 1.37?"
        ) from None
