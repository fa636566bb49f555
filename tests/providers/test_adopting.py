"""An adoption that is cut short at a cloud that writes mark by mark leaves the machine nobody's."""

from __future__ import annotations

import pytest

from providers import contract, errors
from providers.contract import Mark
from providers.fakes import engine
from tests.providers import digitalocean_bench as bench

NAME = "pool1-5f3a9c1e22b04d77"
MARKS = {
    Mark.ADOPTED: "true",
    Mark.IDENTITY: "0123456789",
    Mark.NODE: NAME,
    Mark.GROUP: "web",
    Mark.CLUSTER: bench.CLUSTER,
}
REST = frozenset(Mark) - {Mark.CLUSTER}


def seen(provider: contract.Provider) -> list[tuple[str, str, str, bool]]:
    return [
        (each.node_name, each.group, each.identity, each.adopted) for each in provider.instances()
    ]


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("step", range(5))
def test_a_droplet_has_all_marks_of_an_adoption_or_is_nobody_s(step, after):
    with bench.serving() as fake, bench.opened(fake) as provider:
        controls = bench.DigitalOceanControls(fake)
        number = controls.add(cluster="", group="", node_name=NAME)
        fake.fail(engine.FaultKind.LOST, method="POST", path="/resources$", skip=step, after=after)
        with pytest.raises(errors.Unreachable):
            provider.mark(number, put=MARKS)
        whole = [(NAME, "web", "0123456789", True)]
        assert seen(provider) == (whole if step == 4 and after else [])
        controls.mend()
        provider.mark(number, put=MARKS)
        assert seen(provider) == whole
        fake.fail(
            engine.FaultKind.LOST, method="DELETE", path="/resources$", skip=step, after=after
        )
        try:
            provider.mark(number, put={}, remove=frozenset({Mark.CLUSTER}))
            assert seen(provider) == []
            provider.mark(number, put={}, remove=REST)
        except errors.Unreachable:
            assert seen(provider) in ([], whole)
        controls.mend()
        provider.mark(number, put={}, remove=frozenset({Mark.CLUSTER}))
        provider.mark(number, put={}, remove=REST)
        (free,) = provider.candidates()
        assert (free.cluster, free.instance.identity, free.instance.adopted) == ("", "", False)


def test_a_name_that_no_tag_holds_is_refused_before_anything_is_written():
    with bench.serving() as fake, bench.opened(fake) as provider:
        number = bench.DigitalOceanControls(fake).add(cluster="", group="", node_name="a.b")
        with pytest.raises(errors.BadOrder, match="lower-case letters, digits"):
            provider.mark(number, put={**MARKS, Mark.NODE: "a.b"})
        (free,) = provider.candidates()
        assert (free.cluster, free.instance.identity, free.instance.adopted) == ("", "", False)
