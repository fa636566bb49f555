"""What a run leaves out is listed, a line for each need; and a quick run opens nothing."""

from __future__ import annotations

import types

import pytest

from tests import absent, purity


def report(reason: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(longrepr=("test_x.py", 1, f"Skipped: {reason}"))


def reason_of(need: absent.Need) -> str:
    with pytest.raises(pytest.skip.Exception) as caught:
        absent.skip(need)
    return str(caught.value)


def test_every_need_has_one_line_with_its_number() -> None:
    skipped = [report(reason_of(need)) for need in (absent.Need.CURL, *[absent.Need.SHARED] * 3)]
    assert absent.lines([*skipped, report("this cloud has no tidy()")]) == [
        f"left out: 3 tests, for want of {absent.Need.SHARED.value}",
        f"left out: 1 test, for want of {absent.Need.CURL.value}",
    ]


def test_nothing_left_out_is_no_line() -> None:
    assert absent.lines([]) == []


def test_a_mark_says_the_same_as_a_skip() -> None:
    mark = absent.unless(None, absent.Need.SHELLCHECK).mark
    assert mark.args == (True,)
    assert mark.kwargs == {"reason": reason_of(absent.Need.SHELLCHECK)}


@pytest.mark.parametrize("event", sorted(purity.REFUSED))
def test_a_quick_run_opens_nothing(event: str) -> None:
    with pytest.raises(pytest.skip.Exception, match="make quick"):
        purity.refuse(event, ())
    purity.refuse("open", ())
