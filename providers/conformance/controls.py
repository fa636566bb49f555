"""Say what the suite may do to a cloud, behind the back of its API.

Hooks that bring trouble about give back words that the cloud will say then, so that the suite can
look for them in the error's message; "" where it says nothing worth repeating.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Collection, Mapping

from providers import contract


class Controls(abc.ABC):
    """What a test may do to the cloud, behind the back of its API.

    Time is the fake's own: where these say that time passes, move its clock; nothing should sleep.
    """

    @abc.abstractmethod
    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        """Put a running machine there with these marks (none for an empty one); return its id.

        With ``cluster`` empty it is a stranger's machine, of the display name ``node_name``.
        Neither quota nor stock keeps it away.
        """

    @abc.abstractmethod
    def count(self) -> int:
        """Count the machines that are there or on their way out, everybody's."""

    @abc.abstractmethod
    def requests(self) -> int:
        """Count the requests that have reached the cloud so far, refused ones included."""

    @abc.abstractmethod
    def user_data(self, instance_id: str) -> bytes:
        """Read a machine's user-data as cloud-init would on that machine: decoded."""

    @abc.abstractmethod
    def rename(self, instance_id: str, name: str) -> None:
        """Give a machine another display name, as people do in consoles; marks stay."""

    @abc.abstractmethod
    def run(self, instance_id: str) -> None:
        """Let so much time pass that the machine runs."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Let so much time pass that deletions are done and listings show what is so."""

    @abc.abstractmethod
    def sell_out(self, machine_type: str, location: str) -> str:
        """Have none left of a machine type in a location; return the cloud's words for it."""

    @abc.abstractmethod
    def fill_quota(self) -> str:
        """Let the account have no more machines than it has; return the cloud's words for it."""

    @abc.abstractmethod
    def throttle(self) -> str:
        """Refuse requests for their rate until :meth:`mend`; return the cloud's words for it."""

    @abc.abstractmethod
    def revoke_token(self) -> str:
        """Refuse the token until :meth:`mend`; return the cloud's words for it."""

    @abc.abstractmethod
    def go_down(self) -> str:
        """Answer everything with 5xx until :meth:`mend`; give words of that answer, or ""."""

    @abc.abstractmethod
    def fail_page(self, number: int) -> None:
        """Fail the page of this number (from 1) of the next listing of machines, once.

        Fail it as networks do: a 5xx, a cut connection, half an answer.
        """

    def vanish_before_page(self, number: int) -> None:
        """Right before the page of this number is answered, once, let a machine vanish whole.

        One that an earlier page showed, so that the later rows move up. For clouds whose listing
        has pages, and for those without a page to miss: nothing to do.
        """
        raise NotImplementedError(f"a listing in pages needs vanish_before_page({number})")

    @abc.abstractmethod
    def lose_reply(self, *, after_work: bool) -> None:
        """Cut the connection of the next create, before or after its work is done, once."""

    @abc.abstractmethod
    def mend(self) -> None:
        """End everything that the hooks above broke, except stock and quota."""

    # What is worth having, and not asked for.

    shows_budget: bool = False
    """Whether the vendor's answers bear headers that show the rate budget."""

    def metadata(self, instance_id: str, headers: Mapping[str, str]) -> str | None:
        """Return what the vendor's metadata service answers that machine; None where unknown.

        ``headers``, by lower-case names, are all that ``metadata_service`` of the class sends, for
        a token too; the token is in them where the class asks for one. "" where the service would
        refuse that: a header that it demands is missing. The suite reads the answer as the machine
        would, and compares the id.
        """
        del instance_id, headers
        return None

    def running(self, instance_id: str) -> bool | None:
        """Return whether a machine that stands has booted; None where the fake cannot say."""
        del instance_id
        return None

    def power_off(self, instance_id: str) -> None:
        """Switch a machine off that runs, as people do in consoles."""
        raise NotImplementedError(f"power_off({instance_id!r}) is not there")

    def shorten_pages(self, rows: int) -> bool:
        """Let the listing give no more than so many rows a page, whatever it is asked for.

        Return whether the fake can; a test is skipped where it cannot.
        """
        del rows
        return False

    # What only clouds need whose create takes more than one request.

    def cut(self, step: int, *, after_work: bool, for_good: bool) -> None:
        """Cut the connection of one request, counted from 1 on, before or after its work.

        ``for_good``: and of every request after it, before its work, until :meth:`mend`: so it is
        when the process dies.
        """
        raise NotImplementedError(
            f"a create of several requests needs cut({step}, {after_work=}, {for_good=})"
        )

    def throttle_from(self, step: int) -> None:
        """Refuse requests for their rate from one on, counted from 1, until :meth:`mend`."""
        raise NotImplementedError(f"a create of several requests needs throttle_from({step})")

    def open_again(self) -> contract.Provider:
        """Open the same login once more, as a new process does: it knows nothing."""
        raise NotImplementedError("a create of several requests needs open_again()")

    # What only clouds with an optional method need.

    def labels(self, instance_id: str) -> Collection[str]:
        """Read the labels or tags of a machine that are the user's own, whatever their form.

        For clouds with ``mark``: they must stay as they were.
        """
        raise NotImplementedError(f"a cloud with mark() needs labels({instance_id!r})")

    def lose_mark_reply(self, *, after_work: bool) -> None:
        """Cut the connection of the write of the next ``mark``, before or after its work, once."""
        raise NotImplementedError(f"a cloud with mark() needs lose_mark_reply({after_work})")

    def beside(self) -> Collection[str]:
        """Name everything there is beside machines that an order may make, everybody's.

        Volumes, addresses; for a cloud with ``tidy``, all of the kind that it deletes: placement
        groups, resources of tags. Where there is no ``tidy``, all of it must go with its machine.
        """
        return ()

    def add_beside(self) -> None:
        """Put somebody else's empty things of that kind there, as like to ours as they can be.

        Of another cluster's group ``web``, and of node names that nobody asks for.
        """
        raise NotImplementedError("a cloud with tidy() needs add_beside()")

    def forget(self) -> None:
        """Let so much time pass that machines are gone and no order can still be under way.

        For clouds with ``tidy``; more than :meth:`settle` where the cloud waits longer.
        """
        self.settle()


class HTTPControls(Controls):
    """What else can be done to a cloud that is spoken to over HTTP."""

    @abc.abstractmethod
    def hang(self) -> None:
        """Take requests and answer nothing until :meth:`mend`.

        ``mend`` must release whoever still waits, so that the fake can stop.
        """

    @abc.abstractmethod
    def babble(self, status: int) -> None:
        """Answer everything with this status and a gateway's HTML page until :meth:`mend`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A login at a cloud, and the hooks behind the cloud."""

    provider: contract.Provider
    controls: Controls
    again: Callable[[], contract.Provider] | None = None
    """Open the same login anew, as the process after a killed one does."""
