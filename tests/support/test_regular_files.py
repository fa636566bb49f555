"""Pipes, sockets and devices where files are named are refused by every command, not waited for."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys

import pytest
import yaml

from externalgrpc.kube import connection
from externalgrpc.rpc import client, server
from externalgrpc.support import clock, regular_files
from providers.fakes import engine
from tests import certificates, serving
from tests.test_cli import EXAMPLE, ROOT

KINDS = {"fifo": "a pipe", "socket": "a socket", "device": "a device", "folder": "a directory"}
WITHIN_S = 60
"""What a start under load may take; a command that waits for a pipe never ends."""


@contextlib.contextmanager
def put(path, kind):
    """Put something there that is no regular file, behind a link as Kubernetes mounts things."""
    real = path.with_name(f"{path.name}.real")
    listener = socket.socket(socket.AF_UNIX)
    match kind:
        case "fifo":
            os.mkfifo(real)
        case "socket":
            listener.bind(str(real))
        case "device":
            # The real one, since a test may not make any: it ends never.
            real.symlink_to("/dev/zero")
        case "folder":
            real.mkdir()
    path.symlink_to(real)
    try:
        yield path
    finally:
        listener.close()


def run(*arguments, **environ):
    done = subprocess.run(
        [sys.executable, "-m", "externalgrpc", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_refused_in_words(tmp_path, kind):
    with put(tmp_path / "x", kind) as path:
        for look in (regular_files.read, regular_files.check, regular_files.text):
            with pytest.raises(
                regular_files.NotRegular, match=f"^is not a regular file, but {KINDS[kind]}"
            ):
                look(path)


def test_files_and_links_to_files_are_read(tmp_path):
    """As Kubernetes mounts them: a link, to a file under a link to a folder."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "token").write_text("t")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "token").symlink_to("..data/token")
    assert regular_files.read(tmp_path / "token") == b"t"
    assert regular_files.text(tmp_path / "token") == "t"


