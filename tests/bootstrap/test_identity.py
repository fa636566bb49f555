"""A machine's own id, at a cloud that nobody here knows: two fields make it, and a prefix."""

from __future__ import annotations

import dataclasses
import http.server
import importlib.metadata
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import hypothesis
import pytest
from click import testing
from hypothesis import strategies as st

from externalgrpc import cli, config
from externalgrpc.bootstrap import machine, preview, rendering
from externalgrpc.diagnosis import preflight
from externalgrpc.model import credentials, groups, installed_clouds
from providers import contract, memory, metadata
from providers.memory import datacenter
from tests import absent
from tests.bootstrap import fake_metadata, guest, orders
from tests.bootstrap.guest import Guest

UUID = "11ad1c2e-7ab6-4f30-9d2c-5b1c7f0a9e44"
ANSWER = {"id": UUID, "name": "box", "location": {"zone_id": "oz-north-1"}, "tags": ["a"]}
SERVICE = metadata.Service(
    url="http://169.254.42.42/conf?format=json",
    id="{zone|location.zone_id}/{id}",
    prefix="instance/",
    pattern="[a-z]+-[a-z]+-[0-9]/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    cloud_init=False,
    block=("fd00:42::42",),
)


class Cumulus(memory.MemoryCloud):
    """A cloud of somebody else's; there is none of this name."""

    scheme: ClassVar[str] = "cumulus"
    token_variable: ClassVar[str] = ""
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = SERVICE


class Mute(Cumulus):
    """A cloud whose machines cannot learn their ids."""

    metadata_service: ClassVar[metadata.Service] = metadata.Service(cloud_init=False)


@pytest.fixture
def answers() -> Iterator[dict[str, str]]:
    """Serve these on loopback, by method and path; "url" is where."""
    fields: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = fields.get(f"{self.command} {self.path}", "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fields["url"] = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield fields
        server.shutdown()
        thread.join()


def here(answers: dict[str, str], **changed: Any) -> metadata.Service:
    """Return the cloud's service, with its address on loopback."""
    return dataclasses.replace(SERVICE, url=f"{answers['url']}/conf?format=json", **changed)


def really_ask(machine: Guest) -> None:
    real = shutil.which("curl")
    if real is None:
        absent.skip(absent.Need.CURL)
    machine.program("curl", f'echo "curl $*" >>"$SIM/calls"\nexec {real} "$@"')


@pytest.mark.parametrize("method", ["kubeadm", "k3s"])
def test_two_fields_and_a_prefix_make_the_provider_id(
    baked: Guest, answers: dict[str, str], method: str
) -> None:
    really_ask(baked)
    baked.has("k3s", "v1.36.2+k3s1")
    baked.file("/etc/systemd/system/k3s-agent.service", "")
    answers["GET /conf?format=json"] = json.dumps(ANSWER)
    data = orders.user_data(method=method, scheme="cumulus", service=here(answers))
    assert baked.boot(data).returncode == 0, baked.read("/dev/ttyS0")
    wanted = f"cumulus://instance/oz-north-1/{UUID}"
    if method == "kubeadm":
        assert fake_metadata.flags(baked)["provider-id"] == wanted
    else:
        assert f"provider-id={wanted}" in baked.read("/etc/rancher/k3s/config.yaml")
    assert SERVICE.read(json.dumps(ANSWER)) == f"oz-north-1/{UUID}"
    (rules,) = baked.called("nft add")
    assert "ip daddr 127.0.0.1 drop" in baked.recorded("calls"), "what is asked is blocked"
    assert "ip6 daddr fd00:42::42 drop" in baked.recorded("calls")
    assert "169.254.169.254" not in baked.recorded("calls"), rules


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({**ANSWER, "zone": "OZ NORTH"}, f"but 'OZ NORTH/{UUID}', which is not"),
        ({**ANSWER, "location": {}}, "but ''"),
        ({**ANSWER, "id": "42"}, "but 'oz-north-1/42'"),
        (None, "but ''"),
    ],
)
def test_what_is_no_id_of_the_clouds_registers_nothing_and_says_so(
    baked: Guest, answers: dict[str, str], answer: object, shown: str
) -> None:
    really_ask(baked)
    if answer is not None:
        answers["GET /conf?format=json"] = json.dumps(answer)
    baked.sim(**{"instance-id": f"oz-north-1/{UUID}\n"})
    data = orders.user_data(scheme="cumulus", service=here(answers))
    assert baked.boot(data).returncode == 1
    console = baked.read("/dev/ttyS0")
    assert "gives no id for cumulus" in console
    assert shown in console
    assert baked.called("kubeadm join") == []
    assert baked.called("cloud-init") == [], "its instance-id is not this cloud's id"


