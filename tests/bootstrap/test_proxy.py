"""A proxy, and what preJoin exports: what reaches whom, and what never goes through a proxy."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.bootstrap import joining, redaction
from externalgrpc.model import proxy
from externalgrpc.model.join_settings import JoinSettings
from externalgrpc.model.proxy import Proxy
from tests.bootstrap import guest, orders, test_k3s
from tests.bootstrap.guest import Guest

URL = "http://ann:hush%40-it@proxy.example.org:3128"
THROUGH = Proxy(http=URL, https=URL, no_proxy=("mirror.example.org", ".corp.example.org"))
UNITS = {"kubeadm": ["containerd", "kubelet"], "k3s": ["k3s-agent"]}
SAYS = 'echo "{0} $http_proxy $HTTPS_PROXY $no_proxy $GIVEN" >>"$SIM/environment"\n'
INSTALLER = SAYS.format("installer") + test_k3s.INSTALLER


@pytest.fixture(params=joining.METHODS)
def method(request: pytest.FixtureRequest, fresh: Guest) -> str:
    """Choose a join; programs that fetch write down what their environment says."""
    fresh.serve("https://get.k3s.io", INSTALLER)
    fresh.sim(environment="")
    for name in ("apt-get", "curl"):
        program = fresh.path(f"../bin/{name}")
        body = program.read_text().removeprefix("#!/bin/bash\n")
        fresh.program(name, SAYS.format(name) + body)
    give = fresh.path("../sim/give")
    give.write_text(give.read_text().replace("join*)", "join*)\n" + SAYS.format("kubeadm")))
    chosen: str = request.param
    return chosen


def said(machine: Guest) -> dict[str, set[str]]:
    """Return what each program had in its environment."""
    found: dict[str, set[str]] = {}
    for line in machine.recorded("environment").splitlines():
        name, _, rest = line.partition(" ")
        found.setdefault(name, set()).add(rest.strip())
    return found


def past(data: str) -> list[str]:
    env = guest.written(data)["/etc/vps-autoscaler/proxy.env"]
    (line,) = [each for each in env.splitlines() if each.startswith("no_proxy=")]
    return shlex.split(line)[0].removeprefix("no_proxy=").split(",")


def test_it_reaches_whatever_fetches(fresh: Guest, method: str) -> None:
    data = orders.user_data(method=method, proxy=THROUGH, pre_join=("curl -V || :",))
    done = fresh.boot(data)
    assert done.returncode == 0, done.stdout
    direct = ",".join(past(data))
    everybody = {"curl", *(("apt-get", "kubeadm") if method == "kubeadm" else ("installer",))}
    assert set(said(fresh)) == everybody
    for name, result in said(fresh).items():
        assert result == {f"{URL} {URL} {direct}"}, name
    env = fresh.path(proxy.ENV)
    assert env.stat().st_mode & 0o777 == 0o600
    for unit in UNITS[method]:
        drop_in = f"/etc/systemd/system/{unit}.service.d/80-vps-autoscaler-proxy.conf"
        assert fresh.read(drop_in) == f"[Service]\nEnvironmentFile={proxy.ENV}\n"
    assert fresh.calls.index("systemctl daemon-reload") < fresh.calls.index("curl -V")
    apt = fresh.path("/etc/apt/apt.conf.d/90vps-autoscaler-proxy")
    assert apt.stat().st_mode & 0o777 == 0o600
    assert apt.read_text().splitlines() == [
        f'Acquire::http::Proxy "{URL}";',
        f'Acquire::https::Proxy "{URL}";',
        'Acquire::http::Proxy::mirror.example.org "DIRECT";',
        'Acquire::https::Proxy::mirror.example.org "DIRECT";',
    ]


def test_a_containerd_that_runs_already_starts_anew(baked: Guest) -> None:
    """cloud-init comes after the image's own units."""
    baked.file("/etc/containerd/config.toml", "SystemdCgroup = true\n")
    assert baked.boot(orders.user_data(proxy=THROUGH)).returncode == 0
    reload = baked.calls.index("systemctl daemon-reload")
    assert reload < baked.calls.index("systemctl restart containerd")


def test_without_one_nothing_is_written_and_nothing_restarted(fresh: Guest, method: str) -> None:
    data = orders.user_data(method=method)
    assert [each for each in guest.written(data) if "proxy" in each] == []
    assert fresh.boot(data).returncode == 0
    assert "systemctl daemon-reload" not in fresh.calls


