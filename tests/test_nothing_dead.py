"""What the server and the clouds define, something in them uses: no word is only defined.

A name counts as used where it is written anywhere else in the shipped code, so that a word of many
classes hides another; what is used from outside stands below, with who uses it.
"""

from __future__ import annotations

import ast
import collections
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path
    for package in ("externalgrpc", "providers")
    for path in (ROOT / package).rglob("*.py")
    if "pb" not in path.parts and not {"conformance", "fakes"} & set(path.parts)
)
PAGE = sorted((ROOT / "externalgrpc" / "status" / "static").glob("*.js"))
"""What the server writes as JSON, the status page reads, in camelCase."""

FROM_OUTSIDE = {
    "Cleanup": "an RPC",
    "GPULabel": "an RPC",
    "GetAvailableGPUTypes": "an RPC",
    "NodeGroupDecreaseTargetSize": "an RPC",
    "NodeGroupDeleteNodes": "an RPC",
    "NodeGroupForNode": "an RPC",
    "NodeGroupGetOptions": "an RPC",
    "NodeGroupIncreaseSize": "an RPC",
    "NodeGroupNodes": "an RPC",
    "NodeGroupTargetSize": "an RPC",
    "NodeGroupTemplateNodeInfo": "an RPC",
    "NodeGroups": "an RPC",
    "PricingNodePrice": "an RPC",
    "PricingPodPrice": "an RPC",
    "Refresh": "an RPC",
    "MemoryCloud": "an entry point",
    "Packing": "the contract of clouds that pack; asked by its method",
    "collect": "prometheus-client",
    "list_fleet": "cli.COMMANDS, by its path",
    "try_group": "cli.COMMANDS, by its path",
    "list_commands": "click",
    "get_command": "click",
    "connect_tcp": "httpcore",
    "get_extra_info": "httpcore",
    "start_tls": "httpcore",
    "WORKERS": "the tests of the port, and whoever sizes a container",
    "exhaust": "tests, at the memory cloud",
    "fail_all": "tests, at the memory cloud",
    "lose_next_reply": "tests, at the memory cloud",
    "model_config": "pydantic",
    "polls": "tests, which wait for it",
    "power_off": "tests, at the memory cloud",
    "sell_out": "tests, at the memory cloud",
    "rename": "tests, at the memory cloud",
    "restock": "tests, at the memory cloud",
    "vanish": "tests, at the memory cloud",
}


def defined(tree: ast.AST) -> Iterator[str]:
    """Give the names of functions, methods, classes, constants and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef | ast.Module):
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    yield each.target.id
                elif isinstance(each, ast.Assign):
                    yield from (t.id for t in each.targets if isinstance(t, ast.Name))


def used(tree: ast.AST) -> Iterator[str]:
    """Give the names that are read; a field that is only set by keyword is not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]
        elif isinstance(node, ast.MatchClass):
            yield from node.kwd_attrs
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Quoted types, and names by which things are got; no sentences.
            short = "." not in node.value and len(node.value) < 60
            yield from re.findall(r"\w+", node.value) if short else ()


def used_by_page(text: str) -> Iterator[str]:
    """Give the names that a script reads of something, as Python spells them."""
    for word in re.findall(r"[.{,]\s*([a-z][A-Za-z]*)\b", text):
        yield re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", word)


def dead(texts: dict[str, str], scripts: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return what is defined and nowhere used, by file."""
    trees = {name: ast.parse(text) for name, text in texts.items()}
    words = {word for tree in trees.values() for word in used(tree)}
    words |= {word for text in scripts for word in used_by_page(text)}
    found: dict[str, list[str]] = collections.defaultdict(list)
    for name, tree in trees.items():
        for word in defined(tree):
            if word not in words and not (word.startswith("__") and word.endswith("__")):
                found[name].append(word)
    return dict(found)


def test_what_is_defined_is_used() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in FILES}
    found = {
        name: left
        for name, words in dead(texts, [path.read_text() for path in PAGE]).items()
        if (left := [word for word in words if word not in FROM_OUTSIDE])
    }
    assert not found, "wire them, or delete them"


def test_the_exceptions_are_still_defined() -> None:
    there = {word for path in FILES for word in defined(ast.parse(path.read_text()))}
    assert there >= FROM_OUTSIDE.keys()


def test_dead_words_are_found() -> None:
    text = "import x\nCONST: int = 1\nclass A:\n  field: int\n  def go(self): self.field = 2\n"
    assert set(dead({"a": text})["a"]) == {"CONST", "A", "field", "go"}
    assert "go" not in dead({"a": text + "A().go()\n"})["a"]


def test_what_was_once_found_dead_is_gone_or_used() -> None:
    """By name: the test above takes a word of many classes for used when one of them uses it."""
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in FILES}
    names = {name for path in trees for name in defined(trees[path])}
    assert not names & {"issued", "watch_requests", "await_nodes", "await_idle"}
    assert not {"node_labels", "open"} & set(defined(trees["externalgrpc/control/dryrun.py"]))
    assert "version" not in set(defined(trees["externalgrpc/kube/cluster.py"]))
    text = (ROOT / "externalgrpc/nodes/template.py").read_text()
    assert len(re.findall(r"\bZONE\b", text)) > 1
    for path, word in (("kube/events.py", "_instance"), ("assembly/connecting.py", "instance=")):
        assert word in (ROOT / "externalgrpc" / path).read_text()
