"""Run a trial: order one machine, follow it to its ready Node, delete it, prove that it is gone.

One at a time, looked after by a thread of its own while it lasts. Whoever runs it asks again and
again; when nobody has asked for :data:`LEASE_S` the trial is ended here, so that a client that was
killed leaves no machine behind. What a server that was killed left, the next one lists
(:mod:`externalgrpc.fleet.trials`).
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import dispatch, pausing, state, trials, view
from externalgrpc.model import by_hand, fleet_errors, groups, names
from externalgrpc.support import clock, logs
from externalgrpc.trial import cluster as asked
from externalgrpc.trial import comparison, leftovers, proofs
from externalgrpc.trial.report import Phase, Report, Step
from providers import contract

if TYPE_CHECKING:
    pass

_LOG = logs.Log("trial")

LEASE_S = 60.0
"""A trial that nobody has asked about for so long is ended."""

LATE_S = 120.0
"""What a machine may take beyond the group's own provision timeout: waits before it was sent."""

LOOK_S = 0.5
REMOVE_S = 5.0
"""How often a Node that is still there is asked to go."""

PATIENCE_S = 20.0
"""How long a stop of the server waits for a cloud to take a deletion."""


@dataclasses.dataclass(slots=True)
class _Trial:
    """What is remembered of the trial under way, or of the last one."""

    report: Report
    asked_at: float
    heard_at: float
    template: bytes
    node_names: set[str] = dataclasses.field(default_factory=set)
    remove_at: float = float("-inf")
    proving: proofs.Proving | None = None


