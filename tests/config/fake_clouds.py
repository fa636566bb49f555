"""Clouds for tests of the configuration: classes that only say what they are."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Literal, cast

from externalgrpc.model import installed_clouds
from providers import contract


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    weight: Decimal = Decimal(1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RichOptions:
    """One field of every kind that options may have."""

    count: int
    parts: tuple[Part, ...] = ()
    best: Part | None = None
    by_name: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    chance: float = 0.5
    price: Decimal = Decimal("0.1")
    fast: bool = False
    mode: Literal["fast", "slow"] = "fast"
    colour: Colour = Colour.RED
    names: frozenset[str] = frozenset()
    limit: int | None = None
    public_ipv4: bool = True

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count {self.count} is negative")


class Plain:
    """A real cloud that can do little."""

    scheme: ClassVar[str] = "plain"
    token_variable: ClassVar[str] = "PLAIN_TOKEN"
    joins_by_itself: ClassVar[bool] = False
    account_options: ClassVar[type] = contract.NoOptions
    group_options: ClassVar[type] = contract.NoOptions
    supports: ClassVar[frozenset[str]] = frozenset({"ssh_keys"})
    user_data_limit_bytes: int = 1000


class Rich(Plain):
    """A real cloud that can do everything and has settings of its own."""

    scheme: ClassVar[str] = "rich"
    token_variable: ClassVar[str] = "RICH_TOKEN"
    account_options: ClassVar[type] = RichOptions
    group_options: ClassVar[type] = RichOptions
    supports: ClassVar[frozenset[str]] = frozenset(
        {"networks", "firewalls", "placement_group", "public_ipv4", "public_ipv6", "ssh_keys"}
    )


class Own(Rich):
    """A rich cloud whose account needs nothing said."""

    account_options: ClassVar[type] = contract.NoOptions


class Dream(Rich):
    """A simulated cloud: no token, and its machines join by themselves."""

    scheme: ClassVar[str] = "dream"
    token_variable: ClassVar[str] = ""
    joins_by_itself: ClassVar[bool] = True
    account_options: ClassVar[type] = contract.NoOptions
    group_options: ClassVar[type] = contract.NoOptions


CLOUDS = cast(
    "Mapping[str, installed_clouds.Cloud]",
    {"plain": Plain, "rich": Rich, "own": Own, "dream": Dream, "hetzner": Plain},
)
TOKEN = "t0k3n-that-nobody-may-see"
ENVIRON = {"PLAIN_TOKEN": TOKEN, "RICH_TOKEN": f"{TOKEN}-of-rich"}
