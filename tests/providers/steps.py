"""Cut the requests of a create at a fake, one by one: what the suite asks of each bench."""

from __future__ import annotations

from providers.fakes import engine


class Cutting:
    """The hooks of a create that takes several requests, for every fake of the engine's."""

    fake: engine.Fake

    def cut(self, step: int, *, after_work: bool, for_good: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, skip=step - 1, after=after_work)
        if for_good:
            self.fake.fail(engine.FaultKind.LOST, skip=step - 1, times=None)

    def throttle_from(self, step: int) -> None:
        self.fake.fail(engine.FaultKind.THROTTLED, skip=step - 1, times=None)
