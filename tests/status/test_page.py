"""The page in a real browser: what is seen, heard and typed, and what hostile names cannot do."""

from __future__ import annotations

import itertools

import pytest

from tests import absent, serving
from tests.commands import test_ls
from tests.status import browser, test_site

pytestmark = absent.unless(browser.HERE, absent.Need.CHROMIUM)

PHONE, DESK = (390, 844), (1360, 900)
EVIL = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "\u202egnp.exe",
    "a\u2028b\u2029c",
    "{{constructor.constructor('document.title=1')()}}",
    "x" * 300,
    "__proto__",
)


@pytest.fixture(scope="module")
def chromium():
    with browser.opened() as window:
        window.looks(*DESK)
        yield window


@pytest.fixture
def page(chromium, tmp_path):
    with test_site.server(tmp_path, boot_time_s=1.0) as (looking, up):
        chromium.looks(*DESK)
        chromium.complaints()
        chromium.open(f"http://127.0.0.1:{up.port}/")
        shows(chromium, "#cluster", "test")
        serving.until(lambda: looking.site.watcher._seen)
        yield looking, chromium
        chromium.open("about:blank")


def shows(window, selector, words, timeout_s=20):
    serving.until(lambda: words in window.text(selector), timeout_s)


def grow(looking, group="alpha", count=2):
    looking.up.plant.reconciler.grow(group, count, cover=False)


def test_a_machine_is_followed_without_loading_the_page_anew(page):
    looking, window = page
    shows(window, "#live", "Live")
    window.run("document.body.dataset.same = 'yes'")
    assert "There are none" in window.text("#machines-note")
    grow(looking)
    shows(window, "#machine-list", "creating")
    shows(window, "#machine-list", "running")
    names = [each["name"] for each in looking.status()["machines"]]
    assert all(name in window.text("#machine-list") for name in names)
    looking.up.plant.reconciler.registered(
        {each["providerId"]: each["name"] for each in looking.status()["machines"]}
    )
    shows(window, "#group-list", "2 nodes")
    assert "Why are there no more nodes?" in window.text("#group-list")
    shows(window, "#happening-list", "is a node")
    assert window.run("return document.body.dataset.same") == "yes"
    assert window.complaints() == []


def test_what_happens_is_said_to_who_does_not_see(page):
    looking, window = page
    assert (
        window.run("return document.querySelector('#news').getAttribute('aria-live')") == "polite"
    )
    assert window.text("#news") == "", "what stands at the start is not read out"
    grow(looking)
    shows(window, "#news", "the autoscaler asked alpha for 2 machines")
    bar = "return document.querySelector('.bar').getAttribute('aria-label')"
    serving.until(lambda: "Target 2, at least 0, at most 5" in window.run(bar))
    steps = "return document.querySelector('.way').textContent"
    assert "done" in window.run(steps)


def test_why_there_is_no_node_is_said_in_words(page):
    looking, window = page
    shows(window, "#group-list", "Nothing keeps it from growing")
    looking.up.cloud.sell_out("medium", "south")
    looking.up.cloud.sell_out("medium", "east")
    grow(looking, "beta")
    shows(window, "#group-list", "OutOfStock")
    shows(window, "#refused-list", "medium in east at memory")
    assert "tried last until" in window.text("#group-list")


def test_hostile_names_are_characters(page):
    looking, window = page
    for number, name in enumerate(EVIL):
        test_ls.made(looking.up, name, group=EVIL[-1 - number])
    serving.until(lambda: len(looking.status()["machines"]) == len(EVIL))
    serving.until(lambda: window.run("return document.querySelectorAll('.machine').length") == 7)
    text = window.text("#machine-list")
    assert EVIL[0] in text
    assert EVIL[1] in text
    assert "\\u202egnp.exe" in text
    assert "a\\u2028b\\u2029c" in text
    assert not window.run("return document.querySelectorAll('img, main script, iframe').length")
    assert window.run("return document.title") == "test · vps-autoscaler"
    assert window.complaints() == []
    window.looks(*PHONE)
    assert window.run("return document.documentElement.scrollWidth") <= PHONE[0]


