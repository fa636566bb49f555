"""Ask the cluster whether machines can join it at all: its release, and where they reach it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from externalgrpc.bootstrap import joining, kubeadm
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.model import credentials, groups
from externalgrpc.support import clock


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """What was found out about the cluster; ``identity`` is "" where it has none to be read.

    ``join_credentials`` is what machines join with, under a token that opens nothing; None where
    the cluster did not say.
    """

    findings: Sequence[Finding] = ()
    identity: str = ""
    join_credentials: credentials.JoinCredentials | None = None


def ask(config: groups.Config) -> ClusterAnswer:
    """Check the cluster that ``kubernetes`` names; nothing where it names none. Only reads."""
    if config.kubernetes is None:
        return ClusterAnswer()
    found: list[Finding] = []
    own = ""
    join_credentials: credentials.JoinCredentials | None = None
    for each in _ask(config, config.kubernetes):
        match each:
            case str():
                own = each
            case credentials.JoinCredentials():
                join_credentials = each
            case _:
                found.append(each)
    return ClusterAnswer(tuple(found), own, join_credentials)


def _ask(
    config: groups.Config, kubernetes: groups.Kubernetes
) -> Iterator[Finding | str | credentials.JoinCredentials]:
    """Give findings, the cluster's identity where it can be read, and a way in where there is."""
    from externalgrpc.kube import connection, errors, facts, identity, refusals  # noqa: PLC0415 - slow

    try:
        link = connection.connect(
            kubeconfig=kubernetes.kubeconfig,
            context=kubernetes.context,
            time_source=clock.SystemClock(),
        )
    except connection.CannotConnect as error:
        yield _fails("connection", str(error), "Correct kubernetes: in the file")
        return
    try:
        try:
            version = facts.version(link.api)
        except (errors.KubeError, facts.Unusable) as error:
            yield _fails("connection", str(error), "Look at the kubeconfig and the network")
            return
        yield _fine("release", f"{version.git_version} answers")
        match identity.read(link.api):
            case identity.Known(own):
                yield own
                yield _fine("identity", f"{own} tells it from other clusters of its name")
            case refusals.Withheld(why):
                yield Finding(
                    severity=Severity.WARNING,
                    subject="identity",
                    what="another cluster of the same name cannot be told from this one: these "
                    f"credentials may not read the namespace kube-system ({why})",
                    cure="kubectl apply -f deploy/rbac.yaml",
                )
            case refusals.NotYet(why):
                told_so = f"the cluster's identity cannot be read: {why}"
                yield _fails("identity", told_so, "The server orders nothing until it can be")
        yield from _release(config, version.git_version, version.minor)
        try:
            address = facts.address(link, endpoint=kubernetes.api_server)
        except (errors.KubeError, facts.Unusable) as error:
            yield _fails("address", str(error), "Set kubernetes: {apiServer: https://...:6443}")
            return
        if wrong := credentials.endpoint_problem(address.endpoint):
            cure = "Set kubernetes: {apiServer: https://...:6443}"
            yield _fails("address", f"{address.endpoint} {wrong}", cure)
            return
        try:
            yield credentials.JoinCredentials(
                endpoint=address.endpoint,
                ca_pem=address.ca_pem,
                token=credentials.example().token,
                server_version=version.git_version,
            )
        except ValueError as error:
            cure = "Correct certificate-authority-data in kube-public/cluster-info"
            yield _fails("address", f"the cluster cannot be joined: {error}", cure)
        else:
            yield _fine("address", f"machines reach it at {address.endpoint}")
    finally:
        link.api.close()


def _release(config: groups.Config, git_version: str, minor: int) -> Iterator[Finding]:
    """Refuse releases that the groups' join methods cannot join."""
    by_us = {group.join for group in config.groups} & set(joining.METHODS)
    if "kubeadm" in by_us and (refusal := kubeadm.unsupported(git_version, minor)):
        yield _fails("release", refusal, "")
    k3s = [each for each in config.groups if each.join == "k3s"]
    if "+k3s" not in git_version and any(not each.join_settings.k3s_version for each in k3s):
        message = f"the cluster runs {git_version}, which is no release of k3s"
        yield _fails("release", message, "Join with kubeadm, or set joinOptions: {k3sVersion: ...}")


def _fine(about: str, message: str) -> Finding:
    return Finding(severity=Severity.FINE, subject=about, what=message)


def _fails(about: str, message: str, cure: str) -> Finding:
    return Finding(severity=Severity.TROUBLE, subject=about, what=message, cure=cure)
