"""A list in pages is read whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest

from providers.kit import network, paging

SIZE = 3


class Listed:
    """A list behind an API that pages by number, and what happens between two pages."""

    def __init__(self, rows: int, meanwhile: Callable[[Listed, int], object]) -> None:
        self.ids = list(range(1, rows + 1))
        self.asked = 0
        self._meanwhile = meanwhile

    def page(self, number: int) -> paging.Page:
        self.asked += 1
        if number > 1:
            self._meanwhile(self, number)
        ends = number * SIZE
        return paging.Page(
            rows=[{"id": each} for each in self.ids[ends - SIZE : ends]],
            total=len(self.ids),
            following=number + 1 if ends < len(self.ids) else None,
        )


def whole(listed: Listed, **changes: Any) -> list[Any]:
    return paging.whole("/things", listed.page, first=1, **changes)


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 10])
def test_a_list_that_stands_still_comes_whole(rows: int) -> None:
    listed = Listed(rows, lambda _listed, _page: None)
    assert [row["id"] for row in whole(listed)] == list(range(1, rows + 1))
    assert listed.asked == max(1, -(-rows // SIZE))


@pytest.mark.parametrize("page", [2, 3, 4])
@pytest.mark.parametrize("change", ["lose", "gain at the front", "gain at the end"])
def test_a_change_between_two_pages_is_an_error(page: int, change: str) -> None:
    def meanwhile(listed: Listed, number: int) -> None:
        if number != page:
            return
        match change:
            case "lose":
                del listed.ids[0]
            case "gain at the front":
                listed.ids.insert(0, 99)
            case _:
                listed.ids.append(99)

    with pytest.raises(paging.ChangedError, match="changed while it was read"):
        whole(Listed(11, meanwhile))


def test_a_row_that_comes_twice_is_an_error_where_no_length_is_reported() -> None:
    pages = {1: ([1, 2], 2), 2: ([2, 3], None)}
    with pytest.raises(paging.ChangedError, match="page 2 came twice"):
        paging.whole("/things", lambda at: page_of(*pages[at]), first=1, key=lambda row: row)


def test_fewer_rows_than_announced_are_a_short_list() -> None:
    with pytest.raises(paging.ShortListError, match="ended after 1 of 2 rows"):
        paging.whole("/things", lambda _: page_of([1], None, 2), first=1, key=lambda row: row)


@pytest.mark.parametrize("odd", [None, "", "odd", {}, {"id": 1}, 0, 7, 1.5, True, b""], ids=repr)
@pytest.mark.parametrize("number", [1, 2])
def test_rows_that_are_no_list_are_no_empty_list(odd: Any, number: int) -> None:
    pages = {1: paging.Page(rows=[{"id": 1}], total=None, following=2)}
    pages[number] = paging.Page(rows=odd, total=None, following=None)
    with pytest.raises(network.NoAnswerError, match=f"page {number} of /things holds no list"):
        paging.whole("/things", pages.__getitem__, first=1)


def test_pages_in_a_circle_end() -> None:
    pages = {"": ([1], "a"), "a": ([2], "b"), "b": ([3], "a")}
    with pytest.raises(network.NoAnswerError, match="lead in a circle"):
        paging.whole("/things", lambda at: page_of(*pages[at]), first="", key=lambda row: row)


def test_rows_are_made_into_what_is_kept_as_they_come() -> None:
    listed = Listed(4, lambda _listed, _page: None)
    assert whole(listed, keep=lambda row: -row["id"]) == [-1, -2, -3, -4]


@pytest.mark.parametrize("following", [1, 3, "3", "no number", 2.5])
def test_a_page_that_is_left_out_is_an_error(following: object) -> None:
    with pytest.raises(network.NoAnswerError, match="page 1 is followed by"):
        paging.after(1, following)
    assert paging.after(1, 2) == paging.after(1, "2") == 2
    assert paging.after(1, None) is None


def page_of(rows: list[int], following: Hashable, total: int | None = None) -> paging.Page:
    return paging.Page(rows=rows, total=total, following=following)
