"""The planted mistakes still have a place to stand; see ``python -m tests.laws.mutations``."""

from __future__ import annotations

import pytest

from tests.laws import mutations, plants


@pytest.mark.parametrize("plant", plants.PLANTS, ids=lambda plant: plant.name)
def test_its_place_is_there_once_and_what_comes_of_it_is_python(plant):
    text = (mutations.ROOT / plant.path).read_text()
    assert text.count(plant.old) == 1
    compile(text.replace(plant.old, plant.new), plant.path, "exec")


def test_names_are_distinguished():
    assert len({plant.name for plant in plants.PLANTS}) == len(plants.PLANTS)