def test_an_id_that_a_shell_would_read_is_refused_whatever_the_pattern(
    baked: Guest, answers: dict[str, str]
) -> None:
    really_ask(baked)
    answers["GET /conf?format=json"] = json.dumps({**ANSWER, "zone": "a|e reboot#&"})
    data = orders.user_data(scheme="cumulus", service=here(answers, pattern=".+"))
    assert baked.boot(data).returncode == 1
    assert baked.called("kubeadm join") == []


def test_without_nft_what_the_class_says_is_blocked(baked: Guest) -> None:
    baked.lacks("nft")
    baked.has("iptables", "")
    baked.program("ip6tables", 'echo "ip6tables $*" >>"$SIM/calls"\nexit 3')
    baked.serve(SERVICE.url, json.dumps(ANSWER))
    assert baked.boot(orders.user_data(scheme="cumulus", service=SERVICE)).returncode == 0
    assert "iptables -t raw -I PREROUTING -d 169.254.42.42 -j DROP" in baked.calls
    assert "ip6tables -t raw -I PREROUTING -d fd00:42::42 -j DROP" in baked.calls


NODES = """
cluster: demo
kubernetes: {{}}
accounts: [{{name: a, provider: cumulus}}]
nodes:
- {{name: web, account: a, instanceType: t, region: r, maxSize: 1, image: i{more}}}
"""


@pytest.mark.parametrize("more", [", join: kubeadm", ", join: k3s", ""])
def test_check_refuses_a_join_that_cannot_produce_the_ids(tmp_path: Path, more: str) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(NODES.format(more=more))
    kinds = {"cumulus": cast("installed_clouds.Cloud", Mute)}
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, cluster="", environ={}, clouds=kinds)
    text = str(caught.value)
    assert "cannot learn their own id" in text
    assert "userDataFile" in text
    assert "join: image" in text
    path.write_text(NODES.format(more=", join: image"))
    config.load(path, cluster="", environ={}, clouds=kinds)


def test_an_older_class_loads_and_check_says_what_is_taken(tmp_path: Path) -> None:
    old = type("Old", (before(),), {})
    assert installed_clouds.problems("cumulus", old) == ()
    assert installed_clouds.metadata_service(old) == metadata.Service()
    path = tmp_path / "pools.yaml"
    path.write_text(NODES.format(more=""))
    for cloud, expected in ((old, 1), (Cumulus, 0)):
        kinds = {"cumulus": cast("installed_clouds.Cloud", cloud)}
        found = config.load(path, cluster="", environ={}, clouds=kinds)
        values = [
            each for each in preflight.check_offline(found, kinds).findings()
            if each.subject == "providerID"
        ]  # fmt: skip
        assert len(values) == expected
        assert all("instance-id of cloud-init is taken" in each.what for each in values)


def before() -> type:
    """Make a class that never heard of metadata_service."""
    words = {
        name: value
        for kind in reversed(Cumulus.__mro__[:-1])
        for name, value in vars(kind).items()
        if name not in {"metadata_service", "__dict__", "__weakref__"}
    }
    return type("Before", (), words)


