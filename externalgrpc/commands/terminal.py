"""Write to a person's terminal: the one way out of every command.

Nothing that a cloud, a cluster or a file says steers the terminal or is read as rich's markup:
texts pass :mod:`externalgrpc.support.plaintext` and the consoles read no markup at all.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import click

from externalgrpc.support import plaintext

if TYPE_CHECKING:
    from rich.console import Console

TAKES_NOTHING: Final = frozenset(
    {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
)
"""What a write to an output gives that is closed, full or gone."""

_USUAL_WIDTH: Final = 80


class Failure(click.ClickException):
    """End a command with exit code 1 and one sentence; an error's own lines, where it has many."""

    def __init__(self, why: str, *, lines: bool = False) -> None:
        super().__init__(plaintext.block(why) if lines else plaintext.line(why))


class Group(click.Group):
    """A group of commands whose errors are as harmless to show as what they print.

    ``commands_at`` says where each is ("module:name"): it is imported when it is asked for.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own
        commands_at: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, as the help lists them."""
        return sorted({*super().list_commands(ctx), *self._commands_at})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command that was asked for; None for one that there is not."""
        module, _, name = self._commands_at.get(cmd_name, "").partition(":")
        if not module:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # Click's own words on a wrong command line may have lines, and so may a Failure.
            several = isinstance(error, Failure | click.UsageError)
            shown = (plaintext.block if several else plaintext.line)(error.message)
            error.message = shown  # type: ignore[misc]  # click's own, and click shows it
            raise


def say(text: str, *, err: bool = False) -> None:
    """Print one line, whatever the text holds."""
    click.echo(plaintext.line(text), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Print a text of ours that has several lines; what others wrote in it must be one already."""
    click.echo(plaintext.block(text), err=err)


def console(*, stderr: bool = False) -> Console:
    """Make a console for tables: no markup, no emoji codes, no guessed colours."""
    from rich.console import Console  # noqa: PLC0415 - a short start-up is felt

    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if made.width < 1:
        # COLUMNS=0, as some consoles and CI set it: nobody knows how wide, and not: nothing fits.
        made.width = _USUAL_WIDTH
    return made


def mute() -> None:
    """Let standard output lead nowhere from now on: it takes nothing, not even at our end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@contextlib.contextmanager
def asking(what: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error what is being waited for; what it gives changes the words."""
    from rich.text import Text  # noqa: PLC0415

    # A plain string would be read as markup here, whatever the console says.
    def shown(words: str) -> Text:
        return Text(plaintext.line(words))

    with console(stderr=True).status(shown(what)) as status:
        yield lambda words: status.update(shown(words))


def harmless_tracebacks() -> None:
    """Let tracebacks of what nobody expected show no more than their characters either."""

    def show(
        _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        sys.stderr.write(plaintext.block("".join(traceback.format_exception(error))))

    def show_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            show(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_thread