def test_what_cannot_be_read_says_why(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(regular_files.Unreadable, match=r"^cannot be read: No such file"):
        regular_files.read(path)
    path.write_bytes(b"\xff" * (regular_files.MAX_BYTES + 1))
    with pytest.raises(regular_files.Unreadable, match=r"^is larger than 1048576 bytes"):
        regular_files.read(path)
    path.write_bytes(b"\xff")
    with pytest.raises(regular_files.Unreadable, match=r"^is not UTF-8"):
        regular_files.text(path)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    """Between the look and the open."""
    path = tmp_path / "x"
    os.mkfifo(path)
    monkeypatch.setattr(regular_files, "check", lambda _path: None)
    with pytest.raises(regular_files.NotRegular):
        regular_files.read(path)


COMMANDS = {
    "serve": ("serve", "--no-live", "--listen", "127.0.0.1:0"),
    "check": ("check",),
    "render": ("render", "web"),
    "offers": ("offers",),
    "purge": ("purge", "--yes"),
    "doctor": ("doctor",),
    "demo": ("demo",),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_a_pipe_as_configuration(tmp_path, command):
    with put(tmp_path / "pools.yaml", "fifo") as path:
        name, *rest = COMMANDS[command]
        done = run(name, "--config", path, *rest)
    assert done.returncode == 1
    assert "is not a regular file, but a pipe" in done.stderr
    assert "write it to a file" in done.stderr


def test_a_shells_pipe_is_refused_and_its_file_is_taken(tmp_path):
    line = f"{sys.executable} -m externalgrpc check --config"
    for more, code in ((f"<(cat {EXAMPLE})", 1), (f"/dev/stdin < {EXAMPLE}", 0)):
        done = subprocess.run(
            ["bash", "-c", f"{line} {more}"],
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            cwd=ROOT,
        )
        assert done.returncode == code, done.stderr
        assert ("but a pipe" in done.stderr) == bool(code)


NODE = "nodes:\n- {name: web, account: a, instanceType: small, region: north, maxSize: 1%s}\n"
NAMED = {
    "tokenFile": "accounts:\n- {name: a, provider: hetzner, tokenFile: odd}\n" + NODE % "",
    "userDataFile": "accounts:\n- {name: a, provider: memory}\n" + NODE % ", userDataFile: odd",
    "stateFile": "accounts:\n- {name: a, provider: memory, options: {stateFile: '%s'}}\n"
    + NODE % "",
    "kubeconfig": "kubernetes: {kubeconfig: '%s'}\n"
    "accounts:\n- {name: a, provider: memory}\n" + NODE % "",
}


SERVE = ("serve", "--no-live", "--listen", "127.0.0.1:0")
CHECK = ("check", "--online")


@pytest.mark.parametrize(
    ("what", "command"),
    # A cloud that cannot be read keeps no server from starting, so serve has nothing to refuse.
    [*((what, CHECK) for what in NAMED), *((what, SERVE) for what in NAMED if what != "stateFile")],
)
def test_what_a_configuration_names(tmp_path, what, command):
    with put(tmp_path / "odd", "fifo") as odd:
        text = NAMED[what]
        path = tmp_path / "pools.yaml"
        path.write_text("cluster: t\n" + (text % odd if "%s" in text else text))
        name, *rest = command
        done = run(name, "--config", path, *rest, HCLOUD_TOKEN=engine.FAKE_TOKEN)
    content = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, content
    assert "regular" in content


@pytest.mark.parametrize("key", ["tokenFile", "client-key", "client-certificate"])
def test_what_a_kubeconfig_names(tmp_path, key):
    with put(tmp_path / "odd", "fifo") as odd:
        fields = {
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {key: "odd"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(fields))
        words = f"names {key} {odd}, which is not a regular file, but a pipe"
        with pytest.raises(connection.CannotConnect, match=words):
            connection.connect(kubeconfig=str(path), time_source=clock.SystemClock())
        done = run("doctor", "--config", EXAMPLE, "--kubeconfig", path)
    assert "regular file, but a pipe" in " ".join(done.stdout.split())


@pytest.mark.parametrize("which", ["certificate", "key", "client_ca"])
def test_tls_files_of_a_server(tmp_path, which):
    authority = certificates.Authority(tmp_path, "ca")
    authority.issue("server", ips=("127.0.0.1",))
    files = {
        "certificate": tmp_path / "server.pem",
        "key": tmp_path / "server.key",
        "client_ca": tmp_path / "ca.pem",
    }
    with put(tmp_path / "odd", "fifo") as odd:
        listening = server.Listening(address="127.0.0.1:0", tls=server.TLS(**{**files, which: odd}))
        with (
            pytest.raises(
                server.CannotListen, match=f"file {odd} is not a regular file, but a pipe"
            ),
            serving.running(tmp_path, listening=listening),
        ):
            pass
        options = {"certificate": "--tls-cert", "key": "--tls-key", "client_ca": "--tls-client-ca"}
        words = [
            each for name, path in {**files, which: odd}.items() for each in (options[name], path)
        ]
        done = run("serve", "--config", EXAMPLE, "--listen", "127.0.0.1:0", "--no-live", *words)
        assert done.returncode == 1
        assert "not a regular file" in done.stderr


@pytest.mark.parametrize("which", ["--ca", "--cert", "--key"])
def test_tls_files_of_a_client(tmp_path, which):
    certificates.Authority(tmp_path, "ca").issue("client", dns=("client",))
    files = {
        "--ca": tmp_path / "ca.pem",
        "--cert": tmp_path / "client.pem",
        "--key": tmp_path / "client.key",
    }
    with put(tmp_path / "odd", "fifo") as odd:
        words = [each for name, path in {**files, which: odd}.items() for each in (name, path)]
        done = run("ls", "--address", "127.0.0.1:1", *words)
        assert done.returncode == 1
        assert f"{odd} is not a regular file, but a pipe" in done.stderr
        with pytest.raises(client.CannotReach):
            client.Connection(address="127.0.0.1:1", ca=odd).open()