def test_it_counts_after_a_boot_and_for_the_last_lines_too(fresh: Guest, method: str) -> None:
    show = f'echo "post $https_proxy" >>{shlex.quote(str(fresh.path("/post")))}'
    data = orders.user_data(method=method, proxy=THROUGH, post_join=(show,))
    assert fresh.boot(data).returncode == 0
    assert fresh.read("/post") == f"post {URL}\n"
    assert fresh.path(proxy.ENV).exists(), "units read it at each start"


@pytest.mark.parametrize("endpoint", ["https://api.example.org:6443", "https://[2001:db8::7]:6443"])
def test_nobody_can_cut_a_node_off(method: str, endpoint: str) -> None:
    data = orders.user_data(
        method=method,
        proxy=Proxy(https=URL),
        api_server=endpoint,
        private_subnet="100.64.0.0/16",
        cluster_networks=("203.0.113.0/24", "2001:db8:1::/48"),
    )
    result = past(data)
    for each in (
        *("localhost", "127.0.0.1", "::1", "169.254.169.254", "fd00:a9fe:a9fe::1"),
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", ".svc", ".cluster.local"),
        *("100.64.0.0/16", "203.0.113.0/24", "2001:db8:1::/48"),
        endpoint.removeprefix("https://").removesuffix(":6443").strip("[]"),
    ):
        assert each in result
    assert len(result) == len(set(result))


def test_what_prejoin_exports_cannot_cut_it_off_either(fresh: Guest, method: str) -> None:
    lines = ("export no_proxy=nothing NO_PROXY=nothing https_proxy=http://other:1",)
    data = orders.user_data(method=method, proxy=THROUGH, pre_join=lines)
    assert fresh.boot(data).returncode == 0
    (result,) = said(fresh)["kubeadm" if method == "kubeadm" else "installer"]
    assert result == f"{URL} {URL} {','.join(past(data))}"


def test_addresses_of_mirrors_inside_a_network_are_listed(method: str) -> None:
    """apt and older curls match no address with a network."""
    data = orders.user_data(
        method=method,
        proxy=THROUGH,
        kubernetes_packages="http://10.1.2.3/k/{minor}/",
        k3s_installer="http://[fd00::3]/k3s.sh",
        containerd_packages="http://198.51.100.1/",
        allow_http=True,
    )
    result = past(data)
    assert ("10.1.2.3" if method == "kubeadm" else "fd00::3") in result
    assert "198.51.100.1" not in result, "a public one is nobody's neighbour"


def test_one_alone_leaves_the_other_direct() -> None:
    written = guest.written(orders.user_data(proxy=Proxy(http=URL)))
    assert "https_proxy" not in written[proxy.ENV]
    apt = written["/etc/apt/apt.conf.d/90vps-autoscaler-proxy"]
    assert 'Acquire::https::Proxy "DIRECT";' in apt, "else apt takes the other's"
    written = guest.written(orders.user_data(proxy=Proxy(https=URL)))
    assert "http_proxy" not in written[proxy.ENV].replace("https_proxy", "")


HUSH = "hush%40-it"


def test_its_password_shows_nowhere(fresh: Guest, method: str) -> None:
    data = orders.user_data(method=method, proxy=THROUGH)
    assert HUSH in data
    assert HUSH not in redaction.mask(data)
    assert HUSH not in repr(JoinSettings(proxy=THROUGH))
    failing = orders.user_data(
        method=method, proxy=THROUGH, pre_join=('echo "error: $https_proxy failed"', "false")
    )
    done = fresh.boot(failing)
    assert done.returncode == 1
    everything = (
        done.stdout
        + fresh.read("/dev/ttyS0")
        + fresh.read("/var/lib/vps-autoscaler/failed")
        + fresh.read("/var/lib/vps-autoscaler/log")
    )
    assert "error: http://(hidden)@proxy.example.org:3128 failed" in everything
    assert HUSH not in everything


def test_nor_by_what_a_kubelet_says(fresh: Guest) -> None:
    fresh.sim(journal=f"error: proxyconnect {URL}\n", **{"join-fails": "9\n"})
    assert fresh.boot(orders.user_data(proxy=THROUGH)).returncode == 1
    assert "(hidden)@proxy" in fresh.read("/dev/ttyS0")
    assert HUSH not in fresh.read("/dev/ttyS0")


