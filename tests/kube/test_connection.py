from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from externalgrpc.kube import connection, errors
from externalgrpc.support import clock
from tests import certificates
from tests.kube import apiserver

SECRET = "do-not-show-me"


def _connect(path: Path | str, context: str = "") -> connection.Connection:
    return connection.connect(
        kubeconfig=str(path), context=context, time_source=clock.SystemClock()
    )


def test_outside_a_cluster_a_kubeconfig_is_asked_for() -> None:
    with pytest.raises(connection.CannotConnect, match="no pod of a cluster: name a kubeconfig"):
        connection.connect(time_source=clock.SystemClock(), environ={})


def test_in_a_pod_without_account_it_says_so(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(connection.CannotConnect, match=r"service account: .*does not exist"):
        connection.connect(
            time_source=clock.SystemClock(), environ=environ, account=tmp_path / "none"
        )


WRONG = {
    "is not YAML": f"users: [{{token: '{SECRET}'",
    "line 3": f"a: 1\nb: 2\nuser: {SECRET}: {SECRET}\n",
    "is no kubeconfig: it holds no mapping": "",
    "is no kubeconfig": f"- {SECRET}\n",
    "no mapping": SECRET,
    "cannot be used": f"users: {SECRET}\n",
    "current-context": f"users: [{{name: u, user: {{token: {SECRET}}}}}]\n",
    "Expected": yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": SECRET}}],
            "contexts": [{"name": "x", "context": {"cluster": "other", "user": "u"}}],
            "current-context": "x",
        }
    ),
}


@pytest.mark.parametrize("why", WRONG)
def test_a_wrong_kubeconfig_is_reported_without_its_secrets(tmp_path: Path, why: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(WRONG[why])
    with pytest.raises(connection.CannotConnect, match=why) as value:
        _connect(path)
    assert SECRET not in str(value.value)
    assert "kubeconfig" in str(value.value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "is no address"),
        ("ftp://127.0.0.1:1", "is no address"),
        ("not a url", "is no address"),
        ("127.0.0.1:6443", "is no address"),
        ("https://a b:6443", "is no address"),
        ("https://127.0.0.1:999999", "is no address"),
        (f"https://bob:{SECRET}@127.0.0.1:1", "credentials belong under users:"),
    ],
)
def test_an_address_that_is_none_is_said_before_it_is_asked(
    tmp_path: Path, address: str, why: str
) -> None:
    path = tmp_path / "kubeconfig"
    given = {
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(given))
    with pytest.raises(connection.CannotConnect, match=f"its server .*{why}") as value:
        _connect(path)
    assert SECRET not in str(value.value)


def test_a_missing_kubeconfig_is_reported(tmp_path: Path) -> None:
    with pytest.raises(connection.CannotConnect, match="there is no such file"):
        _connect(tmp_path / "none")


