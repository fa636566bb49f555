"""``convert``: write our configuration file from another autoscaler's setup."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, installed_clouds, rules
from externalgrpc.support import regular_files
from providers import contract

if TYPE_CHECKING:
    from externalgrpc.commands import converting, setups
    from externalgrpc.kube import api


@click.command(epilog="Example: vps-autoscaler convert --cluster prod autoscaler.yaml > pools.yaml")
@parameters.CLUSTER
@click.argument("files", metavar="[FILE]...", type=parameters.FILE, nargs=-1)
@click.option(
    "--from-deployment",
    "from_deployment",
    metavar="NAMESPACE/NAME",
    help="Read the autoscaler's Deployment, and the ConfigMaps and Secrets that it names, from the "
    "cluster; nothing is changed there.",
)
@click.option(
    "--kubeconfig", type=parameters.FILE, help="Credentials for the cluster, out of a pod of it."
)
@click.option("--context", "kube_context", default="", help="A context of --kubeconfig.")
@click.option(
    "--nodes",
    multiple=True,
    metavar="MIN:MAX:TYPE:REGION:NAME",
    help="A pool as the autoscaler's --nodes has it, where no Deployment is given; often.",
)
@click.option(
    "--provider", default="", metavar="CLOUD", help="The cloud, where several can be converted."
)
@click.option(
    "--user-data-dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the pools' user-data is written, each into a file that only you can read; beside "
    "the file if nothing is said.",
)
def convert(
    *,
    cluster: str,
    files: tuple[Path, ...],
    from_deployment: str | None,
    kubeconfig: Path | None,
    kube_context: str,
    nodes: tuple[str, ...],
    provider: str,
    folder: Path,
) -> None:
    """Write the configuration file from how Cluster Autoscaler's own provider was set up.

    FILEs are the autoscaler's Deployment with its ConfigMaps and Secrets, an env file, or its
    cluster config (JSON, plain or base64), in any number and order. Or --from-deployment reads the
    same from the cluster.

    The file goes to standard output and loads as it is. Everything that has no counterpart is said
    in a comment above the group, and on standard error, with what to do about it. Tokens are never
    printed; user-data, which may hold some, goes to files beside it.
    """
    from externalgrpc.commands import containers, converting  # noqa: PLC0415 - a short start-up is felt

    if not files and not from_deployment:
        raise click.UsageError("give a FILE, or --from-deployment NAMESPACE/NAME")
    if not cluster:
        raise click.UsageError(
            "--cluster names the cluster, which the other autoscaler never did: machines are "
            "marked with it, and it stays for good"
        )
    if wrong := rules.name(cluster, groups.MAX_CLUSTER_NAME):
        raise click.UsageError(f"--cluster {cluster!r} {wrong}")
    installed = installed_clouds.installed()
    name, cloud = _cloud(installed, provider)
    try:
        found = _found(files, from_deployment, kubeconfig, kube_context, nodes, cloud)
        converted = cloud.convert(found.setup)
        written = converting.draft(
            converted,
            cluster=cluster,
            provider=name,
            label=getattr(cloud, "group_label", ""),
            decodes_base64=installed_clouds.metadata_service(cloud).decodes_base64,
            folder="" if folder == Path() else str(folder),
        )
        written.losses[:0] = found.losses
        header = converting.header(found, cloud.token_variable)
        text = converting.fit(written, header, installed, cloud.token_variable)
    except (ValueError, containers.Unreadable) as error:
        raise terminal.Failure(str(error)) from error
    except converting.Inconvertible as error:
        raise terminal.Failure(str(error), lines=True) from error
    _write(written.groups, folder)
    terminal.say_lines(text.rstrip("\n"))
    for each in written.sentences():
        terminal.say(f"lost: {each}", err=True)


def _cloud(
    installed: installed_clouds.Installed, wanted: str
) -> tuple[str, Any]:  # a class of Converting and Provider
    able = {
        name: cloud for name, cloud in installed.items() if isinstance(cloud, contract.Converting)
    }
    if wanted and wanted not in able:
        known = ", ".join(sorted(able)) or "none"
        raise click.UsageError(f"nothing can be converted for {wanted!r} (known: {known})")
    if not wanted and len(able) != 1:
        raise click.UsageError(f"say --provider, one of: {', '.join(sorted(able)) or 'none'}")
    name = wanted or next(iter(able))
    return name, able[name]


def _found(
    files: Sequence[Path],
    from_deployment: str | None,
    kubeconfig: Path | None,
    context: str,
    nodes: Sequence[str],
    cloud: Any,  # noqa: ANN401 - a class of Converting and Provider
) -> setups.Found:
    from externalgrpc.commands import setups  # noqa: PLC0415

    given = setups.Given()
    for path in files:
        try:
            given.take(str(path), regular_files.text(path))
        except (OSError, UnicodeDecodeError, regular_files.Unreadable) as error:
            raise terminal.Failure(f"{path} cannot be read: {error}") from error
    words = {
        "nodes": nodes,
        "token_variable": cloud.token_variable,
        "config_variable": cloud.config_variable,
    }
    if not from_deployment:
        return setups.setup(given, given.workload(), given.fetch, **words)
    namespace, slash, name = from_deployment.partition("/")
    if not (namespace and slash and name):
        raise click.UsageError("--from-deployment is NAMESPACE/NAME")
    with _cluster(kubeconfig, context) as of:
        workload = of.fetch("Deployment", namespace, name)
        if workload is None:
            raise terminal.Failure(f"the cluster has no Deployment {namespace}/{name}")
        return setups.setup(given, workload, of.fetch, **words)


class _Cluster:
    """Read objects of a cluster, one GET each."""

    def __init__(self, of: api.Api) -> None:
        self._api = of

    def __enter__(self) -> _Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def fetch(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Read one object; None when it is not there."""
        from externalgrpc.kube import api, errors  # noqa: PLC0415

        root = "/apis/apps/v1" if kind == "Deployment" else "/api/v1"
        path = f"{root}/namespaces/{api.segment(namespace)}/{kind.lower()}s/{api.segment(name)}"
        try:
            return {**self._api.get(path), "kind": kind}
        except errors.NotFound:
            return None
        except errors.KubeError as error:
            raise terminal.Failure(str(error)) from error


def _cluster(kubeconfig: Path | None, context: str) -> _Cluster:
    from externalgrpc.kube import connection  # noqa: PLC0415
    from externalgrpc.support import clock  # noqa: PLC0415

    try:
        link = connection.connect(
            kubeconfig=str(kubeconfig) if kubeconfig else "",
            context=context,
            time_source=clock.SystemClock(),
        )
    except connection.CannotConnect as error:
        raise terminal.Failure(str(error)) from error
    return _Cluster(link.api)


def _write(written: Sequence[converting.Group], folder: Path) -> None:
    """Write the groups' user-data, for nobody else to read; what is there already must be it."""
    due = [(folder / each.file, each.user_data.encode()) for each in written if each.file]
    for path, text in due:
        if path.exists() and path.read_bytes() != text:
            raise terminal.Failure(
                f"{path} is there already and holds something else: move it, or say --user-data-dir"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in due:
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
                to.write(text)
