"""Let the world move between two pages of a listing."""

from __future__ import annotations

from collections.abc import Callable

from providers.fakes import engine, wire


def before_page(fake: engine.Fake, path: str, number: int, happens: Callable[[], object]) -> None:
    """Have something happen right before the answer to the page of this number, once.

    Pages are counted from now on, by the requests that read ``path``.
    """
    pages = 0

    def meanwhile(request: wire.Request) -> None:
        nonlocal pages
        if request.method != "GET" or not request.path.endswith(path):
            return
        pages += 1
        if pages == number:
            happens()

    fake.before = meanwhile