def test_of_a_list_of_kubeconfigs_those_are_read_that_are_there(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    """As kubectl takes KUBECONFIG."""
    path = tmp_path / "kubeconfig"
    fields = {
        "clusters": [{"name": "here", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": "a", "context": {"cluster": "here", "user": "u"}}],
        "current-context": "a",
    }
    path.write_text(yaml.safe_dump(fields))
    assert _connect(f"{tmp_path / 'none'}{os.pathsep}{path}").host == server.url
    assert _connect(f"{path}{os.pathsep}{tmp_path / 'none'}{os.pathsep}").host == server.url
    with pytest.raises(connection.CannotConnect, match="there is no such file"):
        _connect(f"{tmp_path / 'none'}{os.pathsep}{tmp_path / 'neither'}")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(connection.CannotConnect, match="regular"):
        _connect(f"{path}{os.pathsep}{tmp_path / 'pipe'}")


def test_a_context_is_chosen(server: apiserver.FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    fields = {
        "clusters": [
            {"name": "here", "cluster": {"server": server.url}},
            {"name": "there", "cluster": {"server": "http://127.0.0.1:1"}},
        ],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [
            {"name": "a", "context": {"cluster": "there", "user": "u"}},
            {"name": "b", "context": {"cluster": "here", "user": "u", "namespace": "ours"}},
        ],
        "current-context": "a",
    }
    path.write_text(yaml.safe_dump(fields))
    link = _connect(path, "b")
    assert link.host == server.url
    assert link.namespace == "ours"
    assert not link.in_cluster
    assert SECRET not in repr(link)
    server.put("/api/v1/nodes/n", {})
    assert link.api.get("/api/v1/nodes/n")["metadata"]["name"] == "n"
    assert _connect(path).namespace == "default"
    with pytest.raises(errors.Unreachable, match=r"^GET /version: cannot connect"):
        _connect(path).api.get("/version")
    with pytest.raises(connection.CannotConnect):
        _connect(path, "c")


def test_credentials_are_sent_over_no_plain_http_off_loopback(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    fields = {
        "clusters": [{"name": "c", "cluster": {"server": "http://192.0.2.1:8080"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(connection.CannotConnect, match="its server is plain http:// to another"):
        _connect(path)


def test_a_plugin_that_fails_is_no_crash(server: apiserver.FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho {SECRET} >&2\nexit 1\n")
    plugin.chmod(0o700)
    runs = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    fields = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"exec": runs}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(fields))
    link = _connect(path)
    # The client logs the plugin's failure and goes on without credentials: a server says no then.
    server.fail("GET", 401)
    with pytest.raises(errors.Denied):
        link.api.get("/version")


@pytest.mark.parametrize("good", [0, 1])
def test_a_plugin_that_hangs_is_waited_for_within_bounds(
    server: apiserver.FakeServer, tmp_path: Path, good: int
) -> None:
    """At the start and, after ``good`` answers that have run out, at a renewal."""
    path, plugin, runs = tmp_path / "kubeconfig", tmp_path / "plugin", tmp_path / "runs"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": SECRET, "expirationTimestamp": "2001-01-01T00:00:00Z"},
    }
    plugin.write_text(
        f"#!/bin/sh\necho x >>{runs}\n"
        f"[ $(wc -l <{runs}) -gt {good} ] && exec sleep 60\necho '{json.dumps(credential)}'\n"
    )
    plugin.chmod(0o700)
    of = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    given = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"exec": of}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(given))
    began = time.monotonic()
    if good == 0:
        with pytest.raises(connection.CannotConnect, match="no credentials within 1 s: run it"):
            connection.connect(kubeconfig=str(path), time_source=clock.SystemClock(), plugin_s=1.0)
    else:
        link = connection.connect(
            kubeconfig=str(path), time_source=clock.SystemClock(), plugin_s=1.0
        )
        for _ in range(2):
            with pytest.raises(errors.Denied, match="no credentials within 1 s"):
                link.api.get("/version")
    assert time.monotonic() - began < 20
    assert len(runs.read_text().splitlines()) == good + 1, "one at a time"


def test_an_auth_provider_that_hangs_is_waited_for_within_bounds(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    of = {"name": "gcp", "config": {"cmd-path": "/bin/sleep", "cmd-args": "15"}}
    given = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"auth-provider": of}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(given))
    began = time.monotonic()
    with pytest.raises(connection.CannotConnect, match="no credentials within 1 s: run it"):
        connection.connect(kubeconfig=str(path), time_source=clock.SystemClock(), plugin_s=1.0)
    assert time.monotonic() - began < 10


def test_a_pod_asks_no_proxy_for_its_own_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment made for the clouds names a proxy that knows no cluster's addresses."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:2")
    account = tmp_path / "account"
    account.mkdir()
    for name in ("token", "namespace"):
        (account / name).write_text("x")
    certificates.Authority(account, "ca")
    (account / "ca.pem").rename(account / "ca.crt")
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    link = connection.connect(time_source=clock.SystemClock(), environ=environ, account=account)
    with pytest.raises(errors.Unreachable) as value:
        link.api.get("/version")
    assert "proxy" not in repr(value.value.__cause__).lower()


def test_credentials_that_are_lost_later_are_no_crash(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    for name in ("token", "ca.crt", "namespace"):
        (account / name).write_text("x")
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    settings = connection.connect(time_source=clock.SystemClock(), environ=environ, account=account)
    assert settings.in_cluster
    assert settings.namespace == "x"
    assert settings.host == "https://127.0.0.1:1"

    class Lost:
        def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str:
            raise FileNotFoundError(SECRET)

    with pytest.raises(errors.Denied, match="gives no credentials") as value:
        connection._authorization(Lost(), "the pod's service account")
    assert SECRET not in str(value.value)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 422, 429, 500, 503])
def test_a_refusal_says_what_was_asked_and_why(
    server: apiserver.FakeServer, tmp_path: Path, status: int
) -> None:
    server.fail("GET", status)
    with pytest.raises(errors.KubeError) as value:
        server.api(tmp_path).get("/version")
    assert str(value.value) == f"GET /version: as the test wants it (HTTP {status})"
    assert value.value.status == status


@pytest.mark.parametrize("text", ["", "<html>", "[]", "7"])
def test_an_answer_that_is_no_object_is_refused(
    server: apiserver.FakeServer, tmp_path: Path, text: str
) -> None:
    link = server.api(tmp_path)
    server.fail("GET", 200, body=lambda _asked: text)
    with pytest.raises(errors.Invalid):
        link.get("/version")
    server.fail("GET", 502, body=lambda _asked: text)
    with pytest.raises(errors.Unreachable, match="HTTP 502"):
        link.get("/version")


def test_no_request_is_sent_twice(server: apiserver.FakeServer, tmp_path: Path) -> None:
    link = server.api(tmp_path)
    for method in ("GET", "POST", "DELETE", "PATCH"):
        server.fail(method, apiserver.LOST)
    calls = {
        "GET": lambda: link.get("/x"),
        "POST": lambda: link.post("/x", {"metadata": {"name": "a"}}),
        "DELETE": lambda: link.delete("/x/a"),
        "PATCH": lambda: link.patch("/x/a", {}),
    }
    for method, call in calls.items():
        with pytest.raises(errors.Unreachable):
            call()
        assert server.count(method) == 1


def test_no_kubernetes_library_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "import externalgrpc.kube.cluster, externalgrpc.kube.connection, externalgrpc.kube.access\n"
        "print([each for each in sys.modules if each in ('kubernetes', 'cryptography')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
