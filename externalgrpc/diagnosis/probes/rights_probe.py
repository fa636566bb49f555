"""Ask what the server's account may do: by access reviews, which are POSTs that store nothing."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable
from typing import Final

from externalgrpc.diagnosis.facts import Rights, Workload
from externalgrpc.diagnosis.judges import servers
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.kube import access, api, errors

WHAT: Final = "the server's rights"

_OF_OTHERS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AT_ONCE: Final = 8
_DEPLOYED: Final = ("vps-autoscaler", "vps-autoscaler")

Allowed = Callable[[access.Deed], bool]


def of_ourselves(
    of: api.Api,
    *,
    namespace: str,
    own_approval: bool,
    config_map: str,
    vps_nodes: bool = False,
    headroom: bool = False,
    fake_nodes: bool = False,
    app_pools: bool = False,
    notes: Notes,
) -> Rights | None:
    """Ask what these credentials may do: those that the server uses."""

    def ask() -> Rights:
        needed = _needed(
            namespace,
            own_approval=own_approval,
            config_map=config_map,
            vps_nodes=vps_nodes,
            headroom=headroom,
            fake_nodes=fake_nodes,
            app_pools=app_pools,
        )
        return _rights("the server's account", needed, lambda deed: access.allowed(of, deed))

    return notes.look(WHAT, ask)


def of_the_server(
    of: api.Api,
    workloads: tuple[Workload, ...] | None,
    *,
    own_approval: bool,
    config_map: str,
    vps_nodes: bool = False,
    headroom: bool = False,
    fake_nodes: bool = False,
    app_pools: bool = False,
    notes: Notes,
) -> Rights | None:
    """Ask what the server's service account may do, with the credentials of somebody else."""
    found = servers.deployed(workloads or ())
    namespace, name = (found[0].namespace, found[0].account) if found else _DEPLOYED
    user = f"system:serviceaccount:{namespace}:{name}"

    def ask() -> Rights:
        if not found:
            of.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
        needed = _needed(
            namespace,
            own_approval=own_approval,
            config_map=config_map,
            vps_nodes=vps_nodes,
            headroom=headroom,
            fake_nodes=fake_nodes,
            app_pools=app_pools,
        )
        return _rights(user, needed, lambda deed: may(of, user, namespace, deed))

    return notes.look(f"{WHAT} ({user})", ask)


def _needed(
    namespace: str,
    *,
    own_approval: bool,
    config_map: str,
    vps_nodes: bool,
    headroom: bool,
    fake_nodes: bool,
    app_pools: bool,
) -> tuple[access.Deed, ...]:
    """List what the server does here; with VPSNodes only where the cluster has such a kind."""
    return (
        *access.needs(namespace=namespace, own_approval=own_approval, config_map=config_map),
        *(access.needs_of_vps_nodes() if vps_nodes else ()),
        *(access.needs_of_headroom(namespace) if headroom else ()),
        *(access.needs_of_fake_nodes() if fake_nodes else ()),
        *(access.needs_of_app_pools() if app_pools else ()),
    )


def _rights(who: str, needed: Iterable[access.Deed], allowed: Allowed) -> Rights:
    wanted = tuple(needed)
    others = access.unneeded(wanted)
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = (*wanted, *others)
        yes = dict(zip(asked, pool.map(allowed, asked), strict=True))
    return Rights(
        who=who,
        missing=tuple(deed for deed in wanted if not yes[deed]),
        excess=tuple(deed for deed in others if yes[deed]),
    )


def may(of: api.Api, user: str, namespace: str, deed: access.Deed) -> bool:
    """Ask whether a service account of a namespace may do something; raises KubeError."""
    response = of.post(
        _OF_OTHERS,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{namespace}",
                    "system:authenticated",
                ],
                "resourceAttributes": access.attributes(deed),
            },
        },
    )
    status = response.get("status")
    if not isinstance(status, dict) or "allowed" not in status:
        raise errors.Invalid("the answer is no access review", operation=f"POST {_OF_OTHERS}")
    return status["allowed"] is True
