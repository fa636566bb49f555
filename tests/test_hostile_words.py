"""A cloud, a cluster and a server that send hostile text, through every command and every log."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
from concurrent import futures

import click
import click.testing
import grpc
import pytest
from rich.console import Console

from externalgrpc.commands import demo, live_table, tables, terminal
from externalgrpc.diagnosis import findings, preflight, screen
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.kube import events
from externalgrpc.nodes import price_list
from externalgrpc.pb import externalgrpc_pb2, externalgrpc_pb2_grpc, fleet_pb2_grpc
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import callers, calls, fleet_service, limits, workers
from externalgrpc.standin import events as standin_events
from externalgrpc.support import clock, logs
from providers import contract, errors
from providers.fakes import engine, faults
from tests import serving, zoo
from tests.diagnosis import cluster
from tests.fakes import hetzner
from tests.kube import apiserver
from tests.test_cli import ROOT

POOLS = """\
cluster: demo
accounts:
- {{name: h, provider: hetzner, endpoint: "{endpoint}"}}
nodes:
- {{name: web, account: h, instanceType: cx23, region: fsn1, image: debian-13, join: image,
   maxSize: 3}}
"""


def run(*arguments, ok=(0, 1), **environ):
    """Run a command as a process, and look at every character that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "externalgrpc", *map(str, arguments)],
        capture_output=True,
        timeout=90,
        cwd=ROOT,
        env={
            **os.environ,
            "COLUMNS": "200",
            "HCLOUD_TOKEN": engine.FAKE_TOKEN,
            **environ,
        },
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in ok, out + err
    zoo.harmless(out)
    zoo.harmless(err)
    return done.returncode, out, err


@pytest.fixture
def cloud(tmp_path):
    """Play a cloud with one machine for each word of the zoo, in every field that is a text."""
    with hetzner.HetznerFake() as fake:
        for word in zoo.WORDS:
            marks = ("cluster", "demo"), ("group", word), ("node", word)
            labels = {f"vps-autoscaler/{key}": value for key, value in marks}
            kind = {**fake.catalogue["server_types"][0], "name": f"cx{word}"}
            place = {**fake.catalogue["locations"][1], "name": f"fsn{word}"}
            fake.add(f"n{word}", labels, server_type=kind, location=place)
        path = tmp_path / "pools.yaml"
        path.write_text(POOLS.format(endpoint=fake.url))
        yield fake, path


def says(fake, word, *, times=None):
    """Let every request be refused with a word."""
    fake.fail(
        faults.FaultKind.ERROR,
        status=422,
        code="invalid_input",
        message=f"no: {word}",
        times=times,
    )


ALL = " ".join(zoo.WORDS)


def test_purge_lists_and_deletes(cloud):
    _, path = cloud
    _, out, _ = run("purge", "--config", path, "--dry-run", ok=(0,))
    assert out.count("\n") == len(zoo.WORDS) + 1, "one line for each machine"
    assert "\\u202egpj.exe" in out
    assert "  [/]  [/]  " in out
    _, out, _ = run("purge", "--config", path, "--yes", ok=(0,))
    assert f"[{len(zoo.WORDS)}/{len(zoo.WORDS)}]" in out


@pytest.mark.parametrize(
    "words",
    [
        ("purge", "--yes"),
        ("offers",),
        ("offers", "-o", "json"),
        ("check", "--online"),
        ("check", "--online", "-o", "json"),
        ("render", "web"),
        ("render", "web", "-o", "json"),
        ("doctor", "--address", "127.0.0.1:1"),
        ("doctor", "--address", "127.0.0.1:1", "-o", "json"),
    ],
    ids=" ".join,
)
def test_a_cloud_that_refuses_with_hostile_words(cloud, words):
    fake, path = cloud
    says(fake, ALL)
    name, *rest = words
    _, out, err = run(name, "--config", path, *rest)
    assert "[bold red]x[/bold red]" in out + err
    if "json" in words and out:
        json.loads(out)