class Trials:
    """Run trials over a reconciler; ``cluster`` is None where none is known.

    ``template`` serializes the node that a group's template promises.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        cluster: Callable[[], asked.Cluster | None],
        template: Callable[[state.Fleet, groups.NodeGroup], bytes],
        *,
        time_source: clock.Clock,
        chance: random.Random,
        dry_run: bool = False,
    ) -> None:
        self._reconciler = reconciler
        self._cluster = cluster
        self._template = template
        self._clock = time_source
        self._chance = chance
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._held: _Trial | None = None
        self._closing = threading.Event()
        self._leftovers = leftovers.Leftovers(
            reconciler, cluster, time_source=time_source, closing=self._closing
        )

    # ---- what is asked for --------------------------------------------------------------------

    def start(self, group: str) -> Report:
        """Order one machine for a trial of a group.

        Raises UnknownGroup, OutOfBounds or NotReady; nothing was ordered then.
        """
        if self._dry_run:
            raise fleet_errors.OutOfBounds("the server runs with --dry-run: it orders nothing")
        if self._closing.is_set():
            raise fleet_errors.NotReady("the server is stopping")
        mint = names.mint(names.trial_group(group, groups.MAX_GROUP_NAME), self._chance)
        with self._lock:
            if self._held is not None and self._held.report.phase is not Phase.OVER:
                tried = self._held.report.group
                raise fleet_errors.OutOfBounds(
                    f"{group}: a trial of {tried} is under way; there is one at a time"
                )
            now = self._clock.monotonic()
            trial = self._reconciler.change(
                lambda fleet: trials.start(fleet, group, mint=mint, now=now)
            )
            fleet = self._reconciler.fleet
            shadow = fleet.groups[trial]
            held = self._held = _Trial(
                report=Report(
                    group=group,
                    trial=trial,
                    account=shadow.account,
                    phase=Phase.ORDERING,
                    watched=self._cluster() is not None,
                    steps={Step.ASKED: self._clock.unix()},
                ),
                asked_at=now,
                heard_at=now,
                # Now, for it learns of the very Node that it is compared with.
                template=self._template(fleet, shadow),
            )
        _LOG.info("trial begins", group=group, trial=trial)
        threading.Thread(target=self._follow, args=(held,), name="trial", daemon=True).start()
        return held.report

    def look(self) -> Report | None:
        """Return how the trial is that is under way, or was last; asking keeps it alive."""
        with self._lock:
            if self._held is None:
                return None
            self._held.heard_at = self._clock.monotonic()
            return self._held.report

    def end(self) -> Report | None:
        """Begin to end the trial under way; to be looked at until it is over. Idempotent."""
        with self._lock:
            held = self._held
            if held is None:
                return None
            held.heard_at = self._clock.monotonic()
            self._end(held)
            return held.report

    def clear(self, provider_id: str) -> None:
        """Delete what a trial of another process left; see :meth:`leftovers.Leftovers.clear`."""
        self._leftovers.clear(provider_id)

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """End the trial under way, and wait a little until the cloud took that."""
        self._closing.set()
        with self._lock:
            held = self._held
            if held is None or held.report.phase is Phase.OVER:
                return
            self._end(held)
        deadline = self._clock.monotonic() + patience_s
        pause = threading.Event()
        while self._clock.monotonic() < deadline:
            self._reconciler.nudge()
            if Step.DELETED in self._looked(held).steps:
                break
            pause.wait(0.1)
        else:
            _LOG.error("a trial's machine is left", delete=list(held.report.left))

    # ---- what is done while it lasts ----------------------------------------------------------

    def _follow(self, held: _Trial) -> None:
        """Look after a trial until it is over."""
        pause = threading.Event()
        while not self._closing.is_set():
            try:
                if self._looked(held).phase is Phase.OVER:
                    _LOG.info("trial over", group=held.report.group, left=list(held.report.left))
                    return
            except Exception:  # noqa: BLE001 - or a machine would be left; it is logged
                _LOG.exception("trial not looked after")
            pause.wait(LOOK_S)

    def _looked(self, held: _Trial) -> Report:
        with self._lock:
            self._look(held)
            return held.report

    def _look(self, held: _Trial) -> None:
        fleet, now = self._reconciler.fleet, self._clock.monotonic()
        phase = held.report.phase
        if phase in (Phase.ORDERING, Phase.JOINING, Phase.READY):
            self._forward(held, fleet, now)
            if now - held.heard_at > LEASE_S:
                _LOG.warning("trial ended: nobody asks about it any more", group=held.report.group)
                self._end(held)
        elif phase in (Phase.FAILED, Phase.ENDING):
            self._clean(held, fleet, now)

    def _forward(self, held: _Trial, fleet: state.Fleet, now: float) -> None:
        """Note how far the machine has come."""
        report, trial = held.report, held.report.trial
        member = next(iter(view.members(fleet, trial)), None) if trial in fleet.groups else None
        if member is None:
            self._fail(held, "Vanished", "the machine is gone, and not by us")
            return
        launch, instance = member.launch, member.instance
        if launch is not None and instance is None:
            instance = launch.instance
        if launch is not None and launch.candidate is not None:
            report = dataclasses.replace(
                report,
                machine_type=launch.candidate.machine_type,
                location=launch.candidate.location,
            )
        if instance is not None:
            report = dataclasses.replace(
                report,
                provider_id=instance.provider_id,
                machine_type=instance.machine_type or report.machine_type,
                location=instance.location or report.location,
            )
        name = member.name if instance is None else instance.node_name or member.name
        held.node_names.add(name)
        held.report = dataclasses.replace(report, node_name=name)
        self._steps(held, fleet, launch, instance)
        failed = fleet.unjoined.get(member.name)
        failure = member.failure or (failed.failure if failed is not None else None)
        limit_s = fleet.groups[trial].provision_timeout_s + LATE_S
        if failure is not None:
            self._fail(held, failure.code, failure.message)
        elif (Step.READY if held.report.watched else Step.RUNNING) in held.report.steps:
            held.report = dataclasses.replace(held.report, phase=Phase.READY, waits="")
            self._compare(held)
        elif now - held.asked_at > limit_s:
            self._fail(held, "TimeOut", f"not ready after {limit_s:.0f} s: {held.report.waits}")

    def _steps(
        self,
        held: _Trial,
        fleet: state.Fleet,
        launch: state.Launch | None,
        instance: contract.Instance | None,
    ) -> None:
        seen = [Step.ASKED]
        waits = "the order's turn"
        if launch is not None and launch.phase is state.Phase.HELD:
            waits = _held_for(fleet, held.report.trial, launch)
        else:
            seen.append(Step.SENT)
            waits = "the cloud to take the order"
        if instance is not None:
            seen.append(Step.ACCEPTED)
            waits = "the machine to run"
            if instance.state is contract.InstanceState.RUNNING:
                seen.append(Step.RUNNING)
                waits = "its kubelet to ask for a certificate, and its Node"
        journey = fleet.journeys.get(held.report.node_name)
        if journey is not None and held.report.watched:
            if journey.node_at:
                # What registers runs, whatever the last listing showed.
                seen.append(Step.RUNNING)
            for step, at in (
                (Step.CSR, journey.csr_at),
                (Step.NODE, journey.node_at),
                (Step.READY, journey.ready_at),
            ):
                if at:
                    seen.append(step)
                    waits = "its Node" if step is Step.CSR else "its Node to be ready"
        self._mark(held, *seen)
        phase = Phase.JOINING if instance is not None else Phase.ORDERING
        held.report = dataclasses.replace(held.report, phase=phase, waits=waits)

    def _compare(self, held: _Trial) -> None:
        """Compare template and Node; again while both stand, for some labels come late."""
        cluster = self._cluster()
        if cluster is None:
            return
        node = cluster.node_list.items.get(held.report.node_name)
        if node is not None:
            found = comparison.compare(held.template, node)
            held.report = dataclasses.replace(held.report, differences=found, compared=True)

    def _fail(self, held: _Trial, code: str, reason: str) -> None:
        _LOG.warning("trial failed", group=held.report.group, code=code, reason=reason)
        held.report = dataclasses.replace(held.report, code=code, reason=reason)
        self._end(held)
        held.report = dataclasses.replace(held.report, phase=Phase.FAILED)

    def _end(self, held: _Trial) -> None:
        if held.report.phase in (Phase.FAILED, Phase.ENDING, Phase.OVER):
            return
        self._mark(held, Step.ENDED)
        held.report = dataclasses.replace(held.report, phase=Phase.ENDING)
        self._let_go(held)

    def _let_go(self, held: _Trial) -> None:
        trial, now = held.report.trial, self._clock.monotonic()
        self._reconciler.change(lambda fleet: (trials.end(fleet, trial, now=now), None))

    def _clean(self, held: _Trial, fleet: state.Fleet, now: float) -> None:
        """Delete what is left, and prove that nothing is."""
        trial = held.report.trial
        if trial in fleet.groups and view.members(fleet, trial):
            self._let_go(held)
            fleet = self._reconciler.fleet
        owed = [each for each in fleet.retired.values() if each.group == trial]
        held.node_names |= {each.name for each in owed}
        if not owed or all(each.deletion is state.Deletion.DONE for each in owed):
            self._mark(held, Step.DELETED)
        left = [
            f"{held.report.provider_id or each.name}: "
            + (each.message or "its deletion is asked for")
            + (f"; by hand: {by_hand.purge(each.provider_id)}" if each.provider_id else "")
            for each in owed
        ]
        if trials.is_over(fleet, trial):
            self._mark(held, Step.GONE)
        left += self._nodes(held, now, gone=trials.is_over(fleet, trial))
        if not left and trials.is_over(fleet, trial):
            held.proving = held.proving or proofs.Proving(
                self._reconciler,
                self._cluster(),
                account=held.report.account,
                trial=trial,
                node_names=frozenset(held.node_names),
            )
            left += held.proving.look(now)
        held.report = dataclasses.replace(
            held.report,
            left=tuple(left),
            waits="the cloud's listings to agree that the machine is gone" if owed else "",
            proofs=held.proving.found if held.proving is not None else (),
        )
        if held.proving is not None and not left:
            self._mark(held, Step.CLEAN)
            held.report = dataclasses.replace(held.report, phase=Phase.OVER)

    def _nodes(self, held: _Trial, now: float, *, gone: bool) -> list[str]:
        """Have the Node removed once its machine is gone: before, its kubelet makes it anew."""
        cluster = self._cluster()
        if cluster is None:
            return []
        there = [
            node
            for node in cluster.node_list.items.values()
            if node.name in held.node_names and node.provider_id in ("", held.report.provider_id)
        ]
        if gone and there and now >= held.remove_at:
            held.remove_at = now + REMOVE_S
            for node in there:
                cluster.remove(node, still=lambda _node: True)
        return [f"Node {node.name}; by hand: kubectl delete node {node.name}" for node in there]

    def _mark(self, held: _Trial, *steps: Step) -> None:
        missing = [step for step in steps if step not in held.report.steps]
        if missing:
            now = self._clock.unix()
            marked: Mapping[Step, float] = {**held.report.steps, **dict.fromkeys(missing, now)}
            held.report = dataclasses.replace(held.report, steps=dict(marked))


def _held_for(fleet: state.Fleet, trial: str, launch: state.Launch) -> str:
    account = fleet.accounts[launch.account]
    why = dispatch.unknown(fleet, account) or pausing.of_group(fleet, trial, launch.account)
    if not why and not account.settled:
        why = "the listings after the start to settle"
    return why or account.trouble or "the order's turn"
