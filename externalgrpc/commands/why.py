"""``why``: say why a pod has no node, why a group has no further node, why a machine is no node."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource

from externalgrpc.commands import naming, parameters, terminal
from externalgrpc.rpc import client
from externalgrpc.support import clock

if TYPE_CHECKING:
    import grpc

    from externalgrpc.diagnosis.findings import Finding
    from externalgrpc.diagnosis.pods.answer import Answer
    from externalgrpc.kube.connection import Connection
    from externalgrpc.pb import fleet_pb2 as pb


@click.command(epilog="Example: vps-autoscaler why workers --address 127.0.0.1:8086")
@click.argument("name", nargs=-1, required=True, metavar="POD|GROUP|MACHINE")
@parameters.connection
@click.option("-n", "--namespace", default="", help="Of the pod; else that of the context.")
@click.option(
    "--kubeconfig",
    type=parameters.FILE,
    envvar="KUBECONFIG",
    help="Your own credentials for the cluster, for a pod; else KUBECONFIG, else ~/.kube/config.",
)
@click.option("--context", "kube_context", default="", help="A context of the kubeconfig.")
@click.option(
    "--autoscaler-namespace",
    default="",
    help="Where the autoscaler writes its status; else kube-system and vps-autoscaler are tried.",
)
@parameters.OUTPUT
@click.pass_context
def why(
    context: click.Context,
    *,
    name: tuple[str, ...],
    address: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str,
    namespace: str,
    kubeconfig: Path | None,
    kube_context: str,
    autoscaler_namespace: str,
    output: str,
) -> None:
    """Say why a pod has no node, why a group has no further one, why a machine is none yet.

    POD is pod/NAME, or NAMESPACE/NAME; GROUP and MACHINE are names, or group/NAME, machine/NAME, or
    a machine's provider id. A bare name is a group's or a machine's; a pod's where -n is given or
    no group and no machine has it.

    Of a pod: what it asks against the node that each group would get next, what keeps each group
    from growing, and what the autoscaler and the scheduler say. Reads only.
    """
    try:
        asked = naming.read(name, namespace)
    except naming.Unclear as error:
        raise click.UsageError(str(error)) from error
    own = context.get_parameter_source("kubeconfig") is ParameterSource.COMMANDLINE
    wants_pod = asked.kind == "pod" or (not asked.kind and bool(namespace or own))
    connection = client.Connection(
        address=address, ca=ca, certificate=cert, key=key, server_name=server_name
    )
    cluster = _Cluster(
        kubeconfig=_kubeconfig(kubeconfig),
        context=kube_context,
        autoscaler_namespace=autoscaler_namespace,
    )
    with contextlib.ExitStack() as stack:
        server = _server(stack, connection, address)
        if server.shown is None and not wants_pod:
            raise terminal.Failure(server.silent)
        found = _groups_and_machines(asked, server)
        pod = _pod(asked, server, cluster, wanted=wants_pod, found=found)
    code = _say(asked, found, pod, output)
    context.exit(code)


class _Server(NamedTuple):
    """What a running server said; ``silent`` is why it said nothing."""

    channel: grpc.Channel | None
    shown: pb.ShowResponse | None
    silent: str = ""


class _Cluster(NamedTuple):
    kubeconfig: str
    context: str
    autoscaler_namespace: str


def _kubeconfig(given: Path | None) -> str:
    """Choose a kubeconfig as kubectl does; "" where there is none."""
    usual = Path.home() / ".kube" / "config"
    return str(given) if given else str(usual) if usual.exists() else ""


def _server(stack: contextlib.ExitStack, connection: client.Connection, address: str) -> _Server:
    try:
        channel = stack.enter_context(connection.open())
        return _Server(channel, client.show(channel, address))
    except client.CannotReach as error:
        return _Server(None, None, str(error))


def _groups_and_machines(asked: naming.Named, server: _Server) -> tuple[Finding, ...]:
    from externalgrpc.diagnosis import reasons  # noqa: PLC0415

    if server.shown is None or asked.kind == "pod":
        return ()
    found = reasons.explain(server.shown, asked.name)
    return tuple(each for each in found if each.subject.startswith(f"{asked.kind} ".lstrip()))


def _pod(
    asked: naming.Named,
    server: _Server,
    cluster: _Cluster,
    *,
    wanted: bool,
    found: tuple[Finding, ...],
) -> Answer | None:
    """Answer of a pod, where one is asked for or nothing else has the name; else None.

    Ends the command where nothing at all has the name.
    """
    from externalgrpc.diagnosis.pods import answer, asking  # noqa: PLC0415
    from externalgrpc.kube import connection, errors  # noqa: PLC0415

    if not wanted and (found or asked.kind):
        if not found:
            raise terminal.Failure(_nothing(asked, server))
        return None
    try:
        link = _connect(cluster)
    except connection.CannotConnect as error:
        if asked.kind == "pod":
            raise parameters.failure(error) from error
        if found:
            raise terminal.Failure(f"of pod {asked.name}: {error}") from error
        raise terminal.Failure(f"{_nothing(asked, server)}; no pod was looked for: {error}") from (
            error
        )
    try:
        return answer.answer(
            asking.look(
                link.api,
                asking.pod(link.api, asked.namespace or link.namespace, asked.name),
                asking.Server(server.shown, server.channel, server.silent),
                namespace=cluster.autoscaler_namespace,
                now=clock.SystemClock().unix(),
            )
        )
    except (asking.NoPod, errors.KubeError) as error:
        if found:
            return None
        if asked.kind == "pod":
            raise parameters.failure(error) from error
        raise terminal.Failure(f"{_nothing(asked, server)}; {error}") from error
    finally:
        link.api.close()


def _connect(cluster: _Cluster) -> Connection:
    from externalgrpc.kube import connection  # noqa: PLC0415

    if not cluster.kubeconfig:
        raise connection.CannotConnect(
            "there is neither KUBECONFIG nor ~/.kube/config: --kubeconfig names one"
        )
    return connection.connect(
        kubeconfig=cluster.kubeconfig, context=cluster.context, time_source=clock.SystemClock()
    )


def _nothing(asked: naming.Named, server: _Server) -> str:
    from externalgrpc.diagnosis import findings  # noqa: PLC0415

    if server.shown is None:
        return server.silent
    kinds = f"no {asked.kind}" if asked.kind else "neither a group nor a machine"
    there = findings.names(each.id for each in server.shown.groups) or "none"
    return (
        f"the server has {kinds} {asked.name!r}; its groups are: {there}; vps-autoscaler ls --wide "
        "shows all"
    )


def _say(asked: naming.Named, found: tuple[Finding, ...], pod: Answer | None, output: str) -> int:
    """Print what was found, and return the exit code: 3 where not all of a pod could be seen."""
    from externalgrpc.diagnosis import findings, screen  # noqa: PLC0415
    from externalgrpc.diagnosis.pods import answer  # noqa: PLC0415

    every = (*found, *(pod.findings if pod is not None else ()))
    kinds = [each.subject.split()[0] for each in found] + (["pod"] if pod is not None else [])
    if len(kinds) > 1:
        every = (*every, _ambiguous(asked.name, kinds))
    if output == "json":
        plain: object = [findings.plain_finding(each) for each in every]
        if pod is not None:
            plain = {**answer.plain(pod), "findings": plain}
        terminal.say_lines(json.dumps(plain, indent=2))
    else:
        terminal.console().print(screen.answers(every))
    return 0 if pod is None or pod.complete else findings.UNSEEN


def _ambiguous(name: str, kinds: list[str]) -> Finding:
    from externalgrpc.diagnosis.findings import Finding, Severity  # noqa: PLC0415

    each = " and a ".join(dict.fromkeys(kinds))
    several = f"several {kinds[0]}s" if len(set(kinds)) == 1 else f"a {each}"
    return Finding(
        severity=Severity.NOTE,
        subject=name,
        what=f"The name is that of {several}: all are answered.",
        cure=f"{' or '.join(f'{kind}/{name}' for kind in dict.fromkeys(kinds))} names one.",
    )
