"""How many machines carry a group's mark, or may come to: what a group that departs leaves."""

from __future__ import annotations

import pytest

from externalgrpc.fleet import state, view
from providers import contract


def machine(number: int, **changed: object) -> contract.Instance:
    fields = {
        "id": str(number),
        "provider_id": f"hcloud://{number}",
        "node_name": f"web-{number}",
        "group": "web",
        "machine_type": "small",
        "location": "here",
        "state": contract.InstanceState.RUNNING,
    }
    return contract.Instance(**{**fields, **changed})


def launch(name: str, phase: state.Phase) -> state.Launch:
    return state.Launch(name=name, group="web", account="a", born=0.0, phase=phase)


def fleet(*machines: contract.Instance, **fields: object) -> state.Fleet:
    index = state.Index(by_provider_id={each.provider_id: each for each in machines})
    return state.Fleet(index=index, **fields)


def test_machines_count_whatever_we_think_of_them() -> None:
    going = machine(2, state=contract.InstanceState.DELETING)
    doubted = {"hcloud://1": state.Quarantine(state.Doubt.FOREIGN, "", 0.0)}
    found = fleet(machine(1), going, machine(3, group="other"), quarantine=doubted)
    assert view.marked(found, "web") == 2


def test_one_that_the_last_listing_lacks_counts() -> None:
    lost = {"hcloud://7": state.Missing(instance=machine(7), account="a")}
    assert view.marked(fleet(machine(1), missing=lost), "web") == 2


@pytest.mark.parametrize(
    ("phase", "count"),
    [
        (state.Phase.HELD, 0),
        (state.Phase.ASKED, 1),
        (state.Phase.UNSURE, 1),
        (state.Phase.ACCEPTED, 1),
        (state.Phase.FAILED, 0),
    ],
)
def test_orders_that_may_become_machines_count(phase: state.Phase, count: int) -> None:
    assert view.marked(fleet(launches={"web-x": launch("web-x", phase)}), "web") == count


def test_an_order_and_its_machine_are_one() -> None:
    going = machine(1, state=contract.InstanceState.DELETING)
    found = fleet(
        going,
        launches={"web-1": launch("web-1", state.Phase.ACCEPTED)},
        minted={"web-1": "hcloud://1"},
    )
    assert view.marked(found, "web") == 1