LINES: dict[str, tuple[tuple[str, ...], str]] = {
    "a word": (("export GIVEN=a-word",), "a-word"),
    "blanks and quotes": (("""export GIVEN="it's \\"a\\" \\$b" """,), """it's "a" $b"""),
    "until exit": (("export GIVEN=early", "exit 0", "export GIVEN=late"), "early"),
    "not exported": (("GIVEN=no",), ""),
    "none of ours": (("export GIVEN=x NODE_NAME=evil MINOR=1.9 CONF=/evil STATE=/evil",), "x"),
}


@pytest.mark.parametrize("case", LINES)
def test_what_prejoin_exports_reaches_the_later_steps(fresh: Guest, method: str, case: str) -> None:
    lines, given = LINES[case]
    done = fresh.boot(orders.user_data(method=method, pre_join=lines))
    assert done.returncode == 0, done.stdout
    assert said(fresh)["kubeadm" if method == "kubeadm" else "installer"] == {given}
    assert fresh.read(f"/var/lib/vps-autoscaler/{method}") == "workers-x7k2pq\n"
    assert not fresh.path("/var/lib/vps-autoscaler/exports").exists()


def test_a_path_of_prejoins_own_counts(fresh: Guest, method: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "cloud-init").write_text('#!/bin/sh\necho called >>"$SIM/mine"\necho 4711\n')
    (mine / "cloud-init").chmod(0o755)
    fresh.sim(mine="", **{"web.json": "{}"})
    data = orders.user_data(method=method, scheme="else", pre_join=(f"export PATH={mine}:$PATH",))
    fresh.boot(data)
    assert fresh.recorded("mine") == "called\n"


@pytest.mark.parametrize("last", ["false", "exit 3", "exit 1 # export"])
def test_lines_that_fail_fail_the_join_all_the_same(fresh: Guest, method: str, last: str) -> None:
    assert fresh.boot(orders.user_data(method=method, pre_join=(last, "true"))).returncode == 1
    assert "join failed: preJoin: " in fresh.read("/dev/ttyS0")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "proxy needs http, https or both"),
        ({"no_proxy": ("a",)}, "proxy needs http, https or both"),
        ({"http": "proxy.example.org:3128"}, "proxy.http must look like http://host:3128"),
        ({"http": "http://proxy.example.org"}, "proxy.http"),
        ({"http": "http://proxy.example.org:70000"}, "proxy.http"),
        ({"http": "http://proxy.example.org:3128/path"}, "proxy.http"),
        ({"https": "socks5://proxy.example.org:1080"}, "proxy.https"),
        ({"https": "http://a b@proxy.example.org:1080"}, "proxy.https"),
        ({"https": "http://ann:hush@it@proxy.example.org:1"}, "as % and its two hexadecimal"),
        ({"https": "http://ann:hush%4@proxy.example.org:1"}, "as % and its two hexadecimal"),
        ({"https": "http://ann:$(hush)@proxy.example.org:1"}, "as % and its two hexadecimal"),
        ({"https": 'http://x:1";\nhush'}, "proxy.https"),
        ({"https": "http://[fd00::zz]:3128"}, "proxy.https"),
        ({"http": URL, "no_proxy": ("*",)}, "leave proxy out"),
        ({"http": URL, "no_proxy": ("*.example.org",)}, "write '.example.org'"),
        ({"http": URL, "no_proxy": ("10.0.0.1/8",)}, "is no network"),
        ({"http": URL, "no_proxy": ("a:443",)}, "without scheme and port"),
        ({"http": URL, "no_proxy": ("https://a",)}, "without scheme and port"),
        ({"http": URL, "no_proxy": ("http://a:hush@b",)}, "no user or password"),
        ({"http": URL, "no_proxy": ("a,b",)}, "none of host.example.org"),
        ({"http": URL, "no_proxy": ("a b",)}, "none of host.example.org"),
        ({"http": URL, "no_proxy": ("",)}, "none of host.example.org"),
        ({"http": URL, "no_proxy": ("fe80::1%eth0",)}, "none of host.example.org"),
    ],
)
def test_what_cannot_be_meant_so(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r".*") as caught:
        Proxy(**given)
    assert text in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"http": "http://10.0.0.9:3128"},
        {"https": "https://[fd00::9]:3128/"},
        {"http": "http://ann@proxy:8080", "no_proxy": ("localhost", "192.0.2.7", "fd00::/8")},
        {"http": "http://proxy:1", "no_proxy": (".example.org", "example.org", "::1", "a_b.c")},
    ],
)
def test_what_can(given: dict[str, Any]) -> None:
    assert Proxy(**given)
