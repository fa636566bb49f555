"""The server knows no cloud by its name or scheme: what one is like, its class says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.model import installed_clouds

SERVER = Path(installed_clouds.__file__).parents[1]
OURS = installed_clouds.installed().within("providers")
WORDS = {
    *OURS,
    *(cloud.scheme for cloud in OURS.values()),
    *("akamai", "doctl", "droplet", "169.254."),
} - {"memory"}
"""What no text of the program holds; comments and docstrings may say where a fact comes from."""
VENDOR = re.compile("|".join(map(re.escape, sorted(WORDS))), re.IGNORECASE)


def said(source: str) -> Iterator[tuple[int, str]]:
    """Give the names and texts of a module with their lines, docstrings left out."""
    tree = ast.parse(source)
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in silent:
                yield node.lineno, node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and (
            re.search(r"click\.(?:command|group)", ast.unparse(node.decorator_list[-1]))
            if node.decorator_list
            else False
        ):
            yield node.lineno, ast.get_docstring(node) or ""


def compared(source: str) -> Iterator[int]:
    """Give the lines where something is compared with the memory cloud's name or scheme."""
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        for each in parts:
            for inner in ast.walk(each):
                text = inner.value if isinstance(inner, ast.Constant) else ""
                if isinstance(text, str) and re.fullmatch("memory(://.*)?", text):
                    yield inner.lineno  # type: ignore[attr-defined]


def found(path: Path) -> list[str]:
    """Return every place of a file that knows a vendor."""
    text = path.read_text()
    if path.suffix == ".py":
        named = [
            f"{path.name}:{line}: {result[:60]}"
            for line, result in said(text)
            if VENDOR.search(result)
        ]
        return named + [f"{path.name}:{line}: memory" for line in compared(text)]
    lines = enumerate(text.split("\n"), start=1)
    return [
        f"{path.name}:{number}: {line[:60]}"
        for number, line in lines
        if not line.lstrip().startswith("#") and VENDOR.search(line)
    ]


FILES = sorted(
    path for path in SERVER.rglob("*") if path.suffix in {".py", ".sh"} and path.parent.name != "pb"
)


def test_no_part_of_the_server_knows_a_cloud() -> None:
    assert len(FILES) > 150
    assert [item for path in FILES for item in found(path)] == []


@pytest.mark.parametrize(
    "planted",
    [
        'KNOWN = frozenset({"hcloud"})',
        'def f(a):\n    return a.provider != "memory"',
        'def f(a):\n    match a:\n        case "memory":\n            return 1',
        'CURE = f"linode-cli linodes delete {x}"',
        "URL = 'http://169.254.169.254/'",
        '@click.command()\ndef purge():\n    """Delete hcloud://12345."""',
    ],
)
def test_what_knows_one_is_found(tmp_path: Path, planted: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(planted)
    assert found(path)


def test_what_merely_looks_like_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "fine.py"
    path.write_text('"""As Linode has it."""\n# Vultr\nX = amounts.get("memory")\n')
    assert found(path) == []
    path = tmp_path / "fine.sh"
    path.write_text("# Vultr's ufw\nufw status\n")
    assert found(path) == []
