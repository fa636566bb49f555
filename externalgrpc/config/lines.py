"""Read YAML so that every value knows the line and column it came from.

Nothing is guessed: a plain scalar that YAML 1.1 reads otherwise than a person does (``no``,
``010``, ``1:30``) becomes a :class:`scalars.Surprise`, which no field accepts. Anchors, aliases
and merge keys work; size, depth and the number of values after expansion are bounded, so that a
hostile file costs little and ends in a clear mistake.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import yaml

from externalgrpc.config import mistakes, scalars
from externalgrpc.config.mistakes import ConfigError, Mistake, Path

MAX_BYTES = 1 << 20
"""As large as a ConfigMap may be."""

MAX_DEPTH = 24
MAX_VALUES = 20_000

_PUT = "Put the configuration under data.config, as a block that begins with |"


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; ``line`` and ``column`` count from 1."""

    line: int
    column: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What a file holds, and where: plain dicts, lists and scalars, with positions by path.

    ``found`` are the mistakes of the YAML itself that did not stop the reading.
    """

    file: str
    value: object
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    found: tuple[tuple[Path, Mistake], ...] = ()

    def has(self, path: Path) -> bool:
        """Return whether the file says anything at this path."""
        return path in self.values

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Find where a value, or its key, begins; for what is not there, its nearest parent."""
        for end in range(len(path), -1, -1):
            places = self.keys if key and end == len(path) else self.values
            if path[:end] in places:
                return places[path[:end]]
        return Position(1, 1)


def read(raw: bytes, file: str) -> Tree:
    """Read a file: a bare mapping, or a ConfigMap with the text under ``data.config``.

    Raises ConfigError when it cannot be read as YAML at all.
    """
    root = _compose(_text(raw, file), file, _same_place)
    if not isinstance(root, yaml.MappingNode):
        raise _single(file, Position(1, 1), "is not a mapping", "Begin with the key nodes:")
    outer = _Walk(file, _same_place)
    kind = _entry(root, "kind")
    if kind is None:
        return outer.tree(root)
    return _inside_config_map(raw, file, root, kind)


def _inside_config_map(raw: bytes, file: str, root: yaml.MappingNode, kind: yaml.Node) -> Tree:
    """Read the text under ``data.config``, with the positions of the outer file."""
    if kind.value != "ConfigMap":
        message = f"{mistakes.shorten(str(kind.value))} is not ConfigMap"
        raise _single(
            file, _place(kind.start_mark), message, "Remove it, or give a ConfigMap", "kind"
        )
    outer = _Walk(file, _same_place).tree(root)
    if outer.found:
        raise ConfigError(mistake for _path, mistake in outer.found)
    data = _entry(root, "data")
    if not isinstance(data, yaml.MappingNode):
        raise _single(file, _place(root.start_mark), "this ConfigMap has no data", _PUT, "data")
    text = _entry(data, "config")
    if not isinstance(text, yaml.ScalarNode):
        there = ", ".join(mistakes.shorten(str(key.value)) for key, _ in data.value) or "nothing"
        message = f"the key config with a text is missing; there is {there}"
        raise _single(file, _place(data.start_mark), message, _PUT, "data.config")
    shift = _shift(raw.decode("utf-8-sig"), text)
    node = _compose(text.value, file, shift)
    if not isinstance(node, yaml.MappingNode):
        raise _single(file, shift(Position(1, 1)), "is not a mapping", "Begin it with nodes:")
    return _Walk(file, shift).tree(node)


def _text(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES} bytes"
        raise _single(file, Position(1, 1), message, "A ConfigMap could not hold it either")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        place = Position(line, column)
        raise _single(file, place, "is not UTF-8 text", "Save it as UTF-8") from error


