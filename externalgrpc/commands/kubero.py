"""``kubero``: print what places Kubero's tenant apps on VPS nodes."""

from __future__ import annotations

import re
from pathlib import Path

import click

from externalgrpc.commands import parameters, terminal

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


def _namespaces(
    _ctx: click.Context, _param: click.Parameter, named: tuple[str, ...]
) -> tuple[str, ...]:
    for each in named:
        if not _NAMESPACE.fullmatch(each):
            raise click.BadParameter(f"{each!r} is not the name of a namespace")
    return named


@click.command(epilog="Example: vps-autoscaler kubero --values values.yaml > tenants.yaml")
@click.option(
    "--values",
    "values_path",
    type=parameters.FILE,
    help="Helm values with kubero.operator and kubero.defaultAppConfig: where Kubero's operator "
    "runs, and what apps get that say nothing themselves.",
)
@click.option(
    "--limit-range",
    "namespaces",
    multiple=True,
    metavar="NAMESPACE",
    callback=_namespaces,
    help="Add a LimitRange that gives containers of this namespace requests; may be repeated.",
)
@click.option(
    "--no-vpsnodes",
    is_flag=True,
    help="Leave out the policies that read VPSNodes, for clusters whose pools are in the server's "
    "file alone: without the CRD those refuse every app and pod of a tenant.",
)
def kubero(*, values_path: Path | None, namespaces: tuple[str, ...], no_vpsnodes: bool) -> None:
    """Print the manifests that place Kubero's tenant apps on the machines of VPSNodes.

    They are admission policies, which the API server of Kubernetes 1.36 and newer applies by
    itself. The CRD of VPSNodes has to be there before. Nothing is asked and nothing is changed by
    this command: look at what it prints, then give it to kubectl. docs/kubero.md says which
    namespaces are tenants', and what becomes of apps that are there already.
    """
    from externalgrpc import config  # noqa: PLC0415 - a short start-up is felt
    from externalgrpc.kubero import manifests, values  # noqa: PLC0415
    from externalgrpc.support import regular_files  # noqa: PLC0415

    said = values.Values()
    if values_path is not None:
        try:
            said, others = values.read(values_path)
        except config.ConfigError as error:
            raise terminal.Failure(str(error), lines=True) from error
        except regular_files.Unreadable as error:
            raise terminal.Failure(f"{values_path} {error}") from error
        if others:
            terminal.say(f"not looked at in {values_path}: {', '.join(others)}", err=True)
    more = [
        *manifests.placing(said),
        *manifests.limit_ranges(namespaces, said.default_app_config.resources),
    ]
    whole = manifests.policies(vpsnodes=not no_vpsnodes) + manifests.text(more)
    terminal.say_lines(whole.rstrip("\n"))
