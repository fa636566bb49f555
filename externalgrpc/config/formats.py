"""Judge what cloud-init would make of a group's user-data, with file, line and column."""

from __future__ import annotations

from collections.abc import Iterator

from externalgrpc.bootstrap import raw, userdata
from externalgrpc.config.mistakes import Mistake
from externalgrpc.model import groups, installed_clouds, names


def fatal(
    group: groups.NodeGroup, *, cluster: str, provider: str, of: installed_clouds.Cloud
) -> Iterator[Mistake]:
    """Give the mistakes in a user-data file that keep all of it from being used."""
    for each in _troubles(group, cluster=cluster, provider=provider, of=of):
        if each.fatal:
            yield Mistake(
                file=group.user_data_file,
                line=each.line,
                column=each.column,
                path="",
                message=each.message,
                cure=each.cure,
            )


def doubts(
    group: groups.NodeGroup, *, cluster: str, provider: str, of: installed_clouds.Cloud
) -> Iterator[userdata.Trouble]:
    """Give what nobody on the cloud's usual images would run, of a group that loads."""
    for each in _troubles(group, cluster=cluster, provider=provider, of=of):
        if not each.fatal:
            yield each


def _troubles(
    group: groups.NodeGroup, *, cluster: str, provider: str, of: installed_clouds.Cloud
) -> Iterator[userdata.Trouble]:
    if group.join in {"kubeadm", "k3s"} or not group.user_data.strip():
        return
    if group.user_data_format != "cloud-init" or any(raw.unknown(group.user_data)):
        return  # an unknown variable is a mistake already, and no YAML begins with @
    first = group.candidates[0]
    text = raw.fill(
        group,
        cluster=cluster,
        node_name=names.longest(group.name),
        machine_type=first.machine_type,
        location=first.location,
        provider=provider,
        scheme=of.scheme,
    )
    yield from userdata.judge(
        text, decodes_base64=installed_clouds.metadata_service(of).decodes_base64
    )
