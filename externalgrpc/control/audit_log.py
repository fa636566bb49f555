"""Log for an operator what the reconciler did and what became of it: one event a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from externalgrpc.control import call
from externalgrpc.fleet import (
    joins,
    notnow,
    pausing,
    proof,
    repair,
    sparing,
    state,
    verdicts,
    view,
    wishes,
)
from externalgrpc.model import by_hand
from externalgrpc.support import logs

_LOG = logs.Log("reconciler")


def grown(group: str, delta: int, came_to: wishes.Grown) -> None:
    """Log a growth, and loudly that part of it needed no order."""
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
    """Log which launches were withdrawn, and loudly that machines were not touched."""
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
    """Log which of the nodes that CA named were retired."""
    _LOG.info("nodes let go", group=group, names=list(going), asked=asked)


def spared(before: state.Fleet, after: state.Fleet) -> None:
    """Log machines whose deletion was withdrawn: they are nodes after all."""
    if before.retired is after.retired:
        return
    for key in before.retired.keys() - after.retired.keys():
        held = before.retired[key]
        if not sparing.was_spared(after, held):
            # It is proved gone, or its account is another cloud's now.
            continue
        _LOG.warning(
            "deletion withdrawn: its Node is ready again, or may be"
            if held.repair
            else "deletion withdrawn: the machine was let go as one that never became a node, and "
            "its Node has come",
            name=key,
            provider_id=held.provider_id,
            group=held.group,
        )


def autoscaler_started(fleet: state.Fleet) -> None:
    """Log that a new CA process came, and what is in the air for it."""
    air = {group: len(names) for group, names in fleet.pending_at_start.items() if names}
    _LOG.info("autoscaler started", in_the_air=" ".join(f"{g}:{n}" for g, n in air.items()))


def answered(line: call.Line | None) -> None:
    """Write what a cloud answered, where it needs a line."""
    if line is None:
        return
    write = {"debug": _LOG.debug, "info": _LOG.info, "warning": _LOG.warning}[line.level]
    write(line.event, **line.fields)


def unusable(account: str, operation: str) -> None:
    """Log an answer that is none of the contract's values, while its error is handled."""
    _LOG.exception("answer cannot be used", account=account, operation=operation)


def newly_failed(before: state.Fleet, after: state.Fleet) -> Iterator[state.Launch]:
    """Log and return the launches that have failed since."""
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


def _listing(before: state.Fleet, after: state.Fleet) -> None:
    """Log the orphans that a listing was the first to show."""
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


def standing(before: state.Fleet, after: state.Fleet) -> None:
    """Log what a change brought: doubts, half made machines, what accounts show, brakes."""
    spared(before, after)
    _unfinished(before, after)
    if before.quarantine is not after.quarantine:
        for provider_id, held in after.quarantine.items():
            known = before.quarantine.get(provider_id)
            if known is None or known.doubt is not held.doubt:
                _quarantined(after, provider_id, held)
        for provider_id in before.quarantine.keys() - after.quarantine.keys():
            _LOG.info("machine out of quarantine", provider_id=provider_id)
    if before.index is not after.index:
        _second_server(before, after)
    if before.groups is not after.groups:
        _paused(before, after)
    for name in after.accounts:
        _heard(before, after, name)
        said = notnow.why_account(after, name)
        known_to = notnow.why_account(before, name) if name in before.accounts else None
        if said is not None and (known_to is None or known_to.code != said.code):
            # Somebody's word is no error.
            write = _LOG.warning if said.code == notnow.PAUSED else _LOG.error
            write("no machine is ordered for now", account=name, code=said.code, why=said[1])
        elif said is None and known_to is not None:
            _LOG.info("machines are ordered again", account=name, code=known_to.code)


def _paused(before: state.Fleet, after: state.Fleet) -> None:
    """Log which groups were paused, or go on."""
    for name, group in after.groups.items():
        known = before.groups.get(name)
        was = known is not None and known.paused
        if group.paused and not was:
            why = pausing.of_group(after, name)
            _LOG.warning("no machine is ordered for now", group=name, code=notnow.PAUSED, why=why)
        elif was and not group.paused:
            _LOG.info("machines are ordered again", group=name, code=notnow.PAUSED)


def _heard(before: state.Fleet, after: state.Fleet, account: str) -> None:
    """Log what an account's answers were the first to show."""
    held, known = after.accounts[account], before.accounts.get(account)
    if known is None or known is held:
        return
    if held.snapshot is not known.snapshot:
        _listing(before, after)
    if held.catalogue is not None and held.catalogue is not known.catalogue:
        _catalogue(after, account)
    if held.neighbours is not known.neighbours:
        _neighbours(after, account)
    for spare in held.spares if held.spares is not known.spares else ():
        if spare not in known.spares:
            _LOG.warning(
                "spare beside a machine that stands: it is paid for, used by nothing, and not "
                "deleted by itself; delete it in the cloud's console if nobody knows it",
                account=account,
                name=spare.node_name,
                group=spare.group,
                spare=str(spare),
            )


def _unfinished(before: state.Fleet, after: state.Fleet) -> None:
    """Log which machines are half made, and which of them will not be finished."""
    if before.finishes is after.finishes:
        return
    for provider_id, held in after.finishes.items():
        known = before.finishes.get(provider_id)
        instance = after.index.by_provider_id.get(provider_id)
        fields = {
            "account": held.account,
            "provider_id": provider_id,
            "name": instance.node_name if instance is not None else "",
            "group": instance.group if instance is not None else "",
        }
        if known is None:
            _LOG.info("machine is half made: its create did not come to an end", **fields)
        if held.failure is not None and (known is None or known.failure is None):
            _LOG.warning(
                "machine cannot be finished: it is given up where it is proved that it never ran",
                **fields,
                code=held.failure.code,
                why=held.failure.message,
                delete_by_hand=by_hand.purge(provider_id),
            )


