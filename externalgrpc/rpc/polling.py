"""Answer what never blocks in grpc's own polling thread, everything else on a worker.

grpcio hands each call to a worker, which waits for the message, works for microseconds and ends:
two changes of thread and a dozen locks a call, five calls a node in every loop of Cluster
Autoscaler. grpcio has no interface for less, so this module, and no other, takes a call apart
with what ``grpc._server`` is made of. :func:`doubts` looks first whether that is as we know it,
and makes real calls at a server of its own; until then, after any surprise, and where the
operator says so, all calls go to the workers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, Protocol, TypeVar

import grpc
from grpc import _server

from externalgrpc.rpc import callers, limits, probe, workers
from externalgrpc.support import clock, logs

_LOG = logs.Log("polling")
T = TypeVar("T")

TESTED = ((1, 85), (1, 85))
"""The first and the last minor version of grpcio whose insides the tests have passed with."""

LARGEST_BYTES = 16 * 1024
"""A longer message goes to a worker: reading it takes the polling thread's time."""

CHECK_S = 5.0

_CYGRPC: Any = vars(_server)["cygrpc"]

_EXPECTED = {
    "_receive_message": ("state", "call", "request_deserializer"),
    "_unary_response_in_pool": (
        *("rpc_event", "state", "behavior", "argument_thunk"),
        *("request_deserializer", "response_serializer"),
    ),
    "_status": ("rpc_event", "state", "serialized_response"),
    "_Context": ("rpc_event", "state", "request_deserializer"),
}

Quick = Callable[[bytes, grpc.ServicerContext], bytes | None]
"""Answer a message at once; None where it takes a worker: an error, a lock, a log line."""


class Behavior(Protocol):
    """A handler of a call: with ``quick`` it may be answered in the polling thread."""

    quick: Quick


class Arrived(Iterator[bytes]):
    """The messages of a call that has been listened to already: nobody waits for them."""

    def __init__(self, data: bytes | None) -> None:
        self._data = data

    def __next__(self) -> bytes:
        data, self._data = self._data, None
        if data is None:
            raise StopIteration
        return data


class Polling(futures.Executor):
    """The executor of a ``grpc.server``: answers at once what it can, else asks the workers.

    ``on`` says whether it may. grpc calls :meth:`submit` in its polling thread.
    """

    def __init__(self, pool: workers.Workers, patience: callers.Callers) -> None:
        self._pool = pool
        self._callers = patience
        self.on = False

    def submit(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - Executor's own
        **kwargs: Any,  # noqa: ANN401
    ) -> futures.Future[T]:
        """Take a call from grpc; the future is done when it has been worked on."""
        if self.on and len(args) == 7 and args[0] is _server._unary_response_in_pool:
            quick: Quick | None = getattr(args[3], "quick", None)
            if quick is not None:
                return self._listen(quick, fn, args)
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's own
        """Take no more calls; see the workers."""
        self.on = False
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _listen(
        self, quick: Quick, fn: Callable[..., T], args: tuple[Any, ...]
    ) -> futures.Future[T]:
        """Ask for a call's message; go on when it comes, in the same thread."""
        event, state = args[1:3]
        context = _server._Context(event, state, None)
        held = self._callers.listen(context)
        if held is None:
            return self._pool.submit(fn, *args)  # a worker waits for its turn
        future: futures.Future[T] = futures.Future()
        received = _server._receive_message(state, event.call, None)

        def came(message: object) -> tuple[Any, Any]:
            finished: tuple[Any, Any] = received(message)
            data, state.request = state.request, None
            if finished[0] is None:
                try:
                    reply = self._replied(quick, data, context)
                    if reply is None:
                        self._hand_on(fn, args, Arrived(data), held, future)
                        return finished
                    _server._status(event, state, reply)
                except Exception:  # noqa: BLE001 - what ends this thread ends the server
                    self.on = False
                    _LOG.exception("call not answered: from now on all are, on workers")
                    context.cancel()
            self._callers.heard(held)
            future.set_result(None)  # type: ignore[arg-type]  # nobody reads it
            return finished

        event.call.start_server_batch((_CYGRPC.ReceiveMessageOperation(0),), came)
        state.due.add(_server._RECEIVE_MESSAGE_TOKEN)
        return future

    def _replied(
        self, quick: Quick, data: bytes | None, context: grpc.ServicerContext
    ) -> bytes | None:
        if data is None or len(data) > LARGEST_BYTES:
            return None
        try:
            return quick(data, context)
        except Exception:  # noqa: BLE001 - a worker meets it again, and says it
            return None

    def _hand_on(
        self,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        messages: Arrived,
        held: callers.Held,
        future: futures.Future[T],
    ) -> None:
        """Let a worker do it; the call keeps its place until then, since it holds a message."""

        def run() -> None:
            with self._pool.away():  # as every task begins: the pool grows by it
                self._callers.heard(held)
            fn(*args[:4], lambda: messages, *args[5:])

        def done(_ran: futures.Future[None]) -> None:
            future.set_result(None)  # type: ignore[arg-type]  # nobody reads it

        self._pool.submit(run).add_done_callback(done)


def doubts() -> str:
    """Say why this grpcio is not to be taken apart; empty when it is as we know it, and works."""
    return _misfit() or _broken()


def _misfit() -> str:
    installed = tuple(int(part) for part in grpc.__version__.split(".")[:2])
    if not TESTED[0] <= installed <= TESTED[1]:
        return f"grpcio {grpc.__version__} has not been tested with it"
    for name, expected in _EXPECTED.items():
        found = getattr(_server, name, None)
        takes = tuple(inspect.signature(found).parameters) if found is not None else ()
        if takes != expected:
            return f"grpc._server.{name} takes {takes}, not {expected}"
    missing = {"due", "request"} - vars(_server._RPCState()).keys()  # type: ignore[no-untyped-call]  # grpc has no types
    missing |= {name for name in ("_RECEIVE_MESSAGE_TOKEN", "cygrpc") if not hasattr(_server, name)}
    return f"grpc._server has no {', '.join(sorted(missing))}" if missing else ""


def _broken() -> str:
    """Make real calls at a server of our own: one answered at once, one by a worker, one ended."""
    bounds, method = limits.Limits(), "/check/Call"
    patience = callers.Callers(bounds, clock.SystemClock())
    polling = Polling(workers.Workers(bounds, lambda: None), patience)
    polling.on = True

    def behavior(requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
        return b"worker took " + b"".join(requests)

    behavior.quick = lambda data, _context: data if data == b"at once" else None  # type: ignore[attr-defined]  # as Calls sets it
    handlers = {"Call": grpc.stream_unary_rpc_method_handler(behavior)}
    server = grpc.server(polling, options=[("grpc.so_reuseport", 0)])  # type: ignore[arg-type]  # any executor does
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("check", handlers),))
    try:
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with probe.open_channel(f"127.0.0.1:{port}") as channel:
            one = channel.unary_unary(method, None, None)
            none = channel.stream_unary(method, None, None)
            replies = [one(b"at once", timeout=CHECK_S), one(b"it", timeout=CHECK_S)]
            replies.append(none(iter(()), timeout=CHECK_S))
        surprised = not polling.on
    except (grpc.RpcError, RuntimeError) as error:
        return f"a call of our own failed: {error}"
    finally:
        server.stop(None)
        polling.shutdown(wait=False)
    wanted = [b"at once", b"worker took it", b"worker took "]
    if replies != wanted or surprised or patience.listening():
        return f"calls of our own were answered with {replies}, not {wanted}"
    return ""