def test_the_policy_refuses_what_is_not_ours(page):
    _, window = page
    window.run(
        "const it = document.createElement('script'); it.textContent = 'document.title = 1';"
        "document.body.append(it);"
        "document.body.setAttribute('style', 'color: red');"
    )
    assert window.run("return document.title") == "test · vps-autoscaler"
    assert any("Content Security Policy" in each for each in window.complaints())


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1920])
def test_nothing_scrolls_sideways(page, width):
    looking, window = page
    looking.up.cloud.sell_out("medium", "south")
    grow(looking)
    grow(looking, "beta", 3)
    shows(window, "#machine-list", "running")
    window.looks(width, 844)
    inner, outer = window.run(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inner <= outer == width
    wide = window.run(
        "return [...document.querySelectorAll('body *')].filter(each => "
        "each.getBoundingClientRect().right > innerWidth + 1).map(each => each.className)"
    )
    assert wide == []


CONTRASTS = """
const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const channel = (v) => linear(v / 255);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const read = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = read(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
  if (element.closest('.hidden, .skip, noscript, script')) continue;
  const one = light(read(getComputedStyle(element).color).slice(0, 3));
  const other = light(behind(element));
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  found.push([ratio, element.className, walker.currentNode.textContent]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(page, scheme):
    looking, window = page
    looking.up.cloud.sell_out("medium", "south")
    grow(looking)
    grow(looking, "beta", 3)
    test_ls.made(looking.up, "orphan", group="gone")
    shows(window, "#machine-list", "orphan")
    window.looks(*DESK, scheme=scheme)
    found = window.run(CONTRASTS)
    assert len(found) > 40
    assert [each for each in found if each[0] < 4.5] == []


OUTLINE = """
return [...document.querySelectorAll('h1, h2, h3, h4')].filter((each) => each.checkVisibility())
  .map((each) => Number(each.tagName[1]));
"""


def test_a_reader_finds_landmarks_headings_and_heads_of_tables(page):
    looking, window = page
    grow(looking)
    shows(window, "#machine-list", "running")
    for landmark in ("header", "main", "footer"):
        assert window.run(f"return document.querySelectorAll('body > {landmark}').length") == 1
    levels = window.run(OUTLINE)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert window.run("return document.documentElement.lang") == "en"
    scopes = "return [...document.querySelectorAll('th')].map((each) => each.scope)"
    assert set(window.run(scopes)) <= {"col", "row"}
    unnamed = (
        "return [...document.querySelectorAll('section')].filter((each) => "
        "!document.getElementById(each.getAttribute('aria-labelledby'))).length"
    )
    assert window.run(unnamed) == 0


TAB, ENTER = "\ue004", "\ue007"
FOCUS = """
const at = document.activeElement;
return [at.id || at.className, at.matches(':focus-visible'), getComputedStyle(at).outlineStyle];
"""


def test_everything_is_reached_by_keyboard_and_shows_that_it_is(page):
    looking, window = page
    grow(looking)
    shows(window, "#happening-list", "was made")
    window.press(TAB)
    assert window.run(FOCUS) == ["skip", True, "solid"]
    window.press(ENTER)
    assert window.run("return document.activeElement.id") == "groups"
    window.press(TAB)
    assert window.run(FOCUS) == ["happening-list", True, "solid"]
    window.press(TAB)
    assert window.run("return document.activeElement.getAttribute('href')") == "status.json"


def test_focus_and_selection_stay_while_the_page_changes(page):
    looking, window = page
    grow(looking)
    shows(window, "#happening-list", "was made")
    window.run("document.querySelector('#happening-list').focus()")
    window.run("document.querySelector('.machine').dataset.same = 'yes'")
    shows(window, "#machine-list", "running")
    assert window.run("return document.activeElement.id") == "happening-list"
    assert window.run("return document.querySelectorAll('[data-same]').length") == 1


def test_a_server_that_is_gone_is_said_to_be(chromium, tmp_path):
    with test_site.server(tmp_path) as (_, up):
        chromium.open(f"http://127.0.0.1:{up.port}/")
        shows(chromium, "#cluster", "test")
    shows(chromium, "#live", "No news", 30)
    assert chromium.text("#cluster") == "test"
    chromium.open("about:blank")


def test_without_a_place_for_a_stream_it_asks_now_and_then(chromium, tmp_path, monkeypatch):
    monkeypatch.setattr("externalgrpc.control.httpd.MOST_STREAMS", 0)
    with test_site.server(tmp_path) as (looking, up):
        chromium.open(f"http://127.0.0.1:{up.port}/")
        shows(chromium, "#live", "Every 10 s")
        grow(looking)
        shows(chromium, "#machine-list", "alpha-", 30)
        chromium.open("about:blank")
