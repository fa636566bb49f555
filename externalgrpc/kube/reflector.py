"""Keep a copy of a list of objects that follows the API server.

LIST, then WATCH from the list's version with bookmarks; a watch that ends is opened again where
it ended; an expired version, or anything else that is wrong, means to LIST again after a pause,
and a full LIST comes every ten minutes in any case, so that a change that was lost on the way is
found. Differences to the copy are reported one by one, those that a LIST brings to light like those
of a watch: nobody misses a deletion.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import types
from collections.abc import Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from externalgrpc.kube import api, errors
from externalgrpc.model import backoff
from externalgrpc.support import clock, logs

_LOG = logs.Log("kube")

PAGE: Final = 500

_PATIENCE: Final = 4
"""So many failures in a row, and the version itself is doubted: etcd may have been set back."""


class Seen(Protocol):
    """What a reflector has to know of an object's reading."""

    @property
    def name(self) -> str:
        """Return the object's name."""
        ...

    @property
    def uid(self) -> str:
        """Return what distinguishes it from an earlier object of the same name."""
        ...


T = TypeVar("T", bound=Seen)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a reflector waits, in seconds; watches and lists are jittered by a fifth."""

    watch_s: float = 300.0
    relist_s: float = 600.0
    pause_s: float = 1.0
    longest_pause_s: float = 30.0
    short_s: float = 1.0
    """A watch that ends sooner, with nothing said, counts as a failure."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A copy of the list, by name; a new value replaces it when anything changes.

    ``complete`` is false until a first LIST came to its end. ``listed_at`` is the monotonic
    instant at which the last LIST began, ``heard_at`` that of the last sign of the API server.
    """

    items: Mapping[str, T]
    complete: bool = False
    listed_at: float = float("-inf")
    heard_at: float = float("-inf")


class Reflector(Generic[T]):
    """Follow one list on a thread of its own.

    ``read`` turns an object into what is kept of it; None leaves it out. ``on_change`` is called
    with what was and what is (None: not there), on that thread, after :attr:`listing` shows it;
    objects that read the same as before are left out. It must be quick. ``on_refused`` is called
    with every 401, 403 and 404, on that thread, and returns whether it took care of it: the copy
    stays as it is then, and the server is asked again after a pause. ``on_listed`` is called after
    every LIST and what it brought to light.
    """

    def __init__(
        self,
        of: api.Api,
        path: str,
        read: Callable[[api.Object], T | None],
        *,
        on_change: Callable[[T | None, T | None], None],
        time_source: clock.Clock,
        chance: random.Random,
        query: Mapping[str, str] | None = None,
        timing: Timing | None = None,
        on_refused: Callable[[errors.KubeError], bool] = lambda _error: False,
        on_listed: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = of
        self._on_refused = on_refused
        self._on_listed = on_listed
        self._path = path
        self._read = read
        self._on_change = on_change
        self._clock = time_source
        self._chance = chance
        self._query = dict(query or {})
        self._timing = timing or Timing()
        self._version = ""
        self._failures = 0
        self._relist_at = float("-inf")
        self._stopping = threading.Event()
        self._watching = threading.Lock()
        self._watch: api.Watch | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self.listing: Listing[T] = Listing(items=types.MappingProxyType({}))

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Stop following; wait up to ``within_s`` seconds for the thread to end."""
        self._stopping.set()
        with self._watching:
            if self._watch is not None:
                self._watch.cut()
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                if not self._version or began >= self._relist_at:
                    self._list()
                began = self._clock.monotonic()
                said = self._follow()
            except errors.Expired:
                _LOG.info("watch expired: listing again", path=self._path)
                self._version = ""
                self._failures += 1
            except errors.Unreachable as error:
                self._report(error)
                self._failures += 1
                if self._failures >= _PATIENCE:
                    self._version = ""
            except errors.KubeError as error:
                if not self._refused(error):
                    self._report(error)
                self._version = ""
                self._failures += 1
            except Exception:  # noqa: BLE001 - the copy must go on following, whatever it met
                _LOG.exception("watch failed", path=self._path)
                self._version = ""
                self._failures += 1
            else:
                lasted_s = self._clock.monotonic() - began
                short = not said and lasted_s < self._timing.short_s
                self._failures = self._failures + 1 if short else 0
            if self._failures:
                self._stopping.wait(self._pause_s())

    def _refused(self, error: errors.KubeError) -> bool:
        if not isinstance(error, errors.NotFound | errors.Denied):
            return False
        try:
            return self._on_refused(error)
        except Exception:  # noqa: BLE001 - a listener's mistake must not end the following
            _LOG.exception("listener failed", path=self._path)
            return False

    def _report(self, error: errors.KubeError) -> None:
        if self._stopping.is_set():
            return
        # The first is what any restart of an API server brings about.
        log = _LOG.info if self._failures == 0 else _LOG.warning
        log("watch interrupted", path=self._path, error=str(error), failures=self._failures + 1)

    def _pause_s(self) -> float:
        of = self._timing
        pause_s = backoff.wait_s(self._failures, base_s=of.pause_s, longest_s=of.longest_pause_s)
        return pause_s * self._chance.uniform(0.5, 1.0)

    def _list(self) -> None:
        began = self._clock.monotonic()
        found: dict[str, T] = {}
        query = {**self._query, "limit": str(PAGE)}
        while True:
            page = self._api.get(self._path, query)
            for thing in page.get("items") or ():
                if (kept := self._kept(thing)) is not None:
                    found[kept.name] = kept
            about = _metadata(page)
            if not (more := about.get("continue")):
                break
            query["continue"] = str(more)
        before = self.listing.items
        self.listing = Listing(
            items=types.MappingProxyType(found),
            complete=True,
            listed_at=began,
            heard_at=self._clock.monotonic(),
        )
        self._version = str(about.get("resourceVersion", ""))
        self._relist_at = began + self._timing.relist_s * self._chance.uniform(0.8, 1.2)
        for name in before.keys() | found.keys():
            self._compare(before.get(name), found.get(name))
        self._on_listed()

    def _follow(self) -> bool:
        """Watch once, to the end; return whether anything was said. Raises KubeError."""
        within_s = min(
            self._timing.watch_s * self._chance.uniform(0.8, 1.2),
            self._relist_at - self._clock.monotonic(),
        )
        watch = self._api.watch(
            self._path,
            {
                **self._query,
                "resourceVersion": self._version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(max(1, round(within_s))),
            },
        )
        with self._watching:
            self._watch = watch
            if self._stopping.is_set():
                watch.cut()
        self.listing = dataclasses.replace(self.listing, heard_at=self._clock.monotonic())
        said = False
        try:
            for change in watch:
                said = True
                self._failures = 0
                self._take(change)
        finally:
            with self._watching:
                self._watch = None
            watch.close()
        return said

    def _take(self, change: api.Change) -> None:
        about = _metadata(change.object)
        if change.kind == "ERROR":
            self._version = ""
            raise errors.of(
                _code(change.object), str(change.object.get("message")), f"WATCH {self._path}"
            )
        self._version = str(about.get("resourceVersion") or self._version)
        name, items = qualified(about), self.listing.items
        before = after = None
        if change.kind != "BOOKMARK":
            before = items.get(name)
            after = None if change.kind == "DELETED" else self._kept(change.object)
        if before != after:
            others = {key: each for key, each in items.items() if key != name}
            items = types.MappingProxyType(others if after is None else {**others, name: after})
        self.listing = dataclasses.replace(
            self.listing, items=items, heard_at=self._clock.monotonic()
        )
        self._compare(before, after)

    def _kept(self, thing: api.Object) -> T | None:
        try:
            return self._read(thing)
        except Exception:  # noqa: BLE001 - one odd object must not hide all others
            _LOG.exception("object not understood", path=self._path)
            return None

    def _compare(self, before: T | None, after: T | None) -> None:
        if before == after:
            return
        if before is not None and after is not None and before.uid != after.uid:
            self._notify(before, None)
            before = None
        self._notify(before, after)

    def _notify(self, before: T | None, after: T | None) -> None:
        try:
            self._on_change(before, after)
        except Exception:  # noqa: BLE001 - a listener's mistake must not end the following
            _LOG.exception("listener failed", path=self._path)


def qualified(about: api.Object) -> str:
    """Return by which name an object is known among others of its kind: a namespaced one by both.

    That is what :attr:`Seen.name` of its reading has to be.
    """
    name, namespace = str(about.get("name")), about.get("namespace")
    return f"{namespace}/{name}" if namespace else name


def _metadata(of: api.Object) -> api.Object:
    about = of.get("metadata")
    return about if isinstance(about, dict) else {}


def _code(of: api.Object) -> int:
    code = of.get("code")
    return code if isinstance(code, int) else 500
