"""Fit tables into a terminal: no word is broken, and what is too wide becomes a block a row.

A table that is only narrowed folds ids and names in the middle, and what was folded can neither be
read nor copied. So columns keep their longest word, and where that is more than there is room for,
each row is written as its own lines: the first cell, then every other with its heading.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_NOTHING = ("", "-")
_INDENT = "  "


class Fitting:
    """Draw a table of texts as it fits where it is drawn."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose columns or blocks by the width that there is."""
        room = options.max_width - _between(self.table)
        ranges = [
            [Measurement.get(console, options, each) for each in (column.header, *column.cells)]
            for column in self.table.columns
        ]
        least = [max(each.minimum for each in column) for column in ranges]
        most = [max(each.maximum for each in column) for column in ranges]
        if sum(least) > room:
            yield from _blocks(self.table, options.max_width)
            return
        spare = room - sum(least)
        for column, low, high in zip(self.table.columns, least, most, strict=True):
            column.width = low + min(high - low, spare)
            spare -= column.width - low
        yield self.table


def _between(table: Table) -> int:
    """Return the cells that lines and paddings take: one each side of a cell, one between cells."""
    columns = len(table.columns)
    return 2 + (columns - 1) + 2 * columns - 2


def _blocks(table: Table, width: int) -> Iterator[Text]:
    headings = [_text(column.header) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        first, *rest = map(_text, row)
        line = Text(first.plain or "-", style="bold", overflow="fold")
        for heading, cell in zip(headings[1:], rest, strict=True):
            if cell.plain in _NOTHING:
                continue
            piece = Text.assemble((heading.plain, "dim"), " " if heading.plain else "", cell)
            if cell_len(line.plain) + len(_INDENT) + cell_len(piece.plain) > width:
                yield line
                line = Text(overflow="fold")
            line = Text.assemble(line, _INDENT, piece, overflow="fold")
        yield line
    yield Text("")


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))