def test_what_hostile_machines_show_in_check_and_doctor(cloud):
    _, path = cloud
    run("check", "--config", path, "--online")
    _, out, _ = run("doctor", "--config", path, "--address", "127.0.0.1:1")
    assert "[/]" in out
    _, out, _ = run("doctor", "--config", path, "-o", "json")
    assert not json.loads(out)["ok"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_serve_logs_and_ls_shows_them(cloud, form):
    fake, path = cloud
    argv = ["--config", str(path), "--listen", "127.0.0.1:0", "--no-live", "--log-format", form]
    process = subprocess.Popen(
        [sys.executable, "-m", "externalgrpc", "serve", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "HCLOUD_TOKEN": engine.FAKE_TOKEN},
    )
    try:
        address = process.stdout.readline().decode().rsplit(" ", 1)[1].strip()
        for more in ((), ("--wide",)):
            _, out, _ = run("ls", "--address", address, *more, ok=(0,))
            assert len(re.findall(r" orphan\s", out)) >= len(zoo.WORDS)
        _, out, _ = run("ls", "--address", address, "-o", "json", ok=(0,))
        names = [each["name"] for each in json.loads(out)["machines"]]
        assert len(names) == len(zoo.WORDS)
        assert "[/]" in names
        says(fake, ALL, times=1000)
        with grpc.insecure_channel(address) as channel:
            stub = fleet_pb2_grpc.FleetStub(channel)
            serving.until(lambda: stub.Show(pb.ShowRequest()).accounts[0].trouble, 60)
        _, out, _ = run("ls", "--address", address, ok=(0,))
        assert "[bold red]x[/bold red]" in " ".join(out.split())
    finally:
        process.terminate()
        _, log = process.communicate(timeout=40)
    text = log.decode()
    zoo.harmless(text)
    lines = text.splitlines()
    assert any("\\u202egpj.exe" in each for each in lines)
    if form == "json":
        assert all(isinstance(json.loads(each), dict) for each in lines)
    else:
        assert all(each.startswith("20") for each in lines), "a line was forged"


def evil_reply():
    """Fill every text of a server's own view with words, whatever fields it may get one day."""
    reply = pb.ShowResponse()

    def fill(message, number):
        for field in message.DESCRIPTOR.fields:
            if field.type == field.TYPE_STRING:
                word = zoo.ENCODABLE[number % len(zoo.ENCODABLE)]
                if isinstance(getattr(message, field.name), str):
                    setattr(message, field.name, word)
                else:
                    getattr(message, field.name).append(word)

    fill(reply, 0)
    for number in range(len(zoo.ENCODABLE)):
        for each in (reply.groups, reply.machines, reply.accounts):
            fill(each.add(), number)
    return reply


@contextlib.contextmanager
def evil_server(answer):
    """Answer Show with a reply, or with the details of an error."""

    class Evil(fleet_pb2_grpc.FleetServicer):
        def Show(self, _request, context):  # noqa: N802
            if isinstance(answer, str):
                context.abort(grpc.StatusCode.INTERNAL, answer)
            return answer

    server = grpc.server(futures.ThreadPoolExecutor(2))
    fleet_pb2_grpc.add_FleetServicer_to_server(Evil(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def test_ls_of_a_server_that_is_none_of_ours():
    with evil_server(evil_reply()) as address:
        for more in ((), ("--wide",), ("-o", "json")):
            run("ls", "--address", address, *more, ok=(0,))
    with evil_server(" ".join(zoo.ENCODABLE)) as address:
        _, _, err = run("ls", "--address", address, ok=(1,))
    assert err.count("\n") == 1


def test_doctor_of_a_hostile_cluster(cloud, tmp_path):
    _, path = cloud
    with cluster.running() as kube, evil_server(evil_reply()) as address:
        put_words(kube)
        kubeconfig = cluster.kubeconfig(kube, tmp_path)
        path.write_text(path.read_text() + f"kubernetes: {{kubeconfig: {kubeconfig}}}\n")
        for more in ((), ("-o", "json")):
            _, out, _ = run("doctor", "--config", path, "--address", address, *more, ok=(1,))
        json.loads(out)
        assert cluster.only_read(kube)


def put_words(kube: apiserver.FakeServer) -> None:
    words = zoo.WORDS
    kube.put("/version", {"gitVersion": f"v1.36.2{words[1]}"})
    nodes = []
    for number, word in enumerate(words):
        taint = {"key": f"node.example/{word}", "value": word, "effect": "NoSchedule"}
        made = cluster.node(f"web-{word}", provider_id=f"hcloud://{word}", taints=[taint])
        made["metadata"]["labels"] = {f"l/{word}": word}
        made["metadata"]["uid"] = str(number)
        nodes.append(made)
    kube.put("/api/v1/nodes", {"items": nodes, "metadata": {"resourceVersion": "1"}})
    cluster.hold(
        kube,
        f"{cluster_probe.APPS}/deployments",
        *(
            cluster.deployment(
                f"registry.example/cluster-autoscaler:{word}",
                "--cloud-provider=externalgrpc",
                f"--{word}={word}",
                name=f"ca{word}",
            )
            for word in words
        ),
    )
    pods = [
        {
            "metadata": {"name": f"p{word}", "labels": {"a": word}, "ownerReferences": []},
            "spec": {"nodeName": f"web-{word}"},
        }
        for word in words
    ]
    cluster.hold(kube, cluster_probe.SYSTEM_PODS, *pods)


def test_a_file_with_hostile_words(tmp_path):
    word = " ".join(zoo.ENCODABLE)
    path = tmp_path / "pools.yaml"
    text = json.dumps({"cluster": word, word: 1, "nodes": [{"name": word, word: word}]})
    path.write_text(text)
    for command in (("check",), ("offers",), ("serve", "--no-live", "--listen", "127.0.0.1:0")):
        _, _, err = run(*command, "--config", path, ok=(1,))
        assert all(each.startswith((str(path), "Error: ")) or "mistakes" in each
                   for each in err.splitlines())  # fmt: skip
    _, out, _ = run("check", "--config", path, "-o", "json", ok=(1,))
    assert json.loads(out)["mistakes"]
    for word in ("a\nb", "a\x1b[31m", "\u202ea"):
        _, _, err = run("check", "--config", tmp_path / word, ok=(1,))
        assert err.count("\n") == 2, "a mistake and the count"
        run("check", f"--{word}", ok=(2,))


def test_what_the_autoscaler_is_reported_of_a_refusal(cloud):
    """It logs what it gets, and a surrogate would make the whole reply fail."""
    fake, path = cloud
    argv = ["--config", str(path), "--listen", "127.0.0.1:0", "--no-live"]
    process = subprocess.Popen(
        [sys.executable, "-m", "externalgrpc", "serve", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "HCLOUD_TOKEN": engine.FAKE_TOKEN},
    )
    try:
        address = process.stdout.readline().decode().rsplit(" ", 1)[1].strip()
        fake.fail(
            faults.FaultKind.ERROR,
            method="POST",
            status=422,
            code="invalid_input",
            message=ALL,
            times=None,
        )
        with grpc.insecure_channel(address) as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
            stub.NodeGroupIncreaseSize(
                externalgrpc_pb2.NodeGroupIncreaseSizeRequest(id="web", delta=1)
            )

            def failures():
                response = stub.NodeGroupNodes(externalgrpc_pb2.NodeGroupNodesRequest(id="web"))
                return [
                    each.status.errorInfo.errorMessage
                    for each in response.instances
                    if each.status.errorInfo.errorCode
                ]

            # Orders wait for one settling time after a start.
            serving.until(failures, 90)
            (message,) = failures()
    finally:
        process.terminate()
        process.communicate(timeout=40)
    assert zoo.raw(message) == []
    assert "[bold red]x[/bold red]" in message


@pytest.mark.parametrize("word", zoo.WORDS)
def test_the_details_of_a_status(word):
    class Context:
        def abort(self, code, details):
            self.reported = (code, details)
            raise RuntimeError

        def cancel(self):
            raise AssertionError("nobody waits here")

    def refuse(_request):
        raise errors.BadOrder(word)

    bounds, time_source = limits.Limits(), clock.SystemClock()
    waiting = callers.Callers(bounds, time_source)
    made = calls.Calls(workers.Workers(bounds, waiting.end_oldest), waiting, time_source)
    handler = made.unary("X", pb.ShowRequest, refuse)
    context = Context()
    with pytest.raises(RuntimeError):
        handler.stream_unary(iter([b""]), context)
    assert context.reported[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert zoo.raw(context.reported[1]) == []
    assert "\n" not in context.reported[1]


@click.command()
def boom():
    raise click.ClickException(ALL)


def test_an_error_of_a_command_that_took_no_care():
    @click.group(cls=terminal.Group, commands_at={"boom": f"{__name__}:boom"})
    def commands():
        pass

    done = click.testing.CliRunner().invoke(commands, ["boom"])
    assert done.exit_code == 1
    zoo.harmless(done.output)
    assert done.output.count("\n") == 1


@pytest.fixture
def logged():
    return io.StringIO()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("word", zoo.WORDS)
def test_a_log_line_is_one_line_in_every_format(logged, word, as_json):
    logs.set_up(level="info", as_json=as_json, stream=logged)
    try:
        raise ValueError(word)
    except ValueError:
        logs.Log("test").exception("boom", name=word, names=[word], nothing=float("nan"))
    logging.getLogger("stranger").warning(word)
    result = logged.getvalue()
    result.encode()
    assert zoo.raw(result) == []
    lines = result.removesuffix("\n").split("\n")
    assert len(lines) == 2
    if as_json:
        assert json.loads(lines[0], parse_constant=pytest.fail)["name"] == word
        assert json.loads(lines[1])["event"] == word


def test_events_of_kubernetes_hold_characters_only():
    kept: list[dict] = []

    class Api:
        def post(self, _path, body):
            kept.append(body)

        def server_unix(self):
            return 0.0

    home = events.Regarding(kind="ConfigMap", name="vps-autoscaler", namespace="x")
    made = events.EventWriter(Api(), instance="i", time_source=clock.SystemClock())
    for word in (*zoo.WORDS, ALL * 20):
        made.publish(events.Event(regarding=home, reason="JoinFailed", action="Join", note=word))
    assert len(kept) == len(zoo.WORDS) + 1
    for body in kept:
        assert zoo.raw(body["note"]) == []
        assert len(body["note"].encode()) <= 1024


def drawn(picture) -> str:
    """Draw for a terminal with colours, as one is."""
    stream = io.StringIO()
    console = terminal.console()
    console.file = stream
    console.print(picture, width=220)
    return stream.getvalue()


@pytest.mark.parametrize("word", zoo.WORDS)
def test_reports_and_deals(word):
    finding = findings.Finding(
        severity=findings.Severity.TROUBLE, subject=word, what=word, cure=word
    )
    kind = contract.MachineType(name=word, cpu_millis=1, memory_bytes=1, disk_bytes=1)
    offer = contract.Offer(
        machine_type=word, location=word, price_per_hour=None, currency="EUR", in_stock=True
    )
    candidate = preflight.CandidateReport(
        name=word, location=word, machine_type=kind, offer=offer, price_per_hour=None
    )
    report = preflight.Report(
        cluster=word,
        currency=word,
        online=True,
        accounts=(
            preflight.AccountReport(
                name=word,
                provider=word,
                findings=(finding,),
                quota=contract.Quota(limit=1, used=1, note=word),
            ),
        ),
        groups=(
            preflight.GroupReport(
                name=word,
                account=word,
                min_size=0,
                max_size=1,
                findings=(finding,),
                candidates=(candidate,),
            ),
        ),
        kubernetes=(finding,),
    )
    shown = drawn(tables.report(report))
    deal = price_list.Deal(account=word, machine_type=kind, offer=offer, price=None)
    shown += drawn(tables.deals([deal], currency="EUR"))
    sick = findings.Report(
        cluster=word,
        findings=(findings.trouble(word, word, word, word),),
        looked_at=(word,),
        not_looked_at=(findings.Unseen(what=word, because=word),),
    )
    shown += drawn(screen.draw(sick))
    assert zoo.raw(shown, styled=True) == []
    assert "\U0001f480" not in shown, "an emoji code was read"
    if word in zoo.MARKUP:
        assert shown.count(word) > 8


def test_the_live_table_and_the_demo(monkeypatch):
    stream = io.StringIO()
    made = Console(file=stream, force_terminal=True, width=200, markup=False, emoji=False)
    monkeypatch.setattr(terminal, "console", lambda **_: made)

    class View(fleet_service.Show):
        def __init__(self):
            self.reply = evil_reply()

        def Show(self, _request):  # noqa: N802
            return self.reply

    shown = live_table.Screen()
    shown.log_stream().write(f"{ALL}\n")
    made.print(tables.fleet(View().Show(None)))
    feed = demo._Feed(made, clock.SystemClock())
    feed.emit(standin_events.Event(kind=standin_events.Kind.FAILED, group="g", text=ALL))
    made.print(feed.lines[0])
    assert zoo.raw(stream.getvalue(), styled=True) == []
    assert ":skull:" in stream.getvalue()


def test_what_is_being_asked_is_no_markup(monkeypatch):
    stream = io.StringIO()
    made = Console(file=stream, force_terminal=True, width=200, markup=False, emoji=False)
    monkeypatch.setattr(terminal, "console", lambda **_: made)
    with terminal.asking("[/] ..."):
        pass
    with terminal.asking("a") as waiting:
        for word in zoo.WORDS:
            waiting(word)


def test_a_traceback_is_harmless_too():
    code = (
        "from externalgrpc.commands import terminal\nimport threading\n"
        "terminal.harmless_tracebacks()\n"
        f"def boom(): raise ValueError({ALL!a})\n"
        "t = threading.Thread(target=boom); t.start(); t.join()\nboom()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=60)
    text = done.stderr.decode().replace("\t", "")  # a block keeps those
    assert done.returncode == 1
    assert zoo.raw(text) == []
    assert text.count("ValueError") == 2
