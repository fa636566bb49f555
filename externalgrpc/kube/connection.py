"""Connect to a cluster: from a pod of it, or with a kubeconfig and one of its contexts."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

import yaml

from externalgrpc.kube import api, errors, plugin
from externalgrpc.model import rules
from externalgrpc.support import clock, regular_files

_OUR_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_POD: Final = "KUBERNETES_SERVICE_HOST"
_CONNECTIONS: Final = 20
_FILES: Final = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class _Settings(Protocol):
    """What we ask of the client's Configuration."""

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """Return an authorization header's value, renewed if need be."""
        ...


class CannotConnect(Exception):
    """Say, for a person, why there is no way to a cluster; holds nothing of the kubeconfig."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A way to a cluster.

    ``host`` is where we reach its API server, ``namespace`` our own (a pod's) or the context's,
    ``ca_pem`` what its certificate is checked with ("" for the system's authorities).
    """

    api: api.Api
    host: str
    namespace: str
    in_cluster: bool
    ca_pem: str = dataclasses.field(repr=False)


def connect(
    *,
    kubeconfig: str = "",
    context: str = "",
    time_source: clock.Clock,
    environ: Mapping[str, str] = os.environ,
    account: Path = _OUR_ACCOUNT,
    read_s: float = api.READ_S,
    may_write: Callable[[], str] = lambda: "",
    plugin_s: float = plugin.WAIT_S,
) -> Connection:
    """Load credentials; nothing is sent yet. Raises CannotConnect.

    Without a kubeconfig the service account of our pod is used, which is mounted at ``account``.
    Its token is read again every minute, that of a kubeconfig's ``exec`` plugin when it runs out;
    a kubeconfig is never written to. ``read_s`` and ``may_write`` are as in :class:`api.Api`;
    such a plugin is waited for ``plugin_s`` at most.
    """
    if not kubeconfig and _IN_POD not in environ:
        raise CannotConnect("this is no pod of a cluster: name a kubeconfig")
    where = f"kubeconfig {kubeconfig}" if kubeconfig else "the pod's service account"
    # Imported here, since it takes a second and 20 MB that a server of raw groups never needs;
    # by name, since its types, which say next to nothing, would cost every check 15 seconds.
    client = importlib.import_module("kubernetes.client")
    config = importlib.import_module("kubernetes.config")
    settings = client.Configuration()
    settings.connection_pool_maxsize = _CONNECTIONS
    settings.keep_alive = True
    within: Callable[[Callable[[], str]], str] = _at_once
    try:
        if kubeconfig:
            named = [at_home(each) for each in kubeconfig.split(os.pathsep) if each]
            found = [each for each in named if each.exists()]
            if not found:
                raise CannotConnect(f"{where}: there is no such file")
            path = os.pathsep.join(map(str, found))
            run_plugins = [_runs_a_plugin(each) for each in found]
            if any(run_plugins):
                within = plugin.Plugin(plugin_s).run

            def load() -> str:
                config.load_kube_config(
                    config_file=path,
                    context=context or None,
                    client_configuration=settings,
                    persist_config=False,
                )
                return _context_namespace(config, path, context)

            namespace = within(load)
        else:
            in_pod = importlib.import_module("kubernetes.config.incluster_config")
            in_pod.InClusterConfigLoader(
                token_filename=str(account / "token"),
                cert_filename=str(account / "ca.crt"),
                environ=environ,
            ).load_and_set(settings)
            # The cluster around a pod is never behind the proxy that its environment names.
            settings.proxy = None
            namespace = _read(account / "namespace") or "default"
        pool = client.ApiClient(settings).rest_client.pool_manager
        ca_pem = _read(Path(settings.ssl_ca_cert)) if settings.ssl_ca_cert else ""
    except regular_files.Unreadable as error:
        raise CannotConnect(f"{where} {error}") from None
    except plugin.TimedOut as error:
        raise CannotConnect(f"{where}: {error}") from None
    except config.ConfigException as error:
        raise CannotConnect(f"{where}: {error}") from error
    except yaml.YAMLError as error:
        raise CannotConnect(f"{where} is not YAML{_line(error)}") from None
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        # Named by its kind only: the message may quote the file, and the file holds secrets.
        raise CannotConnect(f"{where} cannot be used ({type(error).__name__})") from None
    if wrong := rules.api_server(settings.host):
        # The address itself is not shown: it may hold a password.
        pool.clear()
        raise CannotConnect(f"{where}: its server {wrong}")
    if wrong := rules.plain_http(settings.host):
        pool.clear()
        raise CannotConnect(f"{where}: its server {wrong}, the credentials with it")
    return Connection(
        api=api.Api(
            pool,
            settings.host,
            authorization=lambda: _authorization(settings, where, within),
            time_source=time_source,
            read_s=read_s,
            may_write=may_write,
        ),
        host=settings.host,
        namespace=namespace,
        in_cluster=not kubeconfig,
        ca_pem=ca_pem,
    )


def _at_once(work: Callable[[], str]) -> str:
    return work()


def _authorization(
    settings: _Settings, where: str, within: Callable[[Callable[[], str]], str] = _at_once
) -> str:
    def ask() -> str:
        return str(settings.get_api_key_with_prefix("BearerToken", alias="authorization") or "")

    try:
        header = within(ask)
    except plugin.TimedOut as error:
        raise errors.Denied(f"{where}: {error}") from None
    except Exception as error:  # a plugin of the user's runs here and may fail in any way
        raise errors.Denied(f"{where} gives no credentials ({type(error).__name__})") from error
    return header.strip()


def _context_namespace(config: ModuleType, path: str, context: str) -> str:
    contexts, current = config.list_kube_config_contexts(path)
    chosen = next((each for each in contexts if each["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def at_home(name: str) -> Path:
    """Return the path of a file; ~ is a user's home, where somebody knows that user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # then it is a name like any other
        return Path(name)


def _runs_a_plugin(path: Path) -> bool:
    """Return whether a kubeconfig may run a program.

    Refuses one that is a pipe or a device, or names one: the client would wait for it. What else is
    wrong with it the client reports by itself.
    """
    loaded = yaml.safe_load(regular_files.text(path))
    if not isinstance(loaded, dict):
        raise regular_files.Unreadable("is no kubeconfig: it holds no mapping")
    for entries, kind in (("users", "user"), ("clusters", "cluster")):
        for entry in loaded.get(entries) or ():
            of = entry.get(kind) or {}
            for key in _FILES:
                named = path.parent / str(of[key]) if of.get(key) else None
                if named is not None and named.exists():
                    try:
                        regular_files.check(named)
                    except regular_files.Unreadable as error:
                        message = f"names {key} {named}, which {error}"
                        raise regular_files.Unreadable(message) from None
    users = [entry.get("user") or {} for entry in loaded.get("users") or ()]
    # auth-provider is exec's elder: it runs a program or asks another server, without a bound too.
    return any(user.get("exec") or user.get("auth-provider") for user in users)


def _read(path: Path) -> str:
    return regular_files.text(path).strip() if path.exists() else ""


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark is not None else ""