def test_a_class_that_says_it_wrongly_is_no_cloud() -> None:
    wrong = type("Wrong", (Cumulus,), {"metadata_service": None})
    assert installed_clouds.problems("x", wrong) == (
        "metadata_service is no providers.metadata.Service",
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"url": "169.254.42.42/conf"}, "http"),
        ({"url": "http://a'b/"}, "http"),
        ({"id": "zone/id"}, "names no field"),
        ({"id": "{zone}/{}"}, "template"),
        ({"id": "{zone}|{id}"}, "template"),
        ({"headers": ("Accept",)}, "Name: value"),
        ({"headers": ("A: b\nC: d",)}, "Name: value"),
        ({"url": "http://a/", "token_url": "http://a/"}, "token_header"),
        ({"token_url": "http://a/", "token_header": "T"}, "url, which is missing"),
        ({"prefix": "in stance/"}, "prefix"),
        ({"pattern": r"\d+"}, "shell"),
        ({"pattern": "(?:a)"}, "shell"),
        ({"pattern": "[0-9]*"}, "empty"),
        ({"pattern": "["}, "is none"),
        ({"block": ("metadata.example.org",)}, "metadata.example.org"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_when_the_class_is_made(
    wrong: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        metadata.Service(**wrong)


SCALARS = st.none() | st.booleans() | st.integers(0, 99) | st.text("ab/é", max_size=3)
KEYS = st.sampled_from(["a", "b", "0"])
TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(KEYS, inner) | st.lists(inner, max_size=2), max_leaves=6
)


@hypothesis.given(
    st.dictionaries(KEYS, TREES),
    st.sampled_from(["{a}", "{a.b}", "{a|b}", "{a.b|b.a.0}/{b}", "x-{0}"]),
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_machine_and_suite_read_one_answer_alike(whole: dict[str, Any], template: str) -> None:
    """The script's own lines, by a real Python."""
    script = guest.written(orders.user_data())["/usr/local/sbin/vps-autoscaler-join"]
    program = script.split("python3 -c '")[1].split('\' "$META_FIELDS"')[0]
    ran = subprocess.run(
        [sys.executable, "-c", program, template],
        input=json.dumps(whole),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    try:
        expected = metadata.Service(id=template).read(json.dumps(whole))
    except ValueError:
        assert ran.returncode == 1
        assert ran.stderr.startswith("error: no ")
    else:
        assert (ran.returncode, ran.stdout) == (0, f"{expected}\n")


def loaded(folder: Path) -> groups.Config:
    path = folder / "pools.yaml"
    path.write_text(NODES.format(more=""))
    return config.load(path, cluster="", environ={}, clouds={"cumulus": Cumulus})


def test_what_is_rendered_brings_the_class_s_rule_along(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    (group,) = found.groups
    provider = Cumulus.open(contract.Login(account="a", cluster="demo", token=""))
    asked: list[str] = []

    def join_credentials() -> credentials.JoinCredentials:
        asked.append(group.name)
        return orders.WAY_IN

    def rendered(node_name: str) -> str:
        return rendering.user_data(
            group,
            provider,
            cluster="demo",
            cloud="cumulus",
            gpu_label=found.gpu_label,
            node_name=node_name,
            machine_type=orders.KIND,
            location=group.candidates[0].location,
            join_credentials=join_credentials,
        )

    with pytest.raises(machine.Unjoinable):
        rendered("no node's name")
    assert asked == [], "no token is minted for what could not join"
    for data in (rendered("web-x7k2pq"), preview.user_data(found, group, provider)):
        assert "cumulus://instance/@ID@" in data
        assert "http://169.254.42.42/conf?format=json" in data


def test_check_online_fails_where_machines_contradict_the_class(tmp_path: Path) -> None:
    """The data centre numbers its machines, and the class says zone and UUID."""
    center = datacenter.Datacenter(datacenter.Options(list_latency_s=0.0, create_latency_s=0.0))
    login = contract.Login(account="a", cluster="demo", token="")
    types = {each.name: each for each in Cumulus(login, cloud=center).machine_types()}
    kind, place = next(iter(types.values())), center.options.locations[0]
    found = loaded(tmp_path)

    def reported() -> list[str]:
        report = preflight.check_online(
            found, {"cumulus": Cumulus}, lambda _account: Cumulus(login, cloud=center)
        )
        return [each.what for each in report.findings() if each.subject == "providerID"]

    assert reported() == []
    order = contract.Order(
        node_name="web-x7k2pq", cluster="demo", group="web", machine_type=kind, location=place,
        image="", user_data="",
    )  # fmt: skip
    made = Cumulus(login, cloud=center).create(order)
    (message,) = reported()
    assert f"the cloud shows cumulus://{made.id}" in message
    assert f"would be cumulus://instance/{made.id}" in message


def test_the_demo_makes_no_real_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(NODES.format(more=", join: image").replace("kubernetes: {}\n", ""))
    point = importlib.metadata.EntryPoint(
        name="cumulus", value=f"{__name__}:Cumulus", group=contract.ENTRY_POINT_GROUP
    )
    monkeypatch.setattr(installed_clouds, "installed", lambda: installed_clouds.Installed([point]))
    ran = testing.CliRunner().invoke(cli.cli, ["demo", "--config", str(path)])
    assert ran.exit_code != 0
    assert "the demo makes no real machines: a" in f"{ran.output}{ran.exception}"