def _quarantined(fleet: state.Fleet, provider_id: str, held: state.Quarantine) -> None:
    instance = fleet.index.by_provider_id.get(provider_id)
    log = _LOG.info if held.ignored else _LOG.warning
    log(
        "machine in quarantine: it is not counted, and nothing deletes it",
        account=fleet.index.account_of.get(provider_id, ""),
        provider_id=provider_id,
        name=instance.node_name if instance is not None else "",
        group=instance.group if instance is not None else "",
        code=held.doubt.value,
        why=held.message,
        identity=instance.identity if instance is not None else "",
        delete_by_hand=by_hand.purge(provider_id),
    )


def _second_server(before: state.Fleet, after: state.Fleet) -> None:
    """Log machines of our name that were made since we started, and not by us."""
    for provider_id, instance in after.index.by_provider_id.items():
        if provider_id in before.index.by_provider_id:
            continue
        account = after.accounts[after.index.account_of[provider_id]]
        if proof.is_strange(after, instance, account):
            _LOG.error(
                "a machine of this cluster was made by somebody else: does a second server run?",
                account=account.name,
                provider_id=provider_id,
                name=instance.node_name,
                group=instance.group,
                identity=instance.identity,
            )


def _neighbours(fleet: state.Fleet, account: str) -> None:
    """Log which other clusters have machines in an account's project: one line."""
    held = fleet.accounts[account]
    if held.neighbours is None:
        return
    others = [
        f"{each.cluster}/{each.identity or 'no identity'}: {each.count}"
        for each in held.neighbours
        if each.cluster != fleet.cluster or each.identity not in ("", fleet.identity)
    ]
    if others:
        _LOG.info("other clusters in the project", account=account, machines=others)


def _catalogue(fleet: state.Fleet, account: str) -> None:
    """Log which groups of an account cannot get a machine, by what it sells."""
    for name, group in fleet.groups.items():
        if group.account == account and (trouble := view.trouble(fleet, name)):
            _LOG.error("group left out", group=name, reason=trouble)


def departed(before: state.Fleet, after: state.Fleet) -> None:
    """Log which groups a configuration has no more, and how many machines they have."""
    for name, held in before.groups.items():
        now = after.groups.get(name)
        if held.departed or (now is not None and not now.departed):
            continue
        machines = view.marked(before, name)
        if not machines:
            _LOG.info("group departed: it is not in the configuration any more", group=name)
            continue
        if now is None and held.deletion:
            _LOG.warning(
                "group let go: its VPSNode was deleted; its machines run on as orphans",
                group=name,
                machines=machines,
                cure="vps-autoscaler ls shows them, purge --machine deletes one; a VPSNode or a "
                "group of that name takes them back",
            )
            continue
        _LOG.warning(
            "group departed: its machines become orphans at the next start, which nobody removes; "
            "was it renamed?",
            group=name,
            machines=machines,
            cure="put it back with minSize: 0 until it is empty",
        )


def replaced(account: str) -> None:
    """Log that an account's name now belongs to another cloud."""
    _LOG.warning(
        "account belongs to another cloud now: machines at the old one are left alone",
        account=account,
    )


def left_under_way(account: str) -> None:
    """Log that a stop did not wait for everything."""
    _LOG.warning("requests left under way: the next listing decides", account=account)


def joins_went(before: state.Fleet, after: state.Fleet) -> None:
    """Log what machines have failed to join, and the groups that are held back."""
    for name, held in after.unjoined.items():
        if name not in before.unjoined:
            failure = held.failure
            _LOG.warning("machine did not join", name=name, code=failure.code, why=failure.message)
        known = before.unjoined.get(name)
        if held.withheld and (known is None or known.withheld != held.withheld):
            _LOG.warning("machine not given up", name=name, why=held.withheld)
        elif not held.withheld and (known is None or known.withheld):
            _LOG.warning("machine given up", name=name, code=held.failure.code)
    for group, strikes in after.strikes.items():
        if strikes.count >= joins.STRIKES and strikes != before.strikes.get(group):
            _LOG.error("group held back: its machines do not join", group=group, row=strikes.count)


def outage(sick: str) -> None:
    """Log that the cluster has lost its nodes, so that nobody is judged; or that it has them."""
    if sick:
        _LOG.error("outage: no join is judged until nodes are ready again", why=sick)
    else:
        _LOG.info("outage over: joins are judged again")


def overdue(names: Sequence[str]) -> None:
    """Log which machines we terminate ourselves, since they never joined."""
    _LOG.warning("machines that never joined are let go", names=list(names))


def repaired(before: state.Fleet, after: state.Fleet) -> None:
    """Log whose machines are retired, their Nodes being not ready for long, and why others stay."""
    for provider_id, held in after.unready.items():
        known = before.unready.get(provider_id)
        if held.withheld != verdicts.NOT_YET and (known is None or known.withheld != held.withheld):
            _LOG.warning("machine not repaired", provider_id=provider_id, why=held.withheld)
    for begun in repair.begun(before, after):
        _LOG.warning(
            "machine let go: its Node is not ready for longer than repair allows",
            name=begun.name,
            provider_id=begun.provider_id,
            group=begun.group,
        )


def learned(before: state.Fleet, after: state.Fleet) -> None:
    """Log what a make of machines was found to have."""
    for make, result in after.learned.items():
        if result != before.learned.get(make):
            _LOG.info(
                "machine type measured",
                account=make.account,
                type=make.machine_type,
                image=make.image,
                memory_bytes=result.allocatable.memory_bytes,
                cpu_millis=result.allocatable.cpu_millis,
            )