class _Bounded(yaml.SafeLoader):
    """Compose nodes, never deeper than MAX_DEPTH; nothing is constructed from them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            problem = f"is nested deeper than {MAX_DEPTH} levels"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


Shift = Callable[[Position], Position]


def _compose(text: str, file: str, shift: Shift) -> yaml.Node | None:
    """Compose the one document of a text; every way in which PyYAML can fail is a mistake."""
    try:
        return _Bounded(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = shift(_place(mark)) if mark else shift(Position(1, 1))
        problem = (error.problem or "cannot be read as YAML").strip()
        if "but found another document" in problem:
            raise _single(file, place, "holds a second YAML document", "Keep one") from error
        context = f" {error.context.strip()}" if error.context else ""
        raise _single(file, place, f"is not valid YAML: {problem}{context}", "") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        message = "holds a character that YAML does not allow"
        raise _single(file, shift(Position(line, column)), message, "Remove it") from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _single(file, shift(Position(1, 1)), "cannot be read as YAML", "") from error


class _Walk:
    """Turn composed nodes into plain values, noting where each came from."""

    def __init__(self, file: str, shift: Shift) -> None:
        self._file = file
        self._shift = shift
        self._count = 0
        self._keys: dict[Path, Position] = {}
        self._values: dict[Path, Position] = {}
        self._found: list[tuple[Path, Mistake]] = []

    def tree(self, root: yaml.Node) -> Tree:
        """Read everything below a node; raises ConfigError when aliases expand too far."""
        value = self._value(root, ())
        return Tree(
            file=self._file,
            value=value,
            keys=self._keys,
            values=self._values,
            found=tuple(self._found),
        )

    def _value(self, node: yaml.Node, path: Path, depth: int = 0) -> object:
        self._values[path] = self._bounded(node, depth)
        if isinstance(node, yaml.MappingNode):
            self._plain_tag(node, path, "map")
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            self._plain_tag(node, path, "seq")
            return [
                self._value(child, (*path, index), depth + 1)
                for index, child in enumerate(node.value)
            ]
        return scalars.read(node) if isinstance(node, yaml.ScalarNode) else None

    def _bounded(self, node: yaml.Node, depth: int) -> Position:
        """Count a value; raises ConfigError when there are too many. Return its place."""
        place = self._shift(_place(node.start_mark))
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            reason = f"grows beyond {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise _single(self._file, place, reason, "Split it, or use fewer aliases")
        return place

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == scalars.TAG + "merge":
                result.update(self._merged(value, path, depth + 1))
        first: dict[str, Position] = {}
        for key_node, value_node in node.value:
            if key_node.tag == scalars.TAG + "merge":
                continue
            place = self._shift(_place(key_node.start_mark))
            key = scalars.read(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if isinstance(key, scalars.Surprise):
                self._file_mistake(place, path, f"a key here {key.message}", key.cure)
            elif not isinstance(key, str) or not key:
                self._file_mistake(place, path, "a key here is not a text", "Put it in quotes")
            elif key in first:
                reason = f"is given twice; the first is in line {first[key].line}"
                self._file_mistake(place, (*path, key), reason, "Remove one")
            else:
                first[key] = place
                self._keys[(*path, key)] = place
                result[key] = self._value(value_node, (*path, key), depth + 1)
        return result

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> dict[str, object]:
        """Read what ``<<`` brings in: a mapping, or a list of them of which the first wins."""
        bases = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, object] = {}
        for base in reversed(bases):
            place = self._bounded(base, depth)
            if isinstance(base, yaml.MappingNode):
                result.update(self._mapping(base, path, depth))
            else:
                self._file_mistake(place, path, "<< takes a mapping or a list of them", "")
        return result

    def _plain_tag(self, node: yaml.Node, path: Path, expected: str) -> None:
        if node.tag != scalars.TAG + expected:
            place = self._shift(_place(node.start_mark))
            self._file_mistake(place, path, "carries a YAML tag", "Remove the tag")

    def _file_mistake(self, place: Position, path: Path, message: str, cure: str) -> None:
        mistake = Mistake(
            file=self._file,
            line=place.line,
            column=place.column,
            path=mistakes.spell(path),
            message=message,
            cure=cure,
        )
        self._found.append((path, mistake))


def _entry(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == name and isinstance(value, yaml.Node):
            return value
    return None


def _place(mark: yaml.Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _same_place(position: Position) -> Position:
    return position


def _shift(outer: str, node: yaml.ScalarNode) -> Shift:
    """Map places in an inner text to the outer file.

    Exact for a literal block (``|``), where lines correspond one to one; any other style folds
    or escapes lines, so all of it is reported at the place where the text begins.
    """
    start = _place(node.start_mark)
    if node.style != "|":
        return lambda _position: start
    indent = 0
    lines = outer.split("\n")
    for number, inner in enumerate(node.value.split("\n")):
        if inner.strip() and start.line + number < len(lines):
            there = lines[start.line + number]
            indent = (len(there) - len(there.lstrip(" "))) - (len(inner) - len(inner.lstrip(" ")))
            break
    return lambda position: Position(start.line + position.line, position.column + indent)


def _single(file: str, place: Position, message: str, cure: str, path: str = "") -> ConfigError:
    mistake = Mistake(
        file=file,
        line=place.line,
        column=place.column,
        path=path,
        message=message,
        cure=cure,
    )
    return ConfigError([mistake])
