"""Put tags on droplets and take them off, and clear away those that nobody carries.

A tag is a resource of the account: it must be there before it is attached, and it stays when the
last thing that carried it goes. Deleting it takes it off everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from providers import contract, errors, rest
from providers.digitalocean import reading, vocabulary
from providers.kit import marks

Row = dict[str, Any]


def change(connection: rest.Connection, row: Row, wanted: Collection[str]) -> None:
    """Attach and detach what a droplet's tags lack of what they should be, and have too many.

    First on, then off: a droplet with two identities for a moment is nobody's, one with none
    would pass for one of an older version.
    """
    worn = reading.tags(row)
    number = reading.identity(row)
    body = {"resources": [{"resource_id": number, "resource_type": "droplet"}]}
    for tag in (tag for tag in wanted if tag not in worn):
        _make(connection, tag)
        try:
            connection.ask("POST", f"/tags/{tag}/resources", body=body)
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) != vocabulary.NOT_FOUND:
                raise
            # The droplet or the tag: the next try, which reads the droplet first, will know.
            raise rest.NoAnswerError(f"the tag {tag} was not found when it was attached") from error
    for tag in sorted({tag for tag in worn if tag not in wanted}):
        try:
            connection.ask("DELETE", f"/tags/{tag}/resources", body=body)
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) != vocabulary.NOT_FOUND:
                raise


def _make(connection: rest.Connection, tag: str) -> None:
    """Make a tag; what is refused for being there already shows when it is attached."""
    try:
        connection.ask("POST", "/tags", body={"name": tag})
    except rest.SaidNoError as error:
        if not isinstance(connection.meaning(error), errors.BadOrder):
            raise


class NodeTags:
    """The tags of node names as a kind of :mod:`providers.kit.leftovers`.

    A tag stays when the last thing that carried it goes. It names no cluster, so no listing says
    whose it is: only those of node names that the caller knows to be gone are looked at.
    """

    def __init__(self, connection: rest.Connection) -> None:
        self._connection = connection

    def listed(
        self,
        *,
        groups: Collection[str],  # noqa: ARG002  (their tags are other clusters' too)
        nodes: Collection[str],
    ) -> Iterator[contract.Leftover]:
        """Yield the tags of these node names, there or not."""
        for node_name in sorted(set(nodes)):
            with contextlib.suppress(ValueError):  # no droplet ever carried it
                yield contract.Leftover(
                    kind="tag", id="", name=marks.node_tag(node_name), node_name=node_name
                )

    def is_free(self, left: contract.Leftover) -> bool:
        """Ask whether a tag is on nothing; one request."""
        try:
            tag = self._connection.get(f"/tags/{left.name}")["tag"]
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) != vocabulary.NOT_FOUND:
                raise
            return False
        # Tags keep the capitals of their first use: in other ones it is somebody else's.
        return bool(tag["name"] == left.name and int(tag["resources"]["count"]) == 0)

    def delete(self, left: contract.Leftover) -> bool:
        """Delete a tag; one request."""
        try:
            self._connection.ask("DELETE", f"/tags/{left.name}")
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) != vocabulary.NOT_FOUND:
                raise
            return False
        return True
