"""Open an account: log in to its cloud, and give it a lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from externalgrpc.assembly import parts as made_of
from externalgrpc.control import account_runtime, dryrun, lane
from externalgrpc.model import groups, installed_clouds
from providers import contract


class Opener:
    """Make the runtimes of accounts; ``observer`` gives what observes an account's calls."""

    def __init__(
        self,
        installed: Mapping[str, installed_clouds.Cloud],
        parts: made_of.Parts,
        observer: Callable[[str], Callable[[str, str, float], None]],
    ) -> None:
        self._installed = installed
        self._parts = parts
        self._observer = observer

    def open(self, cluster: str, account: groups.Account) -> account_runtime.AccountRuntime:
        """Open an account; raises BrokenCloud, and CloudError as the cloud does."""
        login = contract.Login(
            account=account.name,
            cluster=cluster,
            token=account.token,
            endpoint=account.endpoint,
            settings=account.settings,
            may_send=self._parts.may_act,
        )
        try:
            provider = self._parts.open_provider(self._installed[account.provider], login)
        except ValueError as error:
            message = f"account {account.name} cannot be opened at {account.provider}: {error}"
            raise installed_clouds.BrokenCloud(message) from error
        if self._parts.dry_run:
            provider = cast("contract.Provider", dryrun.DryRun(provider))
        return account_runtime.AccountRuntime(
            account=account,
            provider=provider,
            lane=self._lane(account, provider),
            pace=self._parts.pace,
        )

    def _lane(self, account: groups.Account, provider: contract.Provider) -> lane.Lane:
        if self._parts.make_lane is not None:
            return self._parts.make_lane(account, provider)
        return lane.ThreadLane(
            account.name,
            provider,
            share=account.budget_share,
            time_source=self._parts.time_source,
            observe=self._observer(account.name),
        )


def budgets(
    runtimes: Mapping[str, account_runtime.AccountRuntime],
) -> Mapping[str, contract.Budget | None]:
    """Return each account's budget of requests; None where it is not known."""
    found: dict[str, contract.Budget | None] = {}
    for name, runtime in runtimes.items():
        try:
            found[name] = runtime.provider.budget()
        except Exception:  # noqa: BLE001 - one cloud's fault must not hide what all others show
            # Its lane asks after every call, and logs it.
            found[name] = None
    return found
