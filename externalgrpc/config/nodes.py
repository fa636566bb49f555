"""Turn the file's entries under ``nodes`` into node groups."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from externalgrpc.config import (
    accounts,
    fields,
    headroom,
    joining,
    labels,
    model,
    options,
    settings,
    user_data,
    validate,
)
from externalgrpc.config.mistakes import Path
from externalgrpc.model import groups, installed_clouds, join_settings, names, rules

MOST_CANDIDATES: Final = 64
"""More types times regions than this would take longer to try than a machine to boot."""

_COMMON: Final[Mapping[str, str]] = {
    "networks": "networks",
    "firewalls": "firewalls",
    "placement_group": "placementGroup",
    "public_ipv4": "publicIPv4",
    "public_ipv6": "publicIPv6",
    "ssh_keys": "sshKeys",
}
"""The settings that a cloud may not support, as its class and as the file spell them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """How the machines of a group are made: join and its settings, user-data, the cloud's own."""

    join: str
    join_settings: join_settings.JoinSettings
    user_data: str
    options: object


@dataclasses.dataclass(slots=True)
class Reader:
    """Read the groups of one file; ``logins`` grows by the accounts that groups imply."""

    cluster: str
    logins: dict[str, groups.Account]
    around: accounts.Surroundings
    findings: validate.Findings
    kubernetes: bool = False
    listed: frozenset[str] = frozenset()
    """The names under accounts, those of wrong entries included: one mistake is reported once."""

    def read(self, entries: Iterable[tuple[int, model.NodeEntry]]) -> tuple[groups.NodeGroup, ...]:
        """Make every group that is right; the others are filed."""
        found: dict[str, groups.NodeGroup] = {}
        paths: dict[str, Path] = {}
        for index, entry in entries:
            if self.findings.full:
                break
            path: Path = ("nodes", index)
            self._name(entry, path, found)
            group = self._group(entry, path)
            if group is not None:
                found.setdefault(group.name, group)
                paths.setdefault(group.name, path)
        headroom.apart(found.values(), paths, self.findings)
        return tuple(found.values())

    def _name(
        self, entry: model.NodeEntry, path: Path, before: Mapping[str, groups.NodeGroup]
    ) -> None:
        at = (*path, "name")
        if entry.name is None:
            self.findings.missing(at, "Give the group a name")
            return
        wrong = rules.name(entry.name, groups.MAX_GROUP_NAME)
        if wrong:
            self.findings.add(at, f"{fields.describe(entry.name)} {wrong}", "Choose another name")
        if names.is_trial(entry.name):
            message = (
                f"{fields.describe(entry.name)} would look like a trial's (vps-autoscaler try)"
            )
            self.findings.add(at, message, f"Begin it otherwise than with {names.TRIAL_PREFIX}")
        if entry.name in before:
            message = f"{fields.describe(entry.name)} is the name of a group above"
            self.findings.add(at, message, "Rename one")

    def _group(self, entry: model.NodeEntry, path: Path) -> groups.NodeGroup | None:
        """Make one group; None when the file does not say enough to make any."""
        account = self._account(entry, path)
        of = self.around.installed[account.provider] if account is not None else None
        candidates = self._candidates(entry, path)
        self._sizes(entry, path)
        labels.check(entry.labels, (*path, "labels"), rules.node_label, self.findings)
        types = [each.machine_type for each in candidates]
        for key, value in entry.labels.items():
            if wrong := rules.identity(key, value, types):
                message = f"the label {fields.describe(key)} {wrong}"
                self.findings.add((*path, "labels", key), message, "Remove it", key=True)
        taints = labels.taints(entry.taints, (*path, "taints"), self.findings)
        if entry.repair.not_ready_for is not None and not self.kubernetes:
            message = "needs to know the cluster: whether a Node is ready is seen there"
            cure = "Add kubernetes: to the file, or remove repair"
            self.findings.add((*path, "repair"), message, cure, key=True)
        made = self._made(entry, of, path)
        if account is None or of is None or not candidates:
            return None
        group = groups.NodeGroup(
            name=entry.name or "",
            account=account.name,
            candidates=candidates,
            min_size=entry.min_size,
            max_size=entry.max_size or 0,
            labels=entry.labels,
            taints=taints,
            image=entry.image or "",
            join=made.join,
            join_settings=made.join_settings,
            user_data=made.user_data,
            user_data_file=user_data.place(entry, self.around),
            user_data_format=entry.user_data_format,
            ssh_keys=tuple(entry.ssh_keys),
            networks=tuple(entry.networks),
            firewalls=tuple(entry.firewalls),
            placement_group=entry.placement_group or "",
            public_ipv4=entry.public_ipv4,
            public_ipv6=entry.public_ipv6,
            server_labels=entry.server_labels,
            reserve=settings.reserve(entry.kubelet),
            overrides=settings.overrides(entry.autoscaling_options),
            join_deadlines=settings.join_deadlines(entry.join_deadlines),
            repair_after_s=entry.repair.not_ready_for,
            options=made.options,
            any_node_name=entry.any_node_name,
            surge=entry.surge,
            target_cpu=entry.target_cpu,
            headroom=settings.headroom(entry.headroom),
            paused=entry.paused,
            cap=settings.cap(entry),
        )
        user_data.measure(group, account, of, path, self.findings, cluster=self.cluster)
        headroom.possible(group, path, self.findings, kubernetes=self.kubernetes)
        return group

    def defaults(self, provider: str, entry: model.NodeDefaults, path: Path) -> str:
        """File what is wrong with what VPSNodes of a cloud leave out; return their user-data.

        A cloud that is named here has an account, as if a group of the file implied it: machines
        that a VPSNode left behind are seen when no object speaks of the cloud any more.
        """
        of = accounts.cloud(provider, path, self.around, self.findings)
        if of is not None and entry.account is None:
            self._implied(provider, path, only_if_known=False)
        account = self.logins.get(entry.account) if entry.account is not None else None
        if entry.account is not None and account is None and entry.account not in self.listed:
            cure = validate.nearest(entry.account, {*self.logins, *self.listed})
            at = (*path, "account")
            self.findings.add(at, f"{fields.describe(entry.account)} is no account", cure)
        elif account is not None and account.provider != provider:
            message = f"account {account.name} is at {account.provider}"
            self.findings.add((*path, "account"), message, f"Name one that is at {provider}")
        return self._made(entry, of, path).user_data

    def _made(
        self, entry: model.NodeDefaults, of: installed_clouds.Cloud | None, path: Path
    ) -> _Made:
        """Read how a group's machines are made and join; what is wrong is filed."""
        labels.check(
            entry.server_labels, (*path, "serverLabels"), rules.server_label, self.findings
        )
        script = user_data.read(entry, path, self.around, self.findings)
        join = joining.method(
            entry, of, path, self.findings, kubernetes=self.kubernetes, user_data=script
        )
        at = (*path, "joinOptions")
        how = options.read(join_settings.JoinSettings, entry.join_options, at, self.findings)
        if isinstance(how, join_settings.JoinSettings):
            joining.fetched_in_the_clear(how, at, self.findings)
        own: object = None
        if of is not None:
            self._supported(entry, of, path)
            at = (*path, "options")
            own = options.read(
                of.group_options, entry.options, at, self.findings, resolve=self.around.resolve
            )
        given = how if isinstance(how, join_settings.JoinSettings) else None
        return _Made(
            join=join,
            join_settings=given or join_settings.JoinSettings(),
            user_data=script,
            options=own,
        )

    def _account(self, entry: model.NodeEntry, path: Path) -> groups.Account | None:
        """Find the login of a group: named, the only one of its cloud, or implied by it."""
        at: Path = (*path, "account")
        if entry.account is not None:
            account = self.logins.get(entry.account)
            if account is None and entry.account == (entry.provider or entry.account):
                account = self._implied(entry.account, at, only_if_known=entry.provider is None)
            if account is None and entry.account not in self.listed:
                cure = validate.nearest(entry.account, {*self.logins, *self.listed})
                self.findings.add(at, f"{fields.describe(entry.account)} is no account", cure)
            elif account is not None and entry.provider not in {None, account.provider}:
                message = f"account {account.name} is at {account.provider}"
                cure = f"Name an account at {entry.provider}, or correct provider"
                self.findings.add((*path, "provider"), message, cure)
            return account
        at = (*path, "provider")
        if entry.provider is None:
            if not self.findings.tree.has((*path, "account")):
                self.findings.missing(at, f"Add one of {', '.join(self.around.installed)}")
            return None
        there = [each for each in self.logins.values() if each.provider == entry.provider]
        if len(there) > 1:
            names = ", ".join(account.name for account in there)
            message = f"{entry.provider} has several accounts: {names}"
            self.findings.add(at, message, "Say which with account:")
            return None
        return there[0] if there else self._implied(entry.provider, at, only_if_known=False)

    def _implied(self, provider: str, at: Path, *, only_if_known: bool) -> groups.Account | None:
        """Imply the account of a cloud that has none in the file."""
        has_own = any(account.provider == provider for account in self.logins.values())
        if has_own or (only_if_known and provider not in self.around.installed):
            return None
        if accounts.cloud(provider, at, self.around, self.findings) is None:
            return None
        if provider in self.logins:
            message = f"the account called {provider} is at {self.logins[provider].provider}"
            self.findings.add(at, message, "Rename that account")
            return None
        account = accounts.implied(provider, at, self.around, self.findings)
        if account is not None:
            self.logins[provider] = account
        return account

    def _candidates(self, entry: model.NodeEntry, path: Path) -> tuple[groups.Candidate, ...]:
        """Cross machine types with regions, in order: each type in every region, then the next."""
        types = self._one_or_several(
            entry.instance_type, entry.instance_types, path, "instanceType", "instanceTypes"
        )
        regions = self._one_or_several(entry.region, entry.regions, path, "region", "regions")
        if len(types) * len(regions) > MOST_CANDIDATES:
            message = f"{len(types)} types in {len(regions)} regions are too many to try in order"
            self.findings.add(path, message, f"Keep at most {MOST_CANDIDATES} combinations")
            return ()
        return tuple(
            groups.Candidate(machine_type, location)
            for machine_type, location in itertools.product(types, regions)
        )

    def _one_or_several(
        self, one: str | None, several: Sequence[str] | None, path: Path, key: str, keys: str
    ) -> list[str]:
        """Take a setting that is given as one or as a list; both or neither is filed."""
        has_one = self.findings.tree.has((*path, key))
        has_several = self.findings.tree.has((*path, keys))
        if has_one and has_several:
            self.findings.add((*path, keys), f"is given beside {key}", "Keep one", key=True)
        elif not has_one and not has_several:
            self.findings.missing((*path, key), f"Add {key}, or {keys} with a list")
        named = [one] if one is not None else list(several or ())
        at: Path = (*path, key) if one is not None else (*path, keys)
        for index, name in enumerate(named):
            where = at if one is not None else (*at, index)
            wrong = rules.ware(name)
            if wrong:
                cure = "Write the name that the cloud itself gives it"
                self.findings.add(where, f"{fields.describe(name)} {wrong}", cure)
            elif name in named[:index]:
                self.findings.add(where, f"{fields.describe(name)} is there twice", "Remove one")
        return named

    def _sizes(self, entry: model.NodeEntry, path: Path) -> None:
        if entry.max_size is None:
            self.findings.missing((*path, "maxSize"), "Say how large the group may become")
        elif entry.min_size > entry.max_size:
            message = f"{entry.min_size} is more than maxSize {entry.max_size}"
            self.findings.add((*path, "minSize"), message, "Lower minSize or raise maxSize")

    def _supported(self, entry: model.NodeDefaults, of: installed_clouds.Cloud, path: Path) -> None:
        """Refuse a common setting that this cloud cannot do, where it was set to matter."""
        for name, key in _COMMON.items():
            field = model.NodeDefaults.model_fields[name]
            default = field.get_default(call_default_factory=True, validated_data={})
            if name not in of.supports and getattr(entry, name) != default:
                message = "is something this cloud cannot do"
                self.findings.add((*path, key), message, "Remove it", key=True)
