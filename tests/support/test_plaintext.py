"""What others wrote is shown as characters, in one line, whatever it holds."""

from __future__ import annotations

import ast
import dataclasses
import enum
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.support import plaintext
from tests import zoo

COMMANDS = Path(plaintext.__file__).parents[1] / "commands"


@pytest.mark.parametrize("word", zoo.WORDS)
def test_nothing_of_the_zoo_is_shown_as_it_is(word):
    text = plaintext.line(word)
    assert zoo.raw(text) == []
    assert "\n" not in text
    text.encode()
    if word not in zoo.MARKUP:
        assert text != word


@given(st.text())
def test_any_text_becomes_one_harmless_line_and_stays_it(text):
    content = plaintext.line(text)
    assert zoo.raw(content) == []
    assert "\n" not in content
    assert plaintext.line(content) == content
    assert plaintext.block(content) == content


@given(st.text())
def test_a_quoted_value_is_json_of_what_was_said(text):
    assert json.loads(plaintext.line(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web-1",
        "a b",
        "naïve café",
        "e\u0301",
        "日本語",
        "สวัสดี",
        "שלום",
        "C:\\temp",
        "👍",
        "½ € …",
    ],
)
def test_what_people_write_stays(text):
    assert plaintext.line(text) == text


def test_a_block_keeps_its_lines_and_nothing_else():
    assert plaintext.block("a\n\tb\x1b\r\u2028c") == "a\n\tb\\u001b\\r\\u2028c"
    assert plaintext.line("a\n\tb") == "a\\n\\tb"
    assert plaintext.block("\n\u0301x") == "\n\\u0301x"


class Word(enum.StrEnum):
    ONE = "one\n"


@dataclasses.dataclass(frozen=True)
class Inner:
    text: str
    more: tuple[str, ...]
    number: float | None = None


def test_every_text_of_a_value_is_reached():
    bad, good = "a\x1b", "a\\u001b"
    value = {bad: [Inner(bad, (bad, bad)), 3, None, {"k": frozenset({bad})}]}
    assert plaintext.every(value) == {
        good: [Inner(good, (good, good)), 3, None, {"k": frozenset({good})}]
    }
    assert plaintext.every(Word.ONE) is Word.ONE


@pytest.mark.parametrize(
    "path",
    sorted(each for each in COMMANDS.glob("*.py") if each.name != "terminal.py"),
    ids=lambda path: path.name,
)
def test_commands_print_through_the_terminal_only(path):
    """click.echo and rich's own console would show what they get; terminal.py does not."""
    barred = {"echo", "secho", "Console", "ClickException", "print_json", "status", "style"}
    called = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "attr", getattr(node.func, "id", ""))]
    }
    assert not called & barred
