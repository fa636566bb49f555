"""Tell an operator what the reconciler did and what became of it: one event a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from externalgrpc import errands, events
from externalgrpc.fleet import joins, requests, state, view, wishes
from providers import errors

_LOG = events.Log("reconciler")


def kind(answer: errands.Answer) -> str:
    """Name an answer by its error's class: "ok" for a good one, "none" for none."""
    if answer is None:
        return "none"
    return type(answer).__name__ if isinstance(answer, errors.CloudError) else "ok"


def grown(group: str, delta: int, came_to: wishes.Grown) -> None:
    """Tell a growth, and loudly that part of it needed no order."""
    if came_to.covered:
        _LOG.warning(
            "growth covered: a new autoscaler process asked again for machines in the air",
            group=group,
            delta=delta,
            covered=list(came_to.covered),
            ordered=len(came_to.ordered),
        )
    _LOG.info("group grows", group=group, delta=delta, names=list(came_to.ordered))


def shrunk(group: str, delta: int, withdrawn: tuple[str, ...]) -> None:
    """Tell which launches were withdrawn, and loudly that machines were not touched."""
    if len(withdrawn) < -delta:
        _LOG.warning(
            "target not lowered: the machines exist or are being made",
            group=group,
            delta=delta,
            withdrawn=list(withdrawn),
        )
    else:
        _LOG.info("launches withdrawn", group=group, names=list(withdrawn))


def retired(group: str, going: tuple[str, ...], asked: list[str]) -> None:
    """Tell which of the nodes that CA named were let go."""
    _LOG.info("nodes let go", group=group, names=list(going), asked=asked)


def autoscaler_started(fleet: state.Fleet) -> None:
    """Tell that a new CA process came, and what is in the air for it."""
    air = {group: len(names) for group, names in fleet.covers.items() if names}
    _LOG.info("autoscaler started", in_the_air=" ".join(f"{g}:{n}" for g, n in air.items()))


def answered(request: requests.Request, answer: errands.Answer) -> None:
    """Tell what a cloud answered."""
    failed = isinstance(answer, errors.CloudError)
    match request:
        case requests.ListInstances(account=account):
            if failed:
                _LOG.warning("listing failed", account=account, error=str(answer))
            else:
                _LOG.debug("listed", account=account, machines=len(answer.instances))
        case requests.ReadCatalogue(account=account):
            if failed:
                _LOG.warning("catalogue not read", account=account, error=str(answer))
        case requests.Create():
            _create_answered(request, answer)
        case requests.LookUp(name=name):
            _LOG.info("launch looked up", name=name, answer=kind(answer))
        case requests.LookUpMissing(instance=instance):
            _LOG.warning(
                "machine missing from a listing",
                name=instance.node_name,
                provider_id=instance.provider_id,
                look_up=kind(answer),
            )
        case requests.Delete(key=key, instance_id=instance_id):
            if failed:
                _LOG.warning("deletion not taken", name=key, id=instance_id, error=str(answer))
            else:
                _LOG.info("deletion accepted", name=key, id=instance_id)


def newly_failed(before: state.Fleet, after: state.Fleet) -> Iterator[state.Launch]:
    """Tell and give the launches that have failed since."""
    if before.launches is after.launches:
        return
    for name, launch in after.launches.items():
        if launch.failure is None:
            continue
        held = before.launches.get(name)
        if held is not None and held.failure is not None:
            continue
        _LOG.warning(
            "launch failed",
            group=launch.group,
            name=name,
            code=launch.failure.code,
            reason=launch.failure.message,
        )
        yield launch


def listing(before: state.Fleet, after: state.Fleet) -> None:
    """Tell the orphans that a listing was the first to show."""
    found = view.orphans(after)
    known = {orphan.provider_id for orphan in view.orphans(before)} if found else set()
    for orphan in found:
        if orphan.provider_id not in known:
            _LOG.warning(
                "orphan: it carries our cluster's mark and no group that is configured",
                account=after.index.account_of[orphan.provider_id],
                provider_id=orphan.provider_id,
                name=orphan.node_name,
                group=orphan.group,
            )


def catalogue(fleet: state.Fleet, account: str) -> None:
    """Tell which groups of an account cannot get a machine, by what it sells."""
    for name, group in fleet.groups.items():
        if group.account == account and (trouble := view.trouble(fleet, name)):
            _LOG.error("group left out", group=name, reason=trouble)


def replaced(account: str) -> None:
    """Tell that an account's name now belongs to another cloud."""
    _LOG.warning(
        "account belongs to another cloud now: machines at the old one are left alone",
        account=account,
    )


def left_under_way(account: str) -> None:
    """Tell that a stop did not wait for everything."""
    _LOG.warning("requests left under way: the next listing decides", account=account)


def _create_answered(request: requests.Create, answer: errands.Answer) -> None:
    fields = {
        "account": request.account,
        "group": request.group.name,
        "name": request.name,
        "type": request.candidate.machine_type,
        "location": request.candidate.location,
    }
    if isinstance(answer, errors.CloudError):
        _LOG.warning("order not taken", **fields, error=str(answer), kind=kind(answer))
    else:
        _LOG.info("order accepted", **fields, provider_id=answer.provider_id)


def joins_went(before: state.Fleet, after: state.Fleet) -> None:
    """Tell what machines have failed to join, and the groups that are held back."""
    for name, held in after.unjoined.items():
        if name not in before.unjoined:
            failure = held.failure
            _LOG.warning("machine did not join", name=name, code=failure.code, why=failure.message)
    for group, strikes in after.strikes.items():
        if strikes.count >= joins.STRIKES and strikes != before.strikes.get(group):
            _LOG.error("group held back: its machines do not join", group=group, row=strikes.count)


def outage(sick: str) -> None:
    """Tell that the cluster has lost its nodes, so that nobody is judged; or that it has them."""
    if sick:
        _LOG.error("outage: no join is judged until nodes are ready again", why=sick)
    else:
        _LOG.info("outage over: joins are judged again")


def overdue(names: Sequence[str]) -> None:
    """Tell which machines we let go ourselves, since they never joined."""
    _LOG.warning("machines that never joined are let go", names=list(names))


def learned(before: state.Fleet, after: state.Fleet) -> None:
    """Tell what a make of machines was found to have."""
    for make, told in after.learned.items():
        if told != before.learned.get(make):
            _LOG.info(
                "machine type measured",
                account=make.account,
                type=make.machine_type,
                image=make.image,
                memory_bytes=told.allocatable.memory_bytes,
                cpu_millis=told.allocatable.cpu_millis,
            )
