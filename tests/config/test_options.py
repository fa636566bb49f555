from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.config import options
from tests.config import fake_clouds
from tests.config.test_loading import load
from tests.config.test_mistakes import group


@dataclasses.dataclass(frozen=True)
class Mixed:
    pair: tuple[int, str] = (1, "a")


@dataclasses.dataclass(frozen=True)
class Called:
    call: Callable[[], None] | None = None


@dataclasses.dataclass(frozen=True)
class Either:
    one: int | str = 1


@dataclasses.dataclass(frozen=True)
class Keyed:
    by_number: dict[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Anything:
    at_all: Any = None


@dataclasses.dataclass(frozen=True)
class Endless:
    inner: Endless | None = None


@pytest.mark.parametrize("cls", [Mixed, Called, Either, Keyed, Anything, Endless, int])
def test_what_no_file_can_express_is_the_clouds_mistake(cls: type) -> None:
    with pytest.raises(options.Indescribable, match=cls.__name__):
        options.describe(cls)


def test_defaults_are_the_dataclasss_own(tmp_path: Path) -> None:
    loaded = load(tmp_path, group(provider="own", options="{count: 2}"))
    own = loaded.groups[0].options
    assert (own.count, own.chance, own.parts, own.limit) == (2, 0.5, (), None)


def test_a_setting_that_must_be_given_is_known() -> None:
    assert options.needed(fake_clouds.RichOptions)
    assert not options.needed(fake_clouds.contract.NoOptions)
