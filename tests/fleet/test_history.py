"""What happened is kept in order, said once, and bounded."""

from __future__ import annotations

import dataclasses

from externalgrpc import fleet as fleets
from externalgrpc.fleet import history, listing, state
from providers import errors
from tests.fleet import scene
from tests.fleet.scene import machine
from tests.fleet.test_ways import Seen, ordered, running


def test_happenings_are_numbered_without_gaps_the_latest_first():
    at = Seen()
    running(at)
    at.register("sky://7")
    happenings = at.look().happenings
    assert [each.number for each in happenings] == list(range(len(happenings), 0, -1))
    times = [each.at for each in happenings]
    assert times == sorted(times, reverse=True)
    assert happenings[-1].text == "the autoscaler asked g for a machine"


def test_a_look_at_the_same_says_nothing():
    at = Seen()
    running(at)
    before = at.look()
    assert at.look() == before


def test_it_is_bounded_whatever_happens():
    at = Seen(scene.group(max_size=400))
    for _ in range(history.HAPPENINGS + 20):
        at.grow()
        at.look()
    assert len(at.past.happenings) == history.HAPPENINGS
    assert at.past.happenings[0].number == history.HAPPENINGS + 20
    for _ in range(history.ENDED + 5):
        at.shrink(-1)
        at.look()
    assert len(at.past.ended) == history.ENDED


def test_what_happens_to_many_at_once_is_said_once():
    at = Seen(scene.group(max_size=50))
    names = at.grow(20)
    at.look()
    assert at.texts() == ["the autoscaler asked g for 20 machines"]
    at.plan()
    at.look()
    at.listed(*(machine(number, name) for number, name in enumerate(names)))
    assert "20 machines of g run" in at.texts()
    assert len(at.texts()) < 6


def test_a_refusal_is_said_with_what_was_refused():
    at = Seen()
    name = ordered(at)
    at.ordered(name, errors.OutOfStock("all gone", account="a", operation="create"))
    assert "small in north at a was refused: all gone" in at.texts()
    at.later(1)
    before = len(at.texts())
    at.look()
    assert len(at.texts()) == before


def test_a_login_that_is_refused_names_the_account_only():
    at = Seen()
    name = ordered(at)
    at.ordered(name, errors.BadCredentials("who?", account="a", operation="create"))
    assert "the login of a was refused: who?" in at.texts()


def test_trouble_of_an_account_and_its_end():
    at = Seen()
    at.fleet = listing.not_listed(at.fleet, "a", "no route")
    assert at.texts()[0] == "a could not be listed: no route"
    at.later(1)
    at.listed()
    assert at.texts()[0] == "a is listed again"


def test_doubt_and_its_end():
    at = Seen(identity="a" * 10, nodes={})
    at.listed(machine(9, "g-x", identity="b" * 10))
    (doubted,) = (each for each in at.look().happenings if each.machine)
    assert doubted.text.startswith("g-x is in quarantine: Foreign:")
    assert doubted.weight is history.Weight.WARNING
    assert any("nothing is ordered at a for now" in text for text in at.texts())


def test_an_outage_and_its_end():
    at = Seen()
    at.fleet = dataclasses.replace(at.fleet, outage="3 of 4 are not ready")
    assert at.texts()[0].startswith("nothing is ordered at a for now: 3 of 4 are not ready")
    assert "outage: 3 of 4 are not ready" in at.texts()
    at.fleet = dataclasses.replace(at.fleet, outage="")
    assert "the outage is over" in at.texts()


def test_a_group_that_is_held_back():
    at = Seen()
    at.fleet = dataclasses.replace(at.fleet, strikes={"g": state.Strikes(3, at.now)})
    assert at.texts()[0].startswith("g: 3 machines in a row did not become nodes")


def test_a_configuration_that_changed():
    at = Seen()
    at.configure(scene.group(), scene.group("h"))
    assert at.texts() == ["the configuration was taken anew"]


def test_what_a_no_was_said_to_has_words_of_its_own():
    things = (
        state.SoldOut("a", scene.NORTH),
        state.SoldOut("a", None),
        state.OverQuota("a"),
        state.OverQuota("a", machine_type="small"),
        state.OverQuota("a", location="north"),
        state.BadLogin("a"),
        state.BadOrder("g", scene.NORTH),
        state.BadOrder("g", None),
    )
    assert len({history.words_of(each) for each in things}) == len(things)
    assert fleets.Fleet().refusals == {}


def test_what_the_process_before_us_left_was_found_and_not_made():
    at = Seen(scene.group(max_size=50), settled=False)
    at.listed(*(machine(number, f"g-{number}") for number in range(9)))
    assert at.texts() == ["9 machines of g were found: small in north"]
    at.listed(*(machine(number, f"g-{number}") for number in range(10)))
    assert at.texts()[0] == "g-9 was found: small in north"
