"""Check what can be known of a configuration without asking any cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from externalgrpc import config
from externalgrpc.bootstrap import encoded, joining
from externalgrpc.config import formats
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.preflight import growing, ordering
from externalgrpc.diagnosis.preflight.report import AccountReport, GroupReport, Report
from externalgrpc.model import groups, installed_clouds
from externalgrpc.nodes import template
from providers import contract, errors

_LABEL_VARIABLES = ("@@LABELS@@", "@@NODE_LABELS@@")
_PROVIDER_ID = ("provider-id", "providerid", "@@provider_id_scheme@@")


OpenProvider = Callable[[groups.Account], contract.Provider]


def check(
    configuration: groups.Config,
    installed: Mapping[str, installed_clouds.Cloud],
    open_provider: OpenProvider | None = None,
) -> Report:
    """Check a configuration that loads; contacts nobody.

    With ``open_provider`` the clouds' classes are asked what they call a place, which needs no
    network either; an account that cannot be opened is left to those who ask it.
    """
    accounts = configuration.accounts
    places = _places(configuration, open_provider) if open_provider is not None else {}
    return Report(
        cluster=configuration.cluster,
        currency=configuration.currency,
        online=False,
        accounts=tuple(
            AccountReport(name=account.name, provider=account.provider)
            for account in accounts.values()
        ),
        groups=tuple(
            GroupReport(
                name=group.name,
                account=group.account,
                min_size=group.min_size,
                max_size=group.max_size,
                findings=(
                    *_group(
                        group,
                        installed[accounts[group.account].provider],
                        cluster=configuration.cluster,
                        provider=accounts[group.account].provider,
                    ),
                    *places.get(group.name, ()),
                ),
            )
            for group in configuration.groups
        ),
    )


def _places(configuration: groups.Config, open_provider: OpenProvider) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for account in configuration.accounts.values():
        its = [each for each in configuration.groups if each.account == account.name]
        if not any(template.IDENTITY.keys() & each.labels.keys() for each in its):
            continue
        try:
            provider = open_provider(account)
        except errors.CloudError:
            continue
        try:
            for group in its:
                found[group.name] = ordering.identity(group, provider.node_labels, None)
        finally:
            provider.close()
    return found


def _group(
    group: groups.NodeGroup, cloud: installed_clouds.Cloud, *, cluster: str, provider: str
) -> Iterator[Finding]:
    real = not installed_clouds.joins_by_itself(cloud)
    reason = config.cannot_join(group, cloud)
    if reason:
        yield Finding(
            severity=Severity.TROUBLE,
            subject="join",
            what=reason,
            cure="See examples/ for files that join by kubeadm and by k3s",
        )
    yield from _ids(group, cloud)
    if real and not group.image:
        yield Finding(
            severity=Severity.WARNING,
            subject="image",
            what="no image is named",
            cure="Add image: with the operating system that the machine boots",
        )
    for doubt in (
        () if not real else formats.doubts(group, cluster=cluster, provider=provider, of=cloud)
    ):
        yield Finding(
            severity=Severity.WARNING,
            subject="userDataFile",
            what=f"{group.user_data_file}:{doubt.line}:{doubt.column}: {doubt.message}",
            cure=doubt.cure,
        )
    if group.join == "raw":
        yield from _raw(group)
    yield from _network(group, real=real)
    yield from _sizes(group)
    if group.region_free:
        yield Finding(
            severity=Severity.NOTE,
            subject="regions",
            what="several regions: new nodes are announced without region and zone, "
            "so pods that ask for one are not placed here",
            cure="Use one group per region where pods or volumes are bound to one",
        )


def _ids(group: groups.NodeGroup, cloud: installed_clouds.Cloud) -> Iterator[Finding]:
    """Report a cloud's class that does not say how a machine learns its id."""
    if group.join in joining.METHODS and not installed_clouds.says_ids(cloud):
        yield Finding(
            severity=Severity.WARNING,
            subject="providerID",
            what="the cloud's class does not say how a machine learns its id "
            "(metadata_service): the instance-id of cloud-init is taken, and where that is another "
            "the machine is paid for and never counts as a node",
            cure="Update the cloud's package; until then compare one node's spec.providerID with "
            "what vps-autoscaler ls --wide shows",
        )


def _raw(group: groups.NodeGroup) -> Iterator[Finding]:
    """See whether the user's file does what the autoscaler is promised."""
    text = encoded.opened(group.user_data)
    if group.labels and not any(variable in text for variable in _LABEL_VARIABLES):
        yield Finding(
            severity=Severity.WARNING,
            subject="labels",
            what="the autoscaler is promised labels that the user-data does not set: pods that "
            "select by them would grow the group again and again",
            cure="Use @@NODE_LABELS@@ in it, or remove labels",
        )
    if group.taints and "@@TAINTS@@" not in text:
        yield Finding(
            severity=Severity.WARNING,
            subject="taints",
            what="the user-data does not set the group's taints",
            cure="Use @@TAINTS@@ in it, or remove taints",
        )
    if not any(word in text.lower() for word in _PROVIDER_ID):
        yield Finding(
            severity=Severity.NOTE,
            subject="providerID",
            what="the user-data does not mention the provider id: unless the cloud's own "
            "controller sets it, or the server does (kubernetes:), the autoscaler takes each "
            "machine for one that never registered, and buys another",
            cure="Set it from the metadata service as the files in examples/ do",
        )


def _network(group: groups.NodeGroup, *, real: bool) -> Iterator[Finding]:
    if group.public_ipv4 or not real:
        return
    if not group.public_ipv6 and not group.networks:
        yield Finding(
            severity=Severity.TROUBLE,
            subject="network",
            what="its machines would have no address at all",
            cure="Name a network, or allow publicIPv4 or publicIPv6",
        )
    elif not group.networks:
        yield Finding(
            severity=Severity.NOTE,
            subject="network",
            what="its machines have IPv6 only; some image registries have IPv4 only",
            cure="Use a mirror that speaks IPv6",
        )


def _sizes(group: groups.NodeGroup) -> Iterator[Finding]:
    if group.min_size:
        yield Finding(
            severity=Severity.NOTE,
            subject="minSize",
            what="the autoscaler never shrinks below it, and does not grow to it by itself",
            cure="Start it with --enforce-node-group-min-size",
        )
    yield from growing.judge(group)
    if not group.max_size:
        yield Finding(severity=Severity.NOTE, subject="maxSize", what="the group may not grow")
