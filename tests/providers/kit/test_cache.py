"""Ask once for what several want, and let nobody else wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from providers.kit import cache
from tests import serving

PATIENCE_S = 10.0


class Asking:
    """A question that hangs until it is let."""

    def __init__(self, answer: object = "found") -> None:
        self.asked = 0
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.answer = answer

    def __call__(self) -> Any:
        self.asked += 1
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def started(work: Callable[[], object], ends: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            ends.append(work())
        except ValueError as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_question_that_hangs_holds_up_no_other() -> None:
    kept, hung, ends = cache.Kept(lambda: 0.0), Asking(), []
    thread = started(lambda: kept.once("image", hung), ends)
    assert hung.begun.wait(PATIENCE_S)
    assert kept.once("network", lambda: 7) == 7
    kept.forget()
    assert kept.once("image", lambda: "fresh") == "fresh", "what was asked before is not waited for"
    hung.may_end.set()
    thread.join(PATIENCE_S)
    assert ends == ["found"]
    assert kept.once("image", lambda: "unasked") == "fresh", "an answer from before is not kept"


@pytest.mark.parametrize("answer", ["found", ValueError("no such image")])
def test_all_who_want_the_same_get_the_one_answer(answer: object) -> None:
    kept, question, ends = cache.Kept(lambda: 0.0), Asking(answer), []
    threads = [started(lambda: kept.once("image", question), ends) for _ in range(8)]
    assert question.begun.wait(PATIENCE_S)
    waiting = threading.Event()
    serving.until(lambda: sum(each.is_alive() for each in threads) == 8)
    assert not waiting.wait(0.1)
    question.may_end.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert ends == [answer] * 8
    if answer == "found":
        assert question.asked == 1


def test_what_failed_is_asked_again() -> None:
    kept = cache.Kept(lambda: 0.0)
    question = Asking(ValueError("later"))
    question.may_end.set()
    with pytest.raises(ValueError, match="later"):
        kept.once("image", question)
    assert kept.once("image", lambda: 3) == 3


def test_an_answer_may_need_another() -> None:
    kept = cache.Kept(lambda: 0.0)
    assert kept.once("a", lambda: kept.once("b", lambda: 1) + 1) == 2
