"""Follow a trial: say each step as it is seen, end it whatever happens, and prove the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from externalgrpc.model import by_hand
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client, trial_client
from externalgrpc.support import clock

LOOK_S = 0.5
LATE_LABELS_S = 30.0
"""How long after its Node is ready what differs from the template is given to come right."""

CLEAN_S = 900.0
"""How long the end may take before what is left is handed to the person."""

SILENT_S = 120.0
"""How long a server may not answer before it is given up: it may be starting anew."""


class Server(Protocol):
    """What is asked of :class:`externalgrpc.rpc.trial_client.TrialClient`."""

    def show(self) -> pb.ShowResponse:
        """Ask for all that the server knows."""
        ...

    def start(self, group: str) -> pb.Trial:
        """Order one machine for a trial of a group."""
        ...

    def look(self) -> pb.Trial:
        """Ask how the trial is."""
        ...

    def end(self) -> pb.Trial:
        """Have the trial ended."""
        ...

    def clear(self, provider_id: str) -> None:
        """Have a machine deleted that a trial of another process left."""
        ...


class Interrupted(Exception):
    """The person, or the system, asked to stop."""


class GivenUp(Exception):
    """The end could not be seen; the message says what may be left, and the lines against it."""


class Following:
    """Start a trial of a group and follow it; ``say`` shows one line of what happens."""

    def __init__(
        self,
        server: Server,
        group: str,
        say: Callable[[str], None],
        *,
        time_source: clock.Clock,
        look_s: float = LOOK_S,
        late_labels_s: float = LATE_LABELS_S,
    ) -> None:
        self._server = server
        self._say = say
        self._clock = time_source
        self._look_s = look_s
        self._late_labels_s = late_labels_s
        self._group = group
        self._begun_at = time_source.unix()
        self._said: set[str] = set()
        self._waits = ""
        self._pause = threading.Event()
        self.interrupted = self._heard = 0
        self.seen = pb.Trial(group=group)

    def to_its_end(self) -> pb.Trial:
        """Order, and follow until nothing is left; Ctrl-C ends the trial, twice gives up.

        Raises GivenUp, and what the server refuses with; nothing was ordered then.
        """
        before = {
            number: signal.signal(number, self._interrupt)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            try:
                self._take(self._server.start(self._group))
                self._until_ready()
            except Interrupted:
                self._heard = self.interrupted
                self._say("interrupted: what was ordered is deleted; again to stop waiting for it")
                if not self.seen.trial:
                    self._was_started()
            return self._until_over()
        except Interrupted as error:
            raise GivenUp(self.left()) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _was_started(self) -> None:
        """Find out whether an order that was interrupted was taken; raises GivenUp where not."""
        found = self._server.look()
        if found.group != self._group or found.phase == "over":
            raise GivenUp("interrupted; nothing was ordered")
        self.seen = found

    def left(self) -> str:
        """Return what may be left, with the lines that delete it by hand."""
        lines = list(self.seen.left)
        if not lines and self.seen.phase != "over":
            if self.seen.provider_id:
                lines.append(
                    f"{self.seen.provider_id}; by hand: {by_hand.purge(self.seen.provider_id)}"
                )
            else:
                lines.append(
                    f"an order of {self.seen.trial} may be under way: vps-autoscaler try --clean"
                )
            if self.seen.node_name and self.seen.watched:
                name = self.seen.node_name
                lines.append(f"Node {name}; by hand: kubectl delete node {name}")
        return "may be left: " + "; ".join(lines)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted += 1
        # An exception, and no lock: it may come between any two steps.
        raise Interrupted

    def _wait(self, looks: float = 1.0) -> None:
        """Wait for the next look; raises Interrupted where a signal was heard and not noticed.

        What a signal raises is lost where Python runs callbacks of libraries and finalizers.
        """
        self._pause.wait(looks * self._look_s)
        if self.interrupted > self._heard:
            self._heard = self.interrupted
            raise Interrupted

    def _until_ready(self) -> None:
        ready_at = 0.0
        while True:
            self._take(self._answered(self._server.look))
            if self.seen.phase not in ("ordering", "joining", "ready"):
                return
            if self.seen.phase == "ready":
                now = self._clock.monotonic()
                ready_at = ready_at or now
                wrong = any(each.wrong for each in self.seen.differences)
                unseen = self.seen.watched and not self.seen.compared
                if not (wrong or unseen) or now - ready_at > self._late_labels_s:
                    return
            self._wait()

    def _until_over(self) -> pb.Trial:
        ends_at = self._clock.monotonic() + CLEAN_S
        self._take(self._answered(self._server.end))
        while self.seen.phase != "over":
            if self._clock.monotonic() > ends_at:
                raise GivenUp(f"after {CLEAN_S:.0f} s: {self.left()}")
            self._wait()
            self._take(self._answered(self._server.look))
        return self.seen

    def _answered(self, ask: Callable[[], pb.Trial]) -> pb.Trial:
        """Ask until there is an answer; a server that came anew knows nothing of the trial."""
        given_up_at = self._clock.monotonic() + SILENT_S
        while True:
            try:
                found = ask()
            except client.CannotReach as error:
                self._note(f"waiting: {error}")
                if self._clock.monotonic() > given_up_at:
                    raise GivenUp(f"{error}; {self.left()}") from error
                self._wait(2.0)
                continue
            if found.trial:
                return found
            return self._forgotten()

    def _forgotten(self) -> pb.Trial:
        """Have what is left deleted by a server that has started anew, and see it gone."""
        self._note("the server has started anew: what was ordered is looked for, and deleted")
        ends_at, quiet_at = self._clock.monotonic() + CLEAN_S, 0.0
        while self._clock.monotonic() < ends_at:
            try:
                shown = self._server.show()
                its = [each for each in shown.machines if each.group == self.seen.trial]
                for each in its:
                    if each.phase == "trial":
                        self._server.clear(each.provider_id)
            except client.CannotReach as error:
                self._note(f"waiting: {error}")
                its = [pb.Machine()]
            except trial_client.Refused as error:
                raise GivenUp(f"{error}; {self.left()}") from error
            now = self._clock.monotonic()
            quiet_at = 0.0 if its else quiet_at or now
            if quiet_at and now - quiet_at > SILENT_S and _settled(shown):
                over = pb.Trial()
                over.CopyFrom(self.seen)
                over.phase = "over"
                over.code, over.reason = "ServerRestarted", "the server started anew meanwhile"
                over.ClearField("left")
                over.proofs.append(f"machines: none of {self.seen.trial} for {SILENT_S:.0f} s")
                return over
            self._wait(2.0)
        raise GivenUp(self.left())

    def _take(self, found: pb.Trial) -> None:
        if found.steps:
            self._begun_at = found.steps[0].at
        for step in found.steps:
            if step.name not in self._said:
                self._said.add(step.name)
                self._line(step.at, f"{step.name}{_of(step.name, found)}")
        if found.code and found.code != self.seen.code:
            self._note(f"failed: {found.code}: {found.reason}")
        self.seen = found
        for each in found.left:
            self._note(f"still there: {each}")
        if found.waits:
            self._note(f"waiting for {found.waits}")

    def _note(self, text: str) -> None:
        if text != self._waits and text not in self._said:
            self._waits = text
            if not text.startswith("waiting"):
                self._said.add(text)
            self._line(self._clock.unix(), text)

    def _line(self, at: float, text: str) -> None:
        self._say(f"{max(0.0, at - self._begun_at):7.1f} s  {text}")


def _of(step: str, found: pb.Trial) -> str:
    """Return what is worth knowing beside a step."""
    match step:
        case "asked":
            return f": one machine of {found.group}, as {found.trial}"
        case "order sent":
            return f": {found.machine_type} in {found.location}" if found.machine_type else ""
        case "order accepted":
            return f": {found.node_name}, {found.provider_id}"
        case _:
            return ""


def _settled(shown: pb.ShowResponse) -> bool:
    return bool(shown.accounts) and all(
        0 <= each.listed_seconds_ago < SILENT_S for each in shown.accounts
    )
