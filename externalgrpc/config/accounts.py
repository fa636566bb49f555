"""Turn the file's accounts into logins: names, clouds, tokens, the clouds' own settings."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Final

from externalgrpc.config import fields, files, mistakes, model, options, settings, validate
from externalgrpc.config.mistakes import Path
from externalgrpc.model import foreign_words, groups, installed_clouds, rules
from providers.kit import marks

LONGEST_NAME: Final = 63

_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_QUOTED_TOKEN = re.compile(r"([\"'`]).*\1|\w*TOKEN=.*", re.DOTALL)
_MORE = "quotes or a name around the token, and the cloud would be sent them"
_BARE = "Write the token alone, as the cloud shows it"
_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a file is read in: its directory, the environment, the clouds, the files it names."""

    directory: FilePath
    environ: Mapping[str, str]
    installed: Mapping[str, installed_clouds.Cloud]
    files: files.Files

    def resolve(self, name: str) -> FilePath:
        """Find a file that the configuration names: relative to it, ~ being the user's home."""
        try:
            return self.directory / FilePath(name).expanduser()
        except RuntimeError:  # nobody knows that home; then it is a name like any other
            return self.directory / name


def cloud(
    name: str, path: Path, around: Surroundings, findings: validate.Findings
) -> installed_clouds.Cloud | None:
    """Find a cloud by the name in the file; an unknown or broken one is filed."""
    try:
        return around.installed[name]
    except KeyError:
        cure = validate.nearest(name, around.installed)
        findings.add(path, f"{fields.describe(name)} is not an installed cloud", cure)
    except installed_clouds.BrokenCloud as error:
        findings.add(path, str(error), "Ask whoever maintains this cloud")
    return None


def configured(
    entries: Iterable[tuple[int, model.AccountEntry]],
    around: Surroundings,
    findings: validate.Findings,
) -> dict[str, groups.Account]:
    """Make the accounts that the file lists, by name; wrong ones are filed and left out."""
    accounts: dict[str, groups.Account] = {}
    for index, entry in entries:
        if findings.full:
            break
        path: Path = ("accounts", index)
        name = _name(entry, path, accounts, findings)
        account = _account(name, entry, path, around, findings)
        if account is not None and name not in accounts:
            accounts[name] = account
    _same_login_twice(accounts, findings)
    return accounts


def implied(
    provider: str, path: Path, around: Surroundings, findings: validate.Findings
) -> groups.Account | None:
    """Make the account of a cloud that the file has no account of: it bears the cloud's name."""
    of = cloud(provider, path, around, findings)
    if of is not None and options.needed(of.account_options):
        message = f"an account at {provider} has settings that must be given"
        findings.add(path, message, "List it under accounts: with its options")
        return None
    entry = model.AccountEntry.model_validate({"name": provider, "provider": provider})
    return _account(provider, entry, path, around, findings)


def _name(
    entry: model.AccountEntry,
    path: Path,
    before: Mapping[str, groups.Account],
    findings: validate.Findings,
) -> str:
    if entry.name is None:
        findings.missing((*path, "name"), "Give the account a name")
        return ""
    wrong = rules.name(entry.name, LONGEST_NAME)
    if wrong:
        findings.add((*path, "name"), f"{fields.describe(entry.name)} {wrong}")
    if entry.name in before:
        message = f"{fields.describe(entry.name)} is the name of an account above"
        findings.add((*path, "name"), message, "Rename one")
    return entry.name


def _account(
    name: str,
    entry: model.AccountEntry,
    path: Path,
    around: Surroundings,
    findings: validate.Findings,
) -> groups.Account | None:
    if entry.provider is None:
        findings.missing((*path, "provider"), f"Add one of {', '.join(around.installed)}")
        return None
    at = (*path, "provider")
    of = cloud(entry.provider, at, around, findings)
    if of is None:
        return None
    _makes_no_nodes(entry, of, path, findings)
    at = (*path, "options")
    given = options.read(of.account_options, entry.options, at, findings, resolve=around.resolve)
    return groups.Account(
        name=name,
        provider=entry.provider,
        token=_token(entry, of, path, around, findings),
        endpoint=_endpoint(entry, (*path, "endpoint"), findings),
        budget_share=1.0 if entry.budget_share is None else entry.budget_share,
        settings=given,
        foreign=_foreign(entry.foreign, (*path, "foreign"), findings),
        believe_vanished=entry.believe_vanished,
        max_orders_per_hour=entry.max_orders_per_hour,
        paused=entry.paused,
        cap=settings.cap(entry),
    )


def _makes_no_nodes(
    entry: model.AccountEntry,
    of: installed_clouds.Cloud,
    path: Path,
    findings: validate.Findings,
) -> None:
    """Refuse the playground's option at a real cloud with more than that it is no known key."""
    at = (*path, "options", "nodes")
    if findings.tree.has(at) and not installed_clouds.joins_by_itself(of):
        findings.add(
            at,
            f"is for machines that are only pretended: those of {entry.provider} are real, and "
            "their kubelets make their Nodes",
            "Remove it, or take provider: memory to play (docs/playground.md)",
            key=True,
        )


