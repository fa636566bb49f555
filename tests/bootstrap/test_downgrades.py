"""What a join fetches with https stays with https, wherever it is sent on to."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import absent, certificates
from tests.bootstrap import fake_metadata, orders
from tests.bootstrap.guest import Guest
from tests.bootstrap.test_k3s import INSTALLER

KEY = "https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key"
ELSEWHERE = "http://evil.example/key"
INNER = "curl -sfL https://get.k3s.io/binary"


@pytest.fixture
def machine(tmp_path: Path) -> Guest:
    made = Guest(tmp_path)
    fake_metadata.hetzner(made)
    fake_metadata.package_hosts(made)
    made.serve(ELSEWHERE, "EVIL")
    return made


def test_a_key_is_not_followed_to_http(machine: Guest) -> None:
    machine.move(KEY, ELSEWHERE)
    assert machine.boot(orders.user_data()).returncode == 1
    assert f"cannot fetch {KEY}" in machine.read("/dev/ttyS0")
    assert machine.called("followed") == []
    assert machine.called("kubeadm join") == []


def test_nor_by_a_detour(machine: Guest) -> None:
    machine.move(KEY, "https://cdn.example/key")
    machine.move("https://cdn.example/key", ELSEWHERE)
    assert machine.boot(orders.user_data()).returncode == 1
    assert set(machine.called("followed")) == {"followed https://cdn.example/key"}


def test_but_to_https(machine: Guest) -> None:
    machine.serve("https://cdn.example/key", "KUBERNETES KEY")
    machine.move(KEY, "https://cdn.example/key")
    assert machine.boot(orders.user_data()).returncode == 0
    assert machine.read("/etc/apt/keyrings/kubernetes.asc") == "KUBERNETES KEY"


def test_what_may_be_http_may_move(machine: Guest) -> None:
    machine.move("http://mirror.example/deb/Release.key", "http://mirror.example/key")
    machine.serve("http://mirror.example/key", "KEY OF THE MIRROR")
    text = orders.user_data(kubernetes_packages="http://mirror.example/deb/", allow_http=True)
    assert machine.boot(text).returncode == 0
    assert machine.read("/etc/apt/keyrings/kubernetes.asc") == "KEY OF THE MIRROR"


def test_neither_is_the_k3s_installer(machine: Guest) -> None:
    machine.move("https://get.k3s.io", ELSEWHERE)
    assert machine.boot(orders.user_data(method="k3s")).returncode == 1
    assert machine.called("followed") == []


def test_nor_what_the_installer_fetches(machine: Guest, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".curlrc").write_text('proxy = "http://proxy.example:3128"')  # no line feed at its end
    machine.serve("https://get.k3s.io", f"{INNER} || exit 1\n{INSTALLER}")
    machine.move("https://get.k3s.io/binary", ELSEWHERE)
    machine.cloud_init(orders.user_data(method="k3s"))
    assert machine.run(HOME=str(home)).returncode == 1
    assert machine.called("curl -sfL") == [INNER]
    assert machine.called("followed") == []
    assert machine.read("/var/lib/vps-autoscaler/.curlrc").splitlines() == [
        'proxy = "http://proxy.example:3128"',
        'proto-redir = "=https"',
    ]


class _Web:
    """Two real servers on loopback: one with https that sends on, and one with http."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self._authority = certificates.Authority(folder, "ca")
        self._authority.issue("web", dns=("localhost",))
        self.ca = self._authority.path
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                secure = isinstance(self.connection, ssl.SSLSocket)
                web.asked.append(f"{'https' if secure else 'http'} {self.path}")
                target = {"/down": f"{web.http}/evil", "/up": f"{web.https}/key"}.get(self.path)
                self.send_response(302 if target else 200)
                if target:
                    self.send_header("Location", target)
                self.end_headers()
                self.wfile.write(b"" if target else b"exit 7\n")

            def log_message(self, format: str, *_args: object) -> None:  # noqa: A002
                pass

        self._servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in "ab"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "web.pem", folder / "web.key")
        self._servers[1].socket = context.wrap_socket(self._servers[1].socket, server_side=True)
        self.http = f"http://localhost:{self._servers[0].server_address[1]}"
        self.https = f"https://localhost:{self._servers[1].server_address[1]}"

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=each.serve_forever, args=(0.02,)) for each in self._servers
        ]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            for server, thread in zip(self._servers, threads, strict=True):
                server.shutdown()
                server.server_close()
                thread.join()


@absent.unless(shutil.which("curl"), absent.Need.CURL)
def test_the_real_curl_takes_it_so(tmp_path: Path) -> None:
    """A real curl, real servers: nothing reaches the one with http."""
    web, folder = _Web(tmp_path), tmp_path / "guest"
    folder.mkdir()
    machine = Guest(folder)
    fake_metadata.hetzner(machine)
    real = shutil.which("curl")
    # The metadata service stays a fake: nothing here talks to any machine but this one.
    machine.program(
        "curl", f'case $* in *169.254*) exec "$SIM/curl" "$@" ;; esac\nexec {real} "$@"'
    )
    with web.up():
        for path, asked in (("/down", ["https /down"]), ("/up", ["https /up", "https /key"])):
            web.asked.clear()
            machine.cloud_init(orders.user_data(method="k3s", k3s_installer=f"{web.https}{path}"))
            done = machine.run(CURL_CA_BUNDLE=str(web.ca), no_proxy="localhost", TRIES="1")
            assert done.returncode == 1
            assert web.asked[: len(asked)] == asked
            assert not any(each.startswith("http ") for each in web.asked)
        web.asked.clear()
        text = orders.user_data(method="k3s", k3s_installer=f"{web.http}/up", allow_http=True)
        machine.cloud_init(text)
        machine.run(CURL_CA_BUNDLE=str(web.ca), no_proxy="localhost", TRIES="1")
        assert web.asked[:2] == ["http /up", "https /key"]
