"""Stand still on the operator's word: order nothing, delete nothing unless CA asks for it.

Said of a group, of an account or of everything in the file, of a VPSNode in its spec, and of
everything by an annotation of our ConfigMap. CA hears of it as of any "not now"
(:mod:`externalgrpc.fleet.notnow`); what CA asked for, and what is owed of that, goes on. While
nobody could read the annotation orders are held, and nothing goes on our own word.
"""

from __future__ import annotations

from externalgrpc.fleet import state

UNSURE = "its Node was not ready, and whether it is so still nobody can tell for now"
UNREAD = "the annotation that may pause everything could not be read yet"


def everything(fleet: state.Fleet) -> str:
    """Return why all stands still; empty when it does not."""
    return "paused: true in the file" if fleet.paused else fleet.annotation or ""


def of_account(fleet: state.Fleet, name: str) -> str:
    """Return why all of an account stands still; empty when it does not."""
    account = fleet.accounts.get(name)
    if account is not None and account.paused:
        return f"paused: true of account {name}"
    return everything(fleet)


def of_group(fleet: state.Fleet, group: str, account: str = "") -> str:
    """Return why a group stands still; empty when it does not.

    ``account`` is that of the machine which is meant, where it may be another than the group's: a
    group that moved stands still if either is paused.
    """
    configured = fleet.groups.get(group)
    if configured is not None and configured.paused:
        return (
            of_object(group)
            if configured.vps_node
            else f"paused: true of group {configured.trial_of or group}"
        )
    own = configured.account if configured is not None else ""
    said = (of_account(fleet, name) for name in (account, own))
    return next(filter(None, said), "")


def of_object(name: str) -> str:
    """Say that a VPSNode stands still by its own spec."""
    return f"spec.paused of VPSNode {name}"


def own_word(fleet: state.Fleet, group: str, account: str) -> str:
    """Return why nothing of a group is deleted on our own word; empty when it may be."""
    return of_group(fleet, group, account) or ("" if fleet.annotation is not None else UNREAD)


def holds(fleet: state.Fleet, retirement: state.Retirement) -> str:
    """Return why a deletion waits, being on our own word; empty when it goes on."""
    if not retirement.own:
        return ""
    if retirement.repair and (fleet.outage or fleet.nodes is None or fleet.nodes_stale):
        return UNSURE
    return own_word(fleet, retirement.group, retirement.account)