def nodes_asked_for(
    accounts: Mapping[str, groups.Account],
    listed: Iterable[tuple[int, model.AccountEntry]],
    installed: Mapping[str, installed_clouds.Cloud],
    findings: validate.Findings,
    *,
    kubernetes: bool,
) -> None:
    """Refuse accounts that ask for Nodes where no cluster is named, or where another does.

    Two clouds in memory number their machines alike, and a Node names one by its number.
    """
    first = ""
    for index, entry in listed:
        account = accounts.get(entry.name or "")
        if account is None or account.provider != entry.provider:
            continue
        if not installed_clouds.makes_nodes(installed[account.provider], account.settings):
            continue
        at = ("accounts", index, "options", "nodes")
        if not kubernetes:
            message = "asks for Nodes in a cluster that the file does not name"
            findings.add(at, message, "Add kubernetes: to the file, or remove nodes")
        elif first and first != account.name:
            message = f"asks for Nodes as account {first} does, and their machines have one number"
            findings.add(at, message, "Let one account ask, and put all groups on it")
        first = first or account.name


def _token(
    entry: model.AccountEntry,
    of: installed_clouds.Cloud,
    path: Path,
    around: Surroundings,
    findings: validate.Findings,
) -> str:
    """Find an account's token: its file, else the cloud's variable; never say what it is."""
    at = (*path, "tokenFile")
    if entry.token_file is not None:
        return _token_in_file(entry.token_file, of, at, around, findings)
    if findings.tree.has(at) or not of.token_variable:
        return ""
    token = around.environ.get(of.token_variable, "").strip()
    cure = f"Set {of.token_variable}, or give the account a tokenFile"
    if not token:
        findings.add(path, f"there is no token for {entry.provider}", cure)
    elif _holds_more(token, of):
        findings.add(path, f"{of.token_variable} holds {_MORE}", _BARE)
    elif not _TOKEN.fullmatch(token):
        findings.add(path, f"{of.token_variable} does not hold a token", cure)
    return token


def _holds_more(token: str, of: installed_clouds.Cloud) -> bool:
    """Return whether a token has around it what a shell would take off: quotes, or its variable.

    docker's --env-file and a Secret take that for a part of it.
    """
    if "\n" in token:
        return False
    bare = re.sub(r"\Aexport\s+", "", token)
    named = bool(of.token_variable) and bare.startswith(of.token_variable + "=")
    return named or bool(_QUOTED_TOKEN.fullmatch(bare))


def _token_in_file(
    name: str,
    of: installed_clouds.Cloud,
    at: Path,
    around: Surroundings,
    findings: validate.Findings,
) -> str:
    where = around.resolve(name)
    message = f"the token file {mistakes.file_name(where)}"
    try:
        token = around.files.read(where).decode("ascii").strip()
    except files.Unreadable as error:
        if _LIKE_A_TOKEN.fullmatch(name) or not name:
            findings.add(at, "is not the path of a file", "Put the token into a file and name that")
        else:
            findings.add(at, f"{message} {error}", "Create it with the token as its only line")
        return ""
    except UnicodeDecodeError:
        findings.add(at, f"{message} is not plain text", "Keep the token as its only line")
        return ""
    if not token:
        findings.add(at, f"{message} is empty", "Write the token into it")
    elif _holds_more(token, of):
        findings.add(at, f"{message} holds {_MORE}", _BARE)
    elif not _TOKEN.fullmatch(token):
        findings.add(at, f"{message} holds more than a token", "Keep the token as its only line")
    return token


def _endpoint(entry: model.AccountEntry, at: Path, findings: validate.Findings) -> str:
    endpoint = entry.endpoint
    if endpoint is None:
        return ""
    cure = "Write it like https://api.example.org/v1"
    try:
        parts = urllib.parse.urlsplit(endpoint)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not re.fullmatch(r"[\x21-\x7e]+", endpoint, re.ASCII):
        findings.add(at, "is not an http or https address", cure)
    elif parts.username is not None or parts.query or parts.fragment:
        findings.add(at, "must not carry credentials, a query or a fragment", cure)
    elif not entry.allow_http and (wrong := rules.plain_http(endpoint)):
        findings.add(
            at,
            f"{wrong}, the token with it",
            "Write https://, or set allowHttp: true where nobody else is on that network",
        )
    return endpoint


def _foreign(words: Mapping[str, str], at: Path, findings: validate.Findings) -> Mapping[str, str]:
    """Take the operator's word on machines of other clusters, by their identity."""
    for identity in words:
        if identity != foreign_words.NO_IDENTITY and not marks.is_identity(identity):
            message = f"{fields.describe(identity)} is no identity of a cluster"
            cure = (
                "Write its 10 digits of 0 to 9 and a to f, in quotes, or "
                f"{foreign_words.NO_IDENTITY} for machines that carry none; "
                "vps-autoscaler ls --wide shows which there are"
            )
            findings.add((*at, identity), message, cure, key=True)
    return words


def _same_login_twice(accounts: Mapping[str, groups.Account], findings: validate.Findings) -> None:
    """Refuse one login under two names: every machine would be counted twice."""
    seen: dict[tuple[str, str, str], str] = {}
    for name, account in accounts.items():
        if not account.token:
            continue
        login = (account.provider, account.endpoint, account.token)
        if login in seen:
            message = f"accounts {seen[login]} and {name} are one login: machines would count twice"
            findings.add(("accounts",), message, "Give each its own tokenFile, or keep one")
        seen.setdefault(login, name)
