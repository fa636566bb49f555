"""What lies beside machines is cleared in order, on evidence, and found again after a kill."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from providers import contract, errors
from providers.kit import leftovers


class Store:
    """Things of one kind at a cloud: whose they are, and whether something uses them."""

    def __init__(self, kind: str, log: list[str], *left: contract.Leftover) -> None:
        self.kind = kind
        self.log = log
        self.there = {each.id: each for each in left}
        self.used: set[str] = set()
        self.dies_after: int | None = None

    def listed(
        self, *, groups: Collection[str], nodes: Collection[str]
    ) -> Iterator[contract.Leftover]:
        """List all with our mark: a kind need not look at the owners."""
        del groups, nodes
        yield from list(self.there.values())

    def is_free(self, left: contract.Leftover) -> bool:
        self.log.append(f"ask {left.id}")
        return left.id in self.there and left.id not in self.used

    def delete(self, left: contract.Leftover) -> bool:
        if self.dies_after == 0:
            raise errors.Unreachable("killed")
        if self.dies_after is not None:
            self.dies_after -= 1
        self.log.append(f"delete {left.id}")
        return self.there.pop(left.id, None) is not None


def left(number: str, group: str = "", node_name: str = "") -> contract.Leftover:
    return contract.Leftover(
        kind="volume", id=number, name=f"v{number}", group=group, node_name=node_name
    )


def test_only_what_owners_left_that_are_gone() -> None:
    """A thing of a node belongs to the node, whatever becomes of its group."""
    store = Store("volume", [], left("1", "g", "g-1"), left("2", "g", "g-2"), left("3", "g"))
    assert leftovers.clear([store], groups=["g"], nodes=["g-1"]) == (
        "volume v1 (1)",
        "volume v3 (3)",
    )
    assert list(store.there) == ["2"]
    assert leftovers.clear([store], groups=["h"], nodes=[]) == ()
    assert "ask 2" not in store.log, "what is not asked for is not touched"


def test_what_is_in_use_stays_and_is_asked_right_before() -> None:
    log: list[str] = []
    store = Store("volume", log, left("1", node_name="n"), left("2", node_name="n"))
    store.used.add("1")
    assert leftovers.clear([store], groups=[], nodes=["n"]) == ("volume v2 (2)",)
    assert log == ["ask 1", "ask 2", "delete 2"]


def test_kinds_go_in_their_order_and_a_kill_between_loses_nothing() -> None:
    log: list[str] = []
    addresses = Store("address", log, left("a", node_name="n"), left("b", node_name="n"))
    volumes = Store("volume", log, left("v", node_name="n"))
    kinds = [addresses, volumes]
    addresses.dies_after = 1
    with pytest.raises(errors.Unreachable, match="killed"):
        leftovers.clear(kinds, groups=[], nodes=["n"])
    addresses.dies_after, volumes.dies_after = None, 0
    with pytest.raises(errors.Unreachable, match="killed"):
        leftovers.clear(kinds, groups=[], nodes=["n"])
    volumes.dies_after = None
    assert leftovers.clear(kinds, groups=[], nodes=["n"]) == ("volume vv (v)",)
    deleted = [each for each in log if each.startswith("delete")]
    assert deleted == ["delete a", "delete b", "delete v"]
    assert leftovers.clear(kinds, groups=[], nodes=["n"]) == ()


def test_what_goes_by_itself_is_not_reported_as_deleted() -> None:
    store = Store("volume", [], left("1", node_name="n"))
    store.is_free = lambda _left: bool(store.there.pop("1", None)) or True  # type: ignore[method-assign]
    assert leftovers.clear([store], groups=[], nodes=["n"]) == ()
