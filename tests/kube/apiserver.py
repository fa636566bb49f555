"""A small API server with a memory: lists in pages, watches with bookmarks, compaction, faults.

Plain HTTP on loopback. It knows nothing of kinds: whatever lies at a path lies there. What it does
wrong is said in advance (:class:`Fault`), or done by hand (:meth:`FakeServer.cut`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from externalgrpc.kube import api, connection
from externalgrpc.support import clock

Object = dict[str, Any]

SYSTEM = "/api/v1/namespaces/kube-system"

LOST = 0
"""The status of a reply that never comes."""


@dataclasses.dataclass(slots=True)
class Fault:
    """Answer ``times`` requests of a method ("WATCH" for watches) wrongly.

    ``status`` LOST closes the connection. ``after`` does first what was asked for. ``body`` makes
    the answer of the request's body.
    """

    method: str
    status: int
    times: int = 1
    after: bool = False
    path: str = ""
    exact: bool = False
    body: Callable[[Object], str] = lambda _asked: json.dumps({"message": "as the test wants it"})


class FakeServer:
    """The store, its history, and the thread that serves them."""

    def __init__(self) -> None:
        self.version = 100
        self.compacted = 0
        self.uid = str(uuid.uuid4())
        """Of the namespace kube-system, which is there without having been made."""
        self.items: dict[str, Object] = {}
        self.history: list[tuple[int, str, str, Object]] = []
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.watching = 0
        self.longest_watch_s = 30.0
        self.mute = False
        self.changed = threading.Condition()
        self._open: set[socket.socket] = set()
        server = self

        class Service(_Service):
            fake = server

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and end all watches."""
        self.longest_watch_s = 0.0
        self.cut()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def link(self, folder: Path) -> connection.Connection:
        """Connect by a kubeconfig, as users do."""
        path = folder / "kubeconfig"
        fields = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "a-token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(fields))
        return connection.connect(kubeconfig=str(path), time_source=clock.SystemClock())

    def api(self, folder: Path) -> api.Api:
        """Connect."""
        return self.link(folder).api

    def put(self, path: str, thing: Object | None) -> None:
        """Make, change or (None) delete what lies at a path, as somebody else would."""
        with self.changed:
            before = self.items.get(path)
            self.version += 1
            if thing is None:
                assert before is not None
                kind, now = "DELETED", dict(before)
                del self.items[path]
            else:
                kind = "MODIFIED" if before else "ADDED"
                now = json.loads(json.dumps(thing))
                about = now.setdefault("metadata", {})
                if isinstance(about, dict):
                    about.setdefault("name", path.rpartition("/")[2])
                    uid = before["metadata"]["uid"] if before else str(uuid.uuid4())
                    about.setdefault("uid", uid)
            if isinstance(now.get("metadata"), dict):
                now["metadata"] = {**now["metadata"], "resourceVersion": str(self.version)}
            if thing is not None:
                self.items[path] = now
            self.history.append((self.version, kind, path, now))
            self.changed.notify_all()

    def publish(self, kind: str, thing: Object) -> None:
        """Say something of the server's own to every watch (BOOKMARK, ERROR)."""
        with self.changed:
            self.history.append((self.version, kind, "", thing))
            self.changed.notify_all()

    def bookmark(self) -> None:
        """Raise the version, and wake every watch."""
        with self.changed:
            self.version += 1
        self.publish("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def compact(self) -> None:
        """Forget all history: only the newest version can be watched from."""
        with self.changed:
            self.compacted = self.version

    def cut(self) -> None:
        """Break every watch that is open, in the middle of whatever it says."""
        with self.changed:
            for each in self._open:
                with contextlib.suppress(OSError):  # the other side may have been quicker
                    each.shutdown(socket.SHUT_RDWR)

    def fail(self, method: str, status: int, **how: Any) -> None:
        """Do something wrong, soon."""
        with self.changed:
            self.faults.append(Fault(method, status, **how))

    def fault(self, method: str, path: str) -> Fault | None:
        """Take the fault that a request meets."""
        with self.changed:
            self.asked.append(f"{method} {path}")
            for each in self.faults:
                fits = path == each.path if each.exact else path.startswith(each.path)
                if each.method == method and each.times > 0 and fits:
                    each.times -= 1
                    return each
        return None

    def count(self, prefix: str) -> int:
        """Count the requests that begin so."""
        with self.changed:
            return sum(each.startswith(prefix) for each in self.asked)


class _Service(http.server.BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        watching = query.get("watch") == "true"
        fault = self.fake.fault("WATCH" if watching else "GET", parts.path)
        if fault is not None:
            self._wrong(fault, {})
        elif watching:
            self._watch(parts.path, query)
        elif parts.path in self.fake.items:
            self._reply(200, self.fake.items[parts.path])
        elif parts.path == SYSTEM:
            self._reply(200, {"metadata": {"name": "kube-system", "uid": self.fake.uid}})
        elif parts.path.rstrip("/").endswith(("nodes", "pods", "requests", "secrets", "things")):
            self._list(parts.path, query)
        else:
            self._reply(404, {"message": "not found"})

    def do_POST(self) -> None:
        def work(body: Object) -> tuple[int, Object]:
            path = f"{self.path}/{body['metadata']['name']}"
            if path in self.fake.items:
                return 409, {"message": "already exists"}
            self.fake.put(path, body)
            return 201, self.fake.items[path]

        self._write("POST", work)

    def do_PUT(self) -> None:
        def work(body: Object) -> tuple[int, Object]:
            path = self.path.removesuffix("/approval")
            now = self.fake.items[path]
            if body["metadata"]["resourceVersion"] != now["metadata"]["resourceVersion"]:
                return 409, {"message": "changed meanwhile"}
            self.fake.put(path, body)
            return 200, self.fake.items[path]

        self._write("PUT", work)

    def do_PATCH(self) -> None:
        """Merge; or apply, of which it knows one manager: what was applied before is replaced.

        An object that is being deleted goes with its last finalizer.
        """
        applies = "apply-patch" in self.headers.get("Content-Type", "")
        path = urllib.parse.urlsplit(self.path).path.removesuffix("/status")

        def work(body: Object) -> tuple[int, Object]:
            if path not in self.fake.items:
                return 404, {"message": "not found"}
            now = json.loads(json.dumps(self.fake.items[path]))
            about = body.get("metadata", {})
            for key in ("uid", "resourceVersion"):
                if about.get(key, now["metadata"].get(key)) != now["metadata"].get(key):
                    return 409, {"message": f"{key} is another"}
            merged = {**now, "status": body["status"]} if applies else _merged(now, body)
            about = merged["metadata"]
            gone = about.get("deletionTimestamp") and not about.get("finalizers")
            self.fake.put(path, merged)
            reply = self.fake.items[path]
            if gone:
                self.fake.put(path, None)
            return 200, reply

        self._write("PATCH", work)

    def do_DELETE(self) -> None:
        def work(body: Object) -> tuple[int, Object]:
            now = self.fake.items.get(self.path)
            if now is None:
                return 404, {"message": "not found"}
            for key, value in body.get("preconditions", {}).items():
                if now["metadata"].get(key) != value:
                    return 409, {"message": f"precondition {key} failed"}
            self.fake.put(self.path, None)
            return 200, {"status": "Success"}

        self._write("DELETE", work)

    def _write(self, method: str, work: Callable[[Object], tuple[int, Object]]) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        fault = self.fake.fault(method, self.path)
        if fault is None:
            self._reply(*work(body))
            return
        if fault.after:
            work(body)
        self._wrong(fault, body)

    def _wrong(self, fault: Fault, body: Object) -> None:
        if fault.status == LOST:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(fault.status, fault.body(body).encode())

    def _list(self, path: str, query: dict[str, str]) -> None:
        with self.fake.changed:
            every = [each for key, each in self.fake.items.items() if key.startswith(path + "/")]
            about: Object = {"resourceVersion": str(self.fake.version)}
        begin = int(query.get("continue", "0"))
        end = begin + int(query.get("limit", "100000"))
        if end < len(every):
            about["continue"] = str(end)
        self._reply(200, {"metadata": about, "items": every[begin:end]})

    def _watch(self, path: str, query: dict[str, str]) -> None:
        at = int(query["resourceVersion"])
        fake = self.fake
        if at < fake.compacted:
            self._reply(410, {"message": "too old resource version"})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with fake.changed:
            begin = next(
                (i for i, each in enumerate(fake.history) if each[0] > at), len(fake.history)
            )
            fake.watching += 1
            fake._open.add(self.connection)
        try:
            self._tell_all(path, begin, min(float(query["timeoutSeconds"]), fake.longest_watch_s))
        except OSError:
            self.close_connection = True
        finally:
            with fake.changed:
                fake.watching -= 1
                fake._open.discard(self.connection)

    def _tell_all(self, path: str, at: int, lasts_s: float) -> None:
        fake = self.fake
        ends_at = clock.SystemClock().monotonic() + lasts_s
        while True:
            with fake.changed:
                if fake.mute or len(fake.history) <= at:
                    left_s = ends_at - clock.SystemClock().monotonic()
                    fake.changed.wait(max(0.0, min(left_s, 0.1)))
                said = [] if fake.mute else fake.history[at:]
            at += len(said)
            for _, kind, where, thing in said:
                if not where or where.startswith(path + "/"):
                    self._chunk(json.dumps({"type": kind, "object": thing}).encode() + b"\n")
            over = clock.SystemClock().monotonic() >= ends_at or fake.longest_watch_s == 0.0
            if over and not said:
                self._chunk(b"")
                return

    def _chunk(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def _reply(self, status: int, thing: Object) -> None:
        self._send(status, json.dumps(thing).encode())

    def _send(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _merged(now: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    out = dict(now) if isinstance(now, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merged(out.get(key), value)
    return out
