"""Examine an installation: ask all that can be asked, judge it, and change nothing.

Clouds are listed; the server is asked for what it shows; the API server is asked with GETs, and
with access reviews, which store nothing; the API server's address is knocked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import httpx

from externalgrpc import config as configs
from externalgrpc.diagnosis.facts import Certificate, Cluster, EndpointProbe, Facts
from externalgrpc.diagnosis.findings import Report
from externalgrpc.diagnosis.judges import endpoint, expiry, judging
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import (
    cloud_probe,
    cluster_probe,
    election_probe,
    endpoint_probe,
    expiry_probe,
    object_probe,
    rights_probe,
    room_probe,
)
from externalgrpc.kube import connection
from externalgrpc.kube import facts as kube_facts
from externalgrpc.model import groups, installed_clouds
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client
from externalgrpc.support import clock
from externalgrpc.vpsnodes import objects

NO_CLUSTER = "the configuration has no kubernetes:, and --kubeconfig was not given"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How everybody is reached.

    ``show`` asks the running server and raises CannotReach; ``named`` says that its address was
    given, so that silence is a finding. ``kubeconfig`` is a person's own, "" for the server's.
    ``online`` lets the packages' signing keys be fetched. ``source`` is where the configuration
    lies; without it VPSNodes are not looked for.
    """

    open_lister: cloud_probe.OpenLister
    show: Callable[[], pb.ShowResponse]
    named: bool = False
    kubeconfig: str = ""
    context: str = ""
    online: bool = False
    source: configs.Source | None = None
    time_source: clock.Clock = dataclasses.field(default_factory=clock.SystemClock)
    probe_endpoint: Callable[[str, str], endpoint_probe.Answer] = endpoint_probe.probe_endpoint
    fetcher: Callable[[], httpx.Client] = httpx.Client


def examine(
    config: groups.Config,
    installed: Mapping[str, installed_clouds.Cloud],
    ways: Ways,
    *,
    progress: Callable[[str], None] = lambda _what: None,
) -> Report:
    """Ask everybody and judge; who does not answer is noted. Raises nothing of theirs."""
    notes = Notes(progress)
    notes.saw("the configuration")
    config, vps_nodes, tenants = _with_objects(config, ways, notes)
    schemes = {
        account.name: installed[account.provider].scheme for account in config.accounts.values()
    }
    listings = cloud_probe.listings(config, ways.open_lister, notes)
    server, silent = _server(ways, notes)
    found = Facts(
        config=config,
        now=ways.time_source.unix(),
        schemes=schemes,
        listings=listings,
        server=server,
        silent=silent,
        vps_nodes=vps_nodes,
        tenants=tenants,
        fake_nodes=any(
            installed_clouds.makes_nodes(installed[account.provider], account.settings)
            for account in config.accounts.values()
        ),
    )
    found = _with_cluster(found, ways, notes)
    found = _with_keys(found, ways, notes)
    return judging.judge(
        dataclasses.replace(found, looked_at=notes.seen, not_looked_at=notes.unseen)
    )


def _with_objects(
    config: groups.Config, ways: Ways, notes: Notes
) -> tuple[groups.Config, tuple[objects.VpsNode, ...] | None, Mapping[str, str]]:
    """Take the VPSNodes for groups, as the server does; why there is no cluster is said later."""
    if ways.source is None or (config.kubernetes is None and not ways.kubeconfig):
        return config, None, {}
    try:
        link = _link(config, ways)
    except connection.CannotConnect:
        return config, None, {}
    try:
        there = object_probe.ask(link.api, notes)
        tenants = object_probe.tenants(link.api, notes) if there else {}
    finally:
        link.api.close()
    made = object_probe.composed(config, ways.source, there) if there else config
    return made, there, tenants


def _link(config: groups.Config, ways: Ways) -> connection.Connection:
    """Connect by a person's credentials, or the server's; raises CannotConnect."""
    settings = config.kubernetes
    own = ways.kubeconfig or (settings.kubeconfig if settings else "")
    context = ways.context or (settings.context if settings and not ways.kubeconfig else "")
    return connection.connect(kubeconfig=own, context=context, time_source=ways.time_source)


def _server(ways: Ways, notes: Notes) -> tuple[pb.ShowResponse | None, str]:
    notes.progress("the running server")
    try:
        shown = ways.show()
    except client.CannotReach as error:
        if ways.named:
            notes.saw("the running server")
            return None, str(error)
        notes.missed(
            "the running server", "nobody answers at the usual address; --address says where it is"
        )
        return None, ""
    notes.saw("the running server")
    return shown, ""


