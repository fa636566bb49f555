"""Let a number of balloons follow what is wanted without flapping: pure, the time is handed in.

More is believed when it has been wanted for a while, and comes in steps; less when more has not
been wanted for longer. What is seen in part may raise the number and not lower it. Where nothing
is seen the number is held, and after a while given up: a server that is blind spends no money.
"""

from __future__ import annotations

import dataclasses

NEVER = float("-inf")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the number follows, in seconds.

    ``raise_after_s`` is how long more must be wanted, ``step_s`` how long each step up is waited
    for, ``lower_after_s`` how long less must be enough, ``hold_s`` how long the number outlives
    the last complete reading.
    """

    raise_after_s: float = 30.0
    step_s: float = 60.0
    lower_after_s: float = 300.0
    hold_s: float = 600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was wanted at an instant; None: nothing was seen.

    Where it is not ``complete`` some machine was not seen, and more may be wanted.
    """

    at: float
    wanted: int | None
    complete: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The number in force, and what decides when it changes.

    ``readings`` are the latest, oldest first; ``known_at`` is when the last complete one was made,
    ``raised_at`` when the number last grew.
    """

    balloons: int = 0
    readings: tuple[Reading, ...] = ()
    known_at: float = NEVER
    raised_at: float = NEVER

    def held(self, now: float, pace: Pace) -> bool:
        """Return whether the number stands on readings that are not complete any more."""
        return self.known_at < now < self.known_at + pace.hold_s


def resumed(balloons: int, *, now: float) -> Level:
    """Go on from a number that a process before us left, as if it had just been reckoned."""
    return Level(balloons=balloons, known_at=now)


def after(level: Level, reading: Reading, *, most: int, step: int, pace: Pace) -> Level:
    """Take a reading, not older than those before it; ``step`` is the most that is added at once.

    The number is never above ``most``.
    """
    now = reading.at
    known_at = now if reading.complete and reading.wanted is not None else level.known_at
    blind = now - known_at >= pace.hold_s
    if reading.wanted is None:
        if blind:
            return Level(raised_at=level.raised_at)
        return dataclasses.replace(level, balloons=min(level.balloons, most), known_at=known_at)
    readings = (*_window(level.readings, now - pace.lower_after_s), reading)
    balloons, raised_at = level.balloons, level.raised_at
    steady = _steady(readings, now - pace.raise_after_s)
    highest = _highest(readings, now - pace.lower_after_s, partly=blind)
    if steady is not None and steady > balloons and now - raised_at >= pace.step_s:
        balloons, raised_at = min(steady, balloons + max(1, step), most), now
    elif highest is not None and highest < balloons:
        balloons = highest
    return Level(
        balloons=min(balloons, most), readings=readings, known_at=known_at, raised_at=raised_at
    )


def _window(readings: tuple[Reading, ...], since: float) -> tuple[Reading, ...]:
    """Leave out what is older than a window, but for the one reading that reaches back past it."""
    older = [each for each in readings if each.at <= since]
    return (*older[-1:], *(each for each in readings if each.at > since))


def _steady(readings: tuple[Reading, ...], since: float) -> int | None:
    """Return what has been wanted at least since an instant; None when nobody looked so long."""
    reaching = _window(readings, since)
    if reaching[0].at > since:
        return None
    return min(each.wanted for each in reaching if each.wanted is not None)


def _highest(readings: tuple[Reading, ...], since: float, *, partly: bool) -> int | None:
    """Return the most that was wanted since an instant; None when that is not known."""
    reaching = _window(readings, since)
    if reaching[0].at > since or not (partly or all(each.complete for each in reaching)):
        return None
    return max(each.wanted for each in reaching if each.wanted is not None)