def _with_cluster(found: Facts, ways: Ways, notes: Notes) -> Facts:
    settings = found.config.kubernetes
    if settings is None and not ways.kubeconfig:
        notes.skipped("the cluster", NO_CLUSTER)
        return found
    own = ways.kubeconfig or (settings.kubeconfig if settings else "")
    context = ways.context or (settings.context if settings and not ways.kubeconfig else "")
    try:
        link = _link(found.config, ways)
    except connection.CannotConnect as error:
        notes.missed("the cluster", f"{error}; --kubeconfig names one")
        return found
    try:
        cluster = cluster_probe.ask(link.api, notes)
        if cluster is None:
            return found
        cluster = dataclasses.replace(
            cluster,
            rooms=room_probe.ask(link.api, notes),
            elections=election_probe.ask(link.api, cluster.workloads, notes),
        )
        ends = tuple(expiry_probe.of_kubeconfig(own, context, notes)) if own else ()
        if settings is None:
            notes.skipped(rights_probe.WHAT, "the configuration has no kubernetes:, it needs none")
        else:
            cluster = _with_rights(cluster, link, found, ways, notes)
        found = dataclasses.replace(found, cluster=cluster, certificates=ends)
        return _with_doors(found, link, ways, notes)
    finally:
        link.api.close()


def _with_rights(
    cluster: Cluster,
    link: connection.Connection,
    found: Facts,
    ways: Ways,
    notes: Notes,
) -> Cluster:
    settings = found.config.kubernetes or groups.Kubernetes()
    own, objects_too = settings.own_approval, found.vps_nodes is not None
    headroom = any(group.keeps_room for group in found.config.groups)
    app_pools = found.config.app_pools is not None
    if ways.kubeconfig and settings.kubeconfig:
        notes.skipped(
            rights_probe.WHAT,
            "--kubeconfig shows other credentials than the server's; run without it too",
        )
        return cluster
    rights = (
        rights_probe.of_the_server(
            link.api,
            cluster.workloads,
            own_approval=own,
            vps_nodes=objects_too,
            headroom=headroom,
            fake_nodes=found.fake_nodes,
            app_pools=app_pools,
            config_map=settings.config_map,
            notes=notes,
        )
        if ways.kubeconfig
        else rights_probe.of_ourselves(
            link.api,
            namespace=link.namespace,
            own_approval=own,
            vps_nodes=objects_too,
            headroom=headroom,
            fake_nodes=found.fake_nodes,
            app_pools=app_pools,
            config_map=settings.config_map,
            notes=notes,
        )
    )
    return dataclasses.replace(cluster, rights=rights)


def _with_doors(found: Facts, link: connection.Connection, ways: Ways, notes: Notes) -> Facts:
    """Knock where joins are sent to, and at the API server's own address for its certificate."""
    what = "the API server's address as machines see it"
    if not found.joined_by_us:
        notes.skipped(what, "no group joins by kubeadm or k3s: your user-data says it")
        return found
    settings = found.config.kubernetes
    result = notes.look(
        f"{what} (tried from here, not from where machines will be)",
        lambda: kube_facts.address(link, endpoint=settings.api_server if settings else ""),
    )
    if result is None:
        return found
    by_endpoint: dict[str, list[str]] = {}
    for group in found.joined_by_us:
        by_endpoint.setdefault(group.join_settings.api_server or result.endpoint, []).append(
            group.name
        )
    endpoint_probes: list[EndpointProbe] = []
    ends = list(expiry_probe.of_authority(result.ca_pem))
    for where, its in by_endpoint.items():
        notes.progress(f"{what}: {where}")
        answer = ways.probe_endpoint(where, result.ca_pem)
        endpoint_probes.append(
            EndpointProbe(
                endpoint=where,
                groups=tuple(its),
                addresses=answer.addresses,
                trouble=answer.trouble,
                untrusted=answer.untrusted,
                names=answer.names,
            )
        )
        ends += _end(where, answer)
    notes.saw("certificates of the cluster's CA and API server")
    return dataclasses.replace(
        found, endpoint_probes=tuple(endpoint_probes), certificates=(*found.certificates, *ends)
    )


def _end(where: str, answer: endpoint_probe.Answer) -> Iterator[Certificate]:
    if answer.ends_at:
        yield Certificate(
            what=f"the API server's certificate at {endpoint.host_of(where)}",
            ends_at=answer.ends_at,
            cure="kubeadm certs renew apiserver on each control plane, and restart kube-apiserver",
        )


def _with_keys(found: Facts, ways: Ways, notes: Notes) -> Facts:
    what = "keys of package sources"
    if not expiry.installs(found):
        return found
    if not ways.online:
        notes.skipped(what, "--online was not given; the known date is judged instead")
        return found
    with ways.fetcher() as fetcher:
        keys = tuple(expiry_probe.of_packages(found, fetcher, found.cluster.minor, notes))
    return dataclasses.replace(found, certificates=(*found.certificates, *keys))
